"""Reading UnixFS: every layout that Kubo writes, and no size that is only claimed."""

import io
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed, ResourceError, UsageError
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockMissing
from commonfab.storage.unixfs.dagpb import Link, Node, encode, number, run
from commonfab.storage.unixfs.unixfs import (
    Entry,
    NotSupported,
    Profile,
    Stat,
    add_entries,
    add_file,
    blocks_of,
    links,
    list_folder,
    read_file,
    resolve,
    stat,
    walk,
)
from tests.storage.content import content
from tests.storage.unixfs_vectors import VECTORS, lay_blocks, name_of

TINY = Profile(chunk_bytes=4, width=3, raw_leaves=True, cid_version=1, folder_size="block")
FILE, FOLDER, SYMLINK, SHARD = 2, 1, 4, 5


@pytest.fixture
def blocks() -> MemoryBlockStore:
    return MemoryBlockStore()


@pytest.mark.rule("UNIXFS-5")
@pytest.mark.parametrize("vector", VECTORS["layouts"], ids=name_of)
def test_a_file_in_any_layout_of_kubo_is_read(vector: dict[str, Any]) -> None:
    blocks, root = lay_blocks(vector), CID.parse(vector["cid"])

    assert b"".join(read_file(blocks, root)) == content(vector["seed"], vector["size"])
    assert stat(blocks, root) == Stat("file", vector["size"])
    assert {cid.as_v1() for cid, _ in walk(blocks, root)} == set(blocks.cids())


@pytest.mark.rule("UNIXFS-5")
@pytest.mark.parametrize("vector", VECTORS["folder_layouts"], ids=name_of)
def test_a_folder_in_any_layout_of_kubo_is_read(vector: dict[str, Any]) -> None:
    blocks, root = lay_blocks(vector), CID.parse(vector["cid"])
    names = [f"part {n}.stl" for n in range(vector["count"])]

    found = {entry.name: entry.cid for entry in list_folder(blocks, root)}

    assert set(found) - {"link"} == set(names)
    for n, name in enumerate(names):
        assert resolve(blocks, root, name) == found[name]
        assert b"".join(read_file(blocks, found[name])) == b"%d\n" % n
    with pytest.raises(UsageError, match="is not there"):
        resolve(blocks, root, "part 99.stl")
    assert {cid.as_v1() for cid, _ in walk(blocks, root)} == set(blocks.cids())


def test_a_symbolic_link_is_told_apart_and_is_neither_file_nor_folder() -> None:
    (vector,) = (v for v in VECTORS["folder_layouts"] if "symbolic link" in v["name"])
    blocks, root = lay_blocks(vector), CID.parse(vector["cid"])
    link = resolve(blocks, root, "link")

    assert stat(blocks, link) == Stat("symbolic link", 0)
    with pytest.raises(NotSupported, match="is a symbolic link, which is not read here"):
        list(read_file(blocks, link))
    with pytest.raises(Malformed, match="is a symbolic link, not a folder"):
        list_folder(blocks, link)


@pytest.mark.rule("UNIXFS-10")
def test_blocks_in_their_own_names_are_looked_through(blocks: MemoryBlockStore) -> None:
    leaf_cid = leaf(blocks, b"x")
    inner = encode(Node((Link(leaf_cid, "a", 1),), number(1, FOLDER)))
    middle = inline(encode(Node((Link(inline(inner), "b", 1),), number(1, FOLDER))))
    root = put(blocks, number(1, FOLDER), [(middle, "c"), (leaf_cid, "d")])

    assert resolve(blocks, root, "c/b/a") == leaf_cid
    assert links(root, blocks.get(root)) == [leaf_cid, leaf_cid]
    assert blocks_of(middle) == [leaf_cid]
    assert list(walk(blocks, root)) == [(root, [leaf_cid, leaf_cid]), (leaf_cid, [])]
    assert list(walk(blocks, middle)) == [(leaf_cid, [])]
    assert list(walk(blocks, inline(b"hello", RAW))) == []


def inline(data: bytes, codec: int = DAG_PB) -> CID:
    return CID.from_bytes(bytes([1, codec, 0, len(data)]) + data)


def test_a_walk_is_breadth_first_once_a_block_and_says_what_each_names(
    blocks: MemoryBlockStore,
) -> None:
    root, _ = add_file(blocks, io.BytesIO(b"aaaabbbbaaaaccccaaaa"), TINY)
    left, right = links(root, blocks.get(root))
    a, b, c = (CID.of(data, codec=RAW) for data in (b"aaaa", b"bbbb", b"cccc"))

    assert list(walk(blocks, root)) == [
        (root, [left, right]),
        (left, [a, b, a]),
        (right, [c, a]),
        (a, []),
        (b, []),
        (c, []),
    ]


def test_a_walk_stops_at_the_first_block_that_is_missing(blocks: MemoryBlockStore) -> None:
    root, _ = add_file(blocks, io.BytesIO(b"aaaabbbbcccc"), TINY)
    gone = CID.of(b"bbbb", codec=RAW)
    blocks.delete(gone)

    with pytest.raises(BlockMissing) as caught:
        list(walk(blocks, root))
    assert caught.value.cid == gone


def test_a_walk_ends_after_so_many_blocks(blocks: MemoryBlockStore) -> None:
    root, _ = add_file(blocks, io.BytesIO(bytes(range(40))), TINY)

    with pytest.raises(Malformed, match="more than 4 blocks"):
        list(walk(blocks, root, blocks_max=4))


def test_a_raw_block_names_no_others_whatever_is_in_it() -> None:
    node = encode(Node((Link(CID.of(b"", codec=RAW), "", 0),), None))

    assert links(CID.of(node, codec=RAW), node) == []
    assert links(CID.of(node, codec=DAG_PB), node) == [CID.of(b"", codec=RAW)]


def test_a_path_leads_to_what_is_there(blocks: MemoryBlockStore) -> None:
    file, _ = add_file(blocks, io.BytesIO(b"x"))
    inner = add_entries(blocks, [Entry("b.stl", file, 1)]).cid
    root = add_entries(blocks, [Entry("a", inner, 1)]).cid

    assert resolve(blocks, root, "") == root
    assert resolve(blocks, root, "a") == inner
    assert resolve(blocks, root, "a/b.stl") == file
    with pytest.raises(UsageError, match=r"no 'a/c.stl': 'c.stl' is not there"):
        resolve(blocks, root, "a/c.stl")
    with pytest.raises(Malformed, match="is a file, not a folder"):
        resolve(blocks, root, "a/b.stl/c")


# What follows is made by Eve.


def put(
    blocks: MemoryBlockStore, data: bytes, children: list[tuple[CID, str]] | None = None
) -> CID:
    block = encode(Node(tuple(Link(cid, name, 0) for cid, name in children or []), data))
    cid = CID.of(block, codec=DAG_PB)
    blocks.put(cid, block)
    return cid


def file_node(content: bytes, size: int | None, sizes: list[int]) -> bytes:
    parts = [number(1, FILE), run(2, content)] + ([] if size is None else [number(3, size)])
    return b"".join(parts + [number(4, child) for child in sizes])


def leaf(blocks: MemoryBlockStore, data: bytes) -> CID:
    cid = CID.of(data, codec=RAW)
    blocks.put(cid, data)
    return cid


@pytest.mark.rule("UNIXFS-5")
@pytest.mark.parametrize(
    ("size", "sizes", "why"),
    [
        (9, [5, 5], "claims 9 bytes and has 10"),
        (11, [5, 5], "claims 11 bytes and has 10"),
        (11, [5, 6], "5 bytes, where its parent claims 6"),
        (9, [5, 4], "5 bytes, where its parent claims 4"),
        (5, [5], "2 links and 1 sizes"),
        (15, [5, 5, 5], "2 links and 3 sizes"),
        (5, [5, 0], "no bytes in it"),
        (2**63, [2**62, 2**62], "at most"),
    ],
)
def test_a_file_that_lies_about_a_size_is_malformed(
    blocks: MemoryBlockStore, size: int, sizes: list[int], why: str
) -> None:
    child = leaf(blocks, b"hello")
    root = put(blocks, file_node(b"", size, sizes), [(child, ""), (child, "")])

    with pytest.raises(Malformed, match=why):
        list(read_file(blocks, root))


def test_a_file_without_a_size_and_with_bytes_of_its_own_is_read(blocks: MemoryBlockStore) -> None:
    child = leaf(blocks, b"world")
    root = put(blocks, file_node(b"hello ", None, [5]), [(child, "")])

    assert b"".join(read_file(blocks, root)) == b"hello world"


@pytest.mark.rule("UNIXFS-5")
def test_a_file_beyond_the_bound_is_refused_before_it_is_read(blocks: MemoryBlockStore) -> None:
    root, _ = add_file(blocks, io.BytesIO(b"aaaabbbb"), TINY)

    with pytest.raises(Malformed, match="8 bytes; at most 7"):
        next(read_file(blocks, root, bytes_max=7))


@pytest.mark.rule("UNIXFS-5")
def test_a_file_of_a_few_blocks_that_stand_for_endlessly_many_is_refused(
    blocks: MemoryBlockStore,
) -> None:
    cid, size = leaf(blocks, b"x"), 1
    for _ in range(3):
        cid = put(blocks, file_node(b"", 1000 * size, [size] * 1000), [(cid, "")] * 1000)
        size *= 1000

    with pytest.raises(Malformed, match="more than 5000 blocks"):
        for _ in read_file(blocks, cid, blocks_max=5000):
            pass


@pytest.mark.rule("UNIXFS-5")
def test_a_file_too_deep_is_refused(blocks: MemoryBlockStore) -> None:
    cid = leaf(blocks, b"x")
    for _ in range(17):
        cid = put(blocks, file_node(b"", 1, [1]), [(cid, "")])

    with pytest.raises(Malformed, match="deeper than 16"):
        list(read_file(blocks, cid))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a UnixFS node"),
        (b"\x08", "middle of a number"),
        (number(1, 9), "UnixFS kind 9"),
        (run(1, b"2"), "not a UnixFS node"),
        (number(1, FILE) + number(1, FILE), "repeated"),
        (number(1, FILE) + number(9, 1), "unknown"),
        (number(1, FILE) + run(4, b"\x05"), "unknown or repeated"),
        (number(1, FILE) + run(3, b""), "not a UnixFS node"),
        (number(1, FILE) + number(2, 1), "not a UnixFS node"),
        (number(1, FOLDER), "is a folder, not a file"),
        (number(1, SYMLINK) + run(2, b"/etc/passwd"), "a symbolic link"),
        (number(1, SHARD), "is a folder, not a file"),
    ],
)
def test_a_node_of_another_kind_is_no_file(blocks: MemoryBlockStore, data: bytes, why: str) -> None:
    root = put(blocks, data)

    with pytest.raises((Malformed, NotSupported), match=why):
        list(read_file(blocks, root))


def test_a_node_with_a_mode_and_a_time_is_read(blocks: MemoryBlockStore) -> None:
    dated = file_node(b"x", 1, []) + number(7, 0o644) + run(8, number(1, 1_700_000_000))

    assert list(read_file(blocks, put(blocks, dated))) == [b"x"]


def test_a_folder_with_one_name_twice_is_malformed(blocks: MemoryBlockStore) -> None:
    child = leaf(blocks, b"x")
    root = put(blocks, number(1, FOLDER), [(child, "a"), (child, "a")])

    with pytest.raises(Malformed, match="one name twice"):
        list_folder(blocks, root)


def readable_roots() -> tuple[MemoryBlockStore, list[CID]]:
    """One tree of every form, all in one store."""
    whole = MemoryBlockStore()
    roots = [add_file(whole, io.BytesIO(bytes(range(40))), TINY)[0]]
    for vector in (*VECTORS["layouts"], *VECTORS["folder_layouts"]):
        layout = lay_blocks(vector)
        whole.put_many((cid, layout.get(cid)) for cid in layout.cids())
        roots.append(CID.parse(vector["cid"]))
    roots.append(add_entries(whole, [Entry("a b", root, 1) for root in roots[:1]]).cid)
    return whole, [root for root in roots if root.codec == DAG_PB]


WHOLE, ROOTS = readable_roots()


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ROOTS), st.data())
def test_whatever_the_bytes_of_a_node_the_reader_reads_it_or_refuses_it(
    root: CID, draw: st.DataObject
) -> None:
    changed = bytearray(root.inline or WHOLE.get(root))
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(changed)))
        cut = draw.draw(st.integers(0, 2))
        changed[at : at + cut] = draw.draw(st.binary(max_size=2))
    block = bytes(changed)
    eves = CID.of(block, codec=DAG_PB)
    WHOLE.put(eves, block)
    refused = (Malformed, UsageError, ResourceError)

    with suppress(*refused):
        assert sum(map(len, read_file(WHOLE, eves))) == stat(WHOLE, eves).size
    with suppress(*refused):
        names = [entry.name for entry in list_folder(WHOLE, eves)]
        assert len(set(names)) == len(names)
        for name in names[:3]:
            if name and "/" not in name:
                assert resolve(WHOLE, eves, name)
    with suppress(*refused):
        assert len(list(walk(WHOLE, eves))) <= len(list(WHOLE.cids()))
