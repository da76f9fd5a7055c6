"""The k best machines of jobs that need the same: searched quickly, and costed exactly."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..columns import NO_CODE, Flags, Floats, Keys, Machines, Rows, Stocks
from ..formulas import MS_PER_HOUR, Held, facts, fit, road_km, terms
from ..problem import Asking, Jobs
from ..view import Snapshot
from .asked import Asked
from .charges import derive
from .index import Source
from .search import FOUND_MAX, Found, Moment, Search
from .tiles import Tiles

DEEPER = 4
"""So many times more machines are found for jobs that a first search did not settle."""
PAIRS_AT_ONCE = 1 << 16
"""Pairs that are costed together: 30 MB."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """As `kernel.Top`."""

    rows: NDArray[np.intp]
    cost: Floats
    unsettled: Flags
    """Jobs for which more may have to be found, or had to."""

    def replace(self, jobs: Rows, other: "Ranked") -> None:
        self.rows[jobs], self.cost[jobs] = other.rows, other.cost
        self.unsettled[jobs] = other.unsettled


@dataclass(frozen=True, slots=True)
class Costed:
    """Pairs that fit, by job, the best first."""

    jobs: Rows
    rows: Rows
    cost: Floats


class Town:
    """The machines that serve one need, as one buyer sees them now."""

    def __init__(
        self, view: Snapshot, asking: Asking, tiles: Tiles, start: int, licence: int
    ) -> None:
        self.tiles = tiles
        self._machines, self._stocks, self._asking = view.machines, view.stocks, asking
        weights = asking.weights
        self._furthest_km = weights.distance_max_km or np.inf
        self.moment = Moment(
            tiles,
            _there(view, asking, tiles, licence),
            asking.now - start,
            weights.waiting_minor_per_hour / MS_PER_HOUR,
            road_km(weights.unknown_place_km * 1000.0),
        )

    @classmethod
    def of(cls, view: Snapshot, jobs: Jobs, job: int, asking: Asking) -> "Town | None":
        """Return those that serve the job's process, material and licence; None: nobody."""
        need = int(jobs.process[job]), int(jobs.material[job])
        if NO_CODE in need:
            return None
        buyer = asking.weights, asking.currency
        # The tiles serve all that is ever asked of the view: whom this question leaves out, too.
        machines = replace(view.machines, live=view.live)
        source = Source(machines, view.stocks, derive(asking))
        found = view.index.tiles(need, source, asking.now, buyer)
        return found and cls(view, asking, *found, int(jobs.licence[job]))

    def rank(self, jobs: Jobs, k: int, found_max: int = FOUND_MAX) -> Ranked:
        """Return the k best of n jobs, which all have this need.

        A search by quick costs seldom proves too little, but where machines have hours, which
        quick costs know only in part. Then a deeper one follows, and one up to the k-th cost.
        """
        ranked = self._best(jobs, k, k, found_max)
        twice = left = np.flatnonzero(ranked.unsettled)
        if len(left):
            ranked.replace(left, self._best(jobs.take(left), k, DEEPER * k, found_max))
        left = np.flatnonzero(ranked.unsettled)
        if len(left):
            highest = ranked.cost[left, -1]
            ranked.replace(left, self._within(jobs.take(left), k, highest, found_max))
        ranked.unsettled[twice] = True
        return ranked

    def _best(self, jobs: Jobs, k: int, depth: int, found_max: int) -> Ranked:
        """Return the k best of those that are the best by quick costs, at least so many."""
        asked = Asked.of(jobs, self._asking)
        search = Search(self.moment, asked, depth, self._furthest_km)
        if not search.best(found_max):
            return _joined([self._best(jobs.take(n), k, depth, found_max) for n in _halves(jobs)])
        rows, cost = _first(self._costed(search.found(), jobs), len(jobs.by), k)
        return Ranked(rows, cost, cost[:, -1] > asked.proven(search.limit))

    def _within(self, jobs: Jobs, k: int, cost: Floats, found_max: int) -> Ranked:
        """Return the k best of those that may cost no more than is said for each job."""
        asked = Asked.of(jobs, self._asking)
        search = Search(self.moment, asked, k, self._furthest_km)
        if not search.within(asked.quick_limit(cost), found_max):
            return _joined(
                [self._within(jobs.take(n), k, cost[n], found_max) for n in _halves(jobs)]
            )
        rows, costs = _first(self._costed(search.found(), jobs), len(jobs.by), k)
        return Ranked(rows, costs, np.zeros(len(jobs.by), np.bool_))

    def _costed(self, found: Found, jobs: Jobs) -> Costed:
        machine = self._stocks.machine[found.stock].astype(np.intp)
        cost = np.empty(len(machine))
        for start in range(0, len(machine), PAIRS_AT_ONCE):
            some = slice(start, start + PAIRS_AT_ONCE)
            cost[some] = exact_costs(
                self._machines.take(machine[some]),
                self._stocks.take(found.stock[some]),
                jobs.take(found.jobs[some]),
                self._asking,
            )
        fits = np.flatnonzero(cost < np.inf)
        job, row, cost = found.jobs[fits], machine[fits], cost[fits]
        order = _order(job, cost, self._machines.key[row])
        return Costed(job[order], row[order], cost[order])


def _joined(parts: list[Ranked]) -> Ranked:
    return Ranked(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.cost for part in parts]),
        np.concatenate([part.unsettled for part in parts]),
    )


def _halves(jobs: Jobs) -> list[Rows]:
    return np.array_split(np.arange(len(jobs.by)), 2)


def exact_costs(machines: Machines, stocks: Stocks, jobs: Jobs, asking: Asking) -> Floats:
    """Return the costs of pairs, infinite where the machine does not fit, as `evaluate` does."""
    has = np.ones(len(stocks.price), np.bool_)
    held = Held(has, stocks.mass_mg, stocks.price)
    happens = facts(machines, jobs, asking)
    costs = terms(machines, jobs, held, happens, asking)
    return np.where(fit(machines, jobs, held, happens, asking), costs.total(), np.inf)


def _there(view: Snapshot, asking: Asking, tiles: Tiles, licence: int) -> Flags | None:
    """Return in which slots a machine can serve now, as far as a record tells; None: in all."""
    is_late, allowed = tiles.until <= asking.now, asking.licensed[:, licence]
    if view.is_whole and not is_late and bool(allowed.all()):
        return None
    machine = view.stocks.machine[tiles.stock]
    there = view.machines.live[machine]
    if is_late:
        there &= view.machines.until[machine] > asking.now
    return there & allowed[view.machines.licences[machine]]


def _order(jobs: Rows, cost: Floats, key: Keys) -> Rows:
    """Return the pairs by job, cost and key."""
    order = np.argsort(cost)
    order = order[np.argsort(jobs[order].astype(np.uint16), kind="stable")]
    job, cost_of = jobs[order], cost[order]
    alike = (cost_of[1:] == cost_of[:-1]) & (job[1:] == job[:-1])
    return np.lexsort((key, cost, jobs)) if alike.any() else order


def _first(costed: Costed, jobs: int, k: int) -> tuple[NDArray[np.intp], Floats]:
    rows, cost = np.full((jobs, k), -1, np.intp), np.full((jobs, k), np.inf)
    rank = np.arange(len(costed.jobs)) - np.searchsorted(costed.jobs, costed.jobs)
    best = np.flatnonzero(rank < k)
    rows[costed.jobs[best], rank[best]] = costed.rows[best]
    cost[costed.jobs[best], rank[best]] = costed.cost[best]
    return rows, cost
