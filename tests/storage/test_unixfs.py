"""UnixFS: the CIDs that others compute, and a reader that believes no size it is told."""

import io
import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed, UsageError
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.dagpb import Link, Node, encode, number, run
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockMissing
from commonfab.storage.unixfs import (
    BATCH_BYTES_MAX,
    FOLDER_BYTES_MAX,
    KUBO_CIDV1,
    Entry,
    NotSupported,
    Profile,
    Stat,
    add_entries,
    add_file,
    links,
    list_folder,
    read_file,
    resolve,
    stat,
    walk,
)
from tests.storage.content import Content, content

VECTORS = json.loads(Path("specs/vectors/unixfs.json").read_text())
TINY = Profile(chunk_bytes=4, width=3, raw_leaves=True, cid_version=1)
TINY_V0 = Profile(chunk_bytes=4, width=3, raw_leaves=False, cid_version=0)
FILE, FOLDER, SYMLINK, SHARD = 2, 1, 4, 5


def profile(name: str) -> Profile:
    return Profile(**VECTORS["profiles"][name])


class Counting(MemoryBlockStore):
    """Forgets its blocks, and remembers how many it was given at once."""

    most_bytes = 0

    def put_many(self, blocks: Any) -> None:
        self.most_bytes = max(self.most_bytes, sum(len(data) for _, data in blocks))


@pytest.fixture
def blocks() -> MemoryBlockStore:
    return MemoryBlockStore()


def file_vector_name(vector: dict[str, Any]) -> str:
    return f"{vector['profile']}-{vector['size']}-{vector['seed']}"


@pytest.mark.rule("UNIXFS-1")
@pytest.mark.parametrize("vector", VECTORS["files"], ids=file_vector_name)
def test_a_file_has_the_cid_that_another_program_gave_it(vector: dict[str, Any]) -> None:
    store = Counting()

    cid, size = add_file(store, Content(vector["seed"], vector["size"]), profile(vector["profile"]))

    assert (str(cid), size) == (vector["cid"], vector["size"])
    assert store.most_bytes < BATCH_BYTES_MAX + 2 * 1024**2


def test_the_profile_in_use_is_the_one_in_the_vectors() -> None:
    assert profile("kubo-cidv1") == KUBO_CIDV1


@pytest.mark.rule("UNIXFS-1")
def test_a_source_that_gives_little_at_a_time_makes_the_same_file(
    blocks: MemoryBlockStore,
) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 7_777))

    data = content("trickle", 600_000)

    assert add_file(blocks, Trickle(data)) == add_file(blocks, io.BytesIO(data))


@settings(max_examples=50)
@given(st.binary(max_size=200), st.sampled_from([TINY, TINY_V0]))
def test_a_file_is_read_back_as_it_was_added(data: bytes, how: Profile) -> None:
    blocks = MemoryBlockStore()

    cid, _ = add_file(blocks, io.BytesIO(data), how)

    assert b"".join(read_file(blocks, cid)) == data
    assert stat(blocks, cid) == Stat("file", len(data))
    assert {below.as_v1() for below, _ in walk(blocks, cid)} == set(blocks.cids())


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


@pytest.mark.rule("UNIXFS-3")
def test_a_folder_lists_its_entries_by_the_bytes_of_their_names(blocks: MemoryBlockStore) -> None:
    cid, _ = add_file(blocks, io.BytesIO(b"x"))
    names = ["é", "b", "Z", "a.stl", "a", "零件"]

    folder = add_entries(blocks, [Entry(name, cid, 1) for name in names])

    assert [entry.name for entry in list_folder(blocks, folder.cid)] == [
        "Z",
        "a",
        "a.stl",
        "b",
        "é",
        "零件",
    ]
    assert stat(blocks, folder.cid) == Stat("folder", 0)


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


@pytest.mark.rule("UNIXFS-6")
def test_a_folder_too_large_for_one_block_is_refused(blocks: MemoryBlockStore) -> None:
    cid, _ = add_file(blocks, io.BytesIO(b""))
    name_bytes = FOLDER_BYTES_MAX // 1024 - len(bytes(cid))
    entries = [Entry(f"{n:0{name_bytes}}", cid, 0) for n in range(1024)]

    with pytest.raises(NotSupported, match="a folder of 1024 names is too large"):
        add_entries(blocks, entries)

    assert len(list_folder(blocks, add_entries(blocks, entries[1:]).cid)) == 1023


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
        (number(1, SHARD), "a folder split over several blocks"),
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


def test_whatever_the_bytes_of_a_node_the_reader_reads_it_or_refuses_it() -> None:
    rng = random.Random(5)
    whole = MemoryBlockStore()
    cid, _ = add_file(whole, io.BytesIO(bytes(range(12))), TINY)
    block = whole.get(cid)
    for _ in range(3000):
        changed = bytearray(block)
        for _ in range(rng.randint(1, 3)):
            changed[rng.randrange(len(block))] = rng.randrange(256)
        eves = CID.of(bytes(changed), codec=DAG_PB)
        whole.put(eves, bytes(changed))
        with suppress(Malformed, NotSupported, BlockMissing):
            assert sum(map(len, read_file(whole, eves))) == stat(whole, eves).size
        with suppress(Malformed, NotSupported):
            assert len(list_folder(whole, eves)) <= len(block)
