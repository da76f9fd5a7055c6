"""Messages of relays: ours are read back, and by the library, and those of others up to limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, StopMessage
from libp2p.relay.circuit_v2.pb.dcutr_pb2 import HolePunch

from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import RELAY_ADDRESSES_MAX, RELAY_MESSAGE_BYTES_MAX
from commonfab.protocol.links.relay_wire import (
    CircuitLimit,
    Hop,
    HopKind,
    Punch,
    PunchKind,
    Status,
    Stop,
    StopKind,
    decode_hop,
    decode_punch,
    decode_stop,
    encode_hop,
    encode_punch,
    encode_stop,
)
from commonfab.protocol.peer_id import peer_bytes
from commonfab.protocol.protobuf import field

_peers = st.none() | st.binary(min_size=32, max_size=32).map(NodeId)
_limits = st.none() | st.builds(CircuitLimit, st.integers(0, 2**31), st.integers(0, 2**60))
_hops = st.builds(
    Hop,
    kind=st.sampled_from(HopKind),
    peer=_peers,
    expires_s=st.integers(0, 2**60),
    limit=_limits,
    status=st.sampled_from(Status),
)
_stops = st.builds(
    Stop,
    kind=st.sampled_from(StopKind),
    peer=_peers,
    limit=_limits,
    status=st.sampled_from(Status),
)
_punches = st.builds(
    Punch,
    kind=st.sampled_from(PunchKind),
    addresses=st.lists(st.binary(max_size=30), max_size=RELAY_ADDRESSES_MAX).map(tuple),
)


@given(_hops)
def test_a_word_with_a_relay_is_read_as_it_was_written(message: Hop) -> None:
    assert decode_hop(encode_hop(message)) == message


@given(_stops)
def test_a_relays_word_is_read_as_it_was_written(message: Stop) -> None:
    assert decode_stop(encode_stop(message)) == message


@given(_punches)
def test_a_word_between_two_who_punch_is_read_as_it_was_written(message: Punch) -> None:
    assert decode_punch(encode_punch(message)) == message


@given(_hops)
def test_another_program_reads_the_same_of_a_hop(message: Hop) -> None:
    theirs = HopMessage.FromString(encode_hop(message))

    assert int(theirs.type) == message.kind
    assert theirs.peer.id == (b"" if message.peer is None else peer_bytes(message.peer))
    assert theirs.reservation.expire == message.expires_s
    limit = message.limit or CircuitLimit()
    assert (theirs.limit.duration, theirs.limit.data) == (limit.seconds, limit.bytes_each_way)


@given(_punches)
def test_another_program_reads_the_same_of_a_punch(message: Punch) -> None:
    theirs = HolePunch.FromString(encode_punch(message))

    assert (int(theirs.type), tuple(theirs.ObsAddrs)) == (message.kind, message.addresses)


def test_a_stop_has_the_numbers_of_the_specs() -> None:
    theirs = StopMessage.FromString(
        encode_stop(Stop(kind=StopKind.STATUS, status=Status.OK, peer=NodeId(b"b" * 32)))
    )

    assert int(theirs.type) == 1
    assert theirs.peer.id == peer_bytes(NodeId(b"b" * 32))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for decode in (decode_hop, decode_stop, decode_punch):
        try:
            decode(data)
        except Malformed:
            continue


@pytest.mark.parametrize(
    "data",
    [
        bytes(RELAY_MESSAGE_BYTES_MAX + 1),
        b"\x08\x03",  # a kind that there is not
        b"\x08\x00\x08\x00",  # a kind twice
        field(2, field(1, b"nobody's id")),
        field(2, b"") + field(2, b""),
    ],
    ids=["too long", "no kind", "two kinds", "no peer", "two peers"],
)
def test_what_is_no_message_of_a_relay_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_hop(data)
    with pytest.raises(Malformed):
        decode_stop(data)


def test_no_more_addresses_are_dialled_than_allowed() -> None:
    data = b"\x08\x64" + field(2, b"somewhere") * (RELAY_ADDRESSES_MAX + 1)

    with pytest.raises(Malformed, match="more than 16 addresses"):
        decode_punch(data)
