"""Windows on machines: when two overlap, and when two of one owner are a lie."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.windows import (
    START_GRACE_MS_MAX,
    Windows,
    are_a_lie,
    is_half_of,
    length_of,
    overlap,
    public_half,
    start_by,
)
from commonfab.protocol.records import Record, Window, read
from tests.builders import (
    GRACE_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON,
    WINDOW_MS,
    a_lease,
    a_request,
    a_window,
    an_acceptance,
    an_offer,
    body_of,
    later,
)
from tests.protocol.desk import OwnerDesk
from tests.protocol.signers import BOB, CAROL

REQUEST = a_request()
OFFER = an_offer(REQUEST)
ACCEPTANCE = an_acceptance(OFFER)
LEASE = a_lease(REQUEST, OFFER, ACCEPTANCE)


def window(from_min: int, to_min: int, length_min: int = 0, **changes: Any) -> Record:
    """Return one of Bob's windows, in minutes from noon."""
    end = later(to_min * MINUTE_MS)
    length_ms = (length_min or to_min - from_min) * MINUTE_MS
    start = later(from_min * MINUTE_MS)
    fields: dict[str, Any] = {"start": start, "end": end, "length_ms": length_ms}
    return a_window(OFFER, ACCEPTANCE, **fields | changes)


def body(*minutes: int) -> Window:
    return body_of(window(*minutes), Window)


@pytest.mark.rule("LEASE-1")
@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        (body(0, 10), body(10, 20), False),
        (body(0, 10), body(9, 19), True),
        (body(0, 30, 10), body(0, 30, 10), False),
        (body(0, 30, 10), body(0, 10), False),
        (body(0, 30, 10), body(0, 25), True),
        (body(0, 19, 10), body(0, 19, 10), True),
        (body(0, 20, 10), body(5, 10), False),
        (body(0, 19, 10), body(5, 10), True),
    ],
)
def test_two_windows_overlap_if_neither_order_keeps_both(
    one: Window, other: Window, do: bool
) -> None:
    assert overlap(one, other) is overlap(other, one) is do


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), st.integers(1, 50))
def test_without_leeway_windows_overlap_as_intervals_do(a: int, b: int, c: int, d: int) -> None:
    assert overlap(body(a, a + b), body(c, c + d)) is (a < c + d and c < a + b)


@pytest.mark.rule("LEASE-8")
def test_a_lease_may_start_as_late_as_its_length_still_fits() -> None:
    with_leeway = body(0, 30, 20)

    assert length_of(with_leeway) == 20 * MINUTE_MS
    assert start_by(with_leeway, grace_ms=0, patience_ms=0) == NOON + 11 * MINUTE_MS
    assert start_by(with_leeway, grace_ms=5 * MINUTE_MS, patience_ms=0) == NOON + 15 * MINUTE_MS


@pytest.mark.rule("LEASE-8")
def test_no_grace_keeps_a_machine_for_a_day() -> None:
    span = body(0, 30, 20)

    assert start_by(span, grace_ms=24 * HOUR_MS, patience_ms=0) == (
        NOON + 10 * MINUTE_MS + START_GRACE_MS_MAX
    )
    assert start_by(span, grace_ms=0, patience_ms=HOUR_MS) == NOON + 70 * MINUTE_MS


@pytest.mark.rule("LEASE-24")
def test_a_lease_carries_what_everybody_hears_of_it() -> None:
    assert public_half(LEASE).author == BOB.node
    assert is_half_of(LEASE)


@pytest.mark.rule("LEASE-24")
@pytest.mark.parametrize(
    "half",
    [
        window(0, 11),
        window(1, 10),
        window(0, 10, 5),
        a_window(OFFER, ACCEPTANCE, CAROL),
        a_window(OFFER, ACCEPTANCE, machine="mk4"),
        a_window(OFFER, REQUEST),
        REQUEST,
    ],
)
def test_a_lease_with_another_public_half_is_none(half: Record) -> None:
    assert not is_half_of(a_lease(REQUEST, OFFER, ACCEPTANCE, window=half.data))


def test_a_lease_with_garbage_for_a_window_is_none() -> None:
    assert not is_half_of(a_lease(REQUEST, OFFER, ACCEPTANCE, window=b"x"))


@pytest.mark.rule("LEASE-25")
def test_two_windows_for_one_time_are_a_lie() -> None:
    one, other = window(0, 10), window(5, 15)

    assert are_a_lie(one, other)
    assert are_a_lie(other, one)


@pytest.mark.rule("LEASE-25")
def test_a_window_that_the_later_one_names_as_over_is_no_lie() -> None:
    one = window(0, 10)

    assert not are_a_lie(one, window(5, 15, over=(one.id,)))


@pytest.mark.rule("LEASE-25")
def test_the_earlier_window_cannot_name_the_later_as_over() -> None:
    later_one = window(5, 15, seq=2 * NOON)

    assert are_a_lie(later_one, window(0, 10, over=(later_one.id,)))


@pytest.mark.rule("LEASE-25")
@pytest.mark.parametrize(
    "other",
    [
        window(10, 20),
        window(0, 10, machine="mk4"),
        a_window(OFFER, ACCEPTANCE, CAROL),
    ],
)
def test_windows_that_do_not_meet_are_no_lie(other: Record) -> None:
    assert not are_a_lie(window(0, 10), other)


@pytest.mark.rule("LEASE-25")
def test_whoever_hears_of_both_finds_the_lie_whichever_comes_first() -> None:
    one, other = window(0, 10), window(5, 15)
    heard, heard_backwards = Windows(), Windows()

    assert heard.take(one, NOON) is None
    assert heard.take(other, NOON) == one
    assert heard_backwards.take(other, NOON) is None
    assert heard_backwards.take(one, NOON) == other


def test_a_window_that_comes_again_is_no_lie() -> None:
    windows = Windows()
    one = window(0, 10)

    assert windows.take(one, NOON) is None
    assert windows.take(one, NOON) is None


def test_what_is_long_over_is_remembered_no_more() -> None:
    windows = Windows()
    one = window(0, 10)
    windows.take(one, NOON)

    assert windows.take(window(5, 15), Timestamp(one.body.until)) is None


STRAY = window(5, 15, seq=1)
"""That Bob has signed, and has no lease of on its disk."""


def lease_after(*strays: Record) -> Window:
    """Return the window of Bob's next lease, after he has heard of these."""
    bob = OwnerDesk()
    bob.take(*strays)
    return body_of(read(public_half(bob.leased())), Window)


@pytest.mark.rule("LEASE-37")
def test_a_window_that_its_owner_does_not_remember_is_named_as_over() -> None:
    given = lease_after(STRAY)

    assert (given.over, given.previous) == ((STRAY.id,), STRAY.id)


@pytest.mark.rule("LEASE-37")
@pytest.mark.parametrize("other", [window(60, 70), window(5, 15, machine="mk4")])
def test_a_forgotten_window_elsewhere_is_not_named(other: Record) -> None:
    assert lease_after(other).over == ()


@pytest.mark.rule("LEASE-37")
def test_the_windows_of_others_are_no_business_of_an_owner() -> None:
    stray = a_window(OFFER, ACCEPTANCE, CAROL)

    assert lease_after(stray).over == ()


def test_the_grace_of_the_builders_is_more_than_a_share() -> None:
    assert WINDOW_MS // 20 == GRACE_MS
