"""What a node gives as a relay: who may be reached through it, and how much it carries for them.

A relay is a favour, so it is bounded: a reservation ends, a circuit is cut after some minutes
and megabytes, and all of them together may not pass the bytes of an hour. Decides and counts;
opens and closes nothing. Times are seconds of any steady clock.
"""

from collections import Counter
from dataclasses import dataclass

from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB, MIB
from commonfab.protocol.links.relay_wire import CircuitLimit, Status

from .doorkeeper import group_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """How much a node does for others."""

    reservations_max: int = 128
    reservations_per_address_max: int = 8
    """From one address, or one /64: a house with some workshops behind one router."""
    reservation_s: float = 3600
    circuits_max: int = 32
    circuits_per_peer_max: int = 4
    """To or from one peer: while one is cut, the next may begin."""
    circuit_s: float = 600
    circuit_bytes_max: int = 16 * MIB
    """Each way: the records of a region, not its designs; for those a direct link is tried."""
    hour_bytes_max: int = 256 * MIB
    """Of all circuits, both ways: 71 kB/s on the average."""


_HOUR_S = 3600.0
CHUNK_BYTES = 16 * KIB


@dataclass(slots=True, eq=False)
class Circuit:
    """One connection that is carried. Only its desk changes it."""

    source: NodeId
    target: NodeId


@dataclass(slots=True)
class _Reservation:
    group: str
    ends_at: float


class RelayDesk:
    """Keeps the books. Every `open` that was let through is followed by one `close`."""

    def __init__(self, limits: RelayLimits) -> None:
        self.limits = limits
        self._reservations: dict[NodeId, _Reservation] = {}
        self._circuits: set[Circuit] = set()
        self._hour_began_at = float("-inf")
        self._hour_bytes = 0
        self.bytes_carried = 0
        """Since the start, both ways."""

    @property
    def promised(self) -> CircuitLimit:
        return CircuitLimit(int(self.limits.circuit_s), self.limits.circuit_bytes_max)

    def reservations_count(self, now: float) -> int:
        self._expire(now)
        return len(self._reservations)

    def reserve(self, peer: NodeId, address: str, now: float) -> Status:
        """Let a peer be reached through this node, or renew it; `address` is its own host."""
        self._expire(now)
        group = group_of(address)
        others = Counter(
            held.group for holder, held in self._reservations.items() if holder != peer
        )
        if (
            others.total() >= self.limits.reservations_max
            or others[group] >= self.limits.reservations_per_address_max
        ):
            return Status.RESERVATION_REFUSED
        self._reservations[peer] = _Reservation(group, now + self.limits.reservation_s)
        return Status.OK

    def drop(self, peer: NodeId) -> None:
        """Take note that the link to a peer is down, and with it its reservation."""
        self._reservations.pop(peer, None)

    def open(self, source: NodeId, target: NodeId, now: float) -> Circuit | Status:
        """Begin a circuit, or say why not."""
        self._expire(now)
        if target not in self._reservations:
            return Status.NO_RESERVATION
        uses = Counter(peer for each in self._circuits for peer in (each.source, each.target))
        if (
            source == target
            or len(self._circuits) >= self.limits.circuits_max
            or max(uses[source], uses[target]) >= self.limits.circuits_per_peer_max
            or self._hour_bytes >= self.limits.hour_bytes_max
        ):
            return Status.RESOURCE_LIMIT_EXCEEDED
        circuit = Circuit(source, target)
        self._circuits.add(circuit)
        return circuit

    def may_carry(self, size: int, now: float) -> bool:
        """Count bytes that are about to be carried; False at the end of the hour's."""
        self._expire(now)
        if self._hour_bytes + size > self.limits.hour_bytes_max:
            return False
        self._hour_bytes += size
        self.bytes_carried += size
        return True

    def close(self, circuit: Circuit) -> None:
        self._circuits.discard(circuit)

    def _expire(self, now: float) -> None:
        if now - self._hour_began_at >= _HOUR_S:
            self._hour_began_at, self._hour_bytes = now, 0
        for peer in [peer for peer, held in self._reservations.items() if held.ends_at <= now]:
            del self._reservations[peer]
