"""A second reader of the canonical form: byte by byte, from specs/encoding.md alone.

It shares nothing with `protocol/encoding.py` but the bounds, and is slow and plain on
purpose. The two must agree on every input; where they do not, one of them is wrong.
"""

import unicodedata
from typing import Any

from commonfab.protocol.limits import (
    BODY_BYTES_MAX,
    DEPTH_MAX,
    ITEMS_MAX,
    MAP_KEYS_MAX,
    TEXT_BYTES_MAX,
)

# First byte of a long header: the bytes of its length, and the least one that needs them.
_LENGTHS = {
    0xC4: (1, 0),
    0xC5: (2, 1 << 8),
    0xC6: (4, 1 << 16),
    0xD9: (1, 1 << 5),
    0xDA: (2, 1 << 8),
    0xDB: (4, 1 << 16),
    0xDC: (2, 1 << 4),
    0xDD: (4, 1 << 16),
    0xDE: (2, 1 << 4),
    0xDF: (4, 1 << 16),
}
_LINE_BREAKERS = {0x2028, 0x2029}
_TURNERS = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


class Refused(Exception):
    """The bytes are not in the canonical form; says which rule they break."""


def scan(data: bytes) -> Any:
    """Return the value that `data` is the canonical form of, or raise `Refused`."""
    if len(data) > BODY_BYTES_MAX:
        raise Refused("ENCODING-7")
    scanner = _Scanner(data)
    if not data or not (0x80 <= data[0] <= 0x8F or data[0] in (0xDE, 0xDF)):
        raise Refused("ENCODING-1")
    value = scanner.value(1)
    if scanner.at != len(data):
        raise Refused("ENCODING-1")
    return value


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.values = 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise Refused("ENCODING-1")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width: int, least: int, rule: str) -> int:
        number = int.from_bytes(self.take(width), "big")
        if number < least:
            raise Refused(rule)
        return number

    def length(self, first: int) -> int:
        width, least = _LENGTHS[first]
        return self.number(width, least, "ENCODING-5")

    def value(self, depth: int) -> Any:
        self.values += 1
        if self.values > ITEMS_MAX:
            raise Refused("ENCODING-7")
        first = self.take(1)[0]
        if first <= 0x7F:
            return first
        if first <= 0x8F:
            return self.map(first & 15, depth)
        if first <= 0x9F:
            return self.array(first & 15, depth)
        if first <= 0xBF:
            return self.text(first & 31)
        if first >= 0xE0:
            return first - 256
        return self.long(first, depth)

    def long(self, first: int, depth: int) -> Any:
        match first:
            case 0xC2 | 0xC3:
                return first == 0xC3
            case 0xC4 | 0xC5 | 0xC6:
                return self.take(self.length(first))
            case 0xCC | 0xCD | 0xCE | 0xCF:
                width = 1 << (first - 0xCC)
                least = 1 << 7 if width == 1 else 1 << (4 * width)
                return self.number(width, least, "ENCODING-4")
            case 0xD0 | 0xD1 | 0xD2 | 0xD3:
                return self.negative(1 << (first - 0xD0))
            case 0xD9 | 0xDA | 0xDB:
                return self.text(self.length(first))
            case 0xDC | 0xDD:
                return self.array(self.length(first), depth)
            case 0xDE | 0xDF:
                return self.map(self.length(first), depth)
            case _:  # nil, floats, extensions and c1
                raise Refused("ENCODING-2")

    def negative(self, width: int) -> int:
        number = int.from_bytes(self.take(width), "big", signed=True)
        half = -32 if width == 1 else -(1 << (4 * width - 1))
        if number >= half:
            raise Refused("ENCODING-4")
        return number

    def text(self, length: int) -> str:
        if length > TEXT_BYTES_MAX:
            raise Refused("ENCODING-7")
        try:
            text = self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("ENCODING-6") from None
        for character in map(ord, text):
            if character < 0x20 or 0x7F <= character <= 0x9F:
                raise Refused("ENCODING-6")
            if character in _TURNERS or character in _LINE_BREAKERS:
                raise Refused("ENCODING-6")
        if unicodedata.normalize("NFC", text) != text:
            raise Refused("ENCODING-6")
        return text

    def array(self, length: int, depth: int) -> list[Any]:
        if depth > DEPTH_MAX:
            raise Refused("ENCODING-7")
        return [self.value(depth + 1) for _ in range(length)]

    def map(self, length: int, depth: int) -> dict[str, Any]:
        if depth > DEPTH_MAX or length > MAP_KEYS_MAX:
            raise Refused("ENCODING-7")
        found: dict[str, Any] = {}
        last = b""
        for _ in range(length):
            key = self.key()
            if key <= last:
                raise Refused("ENCODING-3")
            last = key
            found[key.decode()] = self.value(depth + 1)
        return found

    def key(self) -> bytes:
        first = self.take(1)[0]
        if 0xA0 <= first <= 0xBF:
            key = self.take(first & 31)
        elif first in (0xD9, 0xDA, 0xDB):
            key = self.take(self.length(first))
        else:
            raise Refused("ENCODING-3")
        if any(not 0x20 <= byte <= 0x7E for byte in key):
            raise Refused("ENCODING-3")
        return key
