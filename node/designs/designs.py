"""The designs that this node knows: by id from the record store, and searched in a catalogue.

The catalogue only repeats what the records say. Whatever becomes of its file, the records
are safe, and it is filled again from them in the background; until then a search answers
from what is entered, or says why it cannot.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import trio

from commonfab.protocol import envelope, records
from commonfab.protocol.encoding import plain_text
from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.ids import RECORD_ID_BYTES, NodeId, RecordId
from commonfab.protocol.records import Design, Record
from commonfab.storage.catalogue.catalogue import Catalogue, CatalogueDamaged
from commonfab.storage.catalogue.entry import Entry
from commonfab.storage.catalogue.query import Found, Query
from commonfab.storage.ports import RecordDamaged, RecordStore

_LOT = 100
"""Designs that are entered in one commit, while a search waits."""
_FILL_EVERY_S = 5.0
_ID_PREFIX_MIN = 4

T = TypeVar("T")


class Designs:
    """Part of the `Library`, and loaded by it."""

    def __init__(
        self, store: RecordStore, path: Path | None, name_of: Callable[[NodeId], str]
    ) -> None:
        """`path`: of the catalogue; None: in memory. `name_of` tells a workshop's name."""
        self._store = store
        self._path = path
        self._name_of = name_of
        self._catalogue: Catalogue | None = None
        self._known: set[RecordId] = set()
        self._waiting: dict[RecordId, None] = {}
        """To be entered into the catalogue."""
        self._frozen: dict[NodeId, int] = {}
        """Authors who signed two records for one place, and from which place on."""
        self._revoked: dict[NodeId, int] = {}
        self._receipts: set[RecordId] = set()
        self._made: Counter[RecordId] = Counter()
        self._searching = trio.CapacityLimiter(1)
        self.trouble = ""
        """Why the catalogue cannot be used now."""

    # By id.

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._known

    def get(self, identifier: RecordId) -> Record | None:
        """Return a design's record. One that is damaged on the disk is known no more."""
        if identifier not in self._known:
            return None
        record = self._read(identifier)
        if record is None:
            self._known.discard(identifier)
        return record

    # Filling.

    def load(
        self,
        known: Iterable[RecordId],
        frozen: Mapping[NodeId, int],
        made: Mapping[RecordId, tuple[RecordId, int]],
    ) -> None:
        """Begin with what was kept before: designs, authors that are frozen and from which place
        on, and of each receipt the design and the pieces made."""
        self._known = set(known)
        self._frozen = dict(frozen)
        for receipt, (design, pieces) in made.items():
            self._count_made(receipt, design, pieces)
        self._waiting = dict.fromkeys(self._known)
        try:
            self._do(self._compare)
        except (ResourceError, UsageError) as error:
            self.trouble = str(error)

    async def take(self, taken: Sequence[Record]) -> None:
        """Enter designs that are on the disk now. Never fails: what cannot be entered waits."""
        for record in taken:
            self._known.add(record.id)
            self._waiting[record.id] = None
        await self._try(partial(self._enter, designs=taken))

    async def freeze(self, author: NodeId, seq: int) -> None:
        """An author signed two records for one place: it is not to be trusted from there on."""
        self._frozen[author] = seq
        await self._try(lambda catalogue: catalogue.freeze(author, seq))

    async def revoke(self, author: NodeId, since: int) -> None:
        """An author's key is not to be trusted from a time on."""
        self.note_revoked(author, since)
        await self._try(lambda catalogue: catalogue.revoke(author, self._revoked[author]))

    def note_revoked(self, author: NodeId, since: int) -> None:
        self._revoked[author] = min(since, self._revoked.get(author, since))

    async def add_made(self, receipt: RecordId, design: RecordId, pieces: int) -> None:
        """Count what an owner's receipt says was made, once."""
        self._count_made(receipt, design, pieces)
        await self._try(lambda catalogue: catalogue.set_made(self._made))

    def _count_made(self, receipt: RecordId, design: RecordId, pieces: int) -> None:
        if receipt not in self._receipts:
            self._receipts.add(receipt)
            self._made[design] += pieces

    async def run(self) -> None:
        """Keep the catalogue as the records are, until cancelled."""
        while True:
            await self.fill()
            await trio.sleep(_FILL_EVERY_S)

    async def fill(self) -> None:
        """Enter what waits, a lot at a time; stop where the catalogue cannot take it."""
        stale = await self._try(self._renamed)
        self._waiting.update(dict.fromkeys(stale or ()))
        while self._waiting:
            lot = {each: self._read(each) for each in list(islice(self._waiting, _LOT))}
            for identifier in [each for each, record in lot.items() if record is None]:
                self._waiting.pop(identifier, None)
            here = [record for record in lot.values() if record is not None]
            await self._try(partial(self._enter, designs=here))
            if self.trouble:
                return

    @property
    def missing(self) -> int:
        """How many designs are not in the catalogue yet."""
        return len(self._waiting)

    def close(self) -> None:
        if self._catalogue is not None:
            self._catalogue.close()

    # Asking. Each raises `ResourceError` or `UsageError` where the catalogue cannot be used.

    async def search(self, query: Query, limit: int) -> tuple[Found, list[Record]]:
        """Return what was found, and the records of up to `limit` designs in that order."""
        found = await self._ask(lambda catalogue: catalogue.search(query, limit))
        here = [self.get(identifier) for identifier in found.ids]
        lost = [i for i, record in zip(found.ids, here, strict=True) if record is None]
        if lost:
            await self._try(lambda catalogue: catalogue.remove(lost))
        return found, [record for record in here if record is not None]

    async def find(self, which: str) -> Record:
        """Return the design with this name, part of a name, id, or start of an id.

        Of several with one name, it is the newest whose author can be trusted with it.
        Raises `UsageError` if there is none, or more than one.
        """
        if not which.strip():
            raise UsageError("a design without a name; give its name or id: commonfab designs")
        found = self._starting_with(which)
        # A name goes before the start of an id, so that nobody takes it by seeking an id.
        if len(which) != 2 * RECORD_ID_BYTES or not found:
            named = await self._ask(lambda catalogue: catalogue.named(which))
            found = named or found or await self._ask(lambda c: c.with_in_name(which))
        designs = [record for record in map(self.get, found) if record is not None]
        if len(designs) == 1:
            return designs[0]
        if designs:
            raise UsageError(f"{which}: {len(designs)} designs fit; give more of the name or id")
        raise UsageError(f"{which}: no such design is known here; see: commonfab designs")

    async def versions(self, record: Record) -> list[tuple[RecordId, bool, bool]]:
        """Return (id, is honest, is the newest honest) of a design's stream, newest first."""
        stream = record.body.stream
        return await self._ask(lambda catalogue: catalogue.versions(record.author, stream))

    async def derived(self, designs: Sequence[RecordId]) -> list[tuple[RecordId, str, RecordId]]:
        """Return (derived, relation, from which of `designs`)."""
        return await self._ask(lambda catalogue: catalogue.derived(designs))

    async def of_root(self, author: NodeId, stream: str, root: bytes) -> list[Record]:
        """Return an author's versions of these very files, newest first, as far as entered."""
        found = await self._try(lambda catalogue: catalogue.of_root(author, stream, root))
        return [record for record in map(self.get, found or ()) if record is not None]

    async def forms(self, length: int) -> list[tuple[RecordId, int, bytes]]:
        """Return (design, part, fingerprint) of the newest honest versions, as far as entered."""
        return await self._ask(lambda catalogue: catalogue.forms(length))

    async def authors(self, root: bytes, limit: int) -> list[NodeId]:
        """Return who published these very files, as far as is entered."""
        return await self._try(lambda catalogue: catalogue.authors(root, limit)) or []

    def made(self, design: RecordId) -> int:
        """Return the pieces of which this node has seen the owners' receipts."""
        return self._made[design]

    # With the catalogue: in a thread, but for `load`.

    async def _ask(self, question: Callable[[Catalogue], T]) -> T:
        return await trio.to_thread.run_sync(self._do, question, limiter=self._searching)

    async def _try(self, change: Callable[[Catalogue], T]) -> T | None:
        try:
            done = await self._ask(change)
        except (ResourceError, UsageError) as error:
            self.trouble = str(error)
            return None
        self.trouble = ""
        return done

    def _do(self, what: Callable[[Catalogue], T]) -> T:
        try:
            return what(self._opened())
        except CatalogueDamaged:
            self._begin_anew()
            return what(self._opened())

    def _opened(self) -> Catalogue:
        if self._catalogue is None:
            self._catalogue = Catalogue(self._path)
        return self._catalogue

    def _begin_anew(self) -> None:
        if self._catalogue is not None:
            self._catalogue.clear()
        self._waiting = dict.fromkeys(self._known)

    def _compare(self, catalogue: Catalogue) -> None:
        entered = catalogue.ids()
        self._waiting = dict.fromkeys(self._known - entered)
        if entered - self._known:
            catalogue.remove(entered - self._known)
        for author, seq in self._frozen.items():
            catalogue.freeze(author, seq)
        for author, since in self._revoked.items():
            catalogue.revoke(author, since)
        catalogue.set_made(self._made)

    def _renamed(self, catalogue: Catalogue) -> list[RecordId]:
        """Return the designs whose author's workshop has another name than when entered."""
        return [
            design
            for author, name in catalogue.makers().items()
            if plain_text(self._name_of(author)) != name
            for design in catalogue.by_author(author)
        ]

    def _enter(self, catalogue: Catalogue, designs: Sequence[Record]) -> None:
        catalogue.add([self._entry(record) for record in designs])
        for record in designs:
            self._waiting.pop(record.id, None)

    def _entry(self, record: Record) -> Entry:
        body = record.body
        is_revoked = body.at >= self._revoked.get(record.author, body.at + 1)
        return Entry.of(
            record,
            maker=plain_text(self._name_of(record.author)),
            made=self.made(record.id),
            is_honest=not is_revoked and body.seq < self._frozen.get(record.author, body.seq + 1),
        )

    def _read(self, identifier: RecordId) -> Record | None:
        try:
            row = self._store.get(identifier)
            record = records.read(envelope.parse(row.data)) if row else None
        except (RecordDamaged, CommonfabError):
            return None
        return record if record is not None and isinstance(record.body, Design) else None

    def _starting_with(self, which: str) -> list[RecordId]:
        wanted = which.lower()
        if len(wanted) < _ID_PREFIX_MIN or set(wanted) - set("0123456789abcdef"):
            return []
        return [identifier for identifier in self._known if identifier.hex().startswith(wanted)]
