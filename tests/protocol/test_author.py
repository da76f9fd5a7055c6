"""A node's own records: each has a place of its own, whatever the clock does."""

from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.author import Author
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Refusal
from tests.builders import NOON, later
from tests.protocol.signers import ALICE, BOB


def test_a_place_is_the_clocks_milliseconds() -> None:
    assert Author(BOB).head("offer", NOON) == {"stream": "offer", "seq": NOON, "at": NOON}


@pytest.mark.rule("ADMISSION-12")
def test_two_records_of_one_moment_have_two_places() -> None:
    bob = Author(BOB)

    assert [bob.head("offer", NOON)["seq"] for _ in range(3)] == [NOON, NOON + 1, NOON + 2]


@pytest.mark.rule("ADMISSION-12")
def test_streams_do_not_share_places() -> None:
    bob = Author(BOB)
    bob.head("offer", NOON)

    assert bob.head("lease/mk3", NOON)["seq"] == NOON


@pytest.mark.rule("ADMISSION-12")
def test_after_a_restart_a_stream_goes_on_behind_what_was_kept() -> None:
    bob = Author(BOB, marks=[("offer", NOON + 5000)])

    assert bob.head("offer", NOON)["seq"] == NOON + 5001


@pytest.mark.rule("ADMISSION-12")
@given(st.lists(st.integers(-(10**9), 10**9)))
def test_places_rise_and_none_is_given_out_twice_whatever_the_clock_does(jumps: list[int]) -> None:
    bob = Author(BOB)
    now = NOON
    places: list[int] = []
    for jump in jumps:
        now = Timestamp(max(1, now + jump))
        places.append(bob.head("offer", now)["seq"])

    assert places == sorted(set(places))


class _Answer(TypedDict):
    to: bytes
    about: bytes
    reason: str


def test_a_record_is_signed_by_its_author() -> None:
    bob = Author(BOB)
    answer = _Answer(to=ALICE.node, about=bytes(32), reason="no time")

    record = bob.sign(Refusal(**bob.head("refusal", later(1)), **answer))

    assert record.author == bob.node == BOB.node
    assert record.body.at == later(1)
