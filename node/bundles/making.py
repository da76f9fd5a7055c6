"""Bundles: designs in one file, for where no network goes. Made here, opened by opening.py.

A bundle has each design's record, what is needed to believe it, and every block. It is written
a batch at a time by a worker thread, so it can be stopped, and gone on with, anywhere. One that
brings a certain node what it lacks is planned in for_peer.py.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import trio

from commonfab.protocol.carrying.notes import KNOWN_BLOCKS_MAX
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.records import Design, Record
from commonfab.protocol.statements import Revocation
from commonfab.storage.car import car
from commonfab.storage.car.bundle import (
    DESIGNS_MAX,
    RECORDS_MAX,
    Blocks,
    Layout,
    NamedTree,
    SealedRecord,
    lay_out,
    tree,
)
from commonfab.storage.car.file import PartFile, check_free
from commonfab.storage.car.sealed_file import Sink
from commonfab.storage.cid import CID
from commonfab.storage.ports import BlockStore

from ..answers.node import Bundled
from ..node import Node

BLOCKS_MAX = car.SECTIONS_MAX - RECORDS_MAX - KNOWN_BLOCKS_MAX - 4
"""Blocks of the designs of one bundle."""

_STEP_BYTES = 16 * 1024**2
_STEP_BLOCKS = 1024

Said = Callable[[Mapping[str, object]], Awaitable[None]]


async def make(
    node: Node, designs: Sequence[Record], path: Path, say: Said, *, dry_run: bool = False
) -> Bundled:
    """Write designs into a new file, whole or not at all; `dry_run` only counts.

    Raises `UsageError` if the place is taken, `ResourceError` if a block is not here, or if
    there is no room: what was written is then gone on with by the next call.
    """
    check_free(path)
    chosen = sorted({record.id: record for record in designs}.values(), key=lambda each: each.id)
    if not 0 < len(chosen) <= DESIGNS_MAX:
        raise UsageError(f"{len(chosen)} designs; one bundle has 1 to {DESIGNS_MAX}")
    with node.blocks.hold():
        return await _make(node, chosen, path, say, dry_run=dry_run)


async def _make(
    node: Node, designs: list[Record], path: Path, say: Said, *, dry_run: bool
) -> Bundled:
    cids = await _census(node.blocks, designs, say)
    sealed = _needed(node, designs)
    trees = [NamedTree(_design(each).name, each.id, _root(each)) for each in designs]
    layout = await trio.to_thread.run_sync(lay_out, sealed, trees, node.blocks)
    sink = Counter() if dry_run else await trio.to_thread.run_sync(PartFile, path)
    await write(node.blocks, layout, cids, sink, path.name, say)
    return Bundled(
        file=str(path),
        root=str(layout.root),
        designs=len(designs),
        records=len(sealed),
        blocks=len(layout.blocks) + len(cids),
        size_bytes=sink.size_bytes,
        is_dry_run=dry_run,
    )


async def write(
    blocks: BlockStore, layout: Layout, cids: Sequence[CID], sink: Sink, name: str, say: Said
) -> None:
    """Write a whole bundle, and close the sink whatever happens."""
    try:
        writing = _Writing(sink, blocks, iter(cids))
        await trio.to_thread.run_sync(writing.begin, layout.root, layout.blocks)
        while await trio.to_thread.run_sync(writing.step):
            await say({"step": "writing", "file": name, "bytes": sink.size_bytes})
        await trio.to_thread.run_sync(sink.finish)
    finally:
        sink.close()


async def _census(blocks: Blocks, designs: list[Record], say: Said) -> list[CID]:
    """Return every block of the designs once, or raise `ResourceError` if one is not here."""
    seen: set[CID] = set()
    cids: list[CID] = []

    def look(root: CID) -> int:
        found = list(tree(blocks, root, seen))
        cids.extend(cid for cid, is_here in found if is_here)
        return sum(not is_here for _, is_here in found)

    for done, record in enumerate(designs, 1):
        name = _design(record).name
        await say({"step": "looking", "file": name, "done": done, "of": len(designs)})
        lacking = await trio.to_thread.run_sync(look, _root(record))
        if lacking:
            raise ResourceError(
                f"{name}: at least {lacking} of its blocks are not here; "
                f"fetch it first: commonfab get {record.id.hex()[:8]} --out DIR"
            )
        if len(cids) > BLOCKS_MAX:
            raise UsageError(f"more than {len(cids)} blocks; make several bundles of fewer designs")
    return cids


def _needed(node: Node, designs: list[Record]) -> list[SealedRecord]:
    """Return the records of a bundle, in the order in which they are to be judged (BUNDLE-4)."""
    authors = sorted({record.author for record in designs})
    revoked: list[Record] = []
    workshops: list[Record] = []
    for author in authors:
        revoked += sorted(node.library.find("revocation", author), key=_since)[:1]
        workshops += sorted(node.library.find("workshop", author), key=lambda e: e.body.seq)[-1:]
    return [SealedRecord(each.kind, each.data) for each in (*revoked, *workshops, *designs)]


def _since(record: Record) -> tuple[int, bytes]:
    assert isinstance(record.body, Revocation)
    return record.body.since, record.id


@dataclass(slots=True)
class Counter:
    """Where a dry run writes to."""

    size_bytes: int = 0

    def write(self, data: bytes) -> None:
        self.size_bytes += len(data)

    def finish(self) -> None:
        """There is nothing to give a name to."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class _Writing:
    sink: Sink
    blocks: BlockStore
    cids: Iterator[CID]

    def begin(self, root: CID, first: Sequence[tuple[CID, bytes]]) -> None:
        self.sink.write(car.encode_header([root]))
        for cid, data in first:
            self.sink.write(car.encode_section(cid, data))

    def step(self) -> bool:
        """Write some blocks, and return whether there may be more."""
        end = self.sink.size_bytes + _STEP_BYTES
        count = 0
        for cid in islice(self.cids, _STEP_BLOCKS):
            self.sink.write(car.encode_section(cid, self.blocks.get(cid)))
            count += 1
            if self.sink.size_bytes >= end:
                break
        return count > 0


def _design(record: Record) -> Design:
    assert isinstance(record.body, Design)
    return record.body


def _root(record: Record) -> CID:
    return CID.from_bytes(_design(record).root)
