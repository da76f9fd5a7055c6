"""Gossip on the simulated wire: the real machine of each node, over lasting streams.

A stream keeps what it carries whole and in order. A cut breaks it, with what is on its way;
it comes up again when both ends can. A crash takes all that a node's gossip remembered.
"""

from functools import partial
from typing import TYPE_CHECKING

from commonfab.protocol.admission import Accept, Reject
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.errors import PeerError
from commonfab.protocol.gossip import broadcast_wire
from commonfab.protocol.gossip.areas import Topic, area_of, heard_at
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
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.records import Place
from commonfab.protocol.standing.offences import Offences

if TYPE_CHECKING:
    from .node import Node
    from .world import World

LOOK_MS = 10_000
"""How long it takes at most until two nodes notice that they can speak again."""
PLACES = (
    Place(lat_udeg=45_700_000, lon_udeg=4_800_000),
    Place(lat_udeg=45_700_000, lon_udeg=4_800_000),
    Place(lat_udeg=38_700_000, lon_udeg=-9_100_000),
)
"""Two nodes in three are near each other, and the third is far."""
LOST_MS_MAX = 800
"""What a stream takes to carry what was lost on the way."""
OFFENCE = 1.0


class Gossip:
    """One for each run; `Hearer` is one node's part."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._hearers: dict[int, Hearer] = {}
        self._up: set[tuple[int, int]] = set()
        """The links, both ways round."""
        self._arrives: dict[tuple[int, int], int] = {}
        """When the last frame arrives, by sender and receiver: none overtakes it."""
        self.shown_out = 0

    def started(self, node: "Node") -> None:
        self._hearers[node.index] = Hearer(self._world, self, node)

    def stopped(self, node: "Node") -> None:
        for other in self._world.links[node.index]:
            self.break_off(node.index, other)
        del self._hearers[node.index]

    def publish(self, node: "Node", data: bytes) -> None:
        self._hearers[node.index].handle(Learned(home_of(node.index), data))

    def look(self) -> None:
        """Bring up the links that can be, and drop those that are cut."""
        for one, others in enumerate(self._world.links):
            for other in others:
                if one < other:
                    self._look_at(one, other)

    def say(self, sender: int, receiver: int, frame: bytes) -> None:
        """Put a frame on the stream from one party to another, if there is one."""
        world = self._world
        if not self.is_up(sender, receiver):
            return
        due_ms = world.now_ms() + world.carry(sender, receiver, frame)
        if world.happens(world.faults.loss):
            due_ms += world.random.randrange(LOST_MS_MAX)
        due_ms = max(due_ms, self._arrives.get((sender, receiver), 0))
        self._arrives[sender, receiver] = due_ms
        world.at(due_ms, partial(self._arrive, sender, receiver, frame))

    def is_up(self, one: int, other: int) -> bool:
        return (one, other) in self._up

    def break_off(self, one: int, other: int) -> None:
        if self.is_up(one, other):
            self._up -= {(one, other), (other, one)}
            self._tell(one, LinkDown(self._world.parties[other].id))
            self._tell(other, LinkDown(self._world.parties[one].id))

    def show_out(self, node: "Node", peer: NodeId) -> None:
        """Let a node have no more to do with a peer, for a while."""
        world = self._world
        other = world.index_of(peer)
        assert world.is_rogue(other), f"{node.index} shows {other} out, and both are honest"
        self.shown_out += 1
        world.tell(f"{node.index:2} shows {other} out")
        self.break_off(node.index, other)

    def _look_at(self, one: int, other: int) -> None:
        world = self._world
        if self.is_up(one, other):
            if world.are_apart(one, other):
                self.break_off(one, other)
        elif not world.are_apart(one, other) and self._take(one, other) and self._take(other, one):
            self._up |= {(one, other), (other, one)}
            self._tell(one, LinkUp(world.parties[other].id))
            self._tell(other, LinkUp(world.parties[one].id))

    def _take(self, one: int, other: int) -> bool:
        """Tell whether a party is there, and would speak with the other."""
        hearer = self._hearers.get(one)
        if hearer is None:
            return self._world.is_rogue(one)
        return not hearer.keeps_out(self._world.parties[other].id)

    def _tell(self, index: int, event: Event) -> None:
        if index in self._hearers:
            self._hearers[index].handle(event)
        elif isinstance(event, LinkUp) and self._world.is_rogue(index):
            rogue = self._world.rogues[index - self._world.scale.honest]
            rogue.greet(partial(self.say, index, self._world.index_of(event.peer)))

    def _arrive(self, sender: int, receiver: int, frame: bytes) -> None:
        world = self._world
        if not self.is_up(sender, receiver):
            return
        if world.is_cut(sender, receiver):
            self.break_off(sender, receiver)
        elif receiver in self._hearers:
            self._hearers[receiver].hear(sender, frame)
        elif world.is_rogue(receiver):
            rogue = world.rogues[receiver - world.scale.honest]
            rogue.overhear(frame, partial(self.say, receiver, sender))


class Hearer:
    """One node's gossip, from its start to its end."""

    def __init__(self, world: "World", gossip: Gossip, node: "Node") -> None:
        self._world = world
        self._gossip = gossip
        self._node = node
        self._start = node.starts
        topics = heard_at([PLACES[node.index % 3]])
        self._core = world.build.broadcast(self._judge, topics, world.random.random)
        self._offences = Offences()

    def handle(self, event: Event) -> None:
        world = self._world
        frames: dict[NodeId, list[broadcast_wire.Item]] = {}
        due = self._core.handle(event, world.now_ms())
        if not self._is_running():
            return
        for effect in due:
            match effect:
                case Send(to, item):
                    frames.setdefault(to, []).append(item)
                case Offend(peer, why):
                    self._offend(peer, why)
                case Repair(peer):
                    world.after(1, partial(world.sync_with, self._node, world.index_of(peer)))
                case WakeAt(at):
                    assert at > world.now_ms(), "woken at once, again and again"
                    world.at(at, self._tick)
        for to, items in frames.items():
            self._gossip.say(self._node.index, world.index_of(to), broadcast_wire.encode(items))

    def hear(self, sender: int, frame: bytes) -> None:
        peer = self._world.parties[sender].id
        try:
            items = broadcast_wire.decode(frame)
        except PeerError as error:
            self._offend(peer, str(error))
            return
        self.handle(Arrived(peer, items))

    def keeps_out(self, peer: NodeId) -> bool:
        return self._offences.is_kept_out(peer, self._node.now())

    def _judge(self, peer: NodeId, area: Topic, sealed: Envelope) -> Judged:
        verdict = self._node.judge(sealed.data)
        match verdict:
            case Accept():
                return Judged("accept", area)
            case Reject(reason):
                return Judged("reject", area, reason)
            case _:
                return Judged("ignore", area)

    def _offend(self, peer: NodeId, why: str) -> None:
        now: Timestamp = self._node.now()
        if self._offences.offend(peer, why, OFFENCE, now):
            self._gossip.show_out(self._node, peer)

    def _tick(self) -> None:
        if self._is_running():
            self.handle(Tick())

    def _is_running(self) -> bool:
        return self._node.is_up and self._node.starts == self._start


def home_of(index: int) -> Topic:
    return area_of(PLACES[index % 3])
