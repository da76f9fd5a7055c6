"""A slot: one request's hold on one machine's window, in each of its states.

The transitions between them are in `owner.py`.
"""

from dataclasses import dataclass
from typing import Literal

from ..fields import Basis
from ..ids import NodeId, Timestamp
from ..records import Lease, Offer, Record, Release, Request


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
    seal_key: bytes | None = None
    """For a part that is made to measure."""


@dataclass(frozen=True, slots=True)
class Promised:
    """The window of an offer, and what making the job in it costs the climate."""

    start: int
    end: int
    co2e_mg: int
    basis: Basis


def lease_of(record: Record) -> Lease:
    assert isinstance(record.body, Lease)
    return record.body


@dataclass(frozen=True, slots=True)
class Held:
    """A window is kept for an offer that nobody has taken yet."""


@dataclass(frozen=True, slots=True)
class Leased:
    lease: Record
    granted_by: frozenset[NodeId] = frozenset()
    """Of a patient order, which grants ahead of time."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The machine is free for this lease; the buyer is asked for the grant."""

    lease: Record
    ask_at: Timestamp
    wait_ms: int
    granted_by: frozenset[NodeId] = frozenset()
    """Guardians that have granted it so far, where one is not enough."""


@dataclass(frozen=True, slots=True)
class Running:
    lease: Record
    began: Timestamp
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
    is_wasted: bool = False
    """The machine was kept for its grant, and that did not come."""


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
    def granters(self) -> tuple[NodeId, ...]:
        """Return who may grant it."""
        return tuple(NodeId(each) for each in self.asked.guardians) or (self.buyer,)

    @property
    def ordered_by(self) -> NodeId:
        """Return whose order it is: the first of the guardians, who may have heard of nothing
        that another of them asked for. Its confirmation ends the slot (LEASE-18)."""
        return self.granters[0]

    def is_enough(self, granted_by: frozenset[NodeId]) -> bool:
        """Tell whether these are a majority of those who may grant it (LEASE-27)."""
        return 2 * len(granted_by & set(self.granters)) > len(self.granters)

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
            case Leased(lease=lease) | Ready(lease=lease) | Running(lease=lease):
                return lease
            case Reported(lease=lease):
                return lease
            case Ended(lease=past):
                return past
            case Held():
                return None

    def is_alive(self) -> bool:
        """Tell whether it holds its window."""
        return isinstance(self.state, Held | Leased | Ready | Running)

    def is_at_machine(self) -> bool:
        """Tell whether the machine is kept for it now: nothing is put before it any more."""
        return isinstance(self.state, Ready | Running)

    def is_given_back(self) -> bool:
        """Tell whether it ended before the machine began."""
        return isinstance(self.state, Ended) and isinstance(self.state.last.body, Release)

    def is_lost(self) -> bool:
        """Tell whether there was a lease of which nothing more will be made."""
        return isinstance(self.state, Reported | Ended) and self.lease is not None
