"""Bitswap messages on streams that take for ever."""

import pytest
import trio
import trio.testing

from commonfab.node.exchange.streams import STALL_S, MessageReader, write_message
from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.exchange.bitswap_wire import HashedBlock, Message, Want, encode
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from tests.node.exchange.bitswap_town import RAW_PREFIX


class Trickle:
    """A stream from which one byte comes now and then, and into which nothing goes."""

    def __init__(self, data: bytes, every_s: float) -> None:
        self.peer = NodeId(bytes(32))
        self._data = data
        self._every_s = every_s

    async def read(self, bytes_max: int) -> bytes:
        await trio.sleep(self._every_s)
        byte, self._data = self._data[:1], self._data[1:]
        return byte

    async def write(self, data: bytes) -> None:
        await trio.sleep_forever()

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()

    def hold(self, size: int) -> None: ...

    async def reset(self) -> None:
        await trio.lowlevel.checkpoint()


DATA = encode(Message(wants=(Want(bytes(100)),)))


async def test_a_message_that_comes_too_slowly_is_cut_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard: list[float] = []
    stream = Trickle(DATA, every_s=0.5)
    reader = MessageReader(stream, trio.CapacityLimiter(1), lambda: heard.append(0))

    with pytest.raises(ResourceError, match="came to a stop"):
        await reader.next()

    assert trio.current_time() == pytest.approx(STALL_S, abs=1)
    assert len(heard) >= STALL_S


async def test_a_message_that_comes_slowly_but_in_time_is_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reader = MessageReader(Trickle(DATA, every_s=0.05), trio.CapacityLimiter(1), lambda: None)

    assert await reader.next() == Message(wants=(Want(bytes(100)),))
    assert await reader.next() is None


async def test_a_stream_on_which_nothing_begins_is_closed_at_last(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reader = MessageReader(Trickle(b"", every_s=1e6), trio.CapacityLimiter(1), lambda: None)

    assert await reader.next() is None


async def test_a_stream_that_ends_in_a_message_is_malformed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reader = MessageReader(Trickle(DATA[:-1], every_s=0), trio.CapacityLimiter(1), lambda: None)

    with pytest.raises(Malformed, match="in the middle"):
        await reader.next()


async def test_a_peer_that_does_not_read_is_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    block = HashedBlock(RAW_PREFIX, bytes(BLOCK_BYTES_MAX))

    with pytest.raises(ResourceError, match="in time"):
        await write_message(Trickle(b"", every_s=0), Message(blocks=(block,)))
