"""Messages of the DHT: ours are read back, those of others up to the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.kad_dht.pb.kademlia_pb2 import Message as LibraryMessage

from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    DHT_ADDRESS_BYTES_MAX,
    DHT_ADDRESSES_MAX,
    DHT_KEY_BYTES_MAX,
    DHT_MESSAGE_BYTES_MAX,
    DHT_PEERS_MAX,
)
from commonfab.protocol.links.kademlia_wire import Contact, Kind, Message, decode, encode
from commonfab.protocol.peer_id import peer_bytes

BOB = NodeId(b"b" * 32)

_contacts = st.lists(
    st.builds(
        Contact,
        st.binary(min_size=32, max_size=32).map(NodeId),
        st.lists(st.binary(max_size=20), max_size=3).map(tuple),
    ),
    max_size=4,
    unique_by=lambda contact: contact.peer,
).map(tuple)
_messages = st.builds(
    Message,
    kind=st.sampled_from(Kind),
    key=st.binary(max_size=40),
    closer=_contacts,
    providers=_contacts,
)


@given(_messages)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    assert decode(encode(message)) == message


@given(_messages)
def test_another_program_reads_the_same_in_it(message: Message) -> None:
    theirs = LibraryMessage()
    theirs.ParseFromString(encode(message))

    assert int(theirs.type) == message.kind
    assert theirs.key == message.key
    read = [(peer.id, tuple(peer.addrs)) for peer in theirs.providerPeers]
    assert read == [(peer_bytes(each.peer), each.addresses) for each in message.providers]
    assert decode(theirs.SerializeToString()) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        decode(data)
    except Malformed:
        return


def test_peers_of_other_keys_are_left_out() -> None:
    theirs = LibraryMessage(type="GET_PROVIDERS")
    theirs.providerPeers.add(id=b"\x12\x20" + bytes(32))
    theirs.providerPeers.add(id=peer_bytes(BOB))

    assert decode(theirs.SerializeToString()).providers == (Contact(BOB),)


def test_addresses_that_are_too_long_or_too_many_are_passed_over() -> None:
    theirs = LibraryMessage(type="GET_PROVIDERS")
    addresses = [bytes(DHT_ADDRESS_BYTES_MAX + 1), *[b"a"] * (DHT_ADDRESSES_MAX + 5)]
    theirs.providerPeers.add(id=peer_bytes(BOB), addrs=addresses)

    (contact,) = decode(theirs.SerializeToString()).providers
    assert contact.addresses == (b"a",) * DHT_ADDRESSES_MAX


def test_what_is_too_long_is_malformed() -> None:
    crowd = LibraryMessage(type="FIND_NODE")
    for _ in range(DHT_PEERS_MAX + 1):
        crowd.closerPeers.add(id=peer_bytes(BOB))

    for data, says in (
        (bytes(DHT_MESSAGE_BYTES_MAX + 1), "at most"),
        (crowd.SerializeToString(), "peers in one message"),
        (LibraryMessage(key=bytes(DHT_KEY_BYTES_MAX + 1)).SerializeToString(), "a key of"),
        (b"\x08\x09", "no kind"),
    ):
        with pytest.raises(Malformed, match=says):
            decode(data)
