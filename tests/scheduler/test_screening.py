"""A screen may let too many through, but never too few, and seldom many too many."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.records import Place, Stock
from commonfab.scheduler.columns import Floats
from commonfab.scheduler.formulas import Held
from commonfab.scheduler.kernel import Evaluation, evaluate
from commonfab.scheduler.problem import Problem, Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.screening import PAIRS_MAX, Asked, Contenders, Screen
from commonfab.scheduler.view import Snapshot
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import (
    BERLIN,
    DAY_MS,
    HOUR_MS,
    NOON,
    PLA,
    a_capacity,
    a_machine,
    a_part,
    a_view,
    a_workshop,
    node,
)

WEIGHTS = Weights()
ANTIPODE = Place(lat_udeg=-BERLIN.lat_udeg, lon_udeg=BERLIN.lon_udeg - 180_000_000)


def a_street(count: int, seed: int) -> list[Known]:
    """Return workshops with one machine each; all print PLA, and little else is alike."""
    random = Random(seed)
    return [_neighbour(random, str(number)) for number in range(count)]


def _neighbour(random: Random, name: str) -> Known:
    spool = Stock(
        material=PLA,
        mass_mg=random.randint(0, 400_000),
        price_minor_per_kg=random.randint(0, 6_000),
    )
    machine = a_machine(
        volume_um=tuple(random.randint(50_000, 300_000) for _ in range(3)),
        stock=(spool,),
        speed_permille=random.randint(100, 3_000),
        setup_seconds=random.randint(0, 2_000),
        price_minor_per_hour=random.randint(0, 900),
        power_w=random.randint(0, 2_000),
        free_at=NOON + random.randint(-DAY_MS, 32 * DAY_MS),
    )
    place = random.choice([BERLIN, ANTIPODE, None, _anywhere(random), _anywhere(random)])
    workshop = a_workshop(place) if place else None
    return Known(node(name), a_capacity(machine, grid_g_per_kwh=500), workshop, random.random())


def _anywhere(random: Random) -> Place:
    return Place(
        lat_udeg=random.randint(-90_000_000, 90_000_000),
        lon_udeg=random.randint(-180_000_000, 180_000_000),
    )


def some_wants(count: int, seed: int) -> list[Want]:
    random = Random(seed)
    return [
        Want(
            a_part(
                bbox_um=tuple(random.randint(30_000, 200_000) for _ in range(3)),
                seconds=random.randint(0, 200_000),
                mass_mg=random.randint(0, 100_000),
            ),
            random.randint(1, 3),
            random.choice([BERLIN, _anywhere(random)]),
            random.choice([0, NOON + random.randint(HOUR_MS, 40 * DAY_MS)]),
        )
        for _ in range(count)
    ]


def screened(
    view: Snapshot, problem: Problem, k: int, bound: Floats | None = None
) -> tuple[Contenders, Evaluation, Asked]:
    """Return what a screen lets through, and the exact answer for the same columns."""
    rows = view.rows()
    rows = rows[np.argsort(~view.machines.placed[rows], kind="stable")]
    exact = evaluate(view, problem, WEIGHTS, rows)
    stocks = view.stocks_of(PLA)
    price = np.zeros(len(view.machines.live))
    price[stocks.machine] = stocks.price
    held = Held(np.ones(len(rows), np.bool_), exact.stock_mg[0], price[rows])
    asked = Asked.of(problem.jobs, NOON, WEIGHTS)
    screen = Screen(view.machines.take(rows), held, NOON, WEIGHTS)
    if bound is None:
        bound = np.full((len(problem), 1), np.inf)
    return screen.contenders(asked, k, bound), exact, asked


@given(st.integers(0, 2**32), st.sampled_from([1, 2, 5]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_whoever_is_left_out_costs_more_than_the_bound(seed: int, k: int, known: bool) -> None:
    view = a_view(a_street(300, seed)).snapshot()
    problem = problem_of(some_wants(8, seed), NOON)
    before = np.full((8, 1), 5_000.0) if known else None

    found, exact, asked = screened(view, problem, k, before)

    left_out = np.isfinite(exact.cost)
    left_out[found.jobs, found.machines] = False
    bound = np.broadcast_to(found.bound + asked.slack(found.bound), exact.cost.shape)
    assert np.all(exact.cost[left_out] > bound[left_out])


@given(st.integers(0, 2**32), st.sampled_from([1, 2, 5]))
@settings(max_examples=40, deadline=None)
def test_a_bound_is_no_lower_than_the_kth_cost(seed: int, k: int) -> None:
    view = a_view(a_street(300, seed)).snapshot()
    problem = problem_of([Want(w.part, 1, w.place) for w in some_wants(8, seed)], NOON)

    found, exact, asked = screened(view, problem, k)

    kth = np.sort(exact.cost, axis=1)[:, k - 1 : k]
    assert np.all(found.bound + asked.slack(found.bound) >= kth)


def test_machines_at_the_other_end_of_the_earth_are_screened_like_others() -> None:
    """There the squared sine of half the angle is 1, and at these places rounded above it."""
    places = [
        Place(lat_udeg=1_814_465, lon_udeg=87_539_777),
        Place(lat_udeg=14_980_323, lon_udeg=5_741_998),
        Place(lat_udeg=-10_911_860, lon_udeg=106_422_980),
        Place(lat_udeg=-30_128_989, lon_udeg=-27_808_689),
    ]
    street = [
        Known(node(str(n)), a_capacity(a_machine()), a_workshop(_opposite(place)), 0.5)
        for n, place in enumerate(places)
    ]
    view = a_view(street).snapshot()
    problem = problem_of([Want(a_part(), 1, place) for place in places], NOON)

    found, _, _ = screened(view, problem, len(places))

    assert len(found.jobs) == len(places) ** 2


def _opposite(place: Place) -> Place:
    turn = -180_000_000 if place.lon_udeg > 0 else 180_000_000
    return Place(lat_udeg=-place.lat_udeg, lon_udeg=place.lon_udeg + turn)


def test_a_screen_lets_few_through_that_are_not_among_the_best() -> None:
    view = a_view(a_street(3_000, seed=1)).snapshot()
    problem = problem_of(some_wants(16, seed=2), NOON)

    found, exact, _ = screened(view, problem, 16)

    assert len(found.jobs) <= 16 * 16 * 2
    cost = exact.cost[found.jobs, found.machines]
    assert np.mean(np.isfinite(cost)) > 0.99


def test_a_screen_has_buffers_for_as_many_jobs_as_it_says() -> None:
    street = a_view(a_street(300, seed=1)).snapshot().machines
    machines = street.take(np.argsort(~street.placed, kind="stable"))
    held = Held(np.ones(300, np.bool_), np.ones(300), np.ones(300))

    screen = Screen(machines, held, NOON, WEIGHTS)

    assert screen.jobs_max == PAIRS_MAX // 320
    with pytest.raises(AssertionError):
        Screen(street, held, NOON, WEIGHTS)
