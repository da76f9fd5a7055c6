"""The public records that this node knows, on disk and as what they mean.

Owns the record store. Writes go through one worker thread; what is asked all the time is
kept ready in memory: the workshops, the machines as the scheduler's arrays, and of each
public record its id and author. Designs are many: they stay on the disk (designs.py).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import trio

from commonfab.protocol import envelope, records
from commonfab.protocol.admission import Place
from commonfab.protocol.body import Body
from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.records import (
    Capacity,
    Design,
    Lease,
    Order,
    Proof,
    Receipt,
    Record,
    Request,
    Workshop,
)
from commonfab.protocol.replicas import Promises
from commonfab.protocol.standing import proofs
from commonfab.protocol.standing.denials import Denials, as_v1, say
from commonfab.protocol.standing.standing import Standing
from commonfab.protocol.statements import Replica, Revocation, Vouch
from commonfab.protocol.sync.index import Index, key_of
from commonfab.protocol.sync.subset import ALL, Subset
from commonfab.scheduler.view import STANDING, CapacityView
from commonfab.storage.ports import (
    Outline,
    Quarantined,
    RecordDamaged,
    RecordStore,
    StoredRecord,
)
from commonfab.storage.ports import Proof as LetterProof

from .designs.designs import Designs
from .indexes import Indexes
from .views import Views


class Library:
    """See the module's docstring. Also the `Known` of indexes.py."""

    def __init__(self, store: RecordStore, catalogue: Path | None = None) -> None:
        """`catalogue`: the file in which designs are searched; None: in memory."""
        self._store = store
        self._writing = trio.CapacityLimiter(1)
        self._public: dict[RecordId, tuple[NodeId, bytes]] = {}
        """What is passed on, its author and its key in the order of time."""
        self._newest: dict[tuple[NodeId, str], Record] = {}
        """Of the kinds of which only the newest counts."""
        self._ending: dict[RecordId, int] = {}
        """Those that expire, and when."""
        self._counts: Counter[NodeId] = Counter()
        self._indexes = Indexes(self)
        self._places: list[Place] = []
        """Of the designs, from `load` until they are asked for."""
        self._aside: set[RecordId] = set()
        """Records of peers that were put aside."""
        self._lost: list[RecordId] = []
        """Public records that were found damaged, of which nobody has been told."""
        self.designs = Designs(store, catalogue, self.name_of)
        self.workshops: dict[NodeId, Workshop] = {}
        self.standing_of: Callable[[NodeId], Standing] = _nobody_said
        """Asked for a workshop that is new to the view; node/standing knows better."""
        self._views = Views(lambda author: self.standing_of(author))
        self.view = self._views.now
        self.replicas = Promises()
        self.frozen: dict[NodeId, Record] = {}
        """Authors who signed two records for one place, with the proof that counts."""
        self.vouches: dict[RecordId, Record] = {}
        self.revoked: dict[NodeId, str] = {}
        """Authors who revoked their keys, and why."""
        self.liars: set[NodeId] = set()
        """Who signed two letters to this node for one place."""
        self.denials = Denials()

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
            if record.kind == "proof":
                self._freeze(record)
        for record in loaded:
            if record.kind in records.PUBLIC:
                self._take_in(record)
            if isinstance(record.body, Revocation):
                self.designs.note_revoked(record.author, record.body.since)
        outlines = self._store.outlines("design")
        designs = self._places = [outline.place for outline in outlines]
        keys: list[bytes] = []
        for outline in outlines:
            place = outline.place
            if not self._is_covered(place.author, "design", place.seq):
                keys.append(key_of(outline.at, place.id))
                self._pass_on(place.id, place.author, keys[-1], 0)
        self._indexes.begin(keys)
        self.liars = {proof.author for proof in self._store.proofs()}
        self._aside = {item.id for item in self._store.quarantine() if item.sender is not None}
        frozen = {author: proof.body.seq for author, proof in self.frozen.items()}
        self.designs.load((place.id for place in designs), frozen, _made(loaded))
        ordered = {RecordId(r.body.design) for r in loaded if isinstance(r.body, Order)}
        return loaded + [r for r in map(self.designs.get, ordered) if r is not None]

    def places(self) -> list[Place]:
        """Return where each stored public record stands. Asked once, after `load`."""
        kinds = sorted(records.PUBLIC - {"design"})
        designs, self._places = self._places, []
        others = (outline.place for kind in kinds for outline in self._store.outlines(kind))
        return [*designs, *others]

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
                case Proof():
                    author = proofs.accused(record)
                    await self.designs.freeze(author, self.frozen[author].body.seq)
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

    def _body(self, identifier: RecordId) -> Body | None:
        record = self.record(identifier)
        return record.body if record else None

    async def keep_proof(self, kept: RecordId, other: Record) -> None:
        """Keep two letters that one author signed for one place: they are nobody else's."""
        first = self.get(kept)
        if first is None:
            return
        proof = LetterProof(
            author=other.author,
            stream=other.body.stream,
            seq=other.body.seq,
            first=first,
            second=other.data,
        )
        await trio.to_thread.run_sync(self._store.put_proof, proof, limiter=self._writing)
        self.liars.add(other.author)

    async def put_aside(self, items: Sequence[Quarantined], most: int) -> None:
        """Put bad records of peers into quarantine, while there are fewer than `most`."""
        fresh = [item for item in items if item.id not in self._aside]
        for item in fresh[: max(0, most - len(self._aside))]:
            self._aside.add(item.id)
            await trio.to_thread.run_sync(self._store.put_quarantine, item, limiter=self._writing)

    async def deny(self, denials: Denials) -> None:
        """Have nothing to do any more with what is denied, and again with what is not."""
        before, self.denials = self.denials, denials
        for author in sorted(before.authors().keys() ^ denials.authors().keys()):
            if author in denials.authors():
                self._forget(author, lambda row: row.kind not in ("proof", "revocation"))
            for record in self.stored(records.PUBLIC, author):
                self._take_in(record)
        roots = {*before.roots(), *denials.roots()}
        found = {*before.designs(), *denials.designs()} | await self._with_roots(roots)
        for design in filter(None, map(self.designs.get, sorted(found))):
            if denials.of_record(design) is None:
                self._take_in(design)
            else:
                self._pass_on_no_more(design.id)

    async def _with_roots(self, roots: Collection[bytes]) -> set[RecordId]:
        """Return the designs of which these, as version 1, are the files."""
        designs = partial(list[Record], self.stored({"design"}) if roots else ())
        return {
            record.id
            for record in await trio.to_thread.run_sync(designs, limiter=self._writing)
            if isinstance(record.body, Design) and as_v1(record.body.root) in roots
        }

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
        self._views.expire(now)
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
        """Return the ids of all that are public, sorted."""
        return sorted(self._public)

    def has(self, identifier: RecordId) -> bool:
        """Tell whether a public record is known here and passed on."""
        return identifier in self._public

    async def index(self, subset: Subset = ALL) -> Index:
        """Return the public records of a subset in order of time and id, kept up to date."""
        return await self._indexes.of(subset)

    async def outlines(self, kinds: Collection[str]) -> list[tuple[str, Outline]]:
        """Return the kind and outline of each stored public record; no kinds: of every kind."""
        wanted = sorted(records.PUBLIC.intersection(kinds or records.PUBLIC))
        outlines = self._store.outlines
        return [
            (kind, outline)
            for kind in wanted
            for outline in await trio.to_thread.run_sync(outlines, kind, limiter=self._writing)
        ]

    def get(self, identifier: RecordId) -> bytes | None:
        """Return a record's bytes. One that is damaged on the disk is known no more."""
        try:
            row = self._store.get(identifier)
        except RecordDamaged:
            row = None
            self._pass_on_no_more(identifier)
            self._lost.append(identifier)
        return row.data if row else None

    def record(self, identifier: RecordId) -> Record | None:
        """Return a stored record; None if it is not here or cannot be read."""
        data = self.get(identifier)
        return _read(data) if data else None

    def find(self, kind: str, author: NodeId) -> list[Record]:
        """Return an author's stored records of one kind, by time and id."""
        rows = self._store.find(kind=kind, author=author)
        return [records.read(envelope.parse(row.data)) for row in rows]

    def stored(self, kinds: Collection[str], author: NodeId | None = None) -> Iterator[Record]:
        """Yield the stored records of some kinds that can be read, by kind, time and id."""
        for kind in sorted(kinds):
            for row in self._store.find(kind=kind, author=author):
                record = _read(row.data)
                if record is not None:
                    yield record

    def stored_ids(self, kinds: Collection[str]) -> list[RecordId]:
        return self._store.ids(kinds)

    def __len__(self) -> int:
        return len(self._public)

    def authors(self) -> list[NodeId]:
        """Return those of whom some public record is known."""
        return [author for author, count in self._counts.items() if count]

    def count_by(self, author: NodeId) -> int:
        """Return how many of the public records are an author's."""
        return self._counts[author]

    def damaged_count(self) -> int:
        """Return how many records have changed on the disk."""
        return sum(item.sender is None for item in self._store.quarantine())

    def put_aside_items(self) -> list[Quarantined]:
        """Return the bad records of peers that are kept to be looked at."""
        return [item for item in self._store.quarantine() if item.sender is not None]

    def why_denied(self, record: Record) -> str:
        """Say why this node will have nothing to do with a record; empty: it will."""
        denied = self.denials.of_record(record)
        return say(denied, self.name_of(denied.by)) if denied else ""

    def newest(self, author: NodeId, kind: str) -> Record | None:
        """Return the newest record of a kind of which only that counts."""
        return self._newest.get((author, kind))

    def heard_at(self, node: NodeId) -> int:
        """Return when a workshop last said anything that is known here; 0: never."""
        said = (self._newest.get((node, kind)) for kind in sorted(records.LATEST))
        return max((record.body.at for record in said if record is not None), default=0)

    def speakers(self) -> list[NodeId]:
        """Return whose word on their workshop is known here."""
        return list(dict.fromkeys(author for author, _ in self._newest))

    def name_of(self, node: NodeId) -> str:
        workshop = self.workshops.get(node)
        return workshop.name if workshop else ""

    def view_for(self, patience_ms: int) -> CapacityView:
        """Return the machines with which an order of this patience counts."""
        return self._views.lasting(self._newest.values()) if patience_ms else self.view

    def take_last_word(self, record: Record) -> None:
        """Take in a capacity record that is over: nobody is told of it, but in bundles."""
        if self._may_take_in(record) and self._is_newest(record):
            self._views.take(record)

    def set_standing(self, author: NodeId, standing: float, tier: int) -> None:
        """Say how far a workshop is trusted; see `CapacityView.set_standing`."""
        self._views.set_standing(author, standing, tier)

    def _may_take_in(self, record: Record) -> bool:
        is_covered = self._is_covered(record.author, record.kind, record.body.seq)
        return not is_covered and not self.denials.of_record(record)

    def _is_newest(self, record: Record) -> bool:
        """Tell whether a record is the newest of a kind of which only that counts; it then takes
        the place of the one before."""
        key = (record.author, record.kind)
        known = self._newest.get(key)
        if known is not None and known.body.seq >= record.body.seq:
            return False
        self._newest[key] = record
        if known is not None:
            self._pass_on_no_more(known.id)
        return True

    def _take_in(self, record: Record) -> None:
        if record.kind == "proof":
            self._freeze(record)
            return
        if not self._may_take_in(record):
            return
        if record.kind in records.LATEST and not self._is_newest(record):
            return
        self._pass_on_record(record, record.body.until)
        match record.body:
            case Workshop() as workshop:
                self.workshops[record.author] = workshop
                self._views.take(record)
            case Replica():
                self.replicas.take_in(record)
            case Vouch():
                self.vouches[record.id] = record
            case Revocation(reason=reason):
                self.revoked[record.author] = reason
            case Capacity():
                self._views.take(record)
            case _:
                pass

    def _freeze(self, proof: Record) -> None:
        """Believe nothing more of what the accused signed from the proven place on."""
        author, rank = proofs.accused(proof), proofs.rank(proof)
        known = self.frozen.get(author)
        if known is not None:
            if proofs.rank(known) <= rank:
                return
            self._pass_on_no_more(known.id)
        self.frozen[author] = proof
        self._pass_on_record(proof, 0)
        self._forget(author, lambda row: proofs.is_covered(row.kind, row.seq, rank))

    def _is_covered(self, author: NodeId, kind: str, seq: int) -> bool:
        proof = self.frozen.get(author)
        return proof is not None and proofs.is_covered(kind, seq, proofs.rank(proof))

    def _forget(self, author: NodeId, is_gone: Callable[[StoredRecord], bool]) -> None:
        """Pass on no more what is gone of an author's. What it said of itself holds no more."""
        for row in self._store.find(author=author):
            if is_gone(row):
                self._pass_on_no_more(row.id)
        for kind in records.LATEST:
            self._newest.pop((author, kind), None)
        self.workshops.pop(author, None)
        self._views.forget(author)
        self.replicas.forget(author)
        self._indexes.forget_areas()

    def _pass_on_record(self, record: Record, until: int) -> None:
        if record.id not in self._public:
            self._indexes.add(record)
            key = key_of(record.body.at, record.id)
            self._pass_on(record.id, record.author, key, until)

    def _pass_on(self, identifier: RecordId, author: NodeId, key: bytes, until: int) -> None:
        """Pass on a record that the index has."""
        self._public[identifier] = author, key
        self._counts[author] += 1
        if until:
            self._ending[identifier] = until

    def _pass_on_no_more(self, identifier: RecordId) -> None:
        known = self._public.pop(identifier, None)
        if known is None:
            return
        author, key = known
        self._indexes.remove(key)
        self._counts[author] -= 1
        self.vouches.pop(identifier, None)
        self._ending.pop(identifier, None)


def _nobody_said(_: NodeId) -> Standing:
    return Standing(STANDING, "stranger", 1, ())


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
