"""Whom this node has met, and whom it has invited: kept in the record store, durably.

Everything is written before it is acted on or answered: an invitation that was used once
stays used, whatever happens next.
"""

from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.meeting import pairing
from commonfab.protocol.meeting.pairing import Keys

from ..library import Library
from .book import AddressBook, Contact

_FRIENDS, _INVITED, _BOOK = "meeting/friends", "meeting/invited", "meeting/book"
INVITED_MAX = 256
"""Invitations that are remembered; the oldest that are over are forgotten first."""
ID_LETTERS = 8
_ID_LETTERS_MIN = 4

How = Literal["code", "invitation"]


class Met(Struct, frozen=True, kw_only=True):
    """Two people have made their nodes known to each other: a reason to vouch for it."""

    node: bytes
    at: int
    how: How
    name: str = ""
    """What this node's operator calls the other, where the invitation said so."""
    addresses: tuple[str, ...] = ()


class Invited(Struct, kw_only=True):
    """An invitation of this node's; the secret itself is not kept."""

    tag: bytes
    key: bytes
    name: str
    made: int
    until: int
    state: pairing.State = pairing.Open()

    @property
    def id(self) -> str:
        return self.tag.hex()[:ID_LETTERS]

    @property
    def keys(self) -> Keys:
        return Keys(place=b"", tag=self.tag, key=self.key)


class Register:
    """One for each node."""

    def __init__(self, library: Library) -> None:
        self._library = library
        met = _load(library.note(_FRIENDS), list[Met])
        invited = _load(library.note(_INVITED), list[Invited])
        self.friends = {NodeId(each.node): each for each in met or ()}
        self.invited = {each.tag: each for each in invited or ()}
        self.book = AddressBook(_load(library.note(_BOOK), list[Contact]) or ())

    async def befriend(self, met: Met) -> None:
        """Remember a friend, and what became of the invitations, on the disk."""
        node = NodeId(met.node)
        before = self.friends.get(node)
        self.friends[node] = met
        try:
            await self.save()
        except ResourceError:
            del self.friends[node]
            if before is not None:
                self.friends[node] = before
            raise

    async def save(self) -> None:
        """Write friends and invitations down; `ResourceError` if the disk refuses."""
        await self._library.keep_notes(
            {
                _FRIENDS: msgspec.msgpack.encode(list(self.friends.values())),
                _INVITED: msgspec.msgpack.encode(list(self.invited.values())),
            }
        )

    async def save_book(self) -> None:
        """Write down the addresses, if any has changed."""
        if self.book.is_changed:
            self.book.is_changed = False
            contacts = msgspec.msgpack.encode(self.book.contacts())
            await self._library.keep_notes({_BOOK: contacts})

    async def invite(self, invited: Invited, now: int) -> None:
        """Add an invitation; `UsageError` if too many are open."""
        over = [each for each in self.invited.values() if not is_open(each, now)]
        if len(self.invited) >= INVITED_MAX:
            if not over:
                raise UsageError(
                    f"{INVITED_MAX} invitations are open; take one back with:"
                    " commonfab invite --revoke ID"
                )
            del self.invited[min(over, key=lambda each: each.made).tag]
        self.invited[invited.tag] = invited
        await self.save()

    async def revoke(self, which: str) -> Invited:
        """End an invitation that starts with these letters of its id, or is for that name."""
        found = self._find(which)
        if isinstance(found.state, pairing.Used):
            raise UsageError(f"{which}: that invitation was used already, so it cannot be revoked")
        found.state = pairing.Ended("revoked")
        await self.save()
        return found

    def _find(self, which: str) -> Invited:
        found = [
            each
            for each in self.invited.values()
            if each.name == which or (len(which) >= _ID_LETTERS_MIN and each.id.startswith(which))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{which}: {len(found)} invitations are called so; give the id")
        raise UsageError(f"{which}: no such invitation; see: commonfab invite --list")


def is_open(invited: Invited, now: int) -> bool:
    return isinstance(invited.state, pairing.Open) and now < invited.until


T = TypeVar("T")


def _load(saved: bytes | None, kind: type[T]) -> T | None:
    try:
        return msgspec.msgpack.decode(saved, type=kind) if saved else None
    except msgspec.DecodeError:
        return None  # Of an older program: it begins anew.
