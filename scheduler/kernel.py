"""Every job against every machine: which fit, what each would cost, which are best.

`evaluate` keeps everything for every pair, for explanations and small problems. `top`
goes through millions of pairs, in three steps:

1. Jobs are taken by process and material, each with the machines that have both.
2. A screen finds, block by block, the few machines that may be among the k best.
3. Those are costed by the formulas that `evaluate` uses. A job whose k-th cost does not
   prove that nothing was missed is costed on all its machines.

So the answer is that of `evaluate`, bit for bit; only the time differs. The choice of
this design: specs/decisions/0007-cost-kernel.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from .columns import Flags, Floats, Keys, Machines, Rows
from .formulas import Facts, Held, Terms, Verdicts, facts, fits, terms, verdicts
from .problem import Problem
from .screening import MACHINES_MAX, Asked, Screen
from .view import Snapshot
from .weights import Weights

DENSE_PAIRS_MAX = 1_000_000
"""`evaluate` takes about 150 bytes a pair."""
PAIRS_AT_ONCE = 1 << 16
"""Contenders that are costed together."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of n jobs on m machines. Matrices are (n, m)."""

    rows: Rows
    """The machines' rows in the snapshot, (m,)."""
    verdicts: Verdicts
    cost: Floats
    """Minor units; infinite where the machine does not fit."""
    terms: Terms
    """Also where it does not fit; a material that it has not is free."""
    facts: Facts
    stock_mg: Floats
    """What each machine has of each job's material."""


@dataclass(frozen=True, slots=True)
class Top:
    """The k best machines of each of n jobs, the best first."""

    rows: NDArray[np.intp]
    """Rows in the snapshot, (n, k); -1 where fewer fit."""
    cost: Floats
    """Minor units, (n, k); infinite where fewer fit."""
    in_full: int
    """Jobs that the screens did not settle, so that all their machines were costed: rare."""


def evaluate(
    view: Snapshot, problem: Problem, weights: Weights, rows: Rows | None = None
) -> Evaluation:
    """Return every job on every machine, or on those with the given rows."""
    rows = view.rows() if rows is None else rows
    assert len(rows) * len(problem) <= DENSE_PAIRS_MAX
    machines = view.machines.take(rows)
    jobs = problem.seen_in(view).column()
    held = _held(view, problem, rows)
    happens = facts(machines, jobs, problem.now, weights)
    costs = terms(machines, jobs, held, happens, problem.now, weights)
    currency = view.currencies.find(weights.currency)
    bits = verdicts(machines, jobs, held, happens, problem.now, currency=currency)
    cost = np.where(fits(bits), costs.total(), np.inf)
    assert cost.shape == bits.shape == (len(problem), len(rows))
    return Evaluation(rows, bits, cost, costs, happens, held.mass_mg)


def top(view: Snapshot, problem: Problem, k: int, weights: Weights) -> Top:
    """Return for each job the k cheapest machines that fit (SCHED-8, SCHED-9)."""
    assert k >= 1
    rows = np.full((len(problem), k), -1, np.intp)
    cost = np.full((len(problem), k), np.inf)
    in_full = 0
    usable = _usable(view, problem, weights)
    for process, material, members in _by_need(problem):
        group = _Group.of(view, usable, process, material)
        if len(group.rows):
            best = _Best(group, problem.take(members), view, weights, k)
            in_full += best.find()
            best.write(rows, cost, members)
    return Top(rows, cost, in_full)


@dataclass(frozen=True, slots=True)
class _Group:
    """The machines with one process and one material, those with a known place first."""

    rows: Rows
    machines: Machines
    held: Held
    key: Keys

    @classmethod
    def of(cls, view: Snapshot, usable: Flags, process: str, material: str) -> "_Group":
        stocks = view.stocks_of(material)
        does = view.machines.process[stocks.machine] == view.processes.find(process)
        stocks = stocks.take(np.flatnonzero(usable[stocks.machine] & does))
        stocks = stocks.take(np.argsort(~view.machines.placed[stocks.machine], kind="stable"))
        rows = stocks.machine.astype(np.intp)
        held = Held(np.ones(len(rows), np.bool_), stocks.mass_mg, stocks.price)
        machines = view.machines.take(rows)
        return cls(rows, machines, held, machines.key)


class _Best:
    """The search for the k best of a group of jobs in a group of machines."""

    def __init__(
        self, group: _Group, problem: Problem, view: Snapshot, weights: Weights, k: int
    ) -> None:
        self._group, self._jobs = group, problem.seen_in(view)
        self._now, self._weights, self._k = problem.now, weights, k
        self._currency = view.currencies.find(weights.currency)
        self._waiting: list[tuple[Rows, Rows]] = []
        self._job: Rows = np.zeros(0, np.intp)
        self._machine: Rows = np.zeros(0, np.intp)
        self._cost: Floats = np.zeros(0)

    def find(self) -> int:
        """Find them, and return for how many jobs all machines had to be costed."""
        asked = Asked.of(self._jobs, self._now, self._weights)
        bound = np.full((len(self._jobs.by), 1), np.inf)
        for start in range(0, len(self._group.rows), MACHINES_MAX):
            self._screen(start, asked, bound)
        self._cost_waiting()
        left_out = (bound + asked.slack(bound))[:, 0]
        unsettled = np.flatnonzero(self._kth_cost() > left_out)
        for job in unsettled:
            self._cost_all(int(job))
        return len(unsettled)

    def write(self, rows: NDArray[np.intp], cost: Floats, members: Rows) -> None:
        job, machine, best = self._job, self._machine, self._cost
        rank = np.arange(len(job)) - np.searchsorted(job, job)
        rows[members[job], rank] = self._group.rows[machine]
        cost[members[job], rank] = best

    def _screen(self, start: int, asked: Asked, bound: Floats) -> None:
        """Gather the contenders among the machines from `start` on, and lower the bounds."""
        chunk = np.arange(start, min(start + MACHINES_MAX, len(self._group.rows)))
        machines, held = self._group.machines.take(chunk), self._group.held.take(chunk)
        screen = Screen(machines, held, self._now, self._weights)
        for first in range(0, len(bound), screen.jobs_max):
            span = slice(first, first + screen.jobs_max)
            found = screen.contenders(asked.part(span), self._k, bound[span])
            bound[span] = found.bound
            self._add(found.jobs + first, found.machines + start)

    def _add(self, jobs: Rows, machines: Rows) -> None:
        self._waiting.append((jobs, machines))
        if sum(len(waiting) for waiting, _ in self._waiting) >= PAIRS_AT_ONCE:
            self._cost_waiting()

    def _cost_waiting(self) -> None:
        """Cost what has gathered, and keep each job's k best of all so far."""
        if not self._waiting:
            return
        job = np.concatenate([jobs for jobs, _ in self._waiting])
        machine = np.concatenate([machines for _, machines in self._waiting])
        self._waiting = []
        cost = self._exact(job, machine)
        fit = np.flatnonzero(cost < np.inf)
        self._job = np.concatenate([self._job, job[fit]])
        self._machine = np.concatenate([self._machine, machine[fit]])
        self._cost = np.concatenate([self._cost, cost[fit]])
        self._keep_best()

    def _keep_best(self) -> None:
        order = np.lexsort((self._group.key[self._machine], self._cost, self._job))
        job = self._job[order]
        order = order[np.arange(len(job)) - np.searchsorted(job, job) < self._k]
        self._job, self._machine = self._job[order], self._machine[order]
        self._cost = self._cost[order]

    def _exact(self, job: Rows, machine: Rows) -> Floats:
        machines, jobs = self._group.machines.take(machine), self._jobs.take(job)
        held = self._group.held.take(machine)
        happens = facts(machines, jobs, self._now, self._weights)
        costs = terms(machines, jobs, held, happens, self._now, self._weights)
        bits = verdicts(machines, jobs, held, happens, self._now, currency=self._currency)
        return np.where(fits(bits), costs.total(), np.inf)

    def _kth_cost(self) -> Floats:
        count = len(self._jobs.by)
        last = np.searchsorted(self._job, np.arange(count)) + self._k - 1
        inside = np.flatnonzero(last < len(self._job))
        full = inside[self._job[last[inside]] == inside]
        cost = np.full(count, np.inf)
        cost[full] = self._cost[last[full]]
        return cost

    def _cost_all(self, job: int) -> None:
        kept = np.flatnonzero(self._job != job)
        self._job, self._machine = self._job[kept], self._machine[kept]
        self._cost = self._cost[kept]
        machines = np.arange(len(self._group.rows))
        self._waiting.append((np.full(len(machines), job), machines))
        self._cost_waiting()


def _usable(view: Snapshot, problem: Problem, weights: Weights) -> Flags:
    """Return which machines could make anything at all for this buyer now."""
    machines = view.machines
    usable = machines.live & machines.takes_jobs
    usable &= machines.until > problem.now
    usable &= machines.currency == view.currencies.find(weights.currency)
    usable &= machines.free_at <= problem.now + LEASE_TERM_MS_MAX
    return usable


def _by_need(problem: Problem) -> Iterator[tuple[str, str, Rows]]:
    """Yield each process and material with the jobs that need both."""
    order = np.lexsort((problem.jobs.material, problem.jobs.process))
    process, material = problem.jobs.process[order], problem.jobs.material[order]
    new = (np.diff(process) != 0) | (np.diff(material) != 0)
    for members in np.split(order, np.flatnonzero(new) + 1):
        if len(members):
            first = members[0]
            yield (
                problem.processes[problem.jobs.process[first]],
                problem.materials[problem.jobs.material[first]],
                members,
            )


def _held(view: Snapshot, problem: Problem, rows: Rows) -> Held:
    """Return what these machines have of each job's material, as (n, m)."""
    shape = (len(problem.materials), len(rows))
    held = Held(np.zeros(shape, np.bool_), np.zeros(shape), np.zeros(shape))
    place = np.full(len(view.machines.live), -1, np.intp)
    place[rows] = np.arange(len(rows))
    for index, material in enumerate(problem.materials):
        stocks = view.stocks_of(material)
        stocks = stocks.take(np.flatnonzero(place[stocks.machine] >= 0))
        at = place[stocks.machine]
        held.has[index, at] = True
        held.mass_mg[index, at] = stocks.mass_mg
        held.price[index, at] = stocks.price
    return held.map(lambda column: column[problem.jobs.material])
