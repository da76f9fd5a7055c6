"""The twin of `Libp2pTransport`: the same `Transport`, for nodes in one process and no sockets.

It keeps the same promises (tests/contracts/test_transport.py) and nothing else of libp2p:
keys are believed instead of proven.
"""

import math
from collections.abc import Callable
from itertools import count

import trio

from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import STREAM_IDLE_S_MAX, STREAM_S_MAX
from commonfab.protocol.peer_id import peer_text

from .. import log
from ..journal import Journal
from .transport import (
    EVENTS_MAX,
    Handler,
    Link,
    LinkDown,
    LinkEvent,
    LinkUp,
    Reachability,
    StreamBroken,
    split_address,
)
from .yamux import INBOUND_STREAMS_MAX, WINDOW_BYTES_FIRST


class MemoryNetwork:
    """The nodes that can reach one another."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.running: dict[str, MemoryTransport] = {}
        """By place, as in /memory/7."""

    def new_place(self) -> str:
        return f"/memory/{next(self._numbers)}"


class _Pipe:
    """One direction of a stream: holds what is written until it is read, and then more fits."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiting = trio.lowlevel.ParkingLot()
        self._has_ended = False
        self._is_broken = False

    async def read(self, bytes_max: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._buffer:
            if self._is_broken:
                raise StreamBroken("the stream was reset")
            if self._has_ended:
                return b""
            await self._waiting.park()
        data = bytes(self._buffer[:bytes_max])
        del self._buffer[:bytes_max]
        self._waiting.unpark_all()
        return data

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest:
            if self._is_broken:
                raise StreamBroken("the stream was reset")
            room = WINDOW_BYTES_FIRST - len(self._buffer)
            if room:
                self._buffer += rest[:room]
                rest = rest[room:]
                self._waiting.unpark_all()
            else:
                await self._waiting.park()

    def end(self) -> None:
        self._has_ended = True
        self._waiting.unpark_all()

    def destroy(self) -> None:
        self._is_broken = True
        self._buffer.clear()
        self._waiting.unpark_all()


class MemoryStream:
    """One end of a stream; see `transport.Stream`."""

    def __init__(
        self, peer: NodeId, inward: _Pipe, outward: _Pipe, idle_s: float = math.inf
    ) -> None:
        """It breaks where reading or writing moves nothing for `idle_s`."""
        self._peer = peer
        self._idle_s = idle_s
        self._inward = inward
        self._outward = outward
        self._is_closed = False

    @property
    def peer(self) -> NodeId:
        return self._peer

    async def read(self, bytes_max: int) -> bytes:
        assert bytes_max > 0
        with trio.move_on_after(self._idle_s):
            return await self._inward.read(bytes_max)
        raise self._idle()

    async def write(self, data: bytes) -> None:
        assert not self._is_closed
        with trio.move_on_after(self._idle_s):
            await self._outward.write(data)
            return
        raise self._idle()

    def hold(self, size: int) -> None:
        pass  # Nobody is hostile here.

    async def close(self) -> None:
        self._is_closed = True
        self._outward.end()
        await trio.lowlevel.checkpoint()

    async def reset(self) -> None:
        self.destroy()
        await trio.lowlevel.checkpoint()

    def _idle(self) -> StreamBroken:
        self.destroy()
        return StreamBroken(f"{peer_text(self._peer)}: nothing moved for {self._idle_s:.0f} s")

    def destroy(self) -> None:
        self._inward.destroy()
        self._outward.destroy()


class _Connection:
    """What one node keeps of a link: the link, and the ends of the streams on it."""

    def __init__(self, link: Link, other: "MemoryTransport") -> None:
        self.link = link
        self.other = other
        self.streams: set[MemoryStream] = set()
        self.inbound_count = 0


class MemoryTransport:
    """See `transport.Transport`."""

    def __init__(self, me: NodeId, network: MemoryNetwork) -> None:
        self._me = me
        self._network = network
        self._place = network.new_place()
        self._journal = Journal()
        self._connections: dict[NodeId, _Connection] = {}
        self._handlers: dict[str, tuple[Handler, bool]] = {}
        """By protocol, each with whether its streams last."""
        self._nursery: trio.Nursery | None = None
        self._send_event: trio.MemorySendChannel[LinkEvent] | None = None
        self._events: trio.MemoryReceiveChannel[LinkEvent] | None = None

    @property
    def me(self) -> NodeId:
        return self._me

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._network.running[self._place] = self
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                del self._network.running[self._place]
                for peer in list(self._connections):
                    self._hang_up(peer)

    # Links.

    def addresses(self) -> list[str]:
        return [f"{self._place}/p2p/{peer_text(self._me)}"]

    def reachability(self) -> Reachability:
        return Reachability("open")

    def when_addresses_change(self, tell: Callable[[], None]) -> None:
        pass  # They never do.

    def links(self) -> list[Link]:
        return [connection.link for connection in self._connections.values()]

    def events(self) -> trio.MemoryReceiveChannel[LinkEvent]:
        if self._events is None:
            self._send_event, self._events = trio.open_memory_channel[LinkEvent](EVENTS_MAX)
        return self._events

    async def connect(self, address: str) -> NodeId:
        place, peer = split_address(address)
        if peer == self._me:
            raise UsageError(f"{address} is this node itself")
        await trio.lowlevel.checkpoint()
        if peer in self._connections:
            return peer
        other = self._network.running.get(place)
        if other is None:
            raise ResourceError(f"nobody answers at {address}")
        if other.me != peer:
            raise ResourceError(f"{address}: another peer is there, not the one in the address")
        if self._journal.is_kept_out(peer) or other._journal.is_kept_out(self._me):
            raise ResourceError(f"{peer_text(peer)} was shown out for what it sent; try later")
        if not (self._has_room() and other._has_room()):
            raise ResourceError(f"{address}: no place for another link")
        here = f"{self._place}/p2p/{peer_text(self._me)}"
        other._add(Link(self._me, here, inbound=True), self)
        self._add(Link(peer, address, inbound=False), other)
        return peer

    def _has_room(self) -> bool:
        send = self._send_event
        waiting = send.statistics().current_buffer_used if send is not None else 0
        return waiting + len(self._connections) + 2 <= EVENTS_MAX

    def _add(self, link: Link, other: "MemoryTransport") -> None:
        self._connections[link.peer] = _Connection(link, other)
        self._emit(LinkUp(link))

    def _emit(self, event: LinkEvent) -> None:
        if self._send_event is not None:
            self._send_event.send_nowait(event)

    def know(self, peer: NodeId) -> None:
        pass  # There is no crowd at the door.

    def answer_to(self, journal: Journal) -> None:
        self._journal = journal

    async def disconnect(self, peer: NodeId) -> None:
        self._hang_up(peer)
        await trio.lowlevel.checkpoint()

    def _hang_up(self, peer: NodeId) -> None:
        connection = self._connections.pop(peer, None)
        if connection is None:
            return
        for stream in list(connection.streams):
            stream.destroy()
        self._emit(LinkDown(peer))
        connection.other._hang_up(self._me)

    # Streams.

    async def open(self, peer: NodeId, protocol: str) -> MemoryStream:
        await trio.lowlevel.checkpoint()
        connection = self._connections.get(peer)
        if connection is None:
            raise ResourceError(f"{peer_text(peer)} is not connected")
        there, back = _Pipe(), _Pipe()
        if not connection.other._take(self._me, protocol, there, back):
            raise ResourceError(f"{peer_text(peer)} opens no stream for {protocol}")
        stream = MemoryStream(peer, back, there)
        connection.streams.add(stream)
        return stream

    def serve(self, protocol: str, handler: Handler, *, is_lasting: bool = False) -> None:
        self._handlers[protocol] = handler, is_lasting

    def _take(self, peer: NodeId, protocol: str, inward: _Pipe, outward: _Pipe) -> bool:
        connection = self._connections[peer]
        if protocol not in self._handlers or connection.inbound_count >= INBOUND_STREAMS_MAX:
            return False
        assert self._nursery is not None
        _, is_lasting = self._handlers[protocol]
        idle_s = math.inf if is_lasting else STREAM_IDLE_S_MAX
        stream = MemoryStream(peer, inward, outward, idle_s)
        connection.streams.add(stream)
        connection.inbound_count += 1
        self._nursery.start_soon(self._handle, protocol, stream, connection)
        return True

    async def _handle(self, protocol: str, stream: MemoryStream, connection: _Connection) -> None:
        handler, is_lasting = self._handlers[protocol]
        try:
            with trio.fail_after(math.inf if is_lasting else STREAM_S_MAX):
                await handler(stream)
        except PeerError as error:
            self._offend(stream.peer, str(error))
            stream.destroy()
        except (ResourceError, trio.TooSlowError):
            stream.destroy()
        except Exception as error:  # A fault of ours in one handler; the others go on.
            log.error("handler_failed", protocol=protocol, exc_info=error)
            stream.destroy()
        except BaseException:
            stream.destroy()
            raise
        else:
            await stream.close()
        finally:
            connection.streams.discard(stream)
            connection.inbound_count -= 1

    def _offend(self, peer: NodeId, why: str) -> None:
        self._journal.offend(peer, why)
        if self._journal.is_kept_out(peer):
            self._hang_up(peer)
