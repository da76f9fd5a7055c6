"""The messages of the Kademlia DHT that IPFS programs share, as far as finding blocks needs them.

A message is a protobuf behind its length (libp2p specs, kad-dht). The reader takes what other
programs send and no more than the limits allow; addresses stay bytes here, for who believes
them is another question. Values, which the same DHT can hold, are stepped over and never kept.
Why it is our own: specs/decisions/0015-finding.md.
"""

from dataclasses import dataclass
from enum import IntEnum

from ..errors import Malformed
from ..ids import NodeId
from ..limits import (
    DHT_ADDRESS_BYTES_MAX,
    DHT_ADDRESSES_MAX,
    DHT_KEY_BYTES_MAX,
    DHT_MESSAGE_BYTES_MAX,
    DHT_PEERS_MAX,
)
from ..peer_id import peer_bytes, read_peer_bytes
from ..protobuf import Value, body_of, field, fields, number_of, once, varint

WAN = "/ipfs/kad/1.0.0"
"""Spoken by peers that the whole internet reaches."""
LAN = "/ipfs/lan/kad/1.0.0"
"""Spoken inside one local network; the two never mix."""


class Kind(IntEnum):
    PUT_VALUE = 0
    GET_VALUE = 1
    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


@dataclass(frozen=True, slots=True)
class Contact:
    """A peer that somebody told of, with the binary multiaddrs that it is said to have."""

    peer: NodeId
    addresses: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A question or its answer: the answer has the kind and key of the question."""

    kind: Kind
    key: bytes = b""
    """What is looked for: the multihash of a block, or a peer id."""
    closer: tuple[Contact, ...] = ()
    providers: tuple[Contact, ...] = ()


def encode(message: Message) -> bytes:
    """Return the message without its length."""
    parts = [b"\x08" + varint(message.kind)]
    if message.key:
        parts.append(field(2, message.key))
    parts += [field(8, _contact(contact)) for contact in message.closer]
    parts += [field(9, _contact(contact)) for contact in message.providers]
    data = b"".join(parts)
    assert len(data) <= DHT_MESSAGE_BYTES_MAX
    return data


def _contact(contact: Contact) -> bytes:
    addresses = (field(2, address) for address in contact.addresses)
    return b"".join([field(1, peer_bytes(contact.peer)), *addresses])


def decode(data: bytes) -> Message:
    """Read one message, without its length. Raises `Malformed` and nothing else.

    Peers with other keys than Ed25519 are left out: no node of ours can be one of them, and
    what they have is served by others too.
    """
    if len(data) > DHT_MESSAGE_BYTES_MAX:
        raise Malformed(f"a message of {len(data)} bytes; at most {DHT_MESSAGE_BYTES_MAX}")
    kind: int | None = None
    key: bytes | None = None
    closer: dict[NodeId, Contact] = {}
    providers: dict[NodeId, Contact] = {}
    peers = 0
    for number, value in fields(memoryview(data)):
        match number:
            case 1:
                kind = number_of(once(kind, value))
            case 2:
                key = bytes(body_of(once(key, value)))
            case 8 | 9:
                peers += 1
                if peers > DHT_PEERS_MAX:
                    raise Malformed(f"more than {DHT_PEERS_MAX} peers in one message")
                if contact := _read_contact(body_of(value)):
                    (closer if number == 8 else providers).setdefault(contact.peer, contact)
            case _:
                continue
    if len(key or b"") > DHT_KEY_BYTES_MAX:
        raise Malformed(f"a key of {len(key or b'')} bytes; at most {DHT_KEY_BYTES_MAX}")
    return Message(
        kind=_kind(kind or 0),
        key=key or b"",
        closer=tuple(closer.values()),
        providers=tuple(providers.values()),
    )


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError as error:
        raise Malformed(f"{number} is no kind of message of the DHT") from error


def _read_contact(data: memoryview) -> Contact | None:
    peer: bytes | None = None
    addresses: list[bytes] = []
    for number, value in fields(data):
        if number == 1:
            peer = bytes(body_of(once(peer, value)))
        elif number == 2:
            _note_address(addresses, value)
    try:
        return Contact(read_peer_bytes(peer or b""), tuple(addresses))
    except Malformed:
        return None


def _note_address(addresses: list[bytes], value: Value) -> None:
    """Keep an address unless it is too long, or one too many: the peer may be good all the same."""
    body = body_of(value)
    if len(body) <= DHT_ADDRESS_BYTES_MAX and len(addresses) < DHT_ADDRESSES_MAX:
        addresses.append(bytes(body))
