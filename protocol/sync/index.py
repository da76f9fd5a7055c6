"""What a node has, in order of time and id, with sums that say in microseconds what a range holds.

A key is the time at which a record says that it was signed, and its id: on every node the same.
To each id belongs a number of 1,024 bits, and to a range the sum of those of its keys. Such a
sum changes by one addition, and unlike a XOR it cannot be hit by choosing what goes in.

Keys stand in chunks of about eight, and chunks in blocks; each knows its sum until it changes.
A chunk begins at a key that says so itself, so two nodes with the same keys have the same
chunks, and ranges that are cut where chunks begin cost no hashing on either side.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from hashlib import shake_128
from itertools import accumulate

from ..ids import RecordId

SUM_BYTES = 128
MODULUS = 1 << 8 * SUM_BYTES
TIME_BYTES = 8
KEY_BYTES = TIME_BYTES + 32
END = b"\xff"
"""Above every key: no time has 64 bits."""

_CHUNK_MASK = 7
_CHUNK_MAX = 32
_BLOCK_MAX = 64

Total = tuple[int, int]
"""How many keys, and the sum of their numbers."""


def key_of(at: int, identifier: bytes) -> bytes:
    return at.to_bytes(TIME_BYTES, "big") + identifier


def id_of(key: bytes) -> RecordId:
    return RecordId(key[TIME_BYTES:])


def number(key: bytes) -> int:
    return int.from_bytes(shake_128(key[TIME_BYTES:]).digest(SUM_BYTES), "big")


class _Chunk:
    __slots__ = ("_sum", "keys")

    def __init__(self, keys: list[bytes]) -> None:
        self.keys = keys
        self._sum: int | None = None

    def total(self) -> int:
        if self._sum is None:
            self._sum = sum(map(number, self.keys))
        return self._sum

    def total_of_first(self, count: int) -> int:
        if 2 * count > len(self.keys):
            return self.total() - sum(map(number, self.keys[count:]))
        return sum(map(number, self.keys[:count]))


class _Block:
    __slots__ = ("chunks", "counts", "firsts", "sums")

    def __init__(self, chunks: list[_Chunk]) -> None:
        self.chunks = chunks
        self.change()

    def change(self) -> None:
        """Take note that the chunks are others than before."""
        self.firsts = [chunk.keys[0] for chunk in self.chunks]
        self.counts: list[int] = [0, *accumulate(len(chunk.keys) for chunk in self.chunks)]
        """Keys before each chunk, and in all."""
        self.sums: list[int] | None = None
        """Likewise; made when asked for."""

    def sums_before(self) -> list[int]:
        if self.sums is None:
            self.sums = [0, *accumulate(chunk.total() for chunk in self.chunks)]
        return self.sums


class Index:
    """A set of keys in order."""

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        chunks = [_Chunk(keys) for keys in _cut(sorted(set(keys)))]
        starts = range(0, len(chunks), _BLOCK_MAX // 2)
        self._blocks = [_Block(chunks[start : start + _BLOCK_MAX // 2]) for start in starts]
        self._firsts = [block.firsts[0] for block in self._blocks]
        self._counts: list[int] | None = None
        self._sums: list[int] | None = None

    def __len__(self) -> int:
        return self._counts_before()[-1]

    def __contains__(self, key: bytes) -> bool:
        if not self._blocks:
            return False
        chunk = self._find(key)[2]
        at = bisect_left(chunk.keys, key)
        return at < len(chunk.keys) and chunk.keys[at] == key

    def add(self, key: bytes) -> None:
        """Take in a key; nothing happens if it is here."""
        if key in self:
            return
        if not self._blocks:
            self._replace(0, 0, [_Block([_Chunk([key])])])
            return
        block_at, chunk_at, chunk = self._find(key)
        keys = chunk.keys.copy()
        keys.insert(bisect_left(keys, key), key)
        self._rechunk(block_at, chunk_at, _cut(keys))

    def remove(self, key: bytes) -> None:
        """Drop a key; nothing happens if it is not here."""
        if key not in self:
            return
        block_at, chunk_at, chunk = self._find(key)
        keys = chunk.keys.copy()
        del keys[bisect_left(keys, key)]
        self._rechunk(block_at, chunk_at, [keys] if keys else [])

    def before(self, bound: bytes) -> Total:
        """Return what is below a bound, which is any bytes; compared like the keys."""
        at = bisect_left(self._firsts, bound) - 1
        if at < 0:
            return 0, 0
        block = self._blocks[at]
        inner = bisect_left(block.firsts, bound) - 1
        chunk = block.chunks[inner]
        count = bisect_left(chunk.keys, bound)
        whole = inner + 1 if count == len(chunk.keys) else inner
        rest = 0 if whole > inner else chunk.total_of_first(count)
        total = self._sums_before()[at] + block.sums_before()[whole] + rest
        return self._counts_before()[at] + block.counts[inner] + count, total % MODULUS

    def between(self, low: bytes, high: bytes) -> Total:
        """Return what is not below `low` and below `high`."""
        first, last = self.before(low), self.before(high)
        return last[0] - first[0], (last[1] - first[1]) % MODULUS

    def keys(self, low: bytes, high: bytes) -> list[bytes]:
        """Return the keys that are not below `low` and below `high`."""
        found: list[bytes] = []
        at = max(bisect_right(self._firsts, low) - 1, 0)
        for block in self._blocks[at : bisect_left(self._firsts, high)]:
            first = max(bisect_right(block.firsts, low) - 1, 0)
            for chunk in block.chunks[first : bisect_left(block.firsts, high)]:
                keys = chunk.keys
                found += keys[bisect_left(keys, low) : bisect_left(keys, high)]
        return found

    def cut(self, low: bytes, high: bytes, parts: int) -> list[bytes]:
        """Return bounds inside a range that cut it into at most so many nearly equal parts.

        There is at least one where the range has two keys, and on both sides of each are keys.
        """
        first, last = self.before(low)[0], self.before(high)[0]
        bounds: list[bytes] = []
        if last - first < 2:
            return bounds
        for part in range(1, parts):
            rank = first + (last - first) * part // parts
            bound, rank = self._chunk_near(rank)
            if first < rank < last and (not bounds or bound > bounds[-1]):
                bounds.append(bound)
        if not bounds:
            keys = self.keys(low, high)
            middle = len(keys) // 2
            bounds = [_between(keys[middle - 1], keys[middle])]
        return bounds

    def _chunk_near(self, rank: int) -> tuple[bytes, int]:
        """Return where the chunk with this key begins, as a bound and a rank."""
        counts = self._counts_before()
        at = bisect_right(counts, rank) - 1
        block = self._blocks[at]
        inner = bisect_right(block.counts, rank - counts[at]) - 1
        start = counts[at] + block.counts[inner]
        if inner:
            previous = block.chunks[inner - 1].keys[-1]
        elif at:
            previous = self._blocks[at - 1].chunks[-1].keys[-1]
        else:
            return b"", 0
        return _between(previous, block.firsts[inner]), start

    def _find(self, key: bytes) -> tuple[int, int, _Chunk]:
        block_at = max(bisect_right(self._firsts, key) - 1, 0)
        block = self._blocks[block_at]
        chunk_at = max(bisect_right(block.firsts, key) - 1, 0)
        return block_at, chunk_at, block.chunks[chunk_at]

    def _rechunk(self, block_at: int, chunk_at: int, pieces: list[list[bytes]]) -> None:
        """Put other keys in the place of a chunk."""
        block = self._blocks[block_at]
        block.chunks[chunk_at : chunk_at + 1] = map(_Chunk, pieces)
        chunks = block.chunks
        if 0 < len(chunks) <= _BLOCK_MAX:
            block.change()
            self._firsts[block_at] = block.firsts[0]
            self._counts = self._sums = None
            return
        half = len(chunks) // 2
        parts = [_Block(part) for part in (chunks[:half], chunks[half:]) if part]
        self._replace(block_at, block_at + 1, parts)

    def _replace(self, first: int, last: int, blocks: list[_Block]) -> None:
        self._blocks[first:last] = blocks
        self._firsts[first:last] = [block.firsts[0] for block in blocks]
        self._counts = self._sums = None

    def _counts_before(self) -> list[int]:
        if self._counts is None:
            self._counts = [0, *accumulate(block.counts[-1] for block in self._blocks)]
        return self._counts

    def _sums_before(self) -> list[int]:
        if self._sums is None:
            self._sums = [0, *accumulate(block.sums_before()[-1] for block in self._blocks)]
        return self._sums


def _cut(keys: list[bytes]) -> list[list[bytes]]:
    """Return keys in chunks."""
    chunks: list[list[bytes]] = []
    for key in keys:
        if not chunks or not key[-1] & _CHUNK_MASK or len(chunks[-1]) == _CHUNK_MAX:
            chunks.append([])
        chunks[-1].append(key)
    return chunks


def _between(low: bytes, high: bytes) -> bytes:
    """Return the shortest bound that is above one key and not above the next."""
    same = 0
    while low[same] == high[same]:
        same += 1
    return high[: same + 1]
