"""The file of a CAR: whole under its name or not there, and gone on with after any stop."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from commonfab.protocol.errors import UsageError
from commonfab.storage.car.file import NoRoom, PartFile, opened

PIECES = [bytes([index]) * 1000 for index in range(40)]
WHOLE = b"".join(PIECES)


def write(path: Path, pieces: list[bytes] = PIECES) -> None:
    file = PartFile(path)
    try:
        for piece in pieces:
            file.write(piece)
        file.finish()
    finally:
        file.close()


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def test_a_finished_file_is_whole_and_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.car")

    assert (tmp_path / "a.car").read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [tmp_path / "a.car"]


@pytest.mark.rule("BUNDLE-6")
@pytest.mark.parametrize(
    "left",
    [WHOLE[:17_500], WHOLE[:17_000], b"", WHOLE, WHOLE + b"more", bytes(3000), WHOLE[:999] + b"X"],
    ids=["cut", "cut at a piece", "empty", "whole", "longer", "other", "wrong at its end"],
)
def test_what_was_left_is_gone_on_with_as_far_as_it_agrees(tmp_path: Path, left: bytes) -> None:
    part_of(tmp_path / "a.car").write_bytes(left)

    write(tmp_path / "a.car")

    assert (tmp_path / "a.car").read_bytes() == WHOLE


def test_going_on_keeps_the_file_that_was_begun(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "a.car")
    file.write(WHOLE)
    file.close()
    inode = part_of(tmp_path / "a.car").stat().st_ino

    write(tmp_path / "a.car")

    assert (tmp_path / "a.car").stat().st_ino == inode


def test_a_file_that_was_not_finished_is_not_there_under_its_name(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "a.car")
    file.write(WHOLE)
    file.close()

    assert list(tmp_path.iterdir()) == [part_of(tmp_path / "a.car")]


def test_a_name_that_is_taken_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()

    for name in ("file", "link", "folder"):
        with pytest.raises(UsageError, match="not overwritten"):
            PartFile(tmp_path / name)
    with pytest.raises(UsageError, match="no such folder"):
        PartFile(tmp_path / "no" / "a.car")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_name_that_is_taken_while_it_is_written_is_not_overwritten(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "a.car")
    file.write(WHOLE)
    (tmp_path / "a.car").write_bytes(b"mine")

    with pytest.raises(UsageError, match="not overwritten"):
        file.finish()

    assert (tmp_path / "a.car").read_bytes() == b"mine"
    assert part_of(tmp_path / "a.car").read_bytes() == WHOLE


def test_a_part_that_is_a_link_or_a_pipe_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    part_of(tmp_path / "a.car").symlink_to(tmp_path / "mine")
    os.mkfifo(part_of(tmp_path / "b.car"))

    with pytest.raises(Exception, match=r"a\.car\.part"):
        PartFile(tmp_path / "a.car")
    with pytest.raises(UsageError, match="a device or a pipe"):
        PartFile(tmp_path / "b.car")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_only_a_plain_file_is_opened_and_nothing_else_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "a device or a pipe"),
        (Path("/dev/zero"), "a device or a pipe"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(UsageError, match=says), opened(path):
            pass


FULL = """
import resource, sys
from pathlib import Path
from commonfab.storage.car.file import NoRoom
from tests.storage.car.test_file import write
resource.setrlimit(resource.RLIMIT_FSIZE, (15_500, -1))
try:
    write(Path(sys.argv[1]))
except NoRoom as full:
    print(full)
"""


@pytest.mark.rule("BUNDLE-6")
def test_a_full_stick_says_so_and_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.car"

    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], check=True, capture_output=True, text=True
    )

    assert "no room for more" in ended.stdout
    assert "goes on from there" in ended.stdout
    assert not path.exists()
    assert part_of(path).read_bytes() == WHOLE[:15_500]
    write(path)
    assert path.read_bytes() == WHOLE


def test_no_room_says_what_to_do() -> None:
    assert "give the same command again" in str(NoRoom(Path("/stick/a.car.part")))
