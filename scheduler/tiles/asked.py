"""The jobs' side of the quick costs, as 32-bit numbers: one row a job."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..columns import Floats, Table
from ..factors import HANDLING_MS
from ..formulas import MS_PER_HOUR
from ..problem import Asking, Jobs
from .charges import FACTOR_MAX, ROAD_KM_PER_RADIAN, SLACK, SLACK_MS, below, per_km

Single = NDArray[np.float32]

SLACK_KM = 0.003
"""The same in road kilometres: places are off by a metre, and distances are in whole ones."""
LIMIT_MAX = np.float32(1e36)
"""No quick cost is above it: there is no limit."""
_PER_RADIAN_MIN = 1e-3
"""Where distances cost nothing they are taken to cost this."""
_DOUBTFUL_MS = 86_400_000.0
"""A cost of waiting is off by a share of the waiting since the tiles were made, too."""


@dataclass(slots=True)
class Asked(Table):
    """All (n,)."""

    x: Single
    y: Single
    z: Single
    work_s: Single
    mass_mg: Single
    per_radian: Single
    """What a radian of distance adds to the cost: tariff, CO2e and waiting. Quick costs are in
    units of it, and so are limits: a quick cost is a distance, and what else there is."""
    small: Single
    """From here on no more than what is asked, or no less where it is a limit."""
    middle: Single
    large: Single
    stock_mg: Single
    nozzle: Single
    tolerance: Single
    temperature: Single
    time_left_ms: Single
    """For queue, window and road, without handling; infinity: no date."""
    slack: Floats
    """By how much a quick cost may be above the exact one, beside its share."""

    @classmethod
    def of(cls, jobs: Jobs, asking: Asking) -> "Asked":
        weights = asking.weights
        waiting = weights.waiting_minor_per_hour / MS_PER_HOUR
        km = per_km(jobs.mass_mg, weights)
        left = jobs.by - asking.now - HANDLING_MS.value
        return cls(
            jobs.x.astype(np.float32),
            jobs.y.astype(np.float32),
            jobs.z.astype(np.float32),
            _factor(jobs.work_s),
            _factor(jobs.mass_mg),
            _factor(np.maximum(km * ROAD_KM_PER_RADIAN, _PER_RADIAN_MIN)),
            below(jobs.small),
            below(jobs.middle),
            below(jobs.large),
            below(jobs.mass_mg),
            jobs.nozzle.astype(np.float32),
            jobs.tolerance.astype(np.float32),
            below(jobs.temperature),
            (left + SLACK_MS + np.abs(left) * SLACK).astype(np.float32),
            km * SLACK_KM + waiting * _DOUBTFUL_MS * SLACK + 4.0 * _PER_RADIAN_MIN,
        )

    def amounts(self) -> Single:
        """Return (n, 4): what the machines' costs are multiplied with, and 0 for a limit."""
        one = 1.0 / self.per_radian
        return np.stack([one, self.work_s * one, self.mass_mg * one, np.zeros_like(one)], axis=1)

    def quick_limit(self, cost: Floats) -> Single:
        """Return quick costs (n,) that no machine is above whose exact cost is `cost` or less."""
        limit = (cost * (1.0 + SLACK) + self.slack) / self.per_radian
        return np.minimum(limit, LIMIT_MAX).astype(np.float32)

    def proven(self, quick: Single) -> Floats:
        """Return the costs (n,) above which all machines are whose quick cost is above `quick`."""
        cost = (quick.astype(np.float64) * self.per_radian - self.slack) / (1.0 + SLACK)
        return np.where(quick >= LIMIT_MAX, np.inf, cost)


def _factor(values: Floats) -> Single:
    return np.minimum(values, FACTOR_MAX).astype(np.float32)
