"""A quick look at many machines for many jobs: which could be among the k best?

The cost of `formulas.py` is the sum of a part that is a product of job and machine
numbers, and a part that grows with distance. The first is one matrix product, and so is
the sine of half the angle between two places, squared. What is left is a root, an
arcsine, and comparisons, all in place in buffers that stay in the processor's cache.

Nothing here is an answer: it differs from the exact cost by up to a billionth and
`SLACK_KM`, and from the exact date by up to `SLACK_MS`. A machine is let through when
in doubt.
"""

from dataclasses import dataclass

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from .columns import Flags, Floats, Machines, Rows, Table
from .factors import (
    EARTH_RADIUS_M,
    HANDLING_MS,
    ROAD_G_PER_TKM,
    ROAD_MS_PER_KM,
    WINDOW_MARGIN_MS,
    WINDOW_MS_PER_S,
)
from .formulas import MG_PER_KG, MS_PER_HOUR, S_PER_HOUR, WATT_S_PER_KWH, Held, road_km
from .problem import Jobs
from .weights import Weights

MACHINES_MAX = 1 << 14
"""Machines in one screen. Fewer make blocks of more and shorter rows, where numpy is slower,
and more screens, each with its own contenders."""
PAIRS_MAX = 1 << 16
"""Pairs in one block: its buffers fit in 2 MiB of cache, and its matrix products are
too small for the BLAS library to start threads, which cost more than they bring."""

SLACK = 1e-9
SLACK_KM = 0.003
SLACK_MS = 1000.0

_WAYS = 32
"""The k-th smallest of the minima of every 32nd machine (16th, ... where k is large) is no
less than the k-th smallest of all, and far quicker to find. A power of 2."""
_UNFIT = 1e300
"""Added to the cost of a machine that does not fit; no real cost is near it."""
_FIT_MAX = 1e299
_INSIDE = 1.0 - 4e-15
"""Keeps the squared sine at or under 1 in spite of rounding."""
_ROAD_KM_PER_HALF_RADIAN = road_km(2.0 * EARTH_RADIUS_M.value)


@dataclass(slots=True)
class Asked(Table):
    """The jobs' side of the products. One row a job."""

    place: Floats
    """(n, 4)"""
    amounts: Floats
    """1, work and mass, (n, 3)"""
    small: Floats
    """From here on (n, 1)."""
    middle: Floats
    large: Floats
    mass_mg: Floats
    time_left_ms: Floats
    """For queue, window and road, without handling; infinity: no date."""
    per_km: Floats
    """What a road km adds to the cost: tariff, CO2e and waiting."""

    @classmethod
    def of(cls, jobs: Jobs, now: Timestamp, weights: Weights) -> "Asked":
        ones = np.ones_like(jobs.work_s)
        kilograms = jobs.mass_mg / MG_PER_KG
        minor_per_g = weights.carbon_minor_per_kg / 1000.0
        per_kg_km = weights.transport_minor_per_kg_km + ROAD_G_PER_TKM.value / 1000 * minor_per_g
        waiting = ROAD_MS_PER_KM.value / MS_PER_HOUR * weights.waiting_minor_per_hour
        per_km = weights.transport_minor_per_km + waiting + per_kg_km * kilograms
        return cls(
            np.stack([jobs.x, jobs.y, jobs.z, ones], axis=1),
            np.stack([ones, jobs.work_s, jobs.mass_mg], axis=1),
            jobs.small[:, None],
            jobs.middle[:, None],
            jobs.large[:, None],
            jobs.mass_mg[:, None],
            (jobs.by - now - HANDLING_MS.value)[:, None],
            per_km[:, None],
        )

    def slack(self, cost: Floats) -> Floats:
        """Return by how much a screened cost may be wrong, (n, 1)."""
        return cost * SLACK + self.per_km * SLACK_KM


@dataclass(frozen=True, slots=True)
class Contenders:
    """Pairs that may be among the k best of a block."""

    jobs: Rows
    """Rows of the block, (p,)."""
    machines: Rows
    """Rows of the screen, (p,)."""
    bound: Floats
    """Every machine left out is screened at more than this and twice the slack, (n, 1)."""


class Screen:
    """At most `MACHINES_MAX` machines, those with a known place first."""

    def __init__(self, machines: Machines, held: Held, now: Timestamp, weights: Weights) -> None:
        count = len(machines.live)
        assert 0 < count <= MACHINES_MAX
        self._placed = int(np.count_nonzero(machines.placed))
        assert bool(np.all(machines.placed[: self._placed]))
        self._width = -(-count // _WAYS) * _WAYS
        self._unknown_km = road_km(weights.unknown_place_km * 1000.0)
        self._set_costs(machines, held, now, weights)
        half = np.full(count, -1.0)
        self._sphere = self._padded(machines.x, machines.y, machines.z, half) * (-0.5 * _INSIDE)
        self._small, self._middle, self._large, self._mass_mg = self._padded(
            machines.small, machines.middle, machines.large, held.mass_mg
        )
        rows = max(1, PAIRS_MAX // self._width)
        self.jobs_max = rows
        self._floats = [np.empty(rows * self._width) for _ in range(3)]
        self._flags = [np.empty(rows * self._width, np.bool_) for _ in range(2)]

    def contenders(self, asked: Asked, k: int, bound: Floats) -> Contenders:
        """Return for each of at most `jobs_max` jobs the machines that may be its k best.

        `bound` is that of the screens before, (n, 1), or infinity.
        """
        size = len(asked.small), self._width
        area = size[0] * size[1]
        far, cost, spare = (buffer[:area].reshape(size) for buffer in self._floats)
        unfit, other = (buffer[:area].reshape(size) for buffer in self._flags)

        np.matmul(asked.place, self._sphere, out=far)
        np.abs(far, out=far)
        np.sqrt(far, out=far)
        np.arcsin(far, out=far)
        far *= _ROAD_KM_PER_HALF_RADIAN
        far[:, self._placed :] = 0.0

        np.less(self._small, asked.small, out=unfit)
        for given, needed in (
            (self._middle, asked.middle),
            (self._large, asked.large),
            (self._mass_mg, asked.mass_mg),
        ):
            np.less(given, needed, out=other)
            unfit |= other
        if self._may_be_late(asked):
            np.matmul(asked.amounts[:, :2], self._ready, out=cost)
            np.greater(cost, LEASE_TERM_MS_MAX + SLACK_MS, out=other)
            unfit |= other
            np.multiply(far, ROAD_MS_PER_KM.value, out=spare)
            cost += spare
            np.greater(cost, asked.time_left_ms + SLACK_MS, out=other)
            unfit |= other

        far[:, self._placed :] = self._unknown_km
        far *= asked.per_km
        np.matmul(asked.amounts, self._cost, out=cost)
        cost += far
        np.multiply(unfit, _UNFIT, out=far)
        cost += far
        return self._best(cost, unfit, asked, k, bound)

    @staticmethod
    def _best(cost: Floats, below: Flags, asked: Asked, k: int, bound: Floats) -> Contenders:
        width = cost.shape[1]
        ways = _WAYS
        while ways > 1 and width < 2 * k * ways:
            ways //= 2
        if width >= k:
            minima = np.minimum.reduce(cost.reshape(len(cost), ways, -1), axis=1)
            kth = np.partition(minima, k - 1, axis=1)[:, k - 1 : k]
            bound = np.minimum(bound, np.where(kth <= _FIT_MAX, kth, np.inf))
        limit = bound + 2.0 * asked.slack(bound)
        np.less_equal(cost, np.minimum(limit, _FIT_MAX), out=below)
        jobs, machines = np.divmod(np.flatnonzero(below), width)
        return Contenders(jobs, machines, bound)

    def _set_costs(self, machines: Machines, held: Held, now: Timestamp, weights: Weights) -> None:
        waiting = weights.waiting_minor_per_hour / MS_PER_HOUR
        doubt = 1.0 - machines.standing
        dearer = 1.0 + doubt * weights.trust_share
        per_kwh = weights.energy_minor_per_kwh + machines.grid * (
            weights.carbon_minor_per_kg / 1000.0
        )
        per_second = (
            machines.price / S_PER_HOUR * dearer
            + machines.power / WATT_S_PER_KWH * per_kwh
            + WINDOW_MS_PER_S.value * waiting
        )
        queue_ms = np.maximum(machines.free_at, now) - now + WINDOW_MARGIN_MS.value
        fixed = (
            machines.setup_s * per_second
            + (queue_ms + HANDLING_MS.value) * waiting
            + doubt * weights.trust_minor
            + weights.transport_minor
        )
        stretch = 1000.0 / machines.speed
        self._cost = self._padded(fixed, per_second * stretch, held.price / MG_PER_KG * dearer)
        self._cost[0, len(fixed) :] = np.inf
        self._ready = self._padded(
            queue_ms + machines.setup_s * WINDOW_MS_PER_S.value, stretch * WINDOW_MS_PER_S.value
        )
        self._ready_max = self._ready.max(axis=1)

    def _may_be_late(self, asked: Asked) -> bool:
        """Say whether any pair could break the horizon or the date, on the safe side."""
        slowest = self._ready_max[0] + self._ready_max[1] * asked.amounts[:, 1].max()
        no_date = bool(np.all(np.isinf(asked.time_left_ms)))
        return not no_date or bool(slowest > LEASE_TERM_MS_MAX)

    def _padded(self, *columns: Floats) -> Floats:
        block = np.zeros((len(columns), self._width))
        block[:, : len(columns[0])] = columns
        return block
