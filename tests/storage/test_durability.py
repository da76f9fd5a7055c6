"""Nothing acknowledged is lost: not to kill -9, not to a power cut, not to a full disk."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from commonfab.protocol.errors import Malformed
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, RAW
from commonfab.storage.ports import BlockMissing
from commonfab.storage.records import SqliteRecordStore
from tests.storage.platter import Platter, PowerCut
from tests.storage.worker import identify

WORKER = Path(__file__).with_name("worker.py")
CYCLES = int(os.environ.get("COMMONFAB_KILLS", "30"))
"""Kills of each store; more of them at night."""


def killed_after(count: int, kind: str, folder: Path, seed: int) -> list[str]:
    """Run the worker, kill it once it has acknowledged so many, return all acknowledged."""
    command = [sys.executable, str(WORKER), kind, str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        lines = [worker.stdout.readline() for _ in range(count)]
        worker.send_signal(signal.SIGKILL)
        lines += worker.stdout.readlines()
    assert worker.returncode == -signal.SIGKILL
    return [line.strip() for line in lines if line.endswith("\n")]


def test_no_block_is_lost_to_kill_9_and_none_is_torn(tmp_path: Path) -> None:
    rng = random.Random(1)
    kept: set[CID] = set()
    for cycle in range(CYCLES):
        lines = killed_after(rng.randint(1, 40), "blocks", tmp_path, cycle)
        kept |= {CID.parse(line) for line in lines}

        store = DiskBlockStore(tmp_path)
        visible = set(store.cids())
        assert kept <= visible
        for cid in visible:
            store.get(cid)
        assert not list((tmp_path / "unfinished").iterdir())


def test_no_record_is_lost_to_kill_9_and_none_is_torn(tmp_path: Path) -> None:
    rng = random.Random(2)
    kept: set[str] = set()
    for cycle in range(CYCLES):
        kept |= set(killed_after(rng.randint(1, 200), "records", tmp_path, cycle))

        store = SqliteRecordStore(tmp_path / "records.sqlite", identify=identify)
        visible = {record.id for record in store.find()}
        assert kept <= {record_id.hex() for record_id in visible}
        assert {mark.id for mark in store.marks().values()} == visible
        assert not store.quarantine()
        store.close()


def some_blocks(seed: int) -> list[list[tuple[CID, bytes]]]:
    rng = random.Random(seed)
    batches = [[rng.randbytes(rng.randrange(60)) for _ in range(size)] for size in (1, 5, 1, 40)]
    return [[(CID.of(data, codec=RAW), data) for data in batch] for batch in batches]


def survivors(platter: Platter, folder: Path, to: Path) -> DiskBlockStore:
    platter.restore(folder, to)
    return DiskBlockStore(to)


@pytest.mark.rule("UNIXFS-8")
def test_a_power_cut_after_an_acknowledgement_loses_nothing(tmp_path: Path) -> None:
    platter = Platter()
    store = DiskBlockStore(tmp_path / "a", sync=platter.sync)
    batches = some_blocks(3)
    for done, batch in enumerate(batches):
        store.put_many(batch)

        left = survivors(platter, tmp_path / "a", tmp_path / str(done))
        assert all(left.get(cid) == data for batch in batches[: done + 1] for cid, data in batch)


@pytest.mark.parametrize("syncs", range(60))
def test_a_power_cut_at_any_moment_leaves_whole_blocks_only(tmp_path: Path, syncs: int) -> None:
    platter = Platter()
    store = DiskBlockStore(tmp_path / "a", sync=platter.sync)
    kept: list[tuple[CID, bytes]] = []
    platter.syncs_left = syncs
    try:
        for batch in some_blocks(4):
            store.put_many(batch)
            kept += batch
    except PowerCut:
        pass

    left = survivors(platter, tmp_path / "a", tmp_path / "b")
    assert all(left.get(cid) == data for cid, data in kept)
    for cid in left.cids():
        left.get(cid)


def test_a_block_that_was_there_already_is_made_durable_too(tmp_path: Path) -> None:
    platter = Platter()
    store = DiskBlockStore(tmp_path / "a", sync=platter.sync)
    (cid, data), *_ = some_blocks(5)[0]
    platter.syncs_left = 1  # the file, but not its folder
    with pytest.raises(PowerCut):
        store.put(cid, data)
    assert store.has(cid)
    platter.syncs_left = None

    store.put(cid, data)

    assert survivors(platter, tmp_path / "a", tmp_path / "b").get(cid) == data


def test_what_can_be_seen_after_a_failed_put_outlasts_a_power_cut(tmp_path: Path) -> None:
    platter = Platter()
    store = DiskBlockStore(tmp_path / "a", sync=platter.sync)
    batch = some_blocks(7)[0]
    lie = (CID.of(b"the truth", codec=RAW), b"a lie")

    with pytest.raises(Malformed):
        store.put_many([*batch, lie])

    assert set(store.cids())
    assert set(survivors(platter, tmp_path / "a", tmp_path / "b").cids()) == set(store.cids())


def test_what_a_killed_program_has_named_is_durable_once_the_store_is_opened(
    tmp_path: Path,
) -> None:
    platter = Platter()
    killed = DiskBlockStore(tmp_path / "a", sync=platter.sync)
    (cid, data), *_ = some_blocks(8)[0]
    platter.syncs_left = 1  # the file, but not its folder
    with pytest.raises(PowerCut):
        killed.put(cid, data)
    platter.syncs_left = None

    assert DiskBlockStore(tmp_path / "a", sync=platter.sync).has(cid)

    assert survivors(platter, tmp_path / "a", tmp_path / "b").get(cid) == data


def test_the_platter_loses_what_was_not_synced(tmp_path: Path) -> None:
    platter = Platter()
    store = DiskBlockStore(tmp_path / "a", sync=platter.sync)
    careless = DiskBlockStore(tmp_path / "a", sync=lambda _: None)
    (cid, data), *_ = some_blocks(6)[0]

    careless.put(cid, data)

    assert store.get(cid) == data
    with pytest.raises(BlockMissing):
        survivors(platter, tmp_path / "a", tmp_path / "b").get(cid)


def check_end(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """Check that a worker ran out of room, was told so, and found all it had put."""
    said, last = ["", "", *done.stdout.splitlines()][-2:]
    assert last == "whole", done.stderr
    assert str(folder) in said
    assert "free some space" in said


@pytest.mark.parametrize(("kind", "limit"), [("blocks", 100_000), ("records", 600_000)])
def test_a_file_size_limit_is_a_full_store_and_nothing_is_lost(
    tmp_path: Path, kind: str, limit: int
) -> None:
    command = [sys.executable, str(WORKER), kind, str(tmp_path), "7", str(limit)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    check_end(done, tmp_path)


@pytest.mark.parametrize("kind", ["blocks", "records"])
def test_a_full_disk_is_a_full_store_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    # A disk of 2 MiB, in memory, in a mount namespace of the worker's own.
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=2m none "$1"'
    probe = [*own, mount, "sh", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.call(probe):
        pytest.skip("this machine allows no mount in a namespace")
    command = [*own, mount + ' && exec "$2" "$3" "$4" "$1" 8', "sh", str(tmp_path)]
    command += [sys.executable, str(WORKER), kind]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    check_end(done, tmp_path)
