"""What a fetch is after: its sessions, and for each wanted block what is known of who has it."""

from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field

from ..ids import NodeId
from .events import SessionId
from .sources import Sources

MISSES_MAX = 16
"""So many "have not" in a row, and a peer is asked "have you?" first, as a stranger is."""
INQUIRIES_MAX = 64
"""Delivered blocks of which some peer's "have" may still come, remembered for its credit."""


@dataclass(slots=True)
class Quest:
    """One block that is wanted, by one session or several."""

    sessions: dict[SessionId, None] = field(default_factory=dict[SessionId, None])
    source: NodeId | None = None
    """The one peer that is asked for the block itself."""
    queried: dict[NodeId, None] = field(default_factory=dict[NodeId, None])
    holders: dict[NodeId, None] = field(default_factory=dict[NodeId, None])
    lacking: dict[NodeId, None] = field(default_factory=dict[NodeId, None])
    was_moved: bool = False


@dataclass(slots=True)
class Session:
    """One fetch: the blocks it wants now, those it will want, and the peers it may ask."""

    peers: dict[NodeId, None]
    idle_ms: int
    progress_at: int
    backlog: deque[bytes]
    is_open: bool = False
    """More peers may join."""
    is_seeking: bool = False
    """More peers were asked for, and have not joined yet."""
    quests: dict[bytes, None] = field(default_factory=dict[bytes, None])
    ready: dict[bytes, None] = field(default_factory=dict[bytes, None])
    held_bytes: int = 0
    _misses: dict[NodeId, int] = field(default_factory=dict[NodeId, int])
    _inquiries: dict[bytes, None] = field(default_factory=dict[bytes, None])

    def __post_init__(self) -> None:
        if len(self.peers) == 1:  # There is nobody else to ask, so a question would save nothing.
            self._misses = dict.fromkeys(self.peers, 0)

    def is_stranger(self, peer: NodeId) -> bool:
        """Whether nothing is known yet of what the peer has."""
        return peer not in self._misses

    def is_likely(self, peer: NodeId, quest: Quest) -> bool:
        """Whether the peer is worth asking for the block without a question first."""
        if peer in quest.lacking:
            return False
        return peer in quest.holders or self._misses.get(peer, MISSES_MAX) < MISSES_MAX

    def credit(self, peer: NodeId) -> None:
        """The peer had a block of this session: it will have others."""
        if peer in self.peers:
            self._misses[peer] = 0

    def debit(self, peer: NodeId) -> None:
        if peer in self.peers:
            self._misses[peer] = self._misses.get(peer, MISSES_MAX) + 1

    def note_inquiry(self, cid: bytes) -> None:
        """The block came, but other peers' answers about it are on their way."""
        self._inquiries[cid] = None
        if len(self._inquiries) > INQUIRIES_MAX:
            del self._inquiries[next(iter(self._inquiries))]

    def inquired(self, cid: bytes) -> bool:
        return cid in self._inquiries

    def is_hopeless(self, quest: Quest, banned: Container[NodeId]) -> bool:
        """Whether no peer that the session has can have the block."""
        return all(peer in quest.lacking or peer in banned for peer in self.peers)


def situation(session: Session, quest: Quest, sources: Sources, now: int) -> str:
    """Say in words for a person why nobody gives the block."""
    counts = {"do not have it": 0, "sent wrong blocks": 0, "are not connected": 0, "are silent": 0}
    for peer in session.peers:
        source = sources.find(peer)
        if source is not None and source.is_banned(now):
            counts["sent wrong blocks"] += 1
        elif peer in quest.lacking:
            counts["do not have it"] += 1
        elif source is None or not source.is_connected:
            counts["are not connected"] += 1
        else:
            counts["are silent"] += 1
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"of {len(session.peers)} peers asked, {said or 'none has it'}"
