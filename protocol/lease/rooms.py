"""Where the machines of a workshop have room for a job, and which lease begins next.

Joins the queues of its machines (`turns.py`) with their hours and the workshop's power
(`starts.py`). Changes nothing: the transitions are in `owner.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..ids import RecordId, Timestamp
from ..limits import HOUR_MS
from ..records import Offer, Request
from .schedule import Schedule
from .slots import Leased, Promised, Quote, Ready, Running, Slot
from .starts import Load, Starts, Turn
from .turns import Interval, Promise, Queue
from .windows import length_of, planned_end

Prefer = Callable[[list[Slot], Timestamp], list[Slot]]
"""Puts the leases that wait for one machine in the order in which its owner would begin them.
The first counts that leaves all promises whole."""


def shortest_first(slots: list[Slot], now: Timestamp) -> list[Slot]:
    """`Prefer` of an owner to whom all buyers are alike: the mean wait is the shortest."""
    return sorted(slots, key=lambda slot: length_of(slot.offered))


class Rooms:
    """One for each owner."""

    def __init__(
        self, schedule: Schedule, starts: Starts, prefer: Prefer, leeway_permille: int
    ) -> None:
        self._schedule = schedule
        self._starts = starts
        self._prefer = prefer
        self._leeway_permille = leeway_permille

    def free_at(self, machine: str, now: Timestamp) -> int:
        """Return when the machine's queue will probably end: what waits is taken without the
        margins of its windows, and begins as soon as it can."""
        queue = self._queue(machine, now)
        likely = tuple(self._likely(promise) for promise in queue.promises)
        made = replace(queue, promises=likely).plan()
        return max([queue.free_at, *(end for _, end in made.values())])

    def best(
        self, quotes: list[Quote], request: Request, now: Timestamp
    ) -> tuple[Promised, Quote] | None:
        """Return the best for the buyer of the earliest windows on each machine that leave all
        promises whole; None: there is none."""
        loads = self._loads(now)
        found = ((self._window(quote, request, loads, now), quote) for quote in quotes)
        windows = [(window, quote) for window, quote in found if window is not None]
        return min(windows, key=partial(_worth, request), default=None)

    def is_better_without(self, slot: Slot, now: Timestamp) -> bool:
        """Tell whether another lease on its machine could be made earlier without a slot, or the
        slot itself cannot be kept."""
        leased = {s.offer.id for s in self._schedule.open() if isinstance(s.state, Leased)}
        queue = self._queue(slot.offered.machine, now)
        if queue.plan()[slot.offer.id][1] > slot.offered.end:
            return True
        # A job may begin before its window does.
        waiting = tuple(replace(promise, start=0) for promise in queue.promises)
        others = tuple(promise for promise in waiting if promise.id != slot.offer.id)
        before = replace(queue, promises=waiting).plan()
        after = replace(queue, promises=others).plan()
        return any(after[id_][1] < before[id_][1] for id_ in leased & after.keys())

    def next(self, now: Timestamp) -> list[tuple[Slot, int]]:
        """Return for each machine that is kept for nothing the lease that begins next, and when
        hours and power let it: early, where all promises still hold."""
        heads = self._heads(now)
        turns = [
            Turn(o.machine, made[0] if made else o.start, o.start, o.machine_seconds)
            for o in (slot.offered for slot in heads)
            for made in [self._starts.window(o.machine, now, length_of(o))]
        ]
        names = {turn.machine for turn in turns}
        loads = [load for load in self._loads(now) if load.machine not in names]
        return list(zip(heads, self._starts.begin(turns, loads, now), strict=True))

    def _window(
        self, quote: Quote, request: Request, loads: list[Load], now: Timestamp
    ) -> Promised | None:
        queue = self._queue(quote.machine, now)
        leeway_ms = quote.duration_ms * self._leeway_permille // 1000
        found: dict[int, Promise] = {}

        def room(at: int) -> Interval | None:
            new = queue.room(at, quote.duration_ms, leeway_ms, request.by)
            if new is None:
                return None
            found[new.start] = new
            return queue.fit(new.start, quote.duration_ms)

        placed = self._starts.place(quote, request, room, loads, now)
        if placed is None:
            return None
        return Promised(placed.start, found[placed.start].end, placed.co2e_mg, placed.basis)

    def _heads(self, now: Timestamp) -> list[Slot]:
        waiting: dict[str, list[Slot]] = {}
        busy: set[str] = set()
        for slot in self._schedule.open():
            if slot.is_at_machine():
                busy.add(slot.offered.machine)
            elif isinstance(slot.state, Leased):
                waiting.setdefault(slot.offered.machine, []).append(slot)
        found = (self._head(slots, now) for name, slots in waiting.items() if name not in busy)
        return [slot for slot in found if slot is not None]

    def _head(self, slots: list[Slot], now: Timestamp) -> Slot | None:
        queue = self._queue(slots[0].offered.machine, now)
        preferred = self._prefer(slots, now)
        return next((slot for slot in preferred if queue.may_begin(slot.offer.id, now)), None)

    def _likely(self, promise: Promise) -> Promise:
        slot = self._schedule.of_offer(RecordId(promise.id))
        assert slot is not None
        length_ms = min(promise.length_ms, _needs_ms(slot.offered))
        return replace(promise, start=0, length_ms=length_ms)

    def _queue(self, machine: str, now: Timestamp) -> Queue:
        return self._schedule.queue(machine, now, partial(self._starts.window, machine))

    def _loads(self, now: Timestamp) -> list[Load]:
        """Return what runs in the whole workshop, or has the promise of a window."""
        return [_load(slot, now) for slot in self._schedule.open() if slot.is_alive()]


def _load(slot: Slot, now: Timestamp) -> Load:
    offer = slot.offered
    match slot.state:
        case Running(began=began):
            return Load(offer.machine, began, max(offer.end, now + 1), offer.machine_seconds)
        case Ready():
            return Load(offer.machine, now, max(offer.end, now + 1), offer.machine_seconds)
        case _:
            return Load(offer.machine, offer.start, offer.end, offer.machine_seconds)


def _worth(request: Request, offered: tuple[Promised, Quote]) -> tuple[int, int, str]:
    """Order offers by what they cost the buyer, its time counted; by the end if it says nothing
    of that."""
    window, quote = offered
    promised = Promise(b"", window.start, window.end, quote.duration_ms)
    margin_ms = max(0, quote.duration_ms - _needs_ms(quote))
    end = planned_end(promised) - margin_ms
    cost = quote.price_minor * HOUR_MS + end * request.hour_minor
    return cost if request.hour_minor else end, quote.price_minor, quote.machine


def _needs_ms(what: Quote | Offer) -> int:
    """Return how long the machine is at it, without the margin of its window; at least 1."""
    return max(1, what.machine_seconds * 1000)
