"""Yamux: many streams over one connection, as a state machine that touches no socket.

        Session.receive(bytes) -> events        what the peer sent
        Session.open/send/read/finish/reset     what this side does
        Session.take() -> bytes                 what is to be written next

        a stream:   open --finish--> half open --peer's FIN--> gone
                    any  --reset or RST----------------------> gone

Written from the specification (github.com/hashicorp/yamux, spec.md; libp2p specs, yamux/README.md).
It takes the place of the library's own, which bounds neither what a peer may make it keep nor
how long it waits (specs/decisions/0005-transport.md). A peer that breaks a rule makes `receive`
raise `Malformed`, and the connection ends; nothing else can.
"""

from collections import deque
from dataclasses import dataclass, field
from struct import Struct

from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.limits import KIB, MIB, STREAMS_PER_PEER_MAX

WINDOW_BYTES_FIRST = 256 * KIB
"""What each side may send on a new stream before the other has read any; the spec fixes it."""
WINDOW_BYTES_GROWN = MIB
"""The same, once the reader has taken half of a first one: 10 MB/s at 100 ms."""
PAYLOAD_BYTES_MAX = 65_000
"""Bytes in one data frame; with its header it fits one Noise message of 65,519 bytes."""
BATCH_BYTES_MAX = 65_519
"""How much `take` hands out at once."""
INBOUND_STREAMS_MAX = STREAMS_PER_PEER_MAX
"""Streams that the peer may have open at a time; the next is answered with a reset."""
OUTBOUND_STREAMS_MAX = 256
"""Streams of ours at a time: what other implementations let wait to be accepted."""

_HEADER = Struct("!BBHII")
_DATA, _WINDOW, _PING, _GO_AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8
_UINT32_MAX = 2**32 - 1

GO_AWAY_NORMAL = 0
GO_AWAY_PROTOCOL_ERROR = 1


@dataclass(slots=True, eq=False)
class SessionStream:
    """One stream's state. Only its `Session` changes it."""

    stream_id: int
    is_ours: bool
    buffer: bytearray = field(default_factory=bytearray)
    """Received, not yet read; never longer than the credit that was given."""
    credit: int = WINDOW_BYTES_FIRST
    """Bytes that the peer may still send."""
    window: int = WINDOW_BYTES_FIRST
    room: int = WINDOW_BYTES_FIRST
    """Bytes that this side may still send."""
    has_finished: bool = False
    peer_has_finished: bool = False
    is_reset: bool = False
    is_abandoned: bool = False
    """Nobody will read it again: what comes is dropped, and the peer's credit runs out."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a stream."""

    stream: SessionStream


@dataclass(frozen=True, slots=True)
class Changed:
    """Reading or writing on a stream may go on: data, room, an end or a reset has come."""

    stream: SessionStream


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer takes leave of the whole connection."""


SessionEvent = Opened | Changed | GoneAway


class Session:
    """Both directions of one connection's streams. No I/O, no clock; not for two tasks at once."""

    def __init__(self, *, is_initiator: bool) -> None:
        self._streams: dict[int, SessionStream] = {}
        self._next_id = 1 if is_initiator else 2
        self._outbox: deque[bytes] = deque()
        self._inbox = bytearray()
        self._payload_missing = 0
        self._payload_stream: SessionStream | None = None
        self._payload_flags = 0
        self.outbox_bytes = 0
        self.frames_received = 0
        self.may_grow = True
        """Whether the windows of streams that are read may become larger than at first."""

    @property
    def unread_bytes(self) -> int:
        """What has come and nobody has read yet."""
        return sum(len(stream.buffer) for stream in self._streams.values())

    def streams_count(self, *, ours: bool) -> int:
        return sum(stream.is_ours == ours for stream in self._streams.values())

    def streams(self) -> list[SessionStream]:
        return list(self._streams.values())

    # What this side does.

    def open(self) -> SessionStream:
        """Open a stream, or raise `ResourceError` while too many of ours are open."""
        if self.streams_count(ours=True) >= OUTBOUND_STREAMS_MAX:
            raise ResourceError(f"{OUTBOUND_STREAMS_MAX} streams to this peer are open already")
        stream = SessionStream(self._next_id, is_ours=True)
        self._next_id += 2
        self._streams[stream.stream_id] = stream
        self._put(_WINDOW, _SYN, stream.stream_id, 0)
        return stream

    def send(self, stream: SessionStream, data: bytes | memoryview) -> None:
        """Put one data frame in the outbox; `data` fits `room` and `PAYLOAD_BYTES_MAX`."""
        assert 0 < len(data) <= min(stream.room, PAYLOAD_BYTES_MAX)
        assert not stream.has_finished
        assert not stream.is_reset
        stream.room -= len(data)
        self._put(_DATA, 0, stream.stream_id, len(data), data)

    def read(self, stream: SessionStream, bytes_max: int) -> bytes:
        """Take up to `bytes_max` bytes of what has come, and let the peer send as many more."""
        data = bytes(stream.buffer[:bytes_max])
        del stream.buffer[:bytes_max]
        if data:
            self._give_credit(stream)
        return data

    def finish(self, stream: SessionStream) -> None:
        """Say that nothing more will be sent on it."""
        if stream.has_finished or stream.is_reset:
            return
        stream.has_finished = True
        self._put(_WINDOW, _FIN, stream.stream_id, 0)
        self._forget_if_over(stream)

    def abandon(self, stream: SessionStream) -> None:
        """Finish it, and drop whatever the peer still sends."""
        stream.is_abandoned = True
        stream.buffer.clear()
        self.finish(stream)

    def reset(self, stream: SessionStream) -> None:
        """Drop it both ways."""
        if stream.is_reset:
            return
        is_over = stream.has_finished and stream.peer_has_finished
        stream.is_reset = True
        stream.buffer.clear()
        if not is_over:
            self._put(_WINDOW, _RST, stream.stream_id, 0)
        self._forget_if_over(stream)

    def go_away(self, code: int) -> None:
        """Take leave of the connection, after all that is in the outbox."""
        self._put(_GO_AWAY, 0, 0, code)

    def take(self) -> bytes:
        """Return what is to be written next: whole frames, `BATCH_BYTES_MAX` at most, or b""."""
        batch: list[bytes] = []
        size = 0
        while self._outbox and size + len(self._outbox[0]) <= BATCH_BYTES_MAX:
            frame = self._outbox.popleft()
            batch.append(frame)
            size += len(frame)
        self.outbox_bytes -= size
        return batch[0] if len(batch) == 1 else b"".join(batch)

    # What the peer sent.

    def receive(self, data: bytes) -> list[SessionEvent]:
        """Take in bytes, cut anywhere; raise `Malformed` where the peer breaks a rule."""
        events: list[SessionEvent] = []
        view = memoryview(data)
        while view:
            if self._payload_missing:
                view = self._receive_payload(view, events)
            else:
                missing = _HEADER.size - len(self._inbox)
                self._inbox += view[:missing]
                view = view[missing:]
                if len(self._inbox) == _HEADER.size:
                    header = bytes(self._inbox)
                    self._inbox.clear()
                    self._receive_header(header, events)
        return events

    def _receive_payload(self, view: memoryview, events: list[SessionEvent]) -> memoryview:
        part = view[: self._payload_missing]
        self._payload_missing -= len(part)
        stream = self._payload_stream
        if stream is not None and not stream.is_reset:
            if not stream.is_abandoned:
                stream.buffer += part
            if not self._payload_missing:
                self._apply_ends(stream, self._payload_flags)
            events.append(Changed(stream))
        return view[len(part) :]

    def _receive_header(self, header: bytes, events: list[SessionEvent]) -> None:
        self.frames_received += 1
        version, kind, flags, stream_id, value = _HEADER.unpack(header)
        if version != 0 or kind > _GO_AWAY or flags > _SYN | _ACK | _FIN | _RST:
            raise Malformed(f"not a Yamux frame: {header.hex()}")
        if kind in (_DATA, _WINDOW):
            self._receive_for_stream(kind, flags, stream_id, value, events)
        elif kind == _PING:
            if flags & _SYN:
                self._put(_PING, _ACK, 0, value)
        else:
            events.append(GoneAway())

    def _receive_for_stream(
        self, kind: int, flags: int, stream_id: int, value: int, events: list[SessionEvent]
    ) -> None:
        if flags & _SYN:
            self._accept(stream_id, events)
        stream = self._streams.get(stream_id)
        if kind == _DATA:
            self._expect_payload(stream, flags, value, events)
        elif stream is not None:
            stream.room += value
            if stream.room > _UINT32_MAX:
                raise Malformed(f"stream {stream_id}: a window of more than 32 bits")
            self._apply_ends(stream, flags)
            events.append(Changed(stream))

    def _accept(self, stream_id: int, events: list[SessionEvent]) -> None:
        if stream_id == 0 or stream_id % 2 == self._next_id % 2:
            raise Malformed(f"stream {stream_id} is not the peer's to open")
        if stream_id in self._streams:
            raise Malformed(f"stream {stream_id} is open already")
        if self.streams_count(ours=False) >= INBOUND_STREAMS_MAX:
            self._put(_WINDOW, _RST, stream_id, 0)
            return
        stream = SessionStream(stream_id, is_ours=False)
        self._streams[stream_id] = stream
        self._put(_WINDOW, _ACK, stream_id, 0)
        events.append(Opened(stream))

    def _expect_payload(
        self, stream: SessionStream | None, flags: int, size: int, events: list[SessionEvent]
    ) -> None:
        if stream is not None:
            if size > stream.credit:
                raise Malformed(f"stream {stream.stream_id}: {size} bytes, past the window")
            if size and stream.peer_has_finished:
                raise Malformed(f"stream {stream.stream_id}: data after its end")
            stream.credit -= size
            if not size:
                self._apply_ends(stream, flags)
                events.append(Changed(stream))
        # Data for a stream that is gone was under way when it went: it is read and dropped.
        self._payload_missing = size
        self._payload_stream = stream
        self._payload_flags = flags

    def _apply_ends(self, stream: SessionStream, flags: int) -> None:
        if flags & _FIN:
            stream.peer_has_finished = True
        if flags & _RST:
            stream.is_reset = True
            stream.buffer.clear()
        self._forget_if_over(stream)

    def _forget_if_over(self, stream: SessionStream) -> None:
        # What has come stays readable: the buffer belongs to the stream, not to the table.
        if stream.is_reset or (stream.has_finished and stream.peer_has_finished):
            self._streams.pop(stream.stream_id, None)

    def _give_credit(self, stream: SessionStream) -> None:
        """Let the peer send more, in large steps: an update a read costs more than the read."""
        if stream.peer_has_finished or stream.is_reset:
            return
        unused = stream.credit + len(stream.buffer)
        if stream.window - unused >= stream.window // 2:
            if self.may_grow:
                stream.window = WINDOW_BYTES_GROWN
            more = stream.window - unused
            stream.credit += more
            self._put(_WINDOW, 0, stream.stream_id, more)

    def _put(
        self, kind: int, flags: int, stream_id: int, value: int, payload: bytes | memoryview = b""
    ) -> None:
        frame = b"".join((_HEADER.pack(0, kind, flags, stream_id, value), payload))
        self._outbox.append(frame)
        self.outbox_bytes += len(frame)
