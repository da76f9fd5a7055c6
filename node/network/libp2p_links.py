"""Links and streams as `transport.py` means them, made of what the swarm has.

A peer may have several connections, as when both sides dial at once; it is one link, which goes
down with the last of them. Then the one with the smaller key counts as the one who dialled, so
that at one end at least the link is not inbound.
"""

import math
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field, replace

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

from .. import log
from .libp2p_mends import survive
from .libp2p_muxer import MuxedStream
from .relaying import is_circuit
from .transport import Link, LinkDown, LinkEvent, LinkUp, StreamBroken

_MISSES_MAX = 3
_RETIRE_S_MAX = 30.0
_RETIRE_STEP_S = 0.5
_TICK_S = 0.001
"""The shortest sleep: one too short to move the clock would be slept for ever."""


class Libp2pStream:
    """A `transport.Stream` on one of ours under the library's.

    It breaks where reading or writing moves nothing for `idle_s`.
    """

    def __init__(self, stream: INetStream, idle_s: float = math.inf) -> None:
        assert isinstance(stream, NetStream)
        assert isinstance(stream.muxed_stream, MuxedStream)
        self._net_stream = stream
        self._muxed = stream.muxed_stream
        self._is_closed = False
        self._idle_s = idle_s

    @property
    def peer(self) -> NodeId:
        return read_peer_bytes(self._muxed.muxed_conn.peer_id.to_bytes())

    async def read(self, bytes_max: int) -> bytes:
        assert bytes_max > 0
        try:
            with trio.move_on_after(self._idle_s):
                return await self._muxed.read(bytes_max)
        except MuxedStreamEOF:
            return b""
        except MuxedStreamError as error:
            raise StreamBroken(self._name_of(error)) from error
        raise await self._idle()

    async def write(self, data: bytes) -> None:
        assert not self._is_closed
        try:
            with trio.move_on_after(self._idle_s):
                await self._muxed.write(data)
                return
        except MuxedStreamError as error:
            raise StreamBroken(self._name_of(error)) from error
        raise await self._idle()

    def hold(self, size: int) -> None:
        self._muxed.hold(size)

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

    async def _idle(self) -> StreamBroken:
        await self.reset()
        return StreamBroken(f"{peer_text(self.peer)}: nothing moved for {self._idle_s:.0f} s")

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
        self.on_up: Callable[[Link], None] = lambda _: None
        self.on_down: Callable[[NodeId], None] = lambda _: None
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
            self._join(peer, conn)
            return
        if peer in self._up:
            self._go_down(peer)  # It came again before its old connection was cleared away.
        if not self._has_room():
            assert self.nursery is not None
            self.nursery.start_soon(survive, conn.close)
            return
        up = self._up[peer] = _Up(self._link(peer, conn), {conn})
        self._emit(LinkUp(up.link))
        self.on_up(up.link)
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
        elif is_circuit(up.link.address) != self._is_through_relay(up):
            up.link = self._link(peer, next(iter(up.connections)))

    def is_direct(self, peer: NodeId) -> bool:
        """Tell whether a connection to the peer needs no relay."""
        return peer in self._up and not self._is_through_relay(self._up[peer])

    def _is_through_relay(self, up: _Up) -> bool:
        return all(is_circuit(str(_place_of(conn))) for conn in up.connections)

    def _join(self, peer: NodeId, conn: INetConn) -> None:
        """Add a connection to a link. A direct one takes the place of those through relays."""
        up = self._up[peer]
        up.connections.add(conn)
        if not is_circuit(up.link.address) or is_circuit(str(_place_of(conn))):
            return
        up.link = replace(self._link(peer, conn), inbound=up.link.inbound)
        log.info("direct_link", peer=peer_text(peer), address=up.link.address)
        if self.nursery is not None:
            for other in up.connections - {conn}:
                self.nursery.start_soon(survive, _retire, other)

    def _link(self, peer: NodeId, connection: INetConn) -> Link:
        assert isinstance(connection, SwarmConn)
        place = str(_place_of(connection))
        is_inbound = connection.direction == Direction.INBOUND
        if peer in self._dialling and self._me < peer:
            is_inbound = False
        return Link(peer, f"{place}/p2p/{peer_text(peer)}", is_inbound)

    def _go_down(self, peer: NodeId) -> None:
        self._up.pop(peer).watching.cancel()
        self._emit(LinkDown(peer))
        self.on_down(peer)

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


def _place_of(connection: INetConn) -> Multiaddr:
    assert isinstance(connection, SwarmConn)
    return connection.get_transport_addresses()[0]


async def _retire(connection: INetConn) -> None:
    """Close a connection once its streams have ended, or have had time to."""
    with trio.move_on_after(_RETIRE_S_MAX):
        while connection.get_streams():  # noqa: ASYNC110  # The library tells nobody of it.
            await trio.sleep(_RETIRE_STEP_S)
    await connection.close()
