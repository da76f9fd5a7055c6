"""Designs' files: into the block store, out of it, and from other peers."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import trio

from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.storage import folders, unixfs
from commonfab.storage.cid import CID
from commonfab.storage.ports import BlockDamaged, BlockMissing, BlockStore

FETCH_S = 600
"""For a whole design; one that goes on for longer is taken up again where it stopped."""

BlocksProgress = Callable[[int, int, int], None]
"""Told of blocks done, blocks known to be needed, and bytes done."""


class Exchange(Protocol):
    """Fetches blocks from peers; bitswap.py is the real one."""

    async def fetch(
        self, root: bytes, peers: list[NodeId], *, progress: BlocksProgress | None = None
    ) -> None: ...


class Shelf:
    """One for each node. Waits for the disk in worker threads."""

    def __init__(self, blocks: BlockStore, exchange: Exchange) -> None:
        self.blocks = blocks
        self._exchange = exchange
        self._whole: set[CID] = set()
        """Roots of which every block is here."""

    async def put_folder(self, path: Path, progress: folders.Progress | None = None) -> CID:
        """Add a folder's files, durably, and return its root."""
        root = await trio.to_thread.run_sync(folders.add_folder, self.blocks, path, progress)
        self._whole.add(root)
        return root

    def is_whole(self, root: CID) -> bool:
        """Return whether all of it is known to be here."""
        return root in self._whole

    async def look(self, root: CID) -> bool:
        """Find out whether all of it is here, by reading it."""
        if root not in self._whole and await trio.to_thread.run_sync(self._is_all_here, root):
            self._whole.add(root)
        return root in self._whole

    async def fetch(
        self, root: CID, peers: list[NodeId], progress: BlocksProgress | None = None
    ) -> None:
        """Have all of it here when this returns. Raises `ResourceError` if nobody gives it."""
        if await self.look(root):
            return
        with trio.move_on_after(FETCH_S) as in_time:
            await self._exchange.fetch(bytes(root), peers, progress=progress)
        if in_time.cancelled_caught:
            raise ResourceError(f"{root} was not all here after {FETCH_S} s; try again")
        self._whole.add(root)

    async def export(self, root: CID, folder: Path) -> tuple[int, int]:
        """Write a design's files into a new folder; return how many, and their bytes."""
        return await trio.to_thread.run_sync(self._export, root, folder)

    async def export_file(self, root: CID, path: str, target: Path) -> None:
        """Write one file of a design."""
        await trio.to_thread.run_sync(self._export_file, root, path, target)

    def _export(self, root: CID, folder: Path) -> tuple[int, int]:
        folders.export(self.blocks, root, folder)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return len(sizes), sum(sizes)

    def _export_file(self, root: CID, path: str, target: Path) -> None:
        cid = unixfs.resolve(self.blocks, root, path)
        with target.open("wb") as file:
            for chunk in unixfs.read_file(self.blocks, cid):
                file.write(chunk)

    def _is_all_here(self, root: CID) -> bool:
        try:
            for _ in unixfs.walk(self.blocks, root):
                pass
        except (BlockMissing, BlockDamaged):
            return False
        return True
