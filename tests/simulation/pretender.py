"""Mallory: a node that takes part, and keeps to the rules only now and then.

It offers machines that it does not have, leases something else than it offered, reports
what it never made, twice and differently; it buys, and forgets to grant. What it signs is
in form, so that only the other side's rules can tell.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from commonfab.protocol.author import Author
from commonfab.protocol.envelope import Signer
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.records import (
    Acceptance,
    Grant,
    Lease,
    Letter,
    Offer,
    Progress,
    Receipt,
    Record,
    Request,
)
from tests.builders import (
    a_capacity,
    a_confirmation,
    a_grant,
    a_lease,
    a_progress,
    a_receipt,
    a_refusal,
    a_release,
    a_request,
    an_acceptance,
    an_offer,
    body_of,
)

Post = Callable[[NodeId, Record], None]

_ODD_LEASES: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"epoch": 7},
    {"job": 1},
    {"order": bytes(16)},
    {"machine": "m9"},
]
_ODD_RECEIPTS: list[dict[str, Any]] = [
    {},
    {"pieces": 10**6},
    {"pieces": 0},
    {"statement": "failed", "pieces": 1},
    {"epoch": 9},
]


class Mallory:
    """One for each run."""

    def __init__(self, signer: Signer, random: Random, post: Post) -> None:
        self.node = signer.node
        self._by = signer
        self._random = random
        self._post = post
        self._author = Author(signer)
        self._offered: dict[RecordId, tuple[Record, Record]] = {}
        self._leased: dict[RecordId, Record] = {}

    def capacity(self, at: int) -> Record:
        """Return an advertisement that it does not mean."""
        return a_capacity(self._by, **self._head("capacity", at))

    def ask(self, to: NodeId, at: int) -> None:
        """Ask a workshop for something, at times twice in one place of its stream."""
        order = self._random.randbytes(16)
        request = a_request(self._by, to=to, order=order, **self._head("request", at))
        self._post(to, request)
        if self._random.random() < 0.3:
            seq = request.body.seq
            self._post(to, a_request(self._by, to=to, order=order, seq=seq, at=at, job=1))

    def hear(self, record: Record, at: int) -> None:
        """Answer a letter, perhaps."""
        if self._random.random() < 0.2:
            return
        match record.body:
            case Request():
                self._offer(record, at)
            case Acceptance(offer=offer) if offer in self._offered:
                self._lease(record, *self._offered[RecordId(offer)], at)
            case Grant(lease=lease) if lease in self._leased:
                self._report(record, self._leased[RecordId(lease)], at)
            case Offer():
                self._say(an_acceptance(record, self._by, **self._head("acceptance", at)))
            case Lease():
                self._leased[record.id] = record
            case Progress(lease=lease, state="ready") if lease in self._leased:
                self._grant(self._leased[RecordId(lease)], at)
            case Receipt(statement="made" | "failed"):
                self._say(a_confirmation(record, self._by, **self._head("receipt/confirmed", at)))
            case _:
                pass

    def _offer(self, request: Record, at: int) -> None:
        if self._random.random() < 0.2:
            self._say(a_refusal(request, self._by, **self._head("refusal", at)))
            return
        head = self._head("offer", at)
        offer = an_offer(request, self._by, window_ms=30_000, **head)
        self._offered[offer.id] = (request, offer)
        self._say(offer)

    def _lease(self, acceptance: Record, request: Record, offer: Record, at: int) -> None:
        offered = body_of(offer, Offer)
        odd = self._random.choice([*_ODD_LEASES, {"start_by": offered.end + 10**7}])
        machine = odd.get("machine", offered.machine)
        head = self._head(f"lease/{machine}", at)
        lease = a_lease(request, offer, acceptance, self._by, **head, **odd)
        self._leased[lease.id] = lease
        self._say(lease)
        self._say(a_progress(lease, self._by, **self._head("progress", at)))

    def _report(self, grant: Record, lease: Record, at: int) -> None:
        if self._random.random() < 0.2:
            release = a_release(lease, self._by, to=grant.author, **self._head("release", at))
            self._say(release)
        for _ in range(self._random.randint(0, 2)):
            stream = f"receipt/{body_of(lease, Lease).machine}"
            odd = self._random.choice(_ODD_RECEIPTS)
            self._say(a_receipt(lease, self._by, **self._head(stream, at), **odd))

    def _grant(self, lease: Record, at: int) -> None:
        match self._random.randrange(4):
            case 0:
                self._say(a_release(lease, self._by, **self._head("release", at)))
            case 1:
                self._say(a_grant(lease, self._by, **self._head("grant", at), epoch=99))
            case _:
                head = self._head("grant", at)
                self._say(a_grant(lease, self._by, **head))

    def _say(self, letter: Record) -> None:
        self._post(NodeId(body_of(letter, Letter).to), letter)

    def _head(self, stream: str, at: int) -> dict[str, Any]:
        return dict(self._author.head(stream, Timestamp(at)))
