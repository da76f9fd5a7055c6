"""Designs' files: into the block store, out of it, and from other peers."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.storage.cid import CID
from commonfab.storage.guarded import GuardedBlocks
from commonfab.storage.ports import BlockDamaged, BlockMissing
from commonfab.storage.unixfs import folders, unixfs

FETCH_S = 600
"""For a whole design; one that goes on for longer is taken up again where it stopped."""
FRESH_S = 600
"""For so long, what has just come is held: whoever brought it has yet to say why."""
_MENDS_MAX = 8
"""Times that a tree is fetched and read again: damage may hide below damage."""

BlocksProgress = Callable[[int, int, int], None]
"""Told of blocks done, blocks known to be needed, and bytes done."""
Holders = Callable[[CID], list[NodeId]]
"""Returns the peers to ask for a tree's blocks, the likeliest first."""

T = TypeVar("T")


class Exchange(Protocol):
    """Fetches blocks from peers; bitswap.py is the real one."""

    async def fetch(
        self, root: bytes, peers: list[NodeId], *, progress: BlocksProgress | None = None
    ) -> None: ...


async def _use_nothing(_root: CID) -> None:
    """What is told of uses where nobody keeps account."""


def _refuse_nothing(_root: CID) -> str:
    return ""


class Shelf:
    """One for each node. Waits for the disk in worker threads."""

    def __init__(self, blocks: GuardedBlocks, exchange: Exchange, holders: Holders) -> None:
        self.blocks = blocks
        self.on_use: Callable[[CID], Awaitable[None]] = _use_nothing
        """Told of each tree that is whole here, as it is used."""
        self.why_not: Callable[[CID], str] = _refuse_nothing
        """Says why this node will not fetch a tree; empty: it will."""
        self._exchange = exchange
        self._holders = holders
        self._whole: set[CID] = set()
        """Roots of which every block is here."""
        self._fresh: dict[CID, float] = {}

    async def put_folder(
        self,
        path: Path,
        progress: folders.Progress | None = None,
        profile: str = unixfs.DEFAULT_PROFILE,
    ) -> CID:
        """Add a folder's files, durably, cut as the profile of this name says; return its root."""
        how = unixfs.profile_named(profile)
        add = partial(folders.add_folder, self.blocks, path, progress, how)
        with self.blocks.hold():
            root = await trio.to_thread.run_sync(add)
            await self._arrived(root)
        return root

    def is_whole(self, root: CID) -> bool:
        """Return whether all of it is known to be here, and not denied."""
        return root.as_v1() in self._whole and not self.why_not(root)

    def fresh(self) -> list[CID]:
        """Return the roots of what has just come."""
        now = trio.current_time()
        self._fresh = {root: at for root, at in self._fresh.items() if now < at + FRESH_S}
        return list(self._fresh)

    def doubt(self, sure: frozenset[CID] = frozenset()) -> None:
        """Look again, when asked, whether trees are whole, but for these."""
        self._whole &= sure

    async def look(self, root: CID) -> bool:
        """Find out whether all of it is here, by reading it. What is denied never is."""
        root = root.as_v1()
        if self.why_not(root):
            await trio.lowlevel.checkpoint()
            return False
        with self.blocks.hold():
            if root not in self._whole and await trio.to_thread.run_sync(self._is_all_here, root):
                self._whole.add(root)
            return root in self._whole

    async def fetch(
        self, root: CID, peers: list[NodeId], progress: BlocksProgress | None = None
    ) -> None:
        """Have all of it here when this returns. Raises `ResourceError` if nobody gives it, and
        `UsageError` if this node denies it."""
        why = self.why_not(root)
        if why:
            raise UsageError(f"{root}: {why}; see: commonfab deny list")
        with self.blocks.hold():
            if not await self.look(root):
                with trio.move_on_after(FETCH_S) as in_time:
                    await self._exchange.fetch(bytes(root), peers, progress=progress)
                if in_time.cancelled_caught:
                    raise ResourceError(f"{root} was not all here after {FETCH_S} s; try again")
            await self._arrived(root)

    async def mend(self, cid: CID) -> None:
        """Fetch a block again that was lost, and whatever is lost below it."""
        self.doubt()
        with self.blocks.hold():
            await self._exchange.fetch(bytes(cid), self._holders(cid))

    async def export(self, root: CID, folder: Path) -> tuple[int, int]:
        """Write a design's files into a new folder; return how many, and their bytes."""
        return await self._read(root, partial(self._export, root, folder))

    async def export_file(self, root: CID, path: str, target: Path) -> None:
        """Write one file of a design."""
        await self._read(root, partial(self._export_file, root, path, target))

    async def _arrived(self, root: CID) -> None:
        self._whole.add(root.as_v1())
        self._fresh[root.as_v1()] = trio.current_time()
        await self.on_use(root)

    async def _read(self, root: CID, task: Callable[[], T]) -> T:
        """Read from a tree; what turns out to be damaged is fetched from a peer first."""
        with self.blocks.hold():
            try:
                return await trio.to_thread.run_sync(task)
            except (BlockMissing, BlockDamaged):
                await self._mend_tree(root)
            return await trio.to_thread.run_sync(task)

    async def _mend_tree(self, root: CID) -> None:
        is_read = False
        for _ in range(_MENDS_MAX):
            if is_read:
                return
            is_read = await trio.to_thread.run_sync(self._read_all, root)
            self.doubt()
            await self.fetch(root, self._holders(root))

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

    def _read_all(self, root: CID) -> bool:
        """Read each block, so that the damaged ones are put aside; return whether all could be
        reached."""
        try:
            for cid, _ in unixfs.walk(self.blocks, root):
                self._read_one(cid)
        except (BlockMissing, BlockDamaged):
            return False
        return True

    def _read_one(self, cid: CID) -> None:
        try:
            self.blocks.get(cid)
        except (BlockMissing, BlockDamaged):
            return
