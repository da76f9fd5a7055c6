"""One length-prefixed message at a time over a stream.

Ours have four bytes of length before them; those of libp2p, here called delimited, a varint.
A message that has begun comes to its end in time, or the stream is given up.
"""

import trio

from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.limits import FRAME_BYTES_MAX, MESSAGE_RATE_BYTES_PER_S, MESSAGE_STALL_S_MAX
from commonfab.protocol.protobuf import varint

from .transport import Stream

_LENGTH_BYTES = 4
_VARINT_BYTES_MAX = 4
"""Seven bits each: no delimited message here is longer than 256 MiB, and far from it."""


async def write_frame(stream: Stream, data: bytes) -> None:
    """Send one message; `ResourceError` if the peer takes it too slowly."""
    assert len(data) <= FRAME_BYTES_MAX
    with _in_time(len(data)) as scope:
        await stream.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    if scope.cancelled_caught:
        raise ResourceError(f"the peer did not take {len(data)} bytes in time")


async def read_frame(stream: Stream, bytes_max: int = FRAME_BYTES_MAX) -> bytes | None:
    """Return the next message, or None at the end of the stream.

    Raises `Malformed` for a message longer than `bytes_max`, before any of it is kept,
    for a stream that ends in the middle of one, and for one that comes too slowly.
    """
    head = await read_exactly(stream, _LENGTH_BYTES)
    if head is None:
        return None
    return await _read_body(stream, int.from_bytes(head, "big"), bytes_max)


async def write_delimited(stream: Stream, data: bytes) -> None:
    await stream.write(varint(len(data)) + data)


async def read_delimited(stream: Stream, bytes_max: int) -> bytes | None:
    """Return the next message behind a varint; else as `read_frame`."""
    length = 0
    for index in range(_VARINT_BYTES_MAX):
        byte = await read_exactly(stream, 1)
        if byte is None:
            if index:
                raise Malformed("the stream ended in a message's length")
            return None
        length |= (byte[0] & 0x7F) << (7 * index)
        if byte[0] < 0x80:
            return await _read_body(stream, length, bytes_max)
    raise Malformed(f"a message's length takes more than {_VARINT_BYTES_MAX} bytes")


async def _read_body(stream: Stream, length: int, bytes_max: int) -> bytes:
    if length > bytes_max:
        raise Malformed(f"a frame of {length} bytes; at most {bytes_max} are taken here")
    with _in_time(length) as scope:
        body = await read_exactly(stream, length)
        if body is None and length:
            raise Malformed("the stream ended after a frame's length")
        return body or b""
    assert scope.cancelled_caught
    raise Malformed(f"a frame of {length} bytes that did not come in time")


def _in_time(length: int) -> trio.CancelScope:
    return trio.move_on_after(MESSAGE_STALL_S_MAX + length / MESSAGE_RATE_BYTES_PER_S)


async def read_exactly(stream: Stream, count: int) -> bytes | None:
    """Return `count` bytes, or None if the stream ended before the first of them."""
    parts: list[bytes] = []
    missing = count
    try:
        while missing:
            part = await stream.read(missing)
            if not part:
                if missing == count:
                    return None
                raise Malformed(f"the stream ended {missing} bytes early")
            parts.append(part)
            missing -= len(part)
            if missing:
                stream.hold(count - missing)
    finally:
        if missing or len(parts) > 1:
            stream.hold(0)
    return b"".join(parts)
