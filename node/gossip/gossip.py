"""Carries what `broadcast.Broadcast` says over lasting streams, one each way for a link.

Decides nothing: who gets what is the machine's, what is believed is the judge's.
"""

import random
from collections.abc import Awaitable, Callable

import trio

from commonfab.protocol.envelope import author_of
from commonfab.protocol.gossip.areas import Topic
from commonfab.protocol.gossip.broadcast import Broadcast, Judge
from commonfab.protocol.gossip.broadcast_events import (
    Arrived,
    Effect,
    Event,
    Hear,
    Learned,
    LinkDown,
    LinkUp,
    Offend,
    Repair,
    Send,
    Tick,
    WakeAt,
)
from commonfab.protocol.gossip.broadcast_wire import (
    PROTOCOL,
    Graft,
    Have,
    Item,
    Push,
    Wants,
    decode,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    GOSSIP_FRAME_BYTES_MAX,
    GOSSIP_ITEMS_BURST_MAX,
    GOSSIP_ITEMS_PER_S_MAX,
    KIB,
)

from ..network.frames import read_frame
from ..network.transport import Stream, Transport
from .outbox import Outbox

_ITEM_BYTES = 8 * KIB
_ITEM_IDS = 64
"""What counts as one item, of a long record and of a list of ids."""
ITEMS_AT_ONCE = 64
"""Of a frame; then the others have their turn: a long one would hold them up for a second."""
_REPAIR_EVERY_S = 30.0
"""A peer is asked for a session of sync no more often."""
_REPAIRS_MAX = 1024


class Gossip:
    """One for each node."""

    def __init__(
        self,
        transport: Transport,
        judge: Judge,
        topics: frozenset[Topic],
        repair: Callable[[NodeId], Awaitable[None]],
        offend: Callable[[NodeId, str], None],
        is_known: Callable[[NodeId], bool],
    ) -> None:
        """`repair` syncs with a peer that may know what got lost on the way; `offend` counts
        what a peer does against the rules; what authors say of whom `is_known` goes first."""
        self._transport = transport
        self._core = Broadcast(judge, topics, random.random)
        self._sync = repair
        self._offend = offend
        self._is_known = is_known
        self._outboxes: dict[NodeId, Outbox] = {}
        self._reading: dict[NodeId, trio.CancelScope] = {}
        self._told: dict[NodeId, Wants] = {}
        """What each peer wants, by its stream that is read now."""
        self._paces: dict[NodeId, Pace] = {}
        self._repaired_at: dict[NodeId, float] = {}
        self._wake_at = float("inf")
        self._wake = trio.Event()
        self._nursery: trio.Nursery | None = None
        transport.serve(PROTOCOL, self._read, is_lasting=True)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Pass on until cancelled. Start it before the transport runs."""
        async with trio.open_nursery() as self._nursery:
            try:
                task_status.started()
                while True:
                    with trio.move_on_at(self._wake_at):
                        await self._wake.wait()
                    self._wake = trio.Event()
                    if trio.current_time() >= self._wake_at:
                        self._wake_at = float("inf")
                        self._handle(Tick())
            finally:
                # Before the nursery closes: a link may come up until the node has stopped.
                self._nursery = None

    def link_up(self, peer: NodeId) -> None:
        """Take note of a link, once or more often."""
        if peer in self._outboxes or self._nursery is None:
            return
        box = self._outboxes[peer] = Outbox(peer)
        self._paces[peer] = Pace()
        self._handle(LinkUp(peer))
        if peer in self._told:  # Its stream was here before the news of its link.
            self._handle(Arrived(peer, [self._told[peer]]))
        self._nursery.start_soon(box.run, self._transport, self._core.wants, self._repair)

    def link_down(self, peer: NodeId) -> None:
        box = self._outboxes.pop(peer, None)
        if box is not None:
            box.scope.cancel()
            del self._paces[peer]
            self._handle(LinkDown(peer))

    def learn(self, area: Topic, sealed: bytes) -> None:
        """Pass on a record that is known here, unless it was passed on before."""
        self._handle(Learned(area, sealed))

    def hear(self, topics: frozenset[Topic]) -> None:
        """Hear of these topics from now on."""
        if topics != frozenset(self._core.wants().topics):
            self._handle(Hear(topics))

    async def _read(self, stream: Stream) -> None:
        """Serve what one peer writes. Its newest stream counts."""
        peer = stream.peer
        if peer in self._reading:
            self._reading[peer].cancel()
        with trio.CancelScope() as scope:
            self._reading[peer] = scope
            try:
                await self._read_frames(stream)
            finally:
                if self._reading.get(peer) is scope:
                    del self._reading[peer]
                    self._told.pop(peer, None)

    async def _read_frames(self, stream: Stream) -> None:
        peer = stream.peer
        while (data := await read_frame(stream, GOSSIP_FRAME_BYTES_MAX)) is not None:
            items = decode(data)
            for item in items:
                if isinstance(item, Wants):
                    self._told[peer] = item
            if peer not in self._outboxes and self._is_linked(peer):
                self.link_up(peer)  # The news of the link is still on its way.
            for at in range(0, len(items), ITEMS_AT_ONCE):
                some = items[at : at + ITEMS_AT_ONCE]
                self._handle(Arrived(peer, some))
                pace = self._paces.get(peer)
                if pace is not None:
                    await pace.wait(sum(map(_cost, some)))

    def _is_linked(self, peer: NodeId) -> bool:
        return any(link.peer == peer for link in self._transport.links())

    def _handle(self, event: Event) -> None:
        for effect in self._core.handle(event, _now_ms()):
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(to, item):
                self._outboxes[to].put(item, of_stranger=self._is_of_stranger(item))
            case Offend(peer, why):
                self._offend(peer, why)
            case Repair(peer):
                self._repair(peer)
            case WakeAt(at):
                self._wake_at = min(self._wake_at, at / 1000)
                self._wake.set()

    def _is_of_stranger(self, item: Item) -> bool:
        return isinstance(item, Push) and not self._is_known(author_of(item.sealed))

    def _repair(self, peer: NodeId) -> None:
        now = trio.current_time()
        if self._repaired_at.get(peer, float("-inf")) > now - _REPAIR_EVERY_S:
            return
        if len(self._repaired_at) >= _REPAIRS_MAX:
            self._repaired_at.clear()
        self._repaired_at[peer] = now
        if self._nursery is not None:
            self._nursery.start_soon(self._sync, peer)


class Pace:
    """Slows the reader of one peer down to `GOSSIP_ITEMS_PER_S_MAX`, after a burst.

    Judging a record costs a fifth of a millisecond.
    """

    def __init__(self) -> None:
        self._due = float("-inf")

    async def wait(self, cost: float) -> None:
        """Return when the next item is due; the time unused counts for a burst of them."""
        now = trio.current_time()
        earliest = now - GOSSIP_ITEMS_BURST_MAX / GOSSIP_ITEMS_PER_S_MAX
        self._due = max(self._due, earliest) + cost / GOSSIP_ITEMS_PER_S_MAX
        await trio.sleep(max(0, self._due - now))


def _cost(item: Item) -> float:
    match item:
        case Push(_, sealed):
            return 1 + len(sealed) / _ITEM_BYTES
        case Have(_, ids) | Graft(_, ids):
            return 0.2 + len(ids) / _ITEM_IDS
        case _:
            return 0.2


def _now_ms() -> int:
    return int(trio.current_time() * 1000)
