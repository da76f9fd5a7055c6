"""The messages with which a node learns how others reach it: identify, and AutoNAT.

    identify    from where a peer sees this node come, and what that peer speaks
    AutoNAT     a peer asked to dial this node back, and whether it could

They are those of the libp2p specs (identify/README.md, autonat/autonat-v1.md).
What a peer says in them is a hint of one stranger, no more.
"""

from dataclasses import dataclass
from enum import IntEnum

from ..errors import Malformed
from ..ids import NodeId
from ..limits import IDENTIFY_BYTES_MAX, RELAY_ADDRESSES_MAX, RELAY_MESSAGE_BYTES_MAX
from ..peer_id import peer_bytes, read_peer_bytes
from ..protobuf import Value, body_of, field, fields, number_of, once, varint

IDENTIFY = "/ipfs/id/1.0.0"
AUTONAT = "/libp2p/autonat/1.0.0"
_PROTOCOLS_MAX = 256
_PROTOCOL_BYTES_MAX = 256
_DIAL, _DIAL_RESPONSE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a peer says of itself, and of how it sees who asks."""

    protocols: frozenset[str] = frozenset()
    addresses: tuple[bytes, ...] = ()
    """Where it listens: binary multiaddrs."""
    observed: bytes = b""
    """From where it sees this node come: a binary multiaddr."""


class DialStatus(IntEnum):
    OK = 0
    DIAL_ERROR = 100
    DIAL_REFUSED = 101
    BAD_REQUEST = 200
    INTERNAL_ERROR = 300


@dataclass(frozen=True, slots=True)
class DialBack:
    """Ask to be dialled at one of these binary multiaddrs."""

    peer: NodeId
    addresses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DialAnswer:
    status: DialStatus
    text: str = ""
    address: bytes = b""
    """Where the dial worked."""


def decode_identity(data: bytes) -> Identity:
    """Read a peer's answer, without its length. Raises `Malformed` and nothing else."""
    if len(data) > IDENTIFY_BYTES_MAX:
        raise Malformed(f"an identity of {len(data)} bytes; at most {IDENTIFY_BYTES_MAX}")
    protocols: set[str] = set()
    addresses: list[bytes] = []
    observed: bytes | None = None
    for number, value in fields(memoryview(data)):
        if number == 2 and len(addresses) < RELAY_ADDRESSES_MAX:
            addresses.append(bytes(body_of(value)))
        elif number == 3 and len(protocols) < _PROTOCOLS_MAX:
            protocols.add(_text(value, _PROTOCOL_BYTES_MAX))
        elif number == 4:
            observed = bytes(body_of(once(observed, value)))
    return Identity(
        protocols=frozenset(protocols), addresses=tuple(addresses), observed=observed or b""
    )


def encode_dial_back(message: DialBack) -> bytes:
    """Return the message without its length."""
    addresses = message.addresses[:RELAY_ADDRESSES_MAX]
    peer = [field(1, peer_bytes(message.peer)), *(field(2, each) for each in addresses)]
    return _kind(_DIAL) + field(2, field(1, b"".join(peer)))


def encode_dial_answer(message: DialAnswer) -> bytes:
    """Return the message without its length."""
    parts = [b"\x08" + varint(message.status)]
    if message.text:
        parts.append(field(2, message.text.encode()))
    if message.address:
        parts.append(field(3, message.address))
    return _kind(_DIAL_RESPONSE) + field(3, b"".join(parts))


def decode_dial_back(data: bytes) -> DialBack:
    """Read a request, without its length. Raises `Malformed` and nothing else."""
    peer: bytes | None = None
    addresses: list[bytes] = []
    for number, value in fields(_part(_body(data, _DIAL, 2), 1)):
        if number == 1:
            peer = bytes(body_of(once(peer, value)))
        elif number == 2:
            addresses.append(bytes(body_of(value)))
    if len(addresses) > RELAY_ADDRESSES_MAX:
        raise Malformed(f"more than {RELAY_ADDRESSES_MAX} addresses to dial")
    return DialBack(read_peer_bytes(peer or b""), tuple(addresses))


def decode_dial_answer(data: bytes) -> DialAnswer:
    """Read an answer, without its length. Raises `Malformed` and nothing else."""
    status: int | None = None
    text = ""
    address: bytes | None = None
    for number, value in fields(_body(data, _DIAL_RESPONSE, 3)):
        if number == 1:
            status = number_of(once(status, value))
        elif number == 2:
            text = _text(value, RELAY_MESSAGE_BYTES_MAX)
        elif number == 3:
            address = bytes(body_of(once(address, value)))
    try:
        return DialAnswer(DialStatus(status or 0), text, address or b"")
    except ValueError as error:
        raise Malformed(f"{status} is no status of AutoNAT") from error


def _kind(kind: int) -> bytes:
    return b"\x08" + varint(kind)


def _body(data: bytes, kind: int, field_number: int) -> memoryview:
    """Return the part of an AutoNAT message that its kind says it has."""
    if len(data) > RELAY_MESSAGE_BYTES_MAX:
        raise Malformed(f"a message of {len(data)} bytes; at most {RELAY_MESSAGE_BYTES_MAX}")
    message = memoryview(data)
    found: int | None = None
    for number, value in fields(message):
        if number == 1:
            found = number_of(once(found, value))
    if (found or 0) != kind:
        raise Malformed(f"a message of AutoNAT of kind {found}, and {kind} is due")
    return _part(message, field_number)


def _part(data: memoryview, field_number: int) -> memoryview:
    part: memoryview | None = None
    for number, value in fields(data):
        if number == field_number:
            part = body_of(once(part, value))
    if part is None:
        raise Malformed(f"field {field_number} is missing")
    return part


def _text(value: Value, bytes_max: int) -> str:
    body = body_of(value)
    if len(body) > bytes_max:
        raise Malformed(f"a text of {len(body)} bytes; at most {bytes_max}")
    try:
        return bytes(body).decode()
    except UnicodeDecodeError as error:
        raise Malformed("a text that is not UTF-8") from error
