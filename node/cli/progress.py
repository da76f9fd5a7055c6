"""What a long command is doing, on stderr and only where a person looks at it."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from .words import size, text

_BAR_WIDTH = 24


@contextmanager
def shown() -> "Generator[_Line]":
    """Give a line to report progress on; it is wiped away in the end."""
    line = _Line(is_seen=sys.stderr.isatty())
    try:
        yield line
    finally:
        line.wipe()


class _Line:
    """One line of a terminal, written over again and again."""

    def __init__(self, *, is_seen: bool) -> None:
        self._is_seen = is_seen
        self._is_used = False

    def __call__(self, progress: Mapping[str, Any]) -> None:
        """Take what a node says of a command's progress."""
        self.show(words(progress))

    def show(self, line: str) -> None:
        if not self._is_seen:
            return
        from .table import width

        self._is_used = True
        sys.stderr.write(f"\r\x1b[K{line[: width(2) - 1]}")
        sys.stderr.flush()

    def wipe(self) -> None:
        if self._is_used:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def words(progress: Mapping[str, Any]) -> str:
    """Return one line for what a node says of a command's progress."""
    match progress:
        case {"blocks": int(done), "blocks_known": int(known), "bytes": int(count)}:
            return f"fetching {_bar(done, known)} {done}/{known} blocks, {size(count)}"
        case {"step": str(step), "file": str(file), "done": int(done), "of": int(total)}:
            return f"{text(step)} {_bar(done, total)} {done}/{total} {text(file)}"
        case {"step": str(step), "file": str(file), "bytes": int(count)}:
            return f"{text(step)} {text(file)}, {size(count)}"
        case {"step": str(step)}:
            return text(step)
        case _:
            return "working"


def _bar(done: int, total: int) -> str:
    full = _BAR_WIDTH * done // total if total else 0
    return f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}]"
