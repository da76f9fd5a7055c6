"""Connections through a relay, under libp2p: a stream to the relay stands for the socket.

The peers at its two ends secure and multiplex it as any other connection, so the relay learns
nothing and can change nothing (libp2p specs, relay/circuit-v2.md).
"""

from collections.abc import Awaitable, Callable

from libp2p.abc import IListener, IRawConnection, ITransport
from libp2p.connection_types import ConnectionType
from libp2p.custom_types import THandler
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import parse_peer, peer_text

from .libp2p_tcp import RawStream
from .transport import Stream

_READ_BYTES = 64 * 1024
_CIRCUIT = "/p2p-circuit"


class CircuitStream(RawStream):
    """A stream to a relay that has joined it to another. What the door counts is the relay."""

    def __init__(self, stream: Stream, key: bytes | None) -> None:
        super().__init__(key)
        self._stream = stream

    async def _receive(self) -> bytes:
        try:
            return await self._stream.read(_READ_BYTES)
        except ResourceError as error:
            raise ConnectionClosedError(f"the relay hung up: {error}") from error

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.write(data)
        except ResourceError as error:
            raise ConnectionClosedError(f"the relay hung up: {error}") from error

    async def close(self) -> None:
        await self._stream.reset()

    def get_remote_address(self) -> tuple[str, int]:
        return (peer_text(self._stream.peer), 0)


class Circuit(ITransport):
    """Dials /…/p2p/RELAY/p2p-circuit; how to get a stream through a relay is said by `ask`."""

    def __init__(
        self, ask: Callable[[str, NodeId, NodeId], Awaitable[Stream]], key: bytes | None
    ) -> None:
        self._ask = ask
        self._key = key

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        base, relay, target = _split(str(maddr))
        if target is None:
            raise OpenConnectionError(f"{maddr} does not say who is behind the relay")
        try:
            stream = await self._ask(base, relay, target)
        except CommonfabError as error:
            raise OpenConnectionError(str(error)) from error
        return self.connection(stream, base, is_initiator=True)

    def connection(self, stream: Stream, base: str, *, is_initiator: bool) -> RawConnection:
        """Return what stands for the socket, for a stream that was joined at relay `base`."""
        place = Multiaddr(f"{base}/p2p/{peer_text(stream.peer)}{_CIRCUIT}")
        return RawConnection(
            CircuitStream(stream, self._key),
            initiator=is_initiator,
            connection_type=ConnectionType.RELAYED,
            addresses=[place],
        )

    def can_dial(self, maddr: Multiaddr) -> bool:
        try:
            _split(str(maddr))
        except OpenConnectionError:
            return False
        return True

    def create_listener(self, handler_function: THandler) -> IListener:
        raise NotImplementedError("a relay brings connections on streams of its own")

    def can_listen(self, maddr: Multiaddr) -> bool:
        return False

    def protocols(self) -> list[str]:
        return ["p2p-circuit"]


def _split(address: str) -> tuple[str, NodeId, NodeId | None]:
    """Return where the relay is, who it is, and who is behind it."""
    front, marker, back = address.partition(_CIRCUIT)
    base, has_relay, relay = front.rpartition("/p2p/")
    if not marker or not has_relay or not base or (back and not back.startswith("/p2p/")):
        raise OpenConnectionError(f"{address} is not of the form /ip4/…/tcp/…/p2p/…/p2p-circuit")
    try:
        return base, parse_peer(relay), parse_peer(back.removeprefix("/p2p/")) if back else None
    except UsageError as error:
        raise OpenConnectionError(str(error)) from error
