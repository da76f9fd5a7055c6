"""Addresses that others tell of a peer: which can be dialled, and which may be believed.

What a stranger says must not make this node knock at its own doors, or at those of its
neighbours. So an address counts only if it reaches at least as far as whoever told it:
the internet may name addresses of the internet, a neighbour those of the neighbourhood too,
and only a program on this computer those of this computer.

Names are not believed at all: whoever owns one may let it lead anywhere. An address through a
relay is not taken from a DHT or a server, for it makes this node a peer of whom they name; it is
taken from peers (`believable`), and from a node's own signed word (`tried_of`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.protobuf import read_varint

from ..network.relaying import is_circuit

_IP4, _TCP, _IP6, _P2P = 0x04, 0x06, 0x29, 0x01A5
_SIZES = {_IP4: 4, _IP6: 16, _TCP: 2}
ADDRESSES_MAX = 8
"""Addresses of one found peer that are kept; two of them are tried."""
TRIED_MAX = 4
"""Of those that a node gives in its workshop record."""
_CIRCUITS_MAX = 2


class Reach(IntEnum):
    """From how far an address, or the peer that told of it, is reached."""

    COMPUTER = 0
    NEIGHBOURHOOD = 1
    INTERNET = 2


@dataclass(frozen=True, slots=True)
class Provider:
    """A peer that is said to have a design's blocks."""

    peer: NodeId
    addresses: tuple[str, ...]
    """Full multiaddrs that may be dialled, with /p2p/…."""


def reach_of(address: str) -> Reach | None:
    """Return from how far a multiaddr /ip4/…/tcp/… is reached; None if no peer can be there."""
    parts = address.split("/")
    if len(parts) < 5 or parts[0] or parts[1] not in ("ip4", "ip6") or parts[3] != "tcp":
        return None
    try:
        ip = ip_address(parts[2])
    except ValueError:
        return None
    is_port = parts[4].isascii() and parts[4].isdigit() and 0 < int(parts[4][:6]) < 1 << 16
    return _reach_of_host(ip) if is_port and ip.version == int(parts[1][2]) else None


def _reach_of_host(ip: IPv4Address | IPv6Address) -> Reach | None:
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo):
        return None  # Another address inside of it would be the one that is dialled.
    if ip.is_loopback:
        return Reach.COMPUTER
    if ip.is_unspecified or ip.is_multicast or ip.is_link_local:
        return None
    if isinstance(ip, IPv4Address) and (ip.packed[0] == 0 or ip.packed[0] >= _FIRST_RESERVED):
        return None
    return Reach.INTERNET if ip.is_global else Reach.NEIGHBOURHOOD


_FIRST_RESERVED = 240
"""IPv4 addresses from 240.0.0.0 on belong to nobody."""


def believed(peer: NodeId, addresses: Iterable[str], told_from: Reach) -> tuple[str, ...]:
    """Return those of a peer's addresses, with or without /p2p/…, that may be dialled."""
    kept: dict[str, None] = {}
    for address in addresses:
        place, marker, named = address.partition("/p2p/")
        if marker and named != peer_text(peer):
            continue  # Of another peer, or behind one.
        reach = reach_of(place)
        if reach is not None and reach >= told_from and len(place.split("/")) == 5:
            kept[f"{place}/p2p/{peer_text(peer)}"] = None
        if len(kept) >= ADDRESSES_MAX:
            break
    return tuple(kept)


def believable(node: NodeId, addresses: Sequence[str], told_from: Reach) -> tuple[str, ...]:
    """Return those that may be dialled of what a peer tells, some through a relay too.

    A relay's address is held to the same rule as a node's own.
    """
    through = [
        address
        for address in addresses
        if address.endswith(f"/p2p-circuit/p2p/{peer_text(node)}")
        and reach_from(address) >= told_from
    ]
    return (*believed(node, addresses, told_from), *through[:_CIRCUITS_MAX])[:ADDRESSES_MAX]


def tried_of(node: NodeId, said: Iterable[str]) -> list[str]:
    """Return those of a node's own addresses at which it is tried, the likeliest first.

    Who names a relay is seldom reached otherwise, so one of those comes first.
    """
    own = [address for address in said if address.endswith(f"/p2p/{peer_text(node)}")]
    through = [address for address in own if is_circuit(address)]
    direct = [address for address in own if not is_circuit(address)]
    return [*through[:1], *direct, *through[1:]][:TRIED_MAX]


def reach_from(address: str) -> Reach:
    """Return from how far a peer at the other end of a link comes; of a circuit, its relay."""
    reach = reach_of(address)
    return Reach.INTERNET if reach is None else reach


def read_binary(data: bytes) -> str | None:
    """Return the text of a binary multiaddr /ip4|ip6/…/tcp/…[/p2p/…]; None for any other."""
    view = memoryview(data)
    place: list[str] = []
    position = 0
    try:
        while position < len(data):
            code, position = read_varint(view, position)
            if code == _P2P and place:
                size, position = read_varint(view, position)
                return None if position + size != len(data) else "/" + "/".join(place)
            size = _SIZES.get(code, 0)
            value = data[position : position + size]
            if not size or len(value) != size:
                return None
            place += [_NAMES[code], _value(code, value)]
            position += size
    except Malformed:
        return None
    return "/" + "/".join(place) if len(place) == 4 and place[2] == "tcp" else None


_NAMES = {_IP4: "ip4", _IP6: "ip6", _TCP: "tcp"}


def _value(code: int, value: bytes) -> str:
    return str(int.from_bytes(value, "big")) if code == _TCP else str(ip_address(value))


def binary(address: str) -> bytes:
    """Return the binary multiaddr of a /ip4|ip6/…/tcp/… that `reach_of` knows, without /p2p/…."""
    _, kind, host, _, port, *_ = address.split("/")
    code = _IP4 if kind == "ip4" else _IP6
    return bytes([code]) + ip_address(host).packed + bytes([_TCP]) + int(port).to_bytes(2, "big")
