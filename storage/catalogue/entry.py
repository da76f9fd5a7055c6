"""What the catalogue holds of one design: nothing that its record does not say."""

from dataclasses import dataclass
from typing import Self

from commonfab.protocol.encoding import plain_text
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Design, Part, Record

_INTEGER_MAX = 2**63 - 1
"""Of SQLite. A sum over what an author claims may be more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    id: RecordId
    author: NodeId
    stream: str
    seq: int
    at: int
    name: str
    maker: str
    """The name of the author's workshop; empty if it is not known."""
    root: bytes
    size_um: tuple[int, int, int] | None
    """The longest shortest, middle and longest side of any part. A box fits a part in some
    rotation if its sides, sorted, are no shorter one by one; so this stands for all parts.
    None: of some part it is not known."""
    watertight: bool
    """All parts are."""
    mass_mg: int
    """Of all pieces of one design."""
    made: int
    """Pieces of which this node has seen the owners' receipts."""
    is_honest: bool
    """Its author signed no other record for its place, and had not revoked its key."""
    texts: tuple[str, str, str, str, str, str]
    """Name, parts, function and tags, materials and processes, author's workshop, licensor."""
    tags: tuple[tuple[str, str], ...]
    """Each facet's values."""
    origins: tuple[tuple[RecordId, str], ...]
    fingerprints: tuple[tuple[int, bytes], ...]
    """Of its parts' forms, with the part's place in the list; without those not known."""

    @classmethod
    def of(cls, record: Record, *, maker: str, made: int, is_honest: bool) -> Self:
        design = record.body
        assert isinstance(design, Design)
        return cls(
            id=record.id,
            author=record.author,
            stream=design.stream,
            seq=design.seq,
            at=design.at,
            name=plain_text(design.name),
            maker=maker,
            root=design.root,
            size_um=_size(design.parts),
            watertight=all(part.watertight for part in design.parts),
            mass_mg=min(sum(p.mass_mg * p.pieces for p in design.parts), _INTEGER_MAX),
            made=made,
            is_honest=is_honest,
            texts=(
                plain_text(design.name),
                plain_text(" ".join(part.name for part in design.parts)),
                plain_text(" ".join((design.function, *design.tags))),
                plain_text(" ".join(sorted(_makings(design.parts)))),
                plain_text(maker),
                plain_text(design.licensor),
            ),
            tags=tuple(_tags(record.author, design)),
            origins=tuple((RecordId(o.design), o.relation) for o in design.derived_from),
            fingerprints=tuple(
                (place, part.fingerprint)
                for place, part in enumerate(design.parts)
                if part.fingerprint
            ),
        )


def _size(parts: tuple[Part, ...]) -> tuple[int, int, int] | None:
    sides = [sorted(part.bbox_um) for part in parts]
    if not all(all(box) for box in sides):
        return None
    short, middle, long = (max(box[i] for box in sides) for i in range(3))
    return short, middle, long


def _makings(parts: tuple[Part, ...]) -> set[str]:
    return {word for part in parts for word in (part.material, part.process)}


def _tags(author: NodeId, design: Design) -> list[tuple[str, str]]:
    found = [("licence", design.licence), ("author", author.hex())]
    if design.language:
        found.append(("language", design.language))
    for part in design.parts:
        found += [("process", part.process), ("material", part.material)]
    return list(dict.fromkeys((facet, plain_text(text)) for facet, text in found))
