"""CENTRAL: what a planner could do that knows everything and commands every machine.

It knows all queues at every moment, when each running job will really end, and how long each
waiting job will really take on each machine. An order is put where it costs least at once,
before, between or behind what waits. Every quarter of an hour each waiting job, wherever it
waits, is taken out and put where it now costs least, all delays of others counted: a local
search that goes on, round after round, from where it was.
"""

from dataclasses import dataclass

import numpy as np

from commonfab.protocol.limits import HOUR_MS, MINUTE_MS
from commonfab.scheduler.columns import Floats

from .floor import Start
from .pairs import WEIGHTS, Numbers, Pairs
from .town import Town

_WAITING = WEIGHTS.waiting_minor_per_hour / HOUR_MS
_LATE = WEIGHTS.lateness_minor_per_hour / HOUR_MS
_NEVER = -1e18
_ROOM_FIRST = 8
_FIRST = 12
"""Machines that are looked at first; of the others, only those that could still be better."""


@dataclass(slots=True)
class Queue:
    """What waits for each machine, in order: (machines, room), padded."""

    job: list[list[int]]
    takes: Floats
    """Milliseconds of the machine, by what the planner knows; 0 where nothing waits."""
    tail: Floats
    """From a job's end to its arrival, less its date: its end plus this is how late it is."""

    @classmethod
    def empty(cls, machines: int) -> "Queue":
        shape = (machines, _ROOM_FIRST)
        return cls([[] for _ in range(machines)], np.zeros(shape), np.full(shape, _NEVER))

    def put(self, machine: int, place: int, job: int, takes: float, tail: float) -> None:
        waiting = self.job[machine]
        if len(waiting) == self.takes.shape[1]:
            self._widen()
        waiting.insert(place, job)
        for row, value in ((self.takes[machine], takes), (self.tail[machine], tail)):
            row[place + 1 :] = row[place:-1].copy()
            row[place] = value

    def take(self, machine: int, place: int) -> int:
        for row, empty in ((self.takes[machine], 0.0), (self.tail[machine], _NEVER)):
            row[place:-1] = row[place + 1 :].copy()
            row[-1] = empty
        return self.job[machine].pop(place)

    def _widen(self) -> None:
        more = (0, self.takes.shape[1])
        self.takes = np.pad(self.takes, ((0, 0), more))
        self.tail = np.pad(self.tail, ((0, 0), more), constant_values=_NEVER)


class Central:
    """A `floor.Planner`."""

    round_ms = 15 * MINUTE_MS

    def __init__(self, town: Town, pairs: Pairs) -> None:
        self._town = town
        self._pairs = pairs
        machines = len(town.machines())
        self._queue = Queue.empty(machines)
        self._waiting = np.zeros(machines, np.intp)
        """How many jobs wait for each machine."""
        self._free_at = np.zeros(machines)
        self._where: dict[int, int] = {}
        self._attempt = [0] * town.jobs

    def ordered(self, job: int, attempt: int, now: float) -> list[int]:
        self._attempt[job] = attempt
        return [self._insert(job, now)]

    def plan(self, now: float) -> list[int]:
        moved: list[int] = []
        for job, machine in list(self._where.items()):
            self._take(machine, self._queue.job[machine].index(job))
            moved.append(self._insert(job, now))
        return moved

    def next(self, machine: int, now: float) -> Start | None:
        if not self._waiting[machine]:
            self._free_at[machine] = 0.0
            return None
        job = self._take(machine, 0)
        column = int(np.flatnonzero(self._pairs.cheap.machine[job] == machine)[0])
        return Start(job, float(self._pairs.cheap.seconds[job, column]))

    def began(self, machine: int, until: float) -> None:
        self._free_at[machine] = until

    def waiting(self, machine: int) -> list[int]:
        """Return the jobs that wait for a machine, in order."""
        return list(self._queue.job[machine])

    def _insert(self, job: int, now: float) -> int:
        """Put a job where it costs least, and return the machine."""
        cheap = self._pairs.cheap
        fit = cheap.machine[job] >= 0
        machines = cheap.machine[job][fit]
        share, _ = self._town.taken_share(job, self._attempt[job])
        takes = cheap.seconds[job][fit] * (1000.0 * share)
        transit = cheap.transit_ms[job][fit]
        fixed = cheap.fixed[job][fit]
        there = np.maximum(self._free_at[machines], now) + takes + transit
        least = fixed + self._own_costs(job, there)
        order = np.argsort(least)
        at, place, best = 0, 0, np.inf
        for some in (order[:_FIRST], order[_FIRST:]):
            some = some[least[some] < best]
            if len(some):
                time = self._time_costs(job, machines[some], takes[some], transit[some], now)
                cost = fixed[some][:, None] + time
                which, where = divmod(int(cost.argmin()), cost.shape[1])
                if cost[which, where] < best:
                    at, place, best = int(some[which]), where, cost[which, where]
        machine = int(machines[at])
        tail = float(transit[at]) - float(self._pairs.due[job])
        place = min(place, int(self._waiting[machine]))
        self._queue.put(machine, place, job, float(takes[at]), tail)
        self._waiting[machine] += 1
        self._where[job] = machine
        return machine

    def _time_costs(
        self, job: int, machines: Numbers, takes: Floats, transit: Floats, now: float
    ) -> Floats:
        """Return (machines, places): what time costs the job in each place of each queue, and
        what its being there costs those behind it."""
        waiting = self._waiting[machines]
        room = int(waiting.max())
        before = self._queue.takes[machines, :room]
        starts = np.zeros((len(machines), room + 1))
        np.cumsum(before, axis=1, out=starts[:, 1:])
        starts += np.maximum(self._free_at[machines], now)[:, None]
        there = starts + (takes + transit)[:, None]
        cost = self._own_costs(job, there)
        behind = np.maximum(waiting[:, None] - np.arange(room + 1), 0)
        cost += behind * (takes * _WAITING)[:, None]
        late = starts[:, 1:] + self._queue.tail[machines, :room]
        later = np.maximum(late + takes[:, None], 0.0) - np.maximum(late, 0.0)
        cost[:, :room] += np.cumsum(later[:, ::-1], axis=1)[:, ::-1] * _LATE
        return cost

    def _own_costs(self, job: int, there: Floats) -> Floats:
        """Return what time costs a job that arrives then."""
        cost: Floats = (there - self._pairs.ordered[job]) * _WAITING
        cost += np.maximum(there - self._pairs.due[job], 0.0) * _LATE
        return cost

    def _take(self, machine: int, place: int) -> int:
        job = self._queue.take(machine, place)
        self._waiting[machine] -= 1
        del self._where[job]
        return job
