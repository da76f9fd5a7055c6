"""Links and streams as `transport.py` means them, made of what the swarm has.

A peer may have several connections, as when both sides dial at once; it is one link, which goes
down with the last of them. Then the one with the smaller key counts as the one who dialled, so
that at one end at least the link is not inbound.
"""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field

import trio
from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.stream.net_stream import NetStream
from libp2p.rcmgr import Direction
from libp2p.stream_muxer.exceptions import MuxedStreamEOF, MuxedStreamError
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text, read_peer_bytes

from .libp2p_mends import survive
from .libp2p_muxer import MuxedStream
from .transport import Link, LinkDown, LinkEvent, LinkUp, StreamBroken

_MISSES_MAX = 3
_TICK_S = 0.001
"""The shortest sleep: one too short to move the clock would be slept for ever."""


class Libp2pStream:
    """A `transport.Stream` on one of ours under the library's."""

    def __init__(self, stream: INetStream) -> None:
        assert isinstance(stream, NetStream)
        assert isinstance(stream.muxed_stream, MuxedStream)
        self._net_stream = stream
        self._muxed = stream.muxed_stream
        self._is_closed = False

    @property
    def peer(self) -> NodeId:
        return read_peer_bytes(self._muxed.muxed_conn.peer_id.to_bytes())

    async def read(self, bytes_max: int) -> bytes:
        assert bytes_max > 0
        try:
            return await self._muxed.read(bytes_max)
        except MuxedStreamEOF:
            return b""
        except MuxedStreamError as error:
            raise StreamBroken(self._name_of(error)) from error

    async def write(self, data: bytes) -> None:
        assert not self._is_closed
        try:
            await self._muxed.write(data)
        except MuxedStreamError as error:
            raise StreamBroken(self._name_of(error)) from error

    async def close(self) -> None:
        self._is_closed = True
        await self._net_stream.close()

    async def reset(self) -> None:
        self._is_closed = True
        await self._net_stream.reset()

    async def leave(self) -> None:
        """Close it, and drop what the other side may still send."""
        self._muxed.abandon()
        await self.close()

    def _name_of(self, error: MuxedStreamError) -> str:
        return f"{peer_text(self.peer)}: {error}"


async def wait_for_silence(
    every_s: float, silence_s: Callable[[], float], ping: Callable[[], Awaitable[None]]
) -> None:
    """Return when a peer has sent nothing for three pings: to TCP a machine that hangs is
    connected for hours.

    `silence_s` tells for how long nothing has come; `ping` may take as long as it likes.
    """
    misses = 0
    while misses < _MISSES_MAX:
        wait_s = every_s - silence_s()
        if wait_s > 0:
            misses = 0
            await trio.sleep(max(wait_s, _TICK_S))
        else:
            misses += 1
            with trio.move_on_after(every_s):
                await ping()


@dataclass(slots=True)
class _Up:
    link: Link
    connections: set[INetConn]
    watching: trio.CancelScope = field(default_factory=trio.CancelScope)


class Links(INotifee):
    """Who is connected, told by the swarm. Emits each change once, and loses none."""

    def __init__(
        self,
        me: NodeId,
        dialling: Container[NodeId],
        watch: Callable[[NodeId], Awaitable[None]],
        events_max: int,
    ) -> None:
        self.nursery: trio.Nursery | None = None
        """Where links are watched; set while the transport runs."""
        self._me = me
        self._dialling = dialling
        self._events_max = events_max
        self._watch = watch
        self._up: dict[NodeId, _Up] = {}
        self._send: trio.MemorySendChannel[LinkEvent] | None = None
        self._events: trio.MemoryReceiveChannel[LinkEvent] | None = None

    def all(self) -> list[Link]:
        return [up.link for up in self._up.values()]

    def is_up(self, peer: NodeId) -> bool:
        up = self._up.get(peer)
        return up is not None and any(not connection.is_closed for connection in up.connections)

    def events(self) -> trio.MemoryReceiveChannel[LinkEvent]:
        if self._events is None:
            self._send, self._events = trio.open_memory_channel[LinkEvent](self._events_max)
        return self._events

    async def connected(self, network: INetwork, conn: INetConn) -> None:
        peer = read_peer_bytes(conn.muxed_conn.peer_id.to_bytes())
        if self.is_up(peer):
            self._up[peer].connections.add(conn)
            return
        if peer in self._up:
            self._go_down(peer)  # It came again before its old connection was cleared away.
        if not self._has_room():
            assert self.nursery is not None
            self.nursery.start_soon(survive, conn.close)
            return
        up = self._up[peer] = _Up(self._link(peer, conn), {conn})
        self._emit(LinkUp(up.link))
        if self.nursery is not None:
            self.nursery.start_soon(self._watch_link, peer, up.watching)

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        peer = read_peer_bytes(conn.muxed_conn.peer_id.to_bytes())
        up = self._up.get(peer)
        if up is None:
            return
        up.connections.discard(conn)
        if not up.connections:
            self._go_down(peer)

    def _link(self, peer: NodeId, connection: INetConn) -> Link:
        assert isinstance(connection, SwarmConn)
        place = str(connection.get_transport_addresses()[0])
        is_inbound = connection.direction == Direction.INBOUND
        if peer in self._dialling and self._me < peer:
            is_inbound = False
        return Link(peer, f"{place}/p2p/{peer_text(peer)}", is_inbound)

    def _go_down(self, peer: NodeId) -> None:
        self._up.pop(peer).watching.cancel()
        self._emit(LinkDown(peer))

    def _emit(self, event: LinkEvent) -> None:
        if self._send is not None:
            self._send.send_nowait(event)

    def _has_room(self) -> bool:
        # Each link that is up keeps a place for its LinkDown; the new one takes two.
        waiting = self._send.statistics().current_buffer_used if self._send is not None else 0
        return waiting + len(self._up) + 2 <= self._events_max

    async def _watch_link(self, peer: NodeId, scope: trio.CancelScope) -> None:
        with scope:
            await self._watch(peer)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        pass

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        pass

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass
