"""Bundles and Kubo: each takes in the file that the other has written."""

import io
from pathlib import Path

import pytest
import trio

from commonfab.node.bundles import for_peer, making, opening
from commonfab.node.bundles.for_peer import Asked
from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Record
from commonfab.storage.car.car import Block, Reader
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs.unixfs import list_folder, read_file, resolve, walk
from tests.node.village import a_home, living, write_block
from tests.peers.kubo_daemon import KuboDaemon
from tests.storage.content import content


async def _say(_said: object) -> None:
    await trio.lowlevel.checkpoint()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


async def _publish(node: Node, folder: Path) -> Record:
    write_block(folder)
    (folder / "parts").mkdir()
    (folder / "parts" / "Größe 零件.bin").write_bytes(content("large", 3_000_000))
    (folder / "empty.txt").touch()
    return (await publishing.publish(node, folder, _say)).record


def _root(record: Record) -> CID:
    assert isinstance(record.body, Design)
    return CID.from_bytes(record.body.root)


async def _bundle(tmp_path: Path) -> tuple[Record, Path]:
    path = tmp_path / "stick.car"
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        record = await _publish(alice, tmp_path / "design")
        await making.make(alice, [record], path, _say)
    return record, path


@pytest.mark.rule("BUNDLE-3")
async def test_kubo_takes_our_bundle_in_and_gives_the_same_files(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    record, path = await _bundle(tmp_path)

    said = kubo_daemon.run("dag", "import", str(path)).decode()
    kubo_daemon.run("get", "-o", str(tmp_path / "out"), str(_root(record)))

    assert "success" in said
    assert contents(tmp_path / "out") == contents(tmp_path / "design")
    pinned = kubo_daemon.run("pin", "ls", "--type=recursive", "-q").decode().split()
    root = next(cid for cid in pinned if cid in said)
    names = kubo_daemon.run("ls", root).decode()
    assert "commonfab-records-1/" in names
    assert "designs/" in names


@pytest.mark.rule("BUNDLE-5")
async def test_a_bundle_that_went_through_kubo_is_still_a_bundle(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    record, path = await _bundle(tmp_path)
    with path.open("rb") as file:
        root = Reader(file, path.stat().st_size).header.roots[0]
    kubo_daemon.run("dag", "import", str(path))
    (tmp_path / "again.car").write_bytes(kubo_daemon.run("dag", "export", str(root)))

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        opened = await opening.open_bundle(bob, tmp_path / "again.car", _say)
        assert record.id in bob.library.designs
        assert await bob.shelf.look(_root(record))

    assert (opened.is_bundle, opened.is_whole, opened.refused_count) == (True, True, 0)
    assert [each.missing for each in opened.designs] == [0]


@pytest.mark.rule("BUNDLE-1")
@pytest.mark.parametrize(
    "options",
    [
        ["--cid-version=1"],
        ["--cid-version=0"],
        ["--cid-version=1", "--chunker=size-1000", "--trickle"],
        ["--cid-version=1", "--inline", "--inline-limit=64"],
        ["--cid-version=1", "--hash=blake3"],
    ],
    ids=lambda options: " ".join(options),
)
async def test_what_kubo_exports_is_taken_in_whole(
    kubo_daemon: KuboDaemon, tmp_path: Path, options: list[str]
) -> None:
    design = tmp_path / "design"
    (design / "parts").mkdir(parents=True)
    (design / "parts" / "arm.stl").write_bytes(content("arm", 700_000))
    (design / "small.txt").write_bytes(b"inlined")
    root = kubo_daemon.run("add", "-r", "-Q", *options, str(design)).decode().strip()
    path = tmp_path / "kubo.car"
    path.write_bytes(kubo_daemon.run("dag", "export", root))

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        opened = await opening.open_bundle(bob, path, _say)
        await bob.shelf.export(CID.parse(root), tmp_path / "out")

    assert not opened.is_bundle
    assert (opened.is_whole, opened.refused) == (True, [])
    assert [(each.root, each.missing) for each in opened.roots] == [(root, 0)]
    assert contents(tmp_path / "out") == contents(design)


async def test_records_are_files_that_kubo_shows_byte_for_byte(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    record, path = await _bundle(tmp_path)
    blocks = MemoryBlockStore()
    data = path.read_bytes()
    reader = Reader(io.BytesIO(data), len(data))
    for item in reader.items():
        assert isinstance(item, Block)
        blocks.put(item.cid, item.data)
    root = reader.header.roots[0]
    kubo_daemon.run("dag", "import", str(path))

    folder = resolve(blocks, root, "commonfab-records-1")
    for entry in list_folder(blocks, folder):
        ours = b"".join(read_file(blocks, entry.cid))
        assert kubo_daemon.run("cat", f"{root}/commonfab-records-1/{entry.name}") == ours
        assert entry.cid.codec == RAW
    assert record.data in [blocks.get(entry.cid) for entry in list_folder(blocks, folder)]
    assert {cid.as_v1() for cid, _ in walk(blocks, root)} == set(blocks.cids())


@pytest.mark.rule("BUNDLE-9")
async def test_a_bundle_for_a_node_goes_through_kubo_and_is_still_for_it(
    kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    async with (
        living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice,
        living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob,
    ):
        record = await _publish(alice, tmp_path / "design")
        asked = Asked(to=bob.me, place=tmp_path / "stick.car", budget_bytes=100_000_000)
        made = await for_peer.make_for(alice, asked, _say)
        said = kubo_daemon.run("dag", "import", made.file).decode()
        names = kubo_daemon.run("ls", made.root).decode()
        (tmp_path / "again.car").write_bytes(kubo_daemon.run("dag", "export", made.root))

        opened = await opening.open_bundle(bob, tmp_path / "again.car", _say)

        assert await bob.shelf.look(_root(record))
        assert record.id in bob.library.designs
    assert "success" in said
    assert "commonfab-known-1/" in names
    assert opened.maker == peer_text(alice.me)
    assert (opened.is_news, opened.refused_count) == (True, 0)
