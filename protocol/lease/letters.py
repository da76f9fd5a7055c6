"""Writes and signs what a buyer and an owner say to each other about a lease."""

from collections.abc import Sequence
from typing import Literal

from msgspec import structs

from ..author import Author
from ..body import Body
from ..encoding import plain_text
from ..events import JobEnded
from ..ids import NodeId, RecordId, Timestamp
from ..limits import REQUEST_TERM_MS, WINDOW_KNOWN_MS
from ..records import (
    Acceptance,
    Evidence,
    Grant,
    Lease,
    Offer,
    Order,
    Progress,
    Receipt,
    Record,
    Refusal,
    Release,
    Request,
    Window,
    read,
)
from .attempts import JobState, OrderState
from .slots import Promised, Quote, Slot, lease_of
from .windows import length_of, public_half, start_by

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

    def request(
        self,
        state: OrderState,
        job: JobState,
        to: NodeId,
        now: Timestamp,
        instead: RecordId | None = None,
    ) -> Record:
        """`instead`: the lease that the job would leave."""
        order = state.order
        body = Request(
            **self._author.head("request", now),
            until=now + REQUEST_TERM_MS + order.patience_ms,
            to=to,
            order=order.order,
            job=job.index,
            epoch=job.epoch,
            design=order.design,
            part=job.part,
            pieces=job.pieces,
            by=order.by,
            grace_ms=order.grace_ms,
            guardians=order.guardians,
            patience_ms=order.patience_ms,
            hour_minor=order.hour_minor,
            instead=instead,
        )
        return self._author.sign(body)

    def acceptance(self, offer: Record, measures: bytes | None, now: Timestamp) -> Record:
        head = self._author.head("acceptance", now)
        body = Acceptance(**head, to=offer.author, offer=offer.id, measures=measures)
        return self._author.sign(body)

    def grant(self, lease: Record, order: Order, asked_at: int, now: Timestamp) -> Record:
        """`asked_at`: when the owner asked for it, by its own clock."""
        body = lease_of(lease)
        asked_at = max(asked_at, body.at)
        # Granted ahead of time it waits for its turn; else it may be used for a while.
        is_ahead = order.patience_ms > 0
        latest = body.start_by if is_ahead else min(body.start_by, asked_at + order.grace_ms)
        use_by = max(asked_at, latest)
        late_ms = order.grace_ms + order.patience_ms
        until = now + (use_by - asked_at) + length_of(body) + late_ms
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

    def confirmation(self, record: Record, pieces: int, now: Timestamp) -> Record:
        """`pieces`: those that are taken and paid; what else was made stays with its owner."""
        receipt = record.body
        assert isinstance(receipt, Receipt)
        pieces = min(pieces, receipt.pieces)
        body = Receipt(
            **self._author.head("receipt/confirmed", now),
            to=record.author,
            lease=receipt.lease,
            statement="confirmed",
            about=record.id,
            epoch=receipt.epoch,
            pieces=pieces,
            price_minor=receipt.price_minor * pieces // max(1, receipt.pieces),
            currency=receipt.currency,
        )
        return self._author.sign(body)

    def cancellation(self, state: OrderState, now: Timestamp) -> Record:
        head = self._author.head(state.order.stream, now)
        return self._author.sign(structs.replace(state.order, **head, cancelled=True))

    # From an owner.

    def go_on_after(self, slot: Slot) -> Timestamp:
        """Use no place again of what a stored slot has signed, its window's neither, which may not
        be stored; return when the last of it was signed."""
        mine: list[Body] = [slot.offer.body]
        if slot.lease is not None:
            mine += [slot.lease.body, read(public_half(slot.lease)).body]
        for body in mine:
            self._author.adopt(body.stream, body.seq)
        return Timestamp(max(body.at for body in mine))

    def offer(
        self, request: Record, quote: Quote, window: Promised, hold_ms: int, now: Timestamp
    ) -> Record:
        body = Offer(
            **self._author.head("offer", now),
            to=request.author,
            request=request.id,
            machine=quote.machine,
            start=window.start,
            end=window.end,
            length_ms=quote.duration_ms if window.end - window.start > quote.duration_ms else 0,
            held_until=now + hold_ms,
            price_minor=quote.price_minor,
            currency=quote.currency,
            machine_seconds=quote.machine_seconds,
            mass_mg=quote.mass_mg,
            energy_mwh=quote.energy_mwh,
            co2e_mg=_count(window.co2e_mg),
            basis=window.basis,
            seal_key=quote.seal_key,
        )
        return self._author.sign(body)

    def window(
        self,
        slot: Slot,
        acceptance: Record,
        previous: RecordId | None,
        over: tuple[RecordId, ...],
        now: Timestamp,
    ) -> Record:
        """Return the public half of a slot's lease."""
        offer = slot.offered
        body = Window(
            **self._author.head(f"window/{offer.machine}", now),
            until=max(offer.end, now) + WINDOW_KNOWN_MS + slot.asked.patience_ms,
            machine=offer.machine,
            start=offer.start,
            end=offer.end,
            length_ms=length_of(offer),
            acceptance=acceptance.id,
            previous=previous,
            over=over,
        )
        return self._author.sign(body)

    def lease(self, slot: Slot, acceptance: Record, window: Record, now: Timestamp) -> Record:
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
            start_by=start_by(offer, request.grace_ms, request.patience_ms),
            end=offer.end,
            length_ms=offer.length_ms,
            window=window.data,
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

    def evidence(
        self,
        to: NodeId,
        order: bytes,
        papers: Sequence[Record],
        now: Timestamp,
        *,
        over: bool = False,
    ) -> Record:
        """Return a letter that shows a guardian what others have signed."""
        body = Evidence(
            **self._author.head("evidence", now),
            to=to,
            order=order,
            papers=tuple(paper.data for paper in papers),
            over=over,
        )
        return self._author.sign(body)

    def release(
        self, about: RecordId, to: NodeId, reason: str, now: Timestamp, *, if_gain: bool = False
    ) -> Record:
        head = self._author.head("release", now)
        body = Release(**head, to=to, about=about, reason=_said(reason), if_gain=if_gain)
        return self._author.sign(body)


# A machine may say anything of itself; what is signed has the form of a record (LEASE-21).


def _count(number: int) -> int:
    return min(max(0, number), COUNT_MAX)


def _said(reason: str) -> str:
    return plain_text(reason)[:REASON_CHARS_MAX]
