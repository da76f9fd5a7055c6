"""Finding peers in the Kademlia DHT: what is near, whom to ask next, and when to stop.

Nearness is XOR over SHA-256. A `Lookup` asks the nearest peers that it knows, three at a time;
each names some that are nearer; it is over once the nearest twenty that answer have answered,
or everything that it may ask has been asked.

    fresh --next_to_ask--> asked --answered--> answered
                                 --failed----> failed

Whatever peers answer, a lookup ends: it asks at most `ASKED_MAX`, remembers at most
`CANDIDATES_MAX`, and who waits for it sets the time.
Why it is our own: specs/decisions/0015-finding.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from ..ids import NodeId
from ..peer_id import peer_bytes
from .kademlia_wire import Contact

ALPHA = 3
"""Peers that a lookup asks at a time."""
K = 20
"""The nearest peers: so many hold what is provided, and so many are named in an answer."""
ASKED_MAX = 60
"""Peers that one lookup asks: three times those that it looks for."""
CANDIDATES_MAX = 200
"""Peers that one lookup remembers; those farther away are forgotten."""
_HASH_BITS = 256


def place_of(key: bytes) -> int:
    """Return where a key stands: a number that distances are measured between."""
    return int.from_bytes(sha256(key).digest(), "big")


def place_of_peer(peer: NodeId) -> int:
    return place_of(peer_bytes(peer))


@dataclass(slots=True)
class _Candidate:
    contact: Contact
    distance: int
    state: Literal["fresh", "asked", "answered", "failed"] = "fresh"


@dataclass(slots=True)
class Lookup:
    """One search for the peers nearest to a key. The same calls give the same answers."""

    key: bytes
    me: NodeId
    asked: int = 0
    """How many peers were asked so far."""
    _candidates: dict[NodeId, _Candidate] = field(default_factory=dict[NodeId, _Candidate])

    @property
    def is_over(self) -> bool:
        """Whether nobody is asked and nobody is to be asked any more."""
        return not self._waiting() and not self._wanted()

    def hear_of(self, contacts: Iterable[Contact]) -> None:
        """Take note of peers, of whom the nearest may be asked."""
        target = place_of(self.key)
        for contact in contacts:
            if contact.peer != self.me and contact.peer not in self._candidates:
                distance = target ^ place_of_peer(contact.peer)
                self._candidates[contact.peer] = _Candidate(contact, distance)
        fresh = [each for each in self._sorted() if each.state == "fresh"]
        for candidate in fresh[max(0, CANDIDATES_MAX - len(self._candidates) + len(fresh)) :]:
            del self._candidates[candidate.contact.peer]

    def next_to_ask(self) -> list[Contact]:
        """Return whom to ask now; an answer or a failure is to be reported for each."""
        room = min(ALPHA - len(self._waiting()), ASKED_MAX - self.asked)
        chosen = self._wanted()[: max(0, room)]
        for candidate in chosen:
            candidate.state = "asked"
        self.asked += len(chosen)
        return [candidate.contact for candidate in chosen]

    def answered(self, peer: NodeId, closer: Sequence[Contact]) -> None:
        """The peer named others, of whom no more than `K` are looked at."""
        self._candidates[peer].state = "answered"
        self.hear_of(closer[:K])

    def failed(self, peer: NodeId) -> None:
        self._candidates[peer].state = "failed"

    def put_back(self, peer: NodeId) -> None:
        """The peer was asked, and nobody waits for its answer any more: it may be asked again."""
        self._candidates[peer].state = "fresh"

    def nearest(self) -> list[Contact]:
        """Return the peers that answered, at most `K`, the nearest first."""
        return [each.contact for each in self._sorted() if each.state == "answered"][:K]

    def _sorted(self) -> list[_Candidate]:
        return sorted(self._candidates.values(), key=lambda each: each.distance)

    def _waiting(self) -> list[_Candidate]:
        return [each for each in self._candidates.values() if each.state == "asked"]

    def _wanted(self) -> list[_Candidate]:
        """Return those of the nearest `K` that were not asked, if there is leave to ask."""
        if self.asked >= ASKED_MAX:
            return []
        living = [each for each in self._sorted() if each.state != "failed"]
        return [each for each in living[:K] if each.state == "fresh"]


class Table:
    """The servers of the DHT that this node has met, at most `K` in each ring around it.

    A peer that is known keeps its place from a new one, so that a crowd of new ones cannot
    push out all that have served well; it loses it when it fails.
    """

    def __init__(self, me: NodeId) -> None:
        self._me = place_of_peer(me)
        self._rings: dict[int, dict[NodeId, Contact]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._rings.values()))

    def __contains__(self, peer: NodeId) -> bool:
        return peer in self._rings.get(self._ring(peer), {})

    def met(self, contact: Contact) -> None:
        """Note a server that answered; its newer addresses replace the older."""
        ring = self._rings.setdefault(self._ring(contact.peer), {})
        if contact.peer in ring or len(ring) < K:
            ring[contact.peer] = contact

    def lost(self, peer: NodeId) -> None:
        self._rings.get(self._ring(peer), {}).pop(peer, None)

    def nearest(self, key: bytes, without: NodeId | None = None) -> list[Contact]:
        """Return the `K` that are nearest to a key, the nearest first."""
        target = place_of(key)
        known = [each for ring in self._rings.values() for each in ring.values()]
        known.sort(key=lambda contact: target ^ place_of_peer(contact.peer))
        return [contact for contact in known if contact.peer != without][:K]

    def _ring(self, peer: NodeId) -> int:
        return _HASH_BITS - (self._me ^ place_of_peer(peer)).bit_length()


PROVIDERS_PER_KEY_MAX = 20
KEYS_MAX = 10_000
PROVIDER_TERM_MS = 48 * 3_600_000
"""How long a server believes that a peer provides, unless it hears it again."""
REPUBLISH_MS = 22 * 3_600_000
"""How often a provider says it again."""


class Providers:
    """What others told this node that they provide: bounded, and forgotten after two days."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, dict[NodeId, tuple[Contact, int]]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, key: bytes, contact: Contact, now: int) -> None:
        """Note it. Of too many, the oldest goes first."""
        of_key = self._by_key.pop(key, {})
        of_key.pop(contact.peer, None)
        of_key[contact.peer] = (contact, now + PROVIDER_TERM_MS)
        if len(of_key) > PROVIDERS_PER_KEY_MAX:
            del of_key[next(iter(of_key))]
        self._by_key[key] = of_key
        if len(self._by_key) > KEYS_MAX:
            del self._by_key[next(iter(self._by_key))]

    def get(self, key: bytes, now: int) -> list[Contact]:
        """Return who provides it, the one heard last first."""
        living = [
            (contact, until) for contact, until in self._by_key.get(key, {}).values() if now < until
        ]
        return [contact for contact, _ in reversed(living)]
