"""What a node has, told in about 25 bits an item: salted hashes, sorted, as distances.

    value   the first 64 bits of BLAKE2b(item, key = salt), scaled to 0 … count * 2^20 - 1
    bytes   the distance from each value to the next as an unsigned LEB128 number

So it is with one in a million that an item which is not there seems to be; under another salt
it does not. Rules: specs/bundle.md.
"""

from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b

from ..errors import Malformed

SALT_BYTES = 16
FALSE_ONE_IN = 1 << 20
"""Of the items that are not there, one in so many seems to be."""
KNOWN_ITEMS_MAX = 1 << 22
"""Items of one set: 14 MB."""

_DISTANCE_BYTES_MAX = 7


def encode(items: Iterable[bytes], salt: bytes) -> tuple[int, bytes]:
    """Return how many different items there are, and the bytes that say which."""
    assert len(salt) == SALT_BYTES
    different = set(items)
    assert len(different) <= KNOWN_ITEMS_MAX
    out = bytearray()
    before = -1
    for value in sorted({_value(item, salt, len(different)) for item in different}):
        _write(out, value - before)
        before = value
    return len(different), bytes(out)


class Known:
    """A set that somebody told of. `in` answers for an item, be it a record's id or a root."""

    def __init__(self, salt: bytes, count: int, data: bytes) -> None:
        """Raises `Malformed` if the bytes say no set of so many items."""
        if len(salt) != SALT_BYTES or not 0 <= count <= KNOWN_ITEMS_MAX:
            raise Malformed(f"a set of {count} items under a salt of {len(salt)} bytes")
        self._salt = salt
        self._count = count
        self._values = _read(data, count)

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, bytes) or not self._values:
            return False
        value = _value(item, self._salt, self._count)
        at = bisect_left(self._values, value)
        return at < len(self._values) and self._values[at] == value


def _value(item: bytes, salt: bytes, count: int) -> int:
    digest = blake2b(item, digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") * count * FALSE_ONE_IN >> 64


def _write(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _read(data: bytes, count: int) -> list[int]:
    values: list[int] = []
    value, number, shift = -1, 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte & 0x80:
            if shift == 7 * _DISTANCE_BYTES_MAX:
                raise Malformed("a distance that no set has")
            continue
        value += number
        if number == 0 or value >= count * FALSE_ONE_IN or len(values) == count:
            raise Malformed(f"more than a set of {count} items holds")
        values.append(value)
        number = shift = 0
    if shift:
        raise Malformed("a set that ends early")
    return values


NOTHING = Known(bytes(SALT_BYTES), 0, b"")
"""Of somebody who never said anything."""
