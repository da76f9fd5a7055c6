"""Bugs on purpose, one of each kind that the checkers are there for.

Each is a small change to the real core. A simulation that does not find them proves nothing.
"""

from collections.abc import Iterable

from commonfab.protocol import events
from commonfab.protocol.admission import Admission, Ignore, Place, Verdict
from commonfab.protocol.author import Author
from commonfab.protocol.effects import Effect, Keep, Send
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease.attempts import Granted, JobState, Leased, OrderState
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.buyer import Timing as BuyerTiming
from commonfab.protocol.lease.owner import Owner, Quoter
from commonfab.protocol.lease.owner import Timing as OwnerTiming
from commonfab.protocol.lease.planning import Planner
from commonfab.protocol.lease.schedule import Schedule
from commonfab.protocol.lease.slots import Held, Slot
from commonfab.protocol.lease.slots import Leased as SlotLeased
from commonfab.protocol.records import Offer, Receipt, Record

from .node import Build
from .syncing import Follower, Leader


class SendsFirst(Owner):
    """Says things before they are on the disk."""

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        due = super().handle(event, now)
        return sorted(due, key=lambda effect: isinstance(effect, Keep))


class _LapsesByTheClock(Schedule):
    """Lets the clock alone say whether an offer still holds its window."""

    def _taken(self, machine: str, now: Timestamp) -> list[tuple[int, int]]:
        spans = (s.occupies(now) for s in self.open() if s.offered.machine == machine)
        over = {s.occupies(now) for s in self.open() if _is_lapsed(s, now)}
        return sorted(span for span in spans if span is not None and span not in over)

    def check_free(self, slot: Slot, now: Timestamp) -> None:
        pass


def _is_lapsed(slot: Slot, now: Timestamp) -> bool:
    return isinstance(slot.state, Held) and now >= slot.offered.held_until


class RevivesHolds(Owner):
    """Writes no end of an offer down: a clock set back brings it to life again."""

    def __init__(
        self,
        author: Author,
        quoter: Quoter,
        timing: OwnerTiming | None = None,
        stored: Iterable[Slot] = (),
    ) -> None:
        super().__init__(author, quoter, timing)
        self._schedule = _LapsesByTheClock()
        for slot in stored:
            self._schedule.put(slot)

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        self._now = Timestamp(0)
        return super().handle(event, now)

    def _advance_slot(self, slot: Slot, now: Timestamp) -> None:
        if not _is_lapsed(slot, now):
            super()._advance_slot(slot, now)

    @staticmethod
    def _next_at(slot: Slot) -> int:
        return 2**50 if isinstance(slot.state, Held) else Owner._next_at(slot)


class ForgetsThatItEnded(Owner):
    """Gives the window of what it has given up away, and does not write it down."""

    def _close(self, slot: Slot, reason: str, now: Timestamp) -> Record:
        release = super()._close(slot, reason, now)
        self._out.remove(Keep(release))
        return release


class _NeverBusy(Schedule):
    def is_running(self, machine: str) -> bool:
        return False


class StartsOutOfTurn(Owner):
    """Asks for the grant of every lease at once, whatever the machine is at."""

    def __init__(
        self,
        author: Author,
        quoter: Quoter,
        timing: OwnerTiming | None = None,
        stored: Iterable[Slot] = (),
    ) -> None:
        super().__init__(author, quoter, timing)
        self._schedule = _NeverBusy()
        for slot in stored:
            self._schedule.put(slot)

    def _make_ready(self, now: Timestamp) -> None:
        for slot in self.slots():
            if isinstance(slot.state, SlotLeased):
                self._ask_for_grant(slot, slot.state.lease, 1000, now)


class GrantsTwice(Buyer):
    """Signs a new grant each time that it is asked, instead of repeating the one there is."""

    def _say_again(self, job: JobState, state: Leased | Granted) -> None:
        if isinstance(state, Granted) and job.current.release is None:
            until = Timestamp(state.grant.body.until)
            grant = self._letters.grant(state.lease, until, until, self._now)
            self._out += [Keep(grant), Send(job.current.owner, grant)]


class ForgetsTheEpoch(Buyer):
    """After a restart, counts the attempts at each job from the start."""

    def __init__(
        self,
        author: Author,
        planner: Planner,
        timing: BuyerTiming | None = None,
        stored: Iterable[OrderState] = (),
    ) -> None:
        super().__init__(author, planner, timing, stored)
        for state in self.orders():
            for job in state.jobs:
                job.epoch = min(job.epoch, 1)


class IsImpatient(Buyer):
    """Begins every next attempt in the epoch of the last."""

    def _ask_for(
        self, state: OrderState, job: JobState, owners: list[NodeId], now: Timestamp
    ) -> None:
        if job.attempts:
            job.epoch -= 1
        super()._ask_for(state, job, owners, now)


class GoesByItsOwnClock(Buyer):
    """Takes no offer that, by the clock here, is held no more: the owner's may be another."""

    def _offered(self, record: Record, request: RecordId, now: Timestamp) -> None:
        assert isinstance(record.body, Offer)
        if now < record.body.held_until:
            super()._offered(record, request, now)


class CountsTwice(Buyer):
    """Counts a receipt each time that it comes."""

    def _reported(self, record: Record, receipt: Receipt, now: Timestamp) -> None:
        super()._reported(record, receipt, now)
        job = self._orders.find(receipt.lease)
        attempt = job.attempt(RecordId(receipt.lease)) if job else None
        if attempt is not None and attempt.receipt is not None:
            attempt.made += receipt.pieces


class LosesPieces(Buyer):
    """Confirms what was made, and does not write it down."""

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        return [
            effect
            for effect in super().handle(event, now)
            if not (isinstance(effect, Keep) and isinstance(effect.record.body, Receipt))
        ]


class BelievesBoth(Admission):
    """Takes a second record for a place that is taken."""

    def _taken_by(self, place: Place) -> RecordId | None:
        return None


class ActsOnNoProof(Admission):
    """Goes on believing whoever signed two records for one place."""

    def _judge_proof(self, record: Record) -> Verdict:
        return Ignore("whatever")


class StopsEarly(Leader):
    """Ends every session after the first answer."""

    def reply(self, frame: bytes) -> bytes | None:
        super().reply(frame)
        return None


class FallsOver(Follower):
    """Takes whatever comes for a message in form."""

    def answer(self, frame: bytes) -> bytes:
        try:
            return super().answer(frame)
        except Malformed as error:
            raise IndexError("list index out of range") from error


def believe(sealed: Envelope) -> None:
    """Find every signature good."""


BUGS = {
    "an owner that sends before it keeps": Build(owner=SendsFirst),
    "a hold un-expired by a clock set back": Build(owner=RevivesHolds),
    "an owner that does not keep its releases": Build(owner=ForgetsThatItEnded),
    "an owner that starts jobs out of turn": Build(owner=StartsOutOfTurn),
    "a buyer that grants twice": Build(buyer=GrantsTwice),
    "a buyer that forgets the epoch": Build(buyer=ForgetsTheEpoch),
    "a buyer that does not count the epochs": Build(buyer=IsImpatient),
    "a buyer that goes by its own clock": Build(buyer=GoesByItsOwnClock),
    "a buyer that counts twice": Build(buyer=CountsTwice),
    "a buyer that does not keep receipts": Build(buyer=LosesPieces),
    "a node that believes two records for one place": Build(admission=BelievesBoth),
    "a node that acts on no proof": Build(admission=ActsOnNoProof),
    "a leader that ends its sessions early": Build(leader=StopsEarly),
    "a follower that falls over garbage": Build(follower=FallsOver),
    "a node that believes unsigned records": Build(verify=believe),
}
