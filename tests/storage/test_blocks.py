"""The block store on disk: what it does when its files are not as it left them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from commonfab.protocol.errors import Malformed
from commonfab.protocol.multihash import HASHES
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.ports import BlockDamaged, BlockMissing, MadeBlock, StoreBroken
from commonfab.storage.unixfs.dagpb import Link, Node, encode

DATA = bytes(range(64))
CID_OF_DATA = CID.of(DATA, codec=RAW)


@pytest.fixture
def store(tmp_path: Path) -> DiskBlockStore:
    return DiskBlockStore(tmp_path)


def path_of(cid: CID, folder: Path) -> Path:
    (path,) = folder.glob(f"blocks/*/{cid}")
    return path


LEAF = Link(CID_OF_DATA, "", 64)
NODE = encode(Node((LEAF, LEAF), b"\x08\x02\x18\x80\x01"))
SOME_BLOCKS = {
    "raw": (CID_OF_DATA, DATA),
    "node": (CID.of(NODE, codec=DAG_PB), NODE),
    "node, version 0": (CID.of(NODE, codec=DAG_PB, version=0), NODE),
    **{used.name: (CID(1, RAW, used.prefix + used.digest(DATA)), DATA) for used in HASHES},
}


@pytest.mark.parametrize(("cid", "data"), SOME_BLOCKS.values(), ids=SOME_BLOCKS)
def test_each_flipped_bit_is_noticed_when_the_block_is_read(
    tmp_path: Path, cid: CID, data: bytes
) -> None:
    store = DiskBlockStore(tmp_path, sync=lambda _: None)
    store.put(cid, data)
    assert store.get(cid) == data
    path = path_of(cid.as_v1(), tmp_path)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)

        with pytest.raises(BlockDamaged, match=str(cid)) as caught:
            store.get(cid)
        assert caught.value.cid == cid
        assert not store.has(cid)


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"\0"])
def test_a_block_of_another_length_is_noticed(
    store: DiskBlockStore, tmp_path: Path, data: bytes
) -> None:
    store.put(CID_OF_DATA, DATA)
    path_of(CID_OF_DATA, tmp_path).write_bytes(data)

    with pytest.raises(BlockDamaged):
        store.get(CID_OF_DATA)


def test_a_damaged_block_is_moved_aside_and_missing_until_it_is_put_again(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    store.put(CID_OF_DATA, DATA)
    path_of(CID_OF_DATA, tmp_path).write_bytes(b"rotten")

    with pytest.raises(BlockDamaged, match="damaged/"):
        store.get(CID_OF_DATA)

    assert (tmp_path / "damaged" / str(CID_OF_DATA)).read_bytes() == b"rotten"
    assert not store.has(CID_OF_DATA)
    with pytest.raises(BlockMissing):
        store.get(CID_OF_DATA)
    store.put(CID_OF_DATA, DATA)
    assert store.get(CID_OF_DATA) == DATA


def test_putting_a_block_mends_a_damaged_one_that_nobody_has_read(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    store.put(CID_OF_DATA, DATA)
    path_of(CID_OF_DATA, tmp_path).write_bytes(bytes(len(DATA)))

    store.put(CID_OF_DATA, DATA)

    assert store.get(CID_OF_DATA) == DATA


@dataclass(frozen=True)
class Looking(CID):
    """A name that, after a first look at wrong bytes, lets others do something."""

    meanwhile: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])

    def names(self, data: bytes) -> bool:
        has_right_bytes = super().names(data)
        while not has_right_bytes and self.meanwhile:
            self.meanwhile.pop()()
        return has_right_bytes


def test_what_is_mended_while_it_is_read_as_damaged_stays(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    store.put(CID_OF_DATA, DATA)
    path_of(CID_OF_DATA, tmp_path).write_bytes(b"rotten")
    mend = partial(store.put, CID_OF_DATA, DATA)
    cid = Looking(CID_OF_DATA.version, CID_OF_DATA.codec, CID_OF_DATA.multihash, [mend])

    assert store.get(cid) == DATA
    assert store.get(CID_OF_DATA) == DATA
    assert not list((tmp_path / "damaged").iterdir())


def test_of_two_readers_of_a_damaged_block_the_second_finds_none(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    def read_too() -> None:
        with pytest.raises(BlockDamaged):
            store.get(CID_OF_DATA)

    store.put(CID_OF_DATA, DATA)
    path_of(CID_OF_DATA, tmp_path).write_bytes(b"rotten")

    with pytest.raises(BlockMissing):
        store.get(
            Looking(CID_OF_DATA.version, CID_OF_DATA.codec, CID_OF_DATA.multihash, [read_too])
        )


def test_what_a_crash_left_unfinished_is_gone_once_the_store_is_opened(tmp_path: Path) -> None:
    DiskBlockStore(tmp_path)
    left = tmp_path / "unfinished" / "0"
    left.write_bytes(b"half a blo")

    store = DiskBlockStore(tmp_path)

    assert not left.exists()
    store.put(CID_OF_DATA, DATA)
    assert store.get(CID_OF_DATA) == DATA


def test_a_put_that_ends_early_leaves_nothing_unfinished(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="stop"):
        store.put_many(stopping())

    assert list((tmp_path / "unfinished").iterdir()) == []
    assert [store.get(cid) for cid in store.cids()] in ([], [DATA])


def test_a_block_that_lies_in_the_middle_of_many_is_refused_and_the_rest_are_whole(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    datas = [bytes([number]) * 1000 for number in range(200)]
    blocks = [(CID.of(data, codec=RAW), data) for data in datas]
    blocks[100] = (blocks[100][0], b"something else")

    with pytest.raises(Malformed, match=str(blocks[100][0])):
        store.put_many(blocks)

    assert not store.has(blocks[100][0])
    assert list((tmp_path / "unfinished").iterdir()) == []
    for cid in store.cids():
        store.get(cid)


def test_only_a_few_blocks_are_drawn_before_they_are_written(tmp_path: Path) -> None:
    written: list[int] = []
    store = DiskBlockStore(tmp_path, sync=written.append)
    written.clear()
    drawn_ahead: list[int] = []

    def many() -> Iterator[MadeBlock]:
        for number in range(64):
            drawn_ahead.append(number - len(written))
            yield MadeBlock(number.to_bytes(1, "big") * (1 << 20), codec=RAW)

    store.put_many(many())

    assert max(drawn_ahead) <= 17


def test_an_error_of_what_gives_the_blocks_is_not_blamed_on_the_store(
    store: DiskBlockStore,
) -> None:
    def unreadable() -> Iterator[MadeBlock]:
        yield MadeBlock(DATA, codec=RAW)
        raise PermissionError("the file that is published")

    with pytest.raises(PermissionError, match="published"):
        store.put_many(unreadable())


def stopping() -> Iterator[tuple[CID, bytes]]:
    yield CID_OF_DATA, DATA
    raise ValueError("stop")


def test_a_strangers_file_in_a_shard_is_not_a_block(store: DiskBlockStore, tmp_path: Path) -> None:
    store.put(CID_OF_DATA, DATA)
    path_of(CID_OF_DATA, tmp_path).with_name("notes.txt").write_text("hello")

    assert list(store.cids()) == [CID_OF_DATA]


def test_a_disk_that_refuses_is_told_with_the_path(store: DiskBlockStore, tmp_path: Path) -> None:
    store.put(CID_OF_DATA, DATA)
    shard = path_of(CID_OF_DATA, tmp_path).parent
    shard.rename(tmp_path / "elsewhere")
    shard.write_text("a file where a folder was")

    for call in (lambda: store.get(CID_OF_DATA), lambda: store.put(CID_OF_DATA, DATA)):
        with pytest.raises(StoreBroken, match=rf"{tmp_path}.*: Not a directory"):
            call()


def test_a_name_that_leads_nowhere_does_not_keep_the_others_from_being_counted(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    store.put(CID_OF_DATA, DATA)
    path_of(CID_OF_DATA, tmp_path).with_name("gone").symlink_to("nowhere")

    assert store.size() == len(DATA)


def test_a_folder_that_cannot_be_read_is_told_when_blocks_are_counted(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    (tmp_path / "blocks" / "a").rmdir()

    with pytest.raises(StoreBroken, match=f"{tmp_path}/blocks: No such file"):
        store.size()


def test_a_folder_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreBroken, match=f"{tmp_path}/file/store: Not a directory"):
        DiskBlockStore(tmp_path / "file" / "store")
