"""A walk through a tree of blocks: which are here, which must be fetched, and when all are here.

A block that is here is not fetched, but what it links to is looked at: an earlier fetch may
have been cut off anywhere. Everything that waits for the disk is called from a thread.
"""

from collections.abc import Callable, Iterable

from commonfab.protocol.errors import CommonfabError, Malformed, ResourceError
from commonfab.protocol.exchange.bitswap_wire import Block, HashedBlock, is_leaf
from commonfab.storage.cid import CID
from commonfab.storage.ports import BlockDamaged, BlockMissing, BlockStore, MadeBlock

FETCH_BLOCKS_MAX = 262_144
"""Blocks of one tree: 64 GiB in blocks of 256 KiB; the walk remembers 30 MB of CIDs."""
LOOK_BLOCKS_MAX = 500
"""Blocks looked at in one call, so that a cancelled fetch ends soon."""

Links = Callable[[CID, bytes], list[CID]]
"""Returns what a block links to; raises `Malformed` if it cannot be read."""


class Walk:
    """One walk, from one root. One call at a time."""

    def __init__(self, root: CID, blocks: BlockStore, links: Links) -> None:
        self.root = root
        self.done_blocks = 0
        self.fetched_bytes = 0
        self._blocks = blocks
        self._links = links
        self._seen: set[bytes] = set()
        self._unlooked: list[bytes] = []
        # What is in its own name is never fetched, only what it links to.
        inline = root.inline
        self._note([root] if inline is None else self._below(root, inline))

    @property
    def known_blocks(self) -> int:
        """How many different blocks the tree is known to have, so far."""
        return len(self._seen)

    @property
    def is_done(self) -> bool:
        return self.done_blocks == self.known_blocks

    @property
    def has_unlooked(self) -> bool:
        """Whether blocks are known of which it is not known if they are here."""
        return bool(self._unlooked)

    def look(self) -> list[bytes]:
        """Look for known blocks, in the order of the tree, and return what is not here."""
        missing: list[bytes] = []
        for _ in range(LOOK_BLOCKS_MAX):
            if not self._unlooked:
                break
            cid = self._unlooked.pop()
            if not self._visit(cid):
                missing.append(cid)
        return missing

    def keep(self, blocks: list[Block]) -> None:
        """Store blocks, durably; then they count, and so does what they link to."""
        named = [_named(block) for block in blocks]
        self._blocks.put_many(named)
        self.done_blocks += len(named)
        self.fetched_bytes += sum(len(data) for _, data in named)
        for cid, data in reversed(named):
            self._note(self._below(cid, data))

    def _visit(self, cid: bytes) -> bool:
        """Count a block if it is here, and note what it links to."""
        name = CID.from_bytes(cid)
        if not self._blocks.has(name):
            if not name.names(b""):
                return False
            # Whoever can name the empty block has it, and Kubo says that it does not.
            self._blocks.put_many([(name, b"")])
        if not is_leaf(cid):
            try:
                data = self._blocks.get(name)
            except (BlockMissing, BlockDamaged):
                return False
            self._note(self._below(name, data))
        self.done_blocks += 1
        return True

    def _below(self, cid: CID, data: bytes) -> list[CID]:
        try:
            return self._links(cid, data)
        except Malformed as error:
            raise TreeUnreadable(self.root, cid, error) from error

    def _note(self, cids: Iterable[CID]) -> None:
        new = [cid for cid in dict.fromkeys(map(bytes, cids)) if cid not in self._seen]
        self._seen.update(new)
        self._unlooked.extend(reversed(new))
        if len(self._seen) > FETCH_BLOCKS_MAX:
            raise TreeTooLarge(self.root)


def _named(block: Block) -> tuple[CID, bytes]:
    if isinstance(block, HashedBlock):
        return MadeBlock.received(block)
    return CID.from_bytes(block.cid), block.data


class TreeUnreadable(ResourceError):
    """A block is the right one, and its maker wrote nonsense into it."""

    def __init__(self, root: CID, cid: CID, why: CommonfabError) -> None:
        super().__init__(f"{root} cannot be read as its author made it: block {cid}: {why}")


class TreeTooLarge(ResourceError):
    """Nobody fetches so much by mistake."""

    def __init__(self, root: CID) -> None:
        super().__init__(f"{root} has more than {FETCH_BLOCKS_MAX} blocks; it is not fetched")
