"""A real Kubo as a block store: the contract of all stores, and what is Kubo's own."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonfab.protocol.multihash import HASHES
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.kubo.blocks import KuboBlockStore, NotForKubo
from commonfab.storage.kubo.fallback import BlocksWithKubo
from commonfab.storage.kubo.rpc import KuboAway, KuboRpc
from commonfab.storage.ports import BlockDamaged, BlockMissing, BlockStore
from commonfab.storage.unixfs import dagpb
from commonfab.storage.unixfs.dagpb import Node
from commonfab.storage.unixfs.folders import add_folder

# The contract runs here under its own names, on the fixture `store` of this file.
from tests.contracts.test_block_store import (  # noqa: F401
    test_a_block_is_got_as_it_was_put,  # pyright: ignore[reportUnusedImport]
    test_a_block_that_is_not_here_is_missing_by_name,  # pyright: ignore[reportUnusedImport]
    test_a_block_that_is_too_large_is_refused,  # pyright: ignore[reportUnusedImport]
    test_a_deleted_block_is_gone_and_may_be_deleted_again,  # pyright: ignore[reportUnusedImport]
    test_both_versions_of_a_cid_name_one_block,  # pyright: ignore[reportUnusedImport]
    test_bytes_that_the_cid_does_not_name_are_refused,  # pyright: ignore[reportUnusedImport]
    test_many_blocks_are_put_at_once_and_repeats_are_one,  # pyright: ignore[reportUnusedImport]
    test_the_empty_block_is_a_block,  # pyright: ignore[reportUnusedImport]
    test_the_same_bytes_as_raw_and_as_a_node_are_two_blocks,  # pyright: ignore[reportUnusedImport]
)
from tests.peers.kubo_daemon import KuboDaemon
from tests.storage.content import content


def connected(daemon: KuboDaemon) -> KuboBlockStore:
    store = KuboBlockStore(KuboRpc(daemon.api))
    store.connect()
    return store


@pytest.fixture
def kubo(shared_kubo_daemon: KuboDaemon) -> Iterator[KuboBlockStore]:
    """The store in a Kubo that runs, empty of ours."""
    store = connected(shared_kubo_daemon)
    for cid in store.cids():
        store.delete(cid)
    yield store
    store.rpc.close()


@pytest.fixture
def store(kubo: KuboBlockStore, tmp_path: Path) -> BlockStore:
    """As a node has it: what Kubo cannot keep goes to the disk."""
    both = BlocksWithKubo(DiskBlockStore(tmp_path), kubo)
    both.look()
    assert both.takes
    return both


def some(count: int, size: int = 1000, seed: int = 1) -> list[tuple[CID, bytes]]:
    chance = random.Random(seed)
    return [
        (CID.of(data, codec=RAW), data) for data in (chance.randbytes(size) for _ in range(count))
    ]


def test_any_order_of_calls_leaves_it_equal_to_a_dictionary(store: BlockStore) -> None:
    chance = random.Random(20)
    model: dict[CID, bytes] = {}
    for _ in range(60):
        data = bytes([chance.randrange(8)])
        cid = CID.of(data, codec=chance.choice([RAW, DAG_PB]))
        if chance.random() < 0.6:
            store.put(cid, data)
            model[cid] = data
        else:
            store.delete(cid)
            model.pop(cid, None)

        assert {each: store.get(each) for each in store.cids()} == model


def test_every_hash_that_is_read_here_is_kept_there(kubo: KuboBlockStore) -> None:
    node = dagpb.encode(Node((), b"a part"))
    raw = [(CID(1, RAW, each.prefix + each.digest(node)), node) for each in HASHES]
    nodes = [(CID(1, DAG_PB, each.prefix + each.digest(node)), node) for each in HASHES]

    kubo.put_many([*raw, *nodes])

    assert {cid: kubo.get(cid) for cid in kubo.cids()} == dict([*raw, *nodes])


def test_what_is_called_a_node_and_is_none_stays_on_the_disk(
    kubo: KuboBlockStore, store: BlockStore
) -> None:
    odd, good = (CID.of(b"no node", codec=DAG_PB), b"no node"), some(1)[0]

    store.put(*odd)
    store.put(*good)

    assert store.get(odd[0]) == odd[1]
    assert (kubo.has(odd[0]), kubo.has(good[0])) == (False, True)


def test_its_collection_leaves_what_is_kept_and_takes_what_was_deleted(
    kubo: KuboBlockStore, shared_kubo_daemon: KuboDaemon
) -> None:
    kept, dropped = some(2)
    kubo.put_many([kept, dropped])
    kubo.delete(dropped[0])

    assert kubo.collect() >= 1

    assert kubo.get(kept[0]) == kept[1]
    assert str(dropped[0]) not in shared_kubo_daemon.run("refs", "local").decode()


def test_what_others_keep_in_it_is_neither_listed_nor_deleted(
    kubo: KuboBlockStore, shared_kubo_daemon: KuboDaemon
) -> None:
    theirs = shared_kubo_daemon.run("add", "-Q", "--cid-version=1", stdin=b"theirs")
    cid = CID.parse(theirs.decode().strip())

    assert not kubo.has(cid)
    kubo.delete(cid)
    kubo.collect()

    assert connected(shared_kubo_daemon).has(cid) is False
    assert shared_kubo_daemon.run("cat", str(cid)) == b"theirs"


def test_a_block_that_somebody_else_has_pinned_is_not_taken_for_ours(
    kubo: KuboBlockStore, shared_kubo_daemon: KuboDaemon
) -> None:
    shared_kubo_daemon.run("add", "-Q", "--cid-version=1", stdin=b"shared")
    cid = CID.of(b"shared", codec=RAW)

    with pytest.raises(NotForKubo, match="already pinned"):
        kubo.put(cid, b"shared")

    assert not kubo.has(cid)


def test_what_is_kept_is_known_after_a_new_start_of_either(kubo_daemon: KuboDaemon) -> None:
    blocks = some(200)
    connected(kubo_daemon).put_many(blocks)
    kubo_daemon.stop()
    kubo_daemon.start()

    again = connected(kubo_daemon)

    assert set(again.cids()) == {cid for cid, _ in blocks}
    assert again.size() == sum(len(data) for _, data in blocks)
    assert all(again.get(cid) == data for cid, data in blocks)


def test_a_block_that_changed_on_its_disk_is_damaged_once_and_can_be_put_again(
    kubo: KuboBlockStore, shared_kubo_daemon: KuboDaemon
) -> None:
    ((cid, data),) = some(1, seed=5)
    kubo.put(cid, data)
    spoil(shared_kubo_daemon, data)

    with pytest.raises(BlockDamaged, match=str(cid)):
        kubo.get(cid)
    with pytest.raises(BlockMissing):
        kubo.get(cid)
    kubo.put(cid, data)

    assert kubo.get(cid) == data


def spoil(daemon: KuboDaemon, data: bytes) -> None:
    """Turn one bit of a block in Kubo's repository."""
    for path in (daemon.repo / "blocks").rglob("*.data"):
        if path.read_bytes() == data:
            path.chmod(0o644)
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
            return
    raise AssertionError("Kubo has no such block")


def test_a_pin_that_a_person_took_away_is_noticed_when_its_block_is_read(
    kubo: KuboBlockStore, shared_kubo_daemon: KuboDaemon
) -> None:
    ((cid, data),) = some(1, seed=6)
    kubo.put(cid, data)
    shared_kubo_daemon.run("pin", "rm", str(cid))
    shared_kubo_daemon.run("repo", "gc")

    with pytest.raises(BlockMissing):
        kubo.get(cid)

    assert not kubo.has(cid)


def test_kubo_reads_a_design_whose_blocks_were_put_there(
    kubo: KuboBlockStore, shared_kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    design = tmp_path / "design"
    design.mkdir()
    (design / "arm.stl").write_bytes(content("arm", 3_000_000))

    root = add_folder(kubo, design)
    kubo.pin_tree(root)

    assert shared_kubo_daemon.run("cat", f"/ipfs/{root}/arm.stl") == content("arm", 3_000_000)
    named = shared_kubo_daemon.run("pin", "ls", "--names", "--type=recursive", str(root))
    assert named.decode().split() == [str(root), "recursive", "commonfab"]
    assert connected(shared_kubo_daemon).has(root)


def test_it_tells_what_it_is(kubo: KuboBlockStore, shared_kubo_daemon: KuboDaemon) -> None:
    kubo.put_many(some(3))

    facts = kubo.facts()

    assert facts.version == "0.42.0"
    assert facts.id == shared_kubo_daemon.id
    assert facts.blocks >= 3
    assert facts.repo_bytes_max == 10_000_000_000
    assert not facts.is_synced


def test_a_call_that_it_does_not_know_is_an_error_of_kubo(shared_kubo_daemon: KuboDaemon) -> None:
    with pytest.raises(KuboAway, match="status 404"):
        KuboRpc(shared_kubo_daemon.api).ask("no/such/call")
