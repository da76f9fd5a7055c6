"""The public records that this node knows, on disk and as what they mean.

Owns the record store. Writes go through one worker thread; what is public is also kept
ready in memory: the designs, the workshops, and the machines as the scheduler's arrays.
"""

from collections.abc import Mapping, Sequence

import trio

from commonfab.protocol import envelope, records
from commonfab.protocol.admission import Place
from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.records import Capacity, Design, Record, Workshop
from commonfab.scheduler.view import CapacityView
from commonfab.storage.ports import Proof, RecordStore, StoredRecord


class Library:
    """See the module's docstring. Also the `Library` of protocol/sync.py."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._writing = trio.CapacityLimiter(1)
        self._public: dict[RecordId, tuple[NodeId, int]] = {}
        """What is passed on: its author, and when it expires; 0: never."""
        self._newest: dict[tuple[NodeId, str], Record] = {}
        """Of the kinds of which only the newest counts."""
        self._sorted: list[RecordId] | None = None
        self.designs: dict[RecordId, Record] = {}
        self.workshops: dict[NodeId, Workshop] = {}
        self.view = CapacityView()

    # What was kept before.

    def load(self) -> list[Record]:
        """Return every stored record that can be read, and take in the public ones."""
        loaded: list[Record] = []
        for row in self._store.find():
            try:
                record = records.read(envelope.parse(row.data))
            except CommonfabError:
                continue  # A kind that this version does not know. It stays on the disk.
            loaded.append(record)
            if record.kind in records.PUBLIC:
                self._take_in(record)
        return loaded

    def places(self) -> list[Place]:
        """Return where each stored public record stands."""
        rows = (row for kind in records.PUBLIC for row in self._store.find(kind=kind))
        return [Place(row.author, row.stream, row.seq, row.id) for row in rows]

    def marks(self) -> list[Place]:
        """Return the highest place seen of every stream, also of those that are gone."""
        marks = self._store.marks().items()
        return [Place(author, stream, mark.seq, mark.id) for (author, stream), mark in marks]

    # Keeping.

    async def keep(self, kept: Sequence[Record]) -> None:
        """Return when all are durably on the disk. Raises `ResourceError` if none could be."""
        rows = [_row(record) for record in kept]
        await trio.to_thread.run_sync(self._store.put_many, rows, limiter=self._writing)
        for record in kept:
            if record.kind in records.PUBLIC:
                self._take_in(record)

    async def keep_proof(self, kept: RecordId, other: Record) -> None:
        """Keep two records that one author signed for one place."""
        first = self.get(kept)
        if first is None:
            return
        proof = Proof(
            author=other.author,
            stream=other.body.stream,
            seq=other.body.seq,
            first=first,
            second=other.data,
        )
        await trio.to_thread.run_sync(self._store.put_proof, proof, limiter=self._writing)

    async def keep_notes(self, notes: Mapping[str, bytes]) -> None:
        await trio.to_thread.run_sync(self._store.put_notes, notes, limiter=self._writing)

    def note(self, key: str) -> bytes | None:
        return self._store.get_note(key)

    async def remove_expired(self, now: Timestamp) -> list[RecordId]:
        """Forget the public records that have expired, and return their ids. Letters stay:
        they say who promised what."""
        letters = frozenset(records.KINDS) - records.PUBLIC
        await trio.to_thread.run_sync(
            self._store.remove_expired, now, letters, limiter=self._writing
        )
        self.view.expire(now)
        gone = [identifier for identifier, (_, until) in self._public.items() if 0 < until <= now]
        for identifier in gone:
            self._pass_on_no_more(identifier)
        return gone

    def close(self) -> None:
        self._store.close()

    # Asking.

    def ids(self) -> list[RecordId]:
        if self._sorted is None:
            self._sorted = sorted(self._public)
        return self._sorted

    def get(self, identifier: RecordId) -> bytes | None:
        row = self._store.get(identifier)
        return row.data if row else None

    def __len__(self) -> int:
        return len(self._public)

    def count_by(self, author: NodeId) -> int:
        """Return how many of the public records are an author's."""
        return sum(by == author for by, _ in self._public.values())

    def proofs_count(self) -> int:
        return len(self._store.proofs())

    def damaged_count(self) -> int:
        return len(self._store.quarantine())

    def name_of(self, node: NodeId) -> str:
        workshop = self.workshops.get(node)
        return workshop.name if workshop else ""

    def _take_in(self, record: Record) -> None:
        if record.kind in records.LATEST:
            key = (record.author, record.kind)
            known = self._newest.get(key)
            if known is not None and known.body.seq >= record.body.seq:
                return
            self._newest[key] = record
            if known is not None:
                self._pass_on_no_more(known.id)
        self._public[record.id] = (record.author, record.body.until)
        self._sorted = None
        match record.body:
            case Design():
                self.designs[record.id] = record
            case Workshop() as workshop:
                self.workshops[record.author] = workshop
                self.view.update_workshop(record.author, workshop)
            case Capacity() as capacity:
                self.view.update_capacity(record.author, capacity)
            case _:
                pass

    def _pass_on_no_more(self, identifier: RecordId) -> None:
        self._public.pop(identifier, None)
        self._sorted = None


def _row(record: Record) -> StoredRecord:
    body = record.body
    return StoredRecord(
        id=record.id,
        author=record.author,
        kind=record.kind,
        stream=body.stream,
        seq=body.seq,
        at=Timestamp(body.at),
        until=Timestamp(body.until),
        data=record.data,
    )
