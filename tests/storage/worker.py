"""A process that fills a store, says what was acknowledged, and is killed or runs out of room.

    python worker.py blocks|records FOLDER SEED [FILE_BYTES_MAX]

Each line on stdout is one acknowledged CID or record id. When the store is full, it prints
what the store said, checks that all that was acknowledged is there and that the store goes
on, and says "whole".
"""

import random
import resource
import shutil
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, RAW
from commonfab.storage.ports import StoredRecord, StoreFull
from commonfab.storage.records import SqliteRecordStore


def identify(data: bytes) -> RecordId:
    return RecordId(sha256(data).digest())


def block_batches(rng: random.Random) -> Iterator[list[tuple[CID, bytes]]]:
    while True:
        datas = [rng.randbytes(rng.randrange(120_000)) for _ in range(rng.randint(1, 4))]
        yield [(CID.of(data, codec=RAW), data) for data in datas]


def record_batches(rng: random.Random) -> Iterator[list[StoredRecord]]:
    while True:
        yield [a_record(rng.randbytes(rng.randrange(32, 4000))) for _ in range(rng.randint(1, 5))]


def a_record(data: bytes) -> StoredRecord:
    return StoredRecord(
        id=identify(data),
        author=NodeId(data[:32]),
        kind="design",
        stream="designs",
        seq=len(data),
        at=Timestamp(len(data)),
        until=Timestamp(0),
        data=data,
    )


def fill_blocks(folder: Path, seed: int) -> None:
    store = DiskBlockStore(folder)
    kept: list[CID] = []
    try:
        for batch in block_batches(random.Random(seed)):
            store.put_many(batch)
            for cid, _ in batch:
                kept.append(cid)
                print(cid, flush=True)
    except StoreFull as full:
        print(full)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    assert not list((folder / "unfinished").iterdir())
    for cid in [*kept, *store.cids()]:
        store.get(cid)
    for cid in kept[:2]:
        store.delete(cid)
    store.put(CID.of(b"again", codec=RAW), b"again")
    print("whole", flush=True)


def fill_records(folder: Path, seed: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = folder / "records.sqlite"
    store = SqliteRecordStore(path, identify=identify)
    kept: list[RecordId] = []
    try:
        for batch in record_batches(random.Random(seed)):
            assert store.put_many(batch) == []
            for record in batch:
                kept.append(record.id)
                print(record.id.hex(), flush=True)
    except StoreFull as full:
        print(full)
    check_records(store, kept)
    store.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, limits[1]))
    (folder / "ballast").unlink(missing_ok=True)
    store = SqliteRecordStore(path, identify=identify)
    check_records(store, kept)
    store.put_many([a_record(bytes(32))])
    store.close()
    print("whole", flush=True)


def check_records(store: SqliteRecordStore, kept: list[RecordId]) -> None:
    assert kept
    assert {record.id for record in store.find()} == set(kept)
    assert not store.quarantine()
    assert {mark.id for mark in store.marks().values()} == set(kept)


def main() -> None:
    kind, folder, seed, *limit = sys.argv[1:]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), -1))
    # Room that can be given back: a person who reads "disk full" removes something.
    if shutil.disk_usage(folder).total < 16 * 1024**2:
        (Path(folder) / "ballast").write_bytes(bytes(400_000))
    (fill_blocks if kind == "blocks" else fill_records)(Path(folder), int(seed))


if __name__ == "__main__":
    main()
