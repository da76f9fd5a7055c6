"""A node's own records: each has a place of its own, whatever the clock does."""

from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.author import FLOOR_JUMP_MS, Author, floor_after
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


# A node that forgot what it said.


@pytest.mark.rule("ADMISSION-12")
def test_a_stream_goes_on_after_a_record_that_came_back_from_others() -> None:
    bob = Author(BOB, marks=[("offer", NOON)])

    assert bob.adopt("offer", NOON + 5000)
    assert not bob.adopt("offer", NOON + 4000)
    assert bob.head("offer", NOON)["seq"] == NOON + 5001


@pytest.mark.rule("ADMISSION-12")
def test_what_a_node_signs_itself_is_no_news_to_it() -> None:
    bob = Author(BOB)
    head = bob.head("offer", NOON)

    assert not bob.adopt("offer", head["seq"])


@pytest.mark.rule("ADMISSION-12")
@given(
    st.lists(st.integers(1, NOON + 10**6), max_size=8),
    st.integers(0, FLOOR_JUMP_MS - 1),
    st.integers(0, 10**5),
)
def test_a_node_that_forgot_uses_no_number_again_even_if_its_clock_is_a_day_late(
    forgotten: list[int], late_ms: int, signed_since: int
) -> None:
    """What was forgotten was signed by a clock that was right, up to now."""
    now = Timestamp(NOON + 10**6)
    marks = forgotten[:2]

    floor = floor_after(marks, Timestamp(now - late_ms))

    head = Author(BOB, [("offer", mark) for mark in marks], floor=floor).head("offer", NOON)
    assert head["seq"] > max([*forgotten, now - 1])
