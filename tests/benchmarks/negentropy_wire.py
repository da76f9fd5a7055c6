"""The wire of Negentropy v1, as far as measuring it needs: ids of 32 bytes, sixteen buckets,
sums modulo 2^256. Both sides run here; nothing in it is defended against anybody."""

from bisect import bisect_left
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate

BUCKETS = 16
LISTED_MAX = 2 * BUCKETS
MODULUS = 1 << 256
SKIP, FINGERPRINT, IDS = range(3)
NEVER = (1 << 64) - 1

Item = tuple[int, bytes]
"""A time in milliseconds and an id."""


@dataclass
class Side:
    """One side: its items in order, and the sums of what stands before each."""

    items: list[Item]
    leads: bool
    have: set[bytes] = field(default_factory=set[bytes])
    need: set[bytes] = field(default_factory=set[bytes])

    def __post_init__(self) -> None:
        self.items.sort()
        numbers = (int.from_bytes(identifier, "little") for _, identifier in self.items)
        self.sums = [0, *accumulate(numbers)]

    def begin(self) -> bytes:
        return b"\x61" + self._split(0, len(self.items), (NEVER, b""), Times())

    def hear(self, message: bytes) -> bytes | None:
        """Return what to say next; None for a leader that knows all."""
        reader, writer = Reader(message), Times()
        said = bytearray(b"\x61")
        skipped: Item | None = None
        low = 0
        while reader.left():
            bound = reader.bound()
            high = bisect_left(self.items, bound, low)
            answer = self._answer(reader, low, high, bound, writer, skipped)
            if answer is None:
                skipped = bound
            else:
                said += answer
                skipped = None
            low = high
        return None if self.leads and len(said) == 1 else bytes(said)

    def _answer(
        self, reader: "Reader", low: int, high: int, bound: Item, to: "Times", skipped: Item | None
    ) -> bytes | None:
        mode = reader.number()
        if mode == SKIP:
            return None
        if mode == FINGERPRINT:
            if reader.take(16) == self._fingerprint(low, high):
                return None
            return _skip(skipped, to) + self._split(low, high, bound, to)
        theirs = {reader.take(32) for _ in range(reader.number())}
        mine = {identifier for _, identifier in self.items[low:high]}
        if self.leads:
            self.have |= mine - theirs
            self.need |= theirs - mine
            return None
        return _skip(skipped, to) + to.bound(bound) + self._list(low, high)

    def _split(self, low: int, high: int, bound: Item, to: "Times") -> bytes:
        if high - low < LISTED_MAX:
            return to.bound(bound) + self._list(low, high)
        ends = [low + (high - low) * part // BUCKETS for part in range(1, BUCKETS + 1)]
        said = bytearray()
        for end in ends:
            upper = bound if end == high else _between(self.items[end - 1], self.items[end])
            said += to.bound(upper) + _number(FINGERPRINT) + self._fingerprint(low, end)
            low = end
        return bytes(said)

    def _list(self, low: int, high: int) -> bytes:
        ids = b"".join(identifier for _, identifier in self.items[low:high])
        return _number(IDS) + _number(high - low) + ids

    def _fingerprint(self, low: int, high: int) -> bytes:
        total = (self.sums[high] - self.sums[low]) % MODULUS
        return sha256(total.to_bytes(32, "little") + _number(high - low)).digest()[:16]


class Times:
    """Writes bounds, each time as what it is more than the one before."""

    def __init__(self) -> None:
        self._last = 0

    def bound(self, bound: Item) -> bytes:
        at, prefix = bound
        step = 0 if at == NEVER else at - self._last + 1
        self._last = self._last if at == NEVER else at
        return _number(step) + _number(len(prefix)) + prefix


class Reader:
    """Reads what `Times` and `Side` wrote."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 1
        self._last = 0

    def left(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        value = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value = value << 7 | byte & 127
            if byte < 128:
                return value

    def bound(self) -> Item:
        step = self.number()
        at = NEVER if step == 0 else self._last + step - 1
        self._last = self._last if at == NEVER else at
        return at, self.take(self.number())


def _skip(bound: Item | None, to: Times) -> bytes:
    return b"" if bound is None else to.bound(bound) + _number(SKIP)


def _between(low: Item, high: Item) -> Item:
    if low[0] != high[0]:
        return high[0], b""
    same = 0
    while low[1][same] == high[1][same]:
        same += 1
    return high[0], high[1][: same + 1]


def _number(value: int) -> bytes:
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))
