"""Promises to keep a copy: made, answered for, and checked on others.

The checker walks down from the root along links chosen by chance. A block that it has itself
it need not ask for; of the leaf at the end it asks a few random bytes, if it has the leaf, or
else all of it. What is due and what follows is decided in protocol/replicas.py.
"""

import random
from collections.abc import Callable

import msgspec
import trio

from commonfab.protocol import replicas
from commonfab.protocol.author import Author
from commonfab.protocol.errors import CommonfabError, Malformed, PeerError, ResourceError
from commonfab.protocol.ids import NodeId, short
from commonfab.protocol.limits import BLOCK_BYTES_MAX, CID_BYTES_MAX
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.replicas import (
    ANSWER_BYTES_MAX,
    CHALLENGES_MAX,
    PROTOCOL,
    RANGE_BYTES_MAX,
    ROUND_MS,
    SAMPLES,
    Challenge,
    Checks,
    Condition,
    Outcome,
    Promise,
    Promises,
    Standing,
)
from commonfab.protocol.statements import Replica
from commonfab.storage.cid import CID
from commonfab.storage.guarded import GuardedBlocks
from commonfab.storage.ports import BlockDamaged, BlockMissing
from commonfab.storage.unixfs import unixfs

from .. import clock
from ..announcing import Announcing
from ..journal import Journal
from ..library import Library
from ..network.frames import read_frame, write_frame
from ..network.transport import Stream, Transport, opened
from .keeping import WISHED, Keeping

CHECK_S = 60
"""For one check of a promise: a few blocks."""
_DEPTH_MAX = 64
_CHALLENGE_BYTES_MAX = 8 + CID_BYTES_MAX
_ANSWERING_MAX = 4
_NOTE = "replica_checks"


class Replicas:
    """One for each node."""

    def __init__(
        self,
        transport: Transport,
        blocks: GuardedBlocks,
        library: Library,
        keeping: Keeping,
        author: Author,
        announcing: Announcing,
        journal: Journal,
        chance: Callable[[], random.Random] = random.SystemRandom,
    ) -> None:
        """`chance`: what nobody can foresee; who could would keep only what is asked for."""
        self._transport = transport
        self._blocks = blocks
        self._library = library
        self._keeping = keeping
        self._author = author
        self._announcing = announcing
        self._journal = journal
        self._chance = chance()
        self._answering: set[NodeId] = set()
        self._reading = trio.CapacityLimiter(_ANSWERING_MAX)
        self._promising = trio.Lock()
        self._lapsed = self._ended()
        """This node's promises that ended while it was off, until it has looked at them."""
        self.checks = Checks(_load(library.note(_NOTE)))
        transport.serve(PROTOCOL, self._answer)

    # This node's own promises.

    async def promise(self, root: CID, size_bytes: int, until: int) -> None:
        """Promise everybody to keep a tree that is whole here."""
        await self._say(root.as_v1(), size_bytes, until, withdrawn=False)

    async def withdraw(self, root: CID) -> bool:
        """Take a promise back; return whether there was one."""
        async with self._promising:
            promise = self._own_promise(root.as_v1())
            if promise is not None:
                await self._say(root.as_v1(), promise.size_bytes, promise.until, withdrawn=True)
        return promise is not None

    def _ended(self) -> list[Promise]:
        """Return what this node promised until some time in the past, and did not take back."""
        said, now = Promises(), clock.now()
        for record in self._library.find("replica", self._me):
            said.take_in(record)
        return [promise for promise in said.by(self._me, 0) if promise.until <= now]

    async def _renew(self) -> None:
        """Promise anew what is half over, or ended meanwhile, if it is wished for and all here."""
        reasons = self._keeping.reasons()
        now = clock.now()
        ended, self._lapsed = self._lapsed, []
        for promise in [*ended, *self._library.replicas.by(self._me, now)]:
            root = CID.from_bytes(promise.root)
            until = replicas.renewed_until(promise, now)
            if until is None or WISHED not in reasons.get(root, ()):
                continue
            if not await self._keeping.is_here(root):
                continue
            async with self._promising:
                before = None if promise in ended else promise
                if self._own_promise(root) == before:  # Else it was taken back just now.
                    await self.promise(root, promise.size_bytes, until)

    def _own_promise(self, root: CID) -> Promise | None:
        promises = self._library.replicas.of(bytes(root), clock.now())
        return next((promise for promise in promises if promise.holder == self._me), None)

    async def _say(self, root: CID, size_bytes: int, until: int, *, withdrawn: bool) -> None:
        body = Replica(
            **self._author.head(replicas.stream_of(bytes(root)), clock.now()),
            until=until,
            root=bytes(root),
            size_bytes=size_bytes,
            withdrawn=withdrawn,
        )
        with trio.CancelScope(shield=True):
            await self._announcing.announce(self._author.sign(body))

    async def _answer(self, stream: Stream) -> None:
        """Answer a checker's challenges, one after the other; one stream a peer."""
        peer = stream.peer
        if peer in self._answering:
            raise ResourceError(f"{short(peer)} asks for proof on two streams")
        self._answering.add(peer)
        try:
            for _ in range(CHALLENGES_MAX):
                message = await read_frame(stream, _CHALLENGE_BYTES_MAX)
                if message is None:
                    return
                challenge = Challenge.decode(message)
                said = await trio.to_thread.run_sync(self._read, challenge, limiter=self._reading)
                await write_frame(stream, replicas.encode_answer(said))
        finally:
            self._answering.discard(peer)

    def _read(self, challenge: Challenge) -> bytes | None:
        try:
            return challenge.of(self._blocks.get(CID.from_bytes(challenge.cid)))
        except (BlockMissing, BlockDamaged, Malformed):
            return None

    # Others' promises.

    async def run(self) -> None:
        """Renew this node's promises, and check those of others about what it cares for."""
        while True:
            await self.round()
            await trio.sleep(ROUND_MS / 1000)

    async def round(self) -> None:
        """Renew and check what is due, and raise or end the alarms."""
        try:
            await self._renew()
        except CommonfabError as error:
            self._journal.warn("promises", f"a promise could not be renewed: {error}")
        else:
            self._journal.clear("promises")
        now = clock.now()
        promises = self._cared_for()
        self.checks.keep_only(promises)
        reachable = {link.peer for link in self._transport.links()}
        due = self.checks.due(promises, reachable, now)
        for promise in due:
            outcome = await self._check(promise)
            standing = self.checks.note(promise, outcome, clock.now(), self._chance.random())
            self._tell(promise, outcome, standing)
        if due:
            await self._save()

    def _cared_for(self) -> list[Promise]:
        now = clock.now()
        return [
            promise
            for root in self._keeping.reasons()
            for promise in self._library.replicas.of(bytes(root), now)
            if promise.holder != self._me
        ]

    async def _check(self, promise: Promise) -> Outcome:
        outcome: Outcome = "silent"
        with trio.move_on_after(CHECK_S):
            try:
                outcome = await self._ask(promise)
            except PeerError as error:
                self._journal.offend(promise.holder, str(error))
                return "wrong"
            except CommonfabError:
                return "silent"
        return outcome

    async def _ask(self, promise: Promise) -> Outcome:
        with self._blocks.hold():
            async with opened(self._transport, promise.holder, PROTOCOL) as stream:
                for _ in range(SAMPLES):
                    if not await self._sample(stream, CID.from_bytes(promise.root)):
                        return "lacks"
        return "passed"

    async def _sample(self, stream: Stream, cid: CID) -> bool:
        """Go down to a random leaf; return whether the holder had all it was asked for.

        Raises `Malformed` for wrong bytes.
        """
        for _ in range(_DEPTH_MAX):
            own = await trio.to_thread.run_sync(self._own, cid)
            data = own
            if data is None:
                data = await _demand(stream, Challenge(bytes(cid), 0, BLOCK_BYTES_MAX))
                if data is None:
                    return False
                if not cid.names(data):
                    raise Malformed(f"bytes that are not those of block {cid}")
            below = unixfs.links(cid, data)
            if below:
                cid = self._chance.choice(below)
                continue
            return own is None or await self._demand_part(stream, cid, own)
        raise Malformed(f"{cid}: a tree of more than {_DEPTH_MAX} levels")

    async def _demand_part(self, stream: Stream, cid: CID, own: bytes) -> bool:
        start = self._chance.randrange(max(1, len(own)))
        challenge = Challenge(bytes(cid), start, self._chance.randint(1, RANGE_BYTES_MAX))
        said = await _demand(stream, challenge)
        if said is not None and said != challenge.of(own):
            raise Malformed(f"bytes that are not those of block {cid} from {start} on")
        return said is not None

    def _own(self, cid: CID) -> bytes | None:
        try:
            return self._blocks.get(cid)
        except (BlockMissing, BlockDamaged):
            return None

    def _tell(self, promise: Promise, outcome: Outcome, standing: Standing) -> None:
        holder = self._library.name_of(promise.holder) or peer_text(promise.holder)[-8:]
        root = CID.from_bytes(promise.root)
        self._journal.tell("replica_checked", holder=holder, root=str(root), outcome=outcome)
        about = f"replica/{promise.holder.hex()}/{root}"
        if not standing.is_failed:
            self._journal.clear(about)
            return
        self._journal.warn(
            about,
            f"{holder} promised to keep {root} and failed {standing.failures} checks"
            f" (the last: {outcome}); see commonfab replicas, and find another holder",
        )

    async def _save(self) -> None:
        saved = msgspec.msgpack.encode(self.checks.standings())
        try:
            await self._library.keep_notes({_NOTE: saved})
        except ResourceError as error:
            self._journal.warn("disk", str(error))

    # How a tree stands.

    def conditions(self, root: CID) -> list[tuple[Promise, Standing, Condition]]:
        """Return what others promised about a tree, and how each promise stands."""
        now = clock.now()
        linked = {link.peer for link in self._transport.links()}
        found: list[tuple[Promise, Standing, Condition]] = []
        for promise in self._library.replicas.of(bytes(root.as_v1()), now):
            if promise.holder != self._me:
                standing = self.checks.standing(promise.holder, promise.root)
                heard = now if promise.holder in linked else self._library.heard_at(promise.holder)
                condition = replicas.condition(promise, standing, heard, now)
                found.append((promise, standing, condition))
        return found

    @property
    def _me(self) -> NodeId:
        return self._transport.me


async def _demand(stream: Stream, challenge: Challenge) -> bytes | None:
    await write_frame(stream, challenge.encode())
    message = await read_frame(stream, ANSWER_BYTES_MAX)
    if message is None:
        raise ResourceError("the holder ended the stream")
    return replicas.decode_answer(message)


def _load(saved: bytes | None) -> list[Standing]:
    try:
        return msgspec.msgpack.decode(saved, type=list[Standing]) if saved else []
    except msgspec.DecodeError:
        return []  # Of an older program: the checks begin anew.
