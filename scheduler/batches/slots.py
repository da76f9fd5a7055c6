"""What each job would cost as the first, second, ... job of each of its machines.

The k-th job of a machine waits for those before it and counts k times its cost (SCHED-14):
it queues only where a machine that is free would cost more than that, which is where
`splitting.py` draws the line, too. The jobs before it are taken to be like it.
"""

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from ..columns import Floats, Rows
from ..formulas import MS_PER_HOUR, facts, window_ms
from ..kernel import Top
from ..problem import Problem
from ..view import Snapshot
from ..weights import Weights
from .auction import Lists


def first_slots(ranked: Top, slots: int) -> tuple[Lists, Floats]:
    """Return for each job the first slots of its ranked machines, and what every other slot
    of one of them costs at the least."""
    slot = np.maximum(ranked.rows, 0).astype(np.int32) * slots
    return Lists(np.arange(len(slot)), slot, ranked.cost), 2.0 * ranked.cost[:, 0]


def slot_lists(
    view: Snapshot, problem: Problem, ranked: Top, slots: int, weights: Weights, kind: Rows
) -> Lists:
    """Return for each job the slots of its ranked machines; slot s of row r is r * slots + s.

    `kind` has the numbers of the problem's jobs in the batch.
    """
    cost = slot_costs(view, problem, ranked, slots, weights)
    slot = ranked.rows[:, :, None] * slots + np.arange(slots)
    width = ranked.rows.shape[1] * slots
    return Lists(
        kind,
        np.maximum(slot, 0).reshape(-1, width).astype(np.int32),
        cost.reshape(-1, width),
    )


def slot_costs(
    view: Snapshot, problem: Problem, ranked: Top, slots: int, weights: Weights
) -> NDArray[np.float64]:
    """Return (n, k, slots): each job in each slot of its ranked machines."""
    job, rank = np.nonzero(ranked.rows >= 0)
    row = ranked.rows[job, rank]
    jobs = problem.seen_in(view).take(job)
    happens = facts(view.machines.take(row), jobs, problem.asking(view, weights))
    stock_mg = _stock_mg(view, problem)[problem.jobs.material[job], row]
    before = np.arange(slots, dtype=np.float64)
    queue_ms = window_ms(happens.seconds)[:, None] * before
    waiting = queue_ms / MS_PER_HOUR * weights.waiting_minor_per_hour
    cost = ranked.cost[job, rank][:, None] * (1.0 + before) + waiting
    late = happens.earliest_ms[:, None] + queue_ms > jobs.by[:, None]
    far = happens.ready_ms[:, None] + queue_ms > problem.now + LEASE_TERM_MS_MAX
    short = stock_mg[:, None] < jobs.mass_mg[:, None] * (1.0 + before)
    cost[late | far | short] = np.inf
    found = np.full((*ranked.rows.shape, slots), np.inf)
    found[job, rank] = cost
    return found


def _stock_mg(view: Snapshot, problem: Problem) -> Floats:
    """Return what each machine has of each of the problem's materials, (materials, rows)."""
    held = np.zeros((len(problem.materials), len(view.machines.live)))
    for index, material in enumerate(problem.materials):
        stocks = view.stocks_of(material)
        held[index, stocks.machine] = stocks.mass_mg
    return held
