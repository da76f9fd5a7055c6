"""Which lease a machine of this node begins next, by the workshop's rule."""

from collections import Counter
from collections.abc import Mapping

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.slots import Slot
from commonfab.protocol.lease.windows import length_of
from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.protocol.records import Receipt
from commonfab.scheduler.queueing import Rule, Waiting

from .library import Library

SHARED_MS = 28 * DAY_MS
"""How far back the machine time of a buyer counts."""
COUNTED_MS = HOUR_MS
"""How old a count may be."""


class Queueing:
    """One for each node."""

    def __init__(self, library: Library, me: NodeId, rule: Rule | None = None) -> None:
        self._library = library
        self._me = me
        self._rule = rule or Rule()
        self._used: Mapping[NodeId, int] = {}
        self._count_at = 0

    def prefer(self, slots: list[Slot], now: Timestamp) -> list[Slot]:
        """Put the leases that wait for one machine in the order in which they should begin."""
        if len(slots) < 2:
            return slots
        if now >= self._count_at:
            self._used = self._count(now)
            self._count_at = now + COUNTED_MS
        of: dict[bytes, Slot] = {slot.offer.id: slot for slot in slots}
        queue = [
            Waiting(
                id=slot.offer.id,
                buyer=slot.buyer,
                length_ms=max(1, length_of(slot.offered)),
                since=slot.asked.at,
            )
            for slot in slots
        ]
        return [of[each] for each in self._rule.order(queue, now, self._used)]

    def _count(self, now: Timestamp) -> Mapping[NodeId, int]:
        """Return the machine time that each buyer had, as this node's receipts say."""
        used: Counter[NodeId] = Counter()
        for record in self._library.stored({"receipt"}, self._me):
            receipt = record.body
            if isinstance(receipt, Receipt) and receipt.at > now - SHARED_MS:
                used[NodeId(receipt.to)] += receipt.machine_seconds * 1000
        return used
