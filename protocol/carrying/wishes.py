"""Wishes: which of others' designs a node keeps, as its owner said it, and which fit.

Records of everything are known; files are kept of what is wished. A wish names an author, a
tag, an area, a licence, a process, words, any of them together, and how much of it there may
be. What is here already comes before what would have to be fetched, then what few others
promise to keep, then what is new. Of a design, the newest version counts.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from ..encoding import plain_text
from ..fields import Count, Name, Node, Tag
from ..ids import NodeId, RecordId
from ..limits import WISHES_MAX
from ..records import Design, Place, Record
from ..sync.subset import Subset

_EARTH_M = 6_371_000
_COPIES_COUNTED_MAX = 3
"""A design that so many promise to keep is not rare."""


class Area(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is so near to a place."""

    lat_udeg: Annotated[int, Meta(ge=-90_000_000, le=90_000_000)]
    lon_udeg: Annotated[int, Meta(ge=-180_000_000, le=180_000_000)]
    radius_m: Annotated[int, Meta(ge=1, le=20_100_000)]


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Designs for which all of this is so; what is not given does not matter."""

    author: Node | None = None
    tag: Tag | None = None
    area: Area | None = None
    """Where the author's workshop says that it is."""
    licence: Name | None = None
    process: Name | None = None
    """Some part is made so; "fff" also means "fff-printing"."""
    words: Name | None = None
    """All occur in the design's name, function, tags or parts."""
    budget_bytes: Count | None = None
    """Of all that is kept for this wish; absent: as much as there is room for."""

    def is_empty(self) -> bool:
        """Whether it names nothing, and so would be for everything."""
        said = (self.author, self.tag, self.area, self.licence, self.process, self.words)
        return all(each is None for each in said)


Wishes = Annotated[tuple[Wish, ...], Meta(max_length=WISHES_MAX)]


def fits(wish: Wish, record: Record, place: Place | None) -> bool:
    """Return whether a design is wished. `place`: of its author's workshop, where known."""
    design = record.body
    assert isinstance(design, Design)
    return (
        _subset(wish).matches(record)
        and (wish.licence is None or _fold(wish.licence) == _fold(design.licence))
        and (wish.process is None or _is_made_by(wish.process, design))
        and (wish.words is None or _has_words(wish.words, design))
        and (wish.area is None or (place is not None and is_within(wish.area, place)))
    )


def _subset(wish: Wish) -> Subset:
    return Subset(
        authors=() if wish.author is None else (wish.author,),
        tags=() if wish.tag is None else (wish.tag,),
    )


def is_within(area: Area, place: Place) -> bool:
    """Return whether a place may be in an area: it counts as near as its owner allows."""
    north, other = math.radians(area.lat_udeg / 1e6), math.radians(place.lat_udeg / 1e6)
    east = math.radians((place.lon_udeg - area.lon_udeg) / 1e6)
    chord = (
        math.sin((other - north) / 2) ** 2
        + math.cos(north) * math.cos(other) * math.sin(east / 2) ** 2
    )
    metres = 2 * _EARTH_M * math.asin(min(1.0, math.sqrt(chord)))
    return metres <= area.radius_m + place.accuracy_m


def _is_made_by(process: str, design: Design) -> bool:
    wanted = _fold(process)
    made = (_fold(part.process) for part in design.parts)
    return any(each == wanted or each.startswith(f"{wanted}-") for each in made)


def _has_words(words: str, design: Design) -> bool:
    parts = (part.name for part in design.parts)
    text = _fold(" ".join((design.name, design.function, *design.tags, *parts)))
    return all(word in text for word in _fold(words).split())


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", plain_text(text)).casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A design that some wish is for."""

    id: RecordId
    author: NodeId
    stream: str
    seq: int
    at: int
    root: bytes
    size_bytes: int
    """As its record claims, or more, where it is here and was measured."""
    is_here: bool
    """All of it is on this disk."""
    copies: int = 0
    """How many others promise to keep it."""


def wanted_of(record: Record, *, is_here: bool, copies: int) -> Wanted:
    """Return what there is to know of a design in order to choose."""
    design = record.body
    assert isinstance(design, Design)
    return Wanted(
        id=record.id,
        author=record.author,
        stream=design.stream,
        seq=design.seq,
        at=design.at,
        root=design.root,
        size_bytes=design.size_bytes,
        is_here=is_here,
        copies=copies,
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of one design."""

    wanted: Wanted
    wish: int
    """Which of the wishes it is kept for, or which was the last to have no room."""
    is_kept: bool
    why: str = ""
    """Why not."""


def choose(
    wishes: Sequence[Wish], wanted: Sequence[tuple[int, Wanted]], room_bytes: int
) -> list[Choice]:
    """Return what is to be kept, the most wished first, and what does not fit.

    `wanted`: each design with each wish that it fits. `room_bytes`: for all wishes together.
    A design is counted for the first wish that has room. The same calls, the same answers.
    """
    left = [wish.budget_bytes for wish in wishes]
    choices: dict[RecordId, Choice] = {}
    roots: set[bytes] = set()
    newest = newest_versions(each for _, each in wanted)
    for wish, each in sorted(wanted, key=_rank):
        done = choices.get(each.id)
        if each.id not in newest or (done and done.is_kept):
            continue
        size = 0 if each.root in roots else each.size_bytes
        budget = left[wish]
        if budget is not None and size > budget:
            choices[each.id] = Choice(each, wish, is_kept=False, why="over its wish's budget")
        elif size > room_bytes:
            choices[each.id] = Choice(each, wish, is_kept=False, why="over the storage quota")
        else:
            left[wish] = None if budget is None else budget - size
            room_bytes -= size
            roots.add(each.root)
            choices[each.id] = Choice(each, wish, is_kept=True)
    kept = [choice for choice in choices.values() if choice.is_kept]
    return kept + [choice for choice in choices.values() if not choice.is_kept]


def rooms(wishes: Sequence[Wish], choices: Iterable[Choice]) -> list[int | None]:
    """Return what is left of each wish's budget when what is here is counted."""
    left = [wish.budget_bytes for wish in wishes]
    counted: set[bytes] = set()
    for choice in choices:
        budget = left[choice.wish]
        if choice.is_kept and choice.wanted.is_here and choice.wanted.root not in counted:
            counted.add(choice.wanted.root)
            left[choice.wish] = None if budget is None else budget - choice.wanted.size_bytes
    return left


def newest_versions(wanted: Iterable[Wanted]) -> set[RecordId]:
    """Return of each author's stream the one with the highest place."""
    heads: dict[tuple[NodeId, str], Wanted] = {}
    for each in wanted:
        head = heads.get((each.author, each.stream))
        if head is None or each.seq > head.seq:
            heads[each.author, each.stream] = each
    return {head.id for head in heads.values()}


def _rank(pair: tuple[int, Wanted]) -> tuple[bool, int, int, int, RecordId]:
    wish, each = pair
    return (
        not each.is_here,
        wish,
        min(each.copies, _COPIES_COUNTED_MAX),
        -each.at,
        each.id,
    )
