"""Bitswap messages on streams: one after the other, and none that takes for ever."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.exchange.bitswap_wire import Framer, Message, decode, encode
from commonfab.protocol.exchange.events import Send
from commonfab.protocol.limits import KIB

from ..network.transport import Stream

STALL_S = 10.0
RATE_BYTES_PER_S = 16 * KIB
"""Who takes longer for a message than ten seconds, and one for each 16 KiB, is cut off."""
STREAM_IDLE_S = 600.0
"""A stream on which no message begins for so long is closed."""
OUTBOX_IDLE_S = 60.0
"""Our own stream is closed when there was nothing to write for so long."""
_READ_BYTES = 256 * KIB
_THREAD_BYTES = 64 * KIB
"""A longer message is read in a thread: hashing it takes up to 10 ms."""


@dataclass
class Outbox:
    """What waits to be written to one peer."""

    sends: deque[Send] = field(default_factory=deque[Send])
    filled: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def is_filled(self) -> bool:
        """Wait for a while, and tell whether there is something to write then."""
        self.filled = trio.Event()
        with trio.move_on_after(OUTBOX_IDLE_S):
            await self.filled.wait()
        return bool(self.sends)


async def write_message(stream: Stream, message: Message) -> None:
    """Write one message; `ResourceError` if the peer reads too slowly."""
    data = encode(message)
    with trio.move_on_after(_allowed_s(len(data))) as in_time:
        await stream.write(data)
    if in_time.cancelled_caught:
        raise ResourceError(f"the peer has not read {len(data)} bytes in time")


class MessageReader:
    """Reads one stream. `heard` is called for each part of a message that arrives."""

    def __init__(
        self, stream: Stream, hashing: trio.CapacityLimiter, heard: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._hashing = hashing
        self._heard = heard
        self._framer = Framer()
        self._frames: deque[bytes] = deque()
        self._began_at = 0.0

    @property
    def unfinished_bytes(self) -> int:
        return self._framer.unfinished_bytes

    async def next(self) -> Message | None:
        """Return the next message, or None when there will be none.

        Raises `Malformed` for what is not a message, `ResourceError` if it comes too slowly.
        """
        while not self._frames:
            data = await self._read()
            if not data:
                if self.unfinished_bytes:
                    raise Malformed("the stream ended in the middle of a message")
                return None
            self._take(data)
        frame = self._frames.popleft()
        if len(frame) < _THREAD_BYTES:
            return decode(frame)
        return await trio.to_thread.run_sync(decode, frame, limiter=self._hashing)

    async def _read(self) -> bytes:
        """Return more bytes, or nothing at the end or if no message begins for long."""
        if not self.unfinished_bytes:
            with trio.move_on_after(STREAM_IDLE_S):
                return await self._stream.read(_READ_BYTES)
            return b""
        with trio.move_on_at(self._began_at + _allowed_s(self.unfinished_bytes)):
            return await self._stream.read(_READ_BYTES)
        raise ResourceError(f"a message came to a stop after {self.unfinished_bytes} bytes")

    def _take(self, data: bytes) -> None:
        now = trio.current_time()
        frames = self._framer.feed(data)
        if frames or self.unfinished_bytes == len(data):
            self._began_at = now
        self._frames.extend(frames)
        self._stream.hold(self.unfinished_bytes)
        if self.unfinished_bytes:
            self._heard()


def _allowed_s(size: int) -> float:
    return STALL_S + size / RATE_BYTES_PER_S
