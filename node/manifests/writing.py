"""Writes a manifest as OKH 2.4: TOML, with the keys of others exactly as they were.

No library is used: those that write TOML know no decimals, so that 1.10 would become 1.1.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import cast

from .findings import Finding, Tree
from .okh import Manifest

_FIRST = ("okhv", "name", "repo", "version", "license", "licensor", "function")
"""What a reader looks for first; the rest keeps its order."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\f": "\\f", "\r": "\\r"}
_LINES_FROM = 2
"""Texts of so many lines are written on lines of their own."""


def to_toml(manifest: Manifest) -> str:
    """Return the text of an `okh.toml`. What was assumed is named in a comment at its top."""
    assumed = [each for each in manifest.findings if each.level == "inferred" and each.key]
    document = dict(manifest.document)
    first = {key: document[key] for key in _FIRST if key in document}
    return _comment(assumed) + tree_to_toml({**first, **document})


def _comment(assumed: Iterable[Finding]) -> str:
    lines = [
        f"#   {_escape(each.key, is_line=True)}: {_escape(each.made, is_line=True)}\n"
        for each in assumed
    ]
    return f"# Assumed, as nobody said it:\n{''.join(lines)}\n" if lines else ""


def tree_to_toml(tree: Mapping[str, object]) -> str:
    """Return a tree as TOML. Reading that gives an equal tree."""
    plain = {key: value for key, value in tree.items() if not _is_below(value)}
    lines = [f"{_key(key)} = {_value(value, is_wide=True)}" for key, value in plain.items()]
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += _table(f"[{_key(key)}]", cast("Tree", value))
        elif _is_below(value):
            for table in cast("list[Tree]", value):
                lines += _table(f"[[{_key(key)}]]", table)
    return "\n".join(lines) + "\n"


def _is_below(value: object) -> bool:
    """Return whether a value is a table, or several, and so stands below the others."""
    if isinstance(value, list):
        entries = cast("list[object]", value)
        return bool(entries) and all(isinstance(entry, dict) for entry in entries)
    return isinstance(value, dict)


def _table(head: str, table: Tree) -> list[str]:
    lines = [f"{_key(key)} = {_value(value, is_wide=True)}" for key, value in table.items()]
    return ["", head, *lines]


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else f'"{_escape(key, is_line=True)}"'


def _value(value: object, *, is_wide: bool = False) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value, is_wide=is_wide)
        case int():
            return str(value)
        case Decimal():
            return str(value) if value.is_finite() else str(value).lower().replace("inity", "")
        case date() | time():
            return value.isoformat()
        case list():
            entries = [_value(entry) for entry in cast("list[object]", value)]
            return f"[{', '.join(entries)}]"
        case _:
            assert isinstance(value, dict)
            pairs = cast("Tree", value).items()
            entries = [f"{_key(key)} = {_value(below)}" for key, below in pairs]
            return f"{{ {', '.join(entries)} }}" if entries else "{}"


def _text(text: str, *, is_wide: bool) -> str:
    if is_wide and text.count("\n") + 1 >= _LINES_FROM:
        return f'"""\n{_escape(text)}"""'
    return f'"{_escape(text, is_line=True)}"'


def _escape(text: str, *, is_line: bool = False) -> str:
    """Return a text as it stands between quotation marks, with or without its line breaks."""
    kept = "" if is_line else "\n"
    return "".join(
        _ESCAPES.get(letter)
        or (letter if letter in kept or letter.isprintable() else _numbered(letter))
        for letter in text
    )


def _numbered(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
