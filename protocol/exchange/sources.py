"""What is known of each peer as a source of blocks: what it was asked, how it answers.

A source is never asked for more at once than it answers in about a second. One that is silent
rests, each time for longer; one that sends wrong or unasked blocks is blamed, and soon left
alone for a while. What it was asked lately is remembered after it is settled, so that a late
answer is not taken for a wrong one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..ids import NodeId
from ..limits import BITSWAP_WANTS_MAX, MINUTE_MS, SECOND_MS

WINDOW_START = 8
WINDOW_MAX = 48
"""Blocks asked of one peer at a time, at first and at most. Kubo answers each on a stream of its
own, and streams beyond 64 are reset: a block on one of them would be lost."""
PROMPT_MS = SECOND_MS
"""A block that takes less widens the window; one that takes more than twice this narrows it."""
STALL_MS = 5 * SECOND_MS
"""Silence after which a peer's wants go elsewhere."""
STALL_FIRST_MS = 1500
"""The same, once, for a peer that has never given a block, while there are others."""
STALL_HEARING_MS = 30 * SECOND_MS
"""The same while bytes keep coming: a block of 2 MiB at 70 kB/s."""
REST_MS = 2 * SECOND_MS
REST_MS_MAX = MINUTE_MS
"""How long a silent peer rests, the first time and at most; it doubles between."""
SETTLED_MAX = 4096
WRONG_MAX = 3
"""Wrong blocks, one may be a bad disk, before a peer is banned."""
UNASKED_MAX = 64
"""Unasked blocks, some may be very late, before a peer is banned."""
BAN_MS = 10 * MINUTE_MS
DEPARTED_MAX = 1024
"""Peers that have left and are remembered: so that leaving clears nobody's name."""


@dataclass(slots=True)
class Source:
    is_connected: bool = True
    latency_ms: float = 0
    """A mean of the last answers; 0 before the first."""
    stalls: int = 0
    """How often it was silent since its last block. Saying "have" is no excuse."""
    _is_proven: bool = False
    """It has given a block that was asked of it."""
    _asks: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _queries: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _settled: dict[bytes, None] = field(default_factory=dict[bytes, None])
    _window: int = WINDOW_START
    _answered_at: int = 0
    _heard_at: int = 0
    _resting_until: int = 0
    _banned_until: int = 0
    _wrong: int = 0
    _unasked: int = 0

    @property
    def load(self) -> float:
        """How full its window is: 1 is full."""
        return len(self._asks) / self._window

    @property
    def has_room(self) -> bool:
        return len(self._asks) < self._window

    @property
    def may_query(self) -> bool:
        return len(self._asks) + len(self._queries) < BITSWAP_WANTS_MAX - WINDOW_MAX

    @property
    def is_waited_for(self) -> bool:
        return bool(self._asks or self._queries)

    def is_usable(self, now: int) -> bool:
        return self.is_connected and now >= self._resting_until and not self.is_banned(now)

    def is_banned(self, now: int) -> bool:
        return now < self._banned_until

    def asked_for(self, cid: bytes) -> bool:
        """Whether it was asked for the block, now or lately."""
        return cid in self._asks or cid in self._queries or cid in self._settled

    def asked_at(self, cid: bytes) -> int:
        return self._asks[cid]

    def ask(self, cid: bytes, now: int) -> None:
        assert self.has_room
        self._begin_waiting(now)
        self._queries.pop(cid, None)
        self._asks[cid] = now

    def query(self, cid: bytes, now: int) -> None:
        assert cid not in self._asks
        self._begin_waiting(now)
        self._queries[cid] = now

    def settle(self, cid: bytes) -> None:
        """Expect no answer any more, and forgive one."""
        self._asks.pop(cid, None)
        self._queries.pop(cid, None)
        self._settled.pop(cid, None)
        self._settled[cid] = None
        if len(self._settled) > SETTLED_MAX:
            del self._settled[next(iter(self._settled))]

    def release(self) -> list[bytes]:
        """Settle everything, and return what was still waited for."""
        cids = [*self._asks, *self._queries]
        for cid in cids:
            self.settle(cid)
        return cids

    def answer_have(self, cid: bytes, now: int) -> bool:
        """Take a "have". Tell whether one was waited for."""
        was_queried = cid in self._queries
        if was_queried:
            self._answered_at = now
            self.settle(cid)
        return was_queried

    def answer_no(self, cid: bytes, now: int) -> bool:
        """Take a "have not". Tell whether it answers a query."""
        was_queried = cid in self._queries
        if was_queried or cid in self._asks:
            self._answered_at = now
        self.settle(cid)
        return was_queried

    def answer_block(self, cid: bytes, now: int) -> None:
        self._is_proven = True
        if cid in self._asks:
            took_ms = now - self._asks[cid]
            self.latency_ms = 0.8 * self.latency_ms + 0.2 * took_ms if self.latency_ms else took_ms
            self.latency_ms = max(1, self.latency_ms)
            if took_ms <= PROMPT_MS:
                self._window = min(self._window + 1, WINDOW_MAX)
            elif took_ms > 2 * PROMPT_MS:
                self._window = max(self._window - 1, 1)
        if cid in self._asks or cid in self._queries:
            self._answered_at = now
            self.stalls = 0
        self.settle(cid)

    def hear(self, now: int) -> None:
        self._heard_at = now

    def excuse(self, now: int) -> None:
        """Count its silence from now on only."""
        self._answered_at = now

    def has_stalled(self, now: int, *, is_alone: bool) -> bool:
        if not self.is_waited_for:
            return False
        is_first = not (self._is_proven or self.stalls or is_alone)
        patience_ms = STALL_FIRST_MS if is_first else STALL_MS
        quiet_ms = now - max(self._answered_at, self._heard_at)
        return quiet_ms >= patience_ms or now - self._answered_at >= STALL_HEARING_MS

    def stall(self, now: int) -> list[bytes]:
        """Let it rest, and return what it was asked for in vain."""
        self._resting_until = now + min(REST_MS << min(self.stalls, 10), REST_MS_MAX)
        self.stalls += 1
        self._window = max(1, self._window // 4)
        return self.release()

    def offend(self, now: int, *, is_wrong: bool) -> bool:
        """Note a block that it should not have sent. Tell whether it is to be blamed."""
        self._wrong += is_wrong
        self._unasked += 1
        if self._wrong >= WRONG_MAX or self._unasked >= UNASKED_MAX:
            self._banned_until = now + BAN_MS
            self._wrong = self._unasked = 0
            return True
        return is_wrong

    def _begin_waiting(self, now: int) -> None:
        if not self.is_waited_for:
            self._answered_at = now


class Sources:
    """All peers that are connected, and the last of those that have left."""

    def __init__(self) -> None:
        self._connected: dict[NodeId, Source] = {}
        self._departed: dict[NodeId, Source] = {}

    def __getitem__(self, peer: NodeId) -> Source:
        return self._connected[peer]

    def find(self, peer: NodeId) -> Source | None:
        """Return what is known of a peer, also of one that has left."""
        return self._connected.get(peer) or self._departed.get(peer)

    def banned(self, peers: Iterable[NodeId], now: int) -> frozenset[NodeId]:
        found = ((peer, self.find(peer)) for peer in peers)
        return frozenset(peer for peer, source in found if source and source.is_banned(now))

    def arrive(self, peer: NodeId) -> bool:
        """Note that it is connected. Tell whether it was not."""
        if peer in self._connected:
            return False
        source = self._departed.pop(peer, None) or Source()
        source.is_connected = True
        self._connected[peer] = source
        return True

    def leave(self, peer: NodeId) -> list[bytes]:
        """Note that it is gone, and return what it was still asked for."""
        source = self._connected.pop(peer, None)
        if source is None:
            return []
        source.is_connected = False
        self._departed[peer] = source
        if len(self._departed) > DEPARTED_MAX:
            del self._departed[next(iter(self._departed))]
        return source.release()

    def stalled(self, now: int) -> list[tuple[NodeId, Source]]:
        """Return those that have said nothing for too long, in the order of their coming."""
        is_alone = sum(source.is_usable(now) for source in self._connected.values()) < 2
        waiting = self._connected.items()
        return [pair for pair in waiting if pair[1].has_stalled(now, is_alone=is_alone)]

    def excuse_all(self, now: int) -> None:
        for source in self._connected.values():
            source.excuse(now)
