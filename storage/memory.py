"""Stores that forget everything when the program ends, for tests and simulations.

They keep the same promises as those on disk, but for the durable ones.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from commonfab.protocol.admission import Place
from commonfab.protocol.ids import NodeId, RecordId, Timestamp

from .cid import CID
from .ports import BlockMissing, Mark, Outline, Proof, Quarantined, StoredRecord, check_block


class MemoryBlockStore:
    """A `BlockStore` in a dictionary."""

    def __init__(self) -> None:
        self._blocks: dict[CID, bytes] = {}

    def put(self, cid: CID, data: bytes) -> None:
        check_block(cid, data)
        self._blocks[cid.as_v1()] = bytes(data)

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        for cid, data in blocks:
            self.put(cid, data)

    def get(self, cid: CID) -> bytes:
        if not self.has(cid):
            raise BlockMissing(cid)
        return self._blocks[cid.as_v1()]

    def has(self, cid: CID) -> bool:
        return cid.as_v1() in self._blocks

    def delete(self, cid: CID) -> None:
        self._blocks.pop(cid.as_v1(), None)

    def cids(self) -> Iterator[CID]:
        yield from list(self._blocks)

    def size(self) -> int:
        return sum(map(len, self._blocks.values()))


class MemoryRecordStore:
    """A `RecordStore` in dictionaries."""

    def __init__(self) -> None:
        self._rows: dict[RecordId, StoredRecord] = {}
        self._places: dict[tuple[NodeId, str, int], RecordId] = {}
        self._marks: dict[tuple[NodeId, str], Mark] = {}
        self._proofs: dict[tuple[NodeId, str, int], Proof] = {}
        self._quarantine: dict[RecordId, Quarantined] = {}
        self._notes: dict[str, bytes] = {}

    def put_many(self, rows: Iterable[StoredRecord]) -> list[StoredRecord]:
        return [row for row in list(rows) if not self._put(row)]

    def _put(self, row: StoredRecord) -> bool:
        mark = self._marks.get((row.author, row.stream))
        if mark is not None and mark.seq == row.seq and mark.id != row.id:
            return False
        if row.id in self._rows:
            return True
        if self._places.setdefault((row.author, row.stream, row.seq), row.id) != row.id:
            return False
        self._rows[row.id] = row
        if mark is None or row.seq > mark.seq:
            self._marks[row.author, row.stream] = Mark(row.seq, row.id)
        return True

    def get(self, record_id: RecordId) -> StoredRecord | None:
        return self._rows.get(record_id)

    def has(self, record_id: RecordId) -> bool:
        return record_id in self._rows

    def find(
        self, *, kind: str | None = None, author: NodeId | None = None, stream: str | None = None
    ) -> Iterator[StoredRecord]:
        for row in sorted(self._rows.values(), key=lambda row: (row.at, row.id)):
            if (
                kind in (None, row.kind)
                and author in (None, row.author)
                and stream in (None, row.stream)
            ):
                yield row

    def ids(self, kinds: Collection[str]) -> list[RecordId]:
        return [row.id for row in self.find() if row.kind in kinds]

    def outlines(self, kind: str) -> list[Outline]:
        return [
            Outline(Place(row.author, row.stream, row.seq, row.id), row.at, len(row.data))
            for row in self.find(kind=kind)
        ]

    def marks(self) -> dict[tuple[NodeId, str], Mark]:
        return dict(self._marks)

    def remove_expired(self, now: Timestamp, keep_kinds: Collection[str]) -> int:
        ended = [
            row
            for row in self._rows.values()
            if 0 < row.until <= now and row.kind not in keep_kinds
        ]
        for row in ended:
            del self._rows[row.id]
            del self._places[row.author, row.stream, row.seq]
        return len(ended)

    def put_proof(self, proof: Proof) -> None:
        self._proofs.setdefault((proof.author, proof.stream, proof.seq), proof)

    def proofs(self) -> list[Proof]:
        return [self._proofs[place] for place in sorted(self._proofs)]

    def put_quarantine(self, item: Quarantined) -> None:
        self._quarantine[item.id] = item

    def quarantine(self) -> list[Quarantined]:
        return [self._quarantine[record_id] for record_id in sorted(self._quarantine)]

    def put_notes(self, notes: Mapping[str, bytes]) -> None:
        self._notes.update(notes)

    def get_note(self, key: str) -> bytes | None:
        return self._notes.get(key)

    def close(self) -> None:
        """Nothing to let go of."""
