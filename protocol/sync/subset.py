"""A part of the public records, named so that two nodes mean the same by it.

Whether a record is in it follows from the record, and for an area also from where its author
is, so both sides of a sync can tell by themselves (specs/sync.md).
"""

from typing import Annotated

from msgspec import Meta, Struct

from ..body import Body
from ..fields import Count, Name, Node, Tag
from ..gossip.areas import area_of
from ..records import Design, Record, Workshop

NAMES_MAX = 64
"""Kinds, areas, authors or tags that one subset names."""


class Subset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What meets all that is said here; what is left out leaves all in. `Subset()` is all."""

    kinds: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)] = ()
    authors: Annotated[tuple[Node, ...], Meta(max_length=NAMES_MAX)] = ()
    areas: Annotated[tuple[Count, ...], Meta(max_length=NAMES_MAX)] = ()
    """Cells as in areas.py: that of a workshop's place, and for other records of its author's."""
    tags: Annotated[tuple[Tag, ...], Meta(max_length=NAMES_MAX)] = ()
    """Designs that are filed under one of them; case does not matter."""
    since: Count = 0
    """Signed then or later, by what the record says."""
    before: Count = 0
    """Signed earlier than that; 0: no end."""
    bytes_max: Count = 0
    """Sealed, no larger than that; 0: of any size."""

    def matches(self, record: Record, home: int | None = None) -> bool:
        """Tell whether a record is in it. `home` is the area of its author's workshop."""
        body = record.body
        return self.may_match(record.kind, record.author, body.at, len(record.data)) and (
            (not self.tags or _is_tagged(body, self.tags))
            and (not self.areas or _area(body, home) in self.areas)
        )

    def may_match(self, kind: str, author: bytes, at: int, size: int) -> bool:
        """Tell whether a record of which only this is known can be in it."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.authors or author in self.authors)
            and self.since <= at
            and (not self.before or at < self.before)
            and (not self.bytes_max or size <= self.bytes_max)
            and (not self.tags or kind == "design")
        )

    @property
    def reads_bodies(self) -> bool:
        """Tell whether `may_match` is not enough."""
        return bool(self.tags or self.areas)


ALL = Subset()


def _is_tagged(body: Body, tags: tuple[str, ...]) -> bool:
    wanted = {tag.casefold() for tag in tags}
    return isinstance(body, Design) and any(tag.casefold() in wanted for tag in body.tags)


def _area(body: Body, home: int | None) -> int | None:
    return area_of(body.place) if isinstance(body, Workshop) else home
