"""The owner's queue: who is next, shortest first, and fair to those who share the machines.

A short job before a long one saves more waiting than it costs. So the next is the one
with the highest ratio of its stay to its length (highest response ratio next: Brinch
Hansen, 1971), which a long job reaches too when it has waited long enough; weighed by
the fair-share factor of who asks, 2 ^ (-used / entitled), as batch systems do (the SLURM
workload manager). Priorities come before both, and whoever has waited longer than the
workshop's patience comes before all.

What is promised comes before what is preferred: `protocol/lease/turns.py` takes the first
of this order that leaves all promises whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One job that has not started, on one machine."""

    id: bytes
    """Settles ties, the lower first."""
    buyer: NodeId
    length_ms: int
    """Of its window, at least 1."""
    since: int
    """When it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a workshop, or the cooperative that it belongs to, has decided."""

    shares: Mapping[NodeId, int] = field(default_factory=dict[NodeId, int])
    """How much of the machines' time is whose, in proportion; everybody else has 1."""
    priority: Mapping[NodeId, int] = field(default_factory=dict[NodeId, int])
    """The higher before the lower; everybody else has 0."""
    patience_ms: int = 2 * DAY_MS
    """Who has waited longer is next, first come first."""

    def order(
        self, queue: Sequence[Waiting], at: int, used: Mapping[NodeId, int] | None = None
    ) -> list[bytes]:
        """Return the ids in the order in which the jobs should run, one after the other.

        `used`: the machine time that each buyer had of late, in milliseconds.
        """
        used_ms = dict(used or {})
        left = list(queue)
        ordered: list[bytes] = []
        while left:
            following = min(left, key=lambda each: self._rank(each, left, at, used_ms))
            left.remove(following)
            ordered.append(following.id)
            at += following.length_ms
            used_ms[following.buyer] = used_ms.get(following.buyer, 0) + following.length_ms
        return ordered

    def _rank(
        self, each: Waiting, left: Sequence[Waiting], at: int, used_ms: Mapping[NodeId, int]
    ) -> tuple[int, int, float, int, bytes]:
        waited_ms = max(0, at - each.since)
        if waited_ms > self.patience_ms:
            return 0, each.since, 0.0, each.length_ms, each.id
        ratio = (waited_ms + each.length_ms) / each.length_ms
        fair = self._fair_share(each.buyer, left, used_ms)
        return 1, -self.priority.get(each.buyer, 0), -ratio * fair, each.length_ms, each.id

    def _fair_share(
        self, buyer: NodeId, left: Sequence[Waiting], used_ms: Mapping[NodeId, int]
    ) -> float:
        """Return 1 for who had nothing, 1/2 for who had just their share, less for more."""
        present = {each.buyer for each in left} | set(used_ms)
        shares = sum(self.shares.get(each, 1) for each in present)
        all_ms = sum(used_ms.values())
        share = self.shares.get(buyer, 1)
        if not all_ms or not share:
            return 1.0 if share else 0.0
        return float(2.0 ** -(used_ms.get(buyer, 0) / all_ms * shares / share))
