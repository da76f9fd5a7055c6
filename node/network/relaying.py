"""The relay's side of circuit relay v2: reservations, and bytes carried between two peers.

    the hidden node --RESERVE--> here                 it may be reached through this node
    somebody        --CONNECT--> here --CONNECT--> the hidden node, on the link that it keeps
                    <===============bytes=========>   they secure it themselves

What may be had of it stands in relay_desk.py. A relay sees who speaks with whom, when and how
much, and nothing of what is said.
"""

from collections.abc import Callable
from typing import Literal

import trio

from commonfab.protocol.errors import CommonfabError, Malformed, ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import MESSAGE_STALL_S_MAX, RELAY_MESSAGE_BYTES_MAX
from commonfab.protocol.links.relay_wire import (
    HOP,
    STOP,
    CircuitLimit,
    Hop,
    HopKind,
    Status,
    Stop,
    StopKind,
    decode_hop,
    decode_stop,
    encode_hop,
    encode_stop,
)

from .. import clock
from .frames import read_delimited, write_delimited
from .relay_desk import CHUNK_BYTES, Circuit, RelayDesk, RelayLimits
from .transport import Link, Stream, Transport

RelayMode = Literal["auto", "on", "off"]
_MS = 1000


class Relaying:
    """Serves others as a relay while `is_offered` says so."""

    def __init__(
        self, transport: Transport, is_offered: Callable[[], bool], limits: RelayLimits
    ) -> None:
        self._transport = transport
        self._is_offered = is_offered
        self.desk = RelayDesk(limits)
        transport.serve(HOP, self._serve, is_lasting=True)

    def link_down(self, peer: NodeId) -> None:
        self.desk.drop(peer)

    async def _serve(self, stream: Stream) -> None:
        with trio.fail_after(MESSAGE_STALL_S_MAX):
            data = await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX)
        if data is None:
            return
        message = decode_hop(data)
        link = self._link_of(stream.peer)
        if not self._is_offered() or link is None or is_circuit(link.address):
            await _answer(stream, Status.PERMISSION_DENIED)
        elif message.kind == HopKind.RESERVE:
            await self._reserve(stream, link)
        elif message.kind == HopKind.CONNECT and message.peer is not None:
            await self._connect(stream, message.peer)
        else:
            await _answer(stream, Status.UNEXPECTED_MESSAGE)

    def _link_of(self, peer: NodeId) -> Link | None:
        return next((link for link in self._transport.links() if link.peer == peer), None)

    async def _reserve(self, stream: Stream, link: Link) -> None:
        host = link.address.split("/")[2]
        status = self.desk.reserve(stream.peer, host, trio.current_time())
        if status != Status.OK:
            await _answer(stream, status)
            return
        ends_s = clock.now() // _MS + int(self.desk.limits.reservation_s)
        await _answer(stream, Status.OK, expires_s=ends_s, limit=self.desk.promised)

    async def _connect(self, stream: Stream, target: NodeId) -> None:
        circuit = self.desk.open(stream.peer, target, trio.current_time())
        if isinstance(circuit, Status):
            await _answer(stream, circuit)
            return
        try:
            far = await self._reach(circuit)
            if far is None:
                await _answer(stream, Status.CONNECTION_FAILED)
                return
            try:
                await _answer(stream, Status.OK, limit=self.desk.promised)
                await self._carry(stream, far)
            finally:
                with trio.CancelScope(shield=True):
                    await far.reset()
        finally:
            self.desk.close(circuit)

    async def _reach(self, circuit: Circuit) -> Stream | None:
        """Ask the hidden node whether it wants the connection; None if not."""
        far: Stream | None = None
        try:
            with trio.fail_after(MESSAGE_STALL_S_MAX):
                far = await self._transport.open(circuit.target, STOP)
                asked = Stop(kind=StopKind.CONNECT, peer=circuit.source, limit=self.desk.promised)
                await write_delimited(far, encode_stop(asked))
                data = await read_delimited(far, RELAY_MESSAGE_BYTES_MAX)
            if data is not None and decode_stop(data).status == Status.OK:
                return far
        except (CommonfabError, trio.TooSlowError):
            pass  # Not its asker's fault: who is asked will be told nothing more.
        if far is not None:
            await far.reset()
        return None

    async def _carry(self, one: Stream, other: Stream) -> None:
        with trio.move_on_after(self.desk.limits.circuit_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._carry_one_way, one, other, nursery.cancel_scope)
                nursery.start_soon(self._carry_one_way, other, one, nursery.cancel_scope)

    async def _carry_one_way(self, here: Stream, there: Stream, both: trio.CancelScope) -> None:
        left = self.desk.limits.circuit_bytes_max
        try:
            while data := await here.read(min(CHUNK_BYTES, left)):
                if not self.desk.may_carry(len(data), trio.current_time()):
                    break
                await there.write(data)
                left -= len(data)
                if not left:
                    break
            else:
                await there.close()
                return
        except ResourceError:
            pass  # One of them is gone.
        both.cancel()


async def _answer(
    stream: Stream, status: Status, *, expires_s: int = 0, limit: CircuitLimit | None = None
) -> None:
    message = Hop(kind=HopKind.STATUS, status=status, expires_s=expires_s, limit=limit)
    await write_delimited(stream, encode_hop(message))


async def reserve(transport: Transport, relay: NodeId) -> float:
    """Ask a linked peer to be reached through it; return for how many seconds.

    Raises `ResourceError` if it does not help, or not now.
    """
    stream = await transport.open(relay, HOP)
    try:
        reply = await _ask(stream, Hop(kind=HopKind.RESERVE))
    finally:
        with trio.CancelScope(shield=True):
            await stream.reset()
    return max(0.0, reply.expires_s - clock.now() / _MS)


async def ask_for_circuit(transport: Transport, relay: NodeId, target: NodeId) -> Stream:
    """Return a stream through a linked relay to a peer; `ResourceError` if it cannot be had."""
    stream = await transport.open(relay, HOP)
    try:
        await _ask(stream, Hop(kind=HopKind.CONNECT, peer=target))
    except BaseException:
        with trio.CancelScope(shield=True):
            await stream.reset()
        raise
    return stream


async def _ask(stream: Stream, message: Hop) -> Hop:
    try:
        with trio.fail_after(2 * MESSAGE_STALL_S_MAX):
            await write_delimited(stream, encode_hop(message))
            data = await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX)
        reply = decode_hop(data or b"")
    except (Malformed, trio.TooSlowError) as error:
        raise ResourceError(f"the relay does not answer as one ({error})") from error
    if reply.kind != HopKind.STATUS or reply.status != Status.OK:
        raise ResourceError(f"the relay says: {reply.status.name.lower().replace('_', ' ')}")
    return reply


async def accept_circuit(stream: Stream) -> NodeId:
    """Answer a relay that brings a connection; return who it says is at the other end.

    Raises `Malformed` if the relay asked for something else.
    """
    with trio.fail_after(MESSAGE_STALL_S_MAX):
        data = await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX)
    message = decode_stop(data or b"")
    if message.kind != StopKind.CONNECT or message.peer is None:
        raise Malformed("a relay that brings nobody")
    await write_delimited(stream, encode_stop(Stop(kind=StopKind.STATUS, status=Status.OK)))
    return message.peer


def is_circuit(address: str) -> bool:
    """Tell whether an address leads through a relay."""
    return "/p2p-circuit" in address
