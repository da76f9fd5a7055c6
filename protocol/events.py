"""What can happen to the pure core of a node."""

from dataclasses import dataclass
from typing import Literal

from .ids import OrderId, RecordId
from .records import Record


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record that was admitted, from a peer or from this node itself."""

    record: Record


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """The records of the time before have been restored."""


@dataclass(frozen=True, slots=True)
class JobProgressed:
    """A machine's word on a job that it makes."""

    lease: RecordId
    state: Literal["running", "paused"]
    permille: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A machine has made a job, or has given it up."""

    lease: RecordId
    made: bool
    pieces: int
    """Good pieces, also when the job as a whole failed."""
    started: int
    machine_seconds: int
    mass_mg: int
    energy_mwh: int
    co2e_mg: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MachinesChanged:
    """The machines that take jobs now; a lease on any other is given back."""

    machines: frozenset[str]


@dataclass(frozen=True, slots=True)
class Placed:
    """The person at this node orders; both records are on the disk."""

    order: Record
    design: Record


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter to this node as a guardian, with the records in it, whose signatures are good."""

    letter: Record
    papers: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Entrusted:
    """The buyer of an order is gone, and this node goes on with it as its guardian. `deals`: the
    request, offer, lease and receipt of each lease that is known."""

    order: Record
    design: Record
    deals: tuple[tuple[Record, Record, Record, Record | None], ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The person at this node takes a request that waits, or does not."""

    request: RecordId
    takes: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MachineFound:
    """A machine is known now that may make a job of an order better than what it has, or at
    all."""

    order: OrderId
    job: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The person at this node wants nothing more of an order made."""

    order: OrderId


Event = (
    Arrived
    | Tick
    | Restarted
    | JobProgressed
    | JobEnded
    | MachinesChanged
    | Placed
    | Shown
    | Entrusted
    | Decided
    | MachineFound
    | Cancelled
)
