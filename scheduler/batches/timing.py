"""When the jobs of a machine end, and what that costs, for many sequences at once."""

import numpy as np

from ..columns import Floats, Rows
from ..factors import LOADED_SETUP_SHARE
from .shop import Shop


class Timing:
    """A shop with one job more, which is none: it takes no time and costs nothing."""

    def __init__(self, shop: Shop) -> None:
        self._machines = shop.work_ms.shape[1]
        self._work_ms = _with_none(shop.work_ms, 0.0).ravel()
        self._cost = _with_none(shop.cost, 0.0).ravel()
        self._latest = _with_none(shop.latest, np.inf).ravel()
        self._waiting = _with_none(shop.waiting, 0.0)
        self._lateness = _with_none(shop.lateness, 0.0)
        self._material = np.append(shop.material, -2)
        self._setups = _with_none(np.ones(len(shop.waiting)), 0.0)
        self._shop = shop

    def of(self, machine: Rows, jobs: Rows) -> tuple[Floats, Floats]:
        """Return what each sequence costs on its machine, (q,), and each job's end; `jobs` is
        (q, places), and what is none stands at the end."""
        end, setups = self.ends(machine, jobs)
        at = jobs * self._machines + machine[:, None]
        late = np.maximum(end - self._latest[at], 0.0)
        cost = self._cost[at] + setups * self._shop.setup_cost[machine][:, None]
        cost += self._waiting[jobs] * end
        cost += self._lateness[jobs] * late
        total: Floats = cost.sum(axis=1)
        return total, end

    def shifted(self, machine: Rows, jobs: Rows, end: Floats, by_ms: Floats) -> Floats:
        """Return what it costs if each of these jobs ends so much later."""
        latest = self._latest[jobs * self._machines + machine[:, None]]
        late = np.maximum(end + by_ms[:, None] - latest, 0.0) - np.maximum(end - latest, 0.0)
        cost: Floats = self._waiting[jobs] * by_ms[:, None]
        cost += self._lateness[jobs] * late
        return cost

    def ends(self, machine: Rows, jobs: Rows) -> tuple[Floats, Floats]:
        """Return the end of each job's window, and how much of a set-up it takes, (q, places)."""
        material = self._material[jobs]
        before = np.empty_like(material)
        before[:, :1] = self._shop.loaded[machine][:, None]
        before[:, 1:] = material[:, :-1]
        setups = self._setups[jobs]
        setups[material == before] *= LOADED_SETUP_SHARE.value
        setup_ms = self._shop.setup_ms[machine][:, None]
        took = self._work_ms[jobs * self._machines + machine[:, None]] + setups * setup_ms
        end = self._shop.free_at[machine][:, None] + took.cumsum(axis=1)
        if end.shape[1]:
            for window in range(self._shop.promised.shape[1]):
                begins, ends = self._shop.promised[machine, window].T
                _put_off(end, took, setups, setup_ms[:, 0], begins, ends)
        return end, setups


def _put_off(
    end: Floats, took: Floats, setups: Floats, setup_ms: Floats, begins: Floats, ends: Floats
) -> None:
    """Put the first job of each sequence that would run into a window after it, with all that
    follow; and make its set-up a whole one."""
    into = end > begins[:, None]
    place = into.argmax(axis=1)
    row = np.arange(len(end))
    start = end[row, place] - took[row, place]
    hit = np.flatnonzero(into[row, place] & (start < ends))
    if not len(hit):
        return
    place = place[hit]
    whole = np.ceil(setups[hit, place])
    more = (whole - setups[hit, place]) * setup_ms[hit]
    later = ends[hit] - start[hit] + more
    setups[hit, place] = whole
    took[hit, place] += more
    end[hit] += later[:, None] * (np.arange(end.shape[1]) >= place[:, None])


def _with_none(column: Floats, none: float) -> Floats:
    return np.concatenate([column, np.full((1, *column.shape[1:]), none)])
