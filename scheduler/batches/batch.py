"""A batch: many jobs, all known machines, and a proof of how good the answer is.

Each job is listed on its cheapest machines, and their slots are auctioned. The prices then
bound the cost of the best assignment there is over all machines: one that is not on a
job's list costs at least as much as the last that is, and a second slot at least twice as
much as a first. A job that would be better off with one of these gets a longer list, and
the auction goes on from the prices that it has. The choice of this design:
specs/decisions/0025-batches.md.
"""

from dataclasses import dataclass

import numpy as np

from ..assignment import assign
from ..columns import Floats, Rows
from ..kernel import Top, evaluate, top
from ..problem import Problem
from ..view import Snapshot
from ..weights import Weights
from .auction import Auction
from .slots import first_slots, slot_costs, slot_lists

SLOTS_MIN = 4
"""Jobs that one machine may get in a batch, at the least."""
EXACT_CELLS_MAX = 1_000_000
"""Jobs times slots of a batch that is solved exactly: some tenths of a second."""
LISTED = 24
"""Machines on a job's first list."""
LONGER = 3
"""A list that is too short is made so many times longer."""
LONGER_TIMES_MAX = 24
"""Rounds of that. A job without a slot after them has none."""
STEP_SHARE = 0.006
"""Of the mean cost of a job: how much more than needed is bid. The answer is within this
share of the best on the lists, and mostly far nearer."""
OUTSIDE_TIMES = 4.0
"""What it costs to leave a job out: so many times its dearest machine, for each slot."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Who gets which machine. Arrays have one entry for each job that was placed."""

    kind: Rows
    """The job's row in the problem."""
    row: Rows
    """Its machine in the snapshot."""
    slot: Rows
    """0: it is the machine's first job of the batch."""
    unplaced: Rows
    """How many of each row of the problem found no slot."""
    cost: float
    """Minor units, those unplaced with what they were taken to cost."""
    bound: float
    """No assignment to slots of any machines costs less."""

    @property
    def gap(self) -> float:
        """Return by which share the cost may be above the least."""
        return self.cost / self.bound - 1.0 if self.bound > 0 else float(self.cost > 0)


def place(
    view: Snapshot,
    problem: Problem,
    count: Rows,
    weights: Weights,
    *,
    slots: int,
    ranked: Top | None = None,
) -> Batch:
    """Place `count` jobs of each row of the problem; each machine has that many slots.

    `ranked`: the cheapest machines of each, if they are known.
    """
    ranked = ranked or top(view, problem, LISTED, weights)
    lists, second = first_slots(ranked, slots)
    outside, step = _outside(ranked, slots), _step(ranked)
    most = np.minimum(outside, np.minimum(ranked.cost[:, -1], second))
    auction = Auction(lists, count, most, len(view.machines.live) * slots)
    auction.run(step)
    listed = np.full(len(problem), ranked.rows.shape[1])
    for _ in range(LONGER_TIMES_MAX):
        short = (auction.left() > 0) & (most < outside)
        if not np.any(short):
            break
        # Those with the shortest lists first: the others may then find their slots again.
        members = np.flatnonzero(short & (listed == listed[short].min()))
        listed[members] *= LONGER
        some = problem.take(members)
        ranked = top(view, some, int(listed[members[0]]), weights)
        lists = slot_lists(view, some, ranked, slots, weights, members)
        most[members] = np.minimum(outside[members], ranked.cost[:, -1])
        auction.lengthen(lists, most[members])
        auction.run(step)
    taken, kind = auction.held()
    left = auction.left()
    cost = auction.cost() + float(left @ outside)
    return Batch(kind, taken // slots, taken % slots, left, cost, auction.bound())


def _outside(ranked: Top, slots: int) -> Floats:
    dearest: Floats = np.where(np.isfinite(ranked.cost), ranked.cost, 0.0).max(axis=1)
    dearest *= OUTSIDE_TIMES * slots
    return dearest + 1.0


def _step(ranked: Top) -> float:
    cheapest = ranked.cost[:, 0]
    cheapest = cheapest[np.isfinite(cheapest)]
    return float(cheapest.mean()) * STEP_SHARE + 1e-3 if len(cheapest) else 1.0


def spread(
    view: Snapshot, problem: Problem, kind: Rows, ranked: Top, weights: Weights
) -> list[int]:
    """Return for each job the row of its machine in the snapshot; -1: there is no slot for it.

    `kind` has each job's row in the problem, and `ranked` the cheapest machines of each:
    small batches have only those, all of them for each job, and are solved exactly.
    """
    if len(kind) == 1:
        return [int(ranked.rows[0, 0])]
    machines = np.unique(ranked.rows[ranked.rows >= 0])
    if not len(machines):
        return [-1] * len(kind)
    slots = min(len(kind), max(SLOTS_MIN, 2 * -(-len(kind) // len(machines))))
    if len(kind) * len(machines) * slots <= EXACT_CELLS_MAX:
        return _spread_exactly(view, problem, kind, machines, slots, weights)
    count = np.bincount(kind, minlength=len(problem))
    batch = place(view, problem, count, weights, slots=slots, ranked=ranked)
    rows = np.full(len(kind), -1, np.intp)
    by_kind = np.argsort(batch.kind, kind="stable")
    placed = batch.row[by_kind]
    for each in range(len(problem)):
        first, last = np.searchsorted(batch.kind[by_kind], [each, each + 1])
        members = np.flatnonzero(kind == each)[: last - first]
        rows[members] = placed[first:last]
    return rows.tolist()


def _spread_exactly(
    view: Snapshot, problem: Problem, kind: Rows, machines: Rows, slots: int, weights: Weights
) -> list[int]:
    machines = machines[np.argsort(view.machines.key[machines])]
    rows = np.tile(machines, (len(problem), 1))
    ranked = Top(rows, evaluate(view, problem, weights, machines).cost, 0)
    cost = slot_costs(view, problem, ranked, slots, weights).reshape(len(problem), -1)
    taken: list[int] = assign(cost[kind]).tolist()
    return [int(machines[column // slots]) if column >= 0 else -1 for column in taken]
