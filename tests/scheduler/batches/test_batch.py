"""A batch is placed nearly as cheaply as can be, and proves it over all machines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.assignment import assign
from commonfab.scheduler.batches.batch import EXACT_CELLS_MAX, Batch, place, spread
from commonfab.scheduler.batches.slots import slot_costs
from commonfab.scheduler.columns import Floats, Rows
from commonfab.scheduler.kernel import Top, evaluate, top
from commonfab.scheduler.problem import Problem, Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import Snapshot
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import (
    BERLIN,
    NOON,
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
SLOTS = 2


def all_costs(view: Snapshot, problem: Problem) -> Floats:
    """Return every job in every slot of every machine, (n, m * SLOTS)."""
    rows = view.rows()
    cost = evaluate(view, problem, WEIGHTS, rows).cost
    ranked = Top(np.tile(rows, (len(problem), 1)), cost, 0)
    return slot_costs(view, problem, ranked, SLOTS, WEIGHTS).reshape(len(problem), -1)


def least(cost: Floats, count: Rows, left_out: float) -> float:
    """Return what the best assignment costs when each job without a slot costs so much."""
    each = cost.repeat(count, axis=0)
    alone = np.where(np.eye(len(each), dtype=np.bool_), left_out, np.inf)
    table = np.hstack([each, alone])
    return float(table[np.arange(len(table)), assign(table)].sum())


def short_listed(view: Snapshot, problem: Problem, count: Rows, k: int) -> Batch:
    ranked = top(view, problem, k, WEIGHTS)
    return place(view, problem, count, WEIGHTS, slots=SLOTS, ranked=ranked)


@pytest.mark.rule("SCHED-29")
@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_what_is_proved_holds_over_all_machines(seed: int, k: int) -> None:
    view = a_view(a_town(6, seed)).snapshot()
    fitting = problem_of(wants_of(12, seed, dated=0.3), NOON)
    members = np.flatnonzero(np.isfinite(all_costs(view, fitting)).any(axis=1))
    if not len(members):
        return
    problem = fitting.take(members)
    count = np.random.default_rng(seed).integers(1, 3, len(problem))

    batch = short_listed(view, problem, count, k)

    placed = np.bincount(batch.kind, minlength=len(problem))
    assert np.array_equal(placed + batch.unplaced, count)
    assert len({*zip(batch.row.tolist(), batch.slot.tolist(), strict=True)}) == len(batch.row)
    cost = all_costs(view, problem)
    column = np.searchsorted(view.rows(), batch.row) * SLOTS + batch.slot
    paid = float(cost[batch.kind, column].sum())
    assert np.isfinite(paid)
    if not batch.unplaced.any():
        assert batch.cost == pytest.approx(paid)
        assert batch.bound <= least(cost, count, 1e9) + 1e-6 <= paid + 1e-3


def a_street(machines: int) -> list[Known]:
    """Return workshops in one place, each a little dearer than the one before."""
    return [
        Known(
            node(f"{number}"),
            a_capacity(a_machine(price_minor_per_hour=150 + number)),
            a_workshop(),
            0.5,
        )
        for number in range(machines)
    ]


def test_lists_that_are_too_short_for_the_proof_are_made_longer() -> None:
    view = a_view(a_street(60)).snapshot()
    wants = [Want(a_part(seconds=3_600 + n), 1, BERLIN) for n in range(30)]
    problem, count = problem_of(wants, NOON), np.ones(30, np.intp)
    ranked = top(view, problem, 2, WEIGHTS)

    batch = place(view, problem, count, WEIGHTS, slots=SLOTS, ranked=ranked)

    assert batch.gap <= 0.01
    assert not batch.unplaced.any()
    assert len(set(batch.row.tolist())) == 30
    assert batch.bound <= batch.cost


def test_jobs_that_fit_nowhere_are_left_and_the_others_placed() -> None:
    view = a_view(a_street(3)).snapshot()
    wants = [Want(a_part(), 1, BERLIN), Want(a_part(process="welding"), 1, BERLIN)]

    batch = place(view, problem_of(wants, NOON), np.array([2, 3]), WEIGHTS, slots=SLOTS)

    assert batch.unplaced.tolist() == [0, 3]
    assert batch.kind.tolist() == [0, 0]


def test_more_jobs_than_slots_fill_all_of_them() -> None:
    view = a_view(a_street(3)).snapshot()
    problem = problem_of([Want(a_part(), 1, BERLIN)], NOON)

    batch = place(view, problem, np.array([10]), WEIGHTS, slots=SLOTS)

    assert len(batch.row) == 3 * SLOTS
    assert batch.unplaced.tolist() == [4]


def test_large_batches_are_spread_as_small_ones_are_but_by_auction() -> None:
    """Where the exact solve ends, the auction goes on with the same costs."""
    view = a_view(a_street(40)).snapshot()
    problem = problem_of([Want(a_part(seconds=s), 1, BERLIN) for s in (3_600, 4_000)], NOON)
    ranked = top(view, problem, 40, WEIGHTS)
    few, many = np.repeat([0, 1], 20), np.repeat([0, 1], 400)
    assert len(few) * 40 * 4 <= EXACT_CELLS_MAX < len(many) * 40 * 40

    exact = spread(view, problem, few, ranked, WEIGHTS)
    auctioned = spread(view, problem, many, ranked, WEIGHTS)

    assert sorted(exact) == sorted(view.rows().tolist())
    assert np.bincount(auctioned).tolist() == [20] * 40
