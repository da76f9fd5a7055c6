"""The kernel against the reference: same verdicts, same costs, same ranking, to the bit."""

from dataclasses import replace
from math import floor, inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import LEASE_TERM_MS_MAX
from commonfab.protocol.records import Machine, Place, Stock
from commonfab.scheduler import reference
from commonfab.scheduler.constraints import Constraint
from commonfab.scheduler.kernel import evaluate, top
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import (
    ALWAYS,
    BERLIN,
    HAMBURG,
    HOUR_MS,
    LASER,
    LICENCE,
    NOON,
    OFFICE_HOURS,
    PETG,
    PLA,
    PRINTING,
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
AUCKLAND = Place(lat_udeg=-36_848_000, lon_udeg=174_763_000)


def check_against_the_reference(
    town: list[Known], wants: list[Want], k: int, weights: Weights = WEIGHTS
) -> None:
    """Floats are compared with ==: rounding distances to metres leaves no other difference."""
    view = a_view(town).snapshot()
    problem = problem_of(wants, NOON)
    dense, best = evaluate(view, problem, weights), top(view, problem, k, weights)
    rows: list[int] = dense.rows.tolist()
    column = {(view.authors[row], view.ids[row]): at for at, row in enumerate(rows)}
    for job, want in enumerate(wants):
        pairs = reference.evaluate(town, want, NOON, weights)
        at = [column[pair.author, pair.machine] for pair in pairs]
        assert len(set(at)) == len(dense.rows)
        assert dense.verdicts[job, at].tolist() == [pair.verdict for pair in pairs]
        assert dense.cost[job, at].tolist() == [pair.cost for pair in pairs]
        for index, name in enumerate(_TERMS):
            expected_terms = [pair.terms[index] for pair in pairs]
            assert getattr(dense.terms, name)[job, at].tolist() == expected_terms
        expected = reference.top(town, want, NOON, k, weights)
        ranked: list[int] = best.rows[job].tolist()
        rows = [row for row in ranked if row >= 0]
        assert [(view.authors[row], view.ids[row]) for row in rows] == [
            (pair.author, pair.machine) for pair in expected
        ]
        padding = [inf] * (k - len(expected))
        assert best.cost[job].tolist() == [pair.cost for pair in expected] + padding


_TERMS = ("machine", "material", "transport", "energy", "co2e", "waiting", "lateness", "trust")

# Few values each, so that ties and exact fits are common.
small = st.sampled_from([0, 1, 2, 1_000, 2**53])
places = st.sampled_from([None, BERLIN, HAMBURG, AUCKLAND])
sides = st.tuples(*[st.sampled_from([1, 100_000, 100_001, 300_000])] * 3)
# NOON is a Tuesday, 22:13:20 UTC.
hours = st.sampled_from([(), (), ALWAYS, OFFICE_HOURS, ((1_440, 2_773),), ((1_440, 2_774),)])
machines: st.SearchStrategy[Machine] = st.builds(
    a_machine,
    id=st.sampled_from([str(number) for number in range(40)]),
    process=st.sampled_from([PRINTING, PRINTING, LASER]),
    volume_um=sides,
    stock=st.lists(
        st.builds(
            Stock,
            material=st.sampled_from([PLA, PLA, PETG]),
            mass_mg=st.sampled_from([0, 50_000, 99_999, 100_000, 2**53]),
            price_minor_per_kg=small,
        ),
        max_size=3,
    ).map(tuple),
    speed_permille=st.sampled_from([1, 999, 1_000, 1_000_000_000]),
    setup_seconds=small,
    price_minor_per_hour=small,
    power_w=small,
    free_at=st.sampled_from([0, NOON - 1, NOON + 1, NOON + LEASE_TERM_MS_MAX, 2**53]),
    takes_jobs=st.sampled_from([True, True, False]),
    nozzle_um=st.sampled_from([0, 400, 401]),
    tolerance_um=st.sampled_from([0, 100, 101]),
    temperature_c=st.sampled_from([0, 239, 240]),
    hours=hours,
    attended=hours,
    licences=st.sampled_from([(), (LICENCE,), (LICENCE, "MIT"), ("MIT",)]),
    makes_for=st.sampled_from([None, "everyone", "known"]),
)


@st.composite
def workshops(draw: st.DrawFn, index: int) -> Known:
    made = draw(st.lists(machines, max_size=8, unique_by=lambda machine: machine.id))
    place = draw(places)
    return Known(
        author=node(str(index)),
        capacity=a_capacity(
            *made,
            until=draw(st.sampled_from([0, NOON, NOON + 1])),
            currency=draw(st.sampled_from(["EUR", "EUR", "CHF"])),
            grid_g_per_kwh=draw(small),
        ),
        workshop=a_workshop(place) if place else None,
        standing=draw(st.sampled_from([0.0, 0.3, 1.0])),
        tier=draw(st.sampled_from([0, 0, 1])),
    )


towns = st.integers(0, 6).flatmap(lambda n: st.tuples(*(workshops(index) for index in range(n))))
parts = st.builds(
    a_part,
    process=st.sampled_from([PRINTING, PRINTING, LASER, "cnc-milling"]),
    material=st.sampled_from([PLA, PLA, PETG, "ABS"]),
    bbox_um=sides,
    seconds=st.sampled_from([0, 1, 3_600, 2**53]),
    mass_mg=st.sampled_from([0, 1, 50_000, 2**53]),
    nozzle_um=st.sampled_from([0, 0, 400]),
    tolerance_um=st.sampled_from([0, 0, 100]),
    temperature_c=st.sampled_from([0, 0, 240]),
    licence=st.sampled_from(["", LICENCE, LICENCE, f"MIT OR {LICENCE}", f"MIT AND {LICENCE}"]),
)
wants = st.builds(
    Want,
    part=parts,
    pieces=st.sampled_from([1, 2, 100_000]),
    place=st.sampled_from([BERLIN, HAMBURG, AUCKLAND]),
    by=st.sampled_from([0, 1, NOON, NOON + 3 * HOUR_MS, NOON + LEASE_TERM_MS_MAX]),
)
weights = st.builds(
    Weights,
    currency=st.sampled_from(["EUR", "CHF", "XMR"]),
    transport_minor=st.sampled_from([0.0, 200.0]),
    transport_minor_per_km=st.sampled_from([0.0, 2.0]),
    energy_minor_per_kwh=st.sampled_from([0.0, 30.0]),
    waiting_minor_per_hour=st.sampled_from([0.0, 10.0]),
    trust_minor=st.sampled_from([0.0, 200.0]),
    unknown_place_km=st.sampled_from([0.0, 500.0]),
    trust_floor=st.sampled_from([0.0, 0.0, 0.3]),
    distance_max_km=st.sampled_from([0.0, 0.0, 100.0]),
)


@pytest.mark.rule("SCHED-1")
@pytest.mark.rule("SCHED-6")
@pytest.mark.rule("SCHED-8")
@given(towns, st.lists(wants, min_size=1, max_size=4), st.sampled_from([1, 2, 16]), weights)
@settings(max_examples=120, deadline=None)
def test_verdicts_costs_and_ranking_equal_the_reference(
    town: tuple[Known, ...], wants: list[Want], k: int, weights: Weights
) -> None:
    check_against_the_reference(list(town), wants, k, weights)


@given(st.integers(0, 2**32), st.sampled_from([1, 3, 16]))
@settings(max_examples=25, deadline=None)
def test_a_town_of_hundreds_of_machines_is_ranked_as_by_the_reference(seed: int, k: int) -> None:
    check_against_the_reference(a_town(60, seed), wants_of(3, seed), k)


@pytest.mark.parametrize("k", [1, 16])
def test_ordinary_jobs_are_settled_by_one_search(k: int) -> None:
    view = a_view(a_town(500, seed=11)).snapshot()

    best = top(view, problem_of(wants_of(300, seed=12), NOON), k, WEIGHTS)

    assert best.twice <= 3


@given(st.integers(0, 2**32), st.integers(0, 99), st.sampled_from([-1, 0, 1]))
@settings(max_examples=25, deadline=None)
def test_a_date_that_is_met_or_missed_by_a_millisecond_is_told_apart(
    seed: int, choice: int, more_ms: int
) -> None:
    town, want = a_town(40, seed), wants_of(1, seed, dated=0.0)[0]
    arrivals = evaluate(a_view(town).snapshot(), problem_of([want], NOON), WEIGHTS).facts.arrival_ms
    by = floor(float(np.sort(arrivals[0])[choice])) + more_ms

    check_against_the_reference(town, [replace(want, by=by)], 3)


@pytest.mark.rule("SCHED-8")
def test_machines_that_a_search_cannot_rule_out_do_not_crowd_out_others() -> None:
    """600 cheap machines are late by less than a search can see; two others are in time."""
    late = [
        Known(node(str(n)), a_capacity(a_machine(free_at=NOON + 1)), a_workshop(), 0.5)
        for n in range(600)
    ]
    punctual = Known(node("p"), a_capacity(a_machine(price_minor_per_hour=900)), a_workshop(), 0.5)
    gift = Known(node("g"), a_capacity(a_machine(price_minor_per_hour=0)), a_workshop(), 0.5)
    want = Want(a_part(), 1, BERLIN)
    facts = evaluate(a_view([punctual]).snapshot(), problem_of([want], NOON), WEIGHTS).facts
    want = replace(want, by=floor(float(facts.arrival_ms[0, 0])))

    town = [*late, gift, punctual]
    check_against_the_reference(town, [want], 2)
    assert top(a_view(town).snapshot(), problem_of([want], NOON), 2, WEIGHTS).twice == 1


@pytest.mark.rule("SCHED-9")
def test_equal_machines_are_ranked_by_their_keys_however_they_are_stored() -> None:
    town = [Known(node(str(n)), a_capacity(a_machine()), a_workshop(), 0.5) for n in range(300)]
    problem = problem_of([Want(a_part(), 1, BERLIN)], NOON)

    def winners(order: list[Known]) -> list[NodeId]:
        view = a_view(order).snapshot()
        return [view.authors[row] for row in top(view, problem, 16, WEIGHTS).rows[0].tolist()]

    assert winners(town) == winners(town[::-1])
    check_against_the_reference(town, [Want(a_part(), 1, BERLIN)], 16)


def test_the_best_of_thousands_of_machines_are_those_of_the_dense_table() -> None:
    view = a_view(a_town(1_000, seed=7)).snapshot()
    problem = problem_of(wants_of(200, seed=8), NOON)

    best = top(view, problem, 16, WEIGHTS)

    dense = evaluate(view, problem, WEIGHTS)
    key = np.broadcast_to(view.machines.key[dense.rows], dense.cost.shape)
    order = np.lexsort((key, dense.cost), axis=1)[:, :16]
    cost = np.take_along_axis(dense.cost, order, axis=1)
    assert best.cost.tolist() == cost.tolist()
    assert best.rows.tolist() == np.where(cost < inf, dense.rows[order], -1).tolist()


def test_a_dearer_machine_is_found_behind_many_that_are_late_by_a_millisecond() -> None:
    """Between the dear ones and the cheap ones that are late is one that is in time."""
    dear = tuple(a_machine(id=str(n), price_minor_per_hour=400) for n in range(600))
    late = tuple(a_machine(id=str(n), free_at=NOON + 1) for n in range(200))
    hidden = a_machine(price_minor_per_hour=200)
    town = [
        Known(node(name), a_capacity(*machines), a_workshop(), 0.5)
        for name, machines in (("dear", dear), ("late", late), ("hidden", (hidden,)))
    ]
    view = a_view(town).snapshot()
    problem = problem_of([Want(a_part(), 1, BERLIN, NOON + READY_MS)], NOON)

    best = top(view, problem, 1, WEIGHTS)

    assert view.authors[int(best.rows[0, 0])] == node("hidden")
    assert best.twice == 1


def test_a_job_that_nobody_can_do_has_no_machines() -> None:
    view = a_view(a_town(5, seed=1)).snapshot()
    nobody = Want(a_part(process="cnc-milling", material="unobtainium"), 1, BERLIN)

    best = top(view, problem_of([nobody], NOON), 4, WEIGHTS)

    assert best.rows.tolist() == [[-1] * 4]
    assert best.cost.tolist() == [[inf] * 4]


def test_no_jobs_and_no_machines_are_answered() -> None:
    empty, full = a_view([]).snapshot(), a_view(a_town(2, seed=1)).snapshot()
    one = problem_of([Want(a_part(), 1, BERLIN)], NOON)

    assert evaluate(empty, one, WEIGHTS).cost.shape == (1, 0)
    assert top(empty, one, 2, WEIGHTS).rows.tolist() == [[-1, -1]]
    assert top(full, problem_of([], NOON), 2, WEIGHTS).rows.shape == (0, 2)


def verdict(machine: Machine, want: Want, *, place: Place | None = BERLIN, **capacity: Any) -> int:
    """Any: the fields of `Capacity`."""
    workshop = a_workshop(place) if place else None
    town = [Known(node("bob"), a_capacity(machine, **capacity), workshop, 0.5)]
    return int(evaluate(a_view(town).snapshot(), problem_of([want], NOON), WEIGHTS).verdicts[0, 0])


ONE = Want(a_part(), 1, BERLIN)
READY_MS = 3_600 * 1_100 + 1_000 + 2 * HOUR_MS
"""Of `a_part` on `a_machine` next door."""


@pytest.mark.rule("SCHED-1")
@pytest.mark.parametrize(
    ("machine", "want", "broken"),
    [
        (a_machine(), ONE, Constraint(0)),
        (a_machine(process=LASER), ONE, Constraint.PROCESS),
        (a_machine(volume_um=(119_999, 80_000, 60_000)), ONE, Constraint.VOLUME),
        (a_machine(stock=()), ONE, Constraint.MATERIAL),
        (a_machine(), replace(ONE, pieces=20), Constraint(0)),
        (a_machine(), replace(ONE, pieces=21), Constraint.STOCK),
        (a_machine(takes_jobs=False), ONE, Constraint.TAKES_JOBS),
        (a_machine(free_at=NOON + LEASE_TERM_MS_MAX), ONE, Constraint.HORIZON),
        (a_machine(), replace(ONE, by=NOON + READY_MS), Constraint(0)),
        (a_machine(), replace(ONE, by=NOON + READY_MS - 1), Constraint.DEADLINE),
        (
            a_machine(process=LASER, stock=(), takes_jobs=False),
            ONE,
            Constraint.PROCESS | Constraint.MATERIAL | Constraint.TAKES_JOBS,
        ),
    ],
)
def test_each_constraint_has_its_own_bit(machine: Machine, want: Want, broken: Constraint) -> None:
    assert verdict(machine, want) == broken


@pytest.mark.rule("SCHED-1")
def test_expired_capacity_and_foreign_currency_have_their_own_bits() -> None:
    assert verdict(a_machine(), ONE, until=NOON + 1) == 0
    assert verdict(a_machine(), ONE, until=NOON) == Constraint.CAPACITY
    assert verdict(a_machine(), ONE, currency="CHF") == Constraint.CURRENCY


@pytest.mark.rule("SCHED-3")
@pytest.mark.parametrize("turned", [(60, 80, 120), (120, 60, 80), (80, 120, 60)])
def test_a_part_may_be_turned_to_fit(turned: tuple[int, int, int]) -> None:
    tight = a_machine(volume_um=(80_000, 120_000, 60_000))
    part = a_part(bbox_um=tuple(1_000 * side for side in turned))

    assert verdict(tight, replace(ONE, part=part)) == 0
    assert verdict(structs.replace(tight, volume_um=(80_000, 120_000, 59_999)), ONE) == (
        Constraint.VOLUME
    )


@pytest.mark.rule("SCHED-2")
def test_a_place_that_is_not_known_blocks_nothing() -> None:
    assert verdict(a_machine(), ONE, place=None) == Constraint.PLACE
    assert verdict(a_machine(), replace(ONE, by=NOON + READY_MS), place=None) == Constraint.PLACE
    assert verdict(a_machine(), replace(ONE, by=NOON + READY_MS - 1), place=None) == (
        Constraint.PLACE | Constraint.DEADLINE
    )


@pytest.mark.rule("SCHED-2")
def test_a_place_that_is_not_known_costs_as_much_as_the_assumed_distance() -> None:
    town = [Known(node("bob"), a_capacity(a_machine()), None, 0.5)]

    result = evaluate(a_view(town).snapshot(), problem_of([ONE], NOON), WEIGHTS)

    # 500 km by great circle, 700 by road, 50 g.
    assert result.terms.transport[0, 0] == pytest.approx(200 + 700 * (2 + 0.2 * 0.05))


@pytest.mark.rule("SCHED-6")
def test_the_terms_of_a_cost_are_those_of_the_spec() -> None:
    """By hand: 2 pieces of 1 h and 50 g, 10 min set-up, half speed, ready after 1 h queue."""
    machine = a_machine(
        setup_seconds=600,
        speed_permille=500,
        price_minor_per_hour=150,
        power_w=200,
        free_at=NOON + HOUR_MS,
    )
    town = [Known(node("bob"), a_capacity(machine, grid_g_per_kwh=400), a_workshop(), 0.25)]
    want = Want(a_part(), 2, BERLIN, by=NOON + HOUR_MS)

    result = evaluate(a_view(town).snapshot(), problem_of([want], NOON), WEIGHTS)

    seconds = 600 + 2 * 3_600 / 0.5
    hours_there = 1 + (seconds * 1.1 + 1) / 3_600 + 2
    kwh = 0.2 * seconds / 3_600
    assert {name: float(column[0, 0]) for name, column in result.terms.columns().items()} == (
        pytest.approx(
            {
                "machine": seconds / 3_600 * 150,
                "material": 0.1 * 2_000,
                "transport": 200,
                "energy": 0,
                "co2e": kwh * 400 / 1_000 * 30,
                "waiting": hours_there * 10,
                "lateness": (hours_there - 1) * 200,
                "trust": 0.75 * (200 + 0.5 * (seconds / 3_600 * 150 + 200)),
            }
        )
    )
    assert result.cost[0, 0] == inf


@pytest.mark.rule("SCHED-4")
def test_a_window_is_a_tenth_longer_than_the_machine_time_and_a_second_more() -> None:
    town = [Known(node("bob"), a_capacity(a_machine(setup_seconds=400)), a_workshop(), 0.5)]

    facts = evaluate(a_view(town).snapshot(), problem_of([ONE], NOON), WEIGHTS).facts

    assert facts.ready_ms[0, 0] == NOON + 4_400_000 + 1_000
