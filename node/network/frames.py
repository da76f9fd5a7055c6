"""One length-prefixed message at a time over a stream: four bytes of length, then the bytes."""

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import FRAME_BYTES_MAX

from .transport import Stream

_LENGTH_BYTES = 4


async def write_frame(stream: Stream, data: bytes) -> None:
    assert len(data) <= FRAME_BYTES_MAX
    await stream.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)


async def read_frame(stream: Stream, bytes_max: int = FRAME_BYTES_MAX) -> bytes | None:
    """Return the next message, or None at the end of the stream.

    Raises `Malformed` for a message longer than `bytes_max`, before any of it is kept,
    and for a stream that ends in the middle of one.
    """
    head = await read_exactly(stream, _LENGTH_BYTES)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > bytes_max:
        raise Malformed(f"a frame of {length} bytes; at most {bytes_max} are taken here")
    body = await read_exactly(stream, length)
    if body is None and length:
        raise Malformed("the stream ended after a frame's length")
    return body or b""


async def read_exactly(stream: Stream, count: int) -> bytes | None:
    """Return `count` bytes, or None if the stream ended before the first of them."""
    parts: list[bytes] = []
    missing = count
    while missing:
        part = await stream.read(missing)
        if not part:
            if missing == count:
                return None
            raise Malformed(f"the stream ended {missing} bytes early")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
