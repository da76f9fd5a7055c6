"""Bundles between two nodes that never meet: what is carried, what is refused, what is lost."""

import os
from pathlib import Path

import msgspec
import pytest
import trio

from commonfab.node import clock
from commonfab.node.answers.node import OpenedBundle
from commonfab.node.bundles import making, opening
from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.errors import CommonfabError, PeerError, ResourceError, UsageError
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Design, Record
from commonfab.protocol.statements import Revocation
from commonfab.storage.car.bundle import NamedTree, SealedRecord, lay_out
from commonfab.storage.car.car import encode_header, encode_section
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from tests.builders import a_capacity, a_design, a_request, a_workshop, changed
from tests.node.village import MANIFEST, a_home, living, write_block
from tests.protocol.signers import ALICE, EVE


async def _say(_said: object) -> None:
    await trio.lowlevel.checkpoint()


async def _publish(node: Node, folder: Path, name: str = "Block", side_mm: float = 20.0) -> Record:
    text = MANIFEST.replace('"Block"', f'"{name}"')
    write_block(folder, side_mm=side_mm, manifest=text)
    (folder / "drawing.bin").write_bytes(name.encode() * 300_000)
    return (await publishing.publish(node, folder, _say)).record


async def _open(node: Node, path: Path, *, dry_run: bool = False) -> OpenedBundle:
    return await opening.open_bundle(node, path, _say, dry_run=dry_run)


def _root(record: Record) -> CID:
    assert isinstance(record.body, Design)
    return CID.from_bytes(record.body.root)


def _bundle(*sealed: SealedRecord, designs: tuple[NamedTree, ...] = ()) -> bytes:
    """Return a bundle of these records, with the root blocks of its designs alone."""
    blocks = MemoryBlockStore()
    for each in designs:
        blocks.put(each.root, b"root")
    layout = lay_out(sealed, designs, blocks)
    sections = (encode_section(cid, data) for cid, data in layout.blocks)
    return encode_header([layout.root]) + b"".join(sections)


def _of(record: Record) -> SealedRecord:
    return SealedRecord(record.kind, record.data)


@pytest.mark.rule("BUNDLE-4")
@pytest.mark.rule("BUNDLE-5")
async def test_what_one_node_bundles_another_has_that_it_never_met(tmp_path: Path) -> None:
    path = tmp_path / "stick.car"
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        one = await _publish(alice, tmp_path / "one", "Block")
        two = await _publish(alice, tmp_path / "two", "Wedge", 30.0)
        dry = await making.make(alice, [one, two], path, _say, dry_run=True)
        assert not path.exists()
        made = await making.make(alice, [two, one, one], path, _say)
        again = await making.make(alice, [one, two], tmp_path / "again.car", _say)
        name = alice.library.name_of(alice.me)

    assert (made.designs, made.records) == (2, 3)
    assert made.size_bytes == dry.size_bytes == path.stat().st_size
    assert (dry.blocks, dry.root) == (made.blocks, made.root) == (again.blocks, again.root)
    assert path.read_bytes() == (tmp_path / "again.car").read_bytes()

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        looked = await _open(bob, path, dry_run=True)
        assert one.id not in bob.library.designs
        assert list(bob.blocks.cids()) == []
        opened = await _open(bob, path)
        assert one.id in bob.library.designs
        assert bob.library.name_of(one.author) == name
        for record in (one, two):
            assert await bob.shelf.look(_root(record))
            assert _root(record) in bob.keeping.pins.wishes()
        await bob.shelf.export(_root(two), tmp_path / "out")
        once_more = await _open(bob, path)

    assert (tmp_path / "out/drawing.bin").read_bytes() == b"Wedge" * 300_000
    assert opened.is_bundle
    assert opened.is_whole
    assert {(each.name, each.is_new, each.missing) for each in opened.designs} == {
        ("Block", True, 0),
        ("Wedge", True, 0),
    }
    assert (opened.records, opened.new_records, opened.refused_count) == (3, 3, 0)
    assert opened.blocks == opened.new_blocks == made.blocks
    assert looked.is_dry_run
    assert msgspec.structs.replace(looked, is_dry_run=False, designs=[]) == msgspec.structs.replace(
        opened, designs=[]
    )
    assert (once_more.records, once_more.new_records, once_more.new_blocks) == (3, 0, 0)


async def test_a_design_that_is_not_all_here_is_not_bundled(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        design = await _publish(alice, tmp_path / "one")
        leaf = next(cid for cid in alice.blocks.cids() if cid.codec == RAW)
        alice.blocks.delete(leaf)

        with pytest.raises(ResourceError, match="Block: at least 1 of its blocks are not here"):
            await making.make(alice, [design], tmp_path / "a.car", _say)

    assert not [name for name in os.listdir(tmp_path) if name.startswith("a.car")]


@pytest.mark.rule("BUNDLE-2")
@pytest.mark.rule("BUNDLE-5")
async def test_a_file_cut_short_gives_what_was_whole_and_the_rest_later(tmp_path: Path) -> None:
    path, cut = tmp_path / "stick.car", tmp_path / "cut.car"
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        designs = [
            await _publish(alice, tmp_path / name, name, side_mm)
            for name, side_mm in (("one", 10.0), ("two", 20.0))
        ]
        await making.make(alice, designs, path, _say)
    data = path.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 4])

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        first = await _open(bob, cut)
        here = [await bob.shelf.look(_root(each)) for each in designs]
        rest = await _open(bob, path)
        then = [await bob.shelf.look(_root(each)) for each in designs]

    assert not first.is_whole
    assert "are left" in first.damage
    assert sorted(here) == [False, True]
    assert sorted(each.missing > 0 for each in first.designs) == [False, True]
    assert then == [True, True]
    assert rest.is_whole
    assert rest.new_blocks == rest.blocks - first.blocks
    assert rest.new_records == 0


@pytest.mark.rule("BUNDLE-2")
async def test_a_flipped_bit_costs_one_block(tmp_path: Path) -> None:
    path = tmp_path / "stick.car"
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        design = await _publish(alice, tmp_path / "one")
        await making.make(alice, [design], path, _say)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        opened = await _open(bob, path)
        assert _root(design) not in bob.keeping.pins.wishes()

    assert opened.is_whole
    assert opened.refused_count == 1
    assert "does not have the bytes" in opened.refused[0]
    assert [each.missing for each in opened.designs] == [1]


@pytest.mark.rule("BUNDLE-5")
async def test_each_record_is_judged_as_from_any_peer(tmp_path: Path) -> None:
    path = tmp_path / "eve.car"
    now = clock.now()
    good = a_design(at=now)
    forged = a_design(EVE, at=now).data[:-1] + b"\xff"
    expired = a_workshop(until=Timestamp(now - 1000), at=Timestamp(now - 2000))
    outside = a_design(EVE, at=now, picture="../../etc/passwd")
    place = {"at": now, "stream": "design/x", "seq": 7}
    twice = [a_design(EVE, name=name, **place) for name in ("A", "B")]
    letter = a_request(at=now)
    sealed = [
        SealedRecord("design", forged),
        SealedRecord("design", b"noise"),
        *map(_of, (expired, outside, *twice, letter, good)),
    ]
    root = NamedTree("Bracket", good.id, CID.of(b"root", codec=RAW))
    path.write_bytes(_bundle(*sealed, designs=(root,)))

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        looked = await _open(bob, path, dry_run=True)
        opened = await _open(bob, path)
        assert good.id in bob.library.designs
        assert outside.id not in bob.library.designs
        assert bob.library.frozen.keys() == {twice[0].author}

    said = "\n".join(opened.refused)
    assert opened.refused_count == 5
    assert "not signed by" in said
    assert "not a record" in said
    assert "leads out of the design" in said
    assert "another one for its place" in said
    assert "a letter" in said
    assert len(opened.ignored) == 1
    assert "expired" in opened.ignored[0]
    assert opened.records == 2
    assert all(each.missing == 1 for each in opened.designs)
    assert looked.refused_count == 4, "that two of them exclude each other shows when they are kept"


@pytest.mark.rule("BUNDLE-4")
async def test_a_revocation_comes_first_so_that_what_it_revokes_is_not_believed(
    tmp_path: Path,
) -> None:
    now = clock.now()
    path = tmp_path / "a.car"
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        design = await _publish(alice, tmp_path / "one")
        for since in (now + 50_000, now - 60_000):
            head = alice.author.head("revocation", clock.now())
            body = Revocation(**head, since=since, reason="the laptop was stolen")
            await alice.announcing.announce(alice.author.sign(body))
        made = await making.make(alice, [design], path, _say)

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        opened = await _open(bob, path)
        assert design.id not in bob.library.designs

    assert made.records == 3
    assert opened.records == 1
    assert len(opened.ignored) == 2
    assert all("revoked" in why for why in opened.ignored)


async def test_records_of_other_kinds_are_taken_as_well(tmp_path: Path) -> None:
    now = clock.now()
    record = a_capacity(at=now, until=Timestamp(now + 60_000))
    (tmp_path / "a.car").write_bytes(_bundle(_of(record)))

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        opened = await _open(bob, tmp_path / "a.car")

    assert (opened.is_bundle, opened.new_records, opened.designs) == (True, 1, [])


async def test_blocks_without_records_are_kept_and_their_roots_told(tmp_path: Path) -> None:
    here, gone = CID.of(b"here", codec=RAW), CID.of(b"gone", codec=RAW)
    path = tmp_path / "a.car"
    path.write_bytes(encode_header([here, gone]) + encode_section(here, b"here"))

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        opened = await _open(bob, path)
        assert bob.blocks.get(here) == b"here"
        assert set(bob.keeping.pins.wishes()) == {here}

    assert not opened.is_bundle
    assert [(each.root, each.missing) for each in opened.roots] == [(str(here), 0), (str(gone), 1)]


async def test_a_bundle_whose_first_folder_or_records_are_missing_says_so(tmp_path: Path) -> None:
    record = a_design(at=clock.now())
    blocks = MemoryBlockStore()
    layout = lay_out([_of(record)], [], blocks)
    header = encode_header([layout.root])
    sections = [encode_section(cid, data) for cid, data in layout.blocks]
    (tmp_path / "headless.car").write_bytes(header + b"".join(sections[1:]))
    (tmp_path / "empty.car").write_bytes(header + b"".join(sections[:3]))

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        empty = await _open(bob, tmp_path / "empty.car")
        headless = await _open(bob, tmp_path / "headless.car", dry_run=True)

    assert (empty.is_bundle, empty.records, empty.refused_count) == (True, 0, 1)
    assert "is not here" in empty.refused[0]
    assert not headless.is_bundle or headless.records == 1


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("folder", UsageError, "is a folder"),
        ("pipe", UsageError, "a device or a pipe"),
        ("nothing", UsageError, "no such file"),
        ("", PeerError, "not a CAR file"),
        ("%PDF-1.7" * 50, PeerError, "not a CAR file"),
    ],
)
async def test_what_cannot_be_opened_is_said_in_one_sentence(
    tmp_path: Path, what: str, error: type[CommonfabError], says: str
) -> None:
    path = tmp_path / "x.car"
    match what:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "nothing":
            pass
        case _:
            path.write_text(what)

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        with pytest.raises(error, match=says):
            await _open(bob, path)


async def test_a_stopped_opening_keeps_what_it_had_and_the_next_goes_on(tmp_path: Path) -> None:
    datas = [bytes([index]) * 1_500_000 for index in range(30)]
    cids = [CID.of(data, codec=RAW) for data in datas]
    path = tmp_path / "a.car"
    sections = (encode_section(cid, data) for cid, data in zip(cids, datas, strict=True))
    path.write_bytes(encode_header(cids[:1]) + b"".join(sections))

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        with trio.CancelScope() as scope:

            async def stop(_said: object) -> None:
                scope.cancel()
                await trio.lowlevel.checkpoint()

            await opening.open_bundle(bob, path, stop)
        assert scope.cancelled_caught
        taken = len(list(bob.blocks.cids()))
        opened = await _open(bob, path)

    assert 0 < taken < 30
    assert opened.new_blocks == 30 - taken


async def test_too_many_designs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    designs = [changed(a_design(), ALICE, seq=index + 1) for index in range(1001)]

    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        with pytest.raises(UsageError, match="1001 designs; one bundle has 1 to 1000"):
            await making.make(bob, designs, tmp_path / "a.car", _say)
