"""Blocks on disk, one file each, whole or not at all.

    <folder>/blocks/<shard>/<cid>   a block, in a folder named by the CID's last letter but one
    <folder>/unfinished/            being written; emptied when the store is opened
    <folder>/damaged/               read back wrong, and moved here

A block is written aside, made durable, moved to its name, and its shard made durable: only
then is it acknowledged. Every read is checked against the CID. One process at a time; the
lock is the node's. What makes writing fast: specs/decisions/0016-many-files-at-once.md.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Lock

from commonfab.protocol.errors import Malformed

from .cid import CID
from .disk import reporting
from .ports import BlockDamaged, BlockMissing, MadeBlock, check_block

_SHARDS = "abcdefghijklmnopqrstuvwxyz234567"
_WRITERS = 16
"""Threads of one `put_many`. They wait for the disk, which does many syncs in the time of one."""
_WAITING_BYTES_MAX = 16 * 1024**2
_WAITING_BLOCKS_MAX = 64
"""What is in memory of one `put_many`, and not yet written."""

Sync = Callable[[int], None]
"""Makes an open file or folder durable, as `os.fsync` does. Called from several threads."""


class DiskBlockStore:
    """A `BlockStore` in a folder that it makes if need be."""

    def __init__(self, folder: Path, *, sync: Sync = os.fsync) -> None:
        self._blocks = folder / "blocks"
        self._unfinished = folder / "unfinished"
        self._damaged = folder / "damaged"
        self._sync = sync
        self._serial = count()
        self._naming = Lock()
        """Held while a file gets a block's name, or loses it."""
        with reporting(str(folder)):
            self._make_folders()
            for left in self._unfinished.iterdir():
                left.unlink()

    def put(self, cid: CID, data: bytes) -> None:
        self.put_many([(cid, data)])

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        # Blocks are drawn here, and hashed, written and synced by threads meanwhile: a disk
        # that is asked for many files at once makes them durable in about the time of one.
        shards: set[Path] = set()
        waiting: deque[tuple[Future[None], int]] = deque()
        waiting_bytes = 0
        with ThreadPoolExecutor(_WRITERS) as writers:
            try:
                for block in blocks:
                    cid, data = block
                    path = self._path(cid)
                    shards.add(path.parent)
                    waiting.append((writers.submit(self._keep, path, block), len(data)))
                    waiting_bytes += len(data)
                    while waiting_bytes > _WAITING_BYTES_MAX or len(waiting) > _WAITING_BLOCKS_MAX:
                        done, freed = waiting.popleft()
                        done.result()
                        waiting_bytes -= freed
            finally:
                # Whatever happened: what can be seen here from now on must be durable. Also of
                # blocks that were here already: they may not be durable yet.
                wait([done for done, _ in waiting])
                list(writers.map(self._sync_shard, shards))
            for done, _ in waiting:
                done.result()

    def get(self, cid: CID) -> bytes:
        path = self._path(cid)
        data = _read(cid, path)
        if cid.names(data):
            return data
        with self._naming:
            data = _read(cid, path)  # In the meantime another thread may have mended it.
            if not cid.names(data):
                raise self._put_aside(cid, path)
        return data

    def has(self, cid: CID) -> bool:
        return self._path(cid).is_file()

    def delete(self, cid: CID) -> None:
        with reporting(str(self._blocks)):
            self._path(cid).unlink(missing_ok=True)

    def cids(self) -> Iterator[CID]:
        for entry in self._entries():
            try:
                yield CID.parse(entry.name)
            except Malformed:
                continue  # Not ours: somebody put a file there by hand.

    def size(self) -> int:
        total = 0
        with reporting(str(self._blocks)):
            for entry in self._entries():
                with suppress(FileNotFoundError):  # Deleted a moment ago.
                    total += entry.stat().st_size
        return total

    def _make_folders(self) -> None:
        shards = [self._blocks / letter for letter in _SHARDS]
        for folder in (self._unfinished, self._damaged, *shards):
            folder.mkdir(parents=True, exist_ok=True)
        # The shards too: a program that was killed may have named what it did not make durable.
        for folder in (*shards, self._blocks, self._blocks.parent, self._blocks.parent.parent):
            self._sync_path(folder)

    def _keep(self, path: Path, block: tuple[CID, bytes]) -> None:
        """Check a block and have it under its name, its bytes durable; the name is not yet."""
        cid, data = block
        if not isinstance(block, MadeBlock):
            check_block(cid, data)
        with reporting(str(self._blocks)):
            if not _holds(path, data):
                self._write(path, data)

    def _write(self, path: Path, data: bytes) -> None:
        aside = self._unfinished / str(next(self._serial))
        try:
            with open(aside, "xb", buffering=0) as file:
                written = 0
                while written < len(data):
                    written += file.write(memoryview(data)[written:])
                self._sync(file.fileno())
            with self._naming:
                os.replace(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def _sync_shard(self, shard: Path) -> None:
        with reporting(str(self._blocks)):
            self._sync_path(shard)

    def _sync_path(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY)
        try:
            self._sync(handle)
        finally:
            os.close(handle)

    def _put_aside(self, cid: CID, path: Path) -> BlockDamaged:
        aside = self._damaged / path.name
        with reporting(str(path)):
            os.replace(path, aside)
        return BlockDamaged(cid, str(aside))

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        with reporting(str(self._blocks)):
            for letter in _SHARDS:
                with os.scandir(self._blocks / letter) as entries:
                    yield from entries

    def _path(self, cid: CID) -> Path:
        name = str(cid.as_v1())
        return self._blocks / name[-2] / name


def _read(cid: CID, path: Path) -> bytes:
    with reporting(str(path)):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise BlockMissing(cid) from None


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False
