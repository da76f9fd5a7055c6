"""A slot: one request's hold on one machine's window, in each of its states.

The transitions between them are in `owner.py`.
"""

from dataclasses import dataclass
from typing import Literal

from ..ids import NodeId, Timestamp
from ..records import Lease, Offer, Record, Request


@dataclass(frozen=True, slots=True)
class Quote:
    """What one machine would take for a request."""

    machine: str
    duration_ms: int
    """The window that it needs, on the wall clock."""
    price_minor: int
    currency: str
    machine_seconds: int
    mass_mg: int
    energy_mwh: int
    co2e_mg: int


START_BY_SHARE = 20
"""A lease may start late by a twentieth of its window, or by the buyer's grace if that is more."""


def start_by(start: int, end: int, grace_ms: int) -> int:
    """Return until when a window's job may start (LEASE-8)."""
    return start + max(grace_ms, (end - start) // START_BY_SHARE)


def lease_of(record: Record) -> Lease:
    assert isinstance(record.body, Lease)
    return record.body


@dataclass(frozen=True, slots=True)
class Held:
    """A window is kept for an offer that nobody has taken yet."""


@dataclass(frozen=True, slots=True)
class Leased:
    lease: Record


@dataclass(frozen=True, slots=True)
class Ready:
    """The machine is free for this lease; the buyer is asked for the grant."""

    lease: Record
    ask_at: Timestamp
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Running:
    lease: Record
    beat_at: Timestamp
    state: Literal["running", "paused"] = "running"
    permille: int = 0
    stopping: str = ""
    """Why the buyer wants it no more; empty while it does."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The machine is free again; the buyer has not yet said that it knows."""

    lease: Record
    receipt: Record
    tell_at: Timestamp
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing is held. `last` is said again to a buyer who has not heard it."""

    last: Record
    at: Timestamp
    lease: Record | None = None
    """None: the offer came to nothing."""


State = Held | Leased | Ready | Running | Reported | Ended


@dataclass(frozen=True, slots=True)
class Slot:
    """One request's hold on one machine's window, and how far it has come."""

    request: Record
    offer: Record
    state: State

    @property
    def buyer(self) -> NodeId:
        return self.request.author

    @property
    def asked(self) -> Request:
        assert isinstance(self.request.body, Request)
        return self.request.body

    @property
    def offered(self) -> Offer:
        assert isinstance(self.offer.body, Offer)
        return self.offer.body

    @property
    def lease(self) -> Record | None:
        match self.state:
            case Leased(lease) | Ready(lease) | Running(lease) | Reported(lease):
                return lease
            case Ended(lease=past):
                return past
            case Held():
                return None

    def is_alive(self) -> bool:
        """Tell whether it holds its window."""
        return isinstance(self.state, Held | Leased | Ready | Running)

    def occupies(self, now: Timestamp) -> tuple[int, int] | None:
        """Return the interval in which the machine is not free, or None."""
        match self.state:
            case Held() | Leased():
                return self.offered.start, self.offered.end
            case Ready() | Running():  # It may start early: nothing is put before it any more.
                return 0, max(self.offered.end, now + 1)
            case Reported() | Ended():
                return None
