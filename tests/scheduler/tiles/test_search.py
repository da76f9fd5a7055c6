"""A search may let too many through, but never too few, and seldom many too many."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.records import Place, Stock
from commonfab.scheduler.kernel import evaluate
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.tiles.asked import Asked
from commonfab.scheduler.tiles.ranking import Town
from commonfab.scheduler.tiles.search import Search
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

ANTIPODE = Place(lat_udeg=-BERLIN.lat_udeg, lon_udeg=BERLIN.lon_udeg - 180_000_000)
WEIGHTS = [
    Weights(),
    Weights(waiting_minor_per_hour=0.0, transport_minor_per_km=0.0, carbon_minor_per_kg=0.0),
    Weights(trust_floor=0.3, distance_max_km=8_000.0),
]


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
        nozzle_um=random.choice([0, 250, 400]),
        tolerance_um=random.choice([0, 100, 200]),
        temperature_c=random.choice([0, 240, 300]),
    )
    place = random.choice([BERLIN, ANTIPODE, None, _anywhere(random), _anywhere(random)])
    workshop = a_workshop(place) if place else None
    return Known(node(name), a_capacity(machine, grid_g_per_kwh=500), workshop, random.random())


def _anywhere(random: Random) -> Place:
    return Place(
        lat_udeg=random.randint(-90_000_000, 90_000_000),
        lon_udeg=random.randint(-180_000_000, 180_000_000),
    )


def some_wants(count: int, seed: int, *, dated: bool = True) -> list[Want]:
    random = Random(seed)
    return [
        Want(
            a_part(
                bbox_um=tuple(random.randint(30_000, 200_000) for _ in range(3)),
                seconds=random.randint(0, 200_000),
                mass_mg=random.randint(0, 100_000),
                nozzle_um=random.choice([0, 0, 300]),
                tolerance_um=random.choice([0, 0, 150]),
                temperature_c=random.choice([0, 0, 260]),
            ),
            random.randint(1, 3),
            random.choice([BERLIN, _anywhere(random)]),
            random.choice([0, NOON + random.randint(HOUR_MS, 40 * DAY_MS)]) if dated else 0,
        )
        for _ in range(count)
    ]


class Asking:
    """A search of a street for some jobs, and the exact answer."""

    def __init__(self, street: list[Known], wants: list[Want], k: int, weights: Weights) -> None:
        view = a_view(street).snapshot()
        problem = problem_of(wants, NOON)
        self.exact = evaluate(view, problem, weights).cost
        asking, jobs = problem.asking(view, weights), problem.seen_in(view)
        town = Town.of(view, jobs, 0, asking)
        assert town
        self.asked = Asked.of(jobs, asking)
        self.search = Search(town.moment, self.asked, k, weights.distance_max_km or np.inf)
        self._view: Snapshot = view

    def left_out(self) -> np.ndarray:
        """Return (n, m): the exact costs of machines that fit and were not found, or infinity."""
        found = self.search.found()
        cost = self.exact.copy()
        cost[found.jobs, self._view.stocks.machine[found.stock]] = np.inf
        return cost


many = pytest.mark.parametrize("weights", WEIGHTS)


@many
@given(seed=st.integers(0, 2**32), k=st.sampled_from([1, 2, 5, 80]))
@settings(max_examples=20, deadline=None)
def test_whoever_is_left_out_costs_more_than_the_limit(weights: Weights, seed: int, k: int) -> None:
    street = Asking(a_street(300, seed), some_wants(8, seed), k, weights)

    assert street.search.best()

    proven = street.asked.proven(street.search.limit)[:, None]
    left_out = street.left_out()
    assert np.all((left_out > proven) | (left_out == np.inf))


@many
@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_search_up_to_a_cost_finds_all_that_cost_no_more(weights: Weights, seed: int) -> None:
    street = Asking(a_street(300, seed), some_wants(8, seed), 1, weights)
    cost = np.sort(street.exact, axis=1)[:, 20]

    street.search.within(street.asked.quick_limit(cost))

    left_out = street.left_out()
    assert np.all((left_out > cost[:, None]) | (left_out == np.inf))


def test_machines_at_the_other_end_of_the_earth_are_found_like_others() -> None:
    """There a chord is as long as can be, and its square at these places rounded above it."""
    places = [
        Place(lat_udeg=1_814_465, lon_udeg=87_539_777),
        Place(lat_udeg=14_980_323, lon_udeg=5_741_998),
        Place(lat_udeg=-10_911_860, lon_udeg=106_422_980),
        Place(lat_udeg=-30_128_989, lon_udeg=-27_808_689),
    ]
    far = [
        Known(node(str(n)), a_capacity(a_machine()), a_workshop(_opposite(place)), 0.5)
        for n, place in enumerate(places)
    ]
    street = Asking(far, [Want(a_part(), 1, place) for place in places], 4, WEIGHTS[0])

    assert street.search.best()

    assert np.all(street.left_out() == np.inf)


def _opposite(place: Place) -> Place:
    turn = -180_000_000 if place.lon_udeg > 0 else 180_000_000
    return Place(lat_udeg=-place.lat_udeg, lon_udeg=place.lon_udeg + turn)


def test_a_search_lets_few_through_that_are_not_among_the_best() -> None:
    street = Asking(a_street(3_000, seed=1), some_wants(50, seed=2, dated=False), 16, WEIGHTS[0])

    assert street.search.best()

    assert len(street.search.found().jobs) <= 50 * 16 * 1.1


def test_a_search_of_machines_that_are_all_alike_goes_in_halves() -> None:
    alike = [Known(node(str(n)), a_capacity(a_machine()), a_workshop(), 0.5) for n in range(200)]
    view = a_view(alike).snapshot()
    problem = problem_of([Want(a_part(), 1, BERLIN)] * 9, NOON)
    jobs, asking = problem.seen_in(view), problem.asking(view, WEIGHTS[0])
    town = Town.of(view, jobs, 0, asking)
    assert town

    ranked = town.rank(jobs, 3, found_max=500)

    whole = town.rank(jobs, 3)
    assert ranked.rows.tolist() == whole.rows.tolist()
    assert ranked.cost.tolist() == whole.cost.tolist()
