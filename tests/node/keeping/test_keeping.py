"""Whole nodes and what they keep: reasons, quota, collection beside work, mending."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec
import pytest
import trio

from commonfab.node.designs import publishing
from commonfab.node.home.folder import Home
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.records import Design, Place, Record
from commonfab.storage.cid import CID
from commonfab.storage.unixfs.unixfs import walk
from tests.node.village import MANIFEST, a_home, eventually, living, write_block

T = TypeVar("T")
HERE = Place(lat_udeg=45_700_000, lon_udeg=4_800_000)


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


async def publish(node: Node, folder: Path, name: str = "Block") -> Record:
    """Publish a design of its own content: its name is in the manifest."""
    write_block(folder, manifest=MANIFEST.replace('name = "Block"', f'name = "{name}"', 1))
    (folder / "notes.bin").write_bytes(Random(name).randbytes(600_000))
    return (await publishing.publish(node, folder, say_nothing)).record


def root_of(design: Record) -> CID:
    assert isinstance(design.body, Design)
    return CID.from_bytes(design.body.root)


def blocks_of(node: Node, design: Record) -> set[CID]:
    return {cid.as_v1() for cid, _ in walk(node.blocks.inner, root_of(design))}


def forget_fresh(node: Node) -> None:
    """Let the time pass for which what has just come is held."""
    node.shelf._fresh.clear()  # pyright: ignore[reportPrivateUsage]  # no clock to turn


def take_away(node: Node) -> dict[CID, bytes]:
    """Remove all blocks of a node, and return them."""
    blocks = {cid: node.blocks.inner.get(cid) for cid in node.blocks.cids()}
    for cid in blocks:
        node.blocks.delete(cid)
    return blocks


@asynccontextmanager
async def two(folder: Path) -> AsyncGenerator[tuple[Node, Node]]:
    """Alice and Bob, connected."""
    network = MemoryNetwork()
    async with (
        living(a_home(folder, "alice"), network) as alice,
        living(a_home(folder, "bob"), network) as bob,
    ):
        await bob.transport.connect(alice.transport.addresses()[0])
        yield alice, bob


@pytest.mark.rule("KEEPING-1")
async def test_each_reason_holds_a_design_and_without_any_it_goes(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        design = await publish(alice, tmp_path / "block")
        root = root_of(design)
        await eventually(lambda: design.id in bob.library.designs)
        await bob.shelf.fetch(root, [alice.me])
        assert bob.keeping.reasons() == {root: ("in use",)}, "it has just come"
        forget_fresh(alice)
        forget_fresh(bob)

        assert alice.keeping.reasons() == {root: ("mine",)}
        await bob.keeping.wish(root, "block")
        assert bob.keeping.reasons() == {root: ("wished",)}
        await bob.replicas.promise(root, 1000, bob.started + 10**9)
        assert bob.keeping.reasons() == {root: ("wished", "promised")}
        assert await bob.keeping.drop(root)
        assert await bob.replicas.withdraw(root)
        order = await bob.ordering.place(design, 1, HERE, 0)
        assert bob.keeping.reasons() == {root: ("in use",)}
        await bob.keeping.collect(0)
        assert await bob.shelf.look(root)
        await bob.ordering.cancel(order)
        assert bob.keeping.reasons() == {}

        told = await bob.keeping.collect(0, dry_run=True)
        assert await bob.shelf.look(root)
        swept = await bob.keeping.collect(0)
        assert not await bob.shelf.look(root)
        assert bob.blocks.size() == swept.after_bytes == told.after_bytes == 0
        await alice.keeping.collect(0)
        assert await alice.shelf.look(root)


async def test_a_tree_is_whole_and_held_by_both_versions_of_its_root(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        folder = write_block(tmp_path / "block")
        root = await alice.shelf.put_folder(folder, profile="unixfs-v0-2015")
        assert root.version == 0

        for name in root.versions():
            assert alice.shelf.is_whole(name)
            assert await alice.shelf.look(name)
        assert alice.keeping.reasons() == {root.as_v1(): ("in use",)}
        alice.shelf.doubt(frozenset(alice.keeping.reasons()))
        assert alice.shelf.is_whole(root)


async def test_wishes_and_uses_outlive_a_restart(tmp_path: Path) -> None:
    network, home = MemoryNetwork(), a_home(tmp_path, "alice")
    async with living(home, network) as alice:
        design = await publish(alice, tmp_path / "block")
        await alice.keeping.wish(root_of(design), "block")

    async with living(home, network) as alice:
        assert alice.keeping.reasons() == {root_of(design): ("mine", "wished")}
        assert list(alice.keeping.pins.uses()) == [root_of(design)]


@pytest.mark.rule("KEEPING-2")
async def test_above_the_quota_the_design_used_longest_ago_goes_first(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        designs = [await publish(alice, tmp_path / name, name) for name in ("a", "b", "c")]
        for design in designs:
            await bob.shelf.fetch(root_of(design), [alice.me])
        await bob.shelf.fetch(root_of(designs[0]), [])
        forget_fresh(bob)

        bob.keeping.quota_bytes = 1_500_000
        await bob.keeping.round()

        here = [await bob.shelf.look(root_of(design)) for design in designs]
        assert here == [True, False, True]
        assert bob.journal.warnings() == []


async def test_pins_beyond_the_quota_stay_and_the_operator_is_told(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with living(a_home(tmp_path, "alice"), network) as alice:
        design = await publish(alice, tmp_path / "block")
        forget_fresh(alice)

        alice.keeping.quota_bytes = 100_000
        await alice.keeping.round()

        assert await alice.shelf.look(root_of(design))
        (warning,) = alice.journal.warnings()
        assert "more than the quota" in warning
        assert "(1 mine)" in warning


@pytest.mark.rule("KEEPING-4")
async def test_nothing_is_collected_while_wishes_are_damaged(tmp_path: Path) -> None:
    home = a_home(tmp_path, "alice")
    home.pins.write_bytes(b"not what was written\n")
    async with living(home, MemoryNetwork()) as alice:
        with pytest.raises(UsageError, match="say again what to keep"):
            await alice.keeping.collect(0)
        alice.keeping.pins.damaged.unlink()
        await alice.keeping.collect(0)


class Collecting:
    """A block store that collects all it can before and after each call, as a thread might."""

    def __init__(self, node: Node) -> None:
        self._inner = node.blocks.inner
        self._collect = node.keeping.collect
        self._is_collecting = False
        self.times = 0
        node.blocks.inner = self

    def put(self, cid: CID, data: bytes) -> None:
        self.put_many([(cid, data)])

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        for cid, data in blocks:
            self._do(partial(self._inner.put, cid, data))

    def get(self, cid: CID) -> bytes:
        return self._do(partial(self._inner.get, cid))

    def has(self, cid: CID) -> bool:
        return self._do(partial(self._inner.has, cid))

    def delete(self, cid: CID) -> None:
        self._inner.delete(cid)

    def cids(self) -> Iterator[CID]:
        return self._inner.cids()

    def size(self) -> int:
        return self._inner.size()

    def _do(self, call: Callable[[], T]) -> T:
        if self._is_collecting:
            return call()
        self._collect_now()
        done = call()
        self._collect_now()
        return done

    def _collect_now(self) -> None:
        self._is_collecting = True
        trio.from_thread.run(self._collect, 0)
        self._is_collecting = False
        self.times += 1


@pytest.mark.rule("KEEPING-5")
async def test_a_collection_at_every_step_of_publishing_and_fetching_takes_nothing(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (alice, bob):
        stores = Collecting(alice), Collecting(bob)

        first = await publish(alice, tmp_path / "first", "first")
        again = await publish(alice, tmp_path / "again", "again")
        await bob.shelf.fetch(root_of(first), [alice.me])
        await bob.shelf.export(root_of(first), tmp_path / "out")

        assert await alice.shelf.look(root_of(again))
        assert all(store.times > 5 for store in stores)


@pytest.mark.rule("KEEPING-5")
async def test_what_has_just_come_is_held_until_its_record_is_kept(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        root = await alice.shelf.put_folder(write_block(tmp_path / "block"))

        await alice.keeping.collect(0)
        assert await alice.shelf.look(root)

        forget_fresh(alice)
        await alice.keeping.collect(0)
        assert not await alice.shelf.look(root)


@pytest.mark.rule("KEEPING-8")
async def test_every_flipped_bit_is_noticed_on_read_and_mended_from_a_peer(tmp_path: Path) -> None:
    chance = Random(7)
    async with two(tmp_path) as (alice, bob):
        design = await publish(alice, tmp_path / "block")
        await bob.shelf.fetch(root_of(design), [alice.me])
        whole = await trio.to_thread.run_sync(read, bob, design)
        files = stored_files(bob.home)
        for path in files:
            flip(path, chance.randrange(8 * path.stat().st_size))

        out = tmp_path / "out"
        await bob.shelf.export(root_of(design), out)

        assert (out / "notes.bin").read_bytes() == (tmp_path / "block/notes.bin").read_bytes()
        assert await trio.to_thread.run_sync(read, bob, design) == whole
        assert len(list((bob.home.blocks / "damaged").iterdir())) == len(files)


@pytest.mark.rule("KEEPING-8")
async def test_a_scrub_finds_what_nobody_reads_and_mends_it(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        design = await publish(alice, tmp_path / "block")
        await bob.keeping.wish(root_of(design), "block")
        await bob.keeping.round()
        files = stored_files(bob.home)
        flip(files[0], 3)
        flip(files[-1], 8)

        done = await bob.scrub.make_pass(rate_bytes_s=1e12, anew=True)

        assert (done.damaged, done.blocks) == (2, len(files))
        assert not bob.keeping.damaged
        assert (await bob.scrub.make_pass(rate_bytes_s=1e12, anew=True)).damaged == 0
        assert await bob.shelf.look(root_of(design))


@pytest.mark.rule("KEEPING-8")
async def test_what_no_peer_has_is_told_and_mended_when_one_comes(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        design = await publish(alice, tmp_path / "block")
        await bob.keeping.wish(root_of(design), "block")
        await bob.keeping.round()
        gone = take_away(alice)
        flip(stored_files(bob.home)[0], 0)
        await bob.scrub.make_pass(rate_bytes_s=1e12, anew=True)
        assert any("no connected peer has them" in said for said in bob.journal.warnings())

        alice.blocks.put_many(gone.items())
        await bob.keeping.round()

        assert not bob.keeping.damaged
        assert bob.journal.warnings() == []
        assert await bob.shelf.look(root_of(design))


@pytest.mark.rule("KEEPING-7")
async def test_a_scrub_goes_on_where_a_restart_found_it(tmp_path: Path) -> None:
    home, network = a_home(tmp_path, "alice"), MemoryNetwork()
    async with living(home, network) as alice:
        await publish(alice, tmp_path / "block")
        names = sorted(map(str, alice.blocks.cids()))
        done = await alice.scrub.make_pass(rate_bytes_s=1e12, anew=True)
        half = msgspec.structs.replace(done, ended=0, after=names[1], blocks=2)
        await alice.library.keep_notes({"scrub": msgspec.json.encode(half)})

    async with living(home, network) as alice:
        done = await alice.scrub.make_pass(rate_bytes_s=1e12, anew=False)
        assert done.blocks == len(names)
        assert done.started == half.started


async def test_a_disk_that_refuses_is_told_of_and_what_failed_is_tried_again(
    tmp_path: Path,
) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        await eventually(lambda: alice.scrub.state().ended)
        alice.blocks.put(CID.of(b"left", codec=0x55), b"left")
        shard = stored_files(alice.home)[0].parent
        moved = shard.rename(shard.with_name("moved"))
        shard.write_bytes(b"a file where a folder should be")
        alice.keeping.quota_bytes = -1

        await alice.keeping.round()
        assert any(str(alice.home.blocks) in said for said in alice.journal.warnings())
        with pytest.raises(ResourceError, match=str(alice.home.blocks)):
            await alice.scrub.make_pass(rate_bytes_s=1e12, anew=True)

        shard.unlink()
        moved.rename(shard)
        await alice.keeping.round()
        assert (await alice.scrub.make_pass(rate_bytes_s=1e12, anew=True)).ended
        assert not any(str(alice.home.blocks) in said for said in alice.journal.warnings())
        assert alice.blocks.size() == 0


def read(node: Node, design: Record) -> dict[CID, bytes]:
    return {cid: node.blocks.inner.get(cid) for cid in sorted(blocks_of(node, design))}


def stored_files(home: Home) -> list[Path]:
    return sorted(path for path in (home.blocks / "blocks").rglob("*") if path.is_file())


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
