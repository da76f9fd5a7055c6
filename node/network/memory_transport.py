"""The twin of `Libp2pTransport`: the same `Transport`, for nodes in one process and no sockets.

It keeps the same promises (tests/contracts/test_transport.py) and nothing else of libp2p:
messages are flooded instead of meshed, keys are believed instead of proven.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import count

import trio

from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text

from .. import log
from .doorkeeper import Doorkeeper, DoorLimits
from .transport import (
    EVENTS_MAX,
    Handler,
    Link,
    LinkDown,
    LinkEvent,
    LinkUp,
    StreamBroken,
    Validator,
    check_gossip_size,
    split_address,
)
from .yamux import INBOUND_STREAMS_MAX, WINDOW_BYTES_FIRST

_INBOX_MAX = 1024
"""Gossiped messages that may wait at a node; one more is dropped."""
_SEEN_MAX = 10_000
"""Gossiped messages remembered as seen."""


@dataclass(frozen=True, slots=True)
class _Message:
    forwarder: NodeId
    topic: str
    number: tuple[NodeId, int]
    """Who published it, and which of theirs it is."""
    data: bytes


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

    def __init__(self, peer: NodeId, inward: _Pipe, outward: _Pipe) -> None:
        self._peer = peer
        self._inward = inward
        self._outward = outward
        self._is_closed = False

    @property
    def peer(self) -> NodeId:
        return self._peer

    async def read(self, bytes_max: int) -> bytes:
        assert bytes_max > 0
        return await self._inward.read(bytes_max)

    async def write(self, data: bytes) -> None:
        assert not self._is_closed
        await self._outward.write(data)

    async def close(self) -> None:
        self._is_closed = True
        self._outward.end()
        await trio.lowlevel.checkpoint()

    async def reset(self) -> None:
        self.destroy()
        await trio.lowlevel.checkpoint()

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
        self._doorkeeper = Doorkeeper(DoorLimits())
        self._connections: dict[NodeId, _Connection] = {}
        self._handlers: dict[str, Handler] = {}
        self._validators: dict[str, Validator] = {}
        self._sequence = count()
        self._seen: OrderedDict[tuple[NodeId, int], None] = OrderedDict()
        self._nursery: trio.Nursery | None = None
        self._send_event: trio.MemorySendChannel[LinkEvent] | None = None
        self._events: trio.MemoryReceiveChannel[LinkEvent] | None = None
        self._send_message, self._messages = trio.open_memory_channel[_Message](_INBOX_MAX)

    @property
    def me(self) -> NodeId:
        return self._me

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._network.running[self._place] = self
            nursery.start_soon(self._hear)
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
        now = trio.current_time()
        if self._doorkeeper.is_shunned(peer, now) or other._doorkeeper.is_shunned(self._me, now):
            raise ResourceError(f"{peer_text(peer)} was shown out for what it sent; try later")
        if not (self._has_room() and other._has_room()):
            raise ResourceError(f"{address}: no place for another link")
        other._add(Link(self._me, self.addresses()[0], inbound=True), self)
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
        if not connection.other._take(self._me, protocol, MemoryStream(self._me, there, back)):
            raise ResourceError(f"{peer_text(peer)} opens no stream for {protocol}")
        stream = MemoryStream(peer, back, there)
        connection.streams.add(stream)
        return stream

    def serve(self, protocol: str, handler: Handler) -> None:
        self._handlers[protocol] = handler

    def _take(self, peer: NodeId, protocol: str, stream: MemoryStream) -> bool:
        connection = self._connections[peer]
        handler = self._handlers.get(protocol)
        if handler is None or connection.inbound_count >= INBOUND_STREAMS_MAX:
            return False
        assert self._nursery is not None
        connection.streams.add(stream)
        connection.inbound_count += 1
        self._nursery.start_soon(self._handle, protocol, handler, stream, connection)
        return True

    async def _handle(
        self,
        protocol: str,
        handler: Callable[[MemoryStream], Awaitable[None]],
        stream: MemoryStream,
        connection: _Connection,
    ) -> None:
        try:
            await handler(stream)
        except PeerError:
            self._offend(stream.peer)
            stream.destroy()
        except ResourceError:
            stream.destroy()
        except Exception as error:
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

    # Gossip.

    def subscribe(self, topic: str, validator: Validator) -> None:
        assert topic not in self._validators
        self._validators[topic] = validator

    async def publish(self, topic: str, data: bytes) -> None:
        check_gossip_size(topic, data)
        await trio.lowlevel.checkpoint()
        message = _Message(self._me, topic, number=(self._me, next(self._sequence)), data=data)
        self._remember(message)
        self._tell(message)

    def _tell(self, message: _Message) -> None:
        for peer, connection in self._connections.items():
            if peer != message.forwarder and message.topic in connection.other._validators:
                try:
                    connection.other._send_message.send_nowait(replace(message, forwarder=self._me))
                except trio.WouldBlock:
                    log.debug("message_dropped", topic=message.topic)

    async def _hear(self) -> None:
        async for message in self._messages:
            if message.number not in self._seen:
                self._remember(message)
                self._judge(message)

    def _judge(self, message: _Message) -> None:
        try:
            verdict = self._validators[message.topic](message.forwarder, message.data)
        except Exception as error:
            log.error("validator_failed", topic=message.topic, exc_info=error)
            return
        if verdict == "accept":
            self._tell(message)
        elif verdict == "reject":
            self._offend(message.forwarder)

    def _remember(self, message: _Message) -> None:
        self._seen[message.number] = None
        if len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)

    def _offend(self, peer: NodeId) -> None:
        if self._doorkeeper.offend(peer, trio.current_time()):
            self._hang_up(peer)
