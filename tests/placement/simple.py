"""Simple ways to place jobs, to compare with: random, the nearest, and Sparrow's."""

from collections import deque
from dataclasses import dataclass, field

from .floor import Start
from .pairs import Costs, Pairs


@dataclass(slots=True)
class Queues:
    """Jobs in the order in which they came to each machine; the base of the three below."""

    pairs: Pairs
    round_ms: int = 0
    _queue: dict[int, deque[Start]] = field(default_factory=dict[int, deque[Start]])
    _free_at: dict[int, float] = field(default_factory=dict[int, float])
    """When a machine will be done with all that waits for it, by the estimates."""
    _started: set[int] = field(default_factory=set[int])

    def plan(self, now: float) -> list[int]:
        return []

    def began(self, machine: int, until: float) -> None:
        pass

    def next(self, machine: int, now: float) -> Start | None:
        queue = self._queue.get(machine)
        return queue.popleft() if queue else None

    def _enter(self, machine: int, start: Start, now: float) -> None:
        self._queue.setdefault(machine, deque()).append(start)
        self._free_at[machine] = self._end(machine, start.seconds, now)

    def _end(self, machine: int, seconds: float, now: float) -> float:
        return max(self._free_at.get(machine, 0.0), now) + seconds * 1000


class AtRandom(Queues):
    """Any machine that fits; a job that fails goes to another."""

    def ordered(self, job: int, attempt: int, now: float) -> list[int]:
        machine, start = _pick(self.pairs.drawn, job, attempt)
        self._enter(machine, start, now)
        return [machine]


class NearestEarliest(Queues):
    """Of the eight nearest machines that fit, the one that is done first."""

    def ordered(self, job: int, attempt: int, now: float) -> list[int]:
        several = [_pick(self.pairs.near, job, n) for n in range(_count(self.pairs.near, job))]
        machine, start = min(several, key=lambda each: self._end(each[0], each[1].seconds, now))
        self._enter(machine, start, now)
        return [machine]


class Sparrow(Queues):
    """Two probes, at random, and late binding: whichever machine gets to it first makes it
    (Ousterhout et al., Sparrow, SOSP 2013)."""

    def ordered(self, job: int, attempt: int, now: float) -> list[int]:
        self._started.discard(job)
        fit = _count(self.pairs.drawn, job)
        probed = dict(_pick(self.pairs.drawn, job, 2 * attempt + n) for n in range(min(2, fit)))
        for machine, start in probed.items():
            self._enter(machine, start, now)
        return list(probed)

    def next(self, machine: int, now: float) -> Start | None:
        queue = self._queue.get(machine, deque[Start]())
        while queue:
            start = queue.popleft()
            if start.job not in self._started:
                self._started.add(start.job)
                return start
        return None


def _pick(costs: Costs, job: int, which: int) -> tuple[int, Start]:
    column = which % _count(costs, job)
    return int(costs.machine[job, column]), Start(job, float(costs.seconds[job, column]))


def _count(costs: Costs, job: int) -> int:
    """Return how many machines of the list fit."""
    fit = int((costs.machine[job] >= 0).sum())
    assert fit, "no machine of the town can make it"
    return fit
