"""What a store is to the rest of the program: two ports, their values and their errors.

`blocks.py` and `records.py` keep them on disk, `memory.py` has their twins in memory.
All four pass tests/contracts. Calls may wait for the disk: a node makes them from a thread.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from commonfab.protocol.admission import Place
from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.exchange.bitswap_wire import HashedBlock
from commonfab.protocol.ids import NodeId, RecordId, Timestamp, short
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from commonfab.protocol.peer_id import peer_text

from .cid import CID, Codec, Version

_INTEGER_MAX = 2**63 - 1


class StoreFull(ResourceError):
    """There is no room for more. What was kept before is whole and still there."""

    def __init__(self, path: str, way_out: str = "move the home folder") -> None:
        super().__init__(
            f"{path}: no room left on this disk, or a quota or file size limit is reached; "
            f"free some space or {way_out}, then try again"
        )
        self.path = path


class StoreBroken(ResourceError):
    """The disk or the file refused for another reason than room."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


class BlockMissing(ResourceError):
    """The block is not in this store; another peer may have it."""

    def __init__(self, cid: CID) -> None:
        super().__init__(f"block {cid} is not here; fetch it from a peer")
        self.cid = cid


class BlockDamaged(ResourceError):
    """The block was here, but its bytes have changed. It has been put aside."""

    def __init__(self, cid: CID, aside: str) -> None:
        super().__init__(f"block {cid} is damaged, moved to {aside}; fetch it again from a peer")
        self.cid = cid


class RecordDamaged(ResourceError):
    """The record was here, but its row has changed. It has been put in quarantine."""

    def __init__(self, record_id: RecordId) -> None:
        super().__init__(f"record {short(record_id)} is damaged, now in quarantine; sync again")
        self.record_id = record_id


def check_size(cid: CID, data: bytes) -> None:
    """Raise `Malformed` if a block is larger than stores keep."""
    if len(data) > BLOCK_BYTES_MAX:
        raise Malformed(f"block {cid} has {len(data)} bytes; at most {BLOCK_BYTES_MAX} are kept")


def check_block(cid: CID, data: bytes) -> None:
    """Raise `Malformed` unless a store may keep these bytes under this CID."""
    check_size(cid, data)
    if cid.inline is not None:
        raise Malformed(f"block {cid} is in its own name: it is not kept, and needs no keeping")
    if not cid.names(data):
        raise Malformed(f"block {cid} does not have the bytes that its name says")


class MadeBlock(tuple[CID, bytes]):
    """A block with the CID that was made from these very bytes: nobody need hash it again.

    There is no way to make a false one, as both CIDs and bytes never change.
    """

    __slots__ = ()

    def __new__(cls, data: bytes | bytearray, *, codec: Codec, version: Version = 1) -> "MadeBlock":
        data = bytes(data)  # The same object, unless it was one that can change.
        cid = CID.of(data, codec=codec, version=version)
        check_size(cid, data)
        return super().__new__(cls, (cid, data))

    @classmethod
    def received(cls, block: HashedBlock) -> "MadeBlock":
        """Return a block that was hashed as it was read from a peer's message."""
        cid = CID.from_bytes(block.cid)
        check_size(cid, block.data)
        return super().__new__(cls, (cid, block.data))


class BlockStore(Protocol):
    """Blocks under their CIDs. The two versions of a CID name the same block."""

    def put(self, cid: CID, data: bytes) -> None:
        """Keep a block; when this returns, it outlasts a power cut.

        Raises `Malformed` if the bytes are not those that the CID names or are too many.
        """
        ...

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        """Keep all of them, durable together when this returns. Much faster than one by one.

        They are drawn from `blocks` in the caller's thread and never all in memory.
        If it raises, any of them may be there or not, each of them whole.
        """
        ...

    def get(self, cid: CID) -> bytes:
        """Return the block, its hash checked; `BlockMissing` or `BlockDamaged` otherwise."""
        ...

    def has(self, cid: CID) -> bool: ...

    def delete(self, cid: CID) -> None:
        """Forget a block, if it is there."""
        ...

    def cids(self) -> Iterator[CID]:
        """Yield what is here, as version 1, in no particular order."""
        ...

    def size(self) -> int:
        """Return the bytes of all blocks; counts them one by one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A sealed record and what is asked about it, so that no question needs decoding it."""

    id: RecordId
    author: NodeId
    kind: str
    stream: str
    seq: int
    """Place in the author's stream, from 0; at most 2^63 - 1."""
    at: Timestamp
    """When its author says that it was made."""
    until: Timestamp
    """When it ends; 0 is never."""
    data: bytes
    """The exact bytes that arrived or were signed here."""

    def __post_init__(self) -> None:
        if not all(0 <= number <= _INTEGER_MAX for number in (self.seq, self.at, self.until)):
            raise Malformed(f"record {short(self.id)}: a number outside 0 to 2^63 - 1")


@dataclass(frozen=True, slots=True)
class Mark:
    """The highest place ever kept in one author's stream, and which record stood there."""

    seq: int
    id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Two different records that one author signed for one place of one stream."""

    author: NodeId
    stream: str
    seq: int
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a stored record without reading it."""

    place: Place
    at: Timestamp
    size: int
    """Bytes, as sealed."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes that are kept only to be looked at, and why."""

    id: RecordId
    reason: str
    data: bytes
    sender: NodeId | None = None
    """Who sent it; None: it was a good record here, and has changed on the disk."""

    def __str__(self) -> str:
        sender = f" from {peer_text(self.sender)}" if self.sender else ""
        return f"{short(self.id)}{sender}: {self.reason}"


Identify = Callable[[bytes], RecordId]
"""Returns the id of a sealed record, from its bytes; raises `PeerError` if they are not one."""


class RecordStore(Protocol):
    """Signed records, and what must be remembered about their authors."""

    def put_many(self, rows: Iterable[StoredRecord]) -> list[StoredRecord]:
        """Keep all rows in one commit, durable when this returns, and raise the marks.

        Returns the rows that were not kept because another record has their author,
        stream and seq (also if that one has been removed since, and is the marked one).
        A row that is already here is kept once. If it raises, none was kept.
        """
        ...

    def get(self, record_id: RecordId) -> StoredRecord | None:
        """Return the record, checked against its id; `RecordDamaged` once if it has changed."""
        ...

    def has(self, record_id: RecordId) -> bool: ...

    def find(
        self, *, kind: str | None = None, author: NodeId | None = None, stream: str | None = None
    ) -> Iterator[StoredRecord]:
        """Yield the records that fit, by time and id. Damaged ones go to quarantine instead."""
        ...

    def ids(self, kinds: Collection[str]) -> list[RecordId]:
        """Return the ids of all records of these kinds, by time and id."""
        ...

    def outlines(self, kind: str) -> list[Outline]:
        """Return the records of a kind by time and id, without reading them. Those whose row
        has changed otherwise go to quarantine instead."""
        ...

    def marks(self) -> dict[tuple[NodeId, str], Mark]:
        """Return the mark of every author and stream. A mark never goes down."""
        ...

    def remove_expired(self, now: Timestamp, keep_kinds: Collection[str]) -> int:
        """Remove what ended at or before `now`, but for these kinds; return how many."""
        ...

    def put_proof(self, proof: Proof) -> None:
        """Keep a proof; the first one for a place stays."""
        ...

    def proofs(self) -> list[Proof]: ...

    def put_quarantine(self, item: Quarantined) -> None: ...

    def quarantine(self) -> list[Quarantined]:
        """Return what was put aside, by id; the newest under each."""
        ...

    def put_notes(self, notes: Mapping[str, bytes]) -> None:
        """Keep documents of this node's own, each in the place of an older one with its key;
        durable, all or none."""
        ...

    def get_note(self, key: str) -> bytes | None: ...

    def close(self) -> None: ...
