"""Signed records in one SQLite file, and what must be remembered about their authors.

One connection writes, and a commit is on the disk before it is acknowledged. SQLite does not
notice a bit that rots, so each row carries a checksum of its columns, each record is
checked against its id when it is read, and a row that fails goes to quarantine alone.
Calls come from one thread at a time; one process at a time has the file.
"""

import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from commonfab.protocol.admission import Place
from commonfab.protocol.errors import CommonfabError, PeerError, UsageError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp

from .ports import (
    Identify,
    Mark,
    Outline,
    Proof,
    Quarantined,
    RecordDamaged,
    StoreBroken,
    StoredRecord,
    StoreFull,
)
from .transaction import transaction

APPLICATION_ID = 0x43_46_61_62
"""The letters CFab, in the file's header."""
FORMAT_VERSION = 2
PAGE_BYTES = 4096
"""What SQLite makes a new file of."""
WAL_BYTES_MAX = 16 * 1024**2
"""What the write-ahead log grows to before it is worked into the file: fewer, larger writes."""

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE record (
    id BLOB PRIMARY KEY, author BLOB NOT NULL, kind TEXT NOT NULL, stream TEXT NOT NULL,
    seq INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL,
    data BLOB NOT NULL, checksum BLOB NOT NULL,
    UNIQUE (author, stream, seq)
) STRICT;
CREATE INDEX record_kind ON record (kind, at, id);
CREATE INDEX record_until ON record (until) WHERE until > 0;
CREATE TABLE mark (
    author BLOB NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (author, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE proof (
    author BLOB NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
    first BLOB NOT NULL, second BLOB NOT NULL,
    PRIMARY KEY (author, stream, seq)
) STRICT;
CREATE TABLE quarantine (
    id BLOB PRIMARY KEY, reason TEXT NOT NULL, data BLOB NOT NULL, sender BLOB
) STRICT;
CREATE TABLE note (key TEXT PRIMARY KEY, data BLOB NOT NULL, checksum BLOB NOT NULL) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
COMMIT;
"""

_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_SELECT = """
SELECT rowid, id, author, kind, stream, seq, at, until, CAST(data AS BLOB), checksum FROM record
"""

_Place = tuple[NodeId, str]


class SqliteRecordStore:
    """A `RecordStore` in a file that it makes if need be."""

    def __init__(self, path: Path, *, identify: Identify) -> None:
        self._path = str(path)
        self._identify = identify
        with self._reporting():
            self._db = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        # Text that has rotted may not be UTF-8; its checksum then tells.
        self._db.text_factory = _text
        try:
            with self._reporting():
                self._open()
                self._marks = self._load_marks()
        except BaseException:
            self._db.close()
            raise

    def put_many(self, rows: Iterable[StoredRecord]) -> list[StoredRecord]:
        raised: dict[_Place, Mark] = {}
        refused: list[StoredRecord] = []
        with self._commit():
            for row in rows:
                place = (row.author, row.stream)
                mark = raised.get(place) or self._marks.get(place)
                if not self._insert(row, mark):
                    refused.append(row)
                elif mark is None or row.seq > mark.seq:
                    raised[place] = Mark(row.seq, row.id)
            self._write_marks(raised)
        self._marks.update(raised)
        return refused

    def get(self, record_id: RecordId) -> StoredRecord | None:
        with self._reporting():
            found = self._db.execute(f"{_SELECT} WHERE id = ?", (record_id,)).fetchone()
        return self._checked(record_id, found) if found else None

    def has(self, record_id: RecordId) -> bool:
        with self._reporting():
            found = self._db.execute("SELECT 1 FROM record WHERE id = ?", (record_id,))
            return found.fetchone() is not None

    def find(
        self, *, kind: str | None = None, author: NodeId | None = None, stream: str | None = None
    ) -> Iterator[StoredRecord]:
        asked = {"kind": kind, "author": author, "stream": stream}
        given = {column: value for column, value in asked.items() if value is not None}
        where = " AND ".join(f"{column} = :{column}" for column in given) or "TRUE"
        with self._reporting():
            query = f"SELECT rowid FROM record WHERE {where} ORDER BY at, id"  # noqa: S608 our words
            rowids = self._db.execute(query, given).fetchall()
        for rowid in rowids:
            with self._reporting():
                found = self._db.execute(f"{_SELECT} WHERE rowid = ?", rowid).fetchone()
            if found is None:
                continue  # Removed since.
            try:
                yield self._checked(RecordId(found[1]), found)
            except RecordDamaged:
                continue

    def ids(self, kinds: Collection[str]) -> list[RecordId]:
        query = f"SELECT id FROM record WHERE kind IN ({_holes(kinds)}) ORDER BY at, id"  # noqa: S608
        with self._reporting():
            return [RecordId(row[0]) for row in self._db.execute(query, tuple(kinds))]

    def outlines(self, kind: str) -> list[Outline]:
        query = (
            "SELECT rowid, checksum, length(data), id, author, kind, stream, seq, at, until "
            "FROM record WHERE kind = ? ORDER BY at, record.id"
        )
        with self._reporting():
            rows = self._db.execute(query, (kind,)).fetchall()
        authors: dict[NodeId, NodeId] = {}
        outlines: list[Outline] = []
        for rowid, checksum, size, *columns in rows:
            record_id, author, _, stream, seq, at, _ = columns
            if checksum == _checksum(*columns):
                # One object for each author, however many records are theirs.
                place = Place(authors.setdefault(author, author), stream, seq, record_id)
                outlines.append(Outline(place, at, size))
            else:
                self._look_at(rowid)
        return outlines

    def _look_at(self, rowid: int) -> None:
        """Put a row in quarantine if it has changed."""
        with self._reporting():
            found = self._db.execute(f"{_SELECT} WHERE rowid = ?", (rowid,)).fetchone()
        with suppress(RecordDamaged):
            self._checked(RecordId(found[1]), found)

    def marks(self) -> dict[_Place, Mark]:
        return dict(self._marks)

    def remove_expired(self, now: Timestamp, keep_kinds: Collection[str]) -> int:
        query = (
            "DELETE FROM record WHERE until > 0 AND until <= ? "  # noqa: S608 only placeholders
            f"AND kind NOT IN ({_holes(keep_kinds)})"
        )
        with self._commit():
            return self._db.execute(query, (now, *keep_kinds)).rowcount

    def put_proof(self, proof: Proof) -> None:
        values = (proof.author, proof.stream, proof.seq, proof.first, proof.second)
        with self._commit():
            self._db.execute("INSERT OR IGNORE INTO proof VALUES (?, ?, ?, ?, ?)", values)

    def proofs(self) -> list[Proof]:
        query = "SELECT author, stream, seq, first, second FROM proof ORDER BY author, stream, seq"
        with self._reporting():
            return [
                Proof(author=author, stream=stream, seq=seq, first=first, second=second)
                for author, stream, seq, first, second in self._db.execute(query)
            ]

    def put_quarantine(self, item: Quarantined) -> None:
        with self._commit():
            self._put_aside(item)

    def quarantine(self) -> list[Quarantined]:
        query = "SELECT id, reason, data, sender FROM quarantine ORDER BY id"
        with self._reporting():
            return [Quarantined(*row) for row in self._db.execute(query)]

    def put_notes(self, notes: Mapping[str, bytes]) -> None:
        rows = [(key, data, _checksum(key, data)) for key, data in notes.items()]
        with self._commit():
            self._db.executemany("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", rows)

    def get_note(self, key: str) -> bytes | None:
        query = "SELECT data, checksum FROM note WHERE key = ?"
        with self._reporting():
            found = self._db.execute(query, (key,)).fetchone()
        if found is None:
            return None
        data, checksum = found
        if checksum != _checksum(key, data):
            raise StoreBroken(self._path, f"the note {key!r} is damaged; write it anew")
        assert isinstance(data, bytes)
        return data

    def close(self) -> None:
        with self._reporting():
            self._db.close()

    def _open(self) -> None:
        # Exclusive: no second connection can ever be there, which SQLite before 3.51.3 needs
        # to be safe (its WAL-reset bug wants two).
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        application, version = self._pragma("application_id"), self._pragma("user_version")
        fresh = self._pragma("schema_version") == 0
        if not fresh and application != APPLICATION_ID:
            raise UsageError(f"{self._path} is not a commonfab record store; move it away")
        if not fresh and version != FORMAT_VERSION:
            newer = "use the newer program that wrote it"
            older = "move it away, and this node's peers bring back what was public"
            raise UsageError(
                f"{self._path} has format {version}, and this program reads {FORMAT_VERSION}; "
                f"{newer if version > FORMAT_VERSION else older}"
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES_MAX // PAGE_BYTES}")
        self._db.execute("PRAGMA cell_size_check = ON")
        if fresh:
            self._db.executescript(_SCHEMA)

    def _pragma(self, name: str) -> int:
        value = self._db.execute(f"PRAGMA {name}").fetchone()[0]
        assert isinstance(value, int)
        return value

    def _insert(self, row: StoredRecord, mark: Mark | None) -> bool:
        """Put a row in, or return False where another record has its place."""
        if mark is not None and mark.seq == row.seq and mark.id != row.id:
            return False
        values = _columns(row)
        done = self._db.execute(_INSERT, (*values, row.data, _checksum(*values)))
        if done.rowcount == 1 or self.has(row.id):
            return True
        query = "SELECT 1 FROM record WHERE author = ? AND stream = ? AND seq = ? AND id = ?"
        if not self._db.execute(query, (row.author, row.stream, row.seq, row.id)).fetchone():
            return False
        # It is here, but the way to it by its id has rotted.
        self._db.execute("REINDEX record")
        return True

    def _checked(self, record_id: RecordId, found: tuple[Any, ...]) -> StoredRecord:
        """Return a row as the record of this id, or put it in quarantine and raise."""
        rowid, _, *columns, data, checksum = found
        if fault := self._fault(record_id, columns, data, checksum):
            self._remove_damaged(rowid, Quarantined(record_id, fault, data))
            raise RecordDamaged(record_id)
        author, kind, stream, seq, at, until = columns
        return StoredRecord(
            id=record_id,
            author=author,
            kind=kind,
            stream=stream,
            seq=seq,
            at=at,
            until=until,
            data=data,
        )

    def _fault(
        self, record_id: RecordId, columns: list[object], data: bytes, checksum: bytes
    ) -> str | None:
        """Say what is wrong with a row as it was read, of which any column may have changed."""
        if checksum != _checksum(record_id, *columns):
            return "its columns are not those that were written"
        try:
            true_id = self._identify(data)
        except PeerError as error:
            return f"its bytes are not a sealed record: {error}"
        return None if true_id == record_id else "its bytes do not have its id"

    def _remove_damaged(self, rowid: int, item: Quarantined) -> None:
        with self._commit():
            self._put_aside(item)
            # A changed column no longer leads to the row's own index entries.
            self._db.execute("REINDEX record")
            self._db.execute("DELETE FROM record WHERE rowid = ?", (rowid,))

    def _put_aside(self, item: Quarantined) -> None:
        values = (item.id, item.reason, item.data, item.sender)
        self._db.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?)", values)

    def _load_marks(self) -> dict[_Place, Mark]:
        marks: dict[_Place, Mark] = {}
        damaged: list[tuple[NodeId, str]] = []
        for *values, checksum in self._db.execute(
            "SELECT author, stream, seq, id, checksum FROM mark"
        ).fetchall():
            author, stream, seq, record_id = values
            if checksum == _checksum(*values):
                marks[author, stream] = Mark(seq, record_id)
            else:
                damaged.append((author, stream))
        if damaged:
            self._mend_marks(marks, damaged)
        return marks

    def _mend_marks(self, marks: dict[_Place, Mark], damaged: list[_Place]) -> None:
        """Put damaged marks aside, and make new ones as high as the records that are here."""
        mended: dict[_Place, Mark] = {}
        for row in self.find():
            place = (row.author, row.stream)
            if place not in marks and (place not in mended or row.seq > mended[place].seq):
                mended[place] = Mark(row.seq, row.id)
        with self._commit():
            for author, stream in damaged:
                reason = f"the mark of stream {stream!r} was damaged; made anew from its records"
                self._put_aside(Quarantined(RecordId(author), reason, b""))
                self._db.execute(
                    "DELETE FROM mark WHERE author = ? AND stream = ?", (author, stream)
                )
            self._write_marks(mended)
        marks.update(mended)

    def _write_marks(self, marks: dict[_Place, Mark]) -> None:
        for (author, stream), mark in marks.items():
            values = (author, stream, mark.seq, mark.id)
            row = (*values, _checksum(*values))
            self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?, ?)", row)

    @contextmanager
    def _commit(self) -> Generator[None]:
        """Do all of the block durably, or none of it."""
        with self._reporting(), transaction(self._db):
            yield

    @contextmanager
    def _reporting(self) -> Generator[None]:
        try:
            yield
        # A schema that has rotted comes up in SQLite's message, which then is not UTF-8.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> CommonfabError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        # SQLite says FULL for a full disk, but only IOERR_WRITE for a quota or a size limit.
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
            return StoreFull(self._path)
        if code == sqlite3.SQLITE_NOTADB:
            return UsageError(f"{self._path} is not a commonfab record store; move it away")
        if code == sqlite3.SQLITE_BUSY:
            return StoreBroken(self._path, "another process has it open; stop that one first")
        return StoreBroken(self._path, f"{error}; move it away and sync again from a peer")


def _columns(row: StoredRecord) -> tuple[bytes, bytes, str, str, int, int, int]:
    return row.id, row.author, row.kind, row.stream, row.seq, row.at, row.until


def _checksum(*values: object) -> bytes:
    # The printed form of bytes, text and integers is one-to-one.
    return blake2b(repr(values).encode(errors="surrogatepass"), digest_size=16).digest()


def _holes(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
