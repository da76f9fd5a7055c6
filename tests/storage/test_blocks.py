"""The block store on disk: what it does when its files are not as it left them."""

from pathlib import Path

import pytest

from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, RAW
from commonfab.storage.ports import BlockDamaged, BlockMissing, StoreBroken

DATA = bytes(range(64))
CID_OF_DATA = CID.of(DATA, codec=RAW)


@pytest.fixture
def store(tmp_path: Path) -> DiskBlockStore:
    return DiskBlockStore(tmp_path)


def path_of(cid: CID, folder: Path) -> Path:
    (path,) = folder.glob(f"blocks/*/{cid}")
    return path


def test_each_flipped_bit_is_noticed_when_the_block_is_read(
    store: DiskBlockStore, tmp_path: Path
) -> None:
    for bit in range(8 * len(DATA)):
        store.put(CID_OF_DATA, DATA)
        changed = bytearray(DATA)
        changed[bit // 8] ^= 1 << bit % 8
        path_of(CID_OF_DATA, tmp_path).write_bytes(changed)

        with pytest.raises(BlockDamaged, match=str(CID_OF_DATA)) as caught:
            store.get(CID_OF_DATA)
        assert caught.value.cid == CID_OF_DATA


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


def test_what_a_crash_left_unfinished_is_gone_once_the_store_is_opened(tmp_path: Path) -> None:
    DiskBlockStore(tmp_path)
    left = tmp_path / "unfinished" / "0"
    left.write_bytes(b"half a blo")

    store = DiskBlockStore(tmp_path)

    assert not left.exists()
    store.put(CID_OF_DATA, DATA)
    assert store.get(CID_OF_DATA) == DATA


def test_a_refused_block_leaves_nothing_behind(store: DiskBlockStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"):
        store.put_many(stopping())

    assert list((tmp_path / "unfinished").iterdir()) == []
    assert list(store.cids()) == []


def stopping() -> list[tuple[CID, bytes]]:
    class Stopping(list[tuple[CID, bytes]]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield CID_OF_DATA, DATA
            raise ValueError("stop")

    return Stopping()


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


def test_a_folder_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreBroken, match=f"{tmp_path}/file/store: Not a directory"):
        DiskBlockStore(tmp_path / "file" / "store")
