"""The Yamux session alone: bytes in, events and bytes out."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.network.yamux import (
    BATCH_BYTES_MAX,
    GO_AWAY_NORMAL,
    INBOUND_STREAMS_MAX,
    OUTBOUND_STREAMS_MAX,
    PAYLOAD_BYTES_MAX,
    WINDOW_BYTES_FIRST,
    WINDOW_BYTES_GROWN,
    Changed,
    GoneAway,
    Opened,
    Session,
    SessionStream,
)
from commonfab.protocol.errors import Malformed, ResourceError

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


def frame(kind: int, flags: int, stream_id: int, value: int, payload: bytes = b"") -> bytes:
    return struct.pack("!BBHII", 0, kind, flags, stream_id, value) + payload


def data_frame(stream_id: int, payload: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, stream_id, len(payload), payload)


class Pair:
    """Alice, who dialled, and Bob; `deliver` carries what each has to say to the other."""

    def __init__(self) -> None:
        self.alice = Session(is_initiator=True)
        self.bob = Session(is_initiator=False)

    def deliver(self) -> list[SessionStream]:
        """Return the streams that were opened on the way."""
        opened: list[SessionStream] = []
        for sender, receiver in ((self.alice, self.bob), (self.bob, self.alice)):
            while batch := sender.take():
                events = receiver.receive(batch)
                opened += [event.stream for event in events if isinstance(event, Opened)]
        return opened

    def open(self) -> tuple[SessionStream, SessionStream]:
        """Return both ends of a stream that Alice opened."""
        ours = self.alice.open()
        (theirs,) = self.deliver()
        return ours, theirs


def test_bytes_and_ends_arrive_in_order() -> None:
    pair = Pair()
    ours, theirs = pair.open()

    pair.alice.send(ours, b"one ")
    pair.alice.send(ours, b"two")
    pair.alice.finish(ours)
    pair.deliver()

    assert theirs.peer_has_finished
    assert pair.bob.read(theirs, 100) == b"one two"


def test_each_side_opens_streams_of_its_own_parity() -> None:
    pair = Pair()

    numbers = [pair.alice.open().stream_id, pair.alice.open().stream_id]

    assert numbers == [1, 3]
    assert pair.bob.open().stream_id == 2


def test_a_stream_is_forgotten_when_both_sides_have_finished() -> None:
    pair = Pair()
    ours, theirs = pair.open()
    pair.alice.send(ours, b"last words")

    pair.alice.finish(ours)
    pair.deliver()
    pair.bob.finish(theirs)
    pair.deliver()

    assert pair.alice.streams() == pair.bob.streams() == []
    assert pair.bob.read(theirs, 100) == b"last words"


def test_a_reset_drops_the_stream_and_what_was_unread_at_both_ends() -> None:
    pair = Pair()
    ours, theirs = pair.open()
    pair.alice.send(ours, b"never mind")
    pair.deliver()

    pair.alice.reset(ours)
    pair.deliver()

    assert ours.is_reset
    assert theirs.is_reset
    assert pair.bob.read(theirs, 100) == b""
    assert pair.alice.streams() == pair.bob.streams() == []


def test_nothing_can_be_sent_past_the_window_until_it_is_read() -> None:
    pair = Pair()
    ours, theirs = pair.open()
    while ours.room:
        pair.alice.send(ours, bytes(min(ours.room, PAYLOAD_BYTES_MAX)))
        pair.deliver()

    assert len(theirs.buffer) == WINDOW_BYTES_FIRST
    pair.bob.read(theirs, WINDOW_BYTES_FIRST)
    pair.deliver()

    assert ours.room == WINDOW_BYTES_GROWN


def test_small_reads_cost_one_update_a_half_window() -> None:
    pair = Pair()
    ours, theirs = pair.open()
    for _ in range(4):
        pair.alice.send(ours, bytes(PAYLOAD_BYTES_MAX))
    pair.deliver()

    updates = 0
    while pair.bob.read(theirs, 100):
        updates += bool(pair.bob.take())

    assert updates == 1


def test_a_stream_that_nobody_reads_any_more_takes_in_a_window_and_keeps_none_of_it() -> None:
    pair = Pair()
    ours, theirs = pair.open()

    pair.bob.abandon(theirs)
    pair.deliver()
    while ours.room:
        pair.alice.send(ours, bytes(min(ours.room, PAYLOAD_BYTES_MAX)))
        pair.deliver()

    assert ours.peer_has_finished
    assert theirs.buffer == b""
    assert ours.room == 0


def test_a_ping_is_answered_with_its_number() -> None:
    bob = Session(is_initiator=False)

    bob.receive(frame(PING, SYN, 0, 0xC0FFEE))

    assert bob.take() == frame(PING, ACK, 0, 0xC0FFEE)


def test_the_answer_to_a_ping_is_not_answered() -> None:
    bob = Session(is_initiator=False)

    bob.receive(frame(PING, ACK, 0, 1))

    assert bob.take() == b""


def test_a_leave_taken_is_told() -> None:
    pair = Pair()
    pair.alice.go_away(GO_AWAY_NORMAL)

    assert pair.bob.receive(pair.alice.take()) == [GoneAway()]


def test_a_peer_may_open_so_many_streams_and_the_next_is_reset() -> None:
    bob = Session(is_initiator=False)
    for number in range(INBOUND_STREAMS_MAX):
        bob.receive(frame(WINDOW, SYN, 2 * number + 1, 0))
    while bob.take():
        pass

    events = bob.receive(frame(DATA, SYN, 999, 5, b"hello"))

    assert events == []
    assert bob.take() == frame(WINDOW, RST, 999, 0)
    assert bob.streams_count(ours=False) == INBOUND_STREAMS_MAX


def test_a_stream_of_ours_too_many_is_refused_here() -> None:
    alice = Session(is_initiator=True)
    for _ in range(OUTBOUND_STREAMS_MAX):
        alice.open()

    with pytest.raises(ResourceError, match="open already"):
        alice.open()


def test_data_for_a_stream_that_is_gone_is_dropped() -> None:
    pair = Pair()
    ours, theirs = pair.open()
    pair.bob.reset(theirs)
    pair.alice.send(ours, b"under way")

    (late,) = [pair.bob.receive(pair.alice.take())]

    assert late == []
    assert theirs.buffer == b""


def test_the_first_frame_of_a_stream_may_carry_data_and_the_end() -> None:
    bob = Session(is_initiator=False)

    opened, changed = bob.receive(data_frame(1, b"all of it", SYN | FIN))

    assert isinstance(opened, Opened)
    assert changed == Changed(opened.stream)
    assert bob.read(opened.stream, 100) == b"all of it"
    assert opened.stream.peer_has_finished


def test_a_window_may_come_with_the_first_frame() -> None:
    bob = Session(is_initiator=False)

    (opened, _) = bob.receive(frame(WINDOW, SYN, 1, 1000))

    assert isinstance(opened, Opened)
    assert opened.stream.room == WINDOW_BYTES_FIRST + 1000


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\1" + bytes(11),
        frame(4, 0, 0, 0),
        frame(PING, 16, 0, 0),
        frame(WINDOW, SYN, 0, 0),
        frame(WINDOW, SYN, 2, 0),
        frame(WINDOW, SYN, 1, 0) + frame(WINDOW, SYN, 1, 0),
        frame(WINDOW, SYN, 1, 0) + frame(DATA, 0, 1, WINDOW_BYTES_FIRST + 1),
        frame(DATA, SYN, 1, 2**32 - 1),
        frame(WINDOW, SYN, 1, 2**32 - 1) + frame(WINDOW, 0, 1, 2**32 - 1),
        frame(WINDOW, SYN | FIN, 1, 0) + data_frame(1, b"after the end"),
    ],
    ids=[
        "another version",
        "an unknown kind",
        "an unknown flag",
        "a stream numbered 0",
        "a stream of our parity",
        "a stream opened twice",
        "data past the window",
        "4 GiB in the first frame",
        "a window of more than 32 bits",
        "data after the end",
    ],
)
def test_a_broken_rule_is_told_before_anything_is_kept(bytes_sent: bytes) -> None:
    bob = Session(is_initiator=False)

    with pytest.raises(Malformed):
        bob.receive(bytes_sent)

    assert sum(len(stream.buffer) for stream in bob.streams()) == 0


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_make_a_session_fail_in_another_way(noise: bytes, cut: int) -> None:
    bob = Session(is_initiator=False)

    with suppress(Malformed):
        bob.receive(noise[:cut])
        bob.receive(noise[cut:])


kinds = st.tuples(
    st.integers(0, 3), st.integers(0, 15), st.integers(0, 5), st.integers(0, 40), st.booleans()
)


@given(st.lists(kinds, max_size=30))
def test_no_frames_make_a_session_keep_more_than_it_allowed(
    frames: list[tuple[int, int, int, int, bool]],
) -> None:
    bob = Session(is_initiator=False)

    with suppress(Malformed):
        for kind, flags, stream_id, value, is_large in frames:
            size = value * (5000 if is_large else 1)
            bob.receive(frame(kind, flags, stream_id, size, bytes(size) if kind == DATA else b""))

    assert len(bob.streams()) <= INBOUND_STREAMS_MAX
    for stream in bob.streams():
        assert len(stream.buffer) <= WINDOW_BYTES_FIRST


@given(
    st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=300)), max_size=40),
    st.integers(1, 50),
)
def test_streams_arrive_whole_however_they_are_mixed_and_cut(
    pieces: list[tuple[int, bytes]], cut: int
) -> None:
    pair = Pair()
    ours = [pair.alice.open() for _ in range(3)]
    expected = [b"", b"", b""]
    for number, piece in pieces:
        pair.alice.send(ours[number], piece)
        expected[number] += piece
    for stream in ours:
        pair.alice.finish(stream)

    theirs: list[SessionStream] = []
    while batch := pair.alice.take():
        assert len(batch) <= BATCH_BYTES_MAX
        for start in range(0, len(batch), cut):
            for event in pair.bob.receive(batch[start : start + cut]):
                if isinstance(event, Opened):
                    theirs.append(event.stream)

    assert [pair.bob.read(stream, 2**20) for stream in theirs] == expected
    assert all(stream.peer_has_finished for stream in theirs)
