"""Who may come in: inbound connections counted by address, and peers that misbehaved kept out.

Before its handshake a connection is only an address, so that is what is counted then; afterwards
it is a peer. A crowd at the door must not keep out the peers that this node knows: those have
places of their own. Decides; opens and closes nothing. Times are seconds of any steady clock.
"""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TypeVar

from commonfab.protocol.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """How many may knock and how many may stay."""

    knocking_max: int = 128
    """Handshakes under way; each ends within 10 s. Known addresses are not held to it."""
    knocking_per_address_max: int = 32
    """Handshakes under way from one address, known or not."""
    inside_max: int = 256
    """Inbound connections, the places of known peers included."""
    inside_for_known: int = 64
    """Of them, places that only known peers may take."""
    inside_per_address_max: int = 64
    """Inbound connections from one address: a makerspace behind one router, or a test town."""
    offences_max: int = 20
    """Offences within `offence_window_s` that a peer may commit before it is shunned."""
    offence_window_s: float = 600
    shunned_for_s: float = 600

    def __post_init__(self) -> None:
        assert self.inside_for_known < self.inside_max
        assert self.knocking_per_address_max <= self.knocking_max


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_REMEMBERED_MAX = 4096
"""Addresses, peers and offenders remembered; the oldest are forgotten first."""


class Doorkeeper:
    """Counts and remembers. Every `knock` that was let through is followed by one `knocked`,
    every `enter` that was let through by one `leave`.
    """

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._knocking: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._known_addresses: OrderedDict[str, None] = OrderedDict()
        self._known_peers: OrderedDict[NodeId, None] = OrderedDict()
        self._offences: OrderedDict[NodeId, deque[float]] = OrderedDict()
        self._shunned_until: OrderedDict[NodeId, float] = OrderedDict()

    def know(self, peer: NodeId, address: str | None) -> None:
        """Remember a peer that this node itself has reason to reach."""
        _remember(self._known_peers, peer, None)
        if address is not None:
            _remember(self._known_addresses, _group(address), None)

    def knock(self, address: str) -> bool:
        """Tell whether a connection from `address` may begin its handshake."""
        group = _group(address)
        if self._knocking[group] >= self._limits.knocking_per_address_max:
            return False
        is_crowded = self._knocking.total() >= self._limits.knocking_max
        if is_crowded and group not in self._known_addresses:
            return False
        self._knocking[group] += 1
        return True

    def knocked(self, address: str) -> None:
        """Take note that a handshake is over, well or badly."""
        _subtract(self._knocking, _group(address))

    def enter(self, peer: NodeId, address: str, now: float) -> bool:
        """Tell whether a peer that has proven its key may stay."""
        group = _group(address)
        places = self._limits.inside_max
        if peer not in self._known_peers:
            places -= self._limits.inside_for_known
        if (
            self.is_shunned(peer, now)
            or self._inside.total() >= places
            or self._inside[group] >= self._limits.inside_per_address_max
        ):
            return False
        self._inside[group] += 1
        return True

    def leave(self, address: str) -> None:
        """Take note that a connection that was let in is closed."""
        _subtract(self._inside, _group(address))

    def offend(self, peer: NodeId, now: float) -> bool:
        """Count one offence; tell whether the peer is to be shown out."""
        offences = self._offences.get(peer, deque[float]())
        offences.append(now)
        while offences[0] <= now - self._limits.offence_window_s:
            offences.popleft()
        if len(offences) <= self._limits.offences_max:
            _remember(self._offences, peer, offences)
            return False
        self._offences.pop(peer, None)
        _remember(self._shunned_until, peer, now + self._limits.shunned_for_s)
        return True

    def is_shunned(self, peer: NodeId, now: float) -> bool:
        return now < self._shunned_until.get(peer, 0.0)


def _group(address: str) -> str:
    """Return what counts as one address: IPv4 as it is, IPv6 by its /64, as one home has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed.packed[:8] + bytes(8), 64)))


def _subtract(counter: Counter[str], group: str) -> None:
    assert counter[group] > 0
    counter[group] -= 1
    if not counter[group]:
        del counter[group]


def _remember(memory: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED_MAX:
        memory.popitem(last=False)
