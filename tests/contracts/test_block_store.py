"""What every `BlockStore` promises: the one on disk and the one in memory."""

import tempfile
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from commonfab.protocol.multihash import HASHES, Hash
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockMissing, BlockStore, MadeBlock

HELLO = b"hello world"
HELLO_CID = CID.of(HELLO, codec=RAW)
Make = Callable[[Path], BlockStore]
TWINS: dict[str, Make] = {"disk": DiskBlockStore, "memory": lambda _: MemoryBlockStore()}


@pytest.fixture(params=TWINS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlockStore:
    return TWINS[request.param](tmp_path)


def test_a_block_is_got_as_it_was_put(store: BlockStore) -> None:
    store.put(HELLO_CID, HELLO)

    assert store.get(HELLO_CID) == HELLO
    assert store.has(HELLO_CID)
    assert list(store.cids()) == [HELLO_CID]
    assert store.size() == len(HELLO)


def test_a_block_that_is_not_here_is_missing_by_name(store: BlockStore) -> None:
    assert not store.has(HELLO_CID)
    with pytest.raises(BlockMissing, match=str(HELLO_CID)) as caught:
        store.get(HELLO_CID)
    assert caught.value.cid == HELLO_CID


def test_both_versions_of_a_cid_name_one_block(store: BlockStore) -> None:
    v0 = CID.of(HELLO, codec=DAG_PB, version=0)

    store.put(v0, HELLO)

    assert store.get(v0.as_v1()) == HELLO
    assert store.has(v0)
    assert list(store.cids()) == [v0.as_v1()]


def test_the_same_bytes_as_raw_and_as_a_node_are_two_blocks(store: BlockStore) -> None:
    store.put(HELLO_CID, HELLO)

    assert not store.has(CID.of(HELLO, codec=DAG_PB))


@pytest.mark.parametrize("data", [b"", b"hello worle", HELLO + b"!"])
def test_bytes_that_the_cid_does_not_name_are_refused(store: BlockStore, data: bytes) -> None:
    with pytest.raises(Malformed, match=str(HELLO_CID)):
        store.put(HELLO_CID, data)

    assert not store.has(HELLO_CID)


@pytest.mark.parametrize("known", HASHES, ids=lambda known: known.name)
def test_a_block_of_each_known_hash_is_kept(store: BlockStore, known: Hash) -> None:
    cid = CID.from_bytes(b"\x01\x55" + known.prefix + known.digest(HELLO))

    store.put(cid, HELLO)

    assert store.get(cid) == HELLO
    assert list(store.cids()) == [cid]
    with pytest.raises(Malformed, match=str(cid)):
        store.put(cid, HELLO + b"!")


def test_a_block_that_is_in_its_own_name_is_not_kept(store: BlockStore) -> None:
    cid = CID.from_bytes(b"\x01\x55\x00" + bytes([len(HELLO)]) + HELLO)

    with pytest.raises(Malformed, match="is in its own name"):
        store.put(cid, HELLO)

    assert not store.has(cid)
    assert list(store.cids()) == []


def test_a_block_that_is_too_large_is_refused(store: BlockStore) -> None:
    data = bytes(BLOCK_BYTES_MAX + 1)

    with pytest.raises(Malformed, match="at most"):
        store.put(CID.of(data, codec=RAW), data)

    store.put(CID.of(data[:-1], codec=RAW), data[:-1])


def test_a_block_with_the_cid_made_from_it_is_kept_without_hashing_it_again(
    store: BlockStore,
) -> None:
    made = MadeBlock(HELLO, codec=RAW)
    assert made == (HELLO_CID, HELLO)

    store.put_many([made])

    assert store.get(HELLO_CID) == HELLO


def test_a_made_block_does_not_change_with_the_buffer_it_was_made_from() -> None:
    buffer = bytearray(HELLO)
    made = MadeBlock(buffer, codec=RAW)

    buffer[0] ^= 1

    assert made == (HELLO_CID, HELLO)


def test_no_block_is_made_that_is_too_large_for_a_store() -> None:
    with pytest.raises(Malformed, match="at most"):
        MadeBlock(bytes(BLOCK_BYTES_MAX + 1), codec=RAW)


def test_the_empty_block_is_a_block(store: BlockStore) -> None:
    empty = CID.of(b"", codec=RAW)

    store.put(empty, b"")

    assert store.get(empty) == b""


def test_many_blocks_are_put_at_once_and_repeats_are_one(store: BlockStore) -> None:
    blocks = [(CID.of(data, codec=RAW), data) for data in (b"a", b"b", b"a", b"c")]

    store.put_many(blocks)
    store.put_many([])

    assert sorted(store.cids()) == sorted({cid for cid, _ in blocks})
    assert store.size() == 3


def test_a_deleted_block_is_gone_and_may_be_deleted_again(store: BlockStore) -> None:
    store.put(HELLO_CID, HELLO)

    store.delete(HELLO_CID)
    store.delete(HELLO_CID)

    assert not store.has(HELLO_CID)
    assert list(store.cids()) == []


class _AgainstADict(RuleBasedStateMachine):
    """Any order of calls leaves a store equal to a dictionary."""

    @staticmethod
    @abstractmethod
    def make(folder: Path) -> BlockStore: ...

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = self.make(Path(self.folder.name))
        self.model: dict[CID, bytes] = {}

    data = st.binary(max_size=2)
    codecs = st.sampled_from([RAW, DAG_PB])

    @rule(many=st.lists(st.tuples(data, codecs), max_size=4))
    def put(self, many: list[tuple[bytes, int]]) -> None:
        blocks = [(CID.of(data, codec=RAW if c == RAW else DAG_PB), data) for data, c in many]
        self.store.put_many(blocks)
        self.model.update(blocks)

    @rule(data=data)
    def delete(self, data: bytes) -> None:
        self.store.delete(CID.of(data, codec=RAW))
        self.model.pop(CID.of(data, codec=RAW), None)

    @rule()
    def open_again(self) -> None:
        if isinstance(self.store, DiskBlockStore):
            self.store = self.make(Path(self.folder.name))

    @invariant()
    def is_equal(self) -> None:
        assert {cid: self.store.get(cid) for cid in self.store.cids()} == self.model
        assert all(self.store.has(cid) for cid in self.model)
        assert self.store.size() == sum(map(len, self.model.values()))

    def teardown(self) -> None:
        self.folder.cleanup()


class _Disk(_AgainstADict):
    @staticmethod
    def make(folder: Path) -> BlockStore:
        return DiskBlockStore(folder, sync=lambda _: None)


class _Memory(_AgainstADict):
    @staticmethod
    def make(folder: Path) -> BlockStore:
        return MemoryBlockStore()


TestDisk = _Disk.TestCase
TestDisk.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
TestMemory = _Memory.TestCase
