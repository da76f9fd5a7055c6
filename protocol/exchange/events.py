"""What can happen to the block exchange, what it may ask for, and the letters it writes.

`exchange.py` has the machine itself. Times are milliseconds of one clock that never goes back;
CIDs are bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NewType

from ..ids import NodeId
from ..limits import KIB
from .bitswap_wire import Block, Message, Presence, Want

SessionId = NewType("SessionId", int)
"""One fetch of one set of blocks, numbered by whoever starts it."""

PRESENCES_PER_MESSAGE_MAX = 4096
"""Answers in one message: with the longest CIDs, 560 KiB."""
PRESENCE_BYTES = 256
"""What an answer takes in memory until it is sent, roughly."""
LETTER_BYTES = 512 * KIB
"""A message of blocks is closed once it holds this much; one more block may exceed it."""


# Events.


@dataclass(frozen=True, slots=True)
class Connected:
    peer: NodeId


@dataclass(frozen=True, slots=True)
class Gone:
    peer: NodeId


@dataclass(frozen=True, slots=True)
class Hearing:
    """Part of a message from the peer has arrived."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Garbled:
    """A message from the peer was refused, for this reason."""

    peer: NodeId
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    peer: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class Start:
    """Fetch blocks from any of `peers`; give up after `idle_ms` in which nothing arrived.

    While `is_open`, more peers may join, and nothing is given up because these have not enough.
    """

    session: SessionId
    cids: tuple[bytes, ...]
    peers: tuple[NodeId, ...]
    idle_ms: int
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Grow:
    """More blocks for a session: those that the last ones linked to. They come first."""

    session: SessionId
    cids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """More peers that may have a session's blocks: the answer to `Seek`, unless `is_last`."""

    session: SessionId
    peers: tuple[NodeId, ...]
    is_last: bool = False
    """Nobody else will be found."""


@dataclass(frozen=True, slots=True)
class Kept:
    """So many delivered bytes of a session are on disk now."""

    session: SessionId
    bytes_count: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A session is over, done or not. Unknown sessions may be stopped too."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to `Find`: what was asked, and what of it is here."""

    peer: NodeId
    asked: tuple[bytes, ...]
    here: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The answer to `Load`: what was asked, what was read, and what is not here.

    The rest of what was asked had no room in `bytes_max`.
    """

    peer: NodeId
    asked: tuple[bytes, ...]
    blocks: tuple[Block, ...]
    missing: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message has left for the peer, answers of so many bytes in it."""

    peer: NodeId
    bytes_count: int


@dataclass(frozen=True, slots=True)
class Acquired:
    """Blocks that are here from now on."""

    cids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of a `WakeAt` has come."""


Event = (
    Connected | Gone | Hearing | Garbled | Received | Start | Grow | Join | Kept | Stop | Found
    | Loaded | Sent | Acquired | Tick
)  # fmt: skip


# Effects.


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message, then report `Sent` with `bytes_count`."""

    peer: NodeId
    message: Message
    bytes_count: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """A block that the session asked for, with the right hash."""

    session: SessionId
    block: Block


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over. `cid` is a block that it could not get."""

    session: SessionId
    cid: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Seek:
    """An open session's peers do not give what it needs: find others, then report `Join`."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Blame:
    peer: NodeId
    reason: str


@dataclass(frozen=True, slots=True)
class Find:
    """Look which of the blocks are here, then report `Found`."""

    peer: NodeId
    cids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Read blocks in this order until they hold `bytes_max`, then report `Loaded`."""

    peer: NodeId
    cids: tuple[bytes, ...]
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Read nothing from the peer before `until`: it asks faster than is allowed."""

    peer: NodeId
    until: int


@dataclass(frozen=True, slots=True)
class WakeAt:
    at: int


Effect = Send | Deliver | Failed | Seek | Blame | Find | Load | Rest | WakeAt


# What one step has to say.


@dataclass(slots=True)
class _Letter:
    wants: dict[bytes, Want] = field(default_factory=dict[bytes, Want])
    presences: dict[bytes, Presence] = field(default_factory=dict[bytes, Presence])
    blocks: list[Block] = field(default_factory=list[Block])


@dataclass(slots=True)
class Letters:
    """Collects what one step asks for; what it tells one peer goes into as few messages."""

    effects: list[Effect] = field(default_factory=list[Effect])
    _by_peer: dict[NodeId, _Letter] = field(default_factory=dict[NodeId, _Letter])

    def ask(self, peer: NodeId, want: Want) -> None:
        self._letter(peer).wants[want.cid] = want

    def answer(self, peer: NodeId, presence: Presence) -> None:
        self._letter(peer).presences[presence.cid] = presence

    def give(self, peer: NodeId, blocks: Iterable[Block]) -> None:
        self._letter(peer).blocks.extend(blocks)

    def sealed(self) -> list[Effect]:
        """Return all effects in order, the messages last."""
        for peer, letter in self._by_peer.items():
            self.effects += [
                Send(peer, message, _answer_bytes(message)) for message in _messages(letter)
            ]
        return self.effects

    def _letter(self, peer: NodeId) -> _Letter:
        return self._by_peer.setdefault(peer, _Letter())


def _messages(letter: _Letter) -> list[Message]:
    presences = tuple(letter.presences.values())
    cuts = range(0, max(len(presences), 1), PRESENCES_PER_MESSAGE_MAX)
    messages = [Message(presences=presences[cut : cut + PRESENCES_PER_MESSAGE_MAX]) for cut in cuts]
    messages[0] = Message(wants=tuple(letter.wants.values()), presences=messages[0].presences)
    if not messages[0].wants and not presences:
        messages.clear()
    parcel: list[Block] = []
    for block in letter.blocks:
        parcel.append(block)
        if sum(len(each.data) for each in parcel) >= LETTER_BYTES:
            messages.append(Message(blocks=tuple(parcel)))
            parcel = []
    if parcel:
        messages.append(Message(blocks=tuple(parcel)))
    return messages


def _answer_bytes(message: Message) -> int:
    blocks_bytes = sum(len(block.data) for block in message.blocks)
    return blocks_bytes + PRESENCE_BYTES * len(message.presences)
