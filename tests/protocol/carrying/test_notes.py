"""Notes: signed statements that are no records."""

from typing import Any

import pytest

from commonfab.protocol.admission import Admission, Ignore
from commonfab.protocol.carrying import notes
from commonfab.protocol.carrying.notes import Delivery, Summary
from commonfab.protocol.carrying.wishes import Area, Wish
from commonfab.protocol.errors import BadSignature, Malformed
from tests.builders import NOON, a_design
from tests.protocol.signers import ALICE, BOB

WISHES = (
    Wish(tag="medical", budget_bytes=4_000_000_000),
    Wish(author=ALICE.node, area=Area(lat_udeg=45_000_000, lon_udeg=5_000_000, radius_m=100_000)),
)


def a_summary(**changes: Any) -> Summary:
    fields: dict[str, Any] = {
        "at": NOON,
        "to": BOB.node,
        "wishes": WISHES,
        "salt": b"s" * 16,
        "count": 0,
    }
    return Summary(**fields | changes)


A_DELIVERY = Delivery(at=NOON, file_sha256=bytes(32), size_bytes=5)


@pytest.mark.rule("BUNDLE-7")
@pytest.mark.parametrize("note", [a_summary(), a_summary(wishes=()), A_DELIVERY])
def test_a_note_is_read_as_it_was_signed(note: notes.Note) -> None:
    data = notes.sign(note, ALICE)
    signed = notes.read(data)

    assert notes.is_note(data)
    assert (signed.author, signed.note) == (ALICE.node, note)


@pytest.mark.rule("BUNDLE-7")
def test_a_note_that_its_author_did_not_sign_is_not_believed() -> None:
    data = notes.sign(A_DELIVERY, ALICE)

    with pytest.raises(BadSignature):
        notes.read(data[:-1] + bytes([data[-1] ^ 1]))


def test_a_record_is_no_note_and_a_note_is_no_record() -> None:
    record = a_design().data

    assert not notes.is_note(record)
    assert not notes.is_note(b"noise")
    with pytest.raises(Malformed, match="no note"):
        notes.read(record)
    assert isinstance(Admission().judge(notes.sign(A_DELIVERY, ALICE), NOON), Ignore)


def test_a_summary_beyond_a_bound_is_malformed() -> None:
    for broken in (
        a_summary(salt=b"short"),
        a_summary(wishes=(Wish(tag="x"),) * 65),
        a_summary(known=(b"cid!",) * 33),
        a_summary(to=b"nobody"),
    ):
        with pytest.raises(Malformed):
            notes.read(notes.sign(broken, ALICE))
