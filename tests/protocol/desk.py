"""Bob's owner and Alice's buyer as desks: letters in, and what they ask for, sorted."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from commonfab.protocol import effects, events
from commonfab.protocol.author import Author
from commonfab.protocol.body import Body
from commonfab.protocol.effects import Effect
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease.attempts import JobState, OrderState
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.owner import Owner, Quoter, Timing
from commonfab.protocol.lease.restore import restore_orders, restore_slots
from commonfab.protocol.lease.slots import Quote, Slot
from commonfab.protocol.lease.starts import Starts
from commonfab.protocol.records import (
    Design,
    Offer,
    Order,
    Receipt,
    Record,
    Refusal,
    Release,
    Request,
)
from tests.builders import (
    NOON,
    WINDOW_MS,
    a_design,
    a_grant,
    a_lease,
    a_progress,
    a_request,
    an_acceptance,
    an_offer,
    an_order,
    body_of,
)
from tests.protocol.signers import ALICE, BOB, CAROL, Person

E = TypeVar("E", bound=Effect)
B = TypeVar("B", bound=Body)


@dataclass
class FixedQuoter:
    """Every machine takes the same time for everything."""

    machines: tuple[str, ...] = ("mk3",)
    window_ms: int = WINDOW_MS
    refusal: str = ""
    margin_ms: int = 0
    """Of each window."""

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        return self.refusal or [
            Quote(
                machine=machine,
                duration_ms=self.window_ms,
                price_minor=250,
                currency="EUR",
                machine_seconds=(self.window_ms - self.margin_ms) // 1000,
                mass_mg=100_000,
                energy_mwh=16_667,
                co2e_mg=5_000,
            )
            for machine in self.machines
        ]


@dataclass
class FixedPlanner:
    """Asks the same owners for every job, and takes the offer that ends first."""

    owners: tuple[Person, ...] = (BOB,)

    def shortlist(
        self,
        order: Order,
        design: Design,
        jobs: list[tuple[int, int]],
        now: Timestamp,
        avoid: frozenset[NodeId],
    ) -> list[list[NodeId]]:
        owners = [owner.node for owner in self.owners if owner.node not in avoid]
        return [owners for _ in jobs]

    def choose(
        self,
        order: Order,
        design: Design,
        offers: dict[int, list[tuple[NodeId, RecordId, Offer]]],
        now: Timestamp,
    ) -> dict[int, RecordId]:
        return {
            job: min(offered, key=lambda o: (o[2].end, o[1]))[1]
            for job, offered in offers.items()
            if offered
        }

    def better(
        self,
        order: Order,
        design: Design,
        job: int,
        has: tuple[NodeId, RecordId, Offer],
        offers: list[tuple[NodeId, RecordId, Offer]],
        now: Timestamp,
    ) -> RecordId | None:
        best = min(offers, key=lambda o: (o[2].end, o[1]), default=None)
        return best[1] if best and best[2].end < has[2].end else None


OTHER_ORDER = b"order number two"
TWO = FixedQuoter(machines=("mk3", "mk4"))
BOTH = FixedPlanner(owners=(BOB, CAROL))
NOBODY = FixedPlanner(owners=())


def to_bob(letters: list[Record]) -> Record:
    return next(letter for letter in letters if body_of(letter, Request).to == BOB.node)


def to_carol(letters: list[Record]) -> Record:
    return next(letter for letter in letters if body_of(letter, Request).to == CAROL.node)


class Desk(ABC):
    """One side with its clock and its disk."""

    def __init__(self, side: Owner | Buyer, now: Timestamp = NOON) -> None:
        self.side = side
        self.now = now
        self.disk: list[Record] = []
        self.effects: list[Effect] = []
        self.effects_left = -1
        self.forgets = "nothing"
        """A stream, or the beginning of one, whose records do not get to the disk."""

    def take(self, *letters: Record) -> list[Record]:
        """Return what is sent in answer."""
        return self._carry_out([events.Arrived(letter) for letter in letters])

    def happen(self, event: events.Event) -> list[Record]:
        return self._carry_out([event])

    def wait(self, ms: int) -> list[Record]:
        """Let time pass in one step, and return what is sent at its end."""
        self.now = Timestamp(self.now + ms)
        return self.happen(events.Tick())

    def wait_long(self, ms: int) -> list[Record]:
        """Let time pass as the side asks to be woken, and return all that is sent."""
        end = self.now + ms
        sent: list[Record] = []
        while (at := self.wake_at()) is not None and at <= end:
            assert at > self.now
            self.now = at
            sent += self.happen(events.Tick())
        self.now = Timestamp(end)
        return sent

    def wake_at(self) -> Timestamp | None:
        return next((e.at for e in self.effects if isinstance(e, effects.WakeAt)), None)

    def of(self, kind: type[E]) -> list[E]:
        """Return the effects of one kind that the last event had."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def kept(self, kind: type[Body]) -> list[Record]:
        return [record for record in self.disk if isinstance(record.body, kind)]

    def dies_in(self, effects: int) -> None:
        """Let the node die before that many more effects have been carried out, and start anew.
        What it had not synced by then is lost."""
        self.effects_left = effects

    @abstractmethod
    def restart(self) -> None:
        """Begin anew from what is on the disk."""

    def _carry_out(self, happened: Iterable[events.Event]) -> list[Record]:
        self.effects = []
        for event in happened:
            self.effects += self._until_death(self.side.handle(event, self.now))
        return [e.record for e in self.effects if isinstance(e, effects.Send)]

    def _until_death(self, due: list[Effect]) -> list[Effect]:
        unsynced: list[Record] = []
        for place, effect in enumerate(due):
            if self.effects_left == 0:
                self.effects_left = -1
                self.restart()
                return due[:place] + self._until_death(
                    self.side.handle(events.Restarted(), self.now)
                )
            self.effects_left -= self.effects_left > 0
            if isinstance(effect, effects.Keep):
                if not effect.record.body.stream.startswith(self.forgets):
                    unsynced.append(effect.record)
            else:
                self.disk += unsynced
                unsynced.clear()
        self.disk += unsynced
        return due


class OwnerDesk(Desk):
    """Bob's machines, or another's."""

    side: Owner

    def __init__(
        self,
        quoter: Quoter | None = None,
        who: Person = BOB,
        timing: Timing | None = None,
        starts: Starts | None = None,
    ) -> None:
        self.who = who
        self.timing = timing or Timing(leeway_permille=0)
        self.starts = starts
        super().__init__(
            Owner(Author(who), quoter or FixedQuoter(), self.timing, starts=self.starts)
        )

    def slots(self) -> list[Slot]:
        return self.side.slots()

    def slot(self) -> Slot:
        (slot,) = self.slots()
        return slot

    def restart(self) -> None:
        stored = restore_slots(self.disk, self.who.node)
        marks = [(r.body.stream, r.body.seq) for r in self.disk if r.author == self.who.node]
        author = Author(self.who, _highest(marks))
        self.side = Owner(author, self.side.quoter, self.timing, stored, self.starts)

    # How far a slot has come.

    def held(self, request: Record | None = None) -> Record:
        (offer,) = self.take(request or a_request())
        return offer

    def leased(self, request: Record | None = None) -> Record:
        """Return a lease; where nothing is before it, the grant has been asked for."""
        lease, *_ = self.take(an_acceptance(self.held(request)))
        return lease

    def running(self, request: Record | None = None) -> Record:
        lease = self.leased(request)
        self.take(a_grant(lease))
        return lease

    def reported(self, request: Record | None = None) -> Record:
        """Return the receipt."""
        return self.end(self.running(request))

    def end(self, lease: Record, *, made: bool = True, pieces: int = 4, reason: str = "") -> Record:
        receipt, *_ = self.happen(ended(lease, made=made, pieces=pieces, reason=reason))
        return receipt


class BuyerDesk(Desk):
    """Alice's orders."""

    side: Buyer

    def __init__(self, planner: FixedPlanner | None = None) -> None:
        self.planner = planner or FixedPlanner()
        super().__init__(Buyer(Author(ALICE), self.planner))

    def place(self, order: Record, design: Record) -> list[Record]:
        self.disk += [design, order]
        return self.happen(events.Placed(order, design))

    def order(self) -> OrderState:
        (order,) = self.side.orders()
        return order

    def job(self, index: int = 0) -> JobState:
        return self.order().jobs[index]

    # How far a job has come.

    def asking(self, *jobs: int, **changes: Any) -> list[Record]:
        """Place an order; `jobs` are their pieces. Returns the requests."""
        design = a_design()
        return self.place(an_order(design, jobs=jobs or (4,), **changes), design)

    def accepting(self, **changes: Any) -> tuple[Record, Record, Record]:
        """Return a request, its offer with these changes, and the acceptance."""
        (request,) = self.asking()
        offer = an_offer(request, at=self.now, **changes)
        (acceptance,) = self.take(offer)
        return request, offer, acceptance

    def leased(self) -> Record:
        lease = a_lease(*self.accepting(), at=self.now)
        self.take(lease)
        return lease

    def granted(self) -> tuple[Record, Record]:
        """Return the lease and the grant."""
        lease = self.leased()
        (grant,) = self.take(a_progress(lease, at=self.now))
        return lease, grant

    def restart(self) -> None:
        stored = restore_orders(self.disk, ALICE.node, self.now)
        marks = [(r.body.stream, r.body.seq) for r in self.disk if r.author == ALICE.node]
        self.side = Buyer(Author(ALICE, _highest(marks)), self.planner, stored=stored)


def reason_of(letter: Record) -> str:
    assert isinstance(letter.body, Release | Refusal | Receipt)
    return letter.body.reason


def ended(
    lease: Record, *, made: bool = True, pieces: int = 4, reason: str = ""
) -> events.JobEnded:
    return events.JobEnded(
        lease=lease.id,
        made=made,
        pieces=pieces,
        started=NOON,
        machine_seconds=600,
        mass_mg=100_000,
        energy_mwh=16_667,
        co2e_mg=5_000,
        reason=reason,
    )


def _highest(marks: list[tuple[str, int]]) -> list[tuple[str, int]]:
    highest: dict[str, int] = {}
    for stream, seq in marks:
        highest[stream] = max(seq, highest.get(stream, 0))
    return list(highest.items())
