"""Nodes that only pass records on, over links that lose, repeat and delay what they carry."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random

from commonfab.protocol.envelope import Envelope, seal
from commonfab.protocol.gossip.areas import Topic, area_of, heard_at
from commonfab.protocol.gossip.broadcast import Broadcast
from commonfab.protocol.gossip.broadcast_events import (
    Arrived,
    Event,
    Judged,
    Learned,
    LinkDown,
    LinkUp,
    Offend,
    Repair,
    Send,
    Tick,
    WakeAt,
)
from commonfab.protocol.gossip.broadcast_wire import Item, Wants, decode, encode
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Place

LYON = Place(lat_udeg=45_700_000, lon_udeg=4_800_000)
LYON_AREA = area_of(LYON)
SYNC_MS = 300


@dataclass(frozen=True)
class Nobody:
    """A signer whose signatures nobody here checks."""

    node: NodeId

    def sign(self, text: bytes) -> bytes:
        return bytes(64)


def a_record(number: int, kind: str = "capacity", size: int = 400) -> Envelope:
    body = number.to_bytes(8, "big").ljust(size, b".")
    return seal(kind, body, Nobody(NodeId(bytes(32))))


def node_id(index: int) -> NodeId:
    return NodeId(index.to_bytes(32, "big"))


@dataclass
class Party:
    """One node: its part in the broadcast, and what it knows."""

    core: Broadcast
    heard: dict[RecordId, int] = field(default_factory=dict[RecordId, int])
    """When each record was first known."""
    known: dict[RecordId, tuple[Topic, Envelope]] = field(
        default_factory=dict[RecordId, tuple[Topic, Envelope]]
    )
    offences: int = 0
    sent_bytes: int = 0
    got_bytes: int = 0


@dataclass
class Air:
    """What goes wrong on links."""

    loss: float = 0.0
    copies: float = 0.0
    delay_ms: tuple[int, int] = (10, 100)
    is_repaired: bool = True
    """Whether nodes sync when they ask for it, and when a link comes up."""


class BroadcastWorld:
    """See the module's docstring. One seed is one story."""

    def __init__(self, seed: int, nodes: int, air: Air, topics: Iterable[Topic] = ()) -> None:
        self.random = Random(seed)
        self.air = air
        self.now = 0
        self.deliveries = 0
        self.pushes = 0
        self.links: set[tuple[int, int]] = set()
        self._silent: set[int] = set()
        self._last: dict[tuple[int, int], int] = {}
        """When what was sent last from one to another arrives."""
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._ties = count()
        wanted = frozenset(topics) or heard_at([LYON])
        self.parties = [self._new_party(index, wanted) for index in range(nodes)]

    def _new_party(self, index: int, topics: frozenset[Topic]) -> Party:
        def judge(_peer: NodeId, area: Topic, sealed: Envelope) -> Judged:
            party = self.parties[index]
            if sealed.id in party.known:
                return Judged("ignore", area)
            party.known[sealed.id] = area, sealed
            party.heard[sealed.id] = self.now
            return Judged("accept", area)

        return Party(Broadcast(judge, topics, self.random.random))

    def restart(self, index: int) -> None:
        """Let a node forget all, and come back linked as it was."""
        peers = [other for pair in self.links if index in pair for other in pair if other != index]
        for peer in sorted(peers):
            self.unlink(index, peer)
        self.parties[index] = self._new_party(index, heard_at([LYON]))
        for peer in sorted(peers):
            self.link(index, peer)

    def settle(self, index: int, topics: frozenset[Topic]) -> None:
        """Let a node hear of other topics than the rest, before it is linked."""
        self.parties[index] = self._new_party(index, topics)

    def bytes_of(self, index: int) -> int:
        """Return what a node has sent and was sent."""
        return self.parties[index].sent_bytes + self.parties[index].got_bytes

    def link(self, one: int, other: int) -> None:
        pair = min(one, other), max(one, other)
        if pair in self.links or one == other:
            return
        self.links.add(pair)
        self._handle(one, LinkUp(node_id(other)))
        self._handle(other, LinkUp(node_id(one)))
        if self.air.is_repaired:
            self.after(SYNC_MS, partial(self._sync, one, other))

    def unlink(self, one: int, other: int) -> None:
        self.links.discard((min(one, other), max(one, other)))
        self._handle(one, LinkDown(node_id(other)))
        self._handle(other, LinkDown(node_id(one)))

    def silence(self, index: int) -> None:
        """Let a node take all and say nothing from now on."""
        self._silent.add(index)

    def sync_all(self) -> None:
        """Let what is due from time to time happen now: a sync on every link."""
        for one, other in sorted(self.links):
            self.after(SYNC_MS, partial(self._sync, one, other))

    def mesh(self, degree: int) -> None:
        """Link every node in a ring, and each to some others."""
        size = len(self.parties)
        for index in range(size):
            self.link(index, (index + 1) % size)
            for _ in range(degree // 2 - 1):
                self.link(index, self.random.randrange(size))

    def publish(self, index: int, sealed: Envelope, area: Topic = LYON_AREA) -> None:
        party = self.parties[index]
        party.known[sealed.id] = area, sealed
        party.heard[sealed.id] = self.now
        self._handle(index, Learned(area, sealed.data))

    def send(self, sender: int, receiver: int, items: list[Item]) -> None:
        """Deliver what a node did not make itself."""
        self._handle(receiver, Arrived(node_id(sender), items))

    def run(self, ms: int) -> None:
        end = self.now + ms
        while self._heap and self._heap[0][0] <= end:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        self.now = end

    def after(self, ms: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + ms, next(self._ties), what))

    def is_known_to_all(self, sealed: Envelope) -> bool:
        return all(sealed.id in party.known for party in self.parties)

    def _handle(self, index: int, event: Event) -> None:
        party = self.parties[index]
        frames: dict[NodeId, list[Item]] = {}
        for effect in party.core.handle(event, self.now):
            match effect:
                case Send(to, item):
                    frames.setdefault(to, []).append(item)
                case Offend():
                    party.offences += 1
                case Repair(peer) if self.air.is_repaired:
                    other = int.from_bytes(peer, "big")
                    self.after(SYNC_MS, partial(self._sync, index, other))
                case Repair():
                    pass
                case WakeAt(at):
                    assert at > self.now, "woken at once, again and again"
                    self.after(at - self.now, partial(self._tick, index, party))
        for to, items in frames.items():
            self._carry(index, int.from_bytes(to, "big"), items)

    def _tick(self, index: int, party: Party) -> None:
        if self.parties[index] is party:
            self._handle(index, Tick())

    def _carry(self, sender: int, receiver: int, items: list[Item]) -> None:
        if sender in self._silent:
            return
        data = encode(items)
        self.parties[sender].sent_bytes += len(data)
        self.parties[receiver].got_bytes += len(data)
        is_greeting = any(isinstance(item, Wants) for item in items)
        if self.random.random() < self.air.loss and not is_greeting:
            return
        for _ in range(2 if self.random.random() < self.air.copies else 1):
            # On a stream nothing overtakes what was sent before.
            way = sender, receiver
            at = max(self.now + self.random.randint(*self.air.delay_ms), self._last.get(way, 0))
            self._last[way] = at
            self.after(at - self.now, partial(self._arrive, sender, receiver, data))

    def _arrive(self, sender: int, receiver: int, data: bytes) -> None:
        if (min(sender, receiver), max(sender, receiver)) in self.links:
            self._handle(receiver, Arrived(node_id(sender), decode(data)))

    def _sync(self, one: int, other: int) -> None:
        if (min(one, other), max(one, other)) not in self.links:
            return
        for giver, taker in ((one, other), (other, one)):
            for identifier, (area, sealed) in list(self.parties[giver].known.items()):
                if identifier not in self.parties[taker].known:
                    self.publish(taker, sealed, area)
