"""A world of block exchanges: honest nodes and cheats, and a network that loses and delays.

One seed decides everything. Time is virtual; a simulated minute takes milliseconds.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random

from commonfab.protocol.exchange.bitswap_wire import (
    Block,
    HashedBlock,
    Message,
    Presence,
    WantKind,
)
from commonfab.protocol.exchange.events import (
    Acquired,
    Blame,
    Connected,
    Deliver,
    Effect,
    Event,
    Failed,
    Find,
    Found,
    Gone,
    Grow,
    Kept,
    Load,
    Loaded,
    Received,
    Rest,
    Seek,
    Send,
    Sent,
    SessionId,
    Start,
    Stop,
    Tick,
    WakeAt,
)
from commonfab.protocol.exchange.exchange import Exchange
from commonfab.protocol.ids import NodeId

RAW = bytes([1, 0x55, 0x12, 0x20])
DAG_PB = bytes([1, 0x70, 0x12, 0x20])
SESSION = SessionId(1)
STEPS_MAX = 200_000

Links = Mapping[bytes, tuple[bytes, ...]]


def leaf(data: bytes) -> Block:
    return HashedBlock(RAW, data)


def tree(
    blocks_count: int, fan_out: int, random: Random
) -> tuple[bytes, dict[bytes, Block], Links]:
    """Make a tree of different blocks. Return its root, the blocks, and who links to whom."""
    level = [leaf(b"leaf %d " % i + random.randbytes(8)) for i in range(blocks_count)]
    blocks = {block.cid: block for block in level}
    links: dict[bytes, tuple[bytes, ...]] = {}
    while len(level) > 1:
        parents: list[Block] = []
        for start in range(0, len(level), fan_out):
            below = tuple(block.cid for block in level[start : start + fan_out])
            parents.append(HashedBlock(DAG_PB, b"".join(below)))
            links[parents[-1].cid] = below
            blocks[parents[-1].cid] = parents[-1]
        level = parents
    return level[0].cid, blocks, links


@dataclass
class Node:
    """An honest node: the machine under test, its blocks, and the one tree it fetches."""

    me: NodeId
    links: Links
    blocks: dict[bytes, Block] = field(default_factory=dict[bytes, Block])
    exchange: Exchange = field(default_factory=Exchange)
    known: set[bytes] = field(default_factory=set[bytes])
    outcome: str | None = None
    blamed: list[tuple[NodeId, str]] = field(default_factory=list[tuple[NodeId, str]])
    asked: dict[bytes, NodeId] = field(default_factory=dict[bytes, NodeId])
    """Which peer is asked for a block now, as an onlooker sees it."""


Cheat = Callable[[Message, Random], Message | None]
"""What a dishonest peer answers to a message; None for nothing."""


def denier(message: Message, random: Random) -> Message:
    return Message(presences=tuple(Presence(w.cid, has=False) for w in message.wants))


def boaster(message: Message, random: Random) -> Message:
    """Says that it has everything, and sends none of it."""
    return Message(presences=tuple(Presence(w.cid, has=True) for w in message.wants))


def forger(message: Message, random: Random) -> Message:
    """Sends other bytes than were asked for."""
    wants = [w for w in message.wants if not w.cancel]
    return Message(
        presences=tuple(Presence(w.cid, has=True) for w in wants if w.kind is WantKind.HAVE),
        blocks=tuple(leaf(random.randbytes(9)) for w in wants if w.kind is WantKind.BLOCK),
    )


def mute(message: Message, random: Random) -> None:
    return None


def pusher(message: Message, random: Random) -> Message:
    """Sends what nobody asked for, and its own endless wishes."""
    return Message(blocks=(leaf(random.randbytes(9)),), wants=message.wants)


CHEATS: tuple[Cheat, ...] = (denier, boaster, forger, mute, pusher)


@dataclass
class World:
    seed: int
    loss: float = 0.0
    delay_ms_max: int = 200
    nodes: dict[NodeId, Node] = field(default_factory=dict[NodeId, Node])
    cheats: dict[NodeId, Cheat] = field(default_factory=dict[NodeId, Cheat])
    now: int = 0
    delivered: list[tuple[NodeId, Block]] = field(default_factory=list[tuple[NodeId, Block]])
    trace: list[str] = field(default_factory=list[str])
    _heap: list[tuple[int, int, NodeId, Event]] = field(
        default_factory=list[tuple[int, int, NodeId, Event]]
    )
    _order: Iterator[int] = field(default_factory=count)
    _parted: set[frozenset[NodeId]] = field(default_factory=set[frozenset[NodeId]])

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def at(self, when: int, to: NodeId, event: Event) -> None:
        heapq.heappush(self._heap, (when, next(self._order), to, event))

    def fetch(
        self, who: Node, root: bytes, peers: tuple[NodeId, ...], idle_ms: int = 60_000
    ) -> None:
        who.known.add(root)
        for peer in peers:
            self.at(0, who.me, Connected(peer))
        self.at(0, who.me, Start(SESSION, (root,), peers, idle_ms=60_000))

    def part(self, one: NodeId, other: NodeId, when: int) -> None:
        """Two nodes lose each other at a time, for good."""
        for me, peer in ((one, other), (other, one)):
            if me in self.nodes:
                self.at(when, me, Gone(peer))

    def run(self) -> None:
        steps = 0
        while self._heap:
            steps += 1
            assert steps < STEPS_MAX, f"still busy; seed {self.seed}"
            self.now, _, to, event = heapq.heappop(self._heap)
            if isinstance(event, Gone):
                self._parted.add(frozenset((to, event.peer)))
            if isinstance(event, Received) and frozenset((to, event.peer)) in self._parted:
                continue
            if to in self.cheats:
                self._cheat(to, event)
            else:
                self._handle(self.nodes[to], event)

    def _cheat(self, me: NodeId, event: Event) -> None:
        if isinstance(event, Received):
            answer = self.cheats[me](event.message, self.random)
            if answer is not None:
                self._post(me, event.peer, answer)

    def _handle(self, node: Node, event: Event) -> None:
        self._note_answers(node, event)
        effects = node.exchange.handle(event, self.now)
        kinds = [type(effect).__name__ for effect in effects]
        self.trace.append(f"{self.now} {node.me!r} {type(event).__name__} {kinds}")
        self._note_asks(node, effects)
        for effect in effects:
            self._carry_out(node, effect)

    def _carry_out(self, node: Node, effect: Effect) -> None:
        soon = self.now + self.random.randint(0, 3)
        match effect:
            case Send(peer, message, bytes_count):
                self._post(node.me, peer, message)
                self.at(soon, node.me, Sent(peer, bytes_count))
            case Deliver(session, block):
                self._deliver(node, session, block)
            case Failed(_, _, reason):
                node.outcome = reason
            case Blame(peer, reason):
                node.blamed.append((peer, reason))
            case Find(peer, cids):
                here = tuple(cid for cid in cids if cid in node.blocks)
                self.at(soon, node.me, Found(peer, cids, here))
            case Load(peer, cids, _):
                taken = cids[: self.random.randint(1, 5)]
                blocks = tuple(node.blocks[cid] for cid in taken if cid in node.blocks)
                missing = tuple(cid for cid in taken if cid not in node.blocks)
                self.at(soon, node.me, Loaded(peer, cids, blocks, missing))
            case WakeAt(at):
                assert at > self.now, "woken at once, again and again"
                self.at(at, node.me, Tick())
            case Rest() | Seek():
                pass

    def _deliver(self, node: Node, session: SessionId, block: Block) -> None:
        assert block.cid in node.known, "a block that nobody asked for"
        assert block.cid not in node.blocks, "a block twice"
        assert node.outcome is None, "a block after the end"
        node.blocks[block.cid] = block
        node.asked.pop(block.cid, None)
        self.delivered.append((node.me, block))
        self.at(self.now + 1, node.me, Kept(session, len(block.data)))
        self.at(self.now + 1, node.me, Acquired((block.cid,)))
        new = tuple(cid for cid in node.links.get(block.cid, ()) if cid not in node.known)
        node.known.update(new)
        if new:
            self.at(self.now + 1, node.me, Grow(session, new))
        if len(node.blocks) == len(node.known):
            node.outcome = "done"
            self.at(self.now + 2, node.me, Stop(session))

    def _note_asks(self, node: Node, effects: list[Effect]) -> None:
        sends = [effect for effect in effects if isinstance(effect, Send)]
        wants = [(send.peer, want) for send in sends for want in send.message.wants]
        for peer, want in wants:
            if want.cancel and node.asked.get(want.cid) == peer:
                del node.asked[want.cid]
        for peer, want in wants:
            if not want.cancel and want.kind is WantKind.BLOCK:
                other = node.asked.setdefault(want.cid, peer)
                assert other == peer, f"{want.cid.hex()} asked of {other!r} and {peer!r} at once"

    def _note_answers(self, node: Node, event: Event) -> None:
        if isinstance(event, Gone):
            node.asked = {cid: peer for cid, peer in node.asked.items() if peer != event.peer}
        if isinstance(event, Received):
            for presence in event.message.presences:
                if not presence.has and node.asked.get(presence.cid) == event.peer:
                    del node.asked[presence.cid]

    def _post(self, sender: NodeId, to: NodeId, message: Message) -> None:
        if self.random.random() >= self.loss:
            delay_ms = self.random.randint(1, self.delay_ms_max)
            self.at(self.now + delay_ms, to, Received(sender, message))
