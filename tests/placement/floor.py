"""The machines of a town as physical things, for planners that command them directly.

One job at a time on each; how long it takes and whether it fails is the town's to say, the
same for all planners. A planner hears of each job when it is ordered, and of each machine
when it falls idle.
"""

import heapq
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from commonfab.protocol.limits import HOUR_MS
from commonfab.scheduler.columns import Floats, Rows

from .pairs import Pairs, cost_of, on_machines
from .town import BEGIN, Town

HOURS_MAX = 24 * 120
"""When a run that does not come to an end is given up."""


@dataclass(frozen=True, slots=True)
class Start:
    """A job for a machine, now."""

    job: int
    seconds: float
    """Machine time by estimate."""


class Planner(Protocol):
    """One way to place jobs. Times are milliseconds since 1970."""

    round_ms: int
    """How often `plan` is called; 0: never."""

    def ordered(self, job: int, attempt: int, now: float) -> list[int]:
        """Take in a job, also one that has failed, and return machines that may start one."""
        ...

    def plan(self, now: float) -> list[int]:
        """Think anew of all that waits, and return machines that may start a job."""
        ...

    def next(self, machine: int, now: float) -> Start | None:
        """Return what a machine that is idle begins now."""
        ...

    def began(self, machine: int, until: float) -> None:
        """Hear when a machine will really be free."""
        ...


@dataclass(slots=True)
class Made:
    """On which machine each job was made in the end, and when; by job."""

    machine: Rows
    ended: Floats
    surplus: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Jobs and machines of good pieces that nobody needed any more."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a way to place jobs comes to, as means over its jobs."""

    eur: float
    flow_h: float
    """From order to arrival."""
    late: float
    """The share of jobs that come after their date."""
    late_h: float
    """Hours after the date, over all jobs."""
    surplus_eur: float


def result_of(town: Town, pairs: Pairs, made: Made) -> Result:
    fixed, transit = on_machines(town, made.machine)
    cost = cost_of(pairs, fixed, transit, made.ended)
    surplus_eur = _surplus(town, made)
    there = made.ended + transit
    late_h = np.maximum(there - pairs.due, 0.0) / HOUR_MS
    return Result(
        float(cost.mean()) / 100 + surplus_eur,
        float((there - pairs.ordered).mean()) / HOUR_MS,
        float((late_h > 0).mean()),
        float(late_h.mean()),
        surplus_eur,
    )


def _surplus(town: Town, made: Made) -> float:
    """Return what was made without need, in EUR for each job of the town: as if it
    had been sent all the same."""
    if not made.surplus:
        return 0.0
    machine = made.machine.copy()
    jobs = [job for job, _ in made.surplus]
    machine[jobs] = [at for _, at in made.surplus]
    fixed, _ = on_machines(town, machine)
    return float(fixed[jobs].sum()) / 100 / town.jobs


@dataclass(slots=True)
class Floor:
    """One run of a town under one planner."""

    town: Town
    planner: Planner
    _heap: list[tuple[float, int, int, int]] = field(
        default_factory=list[tuple[float, int, int, int]]
    )
    """When, in which order, a machine (-1: a job is ordered, -2: a round), and a job."""
    _attempt: list[int] = field(default_factory=list[int])
    _busy: list[bool] = field(default_factory=list[bool])
    _events: int = 0

    def run(self) -> Made:
        jobs = self.town.jobs
        made = Made(np.zeros(jobs, np.intp), np.zeros(jobs))
        self._attempt, self._busy = [0] * jobs, [False] * len(self.town.machines())
        for wish in self.town.wishes:
            for number in range(len(wish.parts)):
                self._push(wish.at, -1, wish.first_job + number)
        if self.planner.round_ms:
            self._push(BEGIN, -2, 0)
        left = jobs
        while left:
            now, _, machine, job = heapq.heappop(self._heap)
            assert now < BEGIN + HOURS_MAX * HOUR_MS, "no end to it"
            if machine == -2:
                self._push(now + self.planner.round_ms, -2, 0)
                self._start(self.planner.plan(now), now)
            elif machine == -1:
                self._start(self.planner.ordered(job, self._attempt[job], now), now)
            else:
                left -= self._ended(machine, job, now, made)
        return made

    def _ended(self, machine: int, job: int, now: float, made: Made) -> bool:
        self._busy[machine] = False
        _, is_good = self.town.taken_share(job, self._attempt[job])
        if is_good:
            made.machine[job], made.ended[job] = machine, now
            self._start([machine], now)
        else:
            self._attempt[job] += 1
            self._start([machine], now)
            self._start(self.planner.ordered(job, self._attempt[job], now), now)
        return is_good

    def _start(self, machines: list[int], now: float) -> None:
        for machine in machines:
            begun = None if self._busy[machine] else self.planner.next(machine, now)
            if begun is None:
                continue
            self._busy[machine] = True
            share, _ = self.town.taken_share(begun.job, self._attempt[begun.job])
            until = now + begun.seconds * 1000 * share
            self.planner.began(machine, until)
            self._push(until, machine, begun.job)

    def _push(self, at: float, machine: int, job: int) -> None:
        self._events += 1
        heapq.heappush(self._heap, (at, self._events, machine, job))
