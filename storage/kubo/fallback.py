"""A node's blocks in Kubo while one is there, and on its own disk whenever not.

    put   to Kubo; what it does not take goes to the disk, in the same call
    get   from the disk, and then from Kubo; a Kubo that is away has nothing
    look  is Kubo there, and has it room: asked now and then, as calls only ever lose it

So a Kubo that is absent, slow, full or of another kind costs at most one waiting call. What is
on the disk stays there until it is moved (move.py).
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from threading import Lock

from commonfab.protocol.limits import MIB

from ..cid import CID
from ..ports import BlockDamaged, BlockMissing, BlockStore
from .blocks import KuboBlockStore, NotForKubo, batches
from .rpc import KuboAway, KuboRefused

ROOM_BYTES_MIN = 64 * MIB
"""A Kubo that may not grow by so much is full."""


class BlocksWithKubo:
    """A `BlockStore` over two others. Begins without Kubo, until the first `look`."""

    def __init__(self, disk: BlockStore, kubo: KuboBlockStore) -> None:
        self.disk = disk
        self.kubo = kubo
        self.version = ""
        """Of Kubo, when it was there last."""
        self.trouble = f"Kubo at {kubo.rpc.address} has not been asked yet"
        """Why Kubo is not used, or not for what is new; empty if it is."""
        self._is_there = False
        self._takes = False
        self._looking = Lock()

    @property
    def is_there(self) -> bool:
        """Whether Kubo answered when it was asked last."""
        return self._is_there

    @property
    def takes(self) -> bool:
        """Whether new blocks go to Kubo."""
        return self._is_there and self._takes

    def look(self) -> None:
        """Find out whether Kubo is there, and has room. Waits for it."""
        with self._looking:
            try:
                if not self._is_there:
                    self.version = self.kubo.connect()
                room = self.kubo.room()
            except (KuboAway, KuboRefused) as error:
                self._lose(error)
                return
            self._takes = room >= ROOM_BYTES_MIN
            self._is_there = True
            self.trouble = "" if self._takes else _full(self.kubo.rpc.address)

    def put(self, cid: CID, data: bytes) -> None:
        self.put_many([(cid, data)])

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        rest = iter(blocks)
        if not self.takes:
            self.disk.put_many(rest)
            return
        for batch in batches(rest):
            if self._offer(batch):
                continue
            if not self.takes:
                self.disk.put_many(chain(batch, rest))
                return
            self.disk.put_many(batch)

    def get(self, cid: CID) -> bytes:
        try:
            return self.disk.get(cid)
        except (BlockMissing, BlockDamaged) as error:
            if not self._is_there or not self.kubo.has(cid):
                raise
            try:
                return self.kubo.get(cid)
            except (KuboAway, KuboRefused) as lost:
                self._lose(lost)
                raise error from lost

    def has(self, cid: CID) -> bool:
        return self.disk.has(cid) or (self._is_there and self.kubo.has(cid))

    def delete(self, cid: CID) -> None:
        self.disk.delete(cid)
        if self._is_there:
            try:
                self.kubo.delete(cid)
            except KuboAway as error:
                self._lose(error)

    def cids(self) -> Iterator[CID]:
        yield from self.disk.cids()
        if self._is_there:
            yield from (cid for cid in self.kubo.cids() if not self.disk.has(cid))

    def size(self) -> int:
        size = self.disk.size()
        if self._is_there:
            try:
                size += self.kubo.size()
            except KuboAway as error:
                self._lose(error)
        return size

    def _offer(self, batch: list[tuple[CID, bytes]]) -> bool:
        """Return whether Kubo has taken the blocks."""
        try:
            self.kubo.put_batch(batch)
        except KuboAway as error:
            self._lose(error)
            return False
        except NotForKubo:
            return False
        except KuboRefused as error:
            self._takes = False
            self.trouble = f"{error}; what is new goes to this node's own disk"
            return False
        return True

    def _lose(self, error: KuboAway | KuboRefused) -> None:
        self._is_there = self._takes = False
        self.trouble = f"{error}; this node's own disk is used"


def _full(address: str) -> str:
    return (
        f"Kubo at {address} is full: what is new goes to this node's own disk; raise its "
        "Datastore.StorageMax, or collect with: commonfab ipfs gc"
    )
