"""Bugs on purpose, one of each kind that the checkers are there for.

Each is a small change to the real core. A simulation that does not find them proves nothing.
"""

from collections.abc import Iterable
from dataclasses import replace

from commonfab.protocol import events, records
from commonfab.protocol.admission import Admission, Ignore, Place, Verdict
from commonfab.protocol.author import Author
from commonfab.protocol.body import Body
from commonfab.protocol.effects import Effect, Keep, Send
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease.attempts import Granted, JobState, Leased, OrderState
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.parting import Parting
from commonfab.protocol.lease.planning import Planner
from commonfab.protocol.lease.rounds import Rounds
from commonfab.protocol.lease.schedule import Schedule
from commonfab.protocol.lease.slots import Held, Slot
from commonfab.protocol.lease.slots import Leased as SlotLeased
from commonfab.protocol.lease.turns import Fit, Queue
from commonfab.protocol.lease.votes import Votes
from commonfab.protocol.lease.waits import Timing as BuyerTiming
from commonfab.protocol.limits import GRACE_MS_MIN
from commonfab.protocol.records import (
    Grant,
    Job,
    Lease,
    Offer,
    Order,
    Receipt,
    Record,
)

from .node import Build
from .syncing import Follower, Leader


class SendsFirst(Owner):
    """Says things before they are on the disk."""

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        due = super().handle(event, now)
        return sorted(due, key=lambda effect: isinstance(effect, Keep))


class _LapsesByTheClock(Schedule):
    """Lets the clock alone say whether an offer still holds its window."""

    def queue(self, machine: str, now: Timestamp, fit: Fit) -> Queue:
        queue = super().queue(machine, now, fit)
        lapsed = {slot.offer.id for slot in self.open() if _is_lapsed(slot, now)}
        return replace(queue, promises=tuple(p for p in queue.promises if p.id not in lapsed))

    def check_free(self, slot: Slot) -> None:
        pass


def _is_lapsed(slot: Slot, now: Timestamp) -> bool:
    return isinstance(slot.state, Held) and now >= slot.offered.held_until


class RevivesHolds(Owner):
    """Writes no end of an offer down: a clock set back brings it to life again."""

    schedule = _LapsesByTheClock

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

    schedule = _NeverBusy

    def _make_ready(self, now: Timestamp) -> None:
        for slot in self.slots():
            if isinstance(slot.state, SlotLeased):
                self._ask_for_grant(slot, slot.state.lease, 1000, now)


_HASTY = Order(
    stream="order",
    seq=1,
    at=0,
    order=bytes(16),
    design=bytes(32),
    quantity=1,
    place=records.Place(lat_udeg=0, lon_udeg=0),
    jobs=(Job(part="any", pieces=1),),
    grace_ms=GRACE_MS_MIN,
)


class _RepeatsNothing(Parting):
    def say_again(self, job: JobState, state: Leased | Granted) -> None:
        if isinstance(state, Granted) and job.current.release is None:
            grant = self._letters.grant(
                state.lease, _HASTY, state.lease.body.at, Timestamp(state.grant.body.at)
            )
            self._do(Keep(grant))
            self._do(Send(job.current.owner, grant))


class GrantsTwice(Buyer):
    """Signs a new grant each time that it is asked, instead of repeating the one there is."""

    parting = _RepeatsNothing


class ForgetsTheEpoch(Buyer):
    """After a restart, counts the attempts at each job from the start."""

    def __init__(
        self,
        author: Author,
        planner: Planner,
        timing: BuyerTiming | None = None,
        stored: Iterable[OrderState] = (),
        votes: Votes | None = None,
    ) -> None:
        super().__init__(author, planner, timing, stored, votes)
        for state in self.orders():
            for job in state.jobs:
                job.epoch = min(job.epoch, 1)


class _SameEpoch(Rounds):
    def _ask_for(
        self, state: OrderState, job: JobState, owners: list[NodeId], now: Timestamp
    ) -> None:
        if job.attempts:
            job.epoch -= 1
        super()._ask_for(state, job, owners, now)


class IsImpatient(Buyer):
    """Begins every next attempt in the epoch of the last."""

    rounds = _SameEpoch


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


class _NamesNothing(Schedule):
    def over(self, slot: Slot) -> tuple[RecordId, ...]:
        return ()


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


class GrantsAnyway(Votes):
    """Grants whatever it is shown, as a guardian: while an earlier lease may be at work, too."""

    def may_grant(self, order: bytes, job: int, epoch: int, now: Timestamp) -> bool:
        return True


class ForgetsWindows(Owner):
    """Names no window as over: an honest owner that gives one back is taken for a liar."""

    schedule = _NamesNothing


class LosesGrants(Owner):
    """Starts the machine, and does not write down that it may."""

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        return _without(Grant, super().handle(event, now))


class LosesOffers(Owner):
    """Says offers, and does not write them down."""

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        return _without(Offer, super().handle(event, now))


class LosesLeases(Owner):
    """Says leases, and does not write them down."""

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        return _without(Lease, super().handle(event, now))


class LosesReceipts(Owner):
    """Tells the end of a job, and does not write it down."""

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        return _without(Receipt, super().handle(event, now))


def _without(kind: type[Body], due: list[Effect]) -> list[Effect]:
    return [e for e in due if not (isinstance(e, Keep) and isinstance(e.record.body, kind))]


def believe(sealed: Envelope) -> None:
    """Find every signature good."""


BUGS = {
    "an owner that sends before it keeps": Build(owner=SendsFirst),
    "a hold un-expired by a clock set back": Build(owner=RevivesHolds),
    "an owner that does not keep its releases": Build(owner=ForgetsThatItEnded),
    "an owner that starts jobs out of turn": Build(owner=StartsOutOfTurn),
    "an owner that names no window as over": Build(owner=ForgetsWindows),
    "an owner that does not keep its offers": Build(owner=LosesOffers),
    "an owner that does not keep its leases": Build(owner=LosesLeases),
    "an owner that does not keep grants": Build(owner=LosesGrants),
    "an owner that does not keep its receipts": Build(owner=LosesReceipts),
    "a guardian that grants whatever it is shown": Build(votes=GrantsAnyway),
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
