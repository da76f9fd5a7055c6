"""Yamux under libp2p: runs a `yamux.Session` over a secured connection.

It replaces the library's own (py-libp2p 0.8.1) through the place where the library lets one
choose. What was wrong with it stands at `MuxedConnection`.
"""

from collections.abc import Awaitable, Callable
from types import TracebackType

import trio
from libp2p.abc import IMuxedConn, IMuxedStream, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.stream_muxer.exceptions import (
    MuxedConnUnavailable,
    MuxedStreamEOF,
    MuxedStreamError,
    MuxedStreamReset,
)
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import (
    FRAMES_PER_S_MAX,
    KIB,
    MIB,
    UNREAD_BYTES_MAX,
    UNREAD_BYTES_PER_PEER_MAX,
)

from .. import log
from .yamux import (
    GO_AWAY_NORMAL,
    GO_AWAY_PROTOCOL_ERROR,
    INBOUND_STREAMS_MAX,
    PAYLOAD_BYTES_MAX,
    Changed,
    Opened,
    Session,
    SessionStream,
)

YAMUX = TProtocol("/yamux/1.0.0")

_OUTBOX_BYTES_FULL = 256 * KIB
"""Writers wait while this much is still to be sent."""
_OUTBOX_BYTES_MAX = MIB
"""Above it, the peer makes us answer without reading the answers: the connection ends."""
_FLUSH_S_MAX = 0.3
"""How long a closing connection tries to send what is left."""
_SHUT_S_MAX = 1.0
"""How long those who must hear of a connection's end may take over it."""


class Unread:
    """What all connections of a node hold that has come and was not used yet.

    One connection may hold `UNREAD_BYTES_PER_PEER_MAX`. Where all of them together hold too
    much, the one that holds most of it ends: memory is bounded whatever the number of peers.
    """

    def __init__(self) -> None:
        self._held: dict[MuxedConnection, int] = {}
        self._total = 0

    @property
    def may_grow(self) -> bool:
        """Tell whether there is so much room that windows may grow."""
        return self._total < UNREAD_BYTES_MAX // 4

    def count(self, connection: "MuxedConnection", held: int) -> None:
        """Note what a connection holds now, and end one if it is too much."""
        self._total += held - self._held.pop(connection, 0)
        if held:
            self._held[connection] = held
        if held > UNREAD_BYTES_PER_PEER_MAX:
            connection.cut("it sent more than anybody reads")
        elif self._total > UNREAD_BYTES_MAX:
            largest = max(self._held, key=self._held.__getitem__)
            largest.cut("it held most of the memory for what is unread")


class MuxedStream(IMuxedStream):
    """One stream of a `MuxedConnection`; the library's errors, for its own code reads it too."""

    def __init__(self, connection: "MuxedConnection", state: SessionStream) -> None:
        self.muxed_conn: IMuxedConn = connection
        self.state = state
        self._connection = connection
        self.waiting = trio.lowlevel.ParkingLot()
        self.held_bytes = 0
        """What was read of it and is kept, for its message is unfinished."""

    def hold(self, size: int) -> None:
        self.held_bytes = size
        self._connection.count_unread()

    async def read(self, n: int | None = None) -> bytes:
        """Return what has come, `n` bytes at most; raise `MuxedStreamEOF` at the end."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self.state.buffer:
            if self.state.is_reset or self._connection.is_closed:
                raise MuxedStreamReset("the stream was reset")
            if self.state.peer_has_finished:
                raise MuxedStreamEOF("the end of the stream")
            await self.waiting.park()
        size = len(self.state.buffer) if n is None else n
        return self._connection.read(self.state, size)

    async def write(self, data: bytes) -> None:
        """Send all of it, waiting as long as the peer's window and our outbox are full."""
        await trio.lowlevel.checkpoint_if_cancelled()
        view = memoryview(data)
        while view:
            if self.state.is_reset or self._connection.is_closed:
                raise MuxedStreamReset("the stream was reset")
            if self.state.has_finished:
                raise MuxedStreamError("this side of the stream is closed")
            if not self.state.room:
                await self.waiting.park()
            elif self._connection.is_outbox_full:
                await self._connection.wait_for_outbox()
            else:
                size = min(len(view), self.state.room, PAYLOAD_BYTES_MAX)
                self._connection.send(self.state, view[:size])
                view = view[size:]

    async def close(self) -> None:
        """Finish this side; the other may go on."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._connection.finish(self.state)

    async def reset(self) -> None:
        self._connection.reset(self)
        await trio.lowlevel.checkpoint_if_cancelled()

    def abandon(self) -> None:
        """Finish this side, and never read the other again."""
        self._connection.abandon(self.state)

    def set_deadline(self, ttl: int) -> None:
        raise NotImplementedError("deadlines belong to callers, as cancel scopes")

    def get_remote_address(self) -> tuple[str, int] | None:
        return self._connection.get_remote_address()

    async def __aenter__(self) -> "MuxedStream":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


class MuxedConnection(IMuxedConn):
    """Runs a Yamux `Session` over a secured connection: one task reads, one writes.

    Replaces the library's `Yamux`, in which a peer may send past its window without end, a
    slow reader breaks the writer after 5 s, a write that is cancelled half-way ruins the
    connection, each read costs a frame, and the task that reads waits for the one that writes.
    """

    def __init__(self, conn: ISecureConn, peer_id: ID, unread: Unread | None = None) -> None:
        self.peer_id = peer_id
        self.secured_conn = conn
        self.event_started = trio.Event()
        self.event_closed = trio.Event()
        self.on_close: Callable[[], Awaitable[None]] | None = None
        """Set by the swarm's connection, which must hear of it."""
        self.heard_at = trio.current_time()
        """When the peer last sent anything."""
        self._session = Session(is_initiator=conn.is_initiator)
        self._unread = unread or Unread()
        self._frames_counted = 0
        self._paid_until = self.heard_at - 1.0
        self._streams: dict[SessionStream, MuxedStream] = {}
        self._opened, self._accepted = trio.open_memory_channel[MuxedStream](INBOUND_STREAMS_MAX)
        self._scope = trio.CancelScope()
        self._to_send = trio.lowlevel.ParkingLot()
        self._outbox_room = trio.lowlevel.ParkingLot()
        self._has_sent_all = trio.lowlevel.ParkingLot()

    # What the swarm asks of a muxer.

    @property
    def is_initiator(self) -> bool:
        return self.secured_conn.is_initiator

    @property
    def is_established(self) -> bool:
        return self.event_started.is_set() and not self.is_closed

    @property
    def is_closed(self) -> bool:
        return self.event_closed.is_set()

    def get_transport_addresses(self) -> list[Multiaddr]:
        return self.secured_conn.get_transport_addresses()

    def get_connection_type(self) -> ConnectionType:
        return self.secured_conn.get_connection_type()

    def get_remote_address(self) -> tuple[str, int] | None:
        return self.secured_conn.get_remote_address()

    async def start(self) -> None:
        """Carry frames both ways until either side closes."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send_frames)
                    self.event_started.set()
                    await self._receive_frames()
                    nursery.cancel_scope.cancel()
        except Exception as error:  # However a connection ends, it only ends.
            log.debug("connection_broken", why=repr(error))
        finally:
            with trio.move_on_after(_SHUT_S_MAX, shield=True):
                await self._shut()

    async def close(self) -> None:
        """Take leave of the peer, if it still listens, and drop the connection."""
        if self.is_closed:
            return
        try:
            self._session.go_away(GO_AWAY_NORMAL)
            await self._flush()
        finally:
            self._scope.cancel()
        await self._shut()

    async def open_stream(self) -> MuxedStream:
        if not self.is_established:
            raise MuxedConnUnavailable("the connection is closed")
        await trio.lowlevel.checkpoint_if_cancelled()
        stream = self._add(self._session.open())
        self._wake_sender()
        return stream

    async def accept_stream(self) -> MuxedStream:
        try:
            return await self._accepted.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError) as error:
            raise MuxedConnUnavailable("the connection is closed") from error

    # What its streams ask of it.

    @property
    def unsent_bytes(self) -> int:
        return self._session.outbox_bytes

    @property
    def is_outbox_full(self) -> bool:
        return self.unsent_bytes >= _OUTBOX_BYTES_FULL

    async def wait_for_outbox(self) -> None:
        await self._outbox_room.park()

    def read(self, state: SessionStream, bytes_max: int) -> bytes:
        self._session.may_grow = self._unread.may_grow
        data = self._session.read(state, bytes_max)
        self.count_unread()
        self._wake_sender()
        return data

    def send(self, state: SessionStream, data: memoryview) -> None:
        self._session.send(state, data)
        self._wake_sender()

    def finish(self, state: SessionStream) -> None:
        self._session.finish(state)
        self._forget_if_over(state)
        self._wake_sender()

    def abandon(self, state: SessionStream) -> None:
        self._session.abandon(state)
        self._forget_if_over(state)
        self._wake_sender()

    def reset(self, stream: MuxedStream) -> None:
        self._session.reset(stream.state)
        stream.waiting.unpark_all()
        self._forget_if_over(stream.state)
        self._wake_sender()

    # The two tasks.

    async def _receive_frames(self) -> None:
        while True:
            data = await self.secured_conn.read()
            await self._keep_pace()
            self.heard_at = trio.current_time()
            try:
                has_gone = self._take_in(data)
            except Malformed as error:
                log.debug("malformed_frame", why=error)
                self._session.go_away(GO_AWAY_PROTOCOL_ERROR)
                await self._flush()
                return
            if has_gone or self.unsent_bytes > _OUTBOX_BYTES_MAX:
                return

    async def _keep_pace(self) -> None:
        """Read no faster than frames may come: small ones cost as much as large ones."""
        now = trio.current_time()
        new = self._session.frames_received - self._frames_counted
        self._frames_counted += new
        # What is owed: the time that the frames so far should have taken, a second at most saved.
        self._paid_until = max(self._paid_until, now - 1.0) + new / FRAMES_PER_S_MAX
        await trio.sleep(max(0.0, self._paid_until - now))

    def _take_in(self, data: bytes) -> bool:
        """Pass on what came to the streams; tell whether the peer took leave."""
        for event in self._session.receive(data):
            match event:
                case Opened(state):
                    self._offer(self._add(state))
                case Changed(state):
                    stream = self._streams.get(state)
                    if stream is not None:
                        stream.waiting.unpark_all()
                    self._forget_if_over(state)
                case _:
                    return True
        self.count_unread()
        self._wake_sender()
        return False

    def count_unread(self) -> None:
        """Account for what came, or was read, or is kept of it."""
        if not self.is_closed:
            held = sum(stream.held_bytes for stream in self._streams.values())
            self._unread.count(self, held + self._session.unread_bytes)

    def cut(self, why: str) -> None:
        """End the connection at once."""
        log.info("peer_cut", peer=str(self.peer_id), why=why)
        self._scope.cancel()

    async def _send_frames(self) -> None:
        # Alone in writing, and never cancelled but with the connection: a frame is sent
        # whole or the connection is over.
        while True:
            batch = self._session.take()
            if batch:
                await self.secured_conn.write(batch)
            else:
                self._has_sent_all.unpark_all()
                await self._to_send.park()
            if not self.is_outbox_full:
                self._outbox_room.unpark_all()

    def _wake_sender(self) -> None:
        if self.unsent_bytes:
            self._to_send.unpark()

    def _add(self, state: SessionStream) -> MuxedStream:
        stream = MuxedStream(self, state)
        self._streams[state] = stream
        return stream

    def _offer(self, stream: MuxedStream) -> None:
        try:
            self._opened.send_nowait(stream)
        except (trio.WouldBlock, trio.BrokenResourceError):
            self.reset(stream)

    def _forget_if_over(self, state: SessionStream) -> None:
        if state.is_reset or (state.has_finished and state.peer_has_finished):
            self._streams.pop(state, None)

    async def _flush(self) -> None:
        self._wake_sender()
        with trio.move_on_after(_FLUSH_S_MAX):
            while self.unsent_bytes and self.is_established:
                await self._has_sent_all.park()

    async def _shut(self) -> None:
        if self.is_closed:
            return
        self.event_closed.set()
        self._unread.count(self, 0)
        self._opened.close()
        for stream in self._streams.values():
            stream.waiting.unpark_all()
        self._streams.clear()
        self._outbox_room.unpark_all()
        self._has_sent_all.unpark_all()
        try:
            await self.secured_conn.close()
        except Exception as error:  # It is over either way.
            log.debug("close_failed", why=repr(error))
        if self.on_close is not None:
            await self.on_close()


class Muxers(MuxerMultistream):
    """Offers Yamux alone, and runs it with `MuxedConnection`.

    The library's own ignores the class that it is given for /yamux/1.0.0.
    """

    def __init__(self) -> None:
        super().__init__({YAMUX: MuxedConnection})
        self._unread = Unread()

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        await self._selector.select(conn, conn.is_initiator, self.negotiate_timeout)
        return self._annotate_connection(MuxedConnection(conn, peer_id, self._unread), conn, YAMUX)
