"""Pieces become jobs: none lost, none too many, side by side."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.limits import JOBS_PER_ORDER_MAX, QUANTITY_MAX
from commonfab.protocol.records import Part, Place, Stock
from commonfab.scheduler.kernel import evaluate
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.splitting import MACHINES_AIM, split
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import (
    BERLIN,
    DAY_MS,
    HAMBURG,
    HOUR_MS,
    NOON,
    OFFICE_HOURS,
    PLA,
    a_capacity,
    a_machine,
    a_part,
    a_town,
    a_view,
    a_workshop,
    node,
    wants_of,
)

WEIGHTS = Weights()


def shares(
    town: list[Known], part: Part, pieces: int, *, by: int = 0, most: int = 512
) -> list[int]:
    view = a_view(town).snapshot()
    return split(part, pieces, view, BERLIN, by, NOON, weights=WEIGHTS, jobs_max=most)


def a_neighbour(name: str, place: Place = BERLIN, **machine: Any) -> Known:
    """Any: the fields of `Machine`."""
    return Known(node(name), a_capacity(a_machine(**machine)), a_workshop(place), 0.5)


def a_spool(grams: int) -> tuple[Stock, ...]:
    return (Stock(material=PLA, mass_mg=1_000 * grams, price_minor_per_kg=2_000),)


@pytest.mark.rule("SCHED-13")
@given(
    st.integers(0, 2**32),
    st.integers(0, 8),
    st.integers(1, 2_000) | st.sampled_from([1, QUANTITY_MAX]),
    st.sampled_from([1, 2, 7, JOBS_PER_ORDER_MAX]),
)
@settings(max_examples=60, deadline=None)
def test_no_piece_is_lost_and_no_job_too_many(
    seed: int, workshops: int, pieces: int, most: int
) -> None:
    want = wants_of(1, seed, dated=0.5)[0]

    made = shares(a_town(workshops, seed), want.part, pieces, by=want.by, most=most)

    assert sum(made) == pieces
    assert 1 <= len(made) <= most
    assert min(made) >= 1


def test_equal_machines_share_equally() -> None:
    town = [a_neighbour(name) for name in "abc"]

    assert shares(town, a_part(), 12) == [4, 4, 4]


def test_a_machine_that_is_twice_as_fast_makes_twice_as_many() -> None:
    town = [a_neighbour("a"), a_neighbour("b", speed_permille=2_000)]

    assert sorted(shares(town, a_part(), 12)) == [4, 8]


def test_a_machine_with_a_queue_makes_fewer() -> None:
    town = [a_neighbour("a"), a_neighbour("b", free_at=NOON + 4 * HOUR_MS)]

    assert sorted(shares(town, a_part(), 12)) == [4, 8]


def test_virtual_machines_that_take_no_time_share_too() -> None:
    town = [a_neighbour(name, speed_permille=1_000_000_000) for name in "abcd"]

    assert shares(town, a_part(), 12) == [3, 3, 3, 3]


def test_a_machine_much_dearer_than_the_best_does_not_join() -> None:
    town = [a_neighbour("a"), a_neighbour("b", HAMBURG, price_minor_per_hour=9_000)]

    assert shares(town, a_part(), 12) == [12]


@pytest.mark.rule("SCHED-13")
def test_stock_bounds_a_share_and_brings_in_dearer_machines() -> None:
    dear = a_neighbour("b", price_minor_per_hour=9_000, stock=a_spool(1_000))
    town = [a_neighbour("a", stock=a_spool(250)), dear]

    assert shares(town, a_part(), 12) == [5, 7]


def test_as_many_dearer_machines_join_as_stock_asks_for() -> None:
    town = [
        a_neighbour("a", stock=a_spool(250)),
        *(a_neighbour(n, price_minor_per_hour=9_000, stock=a_spool(100)) for n in "bcd"),
    ]

    assert shares(town, a_part(), 9) == [5, 2, 2]


def test_a_date_bounds_a_share() -> None:
    """Within 10 h of window, 9 pieces of 1.1 h each can be made."""
    town = [a_neighbour("a"), a_neighbour("b", HAMBURG, price_minor_per_hour=2_000)]

    made = shares(town, a_part(), 12, by=NOON + 12 * HOUR_MS)

    assert sum(made) == 12
    assert made[0] <= 9
    for pieces in made[:2]:
        want = Want(a_part(), pieces, BERLIN, NOON + 12 * HOUR_MS)
        result = evaluate(a_view(town).snapshot(), problem_of([want], NOON), WEIGHTS)
        assert result.cost.min() < float("inf")


@pytest.mark.rule("SCHED-13")
def test_no_share_is_longer_than_a_machine_is_open() -> None:
    """Within 9 h, 8 pieces of 1.1 h each can be made."""
    assert shares([a_neighbour("a", hours=OFFICE_HOURS)], a_part(), 20) == [8, 6, 6]


@pytest.mark.rule("SCHED-13")
def test_a_share_may_run_through_the_night_and_is_cleared_in_the_morning() -> None:
    """From 22:13 to 9:00 are 10 h 47 min: 9 pieces of 1.1 h each, and all are ready at 9:00."""
    evening = ((1_440 + 22 * 60, 1_440 + 23 * 60),)
    town = [a_neighbour("a", attended=(*evening, *OFFICE_HOURS))]
    morning = NOON // DAY_MS * DAY_MS + DAY_MS + 9 * HOUR_MS

    assert shares(town, a_part(), 9, by=morning + 2 * HOUR_MS) == [9]
    assert shares(town, a_part(), 10, by=morning + 2 * HOUR_MS) == [9, 1]


def test_more_than_all_can_make_is_cut_into_jobs_that_somebody_can() -> None:
    town = [a_neighbour("a", stock=a_spool(150))]

    assert shares(town, a_part(), 12) == [3, 3, 3, 3]
    assert shares(town, a_part(), 12, most=2) == [3, 9]
    assert shares(town, a_part(), 12, most=1) == [12]


def test_not_more_machines_share_than_needed() -> None:
    town = [a_neighbour(str(n)) for n in range(20)]

    assert len(shares(town, a_part(), 100)) == MACHINES_AIM
    assert shares(town, a_part(), 3) == [1, 1, 1]


def test_where_nobody_can_make_it_the_shares_are_equal() -> None:
    assert shares([], a_part(), 12) == [2, 2, 2, 2, 1, 1, 1, 1]
    assert shares([], a_part(), 3) == [1, 1, 1]
    assert shares([], a_part(), 12, most=1) == [12]


def test_each_share_of_a_known_town_fits_somewhere_while_stock_and_time_allow() -> None:
    town, part = a_town(30, seed=3), a_part(mass_mg=90_000, seconds=9_000)
    by = NOON + 8 * DAY_MS

    made = shares(town, part, 150, by=by)

    view = a_view(town).snapshot()
    for pieces in made:
        want = problem_of([Want(part, pieces, BERLIN, by)], NOON)
        assert evaluate(view, want, WEIGHTS).cost.min() < float("inf")
