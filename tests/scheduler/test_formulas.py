"""Each constraint of hours, tools and house rules, by hand; and each fact that is unknown.

Whether the arrays say what the plain formulas say is tested in test_kernel.py.
"""

from dataclasses import replace
from typing import Any

import pytest

from commonfab.protocol.records import Machine, Part
from commonfab.scheduler.constraints import BLOCKING, UNKNOWN, Constraint
from commonfab.scheduler.formulas import window_ms
from commonfab.scheduler.kernel import Evaluation, evaluate
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import (
    BERLIN,
    DAY_MS,
    HAMBURG,
    HOUR_MS,
    LICENCE,
    NOON,
    OFFICE_HOURS,
    a_capacity,
    a_machine,
    a_part,
    a_view,
    a_workshop,
    node,
)

MIDNIGHT = NOON // DAY_MS * DAY_MS + DAY_MS
"""The next one; NOON is a Tuesday evening, 22:13:20 UTC."""


def on(machine: Machine, part: Part | None = None, pieces: int = 1, **weights: Any) -> Evaluation:
    """Any: the fields of `Weights`."""
    return asked(
        Known(node("bob"), a_capacity(machine), a_workshop(), 0.5), part, pieces, **weights
    )


def asked(known: Known, part: Part | None = None, pieces: int = 1, **weights: Any) -> Evaluation:
    """Any: the fields of `Weights`."""
    problem = problem_of([Want(part or a_part(), pieces, BERLIN)], NOON)
    return evaluate(a_view([known]).snapshot(), problem, Weights(**weights))


def bits(result: Evaluation) -> Constraint:
    return Constraint(int(result.verdicts[0, 0]))


@pytest.mark.rule("SCHED-21")
@pytest.mark.parametrize(
    ("machine", "part", "broken"),
    [
        ({"nozzle_um": 400}, {"nozzle_um": 400}, Constraint(0)),
        ({"nozzle_um": 401}, {"nozzle_um": 400}, Constraint.NOZZLE),
        ({"nozzle_um": 800}, {}, Constraint(0)),
        ({"tolerance_um": 100}, {"tolerance_um": 100}, Constraint(0)),
        ({"tolerance_um": 101}, {"tolerance_um": 100}, Constraint.TOLERANCE),
        ({"temperature_c": 260}, {"temperature_c": 260}, Constraint(0)),
        ({"temperature_c": 259}, {"temperature_c": 260}, Constraint.TEMPERATURE),
    ],
)
def test_a_tool_is_as_fine_as_exact_and_as_hot_as_the_part_asks(
    machine: dict[str, int], part: dict[str, int], broken: Constraint
) -> None:
    assert bits(on(a_machine(**machine), a_part(**part))) == broken


@pytest.mark.rule("SCHED-2")
@pytest.mark.parametrize(
    ("machine", "part", "unknown"),
    [
        ({}, {"nozzle_um": 400}, Constraint.NOZZLE_UNKNOWN),
        ({}, {"tolerance_um": 100}, Constraint.TOLERANCE_UNKNOWN),
        ({}, {"temperature_c": 260}, Constraint.TEMPERATURE_UNKNOWN),
        ({"hours": ()}, {}, Constraint.HOURS_UNKNOWN),
        ({"attended": ()}, {}, Constraint.ATTENDED_UNKNOWN),
        ({"licences": ()}, {}, Constraint.LICENCE_UNKNOWN),
        ({}, {"licence": ""}, Constraint.LICENCE_UNKNOWN),
        ({}, {"licence": "NOASSERTION"}, Constraint.LICENCE_UNKNOWN),
        ({"makes_for": None}, {}, Constraint.MAKES_FOR_UNKNOWN),
    ],
)
def test_a_fact_that_nobody_told_is_marked_and_blocks_nothing(
    machine: dict[str, Any], part: dict[str, Any], unknown: Constraint
) -> None:
    assert bits(on(a_machine(**machine), a_part(**part))) == unknown
    assert unknown in UNKNOWN
    assert not unknown & BLOCKING


@pytest.mark.rule("SCHED-19")
def test_a_machine_that_opens_tomorrow_begins_then() -> None:
    result = on(a_machine(hours=OFFICE_HOURS))

    opening = MIDNIGHT + 9 * HOUR_MS
    assert result.facts.start_ms[0, 0] == opening
    assert result.facts.ready_ms[0, 0] == opening + window_ms(3_600.0)
    assert bits(result) == 0


@pytest.mark.rule("SCHED-19")
def test_a_job_that_is_longer_than_every_opening_does_not_fit_and_keeps_its_numbers() -> None:
    result = on(a_machine(hours=OFFICE_HOURS), pieces=9)

    assert bits(result) == Constraint.HOURS
    assert result.facts.start_ms[0, 0] == NOON
    assert result.facts.ready_ms[0, 0] == NOON + window_ms(9 * 3_600.0)


@pytest.mark.rule("SCHED-20")
def test_a_job_that_ends_at_night_is_cleared_in_the_morning() -> None:
    evening = ((1_440 + 22 * 60, 1_440 + 23 * 60),)

    result = on(a_machine(attended=(*evening, *OFFICE_HOURS)))

    assert result.facts.start_ms[0, 0] == NOON
    assert result.facts.ready_ms[0, 0] == MIDNIGHT + 9 * HOUR_MS


@pytest.mark.rule("SCHED-20")
def test_waiting_for_hours_is_waiting_and_costs_as_such() -> None:
    at_once, tomorrow = on(a_machine()), on(a_machine(hours=OFFICE_HOURS))

    hours = (MIDNIGHT + 9 * HOUR_MS - NOON) / HOUR_MS
    dearer = tomorrow.terms.waiting[0, 0] - at_once.terms.waiting[0, 0]
    assert dearer == pytest.approx(hours * Weights().waiting_minor_per_hour)


@pytest.mark.rule("SCHED-22")
def test_a_machine_makes_designs_of_the_licences_that_it_lists() -> None:
    assert bits(on(a_machine(licences=("MIT",)))) == Constraint.LICENCE
    assert bits(on(a_machine(licences=("MIT", LICENCE)))) == 0
    assert bits(on(a_machine(licences=("MIT",)), a_part(licence=f"{LICENCE} OR MIT"))) == 0


@pytest.mark.rule("SCHED-23")
def test_a_machine_for_known_nodes_does_not_fit_where_its_owner_is_a_stranger() -> None:
    known = Known(node("bob"), a_capacity(a_machine(makes_for="known")), a_workshop(), 0.5)

    assert bits(asked(known)) == 0
    assert bits(asked(replace(known, tier=1))) == Constraint.MAKES_FOR
    assert bits(asked(replace(known, tier=1, standing=1.0))) == 0, "the buyer's own"
    for_all = replace(known, capacity=a_capacity(a_machine()), tier=1)
    assert bits(asked(for_all)) == 0


@pytest.mark.rule("SCHED-23")
def test_a_buyer_leaves_out_whom_it_trusts_too_little() -> None:
    assert bits(on(a_machine(), trust_floor=0.5)) == 0
    assert bits(on(a_machine(), trust_floor=0.51)) == Constraint.TRUST


@pytest.mark.rule("SCHED-23")
def test_a_buyer_leaves_out_what_is_too_far_away_but_not_what_is_somewhere() -> None:
    far = Known(node("bob"), a_capacity(a_machine()), a_workshop(HAMBURG), 0.5)

    assert bits(asked(far)) == 0
    assert bits(asked(far, distance_max_km=256)) == 0
    assert bits(asked(far, distance_max_km=255)) == Constraint.DISTANCE
    somewhere = replace(far, workshop=None)
    assert bits(asked(somewhere, distance_max_km=1)) == Constraint.PLACE


def test_every_constraint_has_a_bit_of_its_own_and_either_blocks_or_is_unknown() -> None:
    assert sum(int(each) for each in Constraint) == int(BLOCKING) + int(UNKNOWN)
    assert not BLOCKING & UNKNOWN
