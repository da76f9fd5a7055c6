"""A bundle: designs and the signed records about them, as one folder in one CAR.

    <root>/commonfab-known-1/00000, …                       what the maker has, if it tells
    <root>/commonfab-records-1/00000-revocation, 00001-workshop, 00002-design, …    sealed
    <root>/designs/wall-hook-3f2a91bc04d7e58a/…             the designs' files

The CAR's one root is that folder, so any IPFS program can take a bundle in, show it and give it
on. The order of the blocks is fixed: the folders, the records, what is known, then the designs'
files, each block once; so the same records make the same bytes. Rules: specs/bundle.md.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from commonfab.protocol.carrying.notes import KNOWN_BLOCKS_MAX
from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import ENVELOPE_BYTES_MAX

from ..cid import CID, DAG_PB, RAW
from ..ports import BlockDamaged, BlockMissing
from ..unixfs.dagpb import Link, Node, decode, encode
from ..unixfs.unixfs import WALK_BLOCKS_MAX, links

KNOWN_FOLDER: Final = "commonfab-known-1"
RECORDS_FOLDER: Final = "commonfab-records-1"
DESIGNS_FOLDER: Final = "designs"
DESIGNS_MAX = 1000
"""Designs of one bundle."""
RECORDS_MAX = 20_000
"""Records of one bundle: so many links go into one block."""

_FOLDER_DATA = b"\x08\x01"
_SLUG_LETTERS_MAX = 40


class Blocks(Protocol):
    """Where blocks are looked for: a store, or a file that has not been taken in yet."""

    def get(self, cid: CID) -> bytes: ...

    def has(self, cid: CID) -> bool: ...


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A record as it goes into a bundle."""

    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class NamedTree:
    """A design as it goes into a bundle."""

    name: str
    id: bytes
    """Of its record."""
    root: CID


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands in a bundle before the designs' own blocks."""

    root: CID
    blocks: tuple[tuple[CID, bytes], ...]


def lay_out(
    sealed: Sequence[SealedRecord],
    designs: Sequence[NamedTree],
    blocks: Blocks,
    known: Sequence[bytes] = (),
) -> Layout:
    """Return the folders and the records of a bundle, in their order (BUNDLE-3, BUNDLE-4).

    `blocks` has at least the designs' root blocks. `known`: the blocks of what the maker has.
    """
    assert len(designs) <= DESIGNS_MAX
    assert len(sealed) <= RECORDS_MAX
    kept = [(CID.of(each.data, codec=RAW), each.data) for each in sealed]
    told = [(CID.of(data, codec=RAW), data) for data in known]
    record_links = [
        Link(cid, f"{index:05}-{each.kind}", len(each.data))
        for index, (each, (cid, _)) in enumerate(zip(sealed, kept, strict=True))
    ]
    known_links = [Link(cid, f"{index:05}", len(data)) for index, (cid, data) in enumerate(told)]
    design_links = [
        Link(each.root, f"{_slug(each.name)}{each.id.hex()[:16]}", _tsize(blocks, each.root))
        for each in designs
    ]
    records_folder, designs_folder = _folder(record_links), _folder(design_links)
    folders = {RECORDS_FOLDER: records_folder, DESIGNS_FOLDER: designs_folder}
    if known:
        folders[KNOWN_FOLDER] = _folder(known_links)
    root = _folder([_named(name, *folder) for name, folder in folders.items()])
    parts = ((cid, data) for cid, data, _ in (root, *folders.values()))
    return Layout(root[0], (*parts, *dict([*kept, *told]).items()))


@dataclass(frozen=True, slots=True)
class Contents:
    """What the folders of a bundle name, each in its order."""

    records: list[CID]
    designs: list[CID]
    """The roots of the designs whose files it has."""
    known: list[CID]


def find_contents(blocks: Blocks, root: CID) -> Contents | None:
    """Return what a bundle names; None if it is no bundle.

    Raises `Malformed` for more of it than a bundle has. Raises `BlockMissing` or `BlockDamaged`
    if a folder of it is not here.
    """
    folders = {link.name: link.cid for link in _entries(blocks, root)}
    if RECORDS_FOLDER not in folders:
        return None
    return Contents(
        _names(blocks, folders[RECORDS_FOLDER], RECORDS_MAX),
        _names(blocks, folders.get(DESIGNS_FOLDER), DESIGNS_MAX),
        _names(blocks, folders.get(KNOWN_FOLDER), KNOWN_BLOCKS_MAX),
    )


def _names(blocks: Blocks, folder: CID | None, count_max: int) -> list[CID]:
    links = _entries(blocks, folder) if folder is not None else ()
    if len(links) > count_max:
        raise Malformed(f"a folder of {len(links)}; this one of a bundle has at most {count_max}")
    return [link.cid for link in links]


def load_record(blocks: Blocks, cid: CID) -> bytes:
    """Return a sealed record; `Malformed` if it cannot be one, `BlockMissing` as the store does."""
    if cid.codec != RAW:
        raise Malformed(f"the record {cid} is not one raw block")
    data = blocks.get(cid)
    if len(data) > ENVELOPE_BYTES_MAX:
        raise Malformed(f"the record {cid} has {len(data)} bytes, at most {ENVELOPE_BYTES_MAX}")
    return data


def tree(
    blocks: Blocks, root: CID, seen: set[CID], *, blocks_max: int = WALK_BLOCKS_MAX
) -> Iterator[tuple[CID, bool]]:
    """Yield each block of a tree that is not in `seen`, a parent before its children and files
    one after the other, with whether it is here; and add it to `seen`.

    What lies below a block that is not here is not known. Raises `Malformed` for a block that
    is no node, or a tree of more than `blocks_max`.
    """
    waiting = [root]
    count = 0
    while waiting:
        cid = waiting.pop()
        if cid.as_v1() in seen:
            continue
        seen.add(cid.as_v1())
        count += 1
        below = _below(blocks, cid)
        if cid.inline is None:
            yield cid, below is not None
        waiting.extend(reversed(dict.fromkeys(below or ())))
        if count + len(waiting) > blocks_max:
            raise Malformed(f"{root}: more than {blocks_max} blocks")


@dataclass(frozen=True, slots=True)
class Census:
    """How many blocks of a tree are here, and are known to be needed and not here."""

    here: int
    missing: int


def census(blocks: Blocks, root: CID) -> Census:
    """Count the blocks of a tree. Raises `Malformed` as `tree` does."""
    found = Counter(is_here for _, is_here in tree(blocks, root, set()))
    return Census(found[True], found[False])


def _below(blocks: Blocks, cid: CID) -> list[CID] | None:
    """Return what a block names; None if the block is not here."""
    if cid.inline is not None:
        return links(cid, cid.inline)
    if cid.codec == RAW:
        return [] if blocks.has(cid) else None
    try:
        return links(cid, blocks.get(cid))
    except (BlockMissing, BlockDamaged):
        return None


def _entries(blocks: Blocks, cid: CID) -> tuple[Link, ...]:
    if cid.codec != DAG_PB or cid.inline is not None:
        return ()
    node = decode(blocks.get(cid))
    return node.links if node.data == _FOLDER_DATA else ()


def _folder(entries: list[Link]) -> tuple[CID, bytes, int]:
    """Return a folder's CID, block, and the bytes of all below it."""
    ordered = tuple(sorted(entries, key=lambda link: link.name.encode()))
    data = encode(Node(ordered, _FOLDER_DATA))
    return CID.of(data, codec=DAG_PB), data, len(data) + sum(link.tsize for link in ordered)


def _named(name: str, cid: CID, _data: bytes, tsize: int) -> Link:
    return Link(cid, name, tsize)


def _tsize(blocks: Blocks, root: CID) -> int:
    data = root.inline if root.inline is not None else blocks.get(root)
    if root.codec == RAW:
        return len(data)
    return len(data) + sum(link.tsize for link in decode(data).links)


def _slug(name: str) -> str:
    """Return a name's plain letters and digits and a hyphen, or nothing where it has none."""
    words = "-".join(re.findall(r"[a-z0-9]+", name.casefold()))[:_SLUG_LETTERS_MAX].rstrip("-")
    return f"{words}-" if words else ""
