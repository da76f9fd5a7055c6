"""How many may come in: inbound connections, counted by address.

Before its handshake a connection is only an address, so that is what is counted then; afterwards
it is a peer. A crowd at the door must not keep out the peers that this node knows: those have
places of their own. Decides; opens and closes nothing.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeVar

from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    INSIDE_MAX,
    INSIDE_OF_STRANGERS_MAX,
    INSIDE_PER_ADDRESS_MAX,
    INSIDE_PER_SUBNET_MAX,
    KNOCKING_MAX,
    KNOCKING_PER_ADDRESS_MAX,
    KNOCKING_PER_SUBNET_MAX,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """How many may knock and how many may stay; see protocol/limits.py for each."""

    knocking_max: int = KNOCKING_MAX
    knocking_per_address_max: int = KNOCKING_PER_ADDRESS_MAX
    knocking_per_subnet_max: int = KNOCKING_PER_SUBNET_MAX
    inside_max: int = INSIDE_MAX
    inside_for_known: int = INSIDE_MAX - INSIDE_OF_STRANGERS_MAX
    inside_per_address_max: int = INSIDE_PER_ADDRESS_MAX
    inside_per_subnet_max: int = INSIDE_PER_SUBNET_MAX

    def __post_init__(self) -> None:
        assert self.inside_for_known < self.inside_max
        assert self.knocking_per_address_max <= self.knocking_max


_Key = TypeVar("_Key")

_REMEMBERED_MAX = 4096
"""Addresses and peers remembered; the oldest are forgotten first."""


class Doorkeeper:
    """Counts and remembers. Every `knock` that was let through is followed by one `knocked`,
    every `enter` that was let through by one `leave`.
    """

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._knocking: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._knocking_subnets: Counter[str] = Counter()
        self._inside_subnets: Counter[str] = Counter()
        self._known_addresses: OrderedDict[str, None] = OrderedDict()
        self._known_peers: OrderedDict[NodeId, None] = OrderedDict()

    def know(self, peer: NodeId, address: str | None) -> None:
        """Remember a peer that this node itself has reason to reach."""
        _remember(self._known_peers, peer)
        if address is not None:
            _remember(self._known_addresses, group_of(address))

    def knock(self, address: str) -> bool:
        """Tell whether a connection from `address` may begin its handshake."""
        group, subnet = group_of(address), subnet_of(address)
        if self._knocking[group] >= self._limits.knocking_per_address_max:
            return False
        is_crowded = (
            self._knocking.total() >= self._limits.knocking_max
            or self._knocking_subnets[subnet] >= self._limits.knocking_per_subnet_max
        )
        if is_crowded and group not in self._known_addresses:
            return False
        self._knocking[group] += 1
        self._knocking_subnets[subnet] += 1
        return True

    def knocked(self, address: str) -> None:
        """Take note that a handshake is over, well or badly."""
        _subtract(self._knocking, group_of(address))
        _subtract(self._knocking_subnets, subnet_of(address))

    def enter(self, peer: NodeId, address: str) -> bool:
        """Tell whether a peer that has proven its key may stay."""
        group, subnet = group_of(address), subnet_of(address)
        places = self._limits.inside_max
        is_crowded = False
        if peer not in self._known_peers:
            places -= self._limits.inside_for_known
            is_crowded = self._inside_subnets[subnet] >= self._limits.inside_per_subnet_max
        if (
            is_crowded
            or self._inside.total() >= places
            or self._inside[group] >= self._limits.inside_per_address_max
        ):
            return False
        self._inside[group] += 1
        self._inside_subnets[subnet] += 1
        return True

    def leave(self, address: str) -> None:
        """Take note that a connection that was let in is closed."""
        _subtract(self._inside, group_of(address))
        _subtract(self._inside_subnets, subnet_of(address))


def group_of(address: str) -> str:
    """Return what counts as one address: IPv4 as it is, IPv6 by its /64, as one home has."""
    return _network(address, 32, 64)


def subnet_of(address: str) -> str:
    """Return what one customer of a network may well have: a /24 of IPv4, a /48 of IPv6."""
    return _network(address, 24, 48)


def _network(address: str, bits_of_4: int, bits_of_6: int) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    bits = bits_of_6 if isinstance(parsed, IPv6Address) else bits_of_4
    return str(ip_network((parsed.packed, bits), strict=False))


def _subtract(counter: Counter[str], group: str) -> None:
    assert counter[group] > 0
    counter[group] -= 1
    if not counter[group]:
        del counter[group]


def _remember(memory: OrderedDict[_Key, None], key: _Key) -> None:
    memory[key] = None
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED_MAX:
        memory.popitem(last=False)
