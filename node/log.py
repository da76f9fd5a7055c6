"""The log: events with fields on stderr, set up once, for the operator and for tools.

    log.info("lease_out", machine="mk3", order="3f2a…")

is one line, `key=value` for people or JSON for tools. Events have fixed names and keys from
the glossary. Debug is for developers, info for operators, a warning means that someone should
look, an error that this node failed at something. Secrets and bodies are never logged: bytes
are cut to eight hexadecimal digits, whatever they are.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from commonfab.protocol.ids import short

TEXT_LENGTH_MAX = 2000
"""A longer value is cut: some of them come from other peers."""

_log = logging.getLogger("commonfab")
_PLAIN = re.compile(r"[\w./:+,@%-]+", re.ASCII)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "fields"}


def set_up(*, level: str, as_json: bool, stream: TextIO = sys.stderr) -> None:
    """Send all events of at least this level to a stream; of libraries, only warnings."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json() if as_json else _KeyValue())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _log.setLevel(level.upper())


def debug(event: str, /, **fields: object) -> None:
    _write(logging.DEBUG, event, fields)


def info(event: str, /, **fields: object) -> None:
    _write(logging.INFO, event, fields)


def warning(event: str, /, **fields: object) -> None:
    _write(logging.WARNING, event, fields)


def error(event: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
    """Log a failure, with its traceback where one is given."""
    _write(logging.ERROR, event, fields, exc_info)


def _write(
    level: int, event: str, fields: dict[str, object], exc_info: BaseException | None = None
) -> None:
    _log.log(level, event, extra={"fields": fields}, exc_info=exc_info)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what is to be said of a record, whether ours or a library's."""
    said = vars(record)
    extra = {key: value for key, value in said.items() if key not in _STANDARD}
    head: dict[str, object] = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "what": record.getMessage(),
    }
    for key, value in said.get("fields", extra).items():
        head[f"{key}_" if key in head else key] = _value(value)
    return head


def _value(value: object) -> object:
    if isinstance(value, bytes):
        return f"{short(value)}…"
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= TEXT_LENGTH_MAX else f"{text[:TEXT_LENGTH_MAX]}…"


class _KeyValue(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        head = f"{fields.pop('at')} {fields.pop('level')!s:7} {_quoted(fields.pop('what'))}"
        pairs = (f"{key}={_quoted(value)}" for key, value in fields.items())
        line = " ".join((head, *pairs))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=True)


def _quoted(value: object) -> str:
    # Quoted like JSON unless it is one plain word: no value can begin a line of its own,
    # or say anything to the terminal.
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
