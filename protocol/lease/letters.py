"""Writes and signs what a buyer and an owner say to each other about a lease."""

from typing import Literal

from msgspec import structs

from ..author import Author
from ..encoding import plain_text
from ..events import JobEnded
from ..ids import NodeId, RecordId, Timestamp
from ..limits import REQUEST_TERM_MS
from ..records import (
    Acceptance,
    Grant,
    Lease,
    Offer,
    Progress,
    Receipt,
    Record,
    Refusal,
    Release,
    Request,
)
from .attempts import JobState, OrderState
from .slots import Quote, Slot, lease_of, start_by

COUNT_MAX = 2**53
"""The largest number in a record."""
REASON_CHARS_MAX = 1_000
"""Of a reason as this node says it: at four bytes each, within what a text may have."""


class Letters:
    """Bound to one node's `Author`."""

    def __init__(self, author: Author) -> None:
        self._author = author
        self.node = author.node

    # From a buyer.

    def request(self, state: OrderState, job: JobState, to: NodeId, now: Timestamp) -> Record:
        order = state.order
        body = Request(
            **self._author.head("request", now),
            until=now + REQUEST_TERM_MS,
            to=to,
            order=order.order,
            job=job.index,
            epoch=job.epoch,
            design=order.design,
            part=job.part,
            pieces=job.pieces,
            by=order.by,
            grace_ms=order.grace_ms,
        )
        return self._author.sign(body)

    def acceptance(self, offer: Record, now: Timestamp) -> Record:
        head = self._author.head("acceptance", now)
        return self._author.sign(Acceptance(**head, to=offer.author, offer=offer.id))

    def grant(self, lease: Record, use_by: int, until: Timestamp, now: Timestamp) -> Record:
        body = lease_of(lease)
        grant = Grant(
            **self._author.head("grant", now),
            until=until,
            to=lease.author,
            lease=lease.id,
            use_by=use_by,
            order=body.order,
            job=body.job,
            epoch=body.epoch,
        )
        return self._author.sign(grant)

    def confirmation(self, record: Record, now: Timestamp) -> Record:
        receipt = record.body
        assert isinstance(receipt, Receipt)
        body = Receipt(
            **self._author.head("receipt/confirmed", now),
            to=record.author,
            lease=receipt.lease,
            statement="confirmed",
            about=record.id,
            epoch=receipt.epoch,
            pieces=receipt.pieces,
        )
        return self._author.sign(body)

    def cancellation(self, state: OrderState, now: Timestamp) -> Record:
        head = self._author.head(state.order.stream, now)
        return self._author.sign(structs.replace(state.order, **head, cancelled=True))

    # From an owner.

    def offer(
        self, request: Record, quote: Quote, start: int, hold_ms: int, now: Timestamp
    ) -> Record:
        body = Offer(
            **self._author.head("offer", now),
            to=request.author,
            request=request.id,
            machine=quote.machine,
            start=start,
            end=start + quote.duration_ms,
            held_until=now + hold_ms,
            price_minor=quote.price_minor,
            currency=quote.currency,
            machine_seconds=quote.machine_seconds,
            mass_mg=quote.mass_mg,
            energy_mwh=quote.energy_mwh,
            co2e_mg=quote.co2e_mg,
        )
        return self._author.sign(body)

    def lease(
        self, slot: Slot, acceptance: Record, previous: RecordId | None, now: Timestamp
    ) -> Record:
        offer, request = slot.offered, slot.asked
        body = Lease(
            **self._author.head(f"lease/{offer.machine}", now),
            to=slot.buyer,
            acceptance=acceptance.id,
            request=slot.request.id,
            order=request.order,
            job=request.job,
            epoch=request.epoch,
            machine=offer.machine,
            start=offer.start,
            start_by=start_by(offer.start, offer.end, request.grace_ms),
            end=offer.end,
            previous=previous,
        )
        return self._author.sign(body)

    def progress(
        self,
        slot: Slot,
        state: Literal["ready", "running", "paused"],
        permille: int,
        now: Timestamp,
    ) -> Record:
        lease = slot.lease
        assert lease is not None
        body = Progress(
            **self._author.head("progress", now),
            to=slot.buyer,
            lease=lease.id,
            state=state,
            permille=min(_count(permille), 1000),
        )
        return self._author.sign(body)

    def receipt(
        self, slot: Slot, lease: Record, ended: JobEnded, reason: str, now: Timestamp
    ) -> Record:
        offer, asked = slot.offered, slot.asked
        pieces = min(_count(ended.pieces), asked.pieces)
        body = Receipt(
            **self._author.head(f"receipt/{offer.machine}", now),
            to=slot.buyer,
            lease=lease.id,
            statement="made" if ended.made else "failed",
            epoch=asked.epoch,
            pieces=pieces,
            started=_count(ended.started),
            ended=now,
            machine_seconds=_count(ended.machine_seconds),
            mass_mg=_count(ended.mass_mg),
            energy_mwh=_count(ended.energy_mwh),
            co2e_mg=_count(ended.co2e_mg),
            price_minor=offer.price_minor * pieces // asked.pieces,
            currency=offer.currency,
            reason=_said(reason),
        )
        return self._author.sign(body)

    def refusal(self, about: Record, reason: str, now: Timestamp) -> Record:
        body = Refusal(
            **self._author.head("refusal", now),
            to=about.author,
            about=about.id,
            reason=_said(reason),
        )
        return self._author.sign(body)

    # From either.

    def release(self, about: RecordId, to: NodeId, reason: str, now: Timestamp) -> Record:
        head = self._author.head("release", now)
        return self._author.sign(Release(**head, to=to, about=about, reason=_said(reason)))


# A machine may say anything of itself; what is signed has the form of a record (LEASE-21).


def _count(number: int) -> int:
    return min(max(0, number), COUNT_MAX)


def _said(reason: str) -> str:
    return plain_text(reason)[:REASON_CHARS_MAX]
