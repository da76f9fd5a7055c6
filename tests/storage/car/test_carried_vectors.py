"""What goes along with bundles is, byte by byte, what the vectors say."""

import io

import pytest

from commonfab.protocol.carrying import known, notes
from commonfab.protocol.carrying.known import Known
from commonfab.protocol.errors import Malformed
from commonfab.storage.car.sealed_file import SealedSource
from tests import vectors
from tests.protocol import vectors_carried
from tests.protocol.signers import Person
from tests.storage.car.test_sealed_file import agree_of
from tests.vectors import Case

CASES = vectors.load("carried")


def _with(field: str) -> list[Case]:
    return [case for case in CASES if field in case]


@pytest.mark.rule("BUNDLE-8")
@pytest.mark.parametrize("case", _with("known"), ids=lambda case: case["name"])
def test_a_set_is_told_as_the_vectors_say(case: Case) -> None:
    items, salt = [bytes.fromhex(item) for item in case["items"]], bytes.fromhex(case["salt"])

    assert known.encode(items, salt) == (case["count"], bytes.fromhex(case["known"]))
    told = Known(salt, case["count"], bytes.fromhex(case["known"]))
    assert all(item in told for item in items)


@pytest.mark.rule("BUNDLE-10")
@pytest.mark.parametrize("case", _with("sealed"), ids=lambda case: case["name"])
def test_a_file_is_sealed_and_opened_as_the_vectors_say(case: Case) -> None:
    content, data = bytes.fromhex(case["content"]), bytes.fromhex(case["sealed"])
    person = Person(bytes.fromhex(case["seed"]))

    assert vectors_carried.seal(content) == data
    assert SealedSource(io.BytesIO(data), len(data), agree_of(person)).read() == content


@pytest.mark.rule("BUNDLE-10")
@pytest.mark.parametrize("case", _with("broken"), ids=lambda case: case["name"])
def test_a_broken_file_does_not_open(case: Case) -> None:
    data = bytes.fromhex(case["broken"])
    person = Person(bytes.fromhex(case["seed"]))

    with pytest.raises(Malformed):
        SealedSource(io.BytesIO(data), len(data), agree_of(person))


@pytest.mark.rule("BUNDLE-7")
@pytest.mark.parametrize("case", _with("note"), ids=lambda case: case["name"])
def test_a_note_is_signed_and_read_as_the_vectors_say(case: Case) -> None:
    data = bytes.fromhex(case["note"])
    signed = notes.read(data)
    person = Person(bytes.fromhex(case["seed"]))

    assert signed.author == person.node
    assert (type(signed.note).__name__.lower(), signed.note.at) == (case["kind"], case["at"])
    assert notes.sign(signed.note, person) == data
