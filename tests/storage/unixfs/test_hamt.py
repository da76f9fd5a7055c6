"""Large folders: one tree for one set of names, and no entry where its hash does not belong."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs.dagpb import Link, Node, decode, encode, number, run
from commonfab.storage.unixfs.hamt import add_shards, entries, find, name_hash, shard_data
from commonfab.storage.unixfs.unixfs import Entry, NotSupported, Stat, Tree, list_folder, stat

LEAF = b"x"
LEAF_CID = CID.of(LEAF, codec=RAW)


def keep(blocks: MemoryBlockStore, node: Node) -> Tree:
    data = encode(node)
    cid = CID.of(data, codec=DAG_PB)
    blocks.put(cid, data)
    return Tree(cid, 0, len(data) + sum(link.tsize for link in node.links))


def shards(blocks: MemoryBlockStore, names: list[str]) -> CID:
    links = tuple(Link(LEAF_CID, name, 1) for name in names)
    return add_shards(links, lambda node: keep(blocks, node)).cid


@pytest.fixture
def blocks() -> MemoryBlockStore:
    return MemoryBlockStore()


@pytest.mark.rule("UNIXFS-6")
@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("", 0x0),
        ("hello, world", 0x342FAC623A5EBC8E),
        ("19 Jan 2038 at 3:14:07 AM", 0xB89E5988B737AFFC),
        ("The quick brown fox jumps over the lazy dog.", 0xCD99481F9EE902C9),
    ],
)
def test_a_name_has_the_hash_that_the_makers_of_murmur3_tested(name: str, hashed: int) -> None:
    assert name_hash(name) == hashed


@settings(max_examples=40, deadline=None)
@given(st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)), st.randoms())
def test_a_folder_is_one_tree_whatever_the_order_of_its_names(
    names: set[str], order: random.Random
) -> None:
    blocks = MemoryBlockStore()
    shuffled = sorted(names)
    order.shuffle(shuffled)

    root = shards(blocks, sorted(names))

    assert shards(MemoryBlockStore(), shuffled) == root
    assert {entry.name for entry in entries(blocks, root)} == names
    assert all(find(blocks, root, name) == LEAF_CID for name in names)
    assert find(blocks, root, "not there") is None


def test_an_entry_is_found_by_reading_the_shards_on_its_way_only(
    blocks: MemoryBlockStore,
) -> None:
    names = [f"part {n}" for n in range(2000)]
    root = shards(blocks, names)
    read: list[CID] = []

    class Watching(MemoryBlockStore):
        def get(self, cid: CID) -> bytes:
            read.append(cid)
            return blocks.get(cid)

    assert find(Watching(), root, "part 777") == LEAF_CID
    assert len(read) <= 3 < len(list(blocks.cids()))


def test_two_names_of_one_hash_are_refused(blocks: MemoryBlockStore) -> None:
    with pytest.raises(NotSupported, match="'a' and 'a' have one hash; rename one of them"):
        shards(blocks, ["a", "a"])


# What follows is made by Eve.

SLOT = name_hash("a") >> 56
PREFIX = f"{SLOT:02X}"


def shard(
    blocks: MemoryBlockStore, links: list[tuple[CID, str]], slots: list[int], width: int = 256
) -> CID:
    taken = sum(1 << slot for slot in slots)
    made = tuple(Link(cid, name, 1) for cid, name in links)
    return keep(blocks, Node(made, shard_data(taken, width))).cid


@pytest.mark.rule("UNIXFS-11")
@pytest.mark.parametrize(
    ("names", "slots", "why"),
    [
        ([f"{PREFIX}b"], [SLOT], "the name 'b' is not in the slot of its hash"),
        ([f"{PREFIX}a"], [SLOT + 1], "is not the one of slot"),
        (["aba"], [0xAB], "is not the one of slot 171"),
        (["a"], [SLOT], "is not the one of slot"),
        ([""], [SLOT], "is not the one of slot"),
        ([f"{PREFIX}a"], [], "a shard of 1 links says that 0 are there"),
        ([f"{PREFIX}a"], [SLOT, SLOT + 1], "a shard of 1 links says that 2 are there"),
        ([f"{PREFIX}a", f"{PREFIX}a"], [SLOT], "a shard of 2 links says that 1 are there"),
        ([f"{PREFIX}a"], [SLOT + 256], "a shard of 1 links says that 0 are there"),
    ],
)
def test_a_shard_with_a_name_that_is_not_where_it_belongs_is_malformed(
    blocks: MemoryBlockStore, names: list[str], slots: list[int], why: str
) -> None:
    root = shard(blocks, [(LEAF_CID, name) for name in names], slots)

    with pytest.raises(Malformed, match=why):
        list_folder(blocks, root)


@pytest.mark.rule("UNIXFS-11")
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (number(1, 5) + number(6, 256), "hashed in the way None"),
        (number(1, 5) + number(5, 0x12) + number(6, 256), "hashed in the way 18"),
        (number(1, 5) + number(5, 0x22), "a shard of 0 slots"),
        (number(1, 5) + number(5, 0x22) + number(6, 4), "a shard of 4 slots"),
        (number(1, 5) + number(5, 0x22) + number(6, 100), "a shard of 100 slots"),
        (number(1, 5) + number(5, 0x22) + number(6, 2**60), "a shard of 1152921504606846976"),
        (number(1, 5) + run(5, b"\x22"), "not a UnixFS node"),
        (number(1, 5) + run(6, b"\x22"), "not a UnixFS node"),
    ],
)
def test_a_shard_of_another_kind_is_malformed(
    blocks: MemoryBlockStore, data: bytes, why: str
) -> None:
    root = keep(blocks, Node((), data)).cid

    with pytest.raises(Malformed, match=why):
        list_folder(blocks, root)


@pytest.mark.rule("UNIXFS-11")
def test_shards_below_a_shard_are_of_its_width_and_never_empty(blocks: MemoryBlockStore) -> None:
    other = shard(blocks, [(LEAF_CID, "0a")], [0], width=16)
    empty = shard(blocks, [], [])
    blocks.put(LEAF_CID, LEAF)

    for child, why in (
        (other, "a shard of 16 slots below one of 256"),
        (empty, "a shard without entries"),
        (LEAF_CID, "is not a part of a split folder"),
    ):
        root = shard(blocks, [(child, PREFIX)], [SLOT])
        with pytest.raises(Malformed, match=why):
            list_folder(blocks, root)
        with pytest.raises(Malformed, match=why):
            find(blocks, root, "a")


@pytest.mark.rule("UNIXFS-11")
def test_shards_deeper_than_a_hash_are_malformed(blocks: MemoryBlockStore) -> None:
    hashed = name_hash("a")
    cid = shard(blocks, [(LEAF_CID, "00a")], [0])
    for level in reversed(range(8)):
        slot = hashed >> (56 - 8 * level) & 255
        cid = shard(blocks, [(cid, f"{slot:02X}")], [slot])

    with pytest.raises(Malformed, match="deeper than its names' hashes go"):
        list_folder(blocks, cid)
    with pytest.raises(Malformed, match="deeper than its names' hashes go"):
        find(blocks, cid, "a")


@pytest.mark.rule("UNIXFS-11")
def test_one_shard_that_stands_for_endlessly_many_is_refused_at_its_first_lie(
    blocks: MemoryBlockStore,
) -> None:
    cid = shard(blocks, [(LEAF_CID, f"{PREFIX}a")], [SLOT])
    for _ in range(7):
        cid = shard(blocks, [(cid, f"{slot:02X}") for slot in range(256)], list(range(256)))
    reads = 0

    class Counting(MemoryBlockStore):
        def get(self, cid: CID) -> bytes:
            nonlocal reads
            reads += 1
            return blocks.get(cid)

    with pytest.raises(Malformed, match="is not in the slot of its hash"):
        list_folder(Counting(), cid)
    assert reads <= 10


@pytest.mark.rule("UNIXFS-11")
def test_a_split_folder_of_too_many_names_is_refused_while_it_is_read(
    blocks: MemoryBlockStore,
) -> None:
    root = shards(blocks, [str(n) for n in range(1000)])

    assert len(list(entries(blocks, root, entries_max=1000))) == 1000
    with pytest.raises(Malformed, match="a folder of more than 999 names"):
        list(entries(blocks, root, entries_max=999))


def test_a_split_folder_names_its_entries_with_their_sizes(blocks: MemoryBlockStore) -> None:
    root = shards(blocks, ["b", "a"])

    assert stat(blocks, root) == Stat("folder", 0)
    assert list_folder(blocks, root) == [Entry("a", LEAF_CID, 1), Entry("b", LEAF_CID, 1)]
    assert [link.tsize for link in decode(blocks.get(root)).links] == [1, 1]
