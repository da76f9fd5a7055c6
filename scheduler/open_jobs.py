"""Open jobs and the best machines of each, kept true while machines change.

Each job has a list, somewhat longer than is asked for, and an edge: no machine that is
not listed comes before it. A machine that changes is compared with all edges at once, and
costed exactly only where it is listed or may come before the edge. A list that has become
too short is searched for again.
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from .columns import Floats, Machines, Rows
from .formulas import MS_PER_HOUR, road_km
from .kernel import top
from .places import arc
from .problem import Problem
from .tiles.asked import LIMIT_MAX, Asked
from .tiles.charges import COST_MAX, ROAD_KM_PER_RADIAN, SLACK, SLACK_MS, charges
from .tiles.ranking import exact_costs
from .view import Snapshot
from .weights import Weights

SPARE = 8
"""Machines that a job's list has beyond those asked for, when it is new."""

Listed = tuple[float, int, int]
"""Cost in minor units, key, row."""
Best = list[tuple[int, float]]
"""Rows of machines, and what they cost, the best first."""
Pair = tuple[int, int, int]
"""Job, row of a machine, and row of its stock of the job's material, or `NO_STOCK`."""
NO_STOCK = -1
_END: Listed = (inf, 0, -1)


class OpenJobs:
    """All is as of the problem's time. A later time needs a new one."""

    def __init__(self, view: Snapshot, problem: Problem, k: int, weights: Weights) -> None:
        assert k >= 1
        self._problem, self._weights, self._k = problem, weights, k
        self._lists: list[list[Listed]] = [[] for _ in range(len(problem))]
        self._edges: list[Listed] = [_END] * len(problem)
        self._listing: defaultdict[int, set[int]] = defaultdict(set)
        """By row: the jobs that list it."""
        self._needs = _needs_of(view, problem, weights)
        self._need_of = [
            self._needs[problem.processes[process], problem.materials[material]]
            for process, material in zip(problem.jobs.process, problem.jobs.material, strict=True)
        ]
        self._search(view, range(len(problem)))

    def best(self, job: int) -> Best:
        """Return a job's k best machines."""
        return [(row, cost) for cost, _, row in self._lists[job][: self._k]]

    def changed(self, view: Snapshot, rows: Iterable[int]) -> list[int]:
        """Take what the view says now of some machines, and return the jobs whose best changed.

        `rows` are all in the view that changed since the last call: also those that came
        or went.
        """
        pairs = [pair for row in rows for pair in self._pairs(view, row)]
        changed = {
            job
            for (job, row, _), cost in zip(pairs, self._costs(view, pairs), strict=True)
            if self._put(job, (cost, int(view.machines.key[row]), row))
        }
        short = [j for j in changed if len(self._lists[j]) < self._k and self._edges[j] != _END]
        self._search(view, short)
        return sorted(changed)

    def _pairs(self, view: Snapshot, row: int) -> Iterator[Pair]:
        """Yield the jobs that may list a machine, with it and the row of its stock; and those
        that list it and may not any more."""
        left = set(self._listing.get(row, ()))
        if view.machines.live[row] and view.machines.takes_jobs[row]:
            # A machine whose columns are plain numbers: far quicker than arrays of one.
            machine = view.machines.map(lambda column: column[row].item())
            process = view.processes.name(int(machine.process))
            for stock in view.stock_rows(row):
                material = view.materials.name(int(view.stocks.material[stock]))
                need = self._needs.get((process, material))
                if need:
                    mass_mg, price = view.stocks.mass_mg[stock], view.stocks.price[stock]
                    near = need.near(machine, float(mass_mg), float(price), self._problem.now)
                    left -= near
                    yield from ((job, row, stock) for job in near)
        yield from ((job, row, NO_STOCK) for job in left)

    def _costs(self, view: Snapshot, pairs: Sequence[Pair]) -> Iterator[float]:
        """Yield what each pair costs; infinity where there is no stock."""
        having = [pair for pair in pairs if pair[2] != NO_STOCK]
        exact: Iterator[float] = iter(())
        if having:
            job, row, stock = np.array(having).T
            machines = view.machines.take(row)
            jobs = replace(self._problem.jobs.take(job), process=machines.process)
            asking = self._problem.asking(view, self._weights)
            exact = iter(exact_costs(machines, view.stocks.take(stock), jobs, asking).tolist())
        for _, _, stock in pairs:
            yield inf if stock == NO_STOCK else next(exact)

    def _put(self, job: int, entry: Listed) -> bool:
        """Let a job list a machine at a new cost, or no more; say if this changes its best."""
        listed, listing = self._lists[job], self._listing[entry[2]]
        was = self._k
        if job in listing:
            was = next(at for at, (_, _, row) in enumerate(listed) if row == entry[2])
            if listed[was] == entry:
                return False
            del listed[was]
            listing.discard(job)
        if entry[0] == inf or entry >= self._edges[job]:
            return was < self._k
        at = bisect(listed, entry)
        listed.insert(at, entry)
        listing.add(job)
        if len(listed) > self._k + SPARE:
            self._set_edge(job, listed.pop())
            self._listing[self._edges[job][2]].discard(job)
        return min(was, at) < self._k

    def _set_edge(self, job: int, edge: Listed) -> None:
        self._edges[job] = edge
        self._need_of[job].set_edge(job, edge[0])

    def _search(self, view: Snapshot, jobs: Sequence[int]) -> None:
        if not jobs:
            return
        some = self._problem.take(np.array(jobs))
        found = top(view, some, self._k + SPARE + 1, self._weights)
        for job, rows, costs in zip(jobs, found.rows.tolist(), found.cost.tolist(), strict=True):
            for _, _, row in self._lists[job]:
                self._listing[row].discard(job)
            listed = [
                (cost, int(view.machines.key[row]), row)
                for cost, row in zip(costs, rows, strict=True)
                if row >= 0
            ]
            is_full = len(listed) == len(rows)
            self._set_edge(job, listed.pop() if is_full else _END)
            self._lists[job] = listed
            for _, _, row in listed:
                self._listing[row].add(job)


class _Need:
    """The open jobs with one process and one material."""

    def __init__(self, view: Snapshot, problem: Problem, members: Rows, weights: Weights) -> None:
        jobs = problem.jobs.take(members)
        ones = np.ones(len(members))
        self._weights = weights
        self._at = {job: at for at, job in enumerate(members.tolist())}
        self._members = members
        self._place: Floats = np.stack([jobs.x, jobs.y, jobs.z, ones])
        self._amounts: Floats = np.stack([ones, jobs.work_s, jobs.mass_mg])
        asked = Asked.of(jobs, problem.asking(view, weights))
        self._per_radian, self._slack = asked.per_radian, asked.slack
        self._asks: Floats = np.stack([jobs.small, jobs.middle, jobs.large, jobs.mass_mg], axis=1)
        self._time_left = np.minimum(asked.time_left_ms, LEASE_TERM_MS_MAX + SLACK_MS)
        self._limit = np.full(len(members), LIMIT_MAX)

    def set_edge(self, job: int, cost: float) -> None:
        at = self._at[job]
        self._limit[at] = min(cost * (1.0 + SLACK) + self._slack[at], LIMIT_MAX)

    def near(self, machine: Machines, mass_mg: float, price: float, now: int) -> set[int]:
        """Return the jobs for which a machine may come before the edge.

        Its columns are numbers; of the material it has so much, at a price per kilogram.
        """
        charged = charges(machine, price, self._weights)
        waiting = self._weights.waiting_minor_per_hour / MS_PER_HOUR
        queue_ms = max(float(machine.free_at) - now, 0.0)
        if machine.placed:
            x, y, z = machine.x, machine.y, machine.z
            square = np.array([-2.0 * x, -2.0 * y, -2.0 * z, 2.0]) @ self._place
            cost = arc(np.maximum(square, 0.0, out=square).astype(np.float32))
            cost *= self._per_radian
        else:
            unknown = road_km(self._weights.unknown_place_km * 1000.0) / ROAD_KM_PER_RADIAN
            cost = self._per_radian * np.float32(unknown)
        fixed = charged.idle + queue_ms * waiting
        amounts = np.array([fixed, charged.per_s, charged.per_mg]) @ self._amounts
        cost += np.minimum(amounts, COST_MAX, out=amounts)
        at = np.flatnonzero(cost <= self._limit)
        has = np.array([machine.small, machine.middle, machine.large, mass_mg])
        at = at[(self._asks[at] <= has).all(axis=1)]
        ready_ms = self._amounts[1, at] * charged.ms_per_s + (queue_ms + charged.setup_ms)
        at = at[ready_ms <= self._time_left[at]]
        return set(self._members[at].tolist())


def _needs_of(view: Snapshot, problem: Problem, weights: Weights) -> dict[tuple[str, str], _Need]:
    members: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for job, (process, material) in enumerate(
        zip(problem.jobs.process, problem.jobs.material, strict=True)
    ):
        members[problem.processes[process], problem.materials[material]].append(job)
    return {need: _Need(view, problem, np.array(jobs), weights) for need, jobs in members.items()}
