"""All slots on all machines of one workshop.

The transitions between a slot's states are in `owner.py`; in which order a machine takes
them, and where there is room for another, in `turns.py`.
"""

from collections.abc import Iterable

from ..ids import NodeId, RecordId, Timestamp
from ..limits import CLOCK_SKEW_MS_MAX
from ..records import Record, read
from .slots import Ended, Held, Leased, Running, Slot
from .turns import Fit, Promise, Queue
from .windows import length_of, overlap, public_half, window_of

TAKEN_COUNTS = 8
"""Who asks eight workshops for each job is no nuisance to any."""


class Schedule:
    """Slots by their requests; their offers and leases lead to them too."""

    def __init__(self) -> None:
        self._slots: dict[RecordId, Slot] = {}
        self._open: list[Slot] | None = None
        """What `open` returned last, if nothing has changed since."""
        self._on_machine: dict[str, dict[RecordId, None]] = {}
        self._request_of: dict[RecordId, RecordId] = {}
        self._last_lease: dict[str, Record] = {}
        self._signed: dict[str, list[Record]] = {}
        """By machine: windows that others, or the disk, know this workshop to have signed."""

    def put(self, slot: Slot) -> None:
        """Enter a slot, in the place of its earlier state."""
        self._slots[slot.request.id] = slot
        self._open = None
        self._on_machine.setdefault(slot.offered.machine, {})[slot.request.id] = None
        self._request_of[slot.offer.id] = slot.request.id
        lease = slot.lease
        if lease is not None:
            self._request_of[lease.id] = slot.request.id
            last = self._last_lease.get(slot.offered.machine)
            if last is None or last.body.seq < lease.body.seq:
                self._last_lease[slot.offered.machine] = lease

    def note_windows(self, windows: Iterable[Record]) -> None:
        """Enter windows that this workshop has signed, perhaps in a time that its disk knows
        nothing of (LEASE-37). One that still holds overlaps with no other that is given."""
        for record in windows:
            self._signed.setdefault(window_of(record).machine, []).append(record)

    def forget_ended(self, before: Timestamp, now: Timestamp) -> None:
        """Drop the slots that ended before a time, whose request has expired, and of whose
        windows nothing is left that a later one could overlap with."""
        for machine, windows in self._signed.items():
            self._signed[machine] = [window for window in windows if window.body.until > now]
        for slot in list(self._slots.values()):
            if not isinstance(slot.state, Ended) or slot.state.at >= before:
                continue
            is_past = slot.lease is None or slot.offered.end <= now
            if is_past and slot.asked.until + 2 * CLOCK_SKEW_MS_MAX <= now:
                del self._slots[slot.request.id]
                del self._on_machine[slot.offered.machine][slot.request.id]
                del self._request_of[slot.offer.id]
                if slot.lease is not None:
                    del self._request_of[slot.lease.id]

    def untaken(self, buyer: NodeId) -> int:
        """Return how many offers a buyer let lapse that are remembered, and `TAKEN_COUNTS` for
        each lease that it let be wasted; less as many for each that it took and kept."""
        slots = [slot for slot in self.of_buyer(buyer) if not isinstance(slot.state, Held)]
        lapsed = sum(slot.lease is None for slot in slots)
        wasted = sum(isinstance(slot.state, Ended) and slot.state.is_wasted for slot in slots)
        kept = sum(slot.lease is not None and not slot.is_given_back() for slot in slots)
        return lapsed + TAKEN_COUNTS * (wasted - kept)

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
        """Return all that is not over: each machine's in the order of their turns."""
        if self._open is None:
            slots = (slot for slot in self._slots.values() if not isinstance(slot.state, Ended))
            self._open = sorted(slots, key=_turn)
        return list(self._open)

    def last_window(self, machine: str) -> RecordId | None:
        """Return the id of the window that was last given on a machine."""
        last = self._last_lease.get(machine)
        given = {window.id: window.body.seq for window in self._signed.get(machine, ())}
        if last is not None:
            half = public_half(last)
            given[half.id] = read(half).body.seq
        return max(given, key=given.__getitem__, default=None)

    def over(self, slot: Slot) -> tuple[RecordId, ...]:
        """Return the windows that overlap with a slot's, and of which nothing more is made."""
        machine = slot.offered.machine
        lost = (
            public_half(other.lease).id
            for other in self._of_machine(machine)
            if other.is_lost() and other.lease and overlap(other.offered, slot.offered)
        )
        signed = (
            window.id
            for window in self._signed.get(machine, ())
            if overlap(window_of(window), slot.offered)
        )
        return tuple(sorted({*lost, *signed}))

    def is_running(self, machine: str) -> bool:
        return any(isinstance(slot.state, Running) for slot in self._of_machine(machine))

    def queue(self, machine: str, now: Timestamp, fit: Fit) -> Queue:
        """Return what waits on a machine, behind what it is kept for now."""
        slots = self._of_machine(machine)
        waiting = [slot for slot in slots if isinstance(slot.state, Held | Leased)]
        busy = [_busy_until(slot, now, fit) for slot in slots if slot.is_at_machine()]
        return Queue(tuple(_promise(slot) for slot in waiting), max([int(now), *busy]), fit)

    def check_free(self, slot: Slot) -> None:
        """Assert what `Queue.room` promises, in a second way (LEASE-1)."""
        for other in self._of_machine(slot.offered.machine):
            assert not (other.is_alive() and overlap(other.offered, slot.offered)), (
                "two slots overlap"
            )

    def _of(self, identifier: RecordId) -> Slot | None:
        request = self._request_of.get(identifier)
        return self._slots.get(request) if request else None

    def _of_machine(self, machine: str) -> list[Slot]:
        return [self._slots[request] for request in self._on_machine.get(machine, ())]


def _promise(slot: Slot) -> Promise:
    offer = slot.offered
    return Promise(slot.offer.id, offer.start, offer.end, length_of(offer))


def _turn(slot: Slot) -> tuple[bool, int, int, int, bytes]:
    return not slot.is_at_machine(), *_promise(slot).rank()


def _busy_until(slot: Slot, now: Timestamp, fit: Fit) -> int:
    """Return when the machine is free again of what it makes, or is kept for, now."""
    length_ms = length_of(slot.offered)
    began = slot.state.began if isinstance(slot.state, Running) else now
    made = fit(max(slot.offered.start, began), length_ms)
    return max(now + 1, made[1] if made else slot.offered.end)
