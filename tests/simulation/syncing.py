"""Sync sessions on the simulated wire: the real machines, frame by frame.

`Leader` and `Follower` are the seam: all that the rest of the simulation knows of how two
nodes find what is missing. A session is cut by whatever cuts its stream, at any frame.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Protocol

from commonfab.protocol.errors import PeerError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.limits import SYNC_MESSAGE_BYTES_MAX
from commonfab.protocol.sync import follower, leader
from commonfab.protocol.sync.index import Index
from commonfab.protocol.sync.sync import Judge
from commonfab.protocol.sync.sync_wire import SALT_BYTES, decode, encode

if TYPE_CHECKING:
    from .world import World

FRAMES_MAX = 2000
"""Of one session. A rogue may go on for ever."""


class Party(Protocol):
    """One end of a session: its records, and what it does with those that come."""

    index: int
    id: NodeId
    is_up: bool
    starts: int
    known: Index
    unwanted: set[RecordId]
    """What it would not believe again."""

    def get(self, identifier: RecordId) -> bytes | None: ...

    def receive(self, data: bytes) -> bool:
        """Judge a public record; tell whether it is kept here now."""
        ...

    def lie(self, frame: bytes, random: Random) -> bytes | None:
        """Return what this party really says instead of what it should; None: it hangs up."""
        ...


class Leader:
    """The side that opens a session."""

    def __init__(self, party: Party, salt: bytes) -> None:
        self._party = party
        self._side = leader.Leader(party.known, party.get, salt, unwanted=party.unwanted)

    def begin(self) -> bytes:
        return encode(self._side.begin())

    def reply(self, frame: bytes) -> bytes | None:
        """Return what to say next, or None at the end. Raises `PeerError`."""
        step = self._side.hear(decode(frame))
        if isinstance(step, Judge):
            for data in step.sealed:
                self._party.receive(data)
            step = self._side.judged()
        return None if step is None else encode(step)


class Follower:
    """The side that answers."""

    def __init__(self, party: Party, salt: bytes) -> None:
        self._party = party
        self._side = follower.Follower(party.known, party.get, salt)

    def answer(self, frame: bytes) -> bytes:
        """Raises `PeerError`."""
        step = self._side.hear(decode(frame))
        if isinstance(step, Judge):
            step = self._side.judged([self._party.receive(data) for data in step.sealed])
        return encode(step)


class Session:
    """One session between two parties; `then` is called once, at its end."""

    def __init__(
        self, world: "World", leader: Party, follower: Party, then: Callable[[], None]
    ) -> None:
        self._world = world
        self._parties = (leader, follower)
        self._starts = (leader.starts, follower.starts)
        self._then = then
        self._frames = 0
        self._lead = world.build.leader(leader, world.random.randbytes(SALT_BYTES))
        self._follow = world.build.follower(follower, world.random.randbytes(SALT_BYTES))

    def begin(self) -> None:
        self._send(self._lead.begin(), 0)

    def _send(self, frame: bytes, sender: int) -> None:
        """Let one side (0 leads, 1 follows) put a frame on the wire."""
        assert len(frame) <= SYNC_MESSAGE_BYTES_MAX, f"a frame of {len(frame)} bytes"
        world = self._world
        party, other = self._parties[sender], self._parties[1 - sender]
        said = party.lie(frame, world.random)
        self._frames += 1
        if said is None or self._frames > FRAMES_MAX or world.happens(world.faults.sessions_cut):
            world.after(1, self._then)
            return
        delay_ms = world.carry(party.index, other.index, said)
        world.after(delay_ms, partial(self._arrive, said, 1 - sender))

    def _arrive(self, frame: bytes, receiver: int) -> None:
        if self._is_broken():
            self._then()
            return
        try:
            answer = self._follow.answer(frame) if receiver else self._lead.reply(frame)
        except PeerError as error:
            if not any(self._world.is_rogue(party.index) for party in self._parties):
                raise AssertionError("two honest nodes could not sync") from error
            answer = None
        if answer is None or self._is_broken():
            self._then()
        else:
            self._send(answer, receiver)

    def _is_broken(self) -> bool:
        leader, follower = self._parties
        return (
            (leader.starts, follower.starts) != self._starts
            or not (leader.is_up and follower.is_up)
            or self._world.are_apart(leader.index, follower.index)
        )
