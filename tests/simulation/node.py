"""One node of the simulated world: the real core, driven as the daemon drives it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from msgspec import structs

from commonfab.protocol import effects, events, records
from commonfab.protocol.admission import Accept, Admission, Conflict, Place
from commonfab.protocol.author import Author
from commonfab.protocol.effects import Effect
from commonfab.protocol.envelope import Envelope, Signer
from commonfab.protocol.ids import NodeId, OrderId, RecordId, Timestamp
from commonfab.protocol.lease_buyer import Buyer
from commonfab.protocol.lease_buyer import Timing as BuyerTiming
from commonfab.protocol.lease_owner import Owner, Quoter
from commonfab.protocol.lease_owner import Timing as OwnerTiming
from commonfab.protocol.limits import CAPACITY_TERM_MS_MAX
from commonfab.protocol.peer import Peer
from commonfab.protocol.planning import Planner
from commonfab.protocol.records import Capacity, Machine, Record, Revocation, Workshop
from commonfab.protocol.restore import restore_orders, restore_slots
from commonfab.scheduler.view import CapacityView

from .checkers import Checkers
from .disk import Disk
from .machines import Workbench

EPOCH_MS = 1_795_000_000_000
"""The world's time zero, on a clock that is right."""


@dataclass(frozen=True)
class Build:
    """The classes that a run puts together: the real ones, or one with a planted bug."""

    owner: type[Owner] = Owner
    buyer: type[Buyer] = Buyer
    verify: Callable[[Envelope], None] | None = None


class Surroundings(Protocol):
    """What a node asks of the world."""

    checkers: Checkers
    build: Build
    verify: Callable[[Envelope], None]
    is_real: bool

    def now_ms(self) -> int: ...

    def post(self, sender: "Node", to: NodeId, record: Record) -> None: ...

    def wake(self, node: "Node", at: Timestamp) -> None: ...

    def begin(self, node: "Node", machine: str, lease: Record, request: Record) -> None: ...

    def ask_after(self, node: "Node", machine: str, lease: Record) -> None: ...

    def stop(self, node: "Node", machine: str, lease: Record, reason: str) -> None: ...

    def dies_at(self, node: "Node", effects_count: int) -> int | None:
        """Return before which effect the node dies, if it does."""
        ...

    def crash(self, node: "Node") -> None: ...

    def note(self, what: str, node: "Node", record: Record | None = None) -> None: ...


class Node:
    """Its disk and its machines outlast it; all else begins anew at each start."""

    peer: Peer

    def __init__(
        self,
        index: int,
        signer: Signer,
        machines: Sequence[Machine],
        make_planner: Callable[["Node"], Planner],
        make_quoter: Callable[[Capacity], Quoter],
        world: Surroundings,
    ) -> None:
        self.index = index
        self.id = signer.node
        self.offset_ms = 0
        self.is_up = False
        self.is_silent = False
        self.starts = 0
        self.wakes = 0
        self.disk = Disk(self._synced)
        self.machines = list(machines)
        self.benches = {m.id: Workbench(m.id, outlasts_node=index % 2 == 0) for m in machines}
        self.library: dict[RecordId, Record] = {}
        self.newest: dict[tuple[NodeId, str], Record] = {}
        self.capacities: dict[NodeId, Record] = {}
        self.view = CapacityView()
        self._sorted: list[RecordId] | None = None
        self._expired_at = 0
        self.signer = signer
        self._make_planner = make_planner
        self._make_quoter = make_quoter
        self._world = world

    def now(self) -> Timestamp:
        return Timestamp(EPOCH_MS + self._world.now_ms() + self.offset_ms)

    # Starting and stopping.

    def start(self) -> None:
        """Begin from what is on the disk."""
        self.is_up = True
        self.starts += 1
        build = self._world.build
        stored = list(self.disk.records.values())
        places = [Place(*place, identifier) for place, identifier in self.disk.places()]
        admission = Admission(places, verify=build.verify or self._world.verify)
        for record in stored:
            if isinstance(record.body, Revocation):
                admission.revoke(record.author, record.body.since)
        self.author = Author(self.signer, self.disk.highest(self.id))
        owner = build.owner(
            self.author,
            self._make_quoter(self._capacity(self.author, self.now())),
            OwnerTiming(beat_ms=30_000),
            restore_slots(stored, self.id),
        )
        buyer = build.buyer(
            self.author,
            self._make_planner(self),
            BuyerTiming(check_ms=120_000),
            restore_orders(stored, self.id, self.now()),
        )
        self.peer = Peer(self.id, admission, owner, buyer)
        self.handle(events.Restarted())

    def stop(self) -> None:
        self.is_up = False

    # Events in, effects out.

    def handle(self, event: events.Event) -> None:
        self._carry_out(self.peer.handle(event, self.now()))

    def receive(self, data: bytes) -> bool:
        """Take sealed bytes from the network; tell whether they were believed."""
        verdict, due = self.peer.receive(data, self.now())
        match verdict:
            case Accept(record):
                self._world.checkers.accepted(record)
            case Conflict(other=other):
                self._world.checkers.convicted(other)
            case _:
                pass
        self._carry_out(due)
        return isinstance(verdict, Accept)

    def keep(self, record: Record) -> bool:
        """Keep a record of this node's own, and tell whether that was done."""
        self.peer.admission.note(record)
        self._carry_out([effects.Keep(record)])
        return self.is_up

    def _carry_out(self, due: Sequence[Effect]) -> None:
        now = self.now()
        dies_at = self._world.dies_at(self, len(due))
        for place, effect in enumerate(due):
            if place == dies_at:
                self._world.crash(self)
                return
            if isinstance(effect, effects.Keep):
                self.disk.write(effect.record)
            else:
                self.disk.sync()
                self._act(effect, now)
        if dies_at == len(due):
            self._world.crash(self)
            return
        self.disk.sync()
        if due:
            self._world.checkers.stepped(self.id, self.peer.owner, self.peer.buyer)

    def _act(self, effect: Effect, now: Timestamp) -> None:
        match effect:
            case effects.Send(to, record):
                self._world.checkers.said(self.id, record)
                self._world.note("sends", self, record)
                self._world.post(self, to, record)
            case effects.Run(machine, lease, request):
                self._world.checkers.began(lease)
                self._world.begin(self, machine, lease, request)
            case effects.Resume(machine, lease):
                self._world.ask_after(self, machine, lease)
            case effects.Stop(machine, lease, reason):
                self._world.stop(self, machine, lease, reason)
            case effects.WakeAt(at):
                # The core's own clock never runs backwards, so it may be ahead of this one.
                assert at > now, "woken at once, again and again"
                self._world.wake(self, at)
            case (
                effects.KeepProof()
                | effects.Prepare()
                | effects.Planned()
                | effects.CapacityChanged()
            ):
                pass
            case effects.Keep():
                raise AssertionError("kept before")
            case _:
                assert_never(effect)

    # The public records; also the `Library` of protocol/sync.py.

    def ids(self) -> list[RecordId]:
        if self._sorted is None:
            self._sorted = sorted(self.library)
        return self._sorted

    def get(self, identifier: RecordId) -> bytes | None:
        record = self.library.get(identifier)
        return record.data if record else None

    def publish_capacity(self, *, unless_fresh: bool = False) -> None:
        """Say what the machines can do now."""
        now = self.now()
        last = self.capacities.get(self.id)
        if unless_fresh and last is not None and last.body.until > now + CAPACITY_TERM_MS_MAX // 2:
            return
        capacity = records.sign(self._capacity(self.author, now), self.signer)
        self.keep(capacity)

    def drop_expired(self) -> None:
        now = self.now()
        if now < self._expired_at + 60_000:
            return
        self._expired_at = now
        for record in list(self.library.values()):
            if 0 < record.body.until <= now:
                self._pass_on_no_more(record)
                self.disk.remove(record.id)

    def take_off(self, machine: str, *, takes_jobs: bool) -> None:
        """Let a machine take jobs, or no more."""
        self.machines = [
            structs.replace(m, takes_jobs=takes_jobs) if m.id == machine else m
            for m in self.machines
        ]
        self.peer.owner.quoter = self._make_quoter(self._capacity(self.author, self.now()))
        self.handle(events.MachinesChanged(frozenset(m.id for m in self.machines if m.takes_jobs)))
        if self.is_up:
            self.publish_capacity()

    def place(self, order: Record, design: Record) -> bool:
        """Keep an order, tell the person so, and begin with it."""
        assert isinstance(order.body, records.Order)
        if not self.keep(order):
            return False
        self._world.checkers.acknowledged(self.id, order.body)
        self.handle(events.Placed(order, design))
        return True

    def cancel(self, order: OrderId) -> None:
        self.handle(events.Cancelled(order))

    def _capacity(self, author: Author, now: Timestamp) -> Capacity:
        return Capacity(
            **author.head("capacity", now),
            until=now + CAPACITY_TERM_MS_MAX,
            currency="EUR",
            grid_g_per_kwh=300,
            machines=tuple(self.machines),
        )

    def _synced(self, record: Record) -> None:
        self._world.checkers.kept(self.id, record)
        if record.kind not in records.PUBLIC:
            return
        if record.kind in records.LATEST:
            key = (record.author, record.kind)
            older = self.newest.get(key)
            if older is not None and older.body.seq > record.body.seq:
                return
            if older is not None:
                self._pass_on_no_more(older)
            self.newest[key] = record
            self._see(record)
        self.library[record.id] = record
        self._sorted = None

    def _see(self, record: Record) -> None:
        match record.body:
            case Capacity() as capacity:
                self.capacities[record.author] = record
                if self._world.is_real:
                    self.view.update_capacity(record.author, capacity)
            case Workshop() as workshop if self._world.is_real:
                self.view.update_workshop(record.author, workshop)
            case _:
                pass

    def _pass_on_no_more(self, record: Record) -> None:
        self.library.pop(record.id, None)
        self.peer.admission.drop(record.id)
        self._sorted = None
