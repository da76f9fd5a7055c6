"""One node of the simulated world: the real core, driven as the daemon drives it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol, assert_never

from msgspec import structs

from commonfab.protocol import effects, envelope, events, records
from commonfab.protocol.admission import Accept, Admission, Conflict, Ignore, Place, Reject, Verdict
from commonfab.protocol.author import Author
from commonfab.protocol.effects import Effect
from commonfab.protocol.envelope import Envelope, Signer
from commonfab.protocol.errors import Malformed
from commonfab.protocol.gossip.broadcast import Broadcast
from commonfab.protocol.ids import NodeId, OrderId, RecordId, Timestamp
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.guardian import Guardian
from commonfab.protocol.lease.owner import Owner, Quoter
from commonfab.protocol.lease.owner import Timing as OwnerTiming
from commonfab.protocol.lease.planning import Planner
from commonfab.protocol.lease.restore import restore_orders, restore_slots
from commonfab.protocol.lease.votes import Votes
from commonfab.protocol.lease.waits import Timing as BuyerTiming
from commonfab.protocol.limits import CAPACITY_TERM_MS_MAX
from commonfab.protocol.peer import Peer
from commonfab.protocol.records import Capacity, Machine, Record, Workshop
from commonfab.protocol.standing import proofs
from commonfab.protocol.statements import Revocation
from commonfab.protocol.sync.index import Index, key_of
from commonfab.scheduler.view import CapacityView

from .checkers import Checkers
from .disk import Disk
from .machines import Workbench
from .syncing import Follower, Leader

if TYPE_CHECKING:
    from .gossiping import Gossip
    from .making import Making

CARE_MS = 120_000
"""Guardians go on with an order sooner than in earnest: a run lasts minutes."""
EPOCH_MS = 1_795_000_000_000
"""The world's time zero, on a clock that is right."""


@dataclass(frozen=True)
class Build:
    """The classes that a run puts together: the real ones, or one with a planted bug."""

    owner: type[Owner] = Owner
    buyer: type[Buyer] = Buyer
    votes: type[Votes] = Votes
    admission: type[Admission] = Admission
    broadcast: type[Broadcast] = Broadcast
    leader: type[Leader] = Leader
    follower: type[Follower] = Follower
    verify: Callable[[Envelope], None] | None = None


class Surroundings(Protocol):
    """What a node asks of the world."""

    checkers: Checkers
    build: Build
    verify: Callable[[Envelope], None]
    gossip: "Gossip"
    making: "Making"
    is_real: bool

    def now_ms(self) -> int: ...

    def post(self, sender: "Node", to: NodeId, record: Record) -> None: ...

    def wake(self, node: "Node", at: Timestamp) -> None: ...

    def publish(self, node: "Node", data: bytes) -> None:
        """Let a node tell of a record that it has not heard by gossip."""
        ...

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
        self.known = Index()
        self.unwanted: set[RecordId] = set()
        self.frozen: dict[NodeId, Record] = {}
        """Authors who signed two records for one place, with the proof that counts."""
        self._expired_at = 0
        self._news: list[Record] = []
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
        admission = build.admission(places, verify=build.verify or self._world.verify)
        for record in stored:
            if isinstance(record.body, Revocation):
                admission.revoke(record.author, record.body.since)
            if record.kind == "proof":
                admission.freeze(record)
        self.author = Author(self.signer, self.disk.highest(self.id))
        votes = build.votes()
        owner = build.owner(
            self.author,
            self._make_quoter(self._capacity(self.author, self.now())),
            OwnerTiming(ask_ms_max=30_000),
            restore_slots(stored, self.id),
        )
        buyer = build.buyer(
            self.author,
            self._make_planner(self),
            BuyerTiming(check_ms=120_000, show_ms=30_000, look_ms=10_000),
            restore_orders(stored, self.id, self.now()),
            votes,
        )
        guardian = Guardian(self.author, votes, CARE_MS, stored, self.now())
        self.peer = Peer(self.id, admission, owner, buyer, guardian)
        for record in stored:
            if record.kind == "window" and not self.is_covered(record):
                self.peer.windows.take(record, self.now())
        owner.note_windows(r for r in stored if r.kind == "window" and r.author == self.id)
        self._world.gossip.started(self)
        self.handle(events.Restarted())

    def stop(self) -> None:
        self.is_up = False
        self._news.clear()  # What never reached the disk must not be told after the next start.
        self._world.gossip.stopped(self)

    # Events in, effects out.

    def handle(self, event: events.Event) -> None:
        self._carry_out(self.peer.handle(event, self.now()))

    def receive(self, data: bytes) -> bool:
        """Take a public record of a sync session; tell whether it is kept here now."""
        verdict = self.judge(data)
        if isinstance(verdict, Accept) and self.is_up:
            self._world.publish(self, data)
        return isinstance(verdict, Accept) or _id_of(data) in self.library

    def judge(self, data: bytes) -> Verdict:
        """Take a public record, of sync or gossip."""
        if is_letter(data):
            return Reject("a letter has no place among public records")
        return self.open(data)

    def lie(self, frame: bytes, random: Random) -> bytes | None:
        return frame

    def open(self, data: bytes) -> Verdict:
        """Take sealed bytes that came as a letter, or as a public record."""
        if not self.is_up:
            return Ignore("it died of what came with it")
        verdict, due = self.peer.receive(data, self.now())
        match verdict:
            case Accept(record):
                self._world.checkers.accepted(record)
            case Conflict(other=other):
                self._world.checkers.convicted(other)
            case _:
                pass
        self._carry_out(due)
        return verdict

    def keep(self, record: Record) -> bool:
        """Keep a record of this node's own, and tell whether that was done."""
        self.peer.admission.note(record)
        self._carry_out([effects.Keep(record)])
        if self.is_up and record.kind in records.PUBLIC:
            self._world.publish(self, record.data)
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
                if effect.record.kind in ("window", "proof"):
                    self._news.append(effect.record)
            else:
                self.disk.sync()
                self._act(effect, now)
                if not self.is_up:
                    return
        if dies_at == len(due):
            self._world.crash(self)
            return
        self.disk.sync()
        self._tell_news()
        if due:
            self._world.checkers.stepped(self.id, self.peer.owner, self.peer.buyer)

    def _tell_news(self) -> None:
        """Gossip what is on the disk now."""
        news, self._news = self._news, []
        for record in news:
            assert record.id in self.disk.records, "told of what it may forget"
            self._world.publish(self, record.data)

    def _act(self, effect: Effect, now: Timestamp) -> None:
        match effect:
            case effects.Send(to, record):
                self._world.checkers.said(self.id, record)
                self._world.note("sends", self, record)
                self._world.post(self, to, record)
            case effects.Run(machine, lease, request):
                self._world.checkers.began(lease)
                self._world.making.begin(self, machine, lease, request)
            case effects.Resume(machine, lease):
                self._world.making.ask_after(self, machine, lease)
            case effects.Stop(machine, lease, reason):
                self._world.making.stop(self, machine, lease, reason)
            case effects.WakeAt(at):
                # The core's own clock never runs backwards, so it may be ahead of this one.
                assert at > now, "woken at once, again and again"
                self._world.wake(self, at)
            case effects.KeepProof(_, kept, other):
                self._prove(kept, other)
            case effects.Prepare() | effects.Planned() | effects.CapacityChanged():
                pass
            case effects.Keep():
                raise AssertionError("kept before")
            case _:
                assert_never(effect)

    # The public records.

    def knows(self, record: Record) -> bool:
        """Tell whether this node has a public record or what came after it."""
        if record.id in self.library or 0 < record.body.until <= self.now():
            return True
        if self.is_covered(record):
            return True
        if record.kind == "proof":
            better = self.frozen.get(proofs.accused(record))
            return better is not None and proofs.rank(better) < proofs.rank(record)
        newest = self.newest.get((record.author, record.kind))
        return newest is not None and newest.body.seq > record.body.seq

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

    def _prove(self, kept: RecordId, other: Record) -> None:
        """Tell everybody of two public records for one place."""
        first = self.library.get(kept)
        if other.kind in records.PUBLIC and first is not None:
            proof = proofs.prove(first.data, other.data)
            if isinstance(self.judge(proof.data), Accept) and self.is_up:
                self._world.publish(self, proof.data)

    def _synced(self, record: Record) -> None:
        self._world.checkers.kept(self.id, record)
        if record.kind not in records.PUBLIC or self.is_covered(record):
            return
        if record.kind == "proof" and not self._freeze(record):
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
        self.known.add(key_of(record.body.at, record.id))

    def is_covered(self, record: Record) -> bool:
        """Tell whether a record is believed no more, because of what is proven of its author."""
        proof = self.frozen.get(record.author)
        rank = proofs.rank(proof) if proof else None
        return rank is not None and proofs.is_covered(record.kind, record.body.seq, rank)

    def _freeze(self, proof: Record) -> bool:
        """Take in a proof, unless a better one is here."""
        author = proofs.accused(proof)
        before = self.frozen.get(author)
        if before is not None:
            if proofs.rank(before) <= proofs.rank(proof):
                return False
            self._pass_on_no_more(before)
        self._world.note("proves", self, proof)
        self.frozen[author] = proof
        for record in list(self.library.values()):
            if record.author == author and self.is_covered(record):
                self._pass_on_no_more(record)
        for kind in records.LATEST:
            self.newest.pop((author, kind), None)
        self.capacities.pop(author, None)
        self.view.forget(author)
        return True

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
        self.known.remove(key_of(record.body.at, record.id))
        self.peer.admission.drop(record.id)


def is_letter(data: bytes) -> bool:
    try:
        return envelope.parse(data).kind not in records.PUBLIC
    except Malformed:
        return False


def _id_of(data: bytes) -> RecordId | None:
    try:
        return envelope.parse(data).id
    except Malformed:
        return None
