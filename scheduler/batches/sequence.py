"""Which machine makes which jobs, and in which sequence: search by taking out and putting back.

Jobs are put one by one where they add the least to the cost of the plan. Then, over and
over, a few that have to do with each other are taken out, and put back: first the one
that would lose most by coming second. A plan that costs less is kept (large neighbourhood
search: Shaw, 1998; Ropke and Pisinger, 2006). Of the places on a machine, the most likely
are costed, those of all jobs on all machines at once, in numpy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..columns import Floats, Rows
from .shop import Shop
from .timing import Timing

TRIES = 300
MACHINES_TRIED = 4
TAKEN_EACH = 3
LIKELY = 4
"""Places on a machine that are costed for a job."""


@dataclass(frozen=True, slots=True)
class Plan:
    queues: tuple[tuple[int, ...], ...]
    """Jobs by machine, in sequence."""
    unplaced: tuple[int, ...]
    """Jobs that fit nowhere, or for which nothing is left."""
    cost: float
    """Minor units, of those that are placed."""


def search(shop: Shop, chance: Callable[[], float], tries: int = TRIES) -> Plan:
    """Return a good plan; more tries make a better one.

    `chance` returns a number from 0 to below 1, another each time.
    """
    queues = _Queues(shop)
    count = len(shop.work_ms)
    shortest = np.argsort(shop.work_ms.min(axis=1, initial=np.inf), kind="stable")
    unplaced = [job for job in shortest.tolist() if queues.put([job])]
    for _ in range(tries if len(unplaced) < count else 0):
        before = queues.saved()
        taken = queues.take_related(chance)
        left = queues.put([*taken, *unplaced])
        if (len(left), queues.total()) < (len(unplaced), before.cost.sum()):
            unplaced = left
        else:
            queues.restore(before)
    return Plan(queues.sequences(), tuple(sorted(unplaced)), queues.total())


@dataclass(frozen=True, slots=True)
class _Saved:
    jobs: Rows
    length: Rows
    end: Floats
    cost: Floats
    free_mg: Floats


class _Queues:
    """The jobs of each machine, and what they cost."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._timing = Timing(shop)
        self._none, machines = shop.work_ms.shape
        self._fits = np.isfinite(shop.work_ms)
        self._jobs = np.full((machines, 8), self._none, np.intp)
        self._length = np.zeros(machines, np.intp)
        self._end = np.zeros(self._jobs.shape)
        self._cost = np.zeros(machines)
        self._free_mg = shop.stock_mg.copy()

    def total(self) -> float:
        return float(self._cost.sum())

    def sequences(self) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(jobs[:length].tolist())
            for jobs, length in zip(self._jobs, self._length, strict=True)
        )

    def saved(self) -> _Saved:
        return _Saved(
            self._jobs.copy(),
            self._length.copy(),
            self._end.copy(),
            self._cost.copy(),
            self._free_mg.copy(),
        )

    def restore(self, saved: _Saved) -> None:
        self._jobs, self._length, self._end = saved.jobs, saved.length, saved.end
        self._cost, self._free_mg = saved.cost, saved.free_mg

    def put(self, jobs: Sequence[int]) -> list[int]:
        """Put each where it adds the least, and return those for which there is no place."""
        left = np.array(jobs, np.intp)
        added, place = self._places(left, np.arange(len(self._cost)))
        while len(left):
            order = np.argsort(added, axis=1)[:, :2]
            best = np.take_along_axis(added, order, axis=1)
            fits = best.min(axis=1, initial=np.inf) < np.inf
            if not np.any(fits):
                break
            regret = np.full(len(left), -np.inf)
            regret[fits] = best[fits, -1] - best[fits, 0]
            pick = int(np.argmax(regret))
            machine = int(order[pick, 0])
            self._insert(int(left[pick]), machine, int(place[pick, machine]))
            rest = np.arange(len(left)) != pick
            left, added, place = left[rest], added[rest], place[rest]
            if len(left):
                changed = np.array([machine])
                added[:, changed], place[:, changed] = self._places(left, changed)
        unplaced: list[int] = left.tolist()
        return unplaced

    def take_related(self, chance: Callable[[], float]) -> list[int]:
        """Take some jobs out that stand close to each other, on machines that could swap them."""
        machine, place = np.nonzero(self._jobs < self._none)
        at = int(chance() * len(machine))
        first = int(machine[at])
        job = int(self._jobs[first, place[at]])
        others = np.flatnonzero(self._fits[job] & (self._length > 0))
        left: list[int] = others[others != first].tolist()
        count = min(len(left), int(chance() * MACHINES_TRIED))
        taken = self._cut(first, int(place[at]), 1 + int(chance() * TAKEN_EACH))
        for _ in range(count):
            other = left.pop(int(chance() * len(left)))
            start = int(chance() * int(self._length[other]))
            taken += self._cut(other, start, 1 + int(chance() * TAKEN_EACH))
        return taken

    def _cut(self, machine: int, start: int, count: int) -> list[int]:
        """Take out so many jobs of a machine, or as many as there are from a place on."""
        length = int(self._length[machine])
        end = min(start + count, length)
        taken: list[int] = self._jobs[machine, start:end].tolist()
        rest = self._jobs[machine, end:length].copy()
        self._jobs[machine, start : start + len(rest)] = rest
        self._jobs[machine, start + len(rest) :] = self._none
        self._length[machine] = start + len(rest)
        for job in taken:
            self._free_mg[self._shop.material[job], machine] += self._shop.mass_mg[job]
        self._time(machine)
        return taken

    def _insert(self, job: int, machine: int, place: int) -> None:
        length = int(self._length[machine])
        if length + 1 == self._jobs.shape[1]:
            self._jobs = np.hstack([self._jobs, np.full_like(self._jobs, self._none)])
            self._end = np.hstack([self._end, np.zeros_like(self._end)])
        self._jobs[machine, place + 1 : length + 1] = self._jobs[machine, place:length].copy()
        self._jobs[machine, place] = job
        self._length[machine] += 1
        self._free_mg[self._shop.material[job], machine] -= self._shop.mass_mg[job]
        self._time(machine)

    def _time(self, machine: int) -> None:
        alone, length = np.array([machine]), int(self._length[machine])
        cost, end = self._timing.of(alone, self._jobs[alone, :length])
        self._cost[machine] = cost[0]
        self._end[machine, :length] = end[0]

    def _places(self, jobs: Rows, machines: Rows) -> tuple[Floats, Rows]:
        """Return what each job adds at its best place on each machine, and that place, (n, k)."""
        added = np.full((len(jobs), len(machines)), np.inf)
        place = np.zeros((len(jobs), len(machines)), np.intp)
        mass_mg = self._shop.mass_mg[jobs, None]
        enough = self._free_mg[self._shop.material[jobs][:, None], machines] >= mass_mg
        row, column = np.nonzero(self._fits[jobs[:, None], machines] & enough)
        if not len(row):
            return added, place
        job, machine = jobs[row], machines[column]
        longest = int(self._length[machine].max())
        queue = np.hstack([self._jobs[machine, :longest], job[:, None]])
        likely = self._likely(job, machine, longest)
        pair = np.arange(len(row))
        ways = queue[pair[:, None, None], _ways(longest)[likely]]
        repeated = np.repeat(machine, likely.shape[1])
        cost, _ = self._timing.of(repeated, ways.reshape(len(repeated), -1))
        cost = cost.reshape(likely.shape)
        cost[likely > self._length[machine][:, None]] = np.inf
        best = cost.argmin(axis=1)
        added[row, column] = cost[pair, best] - self._cost[machine]
        place[row, column] = likely[pair, best]
        return added, place

    def _likely(self, job: Rows, machine: Rows, longest: int) -> Rows:
        """Return for each pair the places where the job may add the least, (pairs, places).

        Guessed as if it shifted all that follow by its own time.
        """
        shop, queue = self._shop, self._jobs[machine, :longest]
        places = np.arange(longest + 1)
        if longest < LIKELY:
            return np.tile(places, (len(job), 1))
        end = self._end[machine, :longest]
        took = shop.work_ms[job, machine] + shop.setup_ms[machine]
        own_end = np.hstack([shop.free_at[machine][:, None], end]) + took[:, None]
        guess = shop.waiting[job][:, None] * own_end
        late = np.maximum(own_end - shop.latest[job, machine][:, None], 0.0)
        guess += shop.lateness[job][:, None] * late
        added = self._timing.shifted(machine, queue, end, took)
        guess[:, :-1] += added[:, ::-1].cumsum(axis=1)[:, ::-1]
        guess[places > self._length[machine][:, None]] = np.inf
        return np.argpartition(guess, LIKELY - 1, axis=1)[:, :LIKELY]


@cache
def _ways(length: int) -> NDArray[np.intp]:
    """Return the orders that put the last of `length` + 1 in each place, (ways, places)."""
    place, at = np.ogrid[: length + 1, : length + 1]
    return np.where(at < place, at, np.where(at == place, length, at - 1))
