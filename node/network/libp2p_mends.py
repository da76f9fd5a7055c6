"""What is wrong in py-libp2p 0.8.1 for a node that strangers may reach, mended from outside.

Each mend is a class or function here, with the defect in its docstring and one test of its name
in tests/node/test_libp2p_mends.py, which fails without it. Nothing in the library's files is
changed, and but for `limit_negotiation` nothing outside our own objects. A newer version has
other defects: `check_version` refuses it until somebody has looked (specs/decisions/0005).
"""

import functools
import logging
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import trio
from libp2p.abc import IMuxedConn, INetConn, INetStream, ITransport
from libp2p.custom_types import StreamHandlerFn
from libp2p.exceptions import ParseError
from libp2p.host.basic_host import BasicHost
from libp2p.identity.identify_push.identify_push import ID_PUSH
from libp2p.io.abc import Reader, ReadWriteCloser
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.peer.peerstore import (  # pyright: ignore[reportMissingTypeStubs]  # the same
    PeerStore,
)
from libp2p.protocol_muxer import multiselect_communicator
from libp2p.tools.anyio_service import Service
from libp2p.tools.anyio_service.exceptions import LifecycleError
from libp2p.tools.anyio_service.trio_manager import TrioManager
from libp2p.transport.upgrader import TransportUpgrader
from libp2p.utils.varint import read_varint_prefixed_bytes_limited
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.protocol.errors import ResourceError
from commonfab.protocol.limits import HANDSHAKE_S_MAX, NEGOTIATION_BYTES_MAX

from .. import log
from .libp2p_muxer import MuxedConnection, Muxers
from .yamux import INBOUND_STREAMS_MAX

LIBP2P_VERSION = "0.8.1"
_CONNECTIONS_MAX = 512
"""Inbound and outbound; the door lets in at most half as many."""
_DAEMON_RESTART_S = 1.0
"""How long a daemon task of the library that failed waits before it runs again."""


def check_version(installed: str) -> None:
    """Raise `ResourceError` unless the installed library is the one that is mended here."""
    if installed != LIBP2P_VERSION:
        raise ResourceError(
            f"libp2p {installed} is installed, and this node needs {LIBP2P_VERSION}; "
            f"pip install libp2p=={LIBP2P_VERSION}"
        )


def quieten() -> None:
    """Silence the library's log, which peers can make it write, to stderr if nowhere else.

    LIBP2P_DEBUG, the library's own variable, still turns it on.
    """
    if not os.environ.get("LIBP2P_DEBUG"):
        library = logging.getLogger("libp2p")
        library.handlers = [logging.NullHandler()]
        library.propagate = False


def limit_negotiation() -> None:
    """Bound what is read while a protocol is negotiated.

    `read_delim` takes any length, before anybody has proven a key: one connection made a host
    keep 284 MB.
    """

    async def read_delim(reader: Reader) -> bytes:
        line = await read_varint_prefixed_bytes_limited(reader, NEGOTIATION_BYTES_MAX)
        if not line.endswith(b"\n"):
            raise ParseError("a line of multistream-select without an end")
        return line[:-1]

    # The communicator looks the name up in its own module, at each call.
    multiselect_communicator.read_delim = read_delim  # type: ignore[attr-defined]  # not exported


async def survive(job: Callable[..., Awaitable[object]], *args: object) -> None:
    """Run a job of the library or a handler of ours; whatever it raises ends here.

    In the library an exception in any stream handler, validator or task of a service cancels
    the whole host, and a malformed message from any peer raises one.
    """
    try:
        await job(*args)
    except Exception as error:  # The one place where a node survives a peer's worst.
        log.debug("job_failed", why=repr(error))
    except BaseExceptionGroup as group:
        log.debug("job_failed", why=repr(group))
        cancelled, rest = group.split(trio.Cancelled)
        if rest is not None and not isinstance(rest, ExceptionGroup):
            raise
        if cancelled is not None:
            raise cancelled from None


async def _survive_again(job: Callable[..., Awaitable[object]], *args: object) -> None:
    while True:
        await survive(job, *args)
        await trio.sleep(_DAEMON_RESTART_S)


class Manager(TrioManager):
    """Runs a service of the library so that none of its tasks can end it: see `survive`.

    The library's also walks all tasks for each that it starts, and refuses the 1,001st child
    of one; here they are equals.
    """

    def run_task(
        self,
        async_fn: Callable[..., Awaitable[Any]],
        *args: Any,
        daemon: bool = False,
        name: str | None = None,
        _internal: bool = False,
    ) -> None:
        if _internal:
            super().run_task(async_fn, *args, daemon=daemon, name=name, _internal=True)
            return
        if self._task_nursery is None or not self.is_running:
            raise LifecycleError("the service is not running")
        self._task_nursery.start_soon(_survive_again if daemon else survive, async_fn, *args)


@asynccontextmanager
async def running(service: Service) -> AsyncGenerator[None]:
    """Run a service of the library for a block, with our `Manager`."""
    async with trio.open_nursery() as nursery:
        manager = Manager(service)
        service._manager = manager  # pyright: ignore[reportPrivateUsage]  # as the library does
        nursery.start_soon(manager.run)
        await manager.wait_started()
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()


class Door(Protocol):
    """What a swarm asks about inbound connections."""

    def knock(self, address: str) -> bool:
        """Tell whether an address may begin a handshake; if so, `knocked` follows."""
        ...

    def knocked(self, address: str) -> None: ...

    def enter(self, peer: ID, address: str) -> bool:
        """Tell whether a peer may stay; if so, `leave` follows."""
        ...

    def leave(self, address: str) -> None: ...


class MendedSwarm(Swarm):
    """The library's swarm, with its entries guarded and its own initiative taken away."""

    def __init__(
        self,
        me: ID,
        peerstore: PeerStore,
        upgrader: TransportUpgrader,
        dials: list[ITransport],
        door: Door,
    ) -> None:
        # A dial is one attempt, in the time its caller gives it.
        super().__init__(
            me,
            peerstore,
            upgrader,
            transports=dials,
            retry_config=RetryConfig(max_retries=0),
            connection_config=ConnectionConfig(
                inbound_upgrade_timeout=HANDSHAKE_S_MAX,
                max_connections=_CONNECTIONS_MAX,
                high_watermark=_CONNECTIONS_MAX,
                min_connections=0,
                low_watermark=0,
            ),
        )
        upgrader.muxer_multistream = Muxers()
        self._door = door
        self._inbound_streams = Counter[ID]()

    def set_stream_handler(self, stream_handler: StreamHandlerFn) -> None:
        """Guard the one entry of all inbound streams: see `survive`.

        It also counts them: one more than `INBOUND_STREAMS_MAX` from one peer is reset.
        """
        super().set_stream_handler(functools.partial(self._guard, stream_handler))

    async def _guard(self, handler: StreamHandlerFn, stream: INetStream) -> None:
        peer = stream.muxed_conn.peer_id
        is_done = False

        async def handle() -> None:
            nonlocal is_done
            await handler(stream)
            is_done = True

        self._inbound_streams[peer] += 1
        try:
            if self._inbound_streams[peer] <= INBOUND_STREAMS_MAX:
                await survive(handle)
        finally:
            self._inbound_streams[peer] -= 1
            if not self._inbound_streams[peer]:
                del self._inbound_streams[peer]
            if not is_done:
                with trio.CancelScope(shield=True):
                    await stream.reset()

    async def _handle_inbound_connection(
        self, read_write_closer: ReadWriteCloser, maddr: Multiaddr
    ) -> None:
        """Let a connection in, hold its place while it lasts, and give the place back.

        The library gives none back, so that after 250 connections in its life a host refuses
        all others; and it counts no addresses, so that one can take all places.
        """
        await self.take_in_raw(RawConnection(read_write_closer, initiator=False), maddr)

    async def take_in_raw(self, raw: RawConnection, maddr: Multiaddr) -> None:
        """Secure an inbound connection, however it came, and hold its place while it lasts."""
        remote = raw.get_remote_address()
        if remote is None or not self._door.knock(remote[0]):
            await raw.close()
            return
        try:
            muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
        finally:
            self._door.knocked(remote[0])
        assert isinstance(muxed, MuxedConnection)
        try:
            await muxed.event_closed.wait()
        finally:
            self._door.leave(remote[0])

    async def add_conn(self, muxed_conn: IMuxedConn, direction: str = "unknown") -> SwarmConn:
        """Ask the door once more, now that the peer has proven its key."""
        if direction != "inbound":
            return await super().add_conn(muxed_conn, direction)
        assert isinstance(muxed_conn, MuxedConnection)
        remote = muxed_conn.get_remote_address()
        if remote is None or not self._door.enter(muxed_conn.peer_id, remote[0]):
            await muxed_conn.close()
            raise SwarmException("no place for this peer")
        try:
            return await super().add_conn(muxed_conn, direction)
        except BaseException:
            self._door.leave(remote[0])
            raise

    async def dial_peer(self, peer_id: ID) -> list[INetConn]:
        """Refuse: whoever wants a stream to a peer connects to it first.

        Through here the library dials by itself what any peer told it of others, waits 250 ms
        after each success, and after a failure refuses for 60 s to try again. `dial_addr` does
        none of this.
        """
        raise SwarmException(f"{peer_id} is not connected")


class MendedHost(BasicHost):
    """The library's host, which asks nobody who they are.

    By itself it opens an identify stream to each peer, in a task outside every nursery, and
    keeps what the peer says of its addresses and protocols; and lets any peer push more.
    Noise has proven the key, and a protocol is asked for by its name. It still answers others.
    """

    def __init__(self, swarm: MendedSwarm) -> None:
        self._addresses: list[Multiaddr] | None = None
        super().__init__(swarm, disable_identify_address_discovery=True)
        self.remove_stream_handler(ID_PUSH)

    def get_addrs(self) -> list[Multiaddr]:
        """Return where this host listens; computed once, for the library asks at each message."""
        if self._addresses is None:
            addresses = super().get_addrs()
            if not addresses:
                return []
            self._addresses = addresses
        return list(self._addresses)

    def _schedule_identify(self, peer_id: ID, *, reason: str) -> None:
        pass

    async def _push_identify_to_all_peers(self) -> None:
        pass
