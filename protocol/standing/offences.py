"""How much a peer has done against the rules lately, and when that is too much.

Every offence has a weight: 1 for something wrong in one message, more for what cannot be a
mistake. What was done fades with time, by half in `HALF_LIFE_MS`; at `BOUND` the peer is
shown out and kept out for `KEPT_OUT_MS`. Pure.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp2

from ..ids import NodeId, Timestamp
from ..limits import MINUTE_MS

HALF_LIFE_MS = 10 * MINUTE_MS
BOUND = 20.0
KEPT_OUT_MS = 10 * MINUTE_MS
OFFENDERS_MAX = 4096
"""Remembered; those that offended longest ago are forgotten first."""


@dataclass(slots=True)
class _Offender:
    weight: float = 0.0
    at: int = 0
    """When `weight` was right."""
    count: int = 0
    last: str = ""
    kept_out_until: int = 0

    def weight_at(self, now: int) -> float:
        return self.weight * exp2(-max(0, now - self.at) / HALF_LIFE_MS)


class Offences:
    """One for each node. Times are of one clock, which may be set back."""

    def __init__(self) -> None:
        self._offenders: OrderedDict[NodeId, _Offender] = OrderedDict()

    def offend(self, peer: NodeId, why: str, weight: float, now: Timestamp) -> bool:
        """Count one offence; tell whether the peer is to be shown out now."""
        assert weight > 0
        known = self._offenders.setdefault(peer, _Offender())
        known.weight = known.weight_at(now) + weight
        known.at, known.last = now, why
        known.count += 1
        self._offenders.move_to_end(peer)
        if len(self._offenders) > OFFENDERS_MAX:
            self._offenders.popitem(last=False)
        if known.weight < BOUND:
            return False
        known.kept_out_until = now + KEPT_OUT_MS
        return True

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self._offenders)

    def is_kept_out(self, peer: NodeId, now: Timestamp) -> bool:
        known = self._offenders.get(peer)
        return known is not None and now < known.kept_out_until

    def weight(self, peer: NodeId, now: Timestamp) -> float:
        """Return what is left of a peer's offences."""
        known = self._offenders.get(peer)
        return known.weight_at(now) if known else 0.0

    def count(self, peer: NodeId) -> int:
        """Return how many there were in all."""
        known = self._offenders.get(peer)
        return known.count if known else 0

    def last(self, peer: NodeId) -> str:
        """Return what the latest one was."""
        known = self._offenders.get(peer)
        return known.last if known else ""
