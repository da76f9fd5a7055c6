"""A buyer's jobs that have not begun, watched for machines that would be better.

The best machines of each are kept ranked while machines change (`open_jobs.py`). What a job has
is a lease, or nothing yet. To ask costs strangers time, so it is said only of a machine that has
become better by a good part, against what the job has and against the best that was known when
it was first looked at (SCHED-30).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from msgspec import structs

from commonfab.protocol.ids import OrderId, RecordId, Timestamp
from commonfab.protocol.limits import MINUTE_MS
from commonfab.protocol.records import Design, Order

from .columns import NO_CODE, Flags, Table
from .offers import GAIN_SHARE, Offered, choices
from .open_jobs import OpenJobs
from .problem import Want, problem_of
from .view import Snapshot
from .weights import Weights

RANKED = 4
"""Machines that are kept of each job: its own owner's may be the best of them."""
AGE_MS_MAX = 10 * MINUTE_MS
"""So old may a ranking be: what is waited for counts from when it was made."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A job that waits for a machine, or for its turn at one."""

    order: Order
    design: Design
    job: int
    pieces: int
    has: Offered | None = None
    """What it is leased, with its times by this node's clock."""

    def key(self) -> "Key":
        return OrderId(self.order.order), self.job, self.pieces, self.has[1] if self.has else None

    def want(self) -> Want:
        name = self.order.jobs[self.job].part
        part = next(part for part in self.design.parts if part.name == name)
        return Want(part, self.pieces, self.order.place, self.order.by)


Key = tuple[OrderId, int, int, RecordId | None]


class Watch:
    """One for each buyer."""

    def __init__(self, weights_of: Callable[[str], Weights]) -> None:
        """`weights_of` finds those of an order's profile."""
        self._weights_of = weights_of
        self._rankings: dict[Weights, _Ranking] = {}
        self._known: dict[Key, float] = {}
        """The least that a job has been known to cost at another's machine, in minor units."""

    def found(self, view: Snapshot, jobs: Sequence[Watched], now: Timestamp) -> list[Watched]:
        """Return the jobs for which a better machine is known now than at the last call.

        `jobs` are all that there are; one that is new is only looked at.
        """
        groups: dict[Weights, list[Watched]] = {}
        for job in jobs:
            groups.setdefault(self._weights_of(job.order.profile), []).append(job)
        before, self._rankings = self._rankings, {}
        known, self._known = self._known, {}
        better: list[Watched] = []
        for weights, group in groups.items():
            ranking = _ranked(before.get(weights), view, group, now, weights)
            self._rankings[weights] = ranking
            for at, job in enumerate(group):
                cost = ranking.cost_elsewhere(at, job)
                least = known.get(job.key())
                is_better = least is not None and cost <= (1.0 - GAIN_SHARE) * min(
                    least, _cost_here(view, job, ranking.now, weights)
                )
                if cost < inf and is_better:
                    better.append(job)
                self._known[job.key()] = cost if is_better or least is None else least
        return better


@dataclass(frozen=True, slots=True)
class _Ranking:
    """The best machines of jobs in a view."""

    view: Snapshot
    keys: tuple[Key, ...]
    now: Timestamp
    jobs: OpenJobs

    def cost_elsewhere(self, at: int, job: Watched) -> float:
        """Return what a job costs at the best machine of another owner than its own."""
        owner = job.has[0] if job.has else None
        costs = (c for row, c in self.jobs.best(at) if self.view.authors[row] != owner)
        return next(costs, inf)


def _ranked(
    before: _Ranking | None,
    view: Snapshot,
    jobs: Sequence[Watched],
    now: Timestamp,
    weights: Weights,
) -> _Ranking:
    """Return the ranking for what the view says now: the one of before, mended, if it is of the
    same jobs and not old."""
    keys = tuple(job.key() for job in jobs)
    if before is None or before.keys != keys or now - before.now > AGE_MS_MAX:
        problem = problem_of([job.want() for job in jobs], now)
        return _Ranking(view, keys, now, OpenJobs(view, problem, RANKED, weights))
    before.jobs.changed(view, changed_rows(before.view, view))
    return _Ranking(view, keys, before.now, before.jobs)


def changed_rows(before: Snapshot, after: Snapshot) -> list[int]:
    """Return the rows of the machines that are another now, or have other stock; both are of one
    view."""
    is_changed = _differs(before.machines, after.machines)
    stocks = np.flatnonzero(_differs(before.stocks, after.stocks))
    had = before.stocks.machine[stocks[stocks < len(before.stocks.machine)]]
    rows = np.concatenate([had, after.stocks.machine[stocks]])
    is_changed[rows[rows != NO_CODE]] = True
    found: list[int] = np.flatnonzero(is_changed).tolist()
    return found


def _differs(before: Table, after: Table) -> Flags:
    """Tell of each row of a table that has grown whether it is not what it was."""
    pairs = zip(before.columns().values(), after.columns().values(), strict=True)
    differ = [then != now[: len(then)] for then, now in pairs]
    grown = len(next(iter(after.columns().values()))) - len(differ[0])
    return np.concatenate([np.logical_or.reduce(differ), np.ones(grown, np.bool_)])


def _cost_here(view: Snapshot, job: Watched, now: Timestamp, weights: Weights) -> float:
    """Return what a job costs where it is; infinity where it is nowhere."""
    if job.has is None:
        return inf
    owner, identifier, offer = job.has
    want = job.want()
    mass_mg = want.part.mass_mg * want.pieces
    offered = [(owner, identifier, structs.replace(offer, held_until=now + 1))]
    here = choices(view, job.job, mass_mg, want.place, want.by, offered, now, weights)
    return here[0].minor if here else inf
