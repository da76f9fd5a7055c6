"""Writes the tables of fields into specs/records.md, from the types and their docstrings.

    python -m tests.protocol.record_tables

A test holds the page to what this writes.
"""

import ast
import sys

from msgspec import NODEFAULT, Struct

from commonfab.protocol.records import KINDS, LATEST, PUBLIC, TRANSIENT
from tests.protocol import record_forms
from tests.vectors import ROOT

PAGE = ROOT / "specs" / "records.md"
_MODULES = ("body", "records", "statements")
"""Of protocol/, which have the classes."""
_BEGIN, _END = "<!-- fields: written by tests/protocol/record_tables.py -->\n", "<!-- end -->\n"


def render() -> str:
    """Return the section on fields: one part for each kind and each map in it."""
    return "\n".join(_part(struct) for struct in record_forms.structs())


def current() -> str:
    """Return that section as the page has it."""
    return PAGE.read_text().partition(_BEGIN)[2].partition(_END)[0]


def _part(struct: type[Struct]) -> str:
    lines = [f"### {struct.__name__}", "", *_about(struct), ""]
    inherited = struct.__base__.__struct_fields__ if struct.__base__ is not None else ()  # type: ignore[attr-defined]  # a Struct
    own = [field for field in record_forms.fields_of(struct) if field.name not in inherited]
    meanings = _meanings(struct.__name__)
    if own:
        lines += [
            "| Field | Type | If absent | Meaning |",
            "| ----- | ---- | --------- | ------- |",
        ]
    for field in own:
        cells = (
            f"`{field.name}`",
            record_forms.words(field.type),
            _absent(record_forms.default_of(field)),
            meanings.get(field.name, ""),
        )
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def _about(struct: type[Struct]) -> list[str]:
    lines = [" ".join((struct.__doc__ or "").split())]
    kind = struct.__name__.lower()
    if kind in KINDS:
        base = struct.__base__.__name__ if struct.__base__ is not None else ""
        lines.append(f"Has the fields of [{base}](#{base.lower()}) and:")
        sort = "public" if kind in PUBLIC else "a letter or private"
        sort += ", the latest counts" if kind in LATEST else ""
        sort += ", never stored" if kind in TRANSIENT else ""
        lines[0] = f"*Kind `{kind}`: {sort}.*\n" + lines[0]
    return lines


def _absent(default: object) -> str:
    if default is NODEFAULT:
        return "refused"
    if default is None:
        return "there is none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, int) or default == "EUR" else "empty"


def _meanings(struct: str) -> dict[str, str]:
    """Return what stands below each field of a record's class."""
    found: dict[str, str] = {}
    for node in (node for name in _MODULES for node in ast.parse(_source(name)).body):
        if isinstance(node, ast.ClassDef) and node.name == struct:
            for field, below in zip(node.body, node.body[1:], strict=False):
                match field, below:
                    case (
                        ast.AnnAssign(target=ast.Name(name)),
                        ast.Expr(ast.Constant(str(text))),
                    ):
                        found[name] = " ".join(text.split())
                    case _:
                        pass
    return found


def _source(module: str) -> str:
    return (ROOT / "protocol" / f"{module}.py").read_text()


def main() -> None:
    before, begin, rest = PAGE.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        sys.exit(f"{PAGE} has no place for the tables")
    PAGE.write_text(before + begin + render() + end + after)


if __name__ == "__main__":
    main()
