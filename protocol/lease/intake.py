"""Which requests a workshop deals with at all, and those that wait for a person's decision.

What is refused here costs the workshop nothing; what a machine could do of the rest is the
quoter's to say. The transitions are in `owner.py`.
"""

from collections.abc import Iterable
from typing import Protocol

from ..ids import NodeId, RecordId, Timestamp
from ..limits import CLOCK_SKEW_MS_MAX, HOLD_MS_MAX, HOLDS_PER_BUYER_MAX
from ..records import Record, Request
from .schedule import Schedule
from .slots import Held, Slot

UNTAKEN_MAX = HOLDS_PER_BUYER_MAX
"""Offers that a buyer lets lapse within an hour, less a good many for each that it takes."""
PATIENT_HOLDS_MAX = 8
"""Open offers to one buyer that are held for longer than `HOLD_MS_MAX`."""
QUESTIONS_MAX = 256
"""Requests that wait for a person."""


class HouseRule(Protocol):
    """Whose requests a person decides on."""

    def asks(self, buyer: NodeId) -> bool: ...


class Automatic:
    """`HouseRule` of a workshop that takes what its machines can do."""

    def asks(self, buyer: NodeId) -> bool:
        return False


class Intake:
    """One for each owner."""

    def __init__(self, schedule: Schedule, rule: HouseRule, stored: Iterable[Record] = ()) -> None:
        """`stored`: the requests that waited before."""
        self._schedule = schedule
        self._rule = rule
        self._waiting: dict[RecordId, Record] = {record.id: record for record in stored}

    def waiting(self, now: Timestamp) -> list[Record]:
        """Return the requests on which a person is to decide, the oldest first."""
        for record in list(self._waiting.values()):
            if record.body.until + CLOCK_SKEW_MS_MAX <= now:
                del self._waiting[record.id]
        return sorted(self._waiting.values(), key=lambda record: (record.body.at, record.id))

    def take(self, identifier: RecordId) -> Record | None:
        """Return a request that waits, and let it wait no more."""
        return self._waiting.pop(identifier, None)

    def rivals(self, buyer: NodeId, request: Request) -> list[Slot]:
        """Return what a buyer asked before for the same job."""
        job = (request.order, request.job)
        slots = self._schedule.of_buyer(buyer)
        return [slot for slot in slots if (slot.asked.order, slot.asked.job) == job]

    def why_not(self, record: Record, request: Request) -> str:
        """Say why a request is not dealt with; empty: it is (LEASE-6, LEASE-7)."""
        buyer = record.author
        if any(s.asked.epoch >= request.epoch for s in self.rivals(buyer, request)):
            return "this job has a later epoch here"
        held = [s for s in self._schedule.of_buyer(buyer) if isinstance(s.state, Held)]
        if len(held) >= HOLDS_PER_BUYER_MAX:
            return f"{HOLDS_PER_BUYER_MAX} offers are open to you already"
        if self._schedule.untaken(buyer) >= UNTAKEN_MAX:
            return f"you let {UNTAKEN_MAX} offers lapse within an hour"
        patient = sum(2 * slot.asked.patience_ms > HOLD_MS_MAX for slot in held)
        if 2 * request.patience_ms > HOLD_MS_MAX and patient >= PATIENT_HOLDS_MAX:
            return f"{PATIENT_HOLDS_MAX} offers wait for you for long already"
        return ""

    def must_ask(self, record: Record) -> bool:
        return self._rule.asks(record.author)

    def why_not_ask(self, request: Request, now: Timestamp) -> str:
        """Say why a person cannot be asked about a request; empty: one can."""
        if not request.patience_ms:
            return "a person decides here; ask with patience: commonfab order --patience"
        if len(self.waiting(now)) >= QUESTIONS_MAX:
            return f"{QUESTIONS_MAX} requests wait for a person here already"
        return ""

    def wait(self, record: Record, request: Request) -> None:
        """Let a request wait, in the place of an earlier one for the same job."""
        for other in list(self._waiting.values()):
            body = other.body
            assert isinstance(body, Request)
            if other.author == record.author and (body.order, body.job) == (
                request.order,
                request.job,
            ):
                del self._waiting[other.id]
        self._waiting[record.id] = record
