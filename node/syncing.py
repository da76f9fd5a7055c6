"""Runs sync sessions: with each peer when the link comes up, and again from time to time.

One bad record stops nothing: it goes to quarantine with who sent it, and is not asked for
again for a while. A peer that breaks the rules of a session is left alone for longer each time.
"""

import os
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice

import trio

from commonfab.protocol.errors import CommonfabError, PeerError, ResourceError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.limits import SYNC_MESSAGE_BYTES_MAX
from commonfab.protocol.sync.follower import Follower
from commonfab.protocol.sync.leader import Leader
from commonfab.protocol.sync.subset import ALL, Subset
from commonfab.protocol.sync.sync import PROTOCOL, Judge
from commonfab.protocol.sync.sync_wire import SALT_BYTES, Hello, Message, decode, encode

from . import clock
from .driver import Driver
from .journal import Journal
from .library import Library
from .network.frames import read_frame, write_frame
from .network.transport import Stream, Transport, opened
from .unbelieved import DECLINED_MAX, Unbelieved, put_newest

_MESSAGE_S = 20
"""For one answer."""
_SESSION_S = 120
"""For a whole session; what is missing then comes in the next. A peer that drips one record
after the other does not keep this node from syncing with the others."""
_PEERS_A_ROUND = 4
"""Of those that this node dialled, and as many of those that dialled it."""
_FOLLOWED_MAX = 32
"""Sessions of others that are answered at a time, of each peer one; the others wait."""
_STRANGERS_FOLLOWED_MAX = 24
"""Of these, sessions of strangers: their crowd keeps nobody waiting who is known here."""
_REST = 3
"""After each answer its stream rests so many times as long as the answer took: answering
takes at most a quarter of a processor."""
_PEERS_MAX = 4096
"""Peers that are remembered, those whose last session is newest."""
_SHUNNED_MS_MIN = 60_000
_SHUNNED_MS_MAX = 60 * 60_000


@dataclass(frozen=True, slots=True)
class LastSync:
    """What the sessions that this node led with a peer came to."""

    at: Timestamp
    """When one about all records last ended, with all compared and exchanged; 0: never."""
    new: int
    """Records that the last one brought."""
    given: int
    missing: int
    """Records that the peer had, and that did not come or were not believed."""
    is_complete: bool
    """Whether the last one came to its end; if not, the next one goes on."""
    declined: frozenset[RecordId] = frozenset()
    """Of the records that were given, some that the peer did not believe."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """How often a peer has broken the rules, and until when it is left alone."""

    times: int
    until: int


class Syncing:
    """One for each node."""

    def __init__(
        self,
        transport: Transport,
        library: Library,
        driver: Driver,
        journal: Journal,
        is_known: Callable[[NodeId], bool],
    ) -> None:
        self._transport = transport
        self._library = library
        self._driver = driver
        self._journal = journal
        self._is_known = is_known
        self._unbelieved = Unbelieved(library)
        self._busy: set[NodeId] = set()
        self._turns: dict[NodeId, trio.Lock] = {}
        self._following = trio.CapacityLimiter(_FOLLOWED_MAX)
        self._following_strangers = trio.CapacityLimiter(_STRANGERS_FOLLOWED_MAX)
        self._faults: dict[NodeId, _Fault] = {}
        self.last: dict[NodeId, LastSync] = {}
        self.subset = ALL
        """What the sessions that this node begins by itself are about; see gossip/thrift.py."""
        transport.serve(PROTOCOL, self._follow)

    async def run(
        self, every_s: float, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Sync with some of the connected peers every so often, until cancelled.

        Who comes in is not for this node to say: a crowd of peers that answer slowly or never
        holds up the rounds of those that came, and not of those that this node chose.
        """
        async with trio.open_nursery() as nursery:
            for inbound in (False, True):
                nursery.start_soon(self._rounds, every_s, inbound)
            task_status.started()

    async def _rounds(self, every_s: float, inbound: bool) -> None:
        chance = random.Random()  # noqa: S311  # Which peer is asked first is no secret.
        while True:
            await trio.sleep(every_s * chance.uniform(0.8, 1.2))
            peers = [link.peer for link in self._transport.links() if link.inbound == inbound]
            async with trio.open_nursery() as round_of_peers:
                for peer in chance.sample(peers, min(_PEERS_A_ROUND, len(peers))):
                    round_of_peers.start_soon(self.with_peer, peer)

    async def with_peer(self, peer: NodeId, subset: Subset | None = None) -> None:
        """Lead one session, about `self.subset` if nothing is said. A peer that fails is left
        alone until the next round."""
        fault = self._faults.get(peer)
        if peer in self._busy or (fault is not None and clock.now() < fault.until):
            await trio.lowlevel.checkpoint()
            return
        self._busy.add(peer)
        try:
            await self._lead(peer, self.subset if subset is None else subset)
        except CommonfabError as error:
            if isinstance(error, PeerError):
                self._journal.offend(peer, str(error))
                self._leave_alone(peer)
        else:
            self._faults.pop(peer, None)
        finally:
            self._busy.discard(peer)

    def _leave_alone(self, peer: NodeId) -> None:
        times = self._faults[peer].times if peer in self._faults else 0
        wait_ms = min(_SHUNNED_MS_MIN << min(times, 10), _SHUNNED_MS_MAX)
        fault = _Fault(times + 1, clock.now() + wait_ms)
        put_newest(self._faults, peer, fault, _PEERS_MAX)

    # Leading.

    async def _lead(self, peer: NodeId, subset: Subset) -> None:
        leader = Leader(
            await self._library.index(subset),
            self._library.get,
            os.urandom(SALT_BYTES),
            subset,
            unwanted=self._unbelieved.ids(peer),
            declined=self._unbelieved.declined(peer),
        )
        new = kept = 0
        try:
            with trio.move_on_after(_SESSION_S):
                async with opened(self._transport, peer, PROTOCOL) as stream:
                    step: Message | Judge | None = leader.begin()
                    while step is not None:
                        if isinstance(step, Judge):
                            fresh, known = await self._judge(peer, step.sealed)
                            new, kept = new + fresh, kept + sum(known)
                            step = leader.judged()
                        else:
                            step = leader.hear(await _ask(stream, step))
        finally:
            self._unbelieved.note_declined(peer, leader.declined)
            before = self.last.get(peer)
            at = before.at if before else Timestamp(0)
            if leader.is_complete and subset == ALL:
                at = clock.now()
            missing = leader.wanted - kept
            declined = frozenset(islice(leader.declined, DECLINED_MAX))
            last = LastSync(at, new, leader.given, missing, leader.is_complete, declined)
            put_newest(self.last, peer, last, _PEERS_MAX)

    # Following.

    async def _follow(self, stream: Stream) -> None:
        turn = self._turns.setdefault(stream.peer, trio.Lock())
        try:
            with trio.move_on_after(_SESSION_S):
                async with turn, self._place(stream.peer), self._following:
                    await self._answer_all(stream)
        except PeerError:
            self._leave_alone(stream.peer)
            raise
        finally:
            if not turn.locked():
                self._turns.pop(stream.peer, None)

    def _place(self, peer: NodeId) -> AbstractAsyncContextManager[object]:
        """Return what a stranger has to wait for before it waits with the others."""
        return nullcontext() if self._is_known(peer) else self._following_strangers

    async def _answer_all(self, stream: Stream) -> None:
        follower: Follower | None = None
        while (message := await _hear(stream)) is not None:
            began = trio.current_time()
            if follower is None:
                follower = await self._begin(message)
            step = follower.hear(message)
            took_s = trio.current_time() - began
            if isinstance(step, Judge):
                _, known = await self._judge(stream.peer, step.sealed)
                step = follower.judged(known)
            await write_frame(stream, encode(step))
            await trio.sleep(_REST * took_s)

    async def _begin(self, message: Message) -> Follower:
        if not isinstance(message, Hello):
            raise PeerError(f"a sync session that begins with {type(message).__name__}")
        index = await self._library.index(message.subset)
        return Follower(index, self._library.get, os.urandom(SALT_BYTES))

    async def _judge(self, peer: NodeId, sealed: Sequence[bytes]) -> tuple[int, list[bool]]:
        """Take records; return how many were new, and of each whether it is here now."""
        verdicts = await self._driver.admit(sealed, peer)
        return await self._unbelieved.look_at(peer, sealed, verdicts)


async def _ask(stream: Stream, message: Message) -> Message:
    await write_frame(stream, encode(message))
    reply = await _hear(stream)
    if reply is None:
        raise ResourceError("the peer ended a sync session early, or did not answer in time")
    return reply


async def _hear(stream: Stream) -> Message | None:
    """Return the next message; None where the stream is over, or nothing came in time."""
    with trio.move_on_after(_MESSAGE_S):
        data = await read_frame(stream, SYNC_MESSAGE_BYTES_MAX)
        return None if data is None else decode(data)
    return None
