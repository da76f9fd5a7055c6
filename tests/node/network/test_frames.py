"""Frames over a stream, which may cut them anywhere."""

import pytest
import trio
import trio.testing

from commonfab.node.network.frames import (
    read_delimited,
    read_exactly,
    read_frame,
    write_delimited,
    write_frame,
)
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    FRAME_BYTES_MAX,
    MESSAGE_RATE_BYTES_PER_S,
    MESSAGE_STALL_S_MAX,
    MIB,
)


class Tape:
    """A stream whose other side has sent these pieces and finished; it keeps what is written."""

    def __init__(self, *pieces: bytes) -> None:
        self.written = b""
        self.held: list[int] = []
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

    def hold(self, size: int) -> None:
        self.held.append(size)


async def test_frames_are_read_as_they_were_written() -> None:
    sender = Tape()
    for body in (b"one", b"", b"three" * 1000):
        await write_frame(sender, body)

    reader = Tape(sender.written)

    assert [await read_frame(reader) for _ in range(4)] == [b"one", b"", b"three" * 1000, None]


async def test_a_frame_may_come_byte_by_byte() -> None:
    reader = Tape(*(bytes([byte]) for byte in b"\0\0\0\3abc"))

    assert await read_frame(reader) == b"abc"


async def test_what_is_kept_of_an_unfinished_frame_is_counted_and_then_no_more() -> None:
    reader = Tape(b"\0\0\0\6", b"ab", b"cd", b"ef")

    assert await read_frame(reader) == b"abcdef"

    assert reader.held == [2, 4, 0]


class Snail(Tape):
    """A stream whose other side sends one piece and then nothing, for ever."""

    async def read(self, bytes_max: int) -> bytes:
        return await super().read(bytes_max) or await trio.sleep_forever()


async def test_a_frame_that_has_begun_comes_in_time_or_not_at_all(
    autojump_clock: trio.testing.MockClock,
) -> None:
    began_at = trio.current_time()
    with pytest.raises(Malformed, match="did not come in time"):
        await read_frame(Snail((MIB).to_bytes(4, "big") + b"a beginning"))

    allowed_s = MESSAGE_STALL_S_MAX + MIB / MESSAGE_RATE_BYTES_PER_S
    assert trio.current_time() - began_at == pytest.approx(allowed_s)


async def test_messages_behind_a_varint_are_read_as_they_were_written() -> None:
    sender = Tape()
    for body in (b"one", b"", b"x" * 200):
        await write_delimited(sender, body)

    reader = Tape(sender.written)

    assert [await read_delimited(reader, 200) for _ in range(4)] == [b"one", b"", b"x" * 200, None]


@pytest.mark.parametrize(
    "data", [b"\x80", b"\xff\xff\xff\xff\x01", b"\x05", b"\x03ab", b"\x04abcd"]
)
async def test_a_message_behind_a_varint_that_is_cut_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        await read_delimited(Tape(data), 3)


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
