"""Gives blocks to peers and gets blocks from them, by Bitswap 1.2 over the node's streams.

All decisions are made by `protocol/exchange/exchange.py`; this carries events to it and its
effects out.

    peer's stream -> Framer -> decode -> Exchange -> outbox of a peer -> our stream to it
                                            |  ^
                           fetch <- Deliver-+  +-- Found, Loaded <- the block store, in threads

Each node writes on streams that it opened and reads from those that others opened: an answer
never comes back on the stream of the question (EXCHANGE-14). A peer's failure ends its streams
and nothing else.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import trio

from commonfab.protocol.errors import CommonfabError, Malformed, PeerError, ResourceError
from commonfab.protocol.exchange.bitswap_wire import PROTOCOL, Block, Message
from commonfab.protocol.exchange.events import (
    Acquired,
    Blame,
    Connected,
    Deliver,
    Effect,
    Event,
    Failed,
    Find,
    Found,
    Garbled,
    Gone,
    Grow,
    Hearing,
    Join,
    Kept,
    Load,
    Loaded,
    Received,
    Rest,
    Seek,
    Send,
    Sent,
    SessionId,
    Start,
    Stop,
    Tick,
    WakeAt,
)
from commonfab.protocol.exchange.exchange import Exchange
from commonfab.protocol.ids import NodeId, short
from commonfab.protocol.limits import MIB
from commonfab.storage.cid import CID
from commonfab.storage.ports import BlockStore
from commonfab.storage.unixfs import unixfs

from .. import log
from ..network.transport import Link, Stream, Transport, opened
from .reads import find, load, name_of
from .streams import MessageReader, Outbox, write_message
from .walk import Links, Walk

Progress = Callable[[int, int, int], None]
"""Told of blocks done, blocks known to be needed so far, and bytes fetched and stored."""


class Seeker(Protocol):
    """Finds peers for one fetch; finding.py has the real one."""

    async def more(self) -> list[NodeId] | None:
        """Return connected peers that may have the blocks; None if nobody else will be found."""
        ...

    def served(self, peer: NodeId) -> None:
        """Take note that a peer gave a block of this fetch."""
        ...


IDLE_MS = 60_000
"""A fetch in which nothing arrives for so long has failed."""
_BATCH_BYTES = 8 * MIB
"""Blocks that are made durable together; at most so many, and one block more."""
READERS_PER_PEER_MAX = 16
"""Streams of one peer that are read at a time, a message of each in memory. The others wait, as
many as the transport lets a peer open: Kubo opens one for each message, and does not wait for
its end. A block on a stream that is refused is lost, and only a long silence tells of it."""
UNFINISHED_BYTES_PER_PEER_MAX = 16 * MIB
_OUTBOX_MAX = 4096
"""Messages that wait for one peer. The exchange stops far below this for a peer that reads."""
_LINKS_EVERY_S = 5.0
_RETRY_S = 2.0
"""A peer to which no stream could be opened or finished is tried again after this."""


@dataclass
class _Inbox:
    """What has arrived for one fetch."""

    blocks: deque[Block] = field(default_factory=deque[Block])
    failure: Failed | None = None
    seeker: Seeker | None = None
    seeking: trio.CancelScope = field(default_factory=trio.CancelScope)
    filled: trio.Event = field(default_factory=trio.Event)

    def fail(self, failure: Failed) -> None:
        self.failure = failure
        self.filled.set()

    async def take(self) -> list[Block]:
        """Return what has arrived, waiting for a first block; nothing if there will be none."""
        while not self.blocks and self.failure is None:
            await self.filled.wait()
            self.filled = trio.Event()
        batch: list[Block] = []
        size = 0
        while self.blocks and size < _BATCH_BYTES:
            batch.append(self.blocks.popleft())
            size += len(batch[-1].data)
        return batch


@dataclass
class _Inflow:
    """The streams that one peer has opened."""

    streams: int = 0
    turns: trio.CapacityLimiter = field(
        default_factory=lambda: trio.CapacityLimiter(READERS_PER_PEER_MAX)
    )
    readers: set[MessageReader] = field(default_factory=set[MessageReader])


class Bitswap:
    """One for each node. Made before the transport runs; fetches while `run` does."""

    def __init__(
        self, transport: Transport, blocks: BlockStore, *, links: Links = unixfs.links
    ) -> None:
        self._transport = transport
        self._blocks = blocks
        self._links_of = links
        self._exchange = Exchange()
        self._nursery: trio.Nursery | None = None
        self._started = trio.Event()
        self._disk = trio.CapacityLimiter(4)
        self._hashing = trio.CapacityLimiter(2)
        self._sessions = count(1)
        self._inboxes: dict[SessionId, _Inbox] = {}
        self._outboxes: dict[NodeId, Outbox] = {}
        self._links: dict[NodeId, Link] = {}
        self._met: set[NodeId] = set()
        """The peers that the machine takes for connected."""
        self._retry_at: dict[NodeId, float] = {}
        self._rest_until: dict[NodeId, float] = {}
        self._inflows: dict[NodeId, _Inflow] = {}
        self._room = trio.Event()
        transport.serve(PROTOCOL, self._serve, is_lasting=True)  # It ends them itself: streams.py.

    @property
    def counts(self) -> dict[str, int]:
        """What is remembered now, and what was thrown away since the start."""
        return self._exchange.counts

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve and fetch until cancelled."""
        async with trio.open_nursery() as self._nursery:
            self._started.set()
            task_status.started()
            try:
                while True:
                    self._look_at_links()
                    await trio.sleep(_LINKS_EVERY_S)
            finally:
                self._nursery = None
                for session, inbox in self._inboxes.items():
                    inbox.fail(Failed(session, b"", "this node stops"))

    async def fetch(
        self,
        root: bytes,
        peers: list[NodeId],
        *,
        progress: Progress | None = None,
        seeker: Seeker | None = None,
    ) -> None:
        """Have the whole tree under `root` durably in the store when this returns.

        What is here already is not fetched again. When `peers` do not give it all, or fall
        silent, those that the seeker finds take part. Raises `ResourceError` if the peers do not
        give it all; what came until then is kept, and the next fetch goes on from there.
        """
        if self._nursery is None:
            raise ResourceError("this node starts or stops; it fetches nothing now")
        walk = Walk(CID.from_bytes(root), self._blocks, self._links_of)
        session = SessionId(next(self._sessions))
        inbox = self._inboxes[session] = _Inbox(seeker=seeker)
        peers = [peer for peer in peers if peer != self._transport.me]
        try:
            missing = await self._look(walk)
            if missing:
                self._look_at_links()
                self._step(Start(session, missing, tuple(peers), IDLE_MS, seeker is not None))
            while not walk.is_done:
                _report(walk, progress)
                batch = await inbox.take()
                if not batch:
                    raise _not_fetched(walk.root, inbox.failure)
                await trio.to_thread.run_sync(walk.keep, batch, limiter=self._disk)
                self._step(Kept(session, sum(len(block.data) for block in batch)))
                self._step(Acquired(tuple(block.cid for block in batch)))
                self._step(Grow(session, await self._look(walk)))
            _report(walk, progress)
        finally:
            del self._inboxes[session]
            inbox.seeking.cancel()
            self._step(Stop(session))

    async def _look(self, walk: Walk) -> tuple[bytes, ...]:
        missing: list[bytes] = []
        while walk.has_unlooked:
            missing += await trio.to_thread.run_sync(walk.look, limiter=self._disk)
        return tuple(missing)

    # The machine.

    def _step(self, event: Event) -> list[Effect]:
        match event:
            case Connected(peer) | Received(peer) | Hearing(peer) | Garbled(peer):
                self._met.add(peer)
            case Gone(peer):
                self._met.discard(peer)
            case _:
                pass
        effects = self._exchange.handle(event, _now_ms())
        if self._nursery is not None:
            for effect in effects:
                self._carry_out(effect, self._nursery)
        if not self._exchange.is_full:
            self._room.set()
        return effects

    def _carry_out(self, effect: Effect, nursery: trio.Nursery) -> None:
        match effect:
            case Send(peer):
                self._post(peer, effect, nursery)
            case Deliver(session, block):
                self._inboxes[session].blocks.append(block)
                self._inboxes[session].filled.set()
            case Seek(session):
                nursery.start_soon(self._seek, session)
            case Failed(session):
                self._inboxes[session].fail(effect)
            case Blame(peer, reason):
                log.warning("peer_blamed", peer=short(peer), reason=reason)
            case Find():
                nursery.start_soon(self._find, effect)
            case Load():
                nursery.start_soon(self._load, effect)
            case Rest(peer, until):
                self._rest_until[peer] = until / 1000
            case WakeAt(at):
                nursery.start_soon(self._wake, at)

    async def _seek(self, session: SessionId) -> None:
        """Have more peers found for a fetch, for as long as it goes on."""
        inbox = self._inboxes.get(session)
        if inbox is None or inbox.seeker is None:
            return
        inbox.seeking = trio.CancelScope()
        with inbox.seeking:
            peers = await inbox.seeker.more()
            self._look_at_links()
            others = tuple(peer for peer in peers or () if peer != self._transport.me)
            self._step(Join(session, others, is_last=peers is None))

    async def _wake(self, at: int) -> None:
        await trio.sleep_until(at / 1000)
        self._look_at_links()
        self._step(Tick())

    def _look_at_links(self) -> None:
        """Tell the machine who has come and who has gone, also who has done both."""
        links = {link.peer: link for link in self._transport.links()}
        for peer in sorted(self._met - links.keys()):
            self._lose(peer)
        for peer, link in links.items():
            known = self._links.get(peer, link)
            if known is not link:  # Each link is an object of its own: it is another one.
                self._retry_at.pop(peer, None)
                if peer in self._met:
                    self._lose(peer)
            if peer not in self._met and trio.current_time() >= self._retry_at.get(peer, -math.inf):
                self._step(Connected(peer))
        self._links = links
        for table in (self._retry_at, self._rest_until):
            for peer in table.keys() - links.keys():
                del table[peer]

    def _lose(self, peer: NodeId) -> None:
        if outbox := self._outboxes.pop(peer, None):
            outbox.scope.cancel()
        self._step(Gone(peer))

    # The disk.

    async def _find(self, effect: Find) -> None:
        here = await trio.to_thread.run_sync(find, self._blocks, effect.cids, limiter=self._disk)
        self._step(Found(effect.peer, effect.cids, here))

    async def _load(self, effect: Load) -> None:
        blocks, missing = await trio.to_thread.run_sync(
            load, self._blocks, effect.cids, effect.bytes_max, limiter=self._disk
        )
        self._step(Loaded(effect.peer, effect.cids, blocks, missing))

    # Writing.

    def _post(self, peer: NodeId, send: Send, nursery: trio.Nursery) -> None:
        outbox = self._outboxes.get(peer)
        if outbox is None:
            outbox = self._outboxes[peer] = Outbox()
            nursery.start_soon(self._write, peer, outbox)
        if len(outbox.sends) < _OUTBOX_MAX:
            outbox.sends.append(send)
        outbox.filled.set()

    async def _write(self, peer: NodeId, outbox: Outbox) -> None:
        """Write to one peer until there is nothing to write for a while."""
        with outbox.scope:
            try:
                while outbox.sends:
                    await self._write_stream(peer, outbox)
            except CommonfabError as error:
                log.debug("blocks_not_sent", peer=short(peer), reason=str(error))
            except Exception as error:  # Whatever is wrong with one peer, the others go on.
                log.error("blocks_not_sent", peer=short(peer), exc_info=error)
            else:
                del self._outboxes[peer]
                return
            if self._outboxes.get(peer) is outbox:  # Else it came again in the meantime.
                self._retry_at[peer] = trio.current_time() + _RETRY_S
                self._lose(peer)

    async def _write_stream(self, peer: NodeId, outbox: Outbox) -> None:
        """Write to one stream until it is idle or, if anything could be written, broken."""
        is_new = True
        try:
            async with opened(self._transport, peer, PROTOCOL) as stream:
                while outbox.sends or await outbox.is_filled():
                    send = outbox.sends[0]
                    await write_message(stream, send.message)
                    is_new = False
                    outbox.sends.popleft()
                    self._step(Sent(peer, send.bytes_count))
        except ResourceError:
            if is_new:
                raise

    # Reading.

    async def _serve(self, stream: Stream) -> None:
        """Read messages from a stream that a peer opened, until it ends."""
        peer = stream.peer
        await self._started.wait()
        self._look_at_links()
        inflow = self._inflows.setdefault(peer, _Inflow())
        inflow.streams += 1
        try:
            async with inflow.turns:
                await self._read(stream, inflow.readers)
        finally:
            inflow.streams -= 1
            if not inflow.streams:
                del self._inflows[peer]

    async def _read(self, stream: Stream, readers: set[MessageReader]) -> None:
        peer = stream.peer
        reader = MessageReader(stream, self._hashing, lambda: self._hear(peer, readers))
        readers.add(reader)
        try:
            while (message := await self._next(reader, peer)) is not None:
                self._receive(peer, message)
        except Malformed as error:
            self._step(Garbled(peer, str(error)))
            raise
        finally:
            readers.discard(reader)

    async def _next(self, reader: MessageReader, peer: NodeId) -> Message | None:
        """Read a peer's next message once there is room for it, unless the peer is banned."""
        await trio.sleep_until(self._rest_until.pop(peer, -math.inf))
        while self._exchange.is_full:
            if self._room.is_set():
                self._room = trio.Event()
            await self._room.wait()
        if self._exchange.is_banned(peer, _now_ms()):
            raise ResourceError(
                f"{short(peer)} sent wrong blocks; it is not listened to for a while"
            )
        return await reader.next()

    def _hear(self, peer: NodeId, readers: set[MessageReader]) -> None:
        unfinished = sum(reader.unfinished_bytes for reader in readers)
        if unfinished > UNFINISHED_BYTES_PER_PEER_MAX:
            raise ResourceError(f"{short(peer)} has begun too many messages and ended none")
        self._step(Hearing(peer))

    def _receive(self, peer: NodeId, message: Message) -> None:
        if self._nursery is None:
            raise ResourceError("this node stops")
        for effect in self._step(Received(peer, message)):
            match effect:
                case Blame(_, reason):
                    raise PeerError(reason)
                case Deliver(session) if inbox := self._inboxes.get(session):
                    if inbox.seeker is not None:
                        inbox.seeker.served(peer)
                case _:
                    pass


def _not_fetched(root: CID, failure: Failed | None) -> ResourceError:
    assert failure is not None
    reason = failure.reason
    if failure.cid not in (b"", bytes(root)):
        name = name_of(failure.cid)
        reason = f"block {name or failure.cid.hex()}: {reason}"
    return ResourceError(f"{root} could not be fetched: {reason}; try again when they are back")


def _report(walk: Walk, progress: Progress | None) -> None:
    if progress is not None:
        progress(walk.done_blocks, walk.known_blocks, walk.fetched_bytes)


def _now_ms() -> int:
    return math.ceil(trio.current_time() * 1000)
