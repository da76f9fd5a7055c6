"""The owner's side of the lease protocol: who may use which machine, and when.

    request --quote--> Held --acceptance--> Leased --its turn--> Ready --grant--> Running
                        |                     |                    |                 |
                        | lapsed, released    | released, late     | no grant        | ended
                        v                     v                    v                 v
                      Ended                 Ended                Ended           Reported
                                                                                     |
                                                                 Ended <--confirmed--+

Only a machine's own node leases it, so no two nodes have to agree. What must not be
forgotten is kept before it is said: an offer before it is sent (it holds a window), a
lease before the answer, a grant before the machine starts, a receipt before the buyer
hears of it, and the end of a slot before its window is given to another.
Two slots that are alive never overlap on a machine. Rules: specs/lease.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from .. import effects, events
from ..author import Author
from ..effects import Effect
from ..ids import NodeId, RecordId, Timestamp
from ..limits import (
    CLOCK_SKEW_MS_MAX,
    HOLD_MS_MAX,
    LEASE_TERM_MS_MAX,
    PATIENCE_MS_MAX,
    WINDOWS_OVER_MAX,
)
from ..records import Acceptance, Grant, Receipt, Record, Release, Request, Window
from .intake import Automatic, HouseRule, Intake
from .letters import Letters
from .reporting import Reporting
from .rooms import Prefer, Rooms, shortest_first
from .schedule import Schedule
from .slots import (
    Ended,
    Held,
    Leased,
    Quote,
    Ready,
    Reported,
    Running,
    Slot,
    State,
    lease_of,
)
from .starts import AtOnce, Starts
from .telling import Telling
from .windows import LEEWAY_PERMILLE, length_of

BEAT_MS_MIN = 1_000
ENDED_KEPT_MS = 60 * 60_000
"""How long what is over is answered for, once its request can be played no more."""

# While a request can be played again, its slot is remembered and holds nothing twice.
assert 2 * CLOCK_SKEW_MS_MAX + HOLD_MS_MAX < ENDED_KEPT_MS


class Quoter(Protocol):
    """Knows this workshop's machines and house rules; scheduler/quote.py is the real one."""

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        """Return a quote for each machine that can do it, or one sentence: why none can."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the owner waits, in milliseconds."""

    hold_ms: int = 10_000
    """For the acceptance of an offer, where the buyer does not ask for longer."""
    resend_ms: int = 1_000
    """Before it asks for the grant, or tells of the end, once more; doubles each time."""
    ask_ms_max: int = 5 * 60_000
    """Between two questions for a grant."""
    leeway_permille: int = LEEWAY_PERMILLE


class Owner:
    """One for each node: the leases on all its machines."""

    schedule: type[Schedule] = Schedule

    def __init__(
        self,
        author: Author,
        quoter: Quoter,
        timing: Timing | None = None,
        stored: Iterable[Slot] = (),
        starts: Starts | None = None,
        prefer: Prefer | None = None,
        rule: HouseRule | None = None,
        waiting: Iterable[Record] = (),
    ) -> None:
        """`stored`: the slots of the time before, as restore.py rebuilds them, and `waiting` the
        requests on which nobody had decided."""
        self.quoter = quoter
        self._letters = Letters(author)
        self._timing = timing or Timing()
        assert self._timing.hold_ms <= HOLD_MS_MAX
        self._schedule = self.schedule()
        self._rooms = Rooms(
            self._schedule,
            starts or AtOnce(),
            prefer or shortest_first,
            self._timing.leeway_permille,
        )
        self._intake = Intake(self._schedule, rule or Automatic(), waiting)
        self._now = Timestamp(0)
        self._begin_at = 0
        """When the next lease may begin that waits for hours or power; 0: none does."""
        self._out: list[Effect] = []
        self._telling = Telling(self._letters, self._out.append)
        self._reporting = Reporting(
            self._letters, self._schedule, self._telling, self._timing.resend_ms, self._out.append
        )
        for slot in stored:
            self._now = max(self._now, self._letters.go_on_after(slot))
            self._schedule.put(slot)

    def slots(self) -> list[Slot]:
        """Return all that is not over, each machine's in the order of their turns."""
        return self._schedule.open()

    def waiting(self, now: Timestamp) -> list[Record]:
        """Return the requests on which a person is to decide, the oldest first."""
        return self._intake.waiting(now)

    def note_windows(self, windows: Iterable[Record]) -> None:
        """Take in what this node has signed, also in a time that its disk knows nothing of."""
        self._schedule.note_windows(windows)

    def free_at(self, machine: str, now: Timestamp) -> int:
        return self._rooms.free_at(machine, now)

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        """Return what must now be done, in order."""
        # A clock that is set back must not bring a lapsed hold to life again (LEASE-5).
        now = self._now = max(now, self._now)
        self._out.clear()
        match event:
            case events.Arrived(record):
                self._arrived(record, now)
            case events.JobProgressed(lease, state, permille):
                slot = self._schedule.of_lease(lease)
                if slot and isinstance(slot.state, Running):
                    self._set(slot, replace(slot.state, state=state, permille=permille))
            case events.JobEnded():
                self._reporting.ended(event, now)
            case events.Decided():
                self._decided(event, now)
            case events.MachinesChanged(machines):
                self._give_back_leases_outside(machines, now)
            case events.Restarted():
                self._resume()
            case (
                events.Tick()
                | events.Placed()
                | events.Shown()
                | events.Entrusted()
                | events.MachineFound()
                | events.Cancelled()
            ):
                pass
            case _:
                assert_never(event)
        self._advance(now)
        return list(self._out)

    # Letters from buyers.

    def _arrived(self, record: Record, now: Timestamp) -> None:
        match record.body:
            case Request():
                self._asked(record, record.body, now)
            case Acceptance(offer=offer):
                self._accepted(record, self._schedule.of_offer(RecordId(offer)), now)
            case Grant(lease=lease):
                self._granted(record, record.body, self._schedule.of_lease(RecordId(lease)), now)
            case Release(about=about, if_gain=True):
                self._asked_to_let_go(record, self._schedule.of_lease(RecordId(about)), now)
            case Release(about=about):
                self._released(record, record.body, RecordId(about), now)
            case Window() if record.author == self._letters.node:
                self.note_windows([record])
            case Receipt(statement="confirmed", lease=lease):
                slot = self._schedule.of_lease(RecordId(lease))
                self._reporting.confirmed(record, record.body, slot, now)
            case _:
                pass

    def _asked(self, record: Record, request: Request, now: Timestamp) -> None:
        known = self._schedule.of_request(record.id)
        if known is not None:
            self._telling.say_again(known, record)
            return
        why_not = self._intake.why_not(record, request)
        if why_not:
            self._telling.refuse(record, why_not, now)
            return
        for slot in self._intake.rivals(record.author, request):
            if isinstance(slot.state, Held | Leased | Ready):
                self._end(slot, "fenced off by a later epoch", now)
        quotes = self.quoter.quote(request, now, record.author)
        if isinstance(quotes, str):
            self._telling.refuse(record, quotes, now)
        elif not self._intake.must_ask(record):
            self._hold(record, request, quotes, now)
        elif why_not := self._intake.why_not_ask(request, now):
            self._telling.refuse(record, why_not, now)
        else:
            self._intake.wait(record, request)
            self._out.append(effects.Keep(record))

    def _decided(self, event: events.Decided, now: Timestamp) -> None:
        record = self._intake.take(event.request)
        if record is None:
            return
        assert isinstance(record.body, Request)
        quotes = self.quoter.quote(record.body, now, record.author)
        if not event.takes or isinstance(quotes, str):
            self._telling.refuse(record, event.reason or "its operator said no", now)
        else:
            self._hold(record, record.body, quotes, now)

    def _hold(self, record: Record, request: Request, quotes: list[Quote], now: Timestamp) -> None:
        best = self._rooms.best(quotes, request, now)
        if best is None or best[0].end > now + LEASE_TERM_MS_MAX:
            why_not = "queue, hours and power here leave no window to promise"
            self._telling.refuse(record, why_not, now)
            return
        window, quote = best
        offer = self._letters.offer(record, quote, window, self._hold_ms(request), now)
        slot = Slot(record, offer, Held())
        self._schedule.check_free(slot)
        self._schedule.put(slot)
        self._telling.keep_and_send(slot.buyer, record, offer)

    def _hold_ms(self, request: Request) -> int:
        """Return for how long an offer is held: until its buyer's answer can be here."""
        return max(self._timing.hold_ms, min(2 * request.patience_ms, PATIENCE_MS_MAX))

    def _accepted(self, record: Record, slot: Slot | None, now: Timestamp) -> None:
        if slot is None or slot.buyer != record.author:
            self._telling.refuse(record, "no such offer here", now)
            return
        if not isinstance(slot.state, Held):
            self._telling.say_again(slot, record)
            return
        if now >= slot.offered.held_until:
            self._end(slot, "the offer has lapsed", now)
            return
        machine, over = slot.offered.machine, self._schedule.over(slot)
        if len(over) > WINDOWS_OVER_MAX:
            self._end(slot, "too many windows were given back here in this time", now)
            return
        previous = self._schedule.last_window(machine)
        window = self._letters.window(slot, record, previous, over, now)
        lease = self._letters.lease(slot, record, window, now)
        self._set(slot, Leased(lease))
        # The window is last: were it alone on the disk, the next would make it a lie.
        self._out += [effects.Keep(kept) for kept in (record, lease, window)]
        self._out.append(effects.Send(slot.buyer, lease))
        self._out.append(effects.Prepare(slot.request))
        self._out.append(effects.CapacityChanged(machine))

    def _granted(self, record: Record, grant: Grant, slot: Slot | None, now: Timestamp) -> None:
        if slot is None or record.author not in slot.granters:
            self._telling.refuse(record, "no such lease here", now)
            return
        asked = slot.asked
        if (grant.order, grant.job, grant.epoch) != (asked.order, asked.job, asked.epoch):
            self._telling.refuse(record, "the lease is for another job", now)
            return
        match slot.state:
            case Leased(lease) | Ready(lease) if now > min(lease_of(lease).start_by, grant.use_by):
                self._end(slot, "the grant came too late", now)
            case Ready(granted_by=granted_by) if record.author not in granted_by:
                self._take_grant(record, slot, slot.state, now)
            case Leased(granted_by=granted_by) if asked.patience_ms:
                self._out.append(effects.Keep(record))
                self._set(slot, replace(slot.state, granted_by=granted_by | {record.author}))
            case Held() | Leased() | Ready() | Running():
                pass  # A grant out of turn comes again when the machine is free and asks for it.
            case Reported() | Ended():
                self._telling.say_again(slot, record)

    def _take_grant(self, record: Record, slot: Slot, state: Ready, now: Timestamp) -> None:
        granted_by = state.granted_by | {record.author}
        self._out.append(effects.Keep(record))
        if not slot.is_enough(granted_by):
            self._set(slot, replace(state, granted_by=granted_by))
            return
        self._begin(slot, state.lease, now)

    def _begin(self, slot: Slot, lease: Record, now: Timestamp) -> None:
        assert not self._schedule.is_running(slot.offered.machine)
        self._set(slot, Running(lease, began=now, beat_at=now))
        self._out.append(effects.Run(slot.offered.machine, lease, slot.request))

    def _released(self, record: Record, release: Release, about: RecordId, now: Timestamp) -> None:
        slot = self._schedule.of_offer(about) or self._schedule.of_lease(about)
        if slot is None or slot.buyer != record.author:
            return
        reason = release.reason or "released by its buyer"
        match slot.state:
            case Held():
                self._close(slot, reason, now)
            case Leased() | Ready():
                self._end(slot, reason, now)
            case Running(lease):
                if not slot.state.stopping:
                    self._set(slot, replace(slot.state, stopping=reason))
                    self._out.append(effects.Keep(record))
                    self._out.append(effects.Stop(slot.offered.machine, lease, reason))
            case Reported() | Ended():
                self._telling.say_again(slot, record)

    def _asked_to_let_go(self, record: Record, slot: Slot | None, now: Timestamp) -> None:
        """Give a lease back whose job has a better offer, if others here gain by it (LEASE-35)."""
        if slot is None or slot.buyer != record.author:
            return
        match slot.state:
            case Leased(granted_by=by) if not by and self._rooms.is_better_without(slot, now):
                self._end(slot, "given back for a better machine", now)
            case Ended():
                self._telling.say_again(slot, record)
            case _:
                self._telling.refuse(record, "it is kept here: nobody waits for its window", now)

    # The machine's word, and the operator's.

    def _give_back_leases_outside(self, machines: frozenset[str], now: Timestamp) -> None:
        for slot in self.slots():
            if slot.offered.machine not in machines and isinstance(
                slot.state, Held | Leased | Ready
            ):
                self._end(slot, f"{slot.offered.machine} takes no jobs now", now)

    def _resume(self) -> None:
        for slot in self.slots():
            machine = slot.offered.machine
            match slot.state:
                case Leased() | Ready():
                    self._out.append(effects.Prepare(slot.request))
                case Running(lease=lease, stopping=stopping):
                    self._out.append(effects.Resume(machine, lease, slot.request))
                    if stopping:
                        self._out.append(effects.Stop(machine, lease, stopping))
                case Held() | Reported() | Ended():
                    pass

    # Time.

    def _advance(self, now: Timestamp) -> None:
        for slot in self.slots():
            self._advance_slot(slot, now)
        self._make_ready(now)
        wake = [self._next_at(slot) for slot in self.slots()]
        wake += [self._begin_at] if self._begin_at else []
        if wake:
            self._out.append(effects.WakeAt(Timestamp(max(min(wake), now + 1))))
        self._schedule.forget_ended(Timestamp(now - ENDED_KEPT_MS), now)

    def _advance_slot(self, slot: Slot, now: Timestamp) -> None:
        match slot.state:
            case Held():
                if now >= slot.offered.held_until:
                    self._close(slot, "the offer has lapsed", now)
            case Leased(lease) | Ready(lease) if now > lease_of(lease).start_by:
                self._end(slot, "it was not started in time", now)
                self._note_waste(slot)
            case Ready(lease, ask_at=ask_at, wait_ms=wait_ms):
                if now >= ask_at:
                    wait_ms = min(2 * wait_ms, self._timing.ask_ms_max)
                    self._ask_for_grant(slot, lease, wait_ms, now)
            case Running(beat_at=beat_at):
                if now >= beat_at:
                    at = Timestamp(now + _beat_ms(slot))
                    self._set(slot, replace(slot.state, beat_at=at))
                    self._telling.progress(slot, slot.state.state, slot.state.permille, now)
            case Reported(tell_at=tell_at):
                if now >= tell_at:
                    self._reporting.tell_again(slot, slot.state, now)
            case Leased() | Ended():
                pass

    def _make_ready(self, now: Timestamp) -> None:
        """Ask for the grant of each machine's next lease, early where all promises still hold,
        and hours and power let it."""
        heads = self._rooms.next(now)
        for slot, at in heads:
            if at > now or not isinstance(slot.state, Leased):
                continue
            if slot.is_enough(slot.state.granted_by):
                # The grant may be days old: that the job begins is news to this disk.
                begins = self._letters.progress(slot, "running", 0, now)
                self._out.append(effects.Keep(begins))
                self._begin(slot, slot.state.lease, now)
            else:
                self._ask_for_grant(slot, slot.state.lease, self._timing.resend_ms, now)
        self._begin_at = min((at for _, at in heads if at > now), default=0)

    def _ask_for_grant(self, slot: Slot, lease: Record, wait_ms: int, now: Timestamp) -> None:
        assert isinstance(slot.state, Leased | Ready)
        by = slot.state.granted_by
        self._set(slot, Ready(lease, Timestamp(now + wait_ms), wait_ms, by))
        self._telling.progress(slot, "ready", 0, now)
        self._telling.show_guardians(slot, [slot.request, slot.offer, lease], now)

    @staticmethod
    def _next_at(slot: Slot) -> int:
        match slot.state:
            case Held():
                return slot.offered.held_until
            case Leased(lease):
                return lease_of(lease).start_by + 1
            case Ready(lease, ask_at=at):
                return min(at, lease_of(lease).start_by + 1)
            case Running(beat_at=at) | Reported(tell_at=at):
                return at
            case Ended():
                raise AssertionError("what has ended waits for nothing")

    # What is said.

    def _set(self, slot: Slot, state: State) -> None:
        self._schedule.put(replace(slot, state=state))

    def _end(self, slot: Slot, reason: str, now: Timestamp) -> None:
        """Give up a slot that has not started, and tell its buyer."""
        release = self._close(slot, reason, now)
        self._out.append(effects.Send(slot.buyer, release))
        if slot.lease is not None:
            self._out.append(effects.CapacityChanged(slot.offered.machine))

    def _note_waste(self, slot: Slot) -> None:
        """Note of a slot that has ended that its buyer was asked for the grant in vain."""
        ended = self._schedule.of_request(slot.request.id)
        if isinstance(slot.state, Ready) and ended and isinstance(ended.state, Ended):
            self._set(ended, replace(ended.state, is_wasted=True))

    def _close(self, slot: Slot, reason: str, now: Timestamp) -> Record:
        """Give up a slot: kept before the window can go to another (LEASE-4)."""
        about = slot.lease or slot.offer
        release = self._letters.release(about.id, slot.buyer, reason, now)
        self._out.append(effects.Keep(release))
        self._set(slot, Ended(release, now, slot.lease))
        return release


def _beat_ms(slot: Slot) -> int:
    """Report ten times in a job, but not all the time."""
    return max(BEAT_MS_MIN, length_of(slot.offered) // 10)
