"""Zips from strangers: what is unpacked, and what is refused before it does harm."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from commonfab.node.importing.archive import ENTRIES_MAX, ArchiveRefused, unpack


def a_zip(folder: Path, **files: bytes) -> Path:
    return write_zip(folder, [(zipfile.ZipInfo(name), data) for name, data in files.items()])


def write_zip(folder: Path, entries: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    path = folder / "design.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for info, data in entries:
            info.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(info, data)
    return path


def refused(path: Path, into: Path) -> str:
    into.mkdir()
    with pytest.raises(ArchiveRefused) as caught:
        unpack(path, into)
    return str(caught.value)


def test_the_files_are_written_but_for_hidden_ones(tmp_path: Path) -> None:
    files = {"repo/okh.toml": b"a", "repo/b/c.stl": b"b", "repo/.git/x": b"", "__MACOSX/y": b""}
    path = a_zip(tmp_path, **files)
    (tmp_path / "out").mkdir()

    assert unpack(path, tmp_path / "out") == 2

    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    assert found == {"repo/okh.toml", "repo/b/c.stl"}
    assert (tmp_path / "out" / "repo" / "b" / "c.stl").read_bytes() == b"b"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil", "leads out of it"),
        ("a/../../evil", "leads out of it"),
        ("/etc/evil", "leads out of it"),
        ("C:\\evil", "leads out of it"),
        ("C:evil", "leads out of it"),
        ("a\u202egpj.exe", "letters in its name that cannot be seen"),
        ("a\nb", "letters in its name that cannot be seen"),
        ("x/" * 40 + "y", "has too long a name"),
        ("y" * 300, "has too long a name"),
        ("NUL.txt", "some systems cannot write"),
        ("a /b", "some systems cannot write"),
    ],
)
def test_a_name_that_leads_elsewhere_or_deceives_is_refused(
    tmp_path: Path, name: str, why: str
) -> None:
    path = a_zip(tmp_path, **{"good": b"x", name: b"x"})

    assert why in refused(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert "is a link" in refused(write_zip(tmp_path, [(link, b"/etc")]), tmp_path / "out")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path, **{"a/B": b"1", "A/b": b"2"})

    assert "is in it twice" in refused(path, tmp_path / "out")


def test_a_bomb_is_refused_from_its_directory(tmp_path: Path) -> None:
    path = a_zip(tmp_path, bomb=bytes(64 << 20))

    assert path.stat().st_size < 100_000
    assert "unpacks from" in refused(path, tmp_path / "out")


def test_a_bomb_whose_directory_lies_gets_no_longer_than_it_says(tmp_path: Path) -> None:
    path = a_zip(tmp_path, bomb=bytes(64 << 20))
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.find(b"PK\x01\x02") + 24, 10)
    path.write_bytes(data)

    assert "is no readable zip" in refused(path, tmp_path / "out")
    assert sum(file.stat().st_size for file in (tmp_path / "out").iterdir()) <= 10


def test_files_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path, a=b"same" * 100, b=b"same" * 100)
    data = bytearray(path.read_bytes())
    second = data.find(b"PK\x01\x02", data.find(b"PK\x01\x02") + 1)
    struct.pack_into("<L", data, second + 42, 0)
    path.write_bytes(data)

    assert "shares its bytes with another" in refused(path, tmp_path / "out")


def test_too_many_files_are_refused_before_their_names_are_read(tmp_path: Path) -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, ENTRIES_MAX + 1, ENTRIES_MAX + 1, 0, 0, 0)
    path = tmp_path / "many.zip"
    path.write_bytes(end)

    assert f"holds {ENTRIES_MAX + 1} files" in refused(path, tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"PK", b"x" * 1000])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(data)

    assert "is no zip, or is cut short" in refused(path, tmp_path / "out")


def test_a_zip_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path, a=b"some text" * 1000)
    data = bytearray(path.read_bytes())
    data[40:60] = bytes(20)
    path.write_bytes(data)

    assert "is no readable zip" in refused(path, tmp_path / "out")


def test_a_zip_that_is_encrypted_is_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path, a=b"text")
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)

    assert "is encrypted" in refused(path, tmp_path / "out")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "a.zip", tmp_path / "out")
