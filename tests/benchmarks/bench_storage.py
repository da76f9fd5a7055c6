"""What the stores cost, as shares of what this machine can do at best.

python -m tests.benchmarks.bench_storage
"""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter, process_time

from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import StoredRecord
from commonfab.storage.records import SqliteRecordStore
from commonfab.storage.unixfs.unixfs import DEFAULT_PROFILE, PROFILES, add_file, read_file

FILE_BYTES = 96 * 1024**2
RECORDS = 20_000
RECORD_BYTES = 300
GROUP = 50
SINGLES = 500
BEST_OF = 3


class Nowhere(MemoryBlockStore):
    """Keeps nothing, so that only the making of blocks is measured."""

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        for _ in blocks:
            pass


def run() -> list[tuple[str, str]]:
    """Return rows of (what, how fast)."""
    with tempfile.TemporaryDirectory() as folder:
        return [*unixfs_rows(Path(folder)), *record_rows(Path(folder))]


def unixfs_rows(folder: Path) -> list[tuple[str, str]]:
    data = hashlib.shake_128(b"commonfab").digest(FILE_BYTES)
    chunk = PROFILES[DEFAULT_PROFILE].chunk_bytes
    view = memoryview(data)
    plain = seconds(
        lambda: [hashlib.sha256(view[at : at + chunk]) for at in range(0, FILE_BYTES, chunk)]
    )
    making = seconds(lambda: add_file(Nowhere(), io.BytesIO(data)))
    store = DiskBlockStore(folder / "blocks")
    start, used = perf_counter(), process_time()
    cid, _ = add_file(store, io.BytesIO(data))
    keeping, used = perf_counter() - start, process_time() - used
    reading = seconds(lambda: sum(map(len, read_file(store, cid))))
    return [
        ("SHA-256 alone, 1 MiB at a time", f"{FILE_BYTES / plain / 1e6:.0f} MB/s"),
        ("UnixFS file made into blocks", share(plain, making)),
        ("the same, each block durable on disk", share(plain, used)),
        ("the same, with the waiting for this disk", f"{FILE_BYTES / keeping / 1e6:.0f} MB/s"),
        ("UnixFS file read from disk, each block verified", share(plain, reading)),
    ]


def record_rows(folder: Path) -> list[tuple[str, str]]:
    store = SqliteRecordStore(folder / "records.sqlite", identify=identify)
    rows = [a_record(seq) for seq in range(RECORDS + SINGLES)]
    start = perf_counter()
    for row in rows[:SINGLES]:
        store.put_many([row])
    single = perf_counter() - start
    start = perf_counter()
    for at in range(SINGLES, len(rows), GROUP):
        store.put_many(rows[at : at + GROUP])
    grouped = perf_counter() - start
    reading = seconds(lambda: sum(1 for _ in store.find()))
    store.close()
    return [
        ("records, one a durable commit", f"{SINGLES / single:,.0f}/s"),
        (f"records, {GROUP} a durable commit", f"{RECORDS / grouped:,.0f}/s"),
        ("records read and verified", f"{len(rows) / reading:,.0f}/s"),
    ]


def identify(data: bytes) -> RecordId:
    return RecordId(hashlib.sha256(data).digest())


def a_record(seq: int) -> StoredRecord:
    data = hashlib.shake_128(seq.to_bytes(8, "big")).digest(RECORD_BYTES)
    return StoredRecord(
        id=identify(data),
        author=NodeId(data[:1] * 32),
        kind="capacity",
        stream="capacity",
        seq=seq,
        at=Timestamp(seq),
        until=Timestamp(seq + 900_000),
        data=data,
    )


def seconds(call: Callable[[], object]) -> float:
    """Return the least processor time of a few calls: others on the machine hardly change it."""
    times: list[float] = []
    for _ in range(BEST_OF):
        start = process_time()
        call()
        times.append(process_time() - start)
    return min(times)


def share(plain: float, taken: float) -> str:
    return f"{100 * plain / taken:.0f} % of SHA-256"


if __name__ == "__main__":
    for what, how_fast in run():
        print(f"{what:50} {how_fast}")
