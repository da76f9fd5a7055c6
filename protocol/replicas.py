"""Copies of a tree of blocks on several nodes: who promised to keep one, and who does.

A promise is a public record. It is checked by asking its author for random bytes of the tree,
which nobody can answer who has not got them. `Promises` says who promised what, `Checks` whom
to ask when and what follows from the answers, `tally` what it comes to. Pure: time, chance and
who is connected come from outside. Rules: specs/keeping.md.
"""

import hashlib
import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct, structs

from .errors import Malformed
from .ids import NodeId
from .limits import BLOCK_BYTES_MAX, CID_BYTES_MAX, DAY_MS, HOUR_MS, MINUTE_MS
from .records import Record
from .statements import Replica

PROTOCOL = "/commonfab/replica/1"
RANGE_BYTES_MAX = 1024
"""Asked of a block that the asker has; of another, the whole is asked, to check its hash."""
ANSWER_BYTES_MAX = BLOCK_BYTES_MAX + 1
SAMPLES = 4
"""Random leaves asked in one check."""
CHALLENGES_MAX = 256
"""On one stream: four leaves of a tree 64 blocks deep."""
CHECK_MS = DAY_MS
"""Between two checks of a promise that is kept."""
RETRY_MS = 10 * MINUTE_MS
"""After the first failure; each further one doubles it, up to `CHECK_MS`."""
FAILURES_MAX = 3
"""Failed checks until the alarm; one may be a repair under way."""
OFF_GRID_MS = 3 * DAY_MS
"""A holder from whom nothing was heard for so long is off grid."""
CHECKS_A_ROUND = 4
ROUND_MS = MINUTE_MS

_STREAM_DIGITS = 32
_HEAD_BYTES = 8
_LACKS, _HAS = b"\x00", b"\x01"


def stream_of(root: bytes) -> str:
    """Return the stream of promises about a root: one that fits, whatever its hash."""
    return f"replica/{hashlib.sha256(root).hexdigest()[:_STREAM_DIGITS]}"


# Who promised what.


@dataclass(frozen=True, slots=True)
class Promise:
    holder: NodeId
    root: bytes
    at: int
    until: int
    size_bytes: int


class Promises:
    """The newest promise of each node for each root."""

    def __init__(self) -> None:
        self._newest: dict[bytes, dict[NodeId, Replica]] = {}
        self._roots: dict[NodeId, set[bytes]] = {}
        """Of each node, what it has promised: whoever asks need not look at everybody's."""
        self._ends: list[tuple[int, bytes, NodeId]] = []
        """When each that was taken in ends; a heap."""

    def take_in(self, record: Record) -> None:
        assert isinstance(record.body, Replica)
        holder, body = record.author, record.body
        of_root = self._newest.setdefault(body.root, {})
        known = of_root.get(holder)
        if known is None or known.seq < body.seq:
            of_root[holder] = body
            self._roots.setdefault(holder, set()).add(body.root)
            heapq.heappush(self._ends, (body.until, body.root, holder))

    def forget(self, holder: NodeId) -> None:
        """Forget the promises of a node that is believed no more."""
        for root in list(self._roots.get(holder, ())):
            self._drop(root, holder)

    def expire(self, now: int) -> None:
        """Forget what has ended."""
        while self._ends and self._ends[0][0] <= now:
            _, root, holder = heapq.heappop(self._ends)
            body = self._newest.get(root, {}).get(holder)
            if body is not None and body.until <= now:
                self._drop(root, holder)

    def _drop(self, root: bytes, holder: NodeId) -> None:
        del self._newest[root][holder]
        if not self._newest[root]:
            del self._newest[root]
        self._roots[holder].discard(root)
        if not self._roots[holder]:
            del self._roots[holder]

    def of(self, root: bytes, now: int) -> list[Promise]:
        """Return the promises that hold for a root."""
        return [
            Promise(holder, body.root, body.at, body.until, body.size_bytes)
            for holder, body in self._newest.get(root, {}).items()
            if not body.withdrawn and body.until > now
        ]

    def by(self, holder: NodeId, now: int) -> list[Promise]:
        """Return the promises of one node that hold."""
        return [
            promise
            for root in sorted(self._roots.get(holder, ()))
            for promise in self.of(root, now)
            if promise.holder == holder
        ]


def renewed_until(promise: Promise, now: int) -> int | None:
    """Return until when to promise anew, once half of the promise is over; None before."""
    term = promise.until - promise.at
    return now + term if promise.until - now <= term // 2 else None


# Asking for bytes.


@dataclass(frozen=True, slots=True)
class Challenge:
    """Bytes of one block; fewer, if it ends before."""

    cid: bytes
    start: int
    length: int

    def encode(self) -> bytes:
        return self.start.to_bytes(4, "big") + self.length.to_bytes(4, "big") + self.cid

    @classmethod
    def decode(cls, data: bytes) -> "Challenge":
        """Read a challenge, or raise `Malformed`."""
        start, length = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        cid = data[_HEAD_BYTES:]
        if not 1 <= len(cid) <= CID_BYTES_MAX:
            raise Malformed(f"a challenge with a CID of {len(cid)} bytes")
        if not 1 <= length <= BLOCK_BYTES_MAX or start > BLOCK_BYTES_MAX:
            raise Malformed(f"a challenge for {length} bytes from {start} on")
        return cls(cid, start, length)

    def of(self, block: bytes) -> bytes:
        """Return the bytes that are asked for."""
        return block[self.start : self.start + self.length]


def encode_answer(data: bytes | None) -> bytes:
    """Return the message that says these bytes; None: the block is not here."""
    return _LACKS if data is None else _HAS + data


def decode_answer(message: bytes) -> bytes | None:
    if message == _LACKS:
        return None
    if message[:1] != _HAS:
        raise Malformed("an answer that is neither bytes nor that there are none")
    return message[1:]


# Whom to ask, and what follows.

Outcome = Literal["passed", "wrong", "lacks", "silent"]
"""Wrong bytes are a lie: who holds a block checks it as he reads. To lack a block is a promise
broken, and said so. Silence is neither: the peer may be off, or far away."""


class Standing(Struct, frozen=True, kw_only=True):
    """What is known of one promise from checking it. Saved as it is."""

    holder: bytes
    root: bytes
    next_at: int = 0
    passed_at: int = 0
    failures: int = 0
    """Each failed check adds one, each passed check takes one away."""
    tries: int = 0
    """Checks in a row that did not pass."""
    is_failed: bool = False
    """The alarm is on: from `FAILURES_MAX` failures on, until there are none left."""


class Checks:
    """One for each node."""

    def __init__(self, stored: Iterable[Standing] = ()) -> None:
        self._standings = {(NodeId(each.holder), each.root): each for each in stored}

    def standings(self) -> list[Standing]:
        return list(self._standings.values())

    def standing(self, holder: NodeId, root: bytes) -> Standing:
        return self._standings.get((holder, root), Standing(holder=holder, root=root))

    def keep_only(self, promises: Iterable[Promise]) -> None:
        """Forget what is known of all other promises."""
        wanted = {(promise.holder, promise.root) for promise in promises}
        for key in self._standings.keys() - wanted:
            del self._standings[key]

    def due(
        self, promises: Iterable[Promise], reachable: Collection[NodeId], now: int
    ) -> list[Promise]:
        """Return the promises to check now: the longest due first, one for each holder."""
        waiting: dict[NodeId, Promise] = {}
        next_at = {promise: self._next_at(promise) for promise in promises}
        for promise in sorted(next_at, key=lambda p: (next_at[p], p.holder, p.root)):
            if promise.holder in reachable and next_at[promise] <= now:
                waiting.setdefault(promise.holder, promise)
        return list(waiting.values())[:CHECKS_A_ROUND]

    def note(self, promise: Promise, outcome: Outcome, now: int, chance: float) -> Standing:
        """Take in how a check went, and return what is known now. `chance`: 0 to 1, so that
        nodes that started together do not ask together."""
        before = self.standing(promise.holder, promise.root)
        has_passed = outcome == "passed"
        tries = 0 if has_passed else before.tries + 1
        change = {"passed": -1, "silent": 0}.get(outcome, 1)
        failures = min(FAILURES_MAX, max(0, before.failures + change))
        wait = CHECK_MS if has_passed else min(CHECK_MS, RETRY_MS << min(tries - 1, 10))
        # Trust comes back as it went: after an alarm the next checks come sooner.
        if has_passed and failures:
            wait = HOUR_MS
        after = structs.replace(
            before,
            next_at=now + wait // 2 + round(chance * (wait // 2)),
            passed_at=now if has_passed else before.passed_at,
            failures=failures,
            tries=tries,
            is_failed=failures >= FAILURES_MAX or (before.is_failed and failures > 0),
        )
        self._standings[promise.holder, promise.root] = after
        return after

    def _next_at(self, promise: Promise) -> int:
        return self.standing(promise.holder, promise.root).next_at


# What it comes to.

Condition = Literal["kept", "unchecked", "off grid", "failed"]


def condition(promise: Promise, standing: Standing, heard_at: int, now: int) -> Condition:
    """Say how a promise stands. `heard_at`: when its holder last said anything at all."""
    if standing.is_failed:
        return "failed"
    if now - max(heard_at, standing.passed_at, promise.at) > OFF_GRID_MS:
        return "off grid"
    return "kept" if standing.passed_at else "unchecked"


@dataclass(frozen=True, slots=True)
class Tally:
    """The copies of one tree. Those that failed count for nothing."""

    copies: int
    places: int
    """Different places, as far as the holders tell."""
    off_grid: int
    is_only_here: bool
    """This node has the only copy that is not off grid."""


def tally(
    conditions: Mapping[NodeId, Condition], places: Mapping[NodeId, object], me: NodeId | None
) -> Tally:
    """Count the copies of others, and this node's own, if `me` is given."""
    copies = [holder for holder, now in conditions.items() if now != "failed" and holder != me]
    on_grid = [holder for holder in copies if conditions[holder] != "off grid"]
    holders = [*copies, *([me] if me is not None else [])]
    return Tally(
        copies=len(holders),
        places=len({places[holder] for holder in holders if holder in places}),
        off_grid=len(copies) - len(on_grid),
        is_only_here=me is not None and not on_grid,
    )
