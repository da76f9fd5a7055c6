"""What the pure core asks of the world. Carried out in order, one after the other:
a `Send` that follows a `Keep` leaves only when what was kept is on the disk.
"""

from dataclasses import dataclass

from .ids import NodeId, RecordId, Timestamp
from .records import Design, Order, Record


@dataclass(frozen=True, slots=True)
class Keep:
    """Store the record durably before anything that follows."""

    record: Record


@dataclass(frozen=True, slots=True)
class KeepProof:
    """Store two records that their author should never both have signed."""

    author: NodeId
    kept: RecordId
    other: Record


@dataclass(frozen=True, slots=True)
class Send:
    """Give the record to a peer, or to this node itself. It may get lost; no answer is awaited."""

    to: NodeId
    record: Record


@dataclass(frozen=True, slots=True)
class Prepare:
    """Get ready what the leased job will need: fetch its files and check them."""

    request: Record


@dataclass(frozen=True, slots=True)
class Run:
    """Let the machine make what the lease says. Its epoch and seq fence off older leases."""

    machine: str
    lease: Record
    request: Record


@dataclass(frozen=True, slots=True)
class Resume:
    """After a restart: find out what became of a job that the machine had begun."""

    machine: str
    lease: Record
    request: Record


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel the job on the machine; its end is reported as that of any job."""

    machine: str
    lease: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Planned:
    """For these (job, pieces) of an order machines were sought, found or not: now is the time
    to say why these and not others."""

    order: Order
    design: Design
    jobs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a `Tick` no earlier than `at`. The latest one stands."""

    at: Timestamp


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    """A machine's queue is not what it was."""

    machine: str


Effect = (
    Keep | KeepProof | Send | Prepare | Run | Resume | Stop | Planned | WakeAt | CapacityChanged
)
