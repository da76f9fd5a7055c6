"""Where two nodes that share a secret find each other: at a peer that both are linked to.

Each says the place that follows from their secret, and where it is reached; the peer answers
who else has named that place in the last minute. It cannot tell what they meet for, and may
lie: whoever it names still has to prove that it knows the secret. Rules: specs/pairing.md.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from ..errors import Malformed
from ..ids import NodeId, Timestamp
from ..limits import MINUTE_MS
from .pairing import Addresses, Fixed

PROTOCOL = "/commonfab/rendezvous/1"
STAYS_MAX = 1024
"""Nodes at places that one node remembers; who came longest ago is forgotten first."""
NODES_PER_PLACE_MAX = 4
PLACES_PER_NODE_MAX = 4
STAY_MS = MINUTE_MS
"""How long a node stands at a place after it named it; who goes on waiting names it again."""
RENDEZVOUS_BYTES_MAX = 16 * 1024
"""One message."""


class Wait(Struct, frozen=True, forbid_unknown_fields=True):
    """I wait at this place, and am reached at these addresses."""

    place: Fixed
    addresses: Addresses


class Waiting(Struct, frozen=True, forbid_unknown_fields=True):
    node: Fixed
    addresses: Addresses


class Others(Struct, frozen=True, forbid_unknown_fields=True):
    """Who else waits there."""

    nodes: Annotated[tuple[Waiting, ...], Meta(max_length=NODES_PER_PLACE_MAX)]


M = TypeVar("M", Wait, Others)


def encode(message: Wait | Others) -> bytes:
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """Return a message of the kind that is due, or raise `Malformed`."""
    if len(data) > RENDEZVOUS_BYTES_MAX:
        raise Malformed(f"a message of {len(data)} bytes; at most {RENDEZVOUS_BYTES_MAX}")
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a message of a rendezvous: {error}") from error


@dataclass(frozen=True, slots=True)
class _Stay:
    addresses: tuple[str, ...]
    until: int


class Places:
    """Who waits where, at one node that others meet at. Bounded, whatever they do."""

    def __init__(self) -> None:
        self._stays: OrderedDict[tuple[bytes, NodeId], _Stay] = OrderedDict()

    def __len__(self) -> int:
        return len(self._stays)

    def wait(
        self, node: NodeId, place: bytes, addresses: Sequence[str], now: Timestamp
    ) -> tuple[Waiting, ...]:
        """Note that a node waits at a place, and return who else does.

        A place is full with its first `NODES_PER_PLACE_MAX`: a crowd that names it later pushes
        nobody out, and is not told of.
        """
        self._expire(now)
        others = [key for key in self._stays if key[0] == place and key[1] != node]
        if len(others) < NODES_PER_PLACE_MAX:
            self._stay(node, place, tuple(addresses), now)
        return tuple(
            Waiting(node=key[1], addresses=self._stays[key].addresses)
            for key in others[:NODES_PER_PLACE_MAX]
        )

    def _stay(self, node: NodeId, place: bytes, addresses: tuple[str, ...], now: Timestamp) -> None:
        self._stays[place, node] = _Stay(addresses, now + STAY_MS)
        self._stays.move_to_end((place, node))
        own = [key for key in self._stays if key[1] == node]
        if len(own) > PLACES_PER_NODE_MAX:
            del self._stays[own[0]]
        elif len(self._stays) > STAYS_MAX:
            self._stays.popitem(last=False)

    def _expire(self, now: Timestamp) -> None:
        while self._stays:
            key, stay = next(iter(self._stays.items()))
            if stay.until > now:
                return
            del self._stays[key]
