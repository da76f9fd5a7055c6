"""Which blocks may go, and in which order: a mark over the trees that stay, then a sweep.

What a reason holds is marked first, whatever its size. Of the other trees the one used last is
marked next, then the one before, as long as all of it stays within the target; the rest goes,
and so do blocks that no known tree has. Waits for the disk: call it in a thread.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from commonfab.storage.cid import CID, DAG_PB
from commonfab.storage.ports import BlockDamaged, BlockMissing, BlockStore
from commonfab.storage.unixfs import dagpb, unixfs

Delete = Callable[[CID], bool]
"""Deletes a block; returns False for one that somebody uses now, and leaves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is known of the trees when a collection begins."""

    held: Collection[CID]
    """Roots that a reason holds."""
    uses: Mapping[CID, Timestamp]
    """Roots that were whole here, and when each was used last."""
    once_whole: Collection[CID]
    """Roots of trees of which every block was here once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection did, or would do. Bytes are those that blocks claim of one another."""

    held_bytes: int
    kept_bytes: int
    """Of all trees that stay, those that are held included."""
    gone: tuple[CID, ...]
    """Roots of trees of which blocks were removed."""
    kept_roots: frozenset[CID]
    blocks: int
    """Removed, or to be removed."""
    spared: int
    """Blocks that would have gone, but are used now or may belong below a hole."""
    has_hole: bool
    """A block of a held tree is lost, and what was below it cannot be told from what may go:
    nothing was removed."""


class Marks:
    """The blocks of the trees that were marked so far."""

    def __init__(self, blocks: BlockStore) -> None:
        self.sizes: dict[CID, int] = {}
        """Bytes by block, of leaves what is claimed of them; 0 for one that is not here."""
        self.bytes = 0
        self.has_hole = False
        """A block of a marked tree is not here, and what is below it cannot be known."""
        self._blocks = blocks

    def tree(self, root: CID) -> dict[CID, int]:
        """Return the blocks of a tree that are not marked yet; marks none of them."""
        found: dict[CID, int] = {}
        waiting = [(cid.as_v1(), -1) for cid in unixfs.blocks_of(root)]
        while waiting:
            cid, claimed = waiting.pop()
            if cid in found or cid in self.sizes:
                continue
            if cid.codec != DAG_PB and claimed >= 0:
                found[cid] = min(claimed, BLOCK_BYTES_MAX) if self._blocks.has(cid) else 0
                continue
            try:
                data = self._blocks.get(cid)
            except (BlockMissing, BlockDamaged):
                found[cid] = 0
                continue
            found[cid] = len(data)
            waiting += _below(data) if cid.codec == DAG_PB else ()
        return found

    def mark(self, tree: dict[CID, int]) -> None:
        self.sizes |= tree
        self.bytes += sum(tree.values())
        self.has_hole |= any(size == 0 and cid.codec == DAG_PB for cid, size in tree.items())


def _below(data: bytes) -> Iterator[tuple[CID, int]]:
    try:
        for link in dagpb.decode(data).links:
            for cid in unixfs.blocks_of(link.cid):
                yield cid.as_v1(), link.tsize
    except Malformed:
        return  # Nobody can read it, so nothing is below it.


def collect(
    blocks: BlockStore, wanted: Wanted, target_bytes: int, delete: Delete | None
) -> Collected:
    """Remove what may go until what stays is within the target; without `delete`, only look.

    Stopped anywhere, by an error too, it has removed nothing that must stay.
    """
    marks = Marks(blocks)
    once_whole = {root.as_v1() for root in wanted.once_whole}
    for root in wanted.held:
        was_whole = root.as_v1() in once_whole
        hole_before = marks.has_hole
        marks.mark(marks.tree(root))
        # A tree that was never whole here has nothing below its holes to lose.
        marks.has_hole = hole_before or (marks.has_hole and was_whole)
    held_bytes, has_hole = marks.bytes, marks.has_hole
    if has_hole:
        delete = _spare
    kept, gone = _choose(marks, wanted, target_bytes)
    removed = spared = 0
    for cid in list(blocks.cids()):
        if cid in marks.sizes:
            continue
        if delete is not None and not delete(cid):
            spared += 1
        else:
            removed += 1
    return Collected(
        held_bytes=held_bytes,
        kept_bytes=marks.bytes,
        gone=tuple(gone),
        has_hole=has_hole,
        kept_roots=frozenset(root.as_v1() for root in (*wanted.held, *kept)),
        blocks=removed,
        spared=spared,
    )


def _spare(_cid: CID) -> bool:
    return False


def _choose(marks: Marks, wanted: Wanted, target_bytes: int) -> tuple[list[CID], list[CID]]:
    """Mark the other trees, the one used last first, until one does not fit."""
    held = {root.as_v1() for root in wanted.held}
    others = {root.as_v1(): at for root, at in wanted.uses.items() if root.as_v1() not in held}
    kept: list[CID] = []
    gone: list[CID] = []
    for root in sorted(others, key=lambda root: (others[root], root), reverse=True):
        tree = marks.tree(root)
        if not gone and marks.bytes + sum(tree.values()) <= target_bytes:
            marks.mark(tree)
            kept.append(root)
        else:
            gone.append(root)
    return kept, gone
