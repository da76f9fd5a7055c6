"""Folders to and from the disk: the same CIDs as others, and nothing outside the folder."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from commonfab.protocol.errors import Malformed, UsageError
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockMissing, StoreBroken, StoreFull
from commonfab.storage.unixfs.folders import add_folder, export, name_fault
from commonfab.storage.unixfs.unixfs import Entry, add_entries, list_folder, resolve, stat
from tests.storage.content import content
from tests.storage.full_disk import files_limited_to
from tests.storage.unixfs_vectors import PROFILES, VECTORS, lay_blocks, name_of

HELLO = b"hello world"


@pytest.fixture
def blocks() -> MemoryBlockStore:
    return MemoryBlockStore()


def lay_out(vector: dict[str, Any], folder: Path) -> None:
    folder.mkdir()
    for name, file in vector["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            file["text"].encode() if "text" in file else content(file["seed"], file["size"])
        )
    for name in vector["empty_folders"]:
        (folder / name).mkdir(parents=True)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return every path below a folder, with its bytes; None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.rule("UNIXFS-3")
@pytest.mark.parametrize("vector", VECTORS["folders"], ids=name_of)
def test_a_folder_has_the_cid_that_another_program_gave_it_and_comes_back_whole(
    blocks: MemoryBlockStore, vector: dict[str, Any], tmp_path: Path
) -> None:
    lay_out(vector, tmp_path / "in")
    how = PROFILES[vector["profile"]]

    root = add_folder(blocks, tmp_path / "in", profile=how)
    export(blocks, root, tmp_path / "out")

    assert str(root) == vector["cid"]
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


@pytest.mark.parametrize("vector", VECTORS["folder_layouts"], ids=name_of)
def test_a_folder_that_kubo_wrote_is_written_out_unless_it_has_a_symbolic_link(
    vector: dict[str, Any], tmp_path: Path
) -> None:
    blocks, root = lay_blocks(vector), CID.parse(vector["cid"])
    if vector["name"] == "a symbolic link in it":
        with pytest.raises(UsageError, match="link is a symbolic link, which is not written"):
            export(blocks, root, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []
        return

    export(blocks, root, tmp_path / "out")

    files = {f"part {n}.stl": b"%d\n" % n for n in range(vector["count"])}
    assert contents(tmp_path / "out") == files


@pytest.mark.rule("UNIXFS-6")
def test_a_folder_that_was_split_comes_back_whole(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for n in range(1100):
        (tmp_path / "in" / f"{n:0220}").touch()

    root = add_folder(blocks, tmp_path / "in")
    export(blocks, root, tmp_path / "out")

    assert len(list_folder(blocks, root)) == 1100
    assert len(blocks.get(root)) < 20_000
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_a_folder_of_too_many_names_is_refused_before_they_are_all_listed(
    blocks: MemoryBlockStore, tmp_path: Path
) -> None:
    (tmp_path / "parts").mkdir()
    for n in range(5):
        (tmp_path / "parts" / f"{n}").touch()

    assert stat(blocks, add_folder(blocks, tmp_path, entries_max=6)).kind == "folder"
    with pytest.raises(UsageError, match="parts/: more files and folders than are taken at once"):
        add_folder(blocks, tmp_path, entries_max=5)


def test_progress_is_told_for_each_file_by_its_path(
    blocks: MemoryBlockStore, tmp_path: Path
) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "arm.stl").write_bytes(HELLO)
    (tmp_path / "README.md").touch()
    told: list[tuple[str, int]] = []

    root = add_folder(blocks, tmp_path, lambda path, size: told.append((path, size)))

    assert told == [("README.md", 0), ("parts/arm.stl", len(HELLO))]
    assert resolve(blocks, root, "parts/arm.stl") == CID.of(HELLO, codec=RAW)


@pytest.mark.rule("UNIXFS-7")
def test_names_that_start_with_a_dot_are_left_out(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    (tmp_path / "arm.stl").write_bytes(HELLO)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".secret").write_text("key")

    root = add_folder(blocks, tmp_path)

    assert [entry.name for entry in list_folder(blocks, root)] == ["arm.stl"]


@pytest.mark.rule("UNIXFS-7")
def test_a_symbolic_link_is_refused_by_name(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "arm.stl").symlink_to("/etc/passwd")

    with pytest.raises(UsageError, match=r"parts/arm\.stl is a symbolic link"):
        add_folder(blocks, tmp_path)


def test_a_link_to_a_folder_is_not_a_folder(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "link").symlink_to("parts")

    for path in (tmp_path / "link", tmp_path / "none"):
        with pytest.raises(UsageError, match=f"{path} is not a folder"):
            add_folder(blocks, path)


@pytest.mark.rule("UNIXFS-7")
def test_what_is_no_file_is_refused_at_once(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe is neither a file nor a folder"):
        add_folder(blocks, tmp_path)
    (tmp_path / "pipe").unlink()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(UsageError, match="socket is neither"):
            add_folder(blocks, tmp_path)


UNSAFE = ["a\nb", "a\x1b[2Jb", "gpj\u202eexe.stl", "a\\b", "a\u2028b", "\x7f"]


@pytest.mark.rule("UNIXFS-7")
@pytest.mark.parametrize("name", [*UNSAFE, os.fsdecode(b"\xff.stl")])
def test_an_unsafe_name_is_refused_in_printable_letters(
    blocks: MemoryBlockStore, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).touch()

    with pytest.raises(UsageError, match="rename it") as caught:
        add_folder(blocks, tmp_path)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["arm.stl", "Größe 1.md", "零件", "a..b", "-rf", "x" * 255, "..a"])
def test_an_ordinary_name_has_no_fault(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.rule("UNIXFS-7")
@pytest.mark.parametrize(
    "name",
    [
        *UNSAFE,
        *("", ".", "..", "/etc/passwd", "a/b", "../a", "C:\\evil", "a\0b", ".git", ".GIT"),
        *("x" * 256, "é" * 128),
    ],
)
def test_a_folder_with_an_unsafe_name_is_not_written(
    blocks: MemoryBlockStore, tmp_path: Path, name: str
) -> None:
    file = CID.of(HELLO, codec=RAW)
    blocks.put(file, HELLO)
    inner = add_entries(blocks, [Entry(name, file, 1)]).cid
    root = add_entries(blocks, [Entry("a", file, 1), Entry("parts", inner, 1)]).cid

    with pytest.raises(Malformed, match="the name 'parts/") as caught:
        export(blocks, root, tmp_path / "out")

    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def a_folder(blocks: MemoryBlockStore) -> CID:
    file = CID.of(HELLO, codec=RAW)
    blocks.put(file, HELLO)
    return add_entries(blocks, [Entry("a", file, 1), Entry("b", file, 1)]).cid


@pytest.mark.rule("UNIXFS-9")
def test_nothing_is_overwritten(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    root = a_folder(blocks)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "elsewhere").mkdir()
    before = contents(tmp_path)

    for name in ("full", "file", "link"):
        with pytest.raises(UsageError, match=f"{name} is there already; name another folder"):
            export(blocks, root, tmp_path / name)

    assert contents(tmp_path) == before


def test_an_empty_folder_is_filled_and_a_missing_parent_is_made(
    blocks: MemoryBlockStore, tmp_path: Path
) -> None:
    root = a_folder(blocks)
    (tmp_path / "empty").mkdir()

    export(blocks, root, tmp_path / "empty")
    export(blocks, root, tmp_path / "new" / "design")

    assert contents(tmp_path / "empty") == {"a": HELLO, "b": HELLO}
    assert contents(tmp_path / "new") == {"design": None, "design/a": HELLO, "design/b": HELLO}
    assert (tmp_path / "new" / "design").stat().st_mode & 0o777 == 0o777 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.rule("UNIXFS-9")
def test_a_missing_block_leaves_nothing_written(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    there, gone = CID.of(HELLO, codec=RAW), CID.of(b"gone", codec=RAW)
    blocks.put(there, HELLO)
    root = add_entries(blocks, [Entry("a", there, 1), Entry("b", gone, 1)]).cid

    with pytest.raises(BlockMissing):
        export(blocks, root, tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.rule("UNIXFS-9")
def test_an_export_is_bounded_in_bytes_names_and_depth(
    blocks: MemoryBlockStore, tmp_path: Path
) -> None:
    root = a_folder(blocks)
    with pytest.raises(Malformed, match="at most"):
        export(blocks, root, tmp_path / "out", bytes_max=2 * len(HELLO) - 1)
    export(blocks, root, tmp_path / "out", bytes_max=2 * len(HELLO))

    deep = root
    for _ in range(32):
        deep = add_entries(blocks, [Entry("a", deep, 1)]).cid
    with pytest.raises(Malformed, match="deeper than 32 folders"):
        export(blocks, deep, tmp_path / "deep")

    # Twenty blocks that stand for a million folders.
    bomb = add_entries(blocks, []).cid
    for _ in range(20):
        bomb = add_entries(blocks, [Entry("a", bomb, 1), Entry("b", bomb, 1)]).cid
    with pytest.raises(Malformed, match="too many files and folders"):
        export(blocks, bomb, tmp_path / "bomb", entries_max=100)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_not_exported_as_a_folder(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    blocks.put(CID.of(HELLO, codec=RAW), HELLO)

    with pytest.raises(UsageError, match="is a file, not a folder"):
        export(blocks, CID.of(HELLO, codec=RAW), tmp_path / "out")


def test_a_folder_too_deep_is_refused(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    tmp_path.joinpath(*"d" * 33).mkdir(parents=True)

    with pytest.raises(UsageError, match="deeper than 32 folders"):
        add_folder(blocks, tmp_path)


def test_a_place_that_cannot_be_written_is_told(blocks: MemoryBlockStore, tmp_path: Path) -> None:
    root = a_folder(blocks)
    (tmp_path / "file").touch()

    with pytest.raises(StoreBroken, match=r"(Not a directory|File exists); name another"):
        export(blocks, root, tmp_path / "file" / "out")


def test_a_target_without_room_is_told_as_such_and_nothing_is_left_there(
    blocks: MemoryBlockStore, tmp_path: Path
) -> None:
    root = a_folder(blocks)

    with (
        files_limited_to(len(HELLO) - 1),
        pytest.raises(StoreFull, match=r"out: no room .* or name another folder, then try again$"),
    ):
        export(blocks, root, tmp_path / "out")

    assert list(tmp_path.iterdir()) == []
