"""What stands around the core of a node in a simulated town: a pen that signs, machines, and
owners that lie."""

from dataclasses import dataclass, field
from hashlib import blake2b, sha256

from msgspec import structs

from commonfab.protocol.author import Head
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.schedule import Schedule
from commonfab.protocol.lease.slots import Quote, Slot
from commonfab.protocol.lease.turns import Fit, Queue
from commonfab.protocol.limits import CAPACITY_TERM_MS_MAX
from commonfab.protocol.records import Capacity, Machine, Request
from commonfab.scheduler.quote import Quoter

from .pairs import WEIGHTS
from .town import Shop


class Pen:
    """An `envelope.Signer` without a key: a signature is a hash that costs a microsecond."""

    def __init__(self, name: str) -> None:
        self.node = NodeId(sha256(name.encode()).digest())

    def sign(self, text: bytes) -> bytes:
        return blake2b(text, digest_size=64).digest()


@dataclass(slots=True)
class Running:
    """A job on a machine."""

    lease: RecordId
    job: int
    started: int
    ends: int
    pieces: int
    """Good ones at its end: a failure spoils them all."""


@dataclass(slots=True)
class Fleet:
    """The machines of one shop; also the `Quoter` of its owner's side."""

    shop: Shop
    lies: bool = False
    owner: Owner | None = None
    """Whose queues it tells of; set once, when it is made."""
    running: dict[str, Running] = field(default_factory=dict[str, Running])

    def capacity(self, head: Head) -> Capacity:
        now = Timestamp(head["at"])
        return Capacity(
            **head,
            until=now + CAPACITY_TERM_MS_MAX,
            currency=WEIGHTS.currency,
            grid_g_per_kwh=self.shop.grid_g_per_kwh,
            machines=tuple(self._seen(machine, now) for machine in self.shop.machines),
        )

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        seen = self.capacity(Head(stream="capacity", seq=1, at=now))
        return Quoter(seen).quote(request, now, buyer)

    def machine(self, identifier: str) -> Machine:
        return next(m for m in self.shop.machines if m.id == identifier)

    def _seen(self, machine: Machine, now: Timestamp) -> Machine:
        assert self.owner is not None
        free_at = now if self.lies else self.owner.free_at(machine.id, now)
        return structs.replace(machine, free_at=free_at)


class _AlwaysFree(Queue):
    """A queue in which nobody waits, whoever was promised what."""

    def may_begin(self, which: bytes, now: int) -> bool:
        return True


class _Forgetful(Schedule):
    def queue(self, machine: str, now: Timestamp, fit: Fit) -> Queue:
        return _AlwaysFree((), int(now), fit)

    def check_free(self, slot: Slot) -> None:
        pass


class Liar(Owner):
    """Whatever is asked of its machines, they are free now."""

    schedule = _Forgetful
