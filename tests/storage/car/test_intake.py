"""Blocks of a CAR going into a store: counted, kept once, looked at beforehand."""

import io
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from commonfab.protocol.errors import Malformed
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.car.bundle import census
from commonfab.storage.car.car import Reader, encode_header, encode_section
from commonfab.storage.car.intake import (
    BATCH_BYTES_MAX,
    REFUSED_LISTED_MAX,
    Intake,
    Preview,
    StoreTaker,
)
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockMissing
from commonfab.storage.unixfs.unixfs import DEFAULT_PROFILE, add_file, profile_named, walk

TINY = replace(profile_named(DEFAULT_PROFILE), chunk_bytes=4, width=3)


class Watched(MemoryBlockStore):
    """Remembers how many bytes came at once."""

    most_bytes = 0

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        given = list(blocks)
        self.most_bytes = max(self.most_bytes, sum(len(data) for _, data in given))
        super().put_many(given)


def a_car(*datas: bytes) -> bytes:
    sections = (encode_section(CID.of(data, codec=RAW), data) for data in datas)
    return encode_header([]) + b"".join(sections)


def taken(data: bytes, store: MemoryBlockStore) -> Intake:
    intake = Intake(Reader(io.BytesIO(data), len(data)), StoreTaker(store))
    while intake.take():
        pass
    return intake


def test_each_block_is_kept_and_only_new_ones_count_as_new() -> None:
    store = MemoryBlockStore()
    store.put(CID.of(b"known", codec=RAW), b"known")

    intake = taken(a_car(b"known", b"new", b"new"), store)

    assert (intake.blocks, intake.size_bytes) == (2, 8)
    assert (intake.new_blocks, intake.new_bytes) == (1, 3)
    assert store.get(CID.of(b"new", codec=RAW)) == b"new"
    again = taken(a_car(b"known", b"new"), store)
    assert (again.blocks, again.new_blocks) == (2, 0)


def test_memory_holds_one_batch() -> None:
    store = Watched()
    datas = [bytes([index]) * 2_000_000 for index in range(25)]

    intake = taken(a_car(*datas), store)

    assert intake.blocks == 25
    assert store.most_bytes < BATCH_BYTES_MAX + 2_100_000


def test_refusals_are_listed_up_to_a_bound_and_all_counted() -> None:
    cid = CID.of(b"true", codec=RAW)
    wrong = encode_section(cid, b"lie!") * (REFUSED_LISTED_MAX + 20)

    intake = taken(encode_header([]) + wrong + encode_section(cid, b"true"), MemoryBlockStore())

    assert len(intake.refused) == REFUSED_LISTED_MAX
    assert intake.refused_count == REFUSED_LISTED_MAX + 20
    assert intake.refused[0].startswith("byte 18: block bafkrei")
    assert intake.blocks == 1


def test_damage_ends_it_and_what_came_before_is_kept() -> None:
    store = MemoryBlockStore()

    intake = taken(a_car(b"one", b"two")[:-1], store)

    assert intake.damage is not None
    assert list(store.cids()) == [CID.of(b"one", codec=RAW)]


def test_a_preview_keeps_nothing_and_sees_the_file_and_the_store_together() -> None:
    source, store = MemoryBlockStore(), MemoryBlockStore()
    root = add_file(source, io.BytesIO(b"aaaabbbbcccc"), TINY)[0]
    here = CID.of(b"bbbb", codec=RAW)
    store.put(here, b"bbbb")
    rest = [cid for cid, _ in walk(source, root) if cid != here]
    data = encode_header([root]) + b"".join(encode_section(cid, source.get(cid)) for cid in rest)

    file = io.BytesIO(data)
    preview = Preview(file, store)
    intake = Intake(Reader(file, len(data)), preview)
    while intake.take():
        pass

    assert census(preview, root).missing == 0
    assert census(store, root).missing > 0
    assert list(store.cids()) == [here]
    assert intake.new_blocks == len(rest)
    assert preview.get(here) == b"bbbb"
    with pytest.raises(BlockMissing):
        preview.get(CID.of(b"none", codec=RAW))


def test_a_file_that_changes_under_a_preview_is_noticed() -> None:
    data = a_car(b"one")
    file = io.BytesIO(data)
    preview = Preview(file, MemoryBlockStore())
    assert Intake(Reader(file, len(data)), preview).take()
    file.seek(0)
    file.write(bytes(len(data)))

    with pytest.raises(Malformed, match="changed"):
        preview.get(CID.of(b"one", codec=RAW))


WORKER = """
import sys
from pathlib import Path
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.car.car import Reader
from commonfab.storage.car.file import PartFile, opened
from commonfab.storage.car.intake import Intake, StoreTaker
what, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if what == "open":
    with opened(source) as (file, size):
        intake = Intake(Reader(file, size), StoreTaker(DiskBlockStore(target)))
        print("ready", flush=True)
        while intake.take():
            print(intake.blocks, flush=True)
else:
    part = PartFile(target)
    print("ready", flush=True)
    data = source.read_bytes()
    for at in range(0, len(data), 100_000):
        part.write(data[at : at + 100_000])
        print(at, flush=True)
    part.finish()
print("done", flush=True)
"""


def killed_after(lines: int, what: str, source: Path, target: Path) -> list[str]:
    """Run the worker, kill it once it has said so many lines, return all that it said."""
    words = [sys.executable, "-c", WORKER, what, str(source), str(target)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        said = [worker.stdout.readline() for _ in range(lines)]
        worker.kill()
        said += worker.stdout.readlines()
    return [line.strip() for line in said if line.endswith("\n")]


@pytest.mark.rule("BUNDLE-6")
def test_kill_9_at_any_time_loses_no_block_that_was_taken(tmp_path: Path) -> None:
    datas = [bytes([index]) * 1_000_000 for index in range(80)]
    (tmp_path / "a.car").write_bytes(a_car(*datas))

    for lines in (1, 1, 2, 3, 4):
        said = killed_after(lines, "open", tmp_path / "a.car", tmp_path / "store")
        store = DiskBlockStore(tmp_path / "store")
        for data in datas[: int(said[-1]) if said[-1].isdigit() else 0]:
            assert store.get(CID.of(data, codec=RAW)) == data
        for cid in store.cids():
            store.get(cid)


@pytest.mark.rule("BUNDLE-6")
def test_kill_9_at_any_time_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "a.car"
    source.write_bytes(b"".join(bytes([index]) * 300_000 for index in range(40)))

    for lines in (1, 5, 40, 80, 119):
        killed_after(lines, "make", source, target)
        assert not target.exists() or target.read_bytes() == source.read_bytes()
        target.unlink(missing_ok=True)
    assert killed_after(123, "make", source, target)[-1] == "done"
    assert target.read_bytes() == source.read_bytes()


FULL = f"""
import resource
from commonfab.storage.ports import StoreFull
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, -1))
try:
    exec({WORKER!r})
except StoreFull as full:
    print(full)
"""


def test_a_full_disk_says_so_and_keeps_what_was_taken_before(tmp_path: Path) -> None:
    datas = [bytes([index]) * 100_000 for index in range(200)]
    (tmp_path / "a.car").write_bytes(a_car(*datas, bytes(700_000)))
    words = [sys.executable, "-c", FULL, "open", str(tmp_path / "a.car"), str(tmp_path / "store")]

    ended = subprocess.run(words, check=True, capture_output=True, text=True)

    assert "no room left" in ended.stdout
    store = DiskBlockStore(tmp_path / "store")
    taken = [line for line in ended.stdout.splitlines() if line.isdigit()]
    assert taken == ["168"]
    for data in datas[: int(taken[-1])]:
        store.get(CID.of(data, codec=RAW))
    assert killed_after(4, "open", tmp_path / "a.car", tmp_path / "store")[-1] == "done"
    assert store.get(CID.of(datas[-1], codec=RAW)) == datas[-1]
