"""Frames over a stream, which may cut them anywhere."""

import pytest

from commonfab.node.network.frames import read_exactly, read_frame, write_frame
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import FRAME_BYTES_MAX


class Tape:
    """A stream whose other side has sent these pieces and finished; it keeps what is written."""

    def __init__(self, *pieces: bytes) -> None:
        self.written = b""
        self._pieces = list(pieces)

    @property
    def peer(self) -> NodeId:
        return NodeId(b"B" * 32)

    async def read(self, bytes_max: int) -> bytes:
        if not self._pieces:
            return b""
        piece, self._pieces[0] = self._pieces[0][:bytes_max], self._pieces[0][bytes_max:]
        if not self._pieces[0]:
            self._pieces.pop(0)
        return piece

    async def write(self, data: bytes) -> None:
        self.written += data

    async def close(self) -> None: ...

    async def reset(self) -> None: ...


async def test_frames_are_read_as_they_were_written() -> None:
    sender = Tape()
    for body in (b"one", b"", b"three" * 1000):
        await write_frame(sender, body)

    reader = Tape(sender.written)

    assert [await read_frame(reader) for _ in range(4)] == [b"one", b"", b"three" * 1000, None]


async def test_a_frame_may_come_byte_by_byte() -> None:
    reader = Tape(*(bytes([byte]) for byte in b"\0\0\0\3abc"))

    assert await read_frame(reader) == b"abc"


@pytest.mark.parametrize("cut", [b"\0", b"\0\0\0\3", b"\0\0\0\3ab"])
async def test_a_stream_that_ends_within_a_frame_is_told(cut: bytes) -> None:
    with pytest.raises(Malformed, match="the stream ended"):
        await read_frame(Tape(cut))


async def test_a_frame_too_long_is_refused_before_any_of_it_is_read() -> None:
    reader = Tape((FRAME_BYTES_MAX + 1).to_bytes(4, "big"), b"body")

    with pytest.raises(Malformed, match="at most"):
        await read_frame(reader)

    assert await reader.read(100) == b"body"


async def test_a_reader_may_allow_less() -> None:
    with pytest.raises(Malformed, match="a frame of 5 bytes; at most 4"):
        await read_frame(Tape(b"\0\0\0\5hello"), bytes_max=4)


async def test_a_frame_of_ours_too_long_is_a_bug_of_ours() -> None:
    with pytest.raises(AssertionError):
        await write_frame(Tape(), bytes(FRAME_BYTES_MAX + 1))


async def test_so_many_bytes_are_read_or_none() -> None:
    assert await read_exactly(Tape(b"ab", b"cd"), 3) == b"abc"
    assert await read_exactly(Tape(), 3) is None
