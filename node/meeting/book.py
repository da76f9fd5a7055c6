"""The address book: where peers were reached, and where others say that they are.

An address that this node has itself reached is *proven*, and no crowd of new ones pushes it
out. What was only heard is a hint: few are kept from one teller and from one subnet, it is
forgotten after some dials that failed, and it is told to nobody.

Decides and remembers; dials nothing. Times are milliseconds since 1970.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct

from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DAY_MS, MINUTE_MS

from ..network import doorkeeper

NODES_MAX = 2048
ADDRESSES_PER_NODE_MAX = 4
HEARD_MAX = 512
"""Addresses that nobody has proven."""
HEARD_PER_TELLER_MAX = 32
HEARD_PER_SUBNET_MAX = 8
PROVEN_PER_SUBNET_MAX = 64
"""A makerspace behind one router, or a town of nodes on one computer."""
HEARD_FAILURES_MAX = 3
FORGOTTEN_MS = 90 * DAY_MS
"""A proven address that was not reached for so long is forgotten."""
_BACKOFF_MS_MIN = MINUTE_MS
_BACKOFF_MS_MAX = 12 * 60 * MINUTE_MS
_SEEN_STEP_MS = MINUTE_MS
"""How exactly it is remembered when a peer was last there: as often as that it is written."""


class Place(Struct, kw_only=True):
    """An address at which a node is, or is said to be, reached."""

    address: str
    """A full multiaddr, with /p2p/…."""
    heard_at: int
    teller: bytes = b""
    """The peer that told of it; empty: this node itself, or its operator."""
    reached_at: int = 0
    """When a dial last proved it; 0: never."""
    failures: int = 0
    """Dials that failed since."""
    tried_at: int = 0

    @property
    def is_proven(self) -> bool:
        return self.reached_at > 0


class Contact(Struct, kw_only=True):
    """A node in the book."""

    node: bytes
    seen_at: int = 0
    """When a link to it was last there; 0: never."""
    places: list[Place] = []


class AddressBook:
    """See the module's docstring."""

    def __init__(self, contacts: Iterable[Contact] = ()) -> None:
        self._contacts = {NodeId(contact.node): contact for contact in contacts}
        self.is_changed = False
        """Whether there is something that was not written yet; the writer clears it."""

    def __len__(self) -> int:
        return len(self._contacts)

    def contacts(self) -> list[Contact]:
        return list(self._contacts.values())

    def seen_at(self, node: NodeId) -> int:
        contact = self._contacts.get(node)
        return contact.seen_at if contact else 0

    def addresses_of(self, node: NodeId) -> list[str]:
        """Return where to try to reach a node, the likeliest first."""
        contact = self._contacts.get(node)
        return [place.address for place in _likeliest(contact)] if contact else []

    def has_proven(self, node: NodeId, since: int) -> list[str]:
        """Return the addresses of a node that a dial has proven since then."""
        contact = self._contacts.get(node)
        return [p.address for p in contact.places if p.reached_at > since] if contact else []

    # What happens.

    def seen(self, node: NodeId, now: int) -> None:
        """A link to the node is there."""
        contact = self._contact(node)
        if now - contact.seen_at >= _SEEN_STEP_MS:
            contact.seen_at = now
            self.is_changed = True

    def hear(self, node: NodeId, address: str, now: int, teller: NodeId | None = None) -> bool:
        """Take note of an address; tell whether it was new and there was room for it."""
        contact = self._contacts.get(node)
        if contact and any(place.address == address for place in contact.places):
            return False
        place = Place(address=address, heard_at=now, teller=teller or b"")
        if teller is not None and not self._has_room(place):
            return False
        self._put(self._contact(node), place)
        return True

    def reached(self, node: NodeId, address: str, now: int) -> None:
        """A dial to the address has proven the node's key."""
        contact = self._contact(node)
        place = next((each for each in contact.places if each.address == address), None)
        if place is None:
            place = Place(address=address, heard_at=now)
            self._put(contact, place)
        if not place.is_proven and self._is_crowded(place):
            return
        if place.failures or now - place.reached_at >= _SEEN_STEP_MS:
            place.reached_at, place.failures = now, 0
            self.is_changed = True
        self.seen(node, now)

    def failed(self, node: NodeId, address: str, now: int) -> None:
        """Nobody answered there, or somebody else."""
        contact = self._contacts.get(node)
        for place in contact.places if contact else ():
            if place.address == address:
                place.failures += 1
                place.tried_at = now
                self.is_changed = True

    def forget(self, now: int, keep: Iterable[NodeId] = ()) -> None:
        """Let go of what is hopeless, and of whom nothing is left; never of those in `keep`."""
        kept = set(keep)
        for node, contact in list(self._contacts.items()):
            if node in kept:
                continue
            places = [place for place in contact.places if not _is_hopeless(place, now)]
            self.is_changed |= len(places) < len(contact.places)
            contact.places = places
            if not places and now - contact.seen_at > FORGOTTEN_MS:
                del self._contacts[node]
        crowd = len(self._contacts) - NODES_MAX
        if crowd > 0:
            for contact in sorted(self._contacts.values(), key=_merit)[:crowd]:
                if NodeId(contact.node) not in kept:
                    del self._contacts[NodeId(contact.node)]
            self.is_changed = True

    # Asking.

    def to_dial(self, now: int) -> Iterator[tuple[NodeId, str]]:
        """Yield nodes and where to try them: those that were reached last before all hints.

        An address that has failed is left alone, twice as long each time.
        """
        for contact in sorted(self._contacts.values(), key=_merit, reverse=True):
            for place in _likeliest(contact):
                if now >= place.tried_at + backoff_ms(place.failures):
                    yield NodeId(contact.node), place.address
                    break

    def _contact(self, node: NodeId) -> Contact:
        contact = self._contacts.get(node)
        if contact is None:
            contact = self._contacts[node] = Contact(node=node)
            self.is_changed = True
        return contact

    def _put(self, contact: Contact, place: Place) -> None:
        contact.places.append(place)
        if len(contact.places) > ADDRESSES_PER_NODE_MAX:
            contact.places.remove(min(contact.places[:-1], key=_worth))
        self.is_changed = True

    def _has_room(self, place: Place) -> bool:
        hints = [p for c in self._contacts.values() for p in c.places if not p.is_proven]
        subnet = subnet_of(place.address)
        return (
            len(self._contacts) < NODES_MAX
            and len(hints) < HEARD_MAX
            and sum(hint.teller == place.teller for hint in hints) < HEARD_PER_TELLER_MAX
            and sum(subnet_of(hint.address) == subnet for hint in hints) < HEARD_PER_SUBNET_MAX
        )

    def _is_crowded(self, place: Place) -> bool:
        subnet = subnet_of(place.address)
        proven = (p for c in self._contacts.values() for p in c.places if p.is_proven)
        return sum(subnet_of(each.address) == subnet for each in proven) >= PROVEN_PER_SUBNET_MAX


@lru_cache(maxsize=4 * NODES_MAX)
def subnet_of(address: str) -> str:
    """Return the network of a multiaddr, as the door counts it; else the host as it is."""
    parts = address.split("/")
    return doorkeeper.subnet_of(parts[2] if len(parts) > 2 else address)


def backoff_ms(failures: int) -> int:
    """Return how long to leave an address alone after so many failures."""
    return min(_BACKOFF_MS_MIN << min(failures - 1, 20), _BACKOFF_MS_MAX) if failures else 0


def _is_hopeless(place: Place, now: int) -> bool:
    if place.is_proven:
        return now - place.reached_at > FORGOTTEN_MS
    return place.failures >= HEARD_FAILURES_MAX


def _worth(place: Place) -> tuple[int, int, int]:
    return place.reached_at, -place.failures, place.heard_at


def _likeliest(contact: Contact) -> list[Place]:
    return sorted(contact.places, key=_worth, reverse=True)


def _merit(contact: Contact) -> tuple[int, int]:
    reached = max((place.reached_at for place in contact.places), default=0)
    return reached, contact.seen_at
