"""Records of every kind: what is in form, and that nothing else is."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert, to_builtins

from commonfab.protocol import encoding, envelope, records, statements
from commonfab.protocol.body import Body
from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import (
    BODY_BYTES_MAX,
    JOBS_PER_ORDER_MAX,
    MACHINES_PER_WORKSHOP_MAX,
    PARTS_PER_DESIGN_MAX,
)
from commonfab.protocol.records import KINDS, LATEST, PUBLIC, TRANSIENT
from tests import vectors
from tests.protocol import record_forms, record_tables
from tests.protocol.record_forms import LEAST, MOST, Plain
from tests.protocol.signers import ALICE, BOB
from tests.protocol.vectors_encoding import plain

CASES = vectors.load("records")
ACCEPTED = [case for case in CASES if case["verdict"] == "accept"]
REFUSED = [case for case in CASES if case["verdict"] == "refuse"]


def name_of(case: vectors.Case) -> str:
    return f"{case['kind']}-{case['name']}"


def sealed(kind: str, body: bytes) -> envelope.Envelope:
    return envelope.seal(kind, body, ALICE)


def read(kind: str, value: Plain) -> records.Record:
    return records.read(sealed(kind, encoding.encode(value)))


def is_refused(kind: str, value: Plain) -> bool:
    try:
        read(kind, value)
    except Malformed:
        return True
    return False


@pytest.mark.rule("RECORD-4")
@pytest.mark.parametrize("case", ACCEPTED, ids=name_of)
def test_a_body_in_form_is_read(case: vectors.Case) -> None:
    parsed = sealed(case["kind"], bytes.fromhex(case["body"]))

    record = records.read(parsed)

    assert record.id.hex() == case["id"]
    assert record.data == parsed.data
    assert records.kind_of(record.body) == record.kind == case["kind"]
    assert plain(encoding.decode(parsed.body)) == case["value"]


@pytest.mark.rule("RECORD-1")
@pytest.mark.rule("RECORD-2")
@pytest.mark.rule("RECORD-3")
@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_body_out_of_form_is_malformed(case: vectors.Case) -> None:
    with pytest.raises(Malformed, match=f"^{case['kind']}: "):
        records.read(sealed(case["kind"], bytes.fromhex(case["body"])))


@pytest.mark.rule("RECORD-1")
@pytest.mark.rule("RECORD-2")
@pytest.mark.rule("RECORD-3")
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_wrong_at_any_depth_of_a_body_is_refused(kind: str) -> None:
    """Every field of every map below: absent, too many, of each wrong type, beyond each bound."""
    bodies = list(record_forms.wrong_bodies(KINDS[kind]))

    believed = [(name, body) for name, body in bodies if not is_refused(kind, body)]

    assert believed == []
    assert len(bodies) > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("example", [LEAST, MOST], ids=["smallest", "largest"])
def test_what_is_signed_is_read_back_as_it_was(kind: str, example: record_forms.Example) -> None:
    body = convert(example.body(KINDS[kind]), KINDS[kind])

    record = records.sign(body, ALICE)

    parsed = envelope.parse(record.data)
    parsed.verify()
    assert records.read(parsed) == record
    assert record.body == body
    assert (record.author, record.kind) == (ALICE.node, kind)


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(deadline=None)
def test_any_body_of_a_kind_is_read_back_as_it_was(kind: str, data: st.DataObject) -> None:
    body = data.draw(bodies_of(kind))

    record = records.sign(body, BOB)

    assert records.read(envelope.parse(record.data)).body == body


def bodies_of(kind: str) -> st.SearchStrategy[Body]:
    """Bodies of a kind, with any of its optional fields, each field at one of its ends."""
    struct = KINDS[kind]
    least, most = LEAST.body(struct), MOST.body(struct)
    fields: dict[str, st.SearchStrategy[Any]] = {
        name: st.sampled_from([least[name], most[name]] if name in least else [most[name]])
        for name in most
    }
    optional = {name: fields.pop(name) for name in most if name not in least}
    return st.fixed_dictionaries(fields, optional=optional).map(
        lambda value: convert(value, struct)
    )


@pytest.mark.rule("RECORD-4")
@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_says_what_its_absence_says_is_left_out(kind: str) -> None:
    body = convert(LEAST.body(KINDS[kind]), KINDS[kind])

    written = encoding.decode(envelope.parse(records.sign(body, ALICE).data).body)

    assert written.keys() == LEAST.body(KINDS[kind]).keys()


@pytest.mark.rule("RECORD-6")
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_out_of_form_is_not_signed(kind: str) -> None:
    """A struct may be built with anything; what leaves this node has been looked at."""
    struct = KINDS[kind]
    for field in record_forms.fields_of(struct):
        for value in record_forms.wrong(field.type):
            body = struct(**{**LEAST.body(struct), field.name: value})
            with pytest.raises(Malformed):
                records.sign(body, ALICE)


@pytest.mark.rule("RECORD-6")
@pytest.mark.parametrize("reason", ["e\u0301", "two\nlines", "\u202etxt.exe", "\ud800"])
def test_text_that_no_reader_would_take_is_not_signed(reason: str) -> None:
    body = statements.Revocation(stream="revocation", seq=1, at=1, since=1, reason=reason)

    with pytest.raises(Malformed):
        records.sign(body, ALICE)


def test_a_record_of_a_kind_that_is_not_known_is_malformed() -> None:
    with pytest.raises(Malformed, match="gossip"):
        records.read(sealed("gossip", b"\x80"))


def test_a_body_that_is_not_canonical_is_malformed() -> None:
    body = encoding.encode(LEAST.body(statements.Revocation))

    with pytest.raises(Malformed, match="not msgpack"):
        records.read(sealed("revocation", body + b"\0"))


def test_a_body_tells_its_kind_by_its_fields_but_for_a_refusal() -> None:
    """It may be a release by its fields: only the signed domain keeps them apart."""
    for kind, struct in KINDS.items():
        value = MOST.body(struct)
        takers = {other for other in KINDS if not is_refused(other, value)}

        assert takers == ({"refusal", "release"} if kind == "refusal" else {kind})


@pytest.mark.parametrize(
    ("kind", "field", "length"),
    [
        ("capacity", "machines", MACHINES_PER_WORKSHOP_MAX),
        ("design", "parts", PARTS_PER_DESIGN_MAX),
        ("order", "jobs", JOBS_PER_ORDER_MAX),
    ],
)
def test_the_longest_list_of_ordinary_things_fits_into_a_body(
    kind: str, field: str, length: int
) -> None:
    """The bounds of records and of the encoding allow each other."""
    value = ordinary(kind)
    value[field] = value[field] * length

    record = read(kind, value)

    assert len(record.data) < BODY_BYTES_MAX


def ordinary(kind: str) -> Plain:
    """Return a body with one element in its list, as a real one might be."""
    part = {
        "name": "bracket, upper left",
        "file": "parts/bracket.stl",
        "process": "fff-printing",
        "material": "PETG",
        "pieces": 2,
        "bbox_um": [60_000, 40_000, 20_000],
        "volume_mm3": 20_000,
        "area_mm2": 9_000,
        "watertight": True,
        "seconds": 5_400,
        "mass_mg": 25_000,
    }
    machine = {
        "id": "printer-17",
        "process": "fff-printing",
        "model": "Prusa MK3S",
        "volume_um": [250_000, 210_000, 210_000],
        "price_minor_per_hour": 150,
        "power_w": 100,
        "stock": [{"material": "PETG", "mass_mg": 1_000_000, "price_minor_per_kg": 2_000}],
        "free_at": 1_795_000_000_000,
    }
    lists = {
        "design": {"parts": [part]},
        "capacity": {"machines": [machine]},
        "order": {"jobs": [{"part": "bracket, upper left", "pieces": 20}]},
    }
    return {**LEAST.body(KINDS[kind]), **lists[kind]}


@pytest.mark.rule("RECORD-5")
def test_the_sorts_of_kinds_are_those_of_the_page() -> None:
    lines = re.findall(r"^\*Kind `([a-z]+)`: (.*)\.\*$", record_tables.current(), re.MULTILINE)
    sorts = dict(lines)

    assert sorts.keys() == KINDS.keys()
    assert {kind for kind in sorts if "public" in sorts[kind]} == PUBLIC
    assert {kind for kind in sorts if "latest" in sorts[kind]} == LATEST
    assert {kind for kind in sorts if "never stored" in sorts[kind]} == TRANSIENT
    assert LATEST <= PUBLIC
    assert not TRANSIENT & PUBLIC


def test_the_tables_of_the_page_are_those_of_the_code() -> None:
    assert record_tables.current() == record_tables.render(), (
        "look at what changed, then python -m tests.protocol.record_tables"
    )


@pytest.mark.parametrize("struct", record_forms.structs(), ids=lambda struct: struct.__name__)
def test_every_map_of_a_record_refuses_unknown_fields_and_cannot_be_changed(struct: Any) -> None:
    assert struct.__struct_config__.forbid_unknown_fields
    assert struct.__struct_config__.frozen


def test_a_record_holds_no_floats_and_no_nil() -> None:
    for kind, struct in KINDS.items():
        for name in MOST.body(struct):
            assert is_refused_raw(kind, name, b"\xc0"), (kind, name)
            assert is_refused_raw(kind, name, b"\xcb" + bytes(8)), (kind, name)


def is_refused_raw(kind: str, field: str, value: bytes) -> bool:
    """Tell whether `field` with these bytes for a value is refused."""
    body = {**LEAST.body(KINDS[kind]), field: "replace me"}
    text = encoding.encode(body).replace(b"\xaareplace me", value)
    try:
        records.read(sealed(kind, text))
    except Malformed:
        return True
    return False


def test_bodies_compare_by_what_they_say() -> None:
    one, other = (convert(MOST.body(records.Lease), records.Lease) for _ in range(2))

    assert one == other
    assert hash(one) == hash(other)
    assert to_builtins(one, builtin_types=(bytes,)) == to_builtins(other, builtin_types=(bytes,))
