"""TCP under libp2p: dialling, listening, and one connection.

It replaces the library's own (py-libp2p 0.8.1) through the place where the library lets one
choose. What was wrong with each part stands at its class.
"""

import socket
from abc import abstractmethod
from collections.abc import Callable

import trio
from libp2p.abc import IListener, IRawConnection, ITransport
from libp2p.custom_types import THandler
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError, MessageTooLarge
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.utils.multiaddr_utils import multiaddr_from_socket
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.protocol.limits import KIB

from .. import log
from .libp2p_private import NotOfThisNetwork, Veil

_SOCKET_READ_BYTES = 64 * KIB
_TOLD_EVERY_S = 60.0
_READ_BYTES_MAX = 128 * KIB
"""The largest piece any reader of a raw connection asks for is a Noise message of 64 KiB."""


class RawStream(ReadWriteCloser):
    """Bytes both ways under libp2p: from a socket, or from a stream through a relay.

    In a private network they are under its `Veil`.
    """

    def __init__(self, key: bytes | None) -> None:
        self._inbox = bytearray()
        self._veil = None if key is None else Veil(key)

    @abstractmethod
    async def _receive(self) -> bytes:
        """Return some bytes, or b"" at the end; raise `ConnectionClosedError`."""

    @abstractmethod
    async def _send(self, data: bytes) -> None:
        """Send all of it, or raise `ConnectionClosedError`."""

    async def read(self, n: int | None = None) -> bytes:
        """Return `n` bytes, fewer only at the end; without `n`, what there is."""
        if n is not None and n > _READ_BYTES_MAX:
            raise MessageTooLarge(f"{n} bytes in one piece")
        while len(self._inbox) < (1 if n is None else n):
            part = await self._receive()
            if not part:
                if self._veil is not None and not self._veil.is_trusted:
                    raise NotOfThisNetwork("the other side hung up at what it heard")
                break
            self._inbox += part if self._veil is None else self._veil.show(part)
        size = len(self._inbox) if n is None else n
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        return data

    async def write(self, data: bytes) -> None:
        await self._send(data if self._veil is None else self._veil.hide(data))


class TcpStream(RawStream):
    """A TCP connection.

    Replaces `libp2p.io.trio.TrioTCPStream`, which knows no IPv6 peer's address, and says
    nothing when it writes to a socket that is closed.
    """

    def __init__(self, stream: trio.SocketStream, key: bytes | None = None) -> None:
        super().__init__(key)
        self._stream = stream
        try:
            peer = stream.socket.getpeername()
        except OSError:
            peer = None  # It hung up before it was accepted.
        self._remote: tuple[str, int] | None = (str(peer[0]), int(peer[1])) if peer else None

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive_some(_SOCKET_READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(f"the connection broke: {error}") from error

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(f"the connection broke: {error}") from error

    async def close(self) -> None:
        await self._stream.aclose()

    def get_remote_address(self) -> tuple[str, int] | None:
        return self._remote


class TcpListener(IListener):
    """Listens on one address, alone.

    Replaces the library's, which sets SO_REUSEPORT, so that two programs share a port and
    neither is told; and which leaves a system task behind.
    """

    background_nursery: trio.Nursery | None = None
    """Set by the swarm before it calls `listen`."""

    def __init__(self, handler: THandler, tcp: "Tcp") -> None:
        self._handler = handler
        self._tcp = tcp
        self._listeners: list[trio.SocketListener] = []
        self._scope = trio.CancelScope()

    async def listen(self, maddr: Multiaddr) -> None:
        host, port = host_and_port(maddr)
        assert self.background_nursery is not None
        try:
            self._listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            self._tcp.refusals.append(error)
            raise OpenConnectionError(str(error)) from error
        for listener in self._listeners:
            # Only now, so that a port that is taken is still refused: from here on this node
            # may also dial from it.
            listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._tcp.ports.append(listener.socket.getsockname()[:2])
        self.background_nursery.start_soon(self._serve)

    async def _serve(self) -> None:
        with self._scope:
            await trio.serve_listeners(self._accept, self._listeners)

    async def _accept(self, stream: trio.SocketStream) -> None:
        try:
            await self._handler(TcpStream(stream, self._tcp.key))
        except NotOfThisNetwork as error:
            self._tcp.tell_of_stranger(str(error))
        except Exception as error:  # Whatever a stranger sends, listening goes on.
            log.debug("inbound_failed", why=repr(error))
        finally:
            await trio.aclose_forcefully(stream)

    def get_addrs(self) -> tuple[Multiaddr, ...]:
        return tuple(multiaddr_from_socket(listener.socket) for listener in self._listeners)

    async def close(self) -> None:
        self._scope.cancel()
        closing, self._listeners = self._listeners, []
        for listener in closing:
            await listener.aclose()


class Tcp(ITransport):
    """Dials and listens by TCP; names are resolved as by every other program here.

    `key` is that of a private network.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key
        self._told_at = -_TOLD_EVERY_S
        self.refusals: list[OSError] = []
        """Why listening failed; the swarm itself keeps only that it did."""
        self.ports: list[tuple[str, int]] = []
        """Where it listens: host and port."""
        self.dials_from_port: Callable[[str], bool] = lambda host: False
        """Tells whether to dial a host from the port where this node listens, so that routers
        in between let that host's peers answer there."""

    def tell_of_stranger(self, why: str) -> None:
        """Log that somebody without the key came: once in a while, for anybody may come often."""
        now = trio.current_time()
        if now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            log.info("not_of_this_network", why=why)

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        host, port = host_and_port(maddr)
        if self.dials_from_port(host):
            stream = await self.dial_from_port(host, port)
            if stream is not None:
                return RawConnection(stream, initiator=True)
        try:
            opened = await trio.open_tcp_stream(host, port)
        except OSError as error:
            raise OpenConnectionError(str(error)) from error
        return RawConnection(TcpStream(opened, self.key), initiator=True)

    async def dial_from_port(self, host: str, port: int) -> TcpStream | None:
        """Dial an IP from where this node listens; None if that cannot be, or nobody answers."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        here = next((own for own in self.ports if (":" in own[0]) == (":" in host)), None)
        if here is None:
            return None
        opened = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            await opened.bind(here)
            await opened.connect((host, port))
        except BaseException as error:
            opened.close()
            if isinstance(error, OSError):
                return None
            raise
        return TcpStream(trio.SocketStream(opened), self.key)

    def create_listener(self, handler_function: THandler) -> IListener:
        return TcpListener(handler_function, self)

    def can_dial(self, maddr: Multiaddr) -> bool:
        try:
            host_and_port(maddr)
        except OpenConnectionError:
            return False
        return True

    def can_listen(self, maddr: Multiaddr) -> bool:
        return self.can_dial(maddr)

    def protocols(self) -> list[str]:
        return ["tcp"]


_HOST_PROTOCOLS = ("ip4", "ip6", "dns", "dns4", "dns6")


def host_and_port(maddr: Multiaddr) -> tuple[str, int]:
    """Return where a multiaddr of the form /HOST/tcp/PORT leads, with or without /p2p/…."""
    parts = list(maddr.items())
    names = [protocol.name for protocol, _ in parts]
    if (
        len(parts) < 2
        or names[0] not in _HOST_PROTOCOLS
        or names[1:]
        not in (
            ["tcp"],
            ["tcp", "p2p"],
        )
    ):
        raise OpenConnectionError(f"{maddr} is not of the form /ip4/…/tcp/…")
    return str(parts[0][1]), int(str(parts[1][1]))
