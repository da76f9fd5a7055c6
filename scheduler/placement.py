"""The buyer's side: into which jobs an order is split, whom to ask, which offers to take.

All of it is a function of the view, the order and the time: same input, same answer.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.limits import JOBS_PER_ORDER_MAX
from commonfab.protocol.records import Design, Job, Order, Part, Place

from .batches.batch import spread
from .kernel import Top, top
from .offers import Choice, Offered, better, choices, pick
from .problem import Problem, Want, problem_of
from .splitting import pieces_of, split
from .view import CapacityView, Snapshot
from .weights import Weights
from .why.explain import explain
from .why.explanation import Explanation

OWNERS_ASKED = 3
"""For each job. specs/scheduling.md, Why, says what more would bring."""
CONSIDERED_MIN = 16
CONSIDERED_MAX = 256
"""Machines that a job is ranked on before owners are picked: one for each job of the batch,
within these."""


class Planner:
    """Decides for one buyer. Each call looks at the view as it is then."""

    def __init__(
        self,
        view: CapacityView,
        weights: Weights | None = None,
        named: Callable[[str], Weights] | None = None,
        view_for: Callable[[int], CapacityView] | None = None,
    ) -> None:
        """`named` finds the weights of an order's profile; the others are for those without.
        `view_for` returns the view for an order's patience, in ms, if not all have the same
        (BUNDLE-14)."""
        self._view = view
        self._view_for = view_for
        self._weights = weights or Weights()
        self._named = named

    def weights_of(self, profile: str) -> Weights:
        """Return what counts how much in a profile; empty, or one that the settings have no more:
        as the node is set."""
        if not profile or self._named is None:
            return self._weights
        try:
            return self._named(profile)
        except UsageError:
            return self._weights

    def jobs(
        self,
        design: Design,
        quantity: int,
        place: Place,
        by: int,
        now: Timestamp,
        profile: str = "",
        patience_ms: int = 0,
    ) -> tuple[Job, ...]:
        """Return the jobs of an order for so many designs, part by part.

        Raises `UsageError` for a quantity that no order can hold.
        """
        weights = self.weights_of(profile)
        jobs_max = JOBS_PER_ORDER_MAX // len(design.parts)
        jobs: list[Job] = []
        tiers = self._tiers(patience_ms)
        for part in design.parts:
            pieces = pieces_of(part, quantity)
            among = lowest_tier(tiers, Want(part, 1, place, by), now, weights)
            shares = split(part, pieces, among, place, by, now, weights=weights, jobs_max=jobs_max)
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
        asked only for a job that nobody known can do (SCHED-16), one whose word is over only
        for a job that nobody else can do (BUNDLE-14), and one who would be late only for a job
        that nobody can have ready in time.
        """
        weights = self.weights_of(order.profile)
        views = self._tiers(order.patience_ms, avoid)
        tries = [(view, order, weights) for view in views]
        if order.by:
            tries += [(view, *_without_date(order, weights)) for view in views]
        listed: list[list[NodeId]] = [[] for _ in jobs]
        left = list(range(len(jobs)))
        for view, asked, counted in tries:
            wants = [_want(asked, design, *jobs[each]) for each in left]
            for each, owners in zip(left, _listed(view, wants, now, counted), strict=True):
                listed[each] = owners
            left = [each for each in left if not listed[each]]
            if not left:
                break
        return listed

    def choose(
        self,
        order: Order,
        design: Design,
        offers: dict[int, list[Offered]],
        now: Timestamp,
    ) -> dict[int, RecordId]:
        """Return for each job the offer to take; a job without a good one is left out."""
        view, weights = self._seen(order.patience_ms), self.weights_of(order.profile)
        considered: list[Choice] = []
        for job, offered in sorted(offers.items()):
            mass_mg = _part(order, design, job).mass_mg * order.jobs[job].pieces
            considered += choices(view, job, mass_mg, order.place, order.by, offered, now, weights)
        return pick(considered)

    def better(
        self,
        order: Order,
        design: Design,
        job: int,
        has: Offered,
        offers: list[Offered],
        now: Timestamp,
    ) -> RecordId | None:
        """Return the offer that is worth leaving for what a job has; None: none is."""
        view, weights = self._seen(order.patience_ms), self.weights_of(order.profile)
        mass_mg = _part(order, design, job).mass_mg * order.jobs[job].pieces
        return better(view, mass_mg, order, has, offers, now, weights)

    def explain(
        self,
        order: Order,
        design: Design,
        jobs: Sequence[tuple[int, int]],
        now: Timestamp,
    ) -> list[Explanation]:
        """Return for each (job, pieces) what speaks for and against each machine now."""
        view, weights = self._seen(order.patience_ms), self.weights_of(order.profile)
        wants = [_want(order, design, job, pieces) for job, pieces in jobs]
        said = {want: explain(view, want, now, weights) for want in dict.fromkeys(wants)}
        return [
            msgspec.structs.replace(said[want], job=job)
            for (job, _), want in zip(jobs, wants, strict=True)
        ]

    def _seen(self, patience_ms: int) -> Snapshot:
        """Return all machines with which an order of this patience counts."""
        view = self._view_for(patience_ms) if self._view_for else self._view
        return view.snapshot()

    def _tiers(self, patience_ms: int, avoid: frozenset[NodeId] = frozenset()) -> list[Snapshot]:
        """Return the views in which machines are sought, one after the other."""
        views = [self._seen(0), *([self._seen(patience_ms)] if patience_ms else [])]
        return [tier for view in views for tier in view.without(sorted(avoid)).tiers()]


def _without_date(order: Order, weights: Weights) -> tuple[Order, Weights]:
    """Return the same for who is late in any case: each hour counts as one more of lateness."""
    hourly = weights.waiting_minor_per_hour + weights.lateness_minor_per_hour
    return msgspec.structs.replace(order, by=0), replace(weights, waiting_minor_per_hour=hourly)


def _listed(
    view: Snapshot, wants: Sequence[Want], now: Timestamp, weights: Weights
) -> list[list[NodeId]]:
    if not wants:
        return []
    kinds = {want: kind for kind, want in enumerate(dict.fromkeys(wants))}
    kind = [kinds[want] for want in wants]
    problem = problem_of(list(kinds), now)
    k = min(max(CONSIDERED_MIN, len(wants)), CONSIDERED_MAX)
    ranked = top(view, problem, k, weights)
    owners = [_owners(view, problem, each, ranked, weights) for each in range(len(kinds))]
    firsts = spread(view, problem, np.array(kind, np.intp), ranked, weights)
    return [
        _distinct(view, [first] if first >= 0 else [], owners[each])
        for each, first in zip(kind, firsts, strict=True)
    ]


def lowest_tier(tiers: list[Snapshot], want: Want, now: Timestamp, weights: Weights) -> Snapshot:
    """Return the first view in which some machine can make it; the last if none can."""
    problem = problem_of([want], now)
    for view in tiers[:-1]:
        if top(view, problem, 1, weights).rows[0, 0] >= 0:
            return view
    return tiers[-1]


def _owners(
    view: Snapshot, problem: Problem, kind: int, ranked: Top, weights: Weights
) -> list[NodeId]:
    """Return the owners of the best machines, more than are listed if those are few."""
    rows = [int(row) for row in ranked.rows[kind] if row >= 0]
    owners = _distinct(view, rows)
    is_full = len(rows) == ranked.rows.shape[1]
    while is_full and len(owners) < OWNERS_ASKED:
        others = view.without(owners)
        more = top(others, problem.take(np.array([kind])), OWNERS_ASKED, weights)
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
