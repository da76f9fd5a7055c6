"""The record store in SQLite: files that are not ours, rot, and how it is set up."""

import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from commonfab.protocol.errors import Malformed, UsageError
from commonfab.protocol.ids import RecordId
from commonfab.storage.ports import (
    Mark,
    RecordDamaged,
    StoreBroken,
    StoredRecord,
)
from commonfab.storage.records import APPLICATION_ID, FORMAT_VERSION, SqliteRecordStore
from tests.storage.worker import a_record, identify

RECORDS = [a_record(random.Random(seed).randbytes(40 + 7 * seed)) for seed in range(60)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteRecordStore]:
    store = SqliteRecordStore(path, identify=identify)
    yield store
    store.close()


def change(path: Path, statement: str, *values: object) -> None:
    """Change the file behind the store's back, as rot would."""
    db = sqlite3.connect(path)
    db.execute(statement, values)
    db.commit()
    db.close()


def kept(path: Path) -> Path:
    store = SqliteRecordStore(path, identify=identify)
    assert store.put_many(RECORDS) == []
    store.put_notes({"order/1": b"why not"})
    store.close()
    return path


def test_what_was_put_is_there_when_the_file_is_opened_again(path: Path) -> None:
    store = SqliteRecordStore(kept(path), identify=identify)

    assert {record.id: record for record in store.find()} == {r.id: r for r in RECORDS}
    assert len(store.marks()) == len(RECORDS)
    assert store.get_note("order/1") == b"why not"
    store.close()


def test_the_store_may_be_used_from_another_thread(store: SqliteRecordStore) -> None:
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(store.put_many, RECORDS).result()

        assert thread.submit(store.get, RECORDS[0].id).result() == RECORDS[0]


def test_every_commit_is_synced_to_the_disk(store: SqliteRecordStore) -> None:
    # These hold for one connection, and another cannot ask.
    db = store._db  # pyright: ignore[reportPrivateUsage]

    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA locking_mode").fetchone() == ("exclusive",)


def test_a_second_process_is_refused(store: SqliteRecordStore, path: Path) -> None:
    store.put_many(RECORDS[:1])

    with pytest.raises(StoreBroken, match="another process has it open"):
        SqliteRecordStore(path, identify=identify)


def test_the_file_says_whose_it_is(path: Path) -> None:
    header = kept(path).read_bytes()[:100]

    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(header[60:64], "big") == FORMAT_VERSION


def test_a_file_of_another_kind_is_refused_and_not_changed(path: Path) -> None:
    path.write_text("This is a letter to a workshop, and longer than a header. " * 20)
    letter = path.read_bytes()

    with pytest.raises(UsageError, match=rf"{path} is not a commonfab record store; move it"):
        SqliteRecordStore(path, identify=identify)

    assert path.read_bytes() == letter


def test_another_programs_database_is_refused_and_not_changed(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE recipe (name TEXT)")
    db.close()
    before = path.read_bytes()

    with pytest.raises(UsageError, match="is not a commonfab record store"):
        SqliteRecordStore(path, identify=identify)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("version", "way_out"), [(1, "reads 2; move it away"), (3, "reads 2; use the newer")]
)
def test_a_file_of_another_format_is_refused_and_not_changed(
    path: Path, version: int, way_out: str
) -> None:
    change(kept(path), f"PRAGMA user_version = {version}")
    before = path.read_bytes()

    with pytest.raises(UsageError, match=f"has format {version}, and this program {way_out}"):
        SqliteRecordStore(path, identify=identify)

    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_told_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match=f"{tmp_path}/none/records.sqlite: unable to open"):
        SqliteRecordStore(tmp_path / "none" / "records.sqlite", identify=identify)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("data", b"rotten"),
        ("author", b"E" * 32),
        ("kind", "lease"),
        ("stream", "x"),
        ("seq", -5),
        ("at", 1),
        ("until", 9),
        ("checksum", b""),
    ],
)
def test_a_row_with_a_changed_column_goes_to_quarantine_alone(
    path: Path, column: str, value: object
) -> None:
    victim = RECORDS[7]
    change(kept(path), f"UPDATE record SET {column} = ? WHERE id = ?", value, victim.id)  # noqa: S608
    store = SqliteRecordStore(path, identify=identify)

    with pytest.raises(RecordDamaged, match="sync again") as caught:
        store.get(victim.id)

    assert caught.value.record_id == victim.id
    assert [item.id for item in store.quarantine()] == [victim.id]
    assert store.get(victim.id) is None
    assert {record.id for record in store.find()} == {r.id for r in RECORDS} - {victim.id}
    assert store.put_many([victim]) == []
    assert store.get(victim.id) == victim
    store.close()


def test_a_text_that_is_no_longer_utf_8_goes_to_quarantine_too(path: Path) -> None:
    victim = RECORDS[7]
    change(kept(path), "UPDATE record SET kind = CAST(x'ff' AS TEXT) WHERE id = ?", victim.id)
    store = SqliteRecordStore(path, identify=identify)

    assert len(list(store.find())) == len(RECORDS) - 1
    assert [item.id for item in store.quarantine()] == [victim.id]
    store.close()


def test_a_schema_that_has_rotted_is_told_and_the_file_not_used(path: Path) -> None:
    whole = kept(path).read_bytes()
    path.write_bytes(whole.replace(b"CREATE TABLE mark (", b"CREATE TABL\xff mark ("))

    with pytest.raises(StoreBroken, match="move it away and sync again"):
        SqliteRecordStore(path, identify=identify)


def test_damaged_rows_do_not_stop_the_others_from_being_found(path: Path) -> None:
    change(kept(path), "UPDATE record SET data = x'00' WHERE seq < 100")
    store = SqliteRecordStore(path, identify=identify)

    whole = [record for record in RECORDS if record.seq >= 100]
    assert {record.id for record in store.find()} == {record.id for record in whole}
    assert len(store.quarantine()) == len(RECORDS) - len(whole)
    store.close()


def test_bytes_that_are_no_record_at_all_go_to_quarantine_with_the_reason(path: Path) -> None:
    def refuse(data: bytes) -> RecordId:
        raise Malformed("not an envelope")

    store = SqliteRecordStore(kept(path), identify=refuse)

    assert list(store.find()) == []
    assert store.quarantine()[0].reason == "its bytes are not a sealed record: not an envelope"
    store.close()


def test_a_damaged_mark_is_made_anew_from_the_records_and_told(path: Path) -> None:
    victim = RECORDS[3]
    change(kept(path), "UPDATE mark SET seq = 0 WHERE author = ?", victim.author)

    store = SqliteRecordStore(path, identify=identify)

    assert store.marks()[victim.author, "designs"] == Mark(victim.seq, victim.id)
    assert len(store.marks()) == len(RECORDS)
    assert "mark" in store.quarantine()[0].reason
    store.close()


def test_a_damaged_note_is_told(path: Path) -> None:
    change(kept(path), "UPDATE note SET data = x'00'")
    store = SqliteRecordStore(path, identify=identify)

    with pytest.raises(StoreBroken, match="the note 'order/1' is damaged"):
        store.get_note("order/1")
    store.close()


def test_a_refused_batch_leaves_nothing_of_itself(store: SqliteRecordStore) -> None:
    def rows() -> Iterator[StoredRecord]:
        yield RECORDS[0]
        raise Malformed("the next one")

    with pytest.raises(Malformed):
        store.put_many(rows())

    assert list(store.find()) == []
    assert store.marks() == {}
    assert store.put_many(RECORDS) == []


def test_a_record_whose_id_rots_anywhere_in_the_file_is_whole_after_the_next_sync(
    tmp_path: Path,
) -> None:
    victim = RECORDS[7]
    whole = kept(tmp_path / "whole.sqlite").read_bytes()
    places = [at for at in range(len(whole)) if whole.startswith(victim.id, at)]
    assert len(places) >= 3  # the row, and two indexes
    for at in places:
        path = tmp_path / f"{at}.sqlite"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        store = SqliteRecordStore(path, identify=identify)

        found = {record.id for record in store.find()}
        assert {record.id for record in RECORDS} - found <= {victim.id}
        assert store.put_many(RECORDS) == []
        assert [store.get(record.id) for record in RECORDS] == RECORDS
        assert len(list(store.find())) == len(RECORDS)
        store.close()


def test_a_flipped_bit_never_gives_a_record_that_was_not_put(tmp_path: Path) -> None:
    whole = kept(tmp_path / "whole.sqlite").read_bytes()
    by_id = {record.id: record for record in RECORDS}
    rng = random.Random(11)
    for trial in range(150):
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{trial}.sqlite"
        path.write_bytes(changed)
        try:
            store = SqliteRecordStore(path, identify=identify)
        except (StoreBroken, UsageError):
            continue
        try:
            check_flipped(store, by_id)
        finally:
            store.close()


def check_flipped(store: SqliteRecordStore, by_id: dict[RecordId, StoredRecord]) -> None:
    try:
        for record in store.find():
            assert record == by_id[record.id]
        for place, mark in store.marks().items():
            assert place == (by_id[mark.id].author, "designs")
            assert mark.seq == by_id[mark.id].seq
        for record_id, record in by_id.items():
            assert store.get(record_id) in (record, None)
        assert store.get_note("order/1") in (b"why not", None)
    except (StoreBroken, RecordDamaged):
        return
