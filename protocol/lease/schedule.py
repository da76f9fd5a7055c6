"""All slots on all machines of one workshop, and where there is room for another.

The transitions between a slot's states are in `owner.py`.
"""

from ..ids import NodeId, RecordId, Timestamp
from ..records import Record
from .slots import Ended, Quote, Running, Slot


class Schedule:
    """Slots by their requests; their offers and leases lead to them too."""

    def __init__(self) -> None:
        self._slots: dict[RecordId, Slot] = {}
        self._request_of: dict[RecordId, RecordId] = {}
        self._last_lease: dict[str, Record] = {}

    def put(self, slot: Slot) -> None:
        """Enter a slot, in the place of its earlier state."""
        self._slots[slot.request.id] = slot
        self._request_of[slot.offer.id] = slot.request.id
        lease = slot.lease
        if lease is not None:
            self._request_of[lease.id] = slot.request.id
            last = self._last_lease.get(slot.offered.machine)
            if last is None or last.body.seq < lease.body.seq:
                self._last_lease[slot.offered.machine] = lease

    def forget_ended(self, before: Timestamp) -> None:
        """Drop the slots that ended before this time."""
        for slot in list(self._slots.values()):
            if isinstance(slot.state, Ended) and slot.state.at < before:
                del self._slots[slot.request.id]
                del self._request_of[slot.offer.id]
                if slot.lease is not None:
                    del self._request_of[slot.lease.id]

    def of_request(self, identifier: RecordId) -> Slot | None:
        return self._slots.get(identifier)

    def of_offer(self, identifier: RecordId) -> Slot | None:
        slot = self._of(identifier)
        return slot if slot and slot.offer.id == identifier else None

    def of_lease(self, identifier: RecordId) -> Slot | None:
        slot = self._of(identifier)
        return slot if slot and slot.lease and slot.lease.id == identifier else None

    def of_buyer(self, buyer: NodeId) -> list[Slot]:
        return [slot for slot in self._slots.values() if slot.buyer == buyer]

    def open(self) -> list[Slot]:
        """Return all that is not over, earliest window first."""
        slots = (slot for slot in self._slots.values() if not isinstance(slot.state, Ended))
        return sorted(slots, key=lambda slot: (slot.offered.start, slot.offer.id))

    def last_lease(self, machine: str) -> RecordId | None:
        last = self._last_lease.get(machine)
        return last.id if last else None

    def is_running(self, machine: str) -> bool:
        return any(
            isinstance(slot.state, Running) and slot.offered.machine == machine
            for slot in self._slots.values()
        )

    def free_at(self, machine: str, now: Timestamp) -> int:
        """Return when the machine's queue ends."""
        return max([now, *(end for _, end in self._taken(machine, now))])

    def first_gap(self, quote: Quote, now: Timestamp) -> int:
        """Return the earliest start of a free window on the quote's machine."""
        start = int(now)
        for begin, end in self._taken(quote.machine, now):
            if start + quote.duration_ms <= begin:
                break
            start = max(start, end)
        return start

    def check_free(self, slot: Slot, now: Timestamp) -> None:
        """Assert what `first_gap` promises, in a second way (LEASE-1)."""
        for other in self._slots.values():
            if other.is_alive() and other.offered.machine == slot.offered.machine:
                ends_before = other.offered.end <= slot.offered.start
                starts_after = slot.offered.end <= other.offered.start
                assert ends_before or starts_after, "two slots overlap"

    def _of(self, identifier: RecordId) -> Slot | None:
        request = self._request_of.get(identifier)
        return self._slots.get(request) if request else None

    def _taken(self, machine: str, now: Timestamp) -> list[tuple[int, int]]:
        spans = (s.occupies(now) for s in self._slots.values() if s.offered.machine == machine)
        return sorted(span for span in spans if span is not None)
