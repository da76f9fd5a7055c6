"""A block store in which blocks can be collected while others publish and fetch.

Who writes or fetches a tree takes a hold. Whatever block is put, looked for or read while any
hold is open stays until that hold is over, and until a collection that ran beside it is over:
a collection's own hold reaches back to the oldest one that was open when it began. So nobody
who was told that a block is here loses it between two of his steps.

    hold      |----- put a, has b -----|
    sweep              |-------------------|     a and b stay, whatever the sweep marked

Calls may come from several threads. A block that was read as damaged is told of at once.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

from .cid import CID
from .ports import BlockDamaged, BlockMissing, BlockStore


class GuardedBlocks:
    """A `BlockStore` around another, which nobody else may delete from."""

    def __init__(self, inner: BlockStore) -> None:
        self.inner = inner
        """The store itself, for whoever only looks: what is read there is not held."""
        self.written_bytes = 0
        """Put since the start; repeats count."""
        self.denied: frozenset[CID] = frozenset()
        """As version 1: blocks that are for nobody, as if they were not here."""
        self.on_damage: Callable[[CID], None] | None = None
        """Told of each block that was read as damaged, in the reader's thread."""
        self._lock = Lock()
        self._time = 0
        self._touched: dict[CID, int] = {}
        """What was touched while any hold was open, by when; the oldest first."""
        self._open: list[int] = []
        """When each open hold began."""

    @contextmanager
    def hold(self) -> Generator[None]:
        """Hold what is touched during the block."""
        with self._opened(reach_back=False):
            yield

    @contextmanager
    def sweep(self) -> Generator[Callable[[CID], bool]]:
        """Collect during the block: it gives a function that deletes a block, and returns
        whether it was free to go. What must stay has to be found out within the block."""
        with self._opened(reach_back=True) as since:
            yield lambda cid: self._delete_unheld(cid, since)

    def put(self, cid: CID, data: bytes) -> None:
        self.put_many([(cid, data)])

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        self.inner.put_many(self._touch_each(blocks))

    def get(self, cid: CID) -> bytes:
        if cid.as_v1() in self.denied:
            raise BlockMissing(cid)
        self._touch(cid)
        try:
            return self.inner.get(cid)
        except BlockDamaged:
            if self.on_damage is not None:
                self.on_damage(cid)
            raise

    def has(self, cid: CID) -> bool:
        self._touch(cid)
        return cid.as_v1() not in self.denied and self.inner.has(cid)

    def delete(self, cid: CID) -> None:
        self.inner.delete(cid)

    def cids(self) -> Iterator[CID]:
        return self.inner.cids()

    def size(self) -> int:
        return self.inner.size()

    def _touch_each(self, blocks: Iterable[tuple[CID, bytes]]) -> Iterator[tuple[CID, bytes]]:
        for block in blocks:
            cid, data = block
            self._touch(cid)
            self.written_bytes += len(data)
            yield block  # The same object: one that was made here need not be hashed again.

    def _touch(self, cid: CID) -> None:
        """Before the store is asked: what it then says stays true."""
        with self._lock:
            if self._open:
                key = cid.as_v1()
                self._touched.pop(key, None)
                self._time += 1
                self._touched[key] = self._time

    def _delete_unheld(self, cid: CID, since: int) -> bool:
        with self._lock:
            if self._touched.get(cid.as_v1(), -1) >= since:
                return False
            self.inner.delete(cid)
            return True

    @contextmanager
    def _opened(self, *, reach_back: bool) -> Generator[int]:
        with self._lock:
            self._time += 1
            since = min(self._open, default=self._time) if reach_back else self._time
            self._open.append(since)
        try:
            yield since
        finally:
            with self._lock:
                self._open.remove(since)
                self._let_go()

    def _let_go(self) -> None:
        """Forget what was touched before any open hold began."""
        oldest = min(self._open, default=self._time + 1)
        while self._touched:
            cid, touched = next(iter(self._touched.items()))
            if touched >= oldest:
                return
            del self._touched[cid]
