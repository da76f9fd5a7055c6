"""The messages with which nodes meet that cannot dial each other: circuit relay v2 and DCUtR.

    Hop     between a node and the relay that helps it
    Stop    between the relay and the node that is to be reached through it
    Punch   between the two nodes, once they speak through the relay, to speak without it

They are those of the libp2p specs (relay/circuit-v2.md, relay/DCUtR.md), so that any libp2p
program can be either party. The readers take no more than `RELAY_MESSAGE_BYTES_MAX`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from ..errors import Malformed
from ..ids import NodeId
from ..limits import RELAY_ADDRESSES_MAX, RELAY_MESSAGE_BYTES_MAX
from ..peer_id import peer_bytes, read_peer_bytes
from ..protobuf import Value, body_of, field, fields, number_of, once, varint

HOP = "/libp2p/circuit/relay/0.2.0/hop"
STOP = "/libp2p/circuit/relay/0.2.0/stop"
DCUTR = "/libp2p/dcutr"


class Status(IntEnum):
    """What a relay, or the peer behind it, answers."""

    NONE = 0
    OK = 100
    RESERVATION_REFUSED = 200
    RESOURCE_LIMIT_EXCEEDED = 201
    PERMISSION_DENIED = 202
    CONNECTION_FAILED = 203
    NO_RESERVATION = 204
    MALFORMED_MESSAGE = 400
    UNEXPECTED_MESSAGE = 401


class HopKind(IntEnum):
    RESERVE = 0
    CONNECT = 1
    STATUS = 2


class StopKind(IntEnum):
    CONNECT = 0
    STATUS = 1


class PunchKind(IntEnum):
    CONNECT = 100
    SYNC = 300


@dataclass(frozen=True, slots=True)
class CircuitLimit:
    """What a relay carries of one connection; 0 is without a limit."""

    seconds: int = 0
    bytes_each_way: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    kind: HopKind
    peer: NodeId | None = None
    """Whom to connect to."""
    expires_s: int = 0
    """When a reservation ends, in seconds since 1970, by the relay's clock."""
    limit: CircuitLimit | None = None
    status: Status = Status.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    kind: StopKind
    peer: NodeId | None = None
    """Who connects."""
    limit: CircuitLimit | None = None
    status: Status = Status.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Punch:
    kind: PunchKind
    addresses: tuple[bytes, ...] = ()
    """Where others saw the sender come from: binary multiaddrs."""


def encode_hop(message: Hop) -> bytes:
    """Return the message without its length."""
    parts = [_number(1, message.kind)]
    if message.peer is not None:
        parts.append(field(2, field(1, peer_bytes(message.peer))))
    if message.expires_s:
        parts.append(field(3, _number(1, message.expires_s)))
    return b"".join([*parts, *_ending(message.limit, message.status, 4)])


def encode_stop(message: Stop) -> bytes:
    """Return the message without its length."""
    parts = [_number(1, message.kind)]
    if message.peer is not None:
        parts.append(field(2, field(1, peer_bytes(message.peer))))
    return b"".join([*parts, *_ending(message.limit, message.status, 3)])


def encode_punch(message: Punch) -> bytes:
    """Return the message without its length."""
    addresses = message.addresses[:RELAY_ADDRESSES_MAX]
    return b"".join([_number(1, message.kind), *(field(2, each) for each in addresses)])


def decode_hop(data: bytes) -> Hop:
    """Read one message, without its length. Raises `Malformed` and nothing else."""
    parts = _parts(data, 5)
    return Hop(
        kind=_member(HopKind, parts.get(1)),
        peer=_read_peer(parts.get(2)),
        expires_s=_numbers(parts.get(3)).get(1, 0),
        limit=_read_limit(parts.get(4)),
        status=_member(Status, parts.get(5)),
    )


def decode_stop(data: bytes) -> Stop:
    """Read one message, without its length. Raises `Malformed` and nothing else."""
    parts = _parts(data, 4)
    return Stop(
        kind=_member(StopKind, parts.get(1)),
        peer=_read_peer(parts.get(2)),
        limit=_read_limit(parts.get(3)),
        status=_member(Status, parts.get(4)),
    )


def decode_punch(data: bytes) -> Punch:
    """Read one message, without its length. Raises `Malformed` and nothing else."""
    kind: Value = None
    addresses: list[bytes] = []
    for number, value in fields(_bounded(data)):
        if number == 1:
            kind = once(kind, value)
        elif number == 2:
            addresses.append(bytes(body_of(value)))
    if len(addresses) > RELAY_ADDRESSES_MAX:
        raise Malformed(f"more than {RELAY_ADDRESSES_MAX} addresses to dial")
    return Punch(kind=_member(PunchKind, kind), addresses=tuple(addresses))


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + varint(value)


def _ending(limit: CircuitLimit | None, status: Status, first: int) -> list[bytes]:
    parts: list[bytes] = []
    if limit is not None:
        both = (limit.seconds, limit.bytes_each_way)
        body = b"".join(_number(number, value) for number, value in enumerate(both, 1) if value)
        parts.append(field(first, body))
    if status:
        parts.append(_number(first + 1, status))
    return parts


def _parts(data: bytes, last: int) -> dict[int, Value]:
    """Return the parts of a message by their fields, each of which may stand once; those beyond
    the `last` are passed over."""
    parts: dict[int, Value] = {}
    for number, value in fields(_bounded(data)):
        if number <= last:
            parts[number] = once(parts.get(number), value)
    return parts


def _bounded(data: bytes) -> memoryview:
    if len(data) > RELAY_MESSAGE_BYTES_MAX:
        raise Malformed(f"a message of {len(data)} bytes; at most {RELAY_MESSAGE_BYTES_MAX}")
    return memoryview(data)


_Kind = TypeVar("_Kind", bound=IntEnum)


def _member(kinds: type[_Kind], value: Value) -> _Kind:
    number = 0 if value is None else number_of(value)
    try:
        return kinds(number)
    except ValueError as error:
        raise Malformed(f"{number} is no {kinds.__name__} of a relay") from error


def _read_peer(value: Value) -> NodeId | None:
    if value is None:
        return None
    identity: bytes | None = None
    for number, part in fields(body_of(value)):
        if number == 1:
            identity = bytes(body_of(once(identity, part)))
    return read_peer_bytes(identity or b"")


def _read_limit(value: Value) -> CircuitLimit | None:
    if value is None:
        return None
    numbers = _numbers(value)
    return CircuitLimit(numbers.get(1, 0), numbers.get(2, 0))


def _numbers(value: Value) -> dict[int, int]:
    """Return the numbers of a part, by their fields; what else stands there is passed over."""
    found: dict[int, int] = {}
    if value is not None:
        for number, part in fields(body_of(value)):
            if isinstance(part, int):
                found[number] = number_of(once(found.get(number), part))
    return found
