"""Counts the bytes of every stream, in and out, by peer and by what they are for.

The one place where streams are wrapped. What lies under them is not counted: the handshakes, the
frames of the muxer and of TCP, some 5 % of long streams and more of short ones.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from commonfab.protocol.ids import NodeId

from ..journal import Journal
from .transport import Handler, Link, LinkEvent, Reachability, Stream, Transport

KINDS = ("gossip", "sync", "blocks", "letters", "other")
_KIND_OF = {
    "/commonfab/gossip/": "gossip",
    "/commonfab/sync/": "sync",
    "/commonfab/letters/": "letters",
    "/ipfs/bitswap": "blocks",
}
_SLOT_S = 600
_SLOTS = 6
"""An hour is counted in pieces, so what is told is of the last 50 to 60 minutes."""
_PEERS_MAX = 1024
"""Peers remembered; the one that moved no byte for the longest is forgotten first."""


@dataclass(slots=True)
class Moved:
    """Bytes both ways."""

    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, bytes_in: int, bytes_out: int) -> None:
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    @property
    def both(self) -> int:
        return self.bytes_in + self.bytes_out


@dataclass(slots=True)
class _Hour:
    """What moved lately, by pieces of the hour."""

    slots: dict[int, Moved] = field(default_factory=dict[int, Moved])

    def add(self, slot: int, bytes_in: int, bytes_out: int) -> None:
        moved = self.slots.get(slot)
        if moved is None:
            self.slots = {each: self.slots[each] for each in self.slots if each > slot - _SLOTS}
            moved = self.slots[slot] = Moved()
        moved.add(bytes_in, bytes_out)

    def total(self, slot: int) -> Moved:
        total = Moved()
        for each, moved in self.slots.items():
            if each > slot - _SLOTS:
                total.add(moved.bytes_in, moved.bytes_out)
        return total


class Traffic:
    """What moved, since this node started and in the last hour."""

    def __init__(self) -> None:
        self.ever = Moved()
        self._by_kind = {kind: _Hour() for kind in KINDS}
        self._by_peer: OrderedDict[NodeId, dict[str, _Hour]] = OrderedDict()

    def count(self, peer: NodeId, kind: str, bytes_in: int, bytes_out: int) -> None:
        slot = _slot()
        self.ever.add(bytes_in, bytes_out)
        self._by_kind[kind].add(slot, bytes_in, bytes_out)
        kinds = self._by_peer.setdefault(peer, {})
        self._by_peer.move_to_end(peer)
        kinds.setdefault(kind, _Hour()).add(slot, bytes_in, bytes_out)
        if len(self._by_peer) > _PEERS_MAX:
            self._by_peer.popitem(last=False)

    def last_hour(self) -> dict[str, Moved]:
        """Return what moved by kind, the kinds without any included."""
        return {kind: hour.total(_slot()) for kind, hour in self._by_kind.items()}

    def last_hour_with(self, peer: NodeId) -> dict[str, Moved]:
        """Return what moved to and from one peer, by the kinds that it used."""
        hours = self._by_peer.get(peer, {})
        return {kind: hour.total(_slot()) for kind, hour in hours.items()}


class MeteredStream:
    """See `transport.Stream`."""

    def __init__(self, stream: Stream, kind: str, traffic: Traffic) -> None:
        self._stream = stream
        self._kind = kind
        self._traffic = traffic

    @property
    def peer(self) -> NodeId:
        return self._stream.peer

    async def read(self, bytes_max: int) -> bytes:
        data = await self._stream.read(bytes_max)
        self._traffic.count(self._stream.peer, self._kind, len(data), 0)
        return data

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)
        self._traffic.count(self._stream.peer, self._kind, 0, len(data))

    def hold(self, size: int) -> None:
        self._stream.hold(size)

    async def close(self) -> None:
        await self._stream.close()

    async def reset(self) -> None:
        await self._stream.reset()


class MeteredTransport:
    """See `transport.Transport`: another one, whose streams are counted."""

    def __init__(self, transport: Transport, traffic: Traffic) -> None:
        self._transport = transport
        self._traffic = traffic

    @property
    def me(self) -> NodeId:
        return self._transport.me

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self._transport.run(task_status=task_status)

    def addresses(self) -> list[str]:
        return self._transport.addresses()

    def reachability(self) -> Reachability:
        return self._transport.reachability()

    def when_addresses_change(self, tell: Callable[[], None]) -> None:
        self._transport.when_addresses_change(tell)

    def links(self) -> list[Link]:
        return self._transport.links()

    def events(self) -> trio.MemoryReceiveChannel[LinkEvent]:
        return self._transport.events()

    def know(self, peer: NodeId) -> None:
        self._transport.know(peer)

    def answer_to(self, journal: Journal) -> None:
        self._transport.answer_to(journal)

    async def connect(self, address: str) -> NodeId:
        return await self._transport.connect(address)

    async def disconnect(self, peer: NodeId) -> None:
        await self._transport.disconnect(peer)

    async def open(self, peer: NodeId, protocol: str) -> MeteredStream:
        return MeteredStream(
            await self._transport.open(peer, protocol), kind_of(protocol), self._traffic
        )

    def serve(self, protocol: str, handler: Handler, *, is_lasting: bool = False) -> None:
        async def handle(stream: Stream) -> None:
            await handler(MeteredStream(stream, kind_of(protocol), self._traffic))

        self._transport.serve(protocol, handle, is_lasting=is_lasting)


def kind_of(protocol: str) -> str:
    """Return what the streams of a protocol are for."""
    return next((kind for start, kind in _KIND_OF.items() if protocol.startswith(start)), "other")


def _slot() -> int:
    return int(trio.current_time() // _SLOT_S)
