"""What each kind of record may look like, read from the types of protocol/records.py.

From a field's type come its words in specs/records.md, an example at the lower and one at the
upper end, and the values that a reader must refuse.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec.inspect as inspect
from msgspec import NODEFAULT, Struct

from commonfab.protocol import records
from commonfab.protocol.body import Body
from commonfab.protocol.records import KINDS

Plain = dict[str, Any]


def fields_of(struct: type[Struct]) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(struct)
    assert isinstance(found, inspect.StructType)
    return found.fields


def structs() -> list[type[Struct]]:
    """Return the body that all share, the kinds, and after each what first appears in it."""
    found: list[type[Struct]] = [Body, records.Letter]
    for kind in KINDS.values():
        for struct in (kind, *(part for field in fields_of(kind) for part in parts(field.type))):
            if struct not in found:
                found.append(struct)
    return found


def parts(form: inspect.Type) -> Iterator[type[Struct]]:
    """Yield the structs that a type is made of, outermost first."""
    match form:
        case inspect.StructType():
            yield form.cls
            for field in form.fields:
                yield from parts(field.type)
        case inspect.VarTupleType():
            yield from parts(form.item_type)
        case _:
            pass


def words(form: inspect.Type) -> str:
    """Say in a few words what values a type has."""
    match form:
        case inspect.IntType():
            return f"integer, {_number(form.ge)} to {_number(form.le)}"
        case inspect.BoolType():
            return "boolean"
        case inspect.StrType():
            return f"text, {_span(form.min_length, form.max_length)} characters"
        case inspect.BytesType():
            return f"binary, {_span(form.min_length, form.max_length)} bytes"
        case inspect.LiteralType():
            return " or ".join(f"`{value}`" for value in sorted(map(str, form.values)))
        case inspect.StructType():
            return f"map, [{form.cls.__name__}](#{form.cls.__name__.lower()})"
        case inspect.TupleType():
            return f"array of {len(form.item_types)}: {words(form.item_types[0])}"
        case inspect.VarTupleType():
            count = _span(form.min_length, form.max_length)
            return f"array of {count}: {words(form.item_type)}"
        case inspect.UnionType():
            return words(_present(form))
        case _:
            raise AssertionError(f"a type that has no words yet: {form}")


def _number(number: int | float | None) -> str:
    assert isinstance(number, int), "every integer of a record has both bounds"
    return "2^53" if number == 2**53 else f"{number:,}".replace("-", "\N{MINUS SIGN}")


def _span(least: int | None, most: int | None) -> str:
    assert most is not None, "everything of changing length has a bound"
    return f"{most}" if least == most else f"{least or 0} to {most}"


def _present(form: inspect.UnionType) -> inspect.Type:
    """Return the type of a field that may be absent, where it is present."""
    (found,) = (one for one in form.types if not isinstance(one, inspect.NoneType))
    return found


@dataclass(frozen=True)
class Example:
    """Makes an example of a type, at the lower or the upper end of its bounds."""

    low: bool
    length_max: int = 10_000
    """Texts and binaries are no longer than this, where their type allows it."""

    def body(self, struct: type[Struct]) -> Plain:
        """Return a body of a kind; at the lower end, only with what must be there."""
        fields = fields_of(struct)
        return {
            field.name: self.of(field.type) for field in fields if field.required or not self.low
        }

    def of(self, form: inspect.Type) -> Any:
        match form:
            case inspect.IntType():
                return form.ge if self.low else form.le
            case inspect.BoolType():
                return not self.low
            case inspect.StrType():
                return ("x" if self.low else "é") * self._length(form)
            case inspect.BytesType():
                return (b"\x01" if self.low else b"\xff") * self._length(form)
            case inspect.LiteralType():
                return sorted(map(str, form.values))[0 if self.low else -1]
            case inspect.StructType():
                return self.body(form.cls)
            case inspect.TupleType():
                return [self.of(item) for item in form.item_types]
            case inspect.VarTupleType():
                count = form.min_length or 0 if self.low else min(2, form.max_length or 2)
                return [self.of(form.item_type)] * count
            case inspect.UnionType():
                return self.of(_present(form))
            case _:
                raise AssertionError(f"a type that has no example yet: {form}")

    def _length(self, form: inspect.StrType | inspect.BytesType) -> int:
        low, high = form.min_length or 0, form.max_length or 0
        return low if self.low else max(low, min(high, self.length_max))


LEAST, MOST = Example(low=True), Example(low=False)


def wrong(form: inspect.Type) -> Iterator[Any]:
    """Yield values that a reader must refuse where a type is wanted: of another type, or out
    of its bounds."""
    match form:
        case inspect.UnionType():
            yield from wrong(_present(form))
            return
        case inspect.IntType():
            assert isinstance(form.ge, int)
            assert isinstance(form.le, int)
            yield from (True, str(form.ge), b"\x01", form.ge - 1, form.le + 1)
        case inspect.BoolType():
            yield from (0, 1, "true", b"\x01")
        case inspect.StrType():
            yield from (1, b"x", "x" * ((form.max_length or 0) + 1))
            yield from [""] if form.min_length else []
        case inspect.BytesType():
            length = form.min_length or 0
            yield from (1, "A" * length, base64_of(length))
            yield from [bytes(length - 1)] if length else []
            yield bytes((form.max_length or 0) + 1)
        case inspect.LiteralType():
            yield from (0, "Made", b"made", *([] if "" in form.values else [""]))
        case inspect.StructType():
            yield from ([], "x", {}, {**LEAST.body(form.cls), "zzz": 1})
            yield from (
                {**LEAST.body(form.cls), field.name: value}
                for field in form.fields
                for value in wrong(field.type)
            )
        case inspect.TupleType():
            good = LEAST.of(form)
            yield from ({}, "x", b"\x01", good[:-1], [*good, good[0]])
            yield from ([value, *good[1:]] for value in wrong(form.item_types[0]))
        case inspect.VarTupleType():
            good = LEAST.of(form.item_type)
            yield from (1, {}, "x", b"x", [good] * ((form.max_length or 0) + 1))
            yield from [[]] if form.min_length else []
            yield from ([value] for value in wrong(form.item_type))
        case _:
            raise AssertionError(f"a type that has no wrong values yet: {form}")


def base64_of(length: int) -> str:
    """Return a text that lenient readers take for a binary of `length` bytes."""
    return base64.b64encode(b"\x01" * length).decode()


def wrong_bodies(struct: type[Struct]) -> Iterator[tuple[str, Plain]]:
    """Yield bodies that a reader of a kind must refuse, with the field that is wrong."""
    good = LEAST.body(struct)
    yield "zzz", {**good, "zzz": 1}
    for field in fields_of(struct):
        if field.required:
            yield field.name, {name: good[name] for name in good if name != field.name}
        for value in wrong(field.type):
            yield field.name, {**good, field.name: value}


def default_of(field: inspect.Field) -> Any:
    """Return what an absent field means; `NODEFAULT` where it must be there."""
    assert field.default_factory is NODEFAULT
    return field.default
