"""The walk through a tree of which some blocks are in their own names."""

import pytest

from commonfab.node.exchange.walk import TreeUnreadable, Walk
from commonfab.protocol.bitswap_wire import Block
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.dagpb import Link, Node, encode, number
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs import links

FOLDER = number(1, 1)
LEAF = CID.of(b"leaf", codec=RAW)


def inline(data: bytes, codec: int) -> CID:
    return CID.from_bytes(bytes([1, codec, 0, len(data)]) + data)


@pytest.fixture
def store() -> MemoryBlockStore:
    return MemoryBlockStore()


@pytest.mark.rule("UNIXFS-10")
def test_a_tree_that_is_all_in_its_root_s_name_is_done_at_once(store: MemoryBlockStore) -> None:
    walk = Walk(inline(b"hello", RAW), store, links)

    assert walk.is_done
    assert walk.look() == []
    assert list(store.cids()) == []


@pytest.mark.rule("UNIXFS-10")
def test_what_a_block_in_its_own_name_links_to_is_fetched(store: MemoryBlockStore) -> None:
    inner = inline(encode(Node((Link(LEAF, "a", 4),), FOLDER)), DAG_PB)
    folder = encode(Node((Link(inner, "b", 4), Link(inline(b"x", RAW), "c", 1)), FOLDER))
    root = CID.of(folder, codec=DAG_PB)

    for start in (root, inner):
        walk = Walk(start, MemoryBlockStore(), links)
        if start is root:
            assert walk.look() == [bytes(root)]
            walk.keep([Block(bytes(root), folder)])
        assert walk.look() == [bytes(LEAF)]
        assert not walk.is_done
        walk.keep([Block(bytes(LEAF), b"leaf")])
        assert walk.is_done


def test_a_root_that_has_nonsense_in_it_is_unreadable(store: MemoryBlockStore) -> None:
    with pytest.raises(TreeUnreadable, match="cannot be read as its author made it"):
        Walk(inline(b"nonsense", DAG_PB), store, links)
