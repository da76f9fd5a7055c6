"""The buyer's side: into which jobs an order is split, whom to ask, which offers to take.

All of it is a function of the view, the order and the time: same input, same answer.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.limits import JOBS_PER_ORDER_MAX, LEASE_TERM_MS_MAX, QUANTITY_MAX
from commonfab.protocol.records import Design, Job, Order, Part, Place

from .assignment import assign
from .columns import Floats, Rows
from .explain import BEST, explain
from .explanation import Explanation
from .formulas import MS_PER_HOUR, window_ms
from .kernel import Top, evaluate, top
from .offers import Choice, Offered, choices, pick
from .problem import Problem, Want, problem_of
from .splitting import split
from .view import CapacityView, Snapshot
from .weights import Weights

OWNERS_ASKED = 3
"""For each job. specs/scheduling.md, Why, says what more would bring."""
CONSIDERED_MIN = 16
CONSIDERED_MAX = 256
"""Machines that a job is ranked on before owners are picked: one for each job of the batch,
within these."""
ASSIGNED_PAIRS_MAX = 100_000
"""Jobs times machines in one assignment."""
SLOTS_MIN = 4


class Planner:
    """Decides for one buyer. Each call looks at the view as it is then."""

    def __init__(self, view: CapacityView, weights: Weights | None = None) -> None:
        self._view = view
        self._weights = weights or Weights()

    def jobs(
        self, design: Design, quantity: int, place: Place, by: int, now: Timestamp
    ) -> tuple[Job, ...]:
        """Return the jobs of an order for so many designs, part by part.

        Raises `UsageError` for a quantity that no order can hold.
        """
        if quantity < 1:
            raise UsageError(f"{quantity} pieces cannot be ordered; the least is 1")
        view = self._view.snapshot()
        jobs_max = JOBS_PER_ORDER_MAX // len(design.parts)
        jobs: list[Job] = []
        tiers = list(view.tiers())
        for part in design.parts:
            pieces = part.pieces * quantity
            if pieces > QUANTITY_MAX:
                raise UsageError(
                    f"{pieces} pieces of {part.name} are more than the {QUANTITY_MAX} "
                    "that an order can hold; split the order"
                )
            among = self._lowest_tier(tiers, Want(part, 1, place, by), now)
            shares = split(
                part, pieces, among, place, by, now, weights=self._weights, jobs_max=jobs_max
            )
            jobs += (Job(part=part.name, pieces=share) for share in shares)
        assert len(jobs) <= JOBS_PER_ORDER_MAX
        return tuple(jobs)

    def shortlist(
        self,
        order: Order,
        design: Design,
        jobs: list[tuple[int, int]],
        now: Timestamp,
        avoid: frozenset[NodeId],
    ) -> list[list[NodeId]]:
        """Return for each (job, pieces) the owners to ask, the best first; empty: nobody can.

        The first is the owner of the machine that the job gets when the batch is spread
        over all machines; the others have the next best machines (SCHED-14). A stranger is
        asked only for a job that nobody known can do (SCHED-16).
        """
        listed: list[list[NodeId]] = [[] for _ in jobs]
        left = list(range(len(jobs)))
        for view in self._view.snapshot().without(sorted(avoid)).tiers():
            found = self._listed(view, order, design, [jobs[each] for each in left], now)
            for each, owners in zip(left, found, strict=True):
                listed[each] = owners
            left = [each for each in left if not listed[each]]
            if not left:
                break
        return listed

    def _listed(
        self,
        view: Snapshot,
        order: Order,
        design: Design,
        jobs: list[tuple[int, int]],
        now: Timestamp,
    ) -> list[list[NodeId]]:
        if not jobs:
            return []
        wants = [_want(order, design, job, pieces) for job, pieces in jobs]
        kinds = {want: kind for kind, want in enumerate(dict.fromkeys(wants))}
        kind = [kinds[want] for want in wants]
        problem = problem_of(list(kinds), now)
        k = min(max(CONSIDERED_MIN, len(jobs)), CONSIDERED_MAX)
        ranked = top(view, problem, k, self._weights)
        owners = [self._owners(view, problem, each, ranked) for each in range(len(kinds))]
        firsts = _spread(view, problem, np.array(kind, np.intp), ranked, self._weights)
        return [
            _distinct(view, [first] if first >= 0 else [], owners[each])
            for each, first in zip(kind, firsts, strict=True)
        ]

    def choose(
        self,
        order: Order,
        design: Design,
        offers: dict[int, list[Offered]],
        now: Timestamp,
    ) -> dict[int, RecordId]:
        """Return for each job the offer to take; a job without a good one is left out."""
        view = self._view.snapshot()
        considered: list[Choice] = []
        for job, offered in sorted(offers.items()):
            mass_mg = _part(order, design, job).mass_mg * order.jobs[job].pieces
            considered += choices(
                view, job, mass_mg, order.place, order.by, offered, now, self._weights
            )
        return pick(considered)

    def explain(
        self,
        order: Order,
        design: Design,
        jobs: Sequence[tuple[int, int]],
        now: Timestamp,
        best: int = BEST,
    ) -> list[Explanation]:
        """Return for each (job, pieces) what speaks for and against each machine now."""
        view = self._view.snapshot()
        wants = [_want(order, design, job, pieces) for job, pieces in jobs]
        said = {
            want: explain(view, want, now, self._weights, best=best)
            for want in dict.fromkeys(wants)
        }
        return [
            msgspec.structs.replace(said[want], job=job)
            for (job, _), want in zip(jobs, wants, strict=True)
        ]

    def _lowest_tier(self, tiers: list[Snapshot], want: Want, now: Timestamp) -> Snapshot:
        """Return the first view in which some machine can make it; the last if none can."""
        problem = problem_of([want], now)
        for view in tiers[:-1]:
            if top(view, problem, 1, self._weights).rows[0, 0] >= 0:
                return view
        return tiers[-1]

    def _owners(self, view: Snapshot, problem: Problem, kind: int, ranked: Top) -> list[NodeId]:
        """Return the owners of the best machines, more than are listed if those are few."""
        rows = [int(row) for row in ranked.rows[kind] if row >= 0]
        owners = _distinct(view, rows)
        is_full = len(rows) == ranked.rows.shape[1]
        while is_full and len(owners) < OWNERS_ASKED:
            others = view.without(owners)
            more = top(others, problem.take(np.array([kind])), OWNERS_ASKED, self._weights)
            rows = [int(row) for row in more.rows[0] if row >= 0]
            owners += _distinct(others, rows)
            is_full = len(rows) == OWNERS_ASKED
        return owners


def _part(order: Order, design: Design, job: int) -> Part:
    name = order.jobs[job].part
    return next(part for part in design.parts if part.name == name)


def _want(order: Order, design: Design, job: int, pieces: int) -> Want:
    return Want(_part(order, design, job), pieces, order.place, order.by)


def _distinct(view: Snapshot, rows: Iterable[int], others: Sequence[NodeId] = ()) -> list[NodeId]:
    """Return the owners of the rows, then the others, each once, as many as are asked."""
    owners = dict.fromkeys([*(view.authors[row] for row in rows), *others])
    return list(owners)[:OWNERS_ASKED]


def _spread(
    view: Snapshot, problem: Problem, kind: Rows, ranked: Top, weights: Weights
) -> list[int]:
    """Return for each job the row of its machine when each machine takes one job after another.

    `kind` has each job's row in the problem. The k-th job of a machine costs k times as
    much as its first, and the waiting: a second job queues only where a machine that is
    free would cost more than twice as much, which is where `split` draws the line, too.
    -1: no slot for it.
    """
    if len(kind) == 1:
        return [int(ranked.rows[0, 0])]
    rows = _considered(view, ranked, len(kind))
    if not len(rows):
        return [-1] * len(kind)
    slots = min(len(kind), max(SLOTS_MIN, 2 * -(-len(kind) // len(rows))))
    cost = _slot_costs(view, problem, rows, slots, weights)
    taken: list[int] = assign(cost.reshape(len(problem), -1)[kind]).tolist()
    return [int(rows[column // slots]) if column >= 0 else -1 for column in taken]


def _considered(view: Snapshot, ranked: Top, jobs: int) -> Rows:
    """Return as many machines of all lists as one assignment takes, in the order of their keys."""
    rows = ranked.rows.T.ravel()
    rows = np.array(list(dict.fromkeys(rows[rows >= 0].tolist())), np.intp)
    rows = rows[: ASSIGNED_PAIRS_MAX // jobs]
    return rows[np.argsort(view.machines.key[rows])]


def _slot_costs(
    view: Snapshot, problem: Problem, rows: Rows, slots: int, weights: Weights
) -> Floats:
    """Return (n, m, slots): each job as the first, second, ... of each machine.

    The jobs before it are taken to be like it.
    """
    result = evaluate(view, problem, weights, rows)
    before = np.arange(slots, dtype=np.float64)
    queue_ms = window_ms(result.facts.seconds)[:, :, None] * before
    waiting = queue_ms / MS_PER_HOUR * weights.waiting_minor_per_hour
    cost = result.cost[:, :, None] * (1.0 + before) + waiting
    late = result.facts.earliest_ms[:, :, None] + queue_ms > problem.jobs.by[:, None, None]
    far = result.facts.ready_ms[:, :, None] + queue_ms > problem.now + LEASE_TERM_MS_MAX
    needed = problem.jobs.mass_mg[:, None, None] * (1.0 + before)
    short = result.stock_mg[:, :, None] < needed
    cost[late | far | short] = np.inf
    return cost
