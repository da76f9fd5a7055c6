"""Writing UnixFS: the CIDs that others compute, in little memory."""

import io
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.storage.cid import CID
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import MadeBlock
from commonfab.storage.unixfs.unixfs import (
    FOLDER_BYTES_MAX,
    FOLDER_ENTRIES_MAX,
    Entry,
    NotSupported,
    Profile,
    Stat,
    add_entries,
    add_file,
    add_tree,
    list_folder,
    read_file,
    stat,
    walk,
)
from tests.storage.content import Content, content
from tests.storage.unixfs_vectors import PROFILES, VECTORS, name_of

TINY = Profile(chunk_bytes=4, width=3, raw_leaves=True, cid_version=1, folder_size="block")
TINY_V0 = Profile(chunk_bytes=4, width=3, raw_leaves=False, cid_version=0, folder_size="links")


class Nowhere(MemoryBlockStore):
    """Keeps no block, only when it was drawn."""

    def __init__(self) -> None:
        self.drawn_bytes: list[int] = []

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        for block in blocks:
            assert isinstance(block, MadeBlock), "a block that would be hashed twice"
            self.drawn_bytes.append(len(block[1]))


class Watched(Content):
    """A file that knows how much of it was read."""

    read_bytes = 0

    def read(self, size: int, /) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


@pytest.fixture
def blocks() -> MemoryBlockStore:
    return MemoryBlockStore()


@pytest.mark.rule("UNIXFS-1")
@pytest.mark.parametrize("vector", VECTORS["files"], ids=name_of)
def test_a_file_has_the_cid_that_another_program_gave_it(vector: dict[str, Any]) -> None:
    source = Content(vector["seed"], vector["size"])

    cid, size = add_file(Nowhere(), source, PROFILES[vector["profile"]])

    assert (str(cid), size) == (vector["cid"], vector["size"])


@pytest.mark.rule("UNIXFS-6")
@pytest.mark.parametrize("vector", VECTORS["splits"], ids=name_of)
def test_a_large_folder_has_the_cid_that_another_program_gave_it(vector: dict[str, Any]) -> None:
    store = MemoryBlockStore()
    how = PROFILES[vector["profile"]]
    file = add_tree(store, io.BytesIO(b"x"), how)
    lengths = [length for count, length in vector["names"] for _ in range(count)]
    entries = [Entry(f"{n:0{length}}", file.cid, file.tsize) for n, length in enumerate(lengths)]

    root = add_entries(store, entries, how).cid

    assert str(root) == vector["cid"]
    assert stat(store, root) == Stat("folder", 0)
    assert list_folder(store, root) == sorted(entries, key=lambda entry: entry.name)


def test_a_large_file_is_read_no_further_than_it_is_kept() -> None:
    source = Watched("large", 64 * 1024**2)
    ahead: list[int] = []

    class Slow(Nowhere):
        def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
            kept = 0
            for _, data in blocks:
                kept += len(data)
                ahead.append(source.read_bytes - kept)

    add_file(Slow(), source)

    assert max(ahead) <= 4 * 1024**2


def test_a_source_that_gives_little_at_a_time_makes_the_same_file(
    blocks: MemoryBlockStore,
) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 77_777))

    data = content("trickle", 2_600_000)

    assert add_file(blocks, Trickle(data)) == add_file(blocks, io.BytesIO(data))


def test_a_source_that_fails_leaves_no_threads_behind(blocks: MemoryBlockStore) -> None:
    class Failing(Content):
        def read(self, size: int, /) -> bytes:
            if self._left < size:
                raise OSError("the stick was pulled out")
            return super().read(size)

    with pytest.raises(OSError, match="pulled out"):
        add_file(blocks, Failing("failing", 5_000_000))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([TINY, TINY_V0]))
def test_a_file_is_read_back_as_it_was_added(data: bytes, how: Profile) -> None:
    blocks = MemoryBlockStore()

    cid, _ = add_file(blocks, io.BytesIO(data), how)

    assert b"".join(read_file(blocks, cid)) == data
    assert stat(blocks, cid) == Stat("file", len(data))
    assert {below.as_v1() for below, _ in walk(blocks, cid)} == set(blocks.cids())


@pytest.mark.rule("UNIXFS-3")
def test_a_folder_lists_its_entries_by_the_bytes_of_their_names(blocks: MemoryBlockStore) -> None:
    cid, _ = add_file(blocks, io.BytesIO(b"x"))
    names = ["é", "b", "Z", "a.stl", "a", "零件"]

    folder = add_entries(blocks, [Entry(name, cid, 1) for name in names])

    listed = [entry.name for entry in list_folder(blocks, folder.cid)]
    assert listed == ["Z", "a", "a.stl", "b", "é", "零件"]
    assert stat(blocks, folder.cid) == Stat("folder", 0)


@pytest.mark.rule("UNIXFS-6")
@pytest.mark.parametrize("name", ["unixfs-v0-2015", "unixfs-v1-2025", "kubo-cidv1"])
def test_a_folder_is_split_when_it_is_too_large_for_its_profile(
    blocks: MemoryBlockStore, name: str
) -> None:
    how = PROFILES[name]
    file = add_tree(blocks, io.BytesIO(b"x"), how)
    counts = {"links": len(bytes(file.cid)) + 200, "block": len(bytes(file.cid)) + 210}
    fitting = FOLDER_BYTES_MAX // counts[how.folder_size]
    entries = [Entry(f"{n:0200}", file.cid, file.tsize) for n in range(fitting + 1)]

    for count, is_split in ((fitting, False), (fitting + 1, True)):
        root = add_entries(blocks, entries[:count], how).cid
        assert (len(blocks.get(root)) < FOLDER_BYTES_MAX // 2) == is_split


@pytest.mark.rule("UNIXFS-6")
def test_a_folder_of_a_million_entries_is_refused(blocks: MemoryBlockStore) -> None:
    file, _ = add_file(blocks, io.BytesIO(b"x"))
    entries = [Entry("a", file, 1)] * 1_000_000

    with pytest.raises(NotSupported, match="a folder of 1000000 names; at most 100000 are taken"):
        add_entries(blocks, entries)
    assert FOLDER_ENTRIES_MAX == 100_000
