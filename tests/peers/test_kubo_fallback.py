"""A node's blocks when Kubo dies, is full, or comes back; and moved from one to the other."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, RAW
from commonfab.storage.kubo.blocks import KuboBlockStore
from commonfab.storage.kubo.fallback import BlocksWithKubo
from commonfab.storage.kubo.move import move
from commonfab.storage.kubo.rpc import KuboRpc
from commonfab.storage.unixfs.folders import add_folder, export
from tests.peers.kubo_daemon import KuboDaemon
from tests.storage.content import content

Block = tuple[CID, bytes]


def both(daemon: KuboDaemon, folder: Path) -> BlocksWithKubo:
    store = BlocksWithKubo(DiskBlockStore(folder), KuboBlockStore(KuboRpc(daemon.api)))
    store.look()
    return store


def block(number: int, size: int = 20_000) -> Block:
    data = random.Random(number).randbytes(size)
    return CID.of(data, codec=RAW), data


def test_a_kubo_that_is_killed_in_the_middle_loses_nothing_and_is_used_again(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    store = both(kubo_daemon, tmp_path)

    def publishing() -> Iterator[Block]:
        for number in range(400):
            if number == 200:
                kubo_daemon.kill()
            yield block(number)

    store.put_many(publishing())

    assert not store.is_there
    assert "this node's own disk is used" in store.trouble
    on_disk = set(store.disk.cids())
    assert block(399)[0] in on_disk
    assert block(0)[0] not in on_disk
    store.put(*block(1000))
    assert store.get(block(1000)[0]) == block(1000)[1]
    assert not store.has(block(0)[0])

    kubo_daemon.start()
    store.look()

    assert store.takes
    assert store.trouble == ""
    for number in (*range(400), 1000):
        cid, data = block(number)
        assert store.get(cid) == data
    assert len(list(store.cids())) == 401
    store.put(*block(1001))
    assert store.kubo.has(block(1001)[0])
    assert not store.disk.has(block(1001)[0])


def test_a_kubo_that_is_stopped_on_its_feet_is_waited_for_once(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    rpc = KuboRpc(kubo_daemon.api, silent_s=0.5)
    store = BlocksWithKubo(DiskBlockStore(tmp_path), KuboBlockStore(rpc))
    store.look()
    os.kill(kubo_daemon.pid, signal.SIGSTOP)

    store.put_many(block(number) for number in range(200))

    assert not store.is_there
    assert len(list(store.disk.cids())) == 200
    os.kill(kubo_daemon.pid, signal.SIGCONT)
    store.look()
    assert store.takes


def test_a_kubo_that_may_not_grow_keeps_what_it_has_and_gets_nothing_more(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    store = both(kubo_daemon, tmp_path)
    store.put(*block(1))
    kubo_daemon.stop()
    kubo_daemon.configure({"Datastore.StorageMax": "10MB"})
    kubo_daemon.start()
    store = both(kubo_daemon, tmp_path)

    store.put(*block(2))

    assert (store.is_there, store.takes) == (True, False)
    assert "Datastore.StorageMax" in store.trouble
    assert store.get(block(1)[0]) == block(1)[1]
    assert store.disk.has(block(2)[0])


def test_a_kubo_whose_disk_is_full_refuses_and_the_own_disk_takes_it(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    kubo_daemon.stop()
    kubo_daemon.start_limited(file_bytes_max=500_000)
    store = both(kubo_daemon, tmp_path)
    assert store.takes

    cid, data = block(3, size=1_000_000)
    store.put(cid, data)

    assert store.disk.has(cid)
    assert "file too large" in store.trouble
    assert store.get(cid) == data


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A design of three hundred files."""
    design = tmp_path / "design"
    for number in range(300):
        path = design / f"group {number % 7}" / f"part {number}.stl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(str(number), number * 200))
    return design


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_library_moves_into_kubo_and_back_and_nothing_has_changed(
    shared_kubo_daemon: KuboDaemon, library: Path, tmp_path: Path
) -> None:
    disk = DiskBlockStore(tmp_path / "disk")
    root = add_folder(disk, library)
    before = {cid: disk.get(cid) for cid in disk.cids()}
    kubo = KuboBlockStore(KuboRpc(shared_kubo_daemon.api))
    kubo.connect()

    there = move(disk, kubo, delete=True)

    assert (there.blocks, there.verified, there.deleted) == (len(before),) * 3
    assert there.size_bytes == sum(map(len, before.values()))
    assert there.left == ()
    assert list(disk.cids()) == []
    assert {cid: kubo.get(cid) for cid in kubo.cids()} == before
    export(kubo, root, tmp_path / "from kubo")
    assert files_in(tmp_path / "from kubo") == files_in(library)

    back = move(kubo, disk, delete=True)

    assert (back.verified, back.deleted, back.left) == (len(before), len(before), ())
    assert list(kubo.cids()) == []
    assert {cid: disk.get(cid) for cid in disk.cids()} == before


MOVER = """
import sys
from pathlib import Path
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.kubo.rpc import KuboRpc
from commonfab.storage.kubo.blocks import KuboBlockStore
from commonfab.storage.kubo.move import move

kubo = KuboBlockStore(KuboRpc(sys.argv[1]))
kubo.connect()
step, at = sys.argv[3], int(sys.argv[4])

def told(now, done, of):
    if (now, done) == (step, at):
        print("there", flush=True)
        sys.stdin.read()

move(DiskBlockStore(Path(sys.argv[2])), kubo, delete=True, progress=told)
"""


@pytest.mark.parametrize(("step", "at"), [("copying", 150), ("verifying", 150), ("deleting", 150)])
def test_a_move_that_was_killed_has_lost_nothing_and_is_taken_up_again(
    kubo_daemon: KuboDaemon, tmp_path: Path, step: str, at: int
) -> None:
    disk = DiskBlockStore(tmp_path)
    blocks = dict(block(number, 500) for number in range(300))
    disk.put_many(blocks.items())
    arguments = [kubo_daemon.api, str(tmp_path), step, str(at)]
    with subprocess.Popen(
        [sys.executable, "-c", MOVER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as mover:
        assert mover.stdout is not None
        assert mover.stdout.readline() == b"there\n"
        mover.kill()

    store = both(kubo_daemon, tmp_path)
    assert {cid: store.get(cid) for cid in store.cids()} == blocks

    moved = move(store.disk, store.kubo, delete=True)

    assert moved.copied <= 300 - 64 or step == "copying"
    assert moved.left == ()
    assert list(store.disk.cids()) == []
    assert {cid: store.kubo.get(cid) for cid in store.kubo.cids()} == blocks


def test_a_block_that_is_damaged_in_the_source_is_named_and_the_others_move(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    store = both(kubo_daemon, tmp_path)
    good, bad = block(1), block(2)
    store.disk.put_many([good, bad])
    (path,) = tmp_path.rglob(str(bad[0]))
    path.write_bytes(b"something else")

    moved = move(store.disk, store.kubo, delete=True)

    assert moved.left == (bad[0],)
    assert (moved.verified, moved.deleted) == (1, 1)
    assert list(store.kubo.cids()) == [good[0]]
