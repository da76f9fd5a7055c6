"""An order's jobs as the buyer sees them: in which state each is, and what was tried.

The transitions between the states are in `buyer.py`.
"""

from dataclasses import dataclass, field
from typing import Literal

from msgspec import structs

from ..ids import NodeId, OrderId, RecordId, Timestamp
from ..joining import joined
from ..records import Design, Lease, Offer, Order, Part, Receipt, Record, Release
from .windows import is_half_of, start_by


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nobody is asked; `reason` says why the last time came to nothing."""

    ask_at: Timestamp
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """Requests are out. An owner's answer is an offer, or a reason why not."""

    requests: dict[RecordId, NodeId]
    until: Timestamp
    offers: dict[RecordId, Record] = field(default_factory=dict[RecordId, Record])
    heard_at: dict[RecordId, Timestamp] = field(default_factory=dict[RecordId, Timestamp])
    """By request, like the offers."""
    refusals: dict[NodeId, str] = field(default_factory=dict[NodeId, str])

    def hear(self, offer: Record, now: Timestamp) -> bool:
        """Enter an offer that answers one of the requests; tell whether it is the first."""
        request = RecordId(offer_of(offer).request)
        if request in self.offers:
            return False
        self.offers[request], self.heard_at[request] = offer, now
        return True

    def take_back(self, owner: NodeId, release: Release) -> bool:
        """Enter that an owner holds its offer no more; tell whether there was one."""
        for request, offer in self.offers.items():
            if offer.id == release.about and offer.author == owner:
                del self.offers[request]
                self.refusals[owner] = release.reason
                return True
        return False

    def is_over(self, now: Timestamp) -> bool:
        return now >= self.until or len(self.offers) + len(self.refusals) >= len(self.requests)

    def offered(self) -> list[tuple[NodeId, RecordId, Offer]]:
        """Return the offers with their times by this node's clock: each was signed when it
        came, give or take its way, whatever its owner's clock says (LEASE-12)."""
        return [
            (record.author, record.id, self.as_heard(record)) for record in self.offers.values()
        ]

    def as_heard(self, record: Record) -> Offer:
        """Return one of the offers with its times by this node's clock."""
        offer = offer_of(record)
        return _shifted(offer, self.heard_at[RecordId(offer.request)] - offer.at)

    def why_no_offer(self) -> str:
        if self.offers:
            return "no offer that came can be kept together with those for the order's other jobs"
        return next(iter(self.refusals.values()), "nobody who was asked has answered")


@dataclass(frozen=True, slots=True)
class Accepting:
    """An offer is taken; its owner has not answered yet."""

    offer: Record
    acceptance: Record
    send_at: Timestamp
    until: Timestamp


@dataclass(frozen=True, slots=True)
class Comparing:
    """Others are asked, one of whom may make a leased job better."""

    asking: Asking


@dataclass(frozen=True, slots=True)
class Leaving:
    """The owner of a lease is asked to let it go, for a better offer that is held."""

    better: Record
    question: Record
    send_at: Timestamp
    give_up_at: Timestamp
    """Until then there is time to take the better offer."""


@dataclass(frozen=True, slots=True)
class Leased:
    """The slot is ours. Nothing has begun, so the buyer may still give it back."""

    offer: Record
    acceptance: Record
    lease: Record
    until: Timestamp
    """When it should have begun, with grace, by the buyer's own clock."""
    check_at: Timestamp
    """When the owner is asked whether it still holds: its release may have been lost."""
    move: Comparing | Leaving | None = None
    """How far it is with leaving this lease for a better machine (`moving.py`)."""
    ahead_ms: int = 0
    """By how much this node's clock was ahead of the owner's when the lease came, its way
    included; after a restart that is not known."""

    def offered(self) -> tuple[NodeId, RecordId, Offer]:
        """Return what the lease promises, by this node's clock."""
        return self.lease.author, self.offer.id, _shifted(offer_of(self.offer), self.ahead_ms)

    def next_at(self) -> int:
        match self.move:
            case Comparing(asking=asking):
                return min(self.check_at, self.until, asking.until)
            case Leaving(send_at=send_at, give_up_at=give_up_at):
                return min(self.check_at, self.until, send_at, give_up_at)
            case None:
                return min(self.check_at, self.until)


@dataclass(frozen=True, slots=True)
class Granted:
    """The machine may run: from here on, only its owner's word, or the grant's own `until`,
    ends the attempt."""

    offer: Record
    lease: Record
    grant: Record
    check_at: Timestamp
    permille: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """All its pieces are made."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """It will not be made."""

    reason: str = ""


State = Waiting | Asking | Accepting | Leased | Granted | Done | Dropped

Outcome = Literal["open", "made", "failed", "released", "silent", "not started", "surplus"]


@dataclass(slots=True)
class Attempt:
    """One lease of a job, and what became of it."""

    epoch: int
    pieces: int
    owner: NodeId
    offer: Offer
    lease: RecordId
    is_granted: bool = False
    outcome: Outcome = "open"
    made: int = 0
    """Good pieces, whether the job still needed them or not."""
    receipt: Receipt | None = None
    confirmation: Record | None = None
    """What this node answered to the receipt."""
    release: Record | None = None
    """What this node said when it wanted the lease no more; the machine may run all the same."""
    reason: str = ""

    def end(self, receipt: Receipt, *, is_missing: bool) -> None:
        """Enter what became of it. `is_missing`: the job still needs pieces."""
        self.receipt = receipt
        self.made = min(receipt.pieces, self.pieces)
        self.reason = receipt.reason
        self.outcome = "made" if receipt.statement == "made" else "failed"
        if self.made and not is_missing:
            self.outcome = "surplus"


@dataclass(slots=True)
class JobState:
    """One job of an order."""

    order: OrderId
    index: int
    part: Part
    wanted: int
    """Pieces that the order needs of it."""
    state: State
    epoch: int = 0
    """The highest that any owner was asked for."""
    fence: int = 0
    """The highest that another guardian asked for."""
    failures: int = 0
    look_at: Timestamp = Timestamp(0)  # noqa: RUF009 only a number
    """Before this, a better machine is not heard of."""
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    refusals: dict[NodeId, str] = field(default_factory=dict[NodeId, str])
    """The last answers of the owners that made no offer."""

    @property
    def pieces(self) -> int:
        """Those still to be made: a sum over receipts, so their order does not matter."""
        return max(0, self.wanted - self.made())

    def made(self) -> int:
        """Return the good pieces of all attempts."""
        return sum(attempt.made for attempt in self.attempts)

    def attempt(self, lease: RecordId) -> Attempt | None:
        return next((a for a in self.attempts if a.lease == lease), None)

    def failures_of(self, owner: NodeId) -> int:
        """Return how many attempts at the job an owner has spoilt."""
        return sum(a.owner == owner and a.outcome == "failed" for a in self.attempts)

    @property
    def current(self) -> Attempt:
        """The attempt of a job that is leased or granted."""
        assert isinstance(self.state, Leased | Granted)
        attempt = self.attempt(self.state.lease.id)
        assert attempt is not None
        return attempt

    def close(self, outcome: Outcome, reason: str) -> None:
        """Write down how the current attempt ended, of which there is no receipt."""
        assert self.current.outcome == "open"
        self.current.outcome = outcome
        self.current.reason = reason

    def is_as_offered(self, record: Record, offer: Offer, order: Order) -> bool:
        """Tell whether a lease says what was agreed. The grant repeats it, so nothing in it
        may be another's (LEASE-9)."""
        lease = record.body
        return (
            isinstance(lease, Lease)
            and (lease.order, lease.job, lease.epoch) == (self.order, self.index, self.epoch)
            and (lease.request, lease.machine) == (offer.request, offer.machine)
            and (lease.start, lease.end) == (offer.start, offer.end)
            and lease.length_ms == offer.length_ms
            and lease.start_by == start_by(offer, order.grace_ms, order.patience_ms)
            and is_half_of(record)
        )

    def next_at(self) -> int:
        """Return when time alone moves it on; 0: never."""
        match self.state:
            case Waiting(ask_at=at) | Asking(until=at):
                return at
            case Accepting(send_at=at, until=until):
                return min(at, until)
            case Leased() as leased:
                return leased.next_at()
            case Granted(grant=grant, check_at=at):
                return min(at, grant.body.until)
            case Done() | Dropped():
                return 0


@dataclass(slots=True)
class OrderState:
    """One order and its jobs."""

    record: Record
    design_record: Record
    jobs: list[JobState]
    show_at: Timestamp = Timestamp(0)  # noqa: RUF009 only a number
    """When its other guardians are told next that somebody goes on with it."""
    avoid: dict[NodeId, Timestamp] = field(default_factory=dict[NodeId, Timestamp])
    """Owners that let this order down, and until when they are not asked first."""
    is_cancelled: bool = False
    joined: frozenset[str] = frozenset()
    """Parts that are made of the others, by name."""

    @property
    def order(self) -> Order:
        assert isinstance(self.record.body, Order)
        return self.record.body

    @property
    def design(self) -> Design:
        assert isinstance(self.design_record.body, Design)
        return self.design_record.body

    def is_all_or_nothing(self) -> bool:
        """Tell whether nothing is taken yet before all its jobs have an offer (LEASE-31)."""
        return self.order.whole and not any(job.attempts for job in self.jobs)

    def to_ask(self, now: Timestamp) -> list[JobState]:
        """Return the jobs for which owners are to be asked now."""
        waiting = [job for job in self._makeable() if isinstance(job.state, Waiting)]
        due = [job for job in waiting if job.next_at() <= now]
        if not self.is_all_or_nothing():
            return due
        under_way = sum(not isinstance(job.state, Waiting | Done | Dropped) for job in self.jobs)
        return waiting if due and not under_way else []

    def next_at(self) -> int:
        """Return when time alone next moves one of its jobs on; 0: never."""
        return min((at for job in self._makeable() if (at := job.next_at())), default=0)

    def _makeable(self) -> list[JobState]:
        """Return the jobs without those that wait until their parts are made (LEASE-34)."""
        made = (job.state for job in self.jobs if job.part.name not in self.joined)
        if not self.joined or all(isinstance(state, Done) for state in made):
            return self.jobs
        return [
            job
            for job in self.jobs
            if job.part.name not in self.joined or not isinstance(job.state, Waiting)
        ]

    def is_over(self) -> bool:
        return all(isinstance(job.state, Done | Dropped) for job in self.jobs)

    def pieces_made(self) -> int:
        """Return the good pieces that count for the order."""
        return sum(min(job.made(), job.wanted) for job in self.jobs)

    def surplus(self) -> int:
        """Return the good pieces over and above the order."""
        return sum(max(0, job.made() - job.wanted) for job in self.jobs)


def new_order(record: Record, design: Record, now: Timestamp) -> OrderState:
    """Return an order of which nothing has been asked yet."""
    order = record.body
    assert isinstance(order, Order)
    assert isinstance(design.body, Design)
    parts = {part.name: part for part in design.body.parts}
    later = frozenset(part.name for part in joined(design.body.parts))
    jobs = [
        JobState(
            OrderId(order.order),
            index,
            parts[job.part],
            job.pieces,
            Waiting(now, "its parts are not made yet" if job.part in later else ""),
        )
        for index, job in enumerate(order.jobs)
    ]
    return OrderState(record, design, jobs, joined=later)


def _shifted(offer: Offer, ms: int) -> Offer:
    return structs.replace(
        offer,
        at=offer.at + ms,
        start=offer.start + ms,
        end=offer.end + ms,
        held_until=offer.held_until + ms,
    )


def offer_of(record: Record) -> Offer:
    assert isinstance(record.body, Offer)
    return record.body
