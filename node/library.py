"""The public records that this node knows, on disk and as what they mean.

Owns the record store. Writes go through one worker thread; what is asked all the time is
kept ready in memory: the workshops, the machines as the scheduler's arrays, and of each
public record its id and author. Designs are many: they stay on the disk (designs.py).
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import trio

from commonfab.protocol import envelope, records
from commonfab.protocol.admission import Place
from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.records import (
    Capacity,
    Design,
    Lease,
    Order,
    Receipt,
    Record,
    Replica,
    Request,
    Revocation,
    Workshop,
)
from commonfab.protocol.replicas import Promises
from commonfab.scheduler.view import CapacityView
from commonfab.storage.ports import Proof, RecordDamaged, RecordStore, StoredRecord

from .designs.designs import Designs


class Library:
    """See the module's docstring. Also the `Library` of protocol/sync.py."""

    def __init__(self, store: RecordStore, catalogue: Path | None = None) -> None:
        """`catalogue`: the file in which designs are searched; None: in memory."""
        self._store = store
        self._writing = trio.CapacityLimiter(1)
        self._public: dict[RecordId, NodeId] = {}
        """What is passed on, and its author."""
        self._newest: dict[tuple[NodeId, str], Record] = {}
        """Of the kinds of which only the newest counts."""
        self._ending: dict[RecordId, int] = {}
        """Those that expire, and when."""
        self._counts: Counter[NodeId] = Counter()
        self._sorted: list[RecordId] | None = None
        self._lost: list[RecordId] = []
        """Public records that were found damaged, of which nobody has been told."""
        self.designs = Designs(store, catalogue, self.name_of)
        self.workshops: dict[NodeId, Workshop] = {}
        self.view = CapacityView()
        self.replicas = Promises()

    # What was kept before.

    def load(self) -> list[Record]:
        """Return every stored record that can be read, by time, and take in the public ones.

        Of the designs, only those that this node has ordered are read.
        """
        loaded = [
            record
            for kind in sorted(records.KINDS.keys() - {"design"})
            for row in self._store.find(kind=kind)
            if (record := _read(row.data)) is not None
        ]
        loaded.sort(key=lambda record: (record.body.at, record.id))
        for record in loaded:
            if record.kind in records.PUBLIC:
                self._take_in(record)
            if isinstance(record.body, Revocation):
                self.designs.note_revoked(record.author, record.body.since)
        designs = self._store.places("design")
        for place in designs:
            self._pass_on(place.id, place.author, 0)
        proofs = ((proof.author, proof.stream, proof.seq) for proof in self._store.proofs())
        self.designs.load((place.id for place in designs), proofs, _made(loaded))
        ordered = {RecordId(r.body.design) for r in loaded if isinstance(r.body, Order)}
        return loaded + [r for r in map(self.designs.get, ordered) if r is not None]

    def places(self) -> list[Place]:
        """Return where each stored public record stands."""
        return [place for kind in sorted(records.PUBLIC) for place in self._store.places(kind)]

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
        await self._catalogue(kept)

    async def _catalogue(self, kept: Sequence[Record]) -> None:
        """Tell the catalogue of designs what it should know of records that are on the disk."""
        designs = [record for record in kept if isinstance(record.body, Design)]
        if designs:
            await self.designs.take(designs)
        for record in kept:
            match record.body:
                case Revocation(since=since):
                    await self.designs.revoke(record.author, since)
                case Receipt(statement="made" | "failed", pieces=pieces) as receipt if pieces:
                    design = self._made_for(receipt)
                    if design is not None:
                        await self.designs.add_made(record.id, design, pieces)
                case _:
                    pass

    def _made_for(self, receipt: Receipt) -> RecordId | None:
        lease = self._body(RecordId(receipt.lease))
        request = self._body(RecordId(lease.request)) if isinstance(lease, Lease) else None
        return RecordId(request.design) if isinstance(request, Request) else None

    def _body(self, identifier: RecordId) -> records.Body | None:
        data = self.get(identifier)
        record = _read(data) if data else None
        return record.body if record else None

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
        await self.designs.distrust(proof.author, proof.stream, proof.seq)

    async def keep_notes(self, notes: Mapping[str, bytes]) -> None:
        await trio.to_thread.run_sync(self._store.put_notes, notes, limiter=self._writing)

    def note(self, key: str) -> bytes | None:
        return self._store.get_note(key)

    async def remove_expired(self, now: Timestamp) -> list[RecordId]:
        """Forget the public records that have expired, and return their ids and those of the
        ones that were found damaged. Letters stay: they say who promised what."""
        letters = frozenset(records.KINDS) - records.PUBLIC
        await trio.to_thread.run_sync(
            self._store.remove_expired, now, letters, limiter=self._writing
        )
        self.view.expire(now)
        self.replicas.expire(now)
        gone = [identifier for identifier, until in self._ending.items() if until <= now]
        for identifier in gone:
            self._pass_on_no_more(identifier)
        gone += self._lost
        self._lost = []
        return gone

    def close(self) -> None:
        self.designs.close()
        self._store.close()

    # Asking.

    def ids(self) -> list[RecordId]:
        """Return the ids of all that are public, sorted: the list itself, which goes on
        changing with them."""
        if self._sorted is None:
            self._sorted = sorted(self._public)
        return self._sorted

    def get(self, identifier: RecordId) -> bytes | None:
        """Return a record's bytes. One that is damaged on the disk is known no more."""
        try:
            row = self._store.get(identifier)
        except RecordDamaged:
            row = None
            self._pass_on_no_more(identifier)
            self._lost.append(identifier)
        return row.data if row else None

    def find(self, kind: str, author: NodeId) -> list[Record]:
        """Return an author's stored records of one kind, by time and id."""
        rows = self._store.find(kind=kind, author=author)
        return [records.read(envelope.parse(row.data)) for row in rows]

    def __len__(self) -> int:
        return len(self._public)

    def authors(self) -> list[NodeId]:
        """Return those of whom some public record is known."""
        return [author for author, count in self._counts.items() if count]

    def count_by(self, author: NodeId) -> int:
        """Return how many of the public records are an author's."""
        return self._counts[author]

    def proofs_count(self) -> int:
        return len(self._store.proofs())

    def damaged_count(self) -> int:
        return len(self._store.quarantine())

    def heard_at(self, node: NodeId) -> int:
        """Return when a workshop last said anything that is known here; 0: never."""
        said = (self._newest.get((node, kind)) for kind in sorted(records.LATEST))
        return max((record.body.at for record in said if record is not None), default=0)

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
        self._pass_on(record.id, record.author, record.body.until)
        match record.body:
            case Workshop() as workshop:
                self.workshops[record.author] = workshop
                self.view.update_workshop(record.author, workshop)
            case Replica():
                self.replicas.take_in(record)
            case Capacity() as capacity:
                self.view.update_capacity(record.author, capacity)
            case _:
                pass

    def _pass_on(self, identifier: RecordId, author: NodeId, until: int) -> None:
        if identifier in self._public:
            return
        self._public[identifier] = author
        self._counts[author] += 1
        if until:
            self._ending[identifier] = until
        if self._sorted is not None:
            insort(self._sorted, identifier)

    def _pass_on_no_more(self, identifier: RecordId) -> None:
        author = self._public.pop(identifier, None)
        if author is None:
            return
        self._counts[author] -= 1
        self._ending.pop(identifier, None)
        if self._sorted is not None:
            del self._sorted[bisect_left(self._sorted, identifier)]


def _read(data: bytes) -> Record | None:
    """Return a stored record; None for one of a kind that this version does not know."""
    try:
        return records.read(envelope.parse(data))
    except CommonfabError:
        return None


def _made(loaded: Iterable[Record]) -> dict[RecordId, tuple[RecordId, int]]:
    """Return of each owner's receipt the design, and how many pieces of it were made."""
    bodies = {record.id: record.body for record in loaded}
    made: dict[RecordId, tuple[RecordId, int]] = {}
    for receipt, body in bodies.items():
        if isinstance(body, Receipt) and body.statement != "confirmed":
            lease = bodies.get(RecordId(body.lease))
            request = bodies.get(RecordId(lease.request)) if isinstance(lease, Lease) else None
            if isinstance(request, Request) and body.pieces:
                made[receipt] = (RecordId(request.design), body.pieces)
    return made


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
