"""The walk through a tree of which some blocks are in their own names."""

from collections.abc import Iterable

import pytest

from commonfab.node.exchange.walk import TreeUnreadable, Walk
from commonfab.protocol.errors import Malformed
from commonfab.protocol.exchange.bitswap_wire import Block, HashedBlock
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import MadeBlock
from commonfab.storage.unixfs.dagpb import Link, Node, encode, number
from commonfab.storage.unixfs.unixfs import links

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


def test_what_was_hashed_as_it_was_read_is_stored_as_it_is_and_the_rest_is_checked() -> None:
    store = Store()
    read = HashedBlock(bytes([1, RAW, 0x12, 0x20]), b"leaf")
    walk = Walk(LEAF, store, links)

    walk.keep([read])
    with pytest.raises(Malformed, match="not have the bytes"):
        walk.keep([Block(bytes(LEAF), b"a lie")])

    assert [isinstance(block, MadeBlock) for block in store.given] == [True, False]
    assert store.given[0] == (LEAF, b"leaf")


class Store(MemoryBlockStore):
    """A store that tells what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[CID, bytes]] = []

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        blocks = list(blocks)
        self.given += blocks
        super().put_many(blocks)
