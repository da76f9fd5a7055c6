"""Rebuilds the lease protocol's state from the records that were kept.

Records are taken kind by kind in the order in which they follow from one another, so
that no clock matters. What was under way without a record (an open question, an answer
not yet kept) is not restored: both sides ask again.
"""

from collections.abc import Iterable
from dataclasses import replace

from ..ids import NodeId, OrderId, RecordId, Timestamp
from ..records import (
    Acceptance,
    Design,
    Evidence,
    Grant,
    Lease,
    Offer,
    Order,
    Progress,
    Receipt,
    Record,
    Release,
    Request,
)
from .attempts import (
    Accepting,
    Attempt,
    Done,
    Dropped,
    Granted,
    JobState,
    Leased,
    OrderState,
    Waiting,
    new_order,
    offer_of,
)
from .caring import Deal, deal_among, enter_deal
from .guardian import papers_of
from .slots import Ended, Held, Reported, Running, Slot, lease_of
from .slots import Leased as SlotLeased
from .windows import length_of

KINDS = (
    "design",
    "order",
    "evidence",
    "request",
    "offer",
    "acceptance",
    "lease",
    "grant",
    "progress",
    "release",
    "receipt",
)
"""What must be handed to these functions, of all that is stored."""


def _in_order(stored: Iterable[Record]) -> list[Record]:
    rank = {kind: place for place, kind in enumerate(KINDS)}

    def place(record: Record) -> tuple[int, bool, int, int, RecordId]:
        body = record.body
        is_answer = isinstance(body, Receipt) and body.statement == "confirmed"
        return rank[record.kind], is_answer, body.at, body.seq, record.id

    return sorted((record for record in stored if record.kind in rank), key=place)


def restore_slots(stored: Iterable[Record], me: NodeId) -> list[Slot]:
    """Return the slots of this node's machines."""
    books = _Slots(me)
    for record in _in_order(stored):
        books.take(record)
    return list(books.slots.values())


def restore_waiting(stored: Iterable[Record], me: NodeId) -> list[Record]:
    """Return the requests to this node that were kept and not offered anything: those on which a
    person is to decide."""
    requests: dict[RecordId, Record] = {}
    offered: set[bytes] = set()
    for record in stored:
        match record.body:
            case Request(to=to) if to == me != record.author:
                requests[record.id] = record
            case Offer(request=request) if record.author == me:
                offered.add(request)
            case _:
                pass
    return [record for identifier, record in requests.items() if identifier not in offered]


class _Slots:
    """The fold of one workshop's slots."""

    def __init__(self, me: NodeId) -> None:
        self.slots: dict[RecordId, Slot] = {}
        """By request."""
        self._me = me
        self._requests: dict[RecordId, Record] = {}
        self._request_of: dict[RecordId, RecordId] = {}
        """By offer and by lease."""

    def take(self, record: Record) -> None:
        mine = record.author == self._me
        match record.body:
            case Request(to=to) if to == self._me:
                self._requests[record.id] = record
            case Offer(request=request) if mine and request in self._requests:
                asked = self._requests[RecordId(request)]
                self.slots[asked.id] = Slot(asked, record, Held())
                self._request_of[record.id] = asked.id
            case Lease(request=request) if mine and request in self.slots:
                slot = self.slots[RecordId(request)]
                self._set(replace(slot, state=SlotLeased(record)))
                self._request_of[record.id] = slot.request.id
            case Grant(lease=lease):
                self._take_grant(record, self._find(lease))
            case Progress(lease=lease) if mine:
                self._take_begin(self._find(lease))
            case Release(about=about):
                self._take_release(record, record.body, self._find(about))
            case Receipt(lease=lease):
                self._take_receipt(record, record.body, self._find(lease))
            case _:
                pass

    def _take_grant(self, record: Record, slot: Slot | None) -> None:
        if slot and record.author in slot.granters and isinstance(slot.state, SlotLeased):
            granted_by = slot.state.granted_by | {record.author}
            self._set(replace(slot, state=replace(slot.state, granted_by=granted_by)))
            if slot.is_enough(granted_by) and not slot.asked.patience_ms:
                self._begin(slot, slot.state.lease)

    def _begin(self, slot: Slot, lease: Record) -> None:
        # It may have begun as late as it might.
        began = Timestamp(slot.offered.end - length_of(slot.offered))
        self._set(replace(slot, state=Running(lease, began, beat_at=Timestamp(0))))

    def _take_begin(self, slot: Slot | None) -> None:
        """Note that a job has begun that was granted ahead of time."""
        match slot.state if slot else None:
            case SlotLeased(lease=lease) if slot:
                self._begin(slot, lease)
            case _:
                pass

    def _take_release(self, record: Record, release: Release, slot: Slot | None) -> None:
        match slot.state if slot else None:
            case Held() | SlotLeased() if slot and record.author == self._me:
                ended = Ended(record, Timestamp(record.body.at), slot.lease)
                self._set(replace(slot, state=ended))
            case Running() as state if slot and record.author == slot.buyer:
                reason = release.reason or "released by its buyer"
                self._set(replace(slot, state=replace(state, stopping=reason)))
            case _:
                pass

    def _take_receipt(self, record: Record, receipt: Receipt, slot: Slot | None) -> None:
        confirmed = receipt.statement == "confirmed"
        match slot.state if slot else None:
            case Running(lease=lease) if slot and record.author == self._me and not confirmed:
                told = Reported(lease, record, tell_at=Timestamp(0), wait_ms=1000)
                self._set(replace(slot, state=told))
            case Reported(receipt=told) if (
                slot and receipt.about == told.id and record.author == slot.ordered_by
            ):
                ended = Ended(told, Timestamp(told.body.at), slot.lease)
                self._set(replace(slot, state=ended))
            case _:
                pass

    def _find(self, letter: bytes) -> Slot | None:
        request = self._request_of.get(RecordId(letter))
        return self.slots[request] if request else None

    def _set(self, slot: Slot) -> None:
        self.slots[slot.request.id] = slot


def restore_orders(stored: Iterable[Record], me: NodeId, now: Timestamp) -> list[OrderState]:
    """Return this node's orders. Asserts that the design of each of them is among `stored`."""
    books = _Orders(me, now)
    for record in _in_order(stored):
        books.take(record)
    return books.close()


class _Orders:
    """The fold of one node's orders."""

    def __init__(self, me: NodeId, now: Timestamp) -> None:
        self.orders: dict[OrderId, OrderState] = {}
        self._me = me
        self._now = now
        self._designs: dict[RecordId, Record] = {}
        self._requests: dict[RecordId, tuple[JobState, Request]] = {}
        self._fences: dict[tuple[OrderId, int], int] = {}
        """By job: below this epoch no attempt is under way."""
        self._offers: dict[RecordId, Record] = {}
        self._taken: dict[RecordId, tuple[Record, Record]] = {}
        """By acceptance: the offer, and the acceptance itself."""
        self._attempts: dict[RecordId, Attempt] = {}
        self._leases: dict[RecordId, Record] = {}
        self._grants: dict[RecordId, Record] = {}
        self._guarded: dict[OrderId, tuple[Record, Record]] = {}
        """Orders of others that this node guards, with their designs."""
        self._deals: list[Deal] = []
        """What other guardians had made."""
        self._confirmations: dict[RecordId, Record] = {}

    def take(self, record: Record) -> None:
        mine = record.author == self._me
        match record.body:
            case Design():
                self._designs[record.id] = record
            case Order() if mine:
                self._take_order(record, record.body)
            case Evidence():
                self._take_evidence(papers_of(record))
            case Request() if mine:
                self._take_request(record, record.body)
            case Offer(to=to) if to == self._me:
                self._offers[record.id] = record
            case Acceptance(offer=offer) if mine and offer in self._offers:
                self._taken[record.id] = (self._offers[RecordId(offer)], record)
            case Lease(to=to) if to == self._me:
                self._take_lease(record, record.body)
            case Grant(lease=lease) if mine and lease in self._leases:
                self._grants[RecordId(lease)] = record
                self._attempts[RecordId(lease)].is_granted = True
            case Release(about=about) if about in self._leases:
                self._take_release(record, record.body)
            case Receipt(lease=lease) if lease in self._leases:
                self._take_receipt(record, record.body, self._attempts[RecordId(lease)])
            case Receipt(lease=lease, statement="confirmed") if mine:
                self._confirmations[RecordId(lease)] = record
            case _:
                pass

    def _take_evidence(self, papers: list[Record]) -> None:
        kinds = {paper.kind: paper for paper in papers}
        if {"order", "design"} <= kinds.keys():
            order = kinds["order"].body
            assert isinstance(order, Order)
            self._guarded[OrderId(order.order)] = (kinds["order"], kinds["design"])
        deal = deal_among(papers)
        if deal is not None:
            self._deals.append(deal)

    def _take_order(self, record: Record, order: Order) -> None:
        known = self.orders.get(OrderId(order.order))
        if known is not None:
            if order.cancelled:
                known.record, known.is_cancelled = record, True
            return
        design = self._designs.get(RecordId(order.design))
        assert design is not None, f"the design of order {order.order.hex()} is not kept"
        state = new_order(record, design, self._now)
        state.is_cancelled = order.cancelled
        self.orders[OrderId(order.order)] = state

    def _take_request(self, record: Record, request: Request) -> None:
        order = OrderId(request.order)
        if order not in self.orders and order in self._guarded:
            # Whether its buyer is still gone, time will tell.
            self.orders[order] = new_order(*self._guarded[order], self._now)
            self.orders[order].is_cancelled = True
        job = self.orders[order].jobs[request.job]
        job.epoch = max(job.epoch, request.epoch)
        self._requests[record.id] = (job, request)
        if request.instead is None:  # Else the job kept what it had meanwhile.
            self._fences[order, job.index] = max(self._fence(job), request.epoch)

    def _take_lease(self, record: Record, lease: Lease) -> None:
        asked = self._requests.get(RecordId(lease.request))
        taken = self._taken.get(RecordId(lease.acceptance))
        if asked is None or taken is None:
            return  # Of a buyer's disk that lost what it had sent; nothing was granted on it.
        job, request = asked
        offer = offer_of(taken[0])
        attempt = Attempt(request.epoch, request.pieces, record.author, offer, record.id)
        job.attempts.append(attempt)
        self._attempts[record.id] = attempt
        self._leases[record.id] = record

    def _take_release(self, record: Record, release: Release) -> None:
        attempt = self._attempts[RecordId(release.about)]
        if record.author == self._me:
            attempt.release = record
            if attempt.is_granted:
                return  # Its end is the owner's to tell.
        attempt.outcome, attempt.reason = "released", release.reason

    def _take_receipt(self, record: Record, receipt: Receipt, attempt: Attempt) -> None:
        if record.author == self._me and receipt.statement == "confirmed":
            attempt.confirmation = record
        elif record.author == attempt.owner and self._counts(attempt, receipt):
            attempt.end(receipt, is_missing=True)

    def _counts(self, attempt: Attempt, receipt: Receipt) -> bool:
        """Tell whether a receipt counts: the lease was granted, here or by other guardians."""
        lease = lease_of(self._leases[RecordId(receipt.lease)])
        return attempt.is_granted or bool(self.orders[OrderId(lease.order)].order.guardians)

    def close(self) -> list[OrderState]:
        """Settle in which state each job is, now that all records have been taken."""
        for deal in self._deals:
            self._take_deal(deal)
        for state in self.orders.values():
            for job in state.jobs:
                self._close_job(job, state)
        for offer, acceptance in self._taken.values():
            self._accept_again(offer, acceptance)
        return list(self.orders.values())

    def _take_deal(self, deal: Deal) -> None:
        asked, receipt = deal[0].body, deal[3]
        assert isinstance(asked, Request)
        state = self.orders.get(OrderId(asked.order))
        if state is None or asked.job >= len(state.jobs) or receipt is None:
            return
        _, attempt = enter_deal(state, deal)
        assert isinstance(receipt.body, Receipt)
        if attempt.receipt is None:
            attempt.end(receipt.body, is_missing=True)
            attempt.confirmation = self._confirmations.get(attempt.lease)

    def _fence(self, job: JobState) -> int:
        return self._fences.get((job.order, job.index), 0)

    def _close_job(self, job: JobState, state: OrderState) -> None:
        job.attempts.sort(key=lambda attempt: attempt.epoch)
        is_wanted = job.pieces > 0 and not state.is_cancelled
        for attempt in job.attempts:
            if attempt.outcome != "open":
                continue
            if attempt.epoch < self._fence(job):
                attempt.outcome = "silent" if attempt.is_granted else "not started"
            elif attempt.is_granted or is_wanted:
                self._hold(job, attempt, state)
            else:
                attempt.outcome = "released"
        if isinstance(job.state, Waiting) and not is_wanted:
            job.state = Dropped("the order was cancelled") if job.pieces else Done()

    def _hold(self, job: JobState, attempt: Attempt, state: OrderState) -> None:
        lease = self._leases[attempt.lease]
        offer, acceptance = self._taken[RecordId(lease_of(lease).acceptance)]
        if attempt.is_granted:
            job.state = Granted(offer, lease, self._grants[lease.id], check_at=self._now)
            return
        late_ms = state.order.grace_ms + state.order.patience_ms
        wait_ms = lease_of(lease).start_by - lease.body.at + late_ms
        until = Timestamp(self._now + max(0, wait_ms))
        job.state = Leased(offer, acceptance, lease, until, check_at=self._now)

    def _accept_again(self, offer: Record, acceptance: Record) -> None:
        """Go on with an acceptance that nothing came of yet, as far as is known."""
        asked = self._requests.get(RecordId(offer_of(offer).request))
        if asked is None:
            return
        job, request = asked
        is_latest = request.epoch == job.epoch and job.pieces == request.pieces
        if (
            isinstance(job.state, Waiting)
            and is_latest
            and not any(a.epoch == request.epoch for a in job.attempts)
        ):
            hold_ms = offer_of(offer).held_until - offer.body.at
            until = Timestamp(self._now + max(hold_ms, request.patience_ms))
            job.state = Accepting(offer, acceptance, send_at=self._now, until=until)
