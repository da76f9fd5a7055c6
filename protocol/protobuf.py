"""Protocol Buffers as bytes and numbers: what the small messages of other networks are made of.

The reader is strict: a number has one form, and what is cut short is `Malformed`. Which fields
a message has, and which of them may stand twice, is said where the message is.
"""

from collections.abc import Iterator
from enum import IntEnum

from .errors import Malformed

_VARINT_BYTES_MAX = 10
"""A number of 64 bits, seven at a time."""


class _Wire(IntEnum):
    """How protobuf says what follows a field's number."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


Value = int | memoryview | None
"""What a field holds; None for the fixed-size numbers, which nothing here uses."""


def field(number: int, body: bytes) -> bytes:
    """Return a field of bytes, with its length."""
    return bytes([number << 3 | _Wire.BYTES]) + varint(len(body)) + body


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the fields of one message as they stand. Raises `Malformed`."""
    position = 0
    while position < len(data):
        tag, position = read_varint(data, position)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise Malformed(f"protobuf has no field {number}")
        match wire:
            case _Wire.VARINT:
                value, position = read_varint(data, position)
                yield number, value
                continue
            case _Wire.BYTES:
                size, position = read_varint(data, position)
            case _Wire.FIXED64:
                size = 8
            case _Wire.FIXED32:
                size = 4
            case _:
                raise Malformed(f"protobuf has no wire type {wire} any more")
        if size > len(data) - position:
            raise Malformed(f"field {number} ends after its message")
        yield number, data[position : position + size] if wire == _Wire.BYTES else None
        position += size


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return the number at `position`, and where it ends."""
    value = shift = 0
    for byte in data[position : position + _VARINT_BYTES_MAX]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and shift) or value >> 64:
                raise Malformed("a number that is not in its shortest form")
            return value, position
        shift += 7
    raise Malformed("a number without an end")


def once(seen: object, value: Value) -> Value:
    """Return the value of a field that may stand once, if it had none before."""
    if seen is not None:
        raise Malformed("a field twice where it may stand once")
    return value


def body_of(value: Value) -> memoryview:
    """Return the value of a field that holds bytes."""
    if not isinstance(value, memoryview):
        raise Malformed("a number where a text of bytes belongs")
    return value


def number_of(value: Value) -> int:
    """Return the value of a field that holds a number."""
    if not isinstance(value, int):
        raise Malformed("bytes where a number belongs")
    return value
