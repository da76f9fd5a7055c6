"""Runs sync sessions: with each peer when the link comes up, and again from time to time."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import trio

from commonfab.protocol import sync
from commonfab.protocol.errors import CommonfabError, PeerError
from commonfab.protocol.ids import NodeId, Timestamp

from . import clock
from .driver import Driver
from .journal import Journal
from .library import Library
from .network.frames import read_frame, write_frame
from .network.transport import Stream, Transport, opened

_MESSAGE_S = 20
"""For one answer."""
_SESSION_S = 120
"""For a whole session; what is missing then comes in the next. A peer that drips one record
after the other does not keep this node from syncing with the others."""
_PEERS_A_ROUND = 8


@dataclass(frozen=True, slots=True)
class LastSync:
    at: Timestamp
    new: int


class Syncing:
    """One for each node."""

    def __init__(
        self, transport: Transport, library: Library, driver: Driver, journal: Journal
    ) -> None:
        self._transport = transport
        self._library = library
        self._driver = driver
        self._journal = journal
        self._busy: set[NodeId] = set()
        self.last: dict[NodeId, LastSync] = {}
        transport.serve(sync.PROTOCOL, self._follow)

    async def run(
        self, every_s: float, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Sync with some of the connected peers every so often, until cancelled."""
        task_status.started()
        chance = random.Random()  # noqa: S311  # Which peer is asked first is no secret.
        while True:
            await trio.sleep(every_s * chance.uniform(0.8, 1.2))
            peers = [link.peer for link in self._transport.links()]
            for peer in chance.sample(peers, min(_PEERS_A_ROUND, len(peers))):
                await self.with_peer(peer)

    async def with_peer(self, peer: NodeId) -> None:
        """Lead one session. A peer that fails is left alone until the next round."""
        if peer in self._busy:
            return
        self._busy.add(peer)
        new = 0
        try:
            with trio.move_on_after(_SESSION_S):
                new = await self._lead(peer)
        except CommonfabError as error:
            if isinstance(error, PeerError):
                self._journal.count_rejected(peer, str(error))
        else:
            self.last[peer] = LastSync(clock.now(), new)
        finally:
            self._busy.discard(peer)

    async def _lead(self, peer: NodeId) -> int:
        taken: list[bytes] = []
        new = 0
        session = sync.lead(self._library, _collect(taken))
        async with opened(self._transport, peer, sync.PROTOCOL) as stream:
            message: sync.Message | None = next(session)
            while message is not None:
                reply = None
                with trio.move_on_after(_MESSAGE_S):
                    await write_frame(stream, sync.encode(message))
                    reply = await read_frame(stream)
                if reply is None:
                    raise PeerError("the session ended early")
                try:
                    message = session.send(sync.decode(reply))
                except StopIteration:
                    message = None
                if taken:
                    new += await self._driver.receive(peer, taken, only_public=True)
                    taken.clear()
            return new

    async def _follow(self, stream: Stream) -> None:
        while True:
            data = None
            with trio.move_on_after(_MESSAGE_S):
                data = await read_frame(stream)
            if data is None:
                return
            reply = await self._answer(stream.peer, data)
            with trio.move_on_after(_MESSAGE_S) as in_time:
                await write_frame(stream, sync.encode(reply))
            if in_time.cancelled_caught:
                return

    async def _answer(self, peer: NodeId, data: bytes) -> sync.Message:
        taken: list[bytes] = []
        message = sync.decode(data)
        reply = sync.answer(message, self._library, _collect(taken))
        if not taken:
            return reply
        return sync.Taken(await self._driver.receive(peer, taken, only_public=True))


def _collect(taken: list[bytes]) -> Callable[[bytes], bool]:
    """Return a function that sets a record aside, to be judged and kept with its batch."""

    def collect(sealed: bytes) -> bool:
        taken.append(sealed)
        return True

    return collect
