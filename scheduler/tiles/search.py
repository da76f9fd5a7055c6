"""Which machines may be among the k best of each job? Most tiles are never looked into.

Each job has a limit: no machine with a higher quick cost can be among its k best. First
its cheapest tiles by their bounds are looked into, which gives the limit; then those
whose bound is below it, the most promising first, which lowers it.

Nothing here is an answer: a quick cost is the exact one or less, but for rounding. Who
asks must cost what is found, and ask again with a limit if that proves too little.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from ..columns import Column, Flags, Rows
from ..factors import ROAD_MS_PER_KM
from ..formulas import road_km
from ..places import arc
from .asked import LIMIT_MAX, Asked, Single
from .charges import ROAD_KM_PER_RADIAN, SLACK, SLACK_MS
from .tiles import NOBODY, SHORT, WIDTH, Block, Fact, Tiles

PAIRS_MAX = 1 << 16
"""Pairs in one block, whose buffers then fit in the processor's cache; or bounds. Matrix
products of this size are too small for the BLAS library to start threads, which cost more
than they bring."""
JOBS_TOGETHER = 16
"""Jobs for which a tile is looked into at once, where there are as many."""
FOUND_MAX = 1 << 22
"""Pairs that may be found for more than one job: 64 MB, and as much again where they are sorted."""
FIRST_TILES = 4
"""For each job, before anything is known of it; more where more machines are asked for."""
SHARES = (0.4, 1.0)
"""Of the way from a job's least bound to its limit, round by round."""
FEW = 16
"""Of so few jobs no more time is spent on choosing tiles than on looking into them."""
MARGIN = 1e-4
"""Machines that cost this share more than the k-th are let through: a quick cost may be less
than the exact one for places far apart, whose arc is cut short."""

_ROAD_MS_PER_RADIAN = np.float32(ROAD_KM_PER_RADIAN * ROAD_MS_PER_KM.value)
_HORIZON_MS = np.float32(LEASE_TERM_MS_MAX * (1.0 + SLACK) + SLACK_MS)
_CENTRE_SLACK = np.float32(4e-6)
"""A chord squared by a product of 32-bit floats is off by less."""
_UNFIT = np.float32(1e37)


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs, in no order."""

    jobs: Rows
    stock: Rows
    """The machine's stock row."""


class Moment:
    """A need's tiles at one time, for one buyer: all that does not depend on the job."""

    def __init__(
        self, tiles: Tiles, there: Flags | None, since_ms: float, waiting: float, unknown_km: float
    ) -> None:
        """`there` marks machines (t, WIDTH) that can serve now, None: all; `since_ms` is the
        time since the tiles were made, `waiting` the minor units of a millisecond."""
        self.tiles, self.there = tiles, there
        self.since_ms = np.float32(since_ms)
        self._waited = np.float32(since_ms * waiting)
        self.fixed_low = self.fixed(tiles.low[Fact.IDLE], tiles.low[Fact.QUEUED])
        if there is not None:
            np.copyto(self.fixed_low, NOBODY, where=~there.any(axis=1))
        self.unknown: Single = np.float32(unknown_km / ROAD_KM_PER_RADIAN) * ~tiles.placed
        """The distance in radians of the tiles whose places are not known; 0 of the others."""
        self.are_placed = bool(tiles.placed.all())

    def fixed(self, idle: Single, queued: Single) -> Single:
        """Return what an order costs on machines, whatever it is, as their queues are now."""
        cost: Single = queued - self._waited
        return np.maximum(cost, idle, out=cost)


class Search:
    """For at most some thousand jobs of one need."""

    def __init__(self, moment: Moment, asked: Asked, k: int, furthest_km: float) -> None:
        """`furthest_km` is what the buyer allows by great circle; infinity: any."""
        self._moment, self._tiles, self._asked, self._k = moment, moment.tiles, asked, k
        self._furthest = np.float32(road_km(furthest_km * 1000.0 + 10.0) / ROAD_KM_PER_RADIAN)
        self._count = len(asked.x)
        assert max(self._count, len(moment.tiles)) < 1 << 16, "they are sorted by 16 bits"
        self._asks_nozzle = bool((asked.nozzle < np.inf).any())
        self._asks_tolerance = bool((asked.tolerance < np.inf).any())
        self._asks_temperature = bool((asked.temperature > 0.0).any())
        self._asks_date = bool((asked.time_left_ms < np.inf).any())
        # One row more, for nobody: it fills up blocks, and finds nothing.
        self._amounts: Single = np.concatenate([asked.amounts(), np.ones((1, 4), np.float32)])
        place = np.stack([asked.x, asked.y, asked.z], axis=1)
        self._place: Single = np.concatenate([place, np.ones((1, 3), np.float32)])
        self._limit: Single = np.full(self._count + 1, LIMIT_MAX)
        self._limit[-1] = -1.0
        self._room: Single = (2.0 * asked.slack / asked.per_radian).astype(np.float32)
        self._bound = self._bounds()
        self._found_max = FOUND_MAX
        self._jobs: Rows = np.empty(0, np.intp)
        self._slots: Rows = np.empty(0, np.intp)
        self._quick: Single = np.empty(0, np.float32)

    @property
    def limit(self) -> Single:
        """Up to which quick cost all machines of each job were found, (n,)."""
        return self._limit[:-1]

    def best(self, found_max: int = FOUND_MAX) -> bool:
        """Find what may be among the k best; False: that is too much for so many jobs."""
        self._found_max = found_max
        jobs, wanted = np.arange(self._count), max(FIRST_TILES, 2 * self._k // WIDTH)
        while len(jobs):
            if not self._look(jobs, self._cheapest(jobs, wanted)):
                return False
            self._lower()
            low = self._bound.min(axis=1)
            jobs = np.flatnonzero((self.limit == LIMIT_MAX) & (low < LIMIT_MAX))
            wanted *= 4
        for share in SHARES if self._count > FEW else SHARES[-1:]:
            low = self._bound.min(axis=1)
            jobs = np.flatnonzero(low <= self.limit)
            if len(jobs):
                cut = low[jobs] + np.float32(share) * (self.limit[jobs] - low[jobs])
                if not self._look(jobs, self._bound[jobs] <= cut[:, None]):
                    return False
                self._lower()
        return True

    def within(self, limit: Single, found_max: int = FOUND_MAX) -> bool:
        """Find all whose quick cost is not above the job's limit (n,); False: as above."""
        self._found_max = found_max
        self._limit[:-1], self._k = limit, len(self._tiles) * WIDTH + 1
        return self._look(np.arange(self._count), self._bound <= limit[:, None])

    def found(self) -> Found:
        stock = self._tiles.stock.ravel()[self._slots].astype(np.intp)
        return Found(self._jobs, stock)

    def _bounds(self) -> Single:
        """Return (n, t): no machine of the tile has a lower quick cost; infinity: none fits."""
        moment, tiles = self._moment, self._tiles
        square = np.square(tiles.centre).sum(axis=0)
        centre = np.concatenate([-2.0 * tiles.centre, [square + 1.0 - _CENTRE_SLACK]])
        place = np.concatenate([self._place[:-1], np.ones_like(self._place[:-1, :1])], axis=1)
        least = np.stack([moment.fixed_low, tiles.low[Fact.PER_S], tiles.low[Fact.PER_MG]])
        bound = np.empty((self._count, len(tiles)), np.float32)
        rows = max(1, PAIRS_MAX // len(tiles))
        for start in range(0, self._count, rows):
            some = slice(start, start + rows)
            far = np.matmul(place[some], centre)
            np.maximum(far, 0.0, out=far)
            np.sqrt(far, out=far)
            far -= tiles.radius
            np.maximum(far, 0.0, out=far)
            far = arc(np.square(far, out=far))
            if not moment.are_placed:
                far *= tiles.placed
            unfit = self._unfit(self._asked.part(some).map(lambda column: column[:, None]), far)
            np.matmul(self._amounts[:-1][some, :3], least, out=bound[some])
            bound[some] += far
            if not moment.are_placed:
                bound[some] += moment.unknown
            np.copyto(bound[some], np.inf, where=unfit)
        return bound

    def _unfit(self, asked: Asked, far: Block) -> Flags:
        """Say of which tiles no machine fits; `asked` has columns, (n, 1)."""
        low, high = self._tiles.low, self._tiles.high
        unfit: Flags = high[Fact.SMALL] < asked.small
        unfit |= high[Fact.MIDDLE] < asked.middle
        unfit |= high[Fact.LARGE] < asked.large
        unfit |= high[Fact.STOCK_MG] < asked.stock_mg
        if self._asks_nozzle:
            unfit |= low[Fact.NOZZLE] > asked.nozzle
        if self._asks_tolerance:
            unfit |= low[Fact.TOLERANCE] > asked.tolerance
        if self._asks_temperature:
            unfit |= high[Fact.TEMPERATURE] < asked.temperature
        if self._furthest < np.inf:
            unfit |= far > self._furthest
        if self._asks_date:
            ready = low[Fact.MS_PER_S] * asked.work_s
            ready += np.maximum(low[Fact.FREE_MS] - self._moment.since_ms, 0.0)
            ready += low[Fact.SETUP_MS]
            ready += far * _ROAD_MS_PER_RADIAN
            unfit |= ready > asked.time_left_ms
        return unfit

    def _cheapest(self, jobs: Rows, count: int) -> Flags:
        bound = self._bound[jobs]
        if count >= bound.shape[1]:
            return np.isfinite(bound)
        cut = np.partition(bound, count - 1, axis=1)[:, count - 1 : count]
        return (bound <= cut) & np.isfinite(bound)

    def _look(self, jobs: Rows, chosen: Flags) -> bool:
        """Look into the tiles (n, t) that are chosen for some jobs; False: too much was found."""
        job, tile = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
        job = jobs[job]
        self._bound[job, tile] = np.inf
        tile, together = _together(job, tile, len(self._tiles), self._count)
        found = [(self._jobs, self._slots, self._quick)]
        count = len(self._jobs)
        at_once = max(1, PAIRS_MAX // (WIDTH * together.shape[1]))
        for start in range(0, len(tile), at_once):
            some = slice(start, start + at_once)
            found.append(self._block(tile[some], together[some]))
            count += len(found[-1][0])
            if count > self._found_max and self._count > 1:
                return False
        self._jobs = np.concatenate([jobs for jobs, _, _ in found])
        self._slots = np.concatenate([slots for _, slots, _ in found])
        self._quick = np.concatenate([quick for _, _, quick in found])
        return True

    def _lower(self) -> None:
        """Lower the limits to the k-th quick cost found, and drop what is above."""
        key = (self._jobs.astype(np.uint64) << np.uint64(32)) | self._quick.view(np.uint32)
        key.sort()
        first = np.searchsorted(key, np.arange(self._count + 1).astype(np.uint64) << np.uint64(32))
        kth = first[:-1] + self._k - 1
        full = np.flatnonzero(kth < first[1:])
        quick = (key[kth[full]] & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
        self._limit[full] = np.minimum(self._limit[full], self._above(quick, full))
        kept = np.flatnonzero(self._quick <= self._limit[self._jobs])
        self._jobs, self._slots = self._jobs[kept], self._slots[kept]
        self._quick = self._quick[kept]

    def _above(self, kth: Single, job: Rows) -> Single:
        """Return the limits that follow from quick costs which k machines do not exceed."""
        return kth * np.float32(1.0 + MARGIN) + self._room[job]

    def _block(self, tile: Rows, job: Rows) -> tuple[Rows, Rows, Single]:
        """Return the pairs of tiles (u,) and jobs (u, j) that are not above the jobs' limits."""
        moment, tiles = self._moment, self._tiles
        place = self._place[job] - tiles.centre[:, tile].T[:, None, :]
        sides = np.empty((*job.shape, 5), np.float32)
        np.multiply(place, -2.0, out=sides[:, :, :3])
        sides[:, :, 3] = np.square(place).sum(axis=2) * SHORT
        sides[:, :, 4] = 1.0
        far = np.matmul(sides, tiles.near[tile])
        np.maximum(far, 0.0, out=far)
        far = arc(far)
        if not moment.are_placed:
            far *= tiles.placed[tile, None, None]
        limit = self._limit[job]
        is_limited = bool((limit < LIMIT_MAX).all())
        cost = self._costs(tile, job, limit if is_limited else np.zeros_like(limit))
        cost += far
        if is_limited:
            at = np.flatnonzero(cost <= 0.0)
        else:
            if self._k <= WIDTH:
                limit = self._first_limits(tile, job, cost, far)
            at = np.flatnonzero(cost <= limit[:, :, None])
        pair, place = np.divmod(at, WIDTH)
        job, tile = job.ravel()[pair], tile[pair // job.shape[1]]
        fit = self._fit(job, tiles.placed[tile], lambda fact: fact[tile, place], far.ravel()[at])
        fits = np.flatnonzero(fit)
        job, quick = job[fits], cost.ravel()[at[fits]]
        if is_limited:
            quick = np.maximum(quick + self._limit[job], 0.0)
        return job, tile[fits] * WIDTH + place[fits], quick

    def _costs(self, tile: Rows, job: Rows, limit: Single) -> Block:
        """Return (u, j, WIDTH): the quick costs without the distance, less the limits (u, j)."""
        moment, facts = self._moment, self._tiles.facts
        amounts = self._amounts[job]
        np.negative(limit, out=amounts[:, :, 3])
        charges = np.empty((len(tile), 4, WIDTH), np.float32)
        charges[:, 0] = moment.fixed(facts[tile, Fact.IDLE], facts[tile, Fact.QUEUED])
        charges[:, 1:3] = facts[tile, Fact.PER_S : Fact.PER_MG + 1]
        charges[:, 3] = 1.0
        cost: Block = np.matmul(amounts, charges)
        if not moment.are_placed:
            cost += moment.unknown[tile, None, None]
        return cost

    def _first_limits(self, tile: Rows, job: Rows, cost: Block, far: Block) -> Single:
        """Lower the limits to what follows from a tile alone, and return the block's (u, j)."""
        real = np.minimum(job, self._count - 1)[:, :, None]
        known = self._tiles.placed[tile, None, None]
        fit = self._fit(real, known, lambda fact: fact[tile][:, None, :], far)
        np.copyto(cost, _UNFIT, where=~fit)
        kth = np.partition(cost, self._k - 1, axis=2)[:, :, self._k - 1]
        unit, place = np.nonzero((kth < LIMIT_MAX) & (job < self._count))
        at = job[unit, place]
        np.minimum.at(self._limit, at, self._above(kth[unit, place], at))
        return self._limit[job]

    def _fit(self, job: Rows, placed: Flags, of: Callable[[Column], Column], far: Block) -> Flags:
        """Say which pairs fit, as far as is known here. `of` picks the machines' facts."""
        asked, moment = self._asked, self._moment
        facts = self._tiles.facts.transpose(1, 0, 2)
        fit: Flags = of(facts[Fact.SMALL]) >= asked.small[job]
        fit &= of(facts[Fact.MIDDLE]) >= asked.middle[job]
        fit &= of(facts[Fact.LARGE]) >= asked.large[job]
        fit &= of(facts[Fact.STOCK_MG]) >= asked.stock_mg[job]
        if self._asks_nozzle:
            fit &= of(facts[Fact.NOZZLE]) <= asked.nozzle[job]
        if self._asks_tolerance:
            fit &= of(facts[Fact.TOLERANCE]) <= asked.tolerance[job]
        if self._asks_temperature:
            fit &= of(facts[Fact.TEMPERATURE]) >= asked.temperature[job]
        if self._furthest < np.inf:
            fit &= (far <= self._furthest) | ~placed
        if moment.there is not None:
            fit &= of(moment.there)
        window: Block = of(facts[Fact.MS_PER_S]) * asked.work_s[job]
        window += of(facts[Fact.SETUP_MS])
        fit &= window <= of(facts[Fact.LONGEST_MS])
        queue: Block = of(facts[Fact.FREE_MS]) - moment.since_ms
        ready = np.add(window, np.maximum(queue, 0.0, out=queue), out=window)
        fit &= ready <= _HORIZON_MS
        if self._asks_date:
            ready += far * (placed * _ROAD_MS_PER_RADIAN)
            fit &= ready <= asked.time_left_ms[job]
        return fit


def _together(job: Rows, tile: Rows, tiles: int, nobody: int) -> tuple[Rows, Rows]:
    """Return pairs as tiles (u,) and the jobs for each (u, j), filled up with `nobody`."""
    if nobody <= FEW:
        return tile, job[:, None]
    order = np.argsort(tile.astype(np.uint16), kind="stable")
    job, tile = job[order], tile[order]
    count = np.bincount(tile, minlength=tiles)
    width = max(1, min(JOBS_TOGETHER, len(job) // max(1, int(np.count_nonzero(count)))))
    units = -(-count // width)
    rank = np.arange(len(job)) - (np.cumsum(count) - count)[tile]
    unit = (np.cumsum(units) - units)[tile] + rank // width
    together = np.full((int(units.sum()), width), nobody)
    together[unit, rank % width] = job
    return np.repeat(np.arange(tiles), units), together
