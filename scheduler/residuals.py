"""How far a machine's finished jobs were from what was quoted: to correct the next quote.

Each job leaves the ratio of what it took to what was said. Their median corrects the next
one, drawn towards 1 while there are few: with n jobs by n / (n + 4) of its logarithm. What
the next job will take lies, as eight of ten do, between two of the ratios seen: of n + 1
exchangeable numbers any one is as likely in any place, so the next is below the k-th lowest
of n with probability k / (n + 1) (conformal prediction; Vovk, Gammerman, Shafer, 2005).
"""

from bisect import insort
from collections.abc import Sequence
from math import exp, floor, log
from statistics import median

KEPT_MAX = 50
"""Of one machine and material; older ones are forgotten, for machines wear and are mended."""
ENOUGH = 9
"""Jobs from which on eight of ten can be told: 1 of 10 below the lowest, 1 above the highest."""
_PULL = 4
_RATIO_MAX = 10.0
"""A job further off than this was something else."""

Within = tuple[float, float]


def is_of_use(ratio: float) -> bool:
    return 1 / _RATIO_MAX <= ratio <= _RATIO_MAX


def factor(ratios: Sequence[float]) -> float:
    """Return by what the next quote is multiplied; 1 without any jobs."""
    if not ratios:
        return 1.0
    return exp(median(log(ratio) for ratio in ratios) * len(ratios) / (len(ratios) + _PULL))


def within(ratios: Sequence[float], before: Within) -> Within:
    """Return between which parts of the uncorrected quote eight of ten jobs will lie.

    `before` is what is known without jobs; it counts, moved by `factor`, while these are few.
    """
    if len(ratios) < ENOUGH:
        moved = factor(ratios)
        return before[0] * moved, before[1] * moved
    ordered: list[float] = []
    for ratio in ratios:
        insort(ordered, ratio)
    rank = 0.1 * (len(ordered) + 1)
    return _ranked(ordered, rank), _ranked(ordered[::-1], rank)


def _ranked(ordered: Sequence[float], rank: float) -> float:
    """Return the number in a place counted from 1, between two places by their share."""
    low = floor(rank)
    share = rank - low
    return ordered[low - 1] * (1.0 - share) + ordered[min(low, len(ordered) - 1)] * share
