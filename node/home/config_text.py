"""The text of `commonfab.toml`: where a mistake is, what a new file says, how it is edited."""

import difflib
import re
import tomllib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

import msgspec
import tomlkit
from msgspec import Struct, inspect, structs
from tomlkit.items import AoT, InlineTable, Item, Table

from commonfab.protocol.errors import UsageError

from .forms import IN_WORDS

Raw = dict[str, Any]
"""What a TOML document says, before its types have been checked."""
Path = tuple[str | int, ...]
"""Keys, and indices from 0, from the top of the document; at least one."""

_PLAIN = str.maketrans("", "", " \"'")
_WORDS = {
    "object": "table",
    "array": "list",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
}


def read(text: str, name: str) -> Raw:
    """Take a TOML document apart, or raise `UsageError` with the line that is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: not TOML: {lower_first(str(error))}") from error


def refuse_unknown(raw: Raw, type_: type[Struct], text: str, name: str) -> None:
    """Raise `UsageError` for a key that is no setting, with the nearest that is one."""
    for path, known in _unknown(raw, inspect.type_info(type_), ()):
        suggestion = nearest(str(path[-1]), known)
        raise UsageError(f"{at(path, text, name)}: no such setting{suggestion}")


def explain(error: msgspec.ValidationError, text: str, name: str) -> UsageError:
    """Say in the words of the file what msgspec found wrong with a value."""
    place = str(error).partition(" - at `$")[2]
    path = tuple(
        int(index) if index else key for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", place)
    )
    return UsageError(f"{at(path, text, name)}: {in_words(error)}")


def in_words(error: msgspec.ValidationError) -> str:
    """Return what msgspec found wrong, without where, in words of TOML."""
    said = str(error).partition(" - at `")[0]
    for pattern, words in IN_WORDS.items():
        said = said.replace(f"`str` matching regex {pattern!r}", words)
    for foreign, ours in _WORDS.items():
        said = said.replace(f"`{foreign}`", ours)
    said = said.replace("Object missing required field", "this setting is missing:")
    return lower_first(said)


@contextmanager
def in_our_words() -> Generator[None]:
    """Raise what msgspec finds wrong with a single value as `UsageError`."""
    try:
        yield
    except msgspec.ValidationError as error:
        raise UsageError(in_words(error)) from error


def tables(value: object) -> Iterator[tuple[str, Raw]]:
    """Yield the tables in a table, by name."""
    for name, table in value.items() if _is_table(value) else ():
        if _is_table(table):
            yield name, table


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a clause that names the known word most like this one."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _unknown(value: Any, type_: inspect.Type, path: Path) -> Iterator[tuple[Path, list[str]]]:
    if isinstance(type_, inspect.Metadata):
        yield from _unknown(value, type_.type, path)
    elif isinstance(type_, inspect.StructType) and _is_table(value):
        fields = {field.encode_name: field.type for field in type_.fields}
        for key in value:
            if key not in fields:
                yield (*path, key), list(fields)
            else:
                yield from _unknown(value[key], fields[key], (*path, key))
    elif isinstance(type_, inspect.UnionType):
        for each in type_.types:
            yield from _unknown(value, each, path)
    elif isinstance(type_, inspect.VarTupleType) and _is_list(value):
        for index, row in enumerate(value):
            yield from _unknown(row, type_.item_type, (*path, index))


def _is_table(value: object) -> TypeGuard[Raw]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def at(path: Path, text: str, name: str) -> str:
    """Return where a setting is, as "commonfab.toml:12: network.listen"."""
    if not path:
        return name
    line = _line(path, text)
    dotted = ".".join(key for key in path if isinstance(key, str))
    return f"{name}:{line}: {dotted}" if line else f"{name}: {dotted}"


def _line(path: Path, text: str) -> int | None:
    """Return the line of a setting, counted from 1, or that of its table."""
    top, *rest = path
    index = next((step for step in rest[:1] if isinstance(step, int)), None)
    header = f"[{top}]" if index is None else f"[[{top}]]"
    key = next((step for step in rest if isinstance(step, str)), None)
    found, seen = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0].translate(_PLAIN).strip()
        if bare == header:
            if seen == (index or 0):
                found = number
            seen += 1
        elif found and bare.startswith("[") and not bare.startswith(f"[[{top}."):
            break
        elif found and key and bare.startswith(f"{key}="):
            return number
    return found


def compose(settings: Struct) -> str:
    """Return a new file without machines: every setting with its meaning, those that are as
    usual commented out."""
    lines = ["# What the operator of this node decided. Check it with: commonfab doctor"]
    for section in structs.fields(settings):
        table = getattr(settings, section.name)
        if isinstance(table, Struct):
            lines += ["", f"[{section.encode_name}]", *_table_lines(table)]
    return "\n".join(lines) + "\n"


def _table_lines(table: Struct) -> Iterator[str]:
    for field in structs.fields(table):
        value = getattr(table, field.name)
        for line in _description(field).splitlines():
            yield f"# {line}"
        mark = "# " if field.default == value else ""
        yield f"{mark}{field.encode_name} = {_item(value).as_string()}"


def _description(field: structs.FieldInfo) -> str:
    metas: tuple[msgspec.Meta, ...] = getattr(field.type, "__metadata__", ())
    return next((meta.description for meta in reversed(metas) if meta.description), "")


def _item(value: object) -> Item:
    if isinstance(value, Struct):
        return _inline_changed(value)
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update(value)  # pyright: ignore[reportUnknownMemberType]  # untyped there
        return inline
    if not isinstance(value, tuple):
        item: Item = tomlkit.item(_plain(value))
        return item
    cells: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    row = tomlkit.array()
    for cell in cells:
        row.append(_inline(cell) if isinstance(cell, Struct) else _plain(cell))  # pyright: ignore[reportUnknownMemberType]  # untyped there
    return row.multiline(any(isinstance(cell, Struct) for cell in cells))


def _inline(row: Struct) -> InlineTable:
    table = tomlkit.inline_table()
    for field in structs.fields(row):
        table.append(field.encode_name, _plain(getattr(row, field.name)))
    return table


def _inline_changed(row: Struct) -> InlineTable:
    """Return a table in one line, with the settings that are not as usual."""
    table = tomlkit.inline_table()
    for field in structs.fields(row):
        value = getattr(row, field.name)
        if value != field.default and value != {}:
            table.append(field.encode_name, _item(value))
    return table


def _plain(value: object) -> object:
    """Return a value as a person would write it: 250, not 250.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def add_machine(text: str, machine: Struct) -> str:
    """Return the file with one more `[[machine]]`; all else in it stays as it is."""
    document = tomlkit.parse(text)
    table = tomlkit.table()
    for field in structs.fields(machine):
        value = getattr(machine, field.name)
        if value != field.default or field.name == "driver":
            table.add(field.encode_name, _item(value))
    if "machine" not in document:
        document.add(tomlkit.nl())
        document.add("machine", tomlkit.aot())
    machines = document["machine"]
    assert isinstance(machines, AoT), "the file was read as settings before"
    machines.insert(len(machines), table)
    return tomlkit.dumps(document)


def remove_machine(text: str, index: int) -> str:
    """Return the file without its `index`-th `[[machine]]`, counted from 0."""
    document = tomlkit.parse(text)
    machines = document["machine"]
    assert isinstance(machines, AoT), "the file was read as settings before"
    del machines[index]
    if not machines:
        document.remove("machine")
    return tomlkit.dumps(document)


def set_value(text: str, section: str, key: str, value: object) -> str:
    """Return the file with one setting of a table as it is told; all else stays as it is."""
    document = tomlkit.parse(text)
    if section not in document:
        document.add(tomlkit.nl())
        document.add(section, tomlkit.table())
    table = document[section]
    assert isinstance(table, Table), "the file was read as settings before"
    table[key] = _item(value)
    return tomlkit.dumps(document)
