"""Whose turn it is on a machine, and where there is room for one more."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.lease.turns import NEVER, Interval, Promise, Queue, at_any_hour, plan
from commonfab.protocol.lease.windows import overlap

SMALL = st.integers(1, 40)


def queue(*promises: Promise, free_at: int = 0) -> Queue:
    return Queue(promises, free_at, at_any_hour)


def promise(name: bytes, start: int, length: int, leeway: int = 0) -> Promise:
    return Promise(name, start, start + length + leeway, length)


def added(machine: Queue, new: Promise | None, name: bytes) -> Queue:
    assert new is not None
    named = Promise(name, new.start, new.end, new.length_ms)
    return Queue((*machine.promises, named), machine.free_at, machine.fit)


def test_a_machine_with_nothing_to_do_has_room_at_once() -> None:
    assert queue(free_at=5).room(3, 10, 2, by=0) == Promise(b"", 5, 17, 10)


def test_a_job_goes_into_a_gap_that_is_long_enough() -> None:
    machine = queue(promise(b"a", 0, 10), promise(b"b", 15, 10))

    assert machine.room(0, 5, 0, by=0) == Promise(b"", 10, 15, 5)
    assert machine.room(0, 6, 0, by=0) == Promise(b"", 25, 31, 6)


@pytest.mark.rule("LEASE-26")
def test_a_short_job_comes_before_a_long_one_that_can_wait() -> None:
    machine = queue(promise(b"long", 0, 100, leeway=25))

    new = machine.room(0, 10, 2, by=0)

    assert new == Promise(b"", 0, 12, 10)
    assert added(machine, new, b"short").plan() == {b"short": (0, 10), b"long": (10, 110)}


@pytest.mark.rule("LEASE-26")
def test_a_job_comes_before_no_other_whose_end_would_not_hold() -> None:
    machine = queue(promise(b"long", 0, 100, leeway=9))

    assert machine.room(0, 10, 2, by=0) == Promise(b"", 100, 112, 10)


def test_the_leeway_ends_at_the_date_but_not_before_the_job() -> None:
    assert queue().room(0, 10, 5, by=12) == Promise(b"", 0, 12, 10)
    assert queue().room(0, 10, 5, by=7) == Promise(b"", 0, 10, 10)


def test_a_promise_that_is_broken_already_is_not_broken_further() -> None:
    late = Promise(b"late", 0, 10, 10)
    machine = queue(late, free_at=5)

    assert machine.plan() == {b"late": (5, 15)}
    assert machine.room(0, 3, 0, by=0) == Promise(b"", 15, 18, 3)


def by_day(at: int, length: int) -> Interval | None:
    """Open from 0 to 10 of every 24."""
    if length > 10:
        return None
    day, hour = divmod(at, 24)
    start = at if hour + length <= 10 else 24 * (day + 1)
    return start, start + length


def test_jobs_go_where_hours_let_them() -> None:
    machine = Queue((promise(b"a", 0, 8),), 0, by_day)

    assert machine.room(0, 5, 0, by=0) == Promise(b"", 24, 29, 5)
    assert machine.room(0, 2, 0, by=0) == Promise(b"", 8, 10, 2)
    assert machine.room(0, 11, 0, by=0) is None


def test_what_never_fits_is_never_made() -> None:
    assert plan([promise(b"a", 0, 11)], 0, by_day) == {b"a": (NEVER, NEVER)}


def test_the_first_in_turn_may_begin_and_the_next_only_if_the_first_can_wait() -> None:
    held, leased = promise(b"held", 0, 10, leeway=5), promise(b"leased", 10, 3, leeway=20)

    assert queue(held, leased).may_begin(b"held", 0)
    assert queue(held, leased).may_begin(b"leased", 0)
    assert not queue(held, promise(b"leased", 10, 6, leeway=20)).may_begin(b"leased", 0)


def test_a_job_that_cannot_be_made_by_its_end_does_not_push_in() -> None:
    first, second = promise(b"first", 0, 5, leeway=90), Promise(b"second", 90, 100, 5)

    assert not queue(first, second).may_begin(b"second", 96)


@pytest.mark.rule("LEASE-1")
@pytest.mark.rule("LEASE-26")
@settings(max_examples=200)
@given(st.lists(st.tuples(SMALL, st.integers(0, 20), st.integers(0, 60)), max_size=8))
def test_whatever_is_promised_all_of_it_holds_and_nothing_overlaps(
    asked: list[tuple[int, int, int]],
) -> None:
    machine = queue()
    for number, (length, leeway, at) in enumerate(asked):
        new = machine.room(at, length, leeway, by=0)
        assert new is not None
        assert new.start >= at
        machine = added(machine, new, bytes([number]))

    made = machine.plan()
    assert all(made[p.id][1] <= p.end for p in machine.promises)
    assert all(
        not overlap(one, other)
        for one in machine.promises
        for other in machine.promises
        if one.id < other.id
    )
    ends = sorted(made.values())
    assert all(one[1] <= other[0] for one, other in pairwise(ends))
