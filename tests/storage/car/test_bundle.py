"""What a bundle is: one folder of records and designs, the same bytes every time."""

import io
import random
from dataclasses import replace

import pytest

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import BLOCK_BYTES_MAX, ENVELOPE_BYTES_MAX
from commonfab.storage.car.bundle import (
    DESIGNS_MAX,
    RECORDS_MAX,
    Contents,
    Layout,
    NamedTree,
    SealedRecord,
    census,
    find_contents,
    lay_out,
    load_record,
    tree,
)
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockMissing
from commonfab.storage.unixfs.dagpb import Link, Node, encode
from commonfab.storage.unixfs.unixfs import (
    DEFAULT_PROFILE,
    add_file,
    list_folder,
    profile_named,
    read_file,
    resolve,
    walk,
)

TINY = replace(profile_named(DEFAULT_PROFILE), chunk_bytes=4, width=3)
TEXT = b"".join(b"%04d" % index for index in range(20))


@pytest.fixture
def blocks() -> MemoryBlockStore:
    return MemoryBlockStore()


def a_tree(blocks: MemoryBlockStore, data: bytes = TEXT) -> CID:
    return add_file(blocks, io.BytesIO(data), TINY)[0]


def stored(layout: Layout, blocks: MemoryBlockStore) -> CID:
    blocks.put_many(layout.blocks)
    return layout.root


@pytest.mark.rule("BUNDLE-3")
def test_a_bundle_is_a_folder_that_any_program_can_read(blocks: MemoryBlockStore) -> None:
    design = a_tree(blocks)
    sealed = [SealedRecord("workshop", b"w"), SealedRecord("design", b"d")]
    named = [NamedTree("Wall Hook (größer)", b"\x3f" * 32, design)]

    root = stored(lay_out(sealed, named, blocks), blocks)

    names = [entry.name for entry in list_folder(blocks, root)]
    assert names == ["commonfab-records-1", "designs"]
    for path, content in (
        ("commonfab-records-1/00000-workshop", b"w"),
        ("commonfab-records-1/00001-design", b"d"),
        ("designs/wall-hook-gr-sser-3f3f3f3f3f3f3f3f", TEXT),
    ):
        assert b"".join(read_file(blocks, resolve(blocks, root, path))) == content


@pytest.mark.rule("BUNDLE-3")
def test_the_sizes_in_its_folders_are_those_of_all_below(blocks: MemoryBlockStore) -> None:
    layout = lay_out([SealedRecord("design", b"d")], [_named(a_tree(blocks))], blocks)
    root = stored(layout, blocks)

    total = sum(len(blocks.get(cid)) for cid, _ in walk(blocks, root))

    top = sum(entry.tsize for entry in list_folder(blocks, root)) + len(blocks.get(root))
    assert top == total


@pytest.mark.rule("BUNDLE-4")
def test_the_same_records_make_the_same_bytes_folders_first(blocks: MemoryBlockStore) -> None:
    sealed = [SealedRecord("design", bytes([index])) for index in range(5)]
    named = [_named(a_tree(blocks), bytes([index]) * 32) for index in range(5)]

    first, second = lay_out(sealed, named, blocks), lay_out(sealed, named, blocks)

    assert first == second
    assert first.blocks[0][0] == first.root
    assert [data for _, data in first.blocks[3:]] == [each.data for each in sealed]
    contents = find_contents(_with(blocks, first), first.root)
    assert contents == Contents(
        [cid for cid, _ in first.blocks[3:]], [each.root for each in named], []
    )


def test_a_bundle_of_as_many_as_there_may_be_fits_blocks_that_others_take(
    blocks: MemoryBlockStore,
) -> None:
    design = a_tree(blocks)
    name = "an ordinary long name of a thing that is made " * 2
    sealed = [SealedRecord("revocation", index.to_bytes(4, "big")) for index in range(RECORDS_MAX)]
    named = [NamedTree(name, index.to_bytes(2, "big") * 16, design) for index in range(DESIGNS_MAX)]

    layout = lay_out(sealed, named, blocks)

    assert max(len(data) for _, data in layout.blocks) <= BLOCK_BYTES_MAX
    contents = find_contents(_with(blocks, layout), layout.root)
    assert contents is not None
    assert (len(contents.records), len(contents.designs)) == (RECORDS_MAX, DESIGNS_MAX)


@pytest.mark.rule("BUNDLE-7")
def test_what_its_maker_has_is_found_in_its_order(blocks: MemoryBlockStore) -> None:
    sealed, known = [SealedRecord("summary", b"s")], [b"first", b"second", b"a third"]

    layout = lay_out(sealed, [], blocks, known)

    contents = find_contents(_with(blocks, layout), layout.root)
    assert contents is not None
    assert contents.known == [CID.of(data, codec=RAW) for data in known]
    assert [data for _, data in layout.blocks[4:]] == [b"s", *known]


def test_what_is_no_bundle_has_no_records(blocks: MemoryBlockStore) -> None:
    empty = _put(blocks, Node((), b"\x08\x01"))

    for root in (a_tree(blocks), a_tree(blocks, b"raw"), empty):
        assert find_contents(blocks, root) is None
    with pytest.raises(BlockMissing):
        find_contents(blocks, CID.of(b"not here", codec=DAG_PB))


def test_more_records_than_a_bundle_has_are_refused(blocks: MemoryBlockStore) -> None:
    one = CID.of(b"one", codec=RAW)
    links = tuple(Link(one, str(index), 3) for index in range(RECORDS_MAX + 1))
    folder = _put(blocks, Node(links, b"\x08\x01"))
    root = _put(blocks, Node((Link(folder, "commonfab-records-1", 3),), b"\x08\x01"))

    with pytest.raises(Malformed, match="at most 20000"):
        find_contents(blocks, root)


def test_a_record_is_one_small_raw_block(blocks: MemoryBlockStore) -> None:
    large = bytes(ENVELOPE_BYTES_MAX + 1)
    blocks.put(CID.of(large, codec=RAW), large)

    with pytest.raises(Malformed, match="at most"):
        load_record(blocks, CID.of(large, codec=RAW))
    with pytest.raises(Malformed, match="not one raw block"):
        load_record(blocks, a_tree(blocks))


@pytest.mark.rule("BUNDLE-4")
def test_a_tree_is_given_parents_first_files_one_after_the_other_each_block_once(
    blocks: MemoryBlockStore,
) -> None:
    root = a_tree(blocks)
    cids = [cid for cid, _ in tree(blocks, root, set())]

    assert cids[0] == root
    assert len(set(cids)) == len(cids)
    leaves = [blocks.get(cid) for cid in cids if cid.codec == RAW]
    assert b"".join(leaves) == TEXT
    assert set(cids) == {cid for cid, _ in walk(blocks, root)}


def test_a_block_of_two_trees_is_given_for_the_first(blocks: MemoryBlockStore) -> None:
    seen: set[CID] = set()
    one, two = a_tree(blocks), a_tree(blocks, TEXT + b"more")

    first = list(tree(blocks, one, seen))
    second = list(tree(blocks, two, seen))

    assert not {cid for cid, _ in first} & {cid for cid, _ in second}
    assert two in [cid for cid, _ in second]


@pytest.mark.rule("BUNDLE-5")
def test_what_is_missing_of_a_tree_is_counted(blocks: MemoryBlockStore) -> None:
    root = a_tree(blocks)
    leaves = sorted(cid for cid in blocks.cids() if cid.codec == RAW)
    assert census(blocks, root).missing == 0

    for cid in random.Random(1).sample(leaves, 3):
        blocks.delete(cid)
    assert census(blocks, root).missing == 3
    blocks.delete(root)
    assert census(blocks, root).missing == 1


def test_a_tree_with_a_block_that_is_no_node_is_malformed(blocks: MemoryBlockStore) -> None:
    noise = CID.of(b"\xff\xff", codec=DAG_PB)
    blocks.put(noise, b"\xff\xff")
    root = _put(blocks, Node((Link(noise, "a", 2),), b"\x08\x01"))

    with pytest.raises(Malformed):
        census(blocks, root)


def test_a_tree_that_names_endlessly_many_blocks_is_bounded(blocks: MemoryBlockStore) -> None:
    """Each of a few nodes names thousands that are not there."""
    below = CID.of(b"", codec=RAW)
    blocks.put(below, b"")
    for level in range(4):
        names = (b"%d/%d" % (level, index) for index in range(300))
        strangers = [Link(CID.of(name, codec=RAW), "", 1) for name in names]
        below = _put(blocks, Node((Link(below, "", 1), *strangers), b"\x08\x01"))

    with pytest.raises(Malformed, match="more than 1000 blocks"):
        list(tree(blocks, below, set(), blocks_max=1000))


def _named(root: CID, identifier: bytes = bytes(32)) -> NamedTree:
    return NamedTree("hook", identifier, root)


def _put(blocks: MemoryBlockStore, node: Node) -> CID:
    data = encode(node)
    cid = CID.of(data, codec=DAG_PB)
    blocks.put(cid, data)
    return cid


def _with(blocks: MemoryBlockStore, layout: Layout) -> MemoryBlockStore:
    blocks.put_many(layout.blocks)
    return blocks
