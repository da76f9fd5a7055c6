"""The cases of specs/vectors/records.json: bodies of every kind, to accept and to refuse."""

from collections.abc import Iterator
from typing import Any

from msgspec import NODEFAULT, Struct, inspect

from commonfab.protocol import encoding, envelope
from commonfab.protocol.records import KINDS, Letter
from tests.protocol.record_forms import LEAST, Example, Plain, base64_of, default_of, fields_of
from tests.protocol.signers import ALICE
from tests.protocol.vectors_encoding import plain
from tests.vectors import Case

ABOUT = (
    "Bodies of every kind, specs/records.md. accept: the value, its canonical bytes, and the"
    " id when Alice seals them (her seed is in envelope.json). refuse: canonical bytes that break"
    " the rule. Values are written as in specs/encoding.md."
)

_MOST = Example(low=False, length_max=12)


def cases() -> list[Case]:
    """Return the cases by kind. What all kinds share is refused once, in the first of them."""
    found: list[Case] = []
    known: set[str] = set()
    for kind, struct in KINDS.items():
        found += _of_kind(kind, struct, known)
        known |= set(Letter.__struct_fields__) & set(struct.__struct_fields__)
    return found


def _of_kind(kind: str, struct: type[Struct], known: set[str]) -> Iterator[Case]:
    least = LEAST.body(struct)
    yield _accept(f"the smallest {kind}", kind, least)
    yield _accept(f"a {kind} with every field", kind, _MOST.body(struct))
    spelled_out = {**least, **_defaults(struct)}
    if spelled_out != least:
        yield _accept(f"a {kind} with its defaults spelled out", kind, spelled_out)
    yield _refuse("a field too many", "RECORD-1", kind, {**least, "zzz": 1})
    for field in fields_of(struct):
        if field.name in known:
            continue
        if field.required:
            absent = {name: least[name] for name in least if name != field.name}
            yield _refuse(f"without {field.name}", "RECORD-1", kind, absent)
        for why, rule, value in _wrong(field.type):
            yield _refuse(f"{field.name}: {why}", rule, kind, {**least, field.name: value})


def _defaults(struct: type[Struct]) -> Plain:
    """Return the fields that may be absent with what that means, where it can be written."""
    found = {field.name: default_of(field) for field in fields_of(struct)}
    return {
        name: [] if value == () else value
        for name, value in found.items()
        if value is not NODEFAULT and value is not None
    }


def _wrong(form: inspect.Type) -> Iterator[tuple[str, str, Any]]:
    match form:
        case inspect.IntType(ge=int(low), le=int(high)):
            yield "a boolean", "RECORD-2", True
            yield "digits", "RECORD-2", str(low)
            yield "below its bound", "RECORD-3", low - 1
            yield "above its bound", "RECORD-3", high + 1
        case inspect.BoolType():
            yield "an integer", "RECORD-2", 1
        case inspect.StrType():
            yield "a binary", "RECORD-2", b"x"
            if (form.max_length or 0) <= 120:
                yield "too long", "RECORD-3", "x" * ((form.max_length or 0) + 1)
            if form.min_length:
                yield "empty", "RECORD-3", ""
        case inspect.BytesType():
            length = form.min_length or 0
            yield "a text", "RECORD-2", "x" * length
            yield "a text in base64", "RECORD-2", base64_of(length)
            yield "too short", "RECORD-3", b"\x01" * (length - 1)
            if (form.max_length or 0) <= 120:
                yield "too long", "RECORD-3", b"\x01" * ((form.max_length or 0) + 1)
        case inspect.LiteralType():
            yield "another word", "RECORD-3", "maybe"
        case _:
            yield "an integer", "RECORD-2", 1


def _accept(name: str, kind: str, value: Plain) -> Case:
    body = encoding.encode(value)
    return {
        "name": name,
        "verdict": "accept",
        "kind": kind,
        "value": plain(value),
        "body": body.hex(),
        "id": envelope.seal(kind, body, ALICE).id.hex(),
    }


def _refuse(name: str, rule: str, kind: str, value: Plain) -> Case:
    body = encoding.encode(value)
    return {"name": name, "verdict": "refuse", "rule": rule, "kind": kind, "body": body.hex()}
