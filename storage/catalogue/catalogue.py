"""What can be looked for among the designs that a node knows: words, facets, versions, origins.

A SQLite file that says nothing new: all of it follows from the records, so it may be lost,
and is made anew from them where it is absent, damaged or of another version. Commits are
not waited for; what a cut took is found missing at the next start and entered again.
Calls come from one thread at a time; one process at a time has the file.
"""

import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, RecordId

from ..ports import StoreBroken, StoreFull
from ..transaction import transaction
from .entry import Entry
from .query import (
    COUNTED_MAX,
    FACETS,
    VALUES_MAX,
    Found,
    Query,
    fold,
    match_text,
    single_values,
    to_sql,
)

APPLICATION_ID = 0x43_46_63_74
"""The letters CFct, in the file's header."""
FORMAT_VERSION = 2
_DESIGNS_COUNTED_MAX = 50_000
"""Designs with a value, to tell whether it is rare."""
_PAGES_OF_LOG = 1000

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE design (
    number INTEGER PRIMARY KEY, id BLOB UNIQUE NOT NULL, author BLOB NOT NULL,
    stream TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
    name TEXT NOT NULL, root BLOB NOT NULL,
    short_um INTEGER, middle_um INTEGER, long_um INTEGER,
    watertight INTEGER NOT NULL, mass_mg INTEGER NOT NULL, made INTEGER NOT NULL,
    is_honest INTEGER NOT NULL, is_head INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX design_newest ON design (is_head, at, id);
CREATE INDEX design_stream ON design (author, stream, is_honest, seq);
CREATE INDEX design_head ON design (author, stream) WHERE is_head;
CREATE INDEX design_name ON design (name);
CREATE INDEX design_root ON design (root);
CREATE INDEX design_slug ON design (stream);
CREATE TABLE value (
    number INTEGER PRIMARY KEY, facet TEXT NOT NULL, folded TEXT NOT NULL, shown TEXT NOT NULL,
    UNIQUE (facet, folded)
) STRICT;
CREATE TABLE tag (
    design INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (design, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_value ON tag (value);
CREATE TABLE origin (
    derived BLOB NOT NULL, design BLOB NOT NULL, relation TEXT NOT NULL,
    PRIMARY KEY (design, derived)
) STRICT, WITHOUT ROWID;
CREATE INDEX origin_derived ON origin (derived);
CREATE TABLE form (
    design INTEGER NOT NULL, part INTEGER NOT NULL, fingerprint BLOB NOT NULL,
    PRIMARY KEY (design, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE maker (author BLOB PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    name, parts, function, materials, maker, licensor,
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2'
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
COMMIT;
"""
_DESIGN = "INSERT INTO design VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT)
"""No row that is entered breaks a constraint of a file that is as it was written."""
_NAMED = """
SELECT id FROM design WHERE name IN (?, ?) OR stream IN (?, ?)
ORDER BY is_honest DESC, at DESC, id DESC LIMIT 1
"""


class CatalogueDamaged(StoreBroken):
    """The file is not what was written. It can be made anew from the records."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "damaged; it is made anew from the records")


class Catalogue:
    """See the module's docstring. Every call may raise `StoreFull`, `StoreBroken`, or
    `CatalogueDamaged`, after which it is to be made anew with `clear`."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, making it if need be; without one, all is in memory."""
        self._path = path
        self._is_here: Callable[[bytes], bool] = _nothing_is_here
        self._db = self._open()

    def clear(self) -> None:
        """Begin anew with an empty file. Nothing is lost by that but time."""
        self.close()
        self._remove()
        self._db = self._open()

    def close(self) -> None:
        self._db.close()

    # What is in it.

    def ids(self) -> set[RecordId]:
        with self._reporting():
            return {RecordId(row[0]) for row in self._db.execute("SELECT id FROM design")}

    def add(self, entries: Iterable[Entry]) -> None:
        """Enter designs, each in the place of what was entered of it before; all or none."""
        with self._commit():
            streams: dict[tuple[NodeId, str], None] = {}
            makers: dict[NodeId, str] = {}
            for entry in entries:
                self._remove_design(entry.id)
                self._add(entry)
                streams[entry.author, entry.stream] = None
                makers[entry.author] = entry.maker
            self._db.executemany("INSERT OR REPLACE INTO maker VALUES (?, ?)", makers.items())
            for author, stream in streams:
                self._choose_head(author, stream)

    def remove(self, ids: Collection[RecordId]) -> None:
        with self._commit():
            for identifier in ids:
                place = self._remove_design(identifier)
                if place is not None:
                    self._choose_head(*place)

    def freeze(self, author: NodeId, seq: int) -> None:
        """Take note that an author is not to be trusted from a place in its streams on."""
        self._doubt(author, "seq", seq)

    def revoke(self, author: NodeId, since: int) -> None:
        """Take note that an author's key is not to be trusted from a time on."""
        self._doubt(author, "at", since)

    def _doubt(self, author: NodeId, column: Literal["seq", "at"], since: int) -> None:
        with self._commit():
            query = (
                f"UPDATE design SET is_honest = 0 WHERE author = ? AND {column} >= ? "  # noqa: S608
                "AND is_honest RETURNING stream"
            )
            for (stream,) in set(self._db.execute(query, (author, since)).fetchall()):
                self._choose_head(author, stream)

    def set_made(self, made: Mapping[RecordId, int]) -> None:
        """Take note of how many pieces of each design were made; none of all others."""
        with self._commit():
            self._db.execute("UPDATE design SET made = 0 WHERE made > 0")
            query = "UPDATE design SET made = ? WHERE id = ?"
            self._db.executemany(query, ((pieces, design) for design, pieces in made.items()))

    # Asking.

    def search(self, query: Query, limit: int) -> Found:
        """Return up to `limit` designs, and what there is of each facet among the best."""
        with self._reporting():
            self._is_here = query.is_here or _nothing_is_here
            rarest = None if match_text(query.words) else self._rarest(query)
            rows = self._db.execute(*to_sql(query, rarest)).fetchall()
            counted = rows[:COUNTED_MAX]
            facets = self._count([number for number, _ in counted])
        return Found(
            ids=[RecordId(identifier) for _, identifier in counted[:limit]],
            total=len(counted),
            is_more=len(rows) > COUNTED_MAX,
            facets=facets,
        )

    def versions(self, author: NodeId, stream: str) -> list[tuple[RecordId, bool, bool]]:
        """Return (id, is honest, is the newest honest), newest first."""
        query = """
            SELECT id, is_honest, is_head FROM design WHERE author = ? AND stream = ?
            ORDER BY seq DESC
        """
        with self._reporting():
            rows = self._db.execute(query, (author, stream)).fetchall()
        return [(RecordId(i), bool(honest), bool(head)) for i, honest, head in rows]

    def derived(self, designs: Collection[RecordId]) -> list[tuple[RecordId, str, RecordId]]:
        """Return (derived, relation, from which of `designs`), as entered; not its versions."""
        query = (
            "SELECT origin.derived, origin.relation, origin.design FROM origin "  # noqa: S608
            "JOIN design ON design.id = origin.derived "
            f"WHERE origin.design IN ({', '.join('?' * len(designs))}) ORDER BY design.at"
        )
        with self._reporting():
            rows = self._db.execute(query, tuple(designs)).fetchall()
        return [(RecordId(derived), relation, RecordId(of)) for derived, relation, of in rows]

    def of_root(self, author: NodeId, stream: str, root: bytes) -> list[RecordId]:
        """Return the versions of these very files, newest first."""
        query = """
            SELECT id FROM design WHERE author = ? AND stream = ? AND root = ?
            ORDER BY seq DESC LIMIT 100
        """
        with self._reporting():
            rows = self._db.execute(query, (author, stream, root))
            return [RecordId(row[0]) for row in rows]

    def forms(self, length: int) -> list[tuple[RecordId, int, bytes]]:
        """Return (design, part, fingerprint) of the newest honest versions, those of a length."""
        query = """
            SELECT design.id, form.part, form.fingerprint FROM form
            JOIN design ON design.number = form.design
            WHERE design.is_head = 1 AND length(form.fingerprint) = ?
        """
        with self._reporting():
            rows = self._db.execute(query, (length,)).fetchall()
        return [(RecordId(design), part, fingerprint) for design, part, fingerprint in rows]

    def makers(self) -> dict[NodeId, str]:
        """Return the workshop's name with which each author's designs were last entered."""
        with self._reporting():
            return {
                NodeId(author): name
                for author, name in self._db.execute("SELECT author, name FROM maker")
            }

    def authors(self, root: bytes, limit: int) -> list[NodeId]:
        """Return who published these very files. Looks at each design: not for every day."""
        query = "SELECT DISTINCT author FROM design WHERE root = ? LIMIT ?"
        with self._reporting():
            return [NodeId(row[0]) for row in self._db.execute(query, (root, limit))]

    def by_author(self, author: NodeId) -> list[RecordId]:
        query = "SELECT id FROM design WHERE author = ?"
        with self._reporting():
            return [RecordId(row[0]) for row in self._db.execute(query, (author,))]

    def named(self, name: str) -> list[RecordId]:
        """Return the newest design of this name or short name, honest ones first, or none."""
        names = (fold(name), f"design/{fold(name)}")
        with self._reporting():
            return [RecordId(row[0]) for row in self._db.execute(_NAMED, names * 2)]

    def with_in_name(self, part: str) -> list[RecordId]:
        """Return some of the newest honest designs that have this in their name."""
        query = "SELECT id FROM design WHERE is_head = 1 AND instr(name, ?) LIMIT 100"
        with self._reporting():
            return [RecordId(row[0]) for row in self._db.execute(query, (fold(part),))]

    def _add(self, entry: Entry) -> None:
        number = self._db.execute(
            _DESIGN,
            (
                entry.id,
                entry.author,
                entry.stream,
                entry.seq,
                entry.at,
                fold(entry.name),
                entry.root,
                *(entry.size_um or (None, None, None)),
                entry.watertight,
                entry.mass_mg,
                entry.made,
                entry.is_honest,
            ),
        ).lastrowid
        self._db.execute(
            "INSERT INTO words (rowid, name, parts, function, materials, maker, licensor)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, *entry.texts),
        )
        for facet, shown in entry.tags:
            value = self._value(facet, shown)
            self._db.execute("INSERT OR IGNORE INTO tag VALUES (?, ?)", (number, value))
        for place, fingerprint in entry.fingerprints:
            self._db.execute("INSERT INTO form VALUES (?, ?, ?)", (number, place, fingerprint))
        for design, relation in entry.origins:
            values = (entry.id, design, relation)
            self._db.execute("INSERT OR IGNORE INTO origin VALUES (?, ?, ?)", values)

    def _value(self, facet: str, shown: str) -> int:
        key = (facet, fold(shown))
        query = "SELECT number FROM value WHERE facet = ? AND folded = ?"
        found = self._db.execute(query, key).fetchone()
        if found is None:
            insert = "INSERT INTO value VALUES (NULL, ?, ?, ?) RETURNING number"
            found = self._db.execute(insert, (*key, shown)).fetchone()
        number = found[0]
        assert isinstance(number, int)
        return number

    def _remove_design(self, identifier: RecordId) -> tuple[NodeId, str] | None:
        query = "SELECT number, author, stream FROM design WHERE id = ?"
        found = self._db.execute(query, (identifier,)).fetchone()
        if found is None:
            return None
        number, author, stream = found
        self._db.execute("DELETE FROM words WHERE rowid = ?", (number,))
        self._db.execute("DELETE FROM tag WHERE design = ?", (number,))
        self._db.execute("DELETE FROM form WHERE design = ?", (number,))
        self._db.execute("DELETE FROM origin WHERE derived = ?", (identifier,))
        self._db.execute("DELETE FROM design WHERE number = ?", (number,))
        return NodeId(author), stream

    def _choose_head(self, author: NodeId, stream: str) -> None:
        """Mark the newest honest version of a stream, and no other."""
        place = (author, stream)
        self._db.execute(
            "UPDATE design SET is_head = 0 WHERE author = ? AND stream = ? AND is_head", place
        )
        self._db.execute(
            "UPDATE design SET is_head = 1 WHERE number = (SELECT number FROM design"
            " WHERE author = ? AND stream = ? AND is_honest = 1 ORDER BY seq DESC LIMIT 1)",
            place,
        )

    def _rarest(self, query: Query) -> int | None:
        """Return the wanted value that fewest designs have, if to look at all that have it
        takes less than to look at the newest designs until enough are found."""
        known = [self._designs_with(*value) for value in single_values(query)]
        if not known:
            return None
        (most,) = self._db.execute("SELECT max(number) FROM design").fetchone()
        to_look_at = COUNTED_MAX
        for designs, _ in known:
            to_look_at = min(to_look_at * (most or 1) // (designs or 1), most or 1)
        designs, rarest = min(known)
        return rarest if designs <= to_look_at else None

    def _designs_with(self, facet: str, folded: str) -> tuple[int, int]:
        """Return (how many designs have a value, up to a limit; its number or 0)."""
        row = self._db.execute(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM tag WHERE value = number LIMIT ?)), number"
            " FROM value WHERE facet = ? AND folded = ?",
            (_DESIGNS_COUNTED_MAX, facet, folded),
        ).fetchone()
        return row or (0, 0)

    def _count(self, numbers: list[int]) -> dict[str, list[tuple[str, int]]]:
        query = """
            SELECT value.facet, value.shown, counted.designs FROM (
                SELECT tag.value AS number, count(*) AS designs
                FROM json_each(?) AS found CROSS JOIN tag ON tag.design = found.value
                GROUP BY tag.value
            ) AS counted JOIN value USING (number) ORDER BY counted.designs DESC, value.folded
        """
        facets: dict[str, list[tuple[str, int]]] = {facet: [] for facet in FACETS}
        for facet, shown, designs in self._db.execute(query, (str(numbers),)):
            if len(facets[facet]) < VALUES_MAX:
                facets[facet].append((shown, designs))
        return facets

    # The file.

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except CatalogueDamaged:
            self._remove()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        with self._reporting():
            db = sqlite3.connect(
                self._path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False
            )
        try:
            with self._reporting():
                self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != APPLICATION_ID:
            raise UsageError(f"{self._path} is not a catalogue of designs; move it away")
        if tables and version != FORMAT_VERSION:
            raise CatalogueDamaged(str(self._path))
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_OF_LOG}")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA cell_size_check = ON")
        db.create_function("is_here", 1, self._ask_if_here)
        if not tables:
            db.executescript(_SCHEMA)

    def _ask_if_here(self, root: bytes) -> bool:
        return self._is_here(root)

    def _remove(self) -> None:
        if self._path is None:
            return
        try:
            for ending in ("", "-wal", "-shm"):
                Path(f"{self._path}{ending}").unlink(missing_ok=True)
        except OSError as error:
            raise StoreBroken(str(self._path), f"{error.strerror}; remove it") from error

    @contextmanager
    def _commit(self) -> Generator[None]:
        """Do all of the block, or none of it."""
        with self._reporting(), transaction(self._db):
            yield

    @contextmanager
    def _reporting(self) -> Generator[None]:
        path = str(self._path)
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            if code & 0xFF in _DAMAGED or "no such table" in str(error):
                raise CatalogueDamaged(path) from error
            if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
                raise StoreFull(path) from error
            if code & 0xFF == sqlite3.SQLITE_BUSY:
                raise StoreBroken(path, "another process has it open; stop that one") from error
            raise StoreBroken(path, f"{error}; remove it, and it is made anew") from error


def _nothing_is_here(_root: bytes) -> bool:
    return False
