"""Blocks from one store to another: copied, read back, and only then deleted where they were.

Stopped anywhere, it has lost nothing, and what it did counts when it is begun again: a block
that is in the target already is not copied. Each is hashed twice, when it is read from the
source and when it is read from the target, so that the same CIDs are there means that the same
bytes are.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from ..cid import CID
from ..ports import BlockDamaged, BlockMissing, BlockStore
from .blocks import NotForKubo, batches

MoveProgress = Callable[[str, int, int], None]
"""Told of the step, the blocks done in it, and those that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a move found and did. Blocks, but for `size_bytes`."""

    blocks: int
    """In the source, when it began."""
    copied: int
    """The others were in the target already."""
    verified: int
    """Read back from the target, and hashed."""
    size_bytes: int
    """Of those that were verified."""
    deleted: int
    """From the source."""
    left: tuple[CID, ...]
    """Damaged, gone while it went on, or not for Kubo. Not in the target, and not deleted."""


def move(
    source: BlockStore,
    target: BlockStore,
    *,
    delete: bool,
    progress: MoveProgress = lambda _step, _done, _of: None,
) -> Moved:
    """Have all blocks of `source` in `target`, and with `delete` no more in `source`."""
    cids = sorted(source.cids())
    copied, missing = _copy(source, target, cids, progress)
    verified, size = _verify(source, target, [cid for cid in cids if cid not in missing], progress)
    lost = [cid for cid in cids if cid not in missing and cid not in verified]
    deleted = 0
    if delete:
        for cid in verified:
            source.delete(cid)
            deleted += 1
            progress("deleting", deleted, len(verified))
    return Moved(
        blocks=len(cids),
        copied=copied,
        verified=len(verified),
        size_bytes=size,
        deleted=deleted,
        left=(*missing, *lost),
    )


def _copy(
    source: BlockStore, target: BlockStore, cids: list[CID], progress: MoveProgress
) -> tuple[int, set[CID]]:
    missing: set[CID] = set()
    copied = 0

    def read() -> Iterator[tuple[CID, bytes]]:
        nonlocal copied
        for done, cid in enumerate(cids, 1):
            progress("copying", done, len(cids))
            if target.has(cid):
                continue
            try:
                data = source.get(cid)
            except (BlockMissing, BlockDamaged):
                missing.add(cid)
                continue
            copied += 1
            yield cid, data

    for batch in batches(read()):
        try:
            target.put_many(batch)
        except NotForKubo:
            for cid, data in batch:
                with suppress(NotForKubo):
                    target.put(cid, data)
    return copied, missing


def _verify(
    source: BlockStore, target: BlockStore, cids: list[CID], progress: MoveProgress
) -> tuple[set[CID], int]:
    """Read all back; what the target has lost or spoilt is copied once more."""
    verified: set[CID] = set()
    size = 0
    for done, cid in enumerate(cids, 1):
        progress("verifying", done, len(cids))
        try:
            data = _read_back(source, target, cid)
        except (BlockMissing, BlockDamaged, NotForKubo):
            continue
        verified.add(cid)
        size += len(data)
    return verified, size


def _read_back(source: BlockStore, target: BlockStore, cid: CID) -> bytes:
    try:
        return target.get(cid)
    except (BlockMissing, BlockDamaged):
        target.put(cid, source.get(cid))
        return target.get(cid)
