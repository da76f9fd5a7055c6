"""Messages of identify and AutoNAT: ours are read by the library, and theirs by us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.host.autonat.pb.autonat_pb2 import Message as Theirs
from libp2p.identity.identify.pb.identify_pb2 import Identify

from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    IDENTIFY_BYTES_MAX,
    RELAY_ADDRESSES_MAX,
    RELAY_MESSAGE_BYTES_MAX,
)
from commonfab.protocol.links.reach_wire import (
    DialAnswer,
    DialBack,
    DialStatus,
    Identity,
    decode_dial_answer,
    decode_dial_back,
    decode_identity,
    encode_dial_answer,
    encode_dial_back,
)
from commonfab.protocol.peer_id import peer_bytes
from commonfab.protocol.protobuf import field

BOB = NodeId(b"b" * 32)


def test_an_identity_is_read_as_the_library_writes_it() -> None:
    theirs = Identify(
        protocol_version="ipfs/0.1.0",
        agent_version="kubo",
        public_key=b"key",
        listen_addrs=[b"here", b"there"],
        observed_addr=b"seen",
        protocols=["/a/1", "/b/2"],
    )

    assert decode_identity(theirs.SerializeToString()) == Identity(
        protocols=frozenset({"/a/1", "/b/2"}), addresses=(b"here", b"there"), observed=b"seen"
    )


def test_of_a_long_identity_as_much_is_kept_as_allowed() -> None:
    many = field(2, b"here") * 100 + b"".join(field(3, b"/%d" % n) for n in range(1000))

    identity = decode_identity(many)

    assert len(identity.addresses) == RELAY_ADDRESSES_MAX
    assert len(identity.protocols) == 256


@given(
    st.builds(
        DialBack,
        st.binary(min_size=32, max_size=32).map(NodeId),
        st.lists(st.binary(max_size=30), max_size=RELAY_ADDRESSES_MAX).map(tuple),
    )
)
def test_who_asks_to_be_dialled_is_read_as_it_was_written(message: DialBack) -> None:
    data = encode_dial_back(message)

    assert decode_dial_back(data) == message
    theirs = Theirs.FromString(data)
    assert theirs.dial.peer.id == peer_bytes(message.peer)
    assert tuple(theirs.dial.peer.addrs) == message.addresses


@given(
    st.builds(DialAnswer, st.sampled_from(DialStatus), st.text(max_size=50), st.binary(max_size=30))
)
def test_the_answer_is_read_as_it_was_written(message: DialAnswer) -> None:
    assert decode_dial_answer(encode_dial_answer(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for decode in (decode_identity, decode_dial_back, decode_dial_answer):
        try:
            decode(data)
        except Malformed:
            continue


def test_an_answer_is_no_question() -> None:
    with pytest.raises(Malformed, match="of kind 1, and 0 is due"):
        decode_dial_back(encode_dial_answer(DialAnswer(DialStatus.OK)))


def test_what_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(Malformed, match="an identity of"):
        decode_identity(bytes(IDENTIFY_BYTES_MAX + 1))
    with pytest.raises(Malformed, match="a message of"):
        decode_dial_back(bytes(RELAY_MESSAGE_BYTES_MAX + 1))


def test_nobody_has_more_addresses_tried_than_allowed() -> None:
    addresses = field(2, b"somewhere") * (RELAY_ADDRESSES_MAX + 1)
    data = b"\x08\x00" + field(2, field(1, field(1, peer_bytes(BOB)) + addresses))

    with pytest.raises(Malformed, match="more than 16 addresses"):
        decode_dial_back(data)
