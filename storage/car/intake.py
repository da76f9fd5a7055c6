"""The blocks of a CAR on their way into a store: a batch at a time, each durable.

Memory holds one batch, whatever the file. Opening the same file again is how one goes on: a
block that is here already is compared, not written. A preview reads and checks everything as
well, and remembers only where in the file each block is.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, Protocol

from commonfab.protocol.errors import Malformed

from ..cid import CID
from ..ports import BlockMissing, BlockStore
from .bundle import Blocks
from .car import Block, Damage, Item, Reader, Refused

BATCH_BYTES_MAX = 16 * 1024**2
BATCH_BLOCKS_MAX = 1024
"""Blocks that are made durable together."""
REFUSED_LISTED_MAX = 100
"""Refusals that are told one by one; the others are counted."""
PREVIEW_BLOCKS_MAX = 1 << 18
"""Blocks that a preview can look at: 64 GiB of the usual size, remembered in 60 MB."""


class Taker(Protocol):
    """Where blocks go."""

    def has(self, cid: CID) -> bool: ...

    def keep(self, blocks: Collection[Block]) -> None:
        """Have all of them; what this does is done when it returns."""
        ...


@dataclass(slots=True)
class Intake:
    """Reads a CAR once. Call `take` until it returns False; then the counts are final."""

    reader: Reader
    taker: Taker
    blocks: int = 0
    """Good ones; what comes again is counted again."""
    size_bytes: int = 0
    new_blocks: int = 0
    """Those that were not here before."""
    new_bytes: int = 0
    refused: list[str] = field(default_factory=list[str])
    refused_count: int = 0
    damage: Damage | None = None
    _items: Iterator[Item] = field(init=False)

    def __post_init__(self) -> None:
        self._items = self.reader.items()

    def take(self) -> bool:
        """Take in a batch, and return whether there may be more."""
        batch: dict[CID, Block] = {}
        size = count = 0
        for item in islice(self._items, BATCH_BLOCKS_MAX):
            count += 1
            match item:
                case Block(cid, data):
                    batch[cid.as_v1()] = item
                    size += len(data)
                case Refused(at, why):
                    self.refuse(f"byte {at}: {why}")
                case Damage():
                    self.damage = item
            if size >= BATCH_BYTES_MAX:
                break
        for cid, block in batch.items():
            self._count(block, is_new=not self.taker.has(cid))
        self.taker.keep(batch.values())
        return count > 0

    def refuse(self, why: str) -> None:
        """Note something of the file that is not taken."""
        self.refused_count += 1
        if len(self.refused) < REFUSED_LISTED_MAX:
            self.refused.append(why)

    def _count(self, block: Block, *, is_new: bool) -> None:
        self.blocks += 1
        self.size_bytes += len(block.data)
        if is_new:
            self.new_blocks += 1
            self.new_bytes += len(block.data)


class StoreTaker:
    """Keeps blocks in a store. Also those that are here already: one of them may be damaged,
    or not yet durable, and the store finds out cheaply."""

    def __init__(self, store: BlockStore) -> None:
        self._store = store

    def has(self, cid: CID) -> bool:
        return self._store.has(cid)

    def keep(self, blocks: Collection[Block]) -> None:
        self._store.put_many(block.made or (block.cid, block.data) for block in blocks)


class Preview:
    """Keeps nothing, and then shows what the store would have: its blocks and the file's."""

    def __init__(self, file: BinaryIO, store: Blocks) -> None:
        self._file = file
        self._store = store
        self._places: dict[bytes, tuple[int, int]] = {}
        """Of each block in the file: where its bytes begin, and how many they are."""

    def has(self, cid: CID) -> bool:
        return bytes(cid.as_v1()) in self._places or self._store.has(cid)

    def keep(self, blocks: Collection[Block]) -> None:
        for block in blocks:
            if len(self._places) < PREVIEW_BLOCKS_MAX:
                self._places[bytes(block.cid.as_v1())] = (block.at, len(block.data))

    def get(self, cid: CID) -> bytes:
        place = self._places.get(bytes(cid.as_v1()))
        if place is None:
            return self._store.get(cid)
        at, size = place
        try:
            self._file.seek(at)
            data = self._file.read(size)
        except OSError:
            raise BlockMissing(cid) from None
        if not cid.names(data):
            raise Malformed(f"block {cid} changed while the file was read")
        return data
