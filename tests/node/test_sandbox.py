"""The cage for foreign programs, tried with programs that do what a hostile one would."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from commonfab.node import sandbox
from commonfab.node.sandbox import Limits, NoCage, NoProgram, ProgramFailed
from tests.peers import need_program


@pytest.fixture(autouse=True)
def _cage() -> None:
    need_program("bwrap")


async def shell(script: str, limits: Limits | None = None, makes: Path | None = None) -> str:
    """Return what a script printed that ran in the cage."""
    said = await sandbox.run(("sh", "-c", script), reads={"a": b""}, makes=makes, limits=limits)
    return said.out.decode()


async def test_what_a_program_makes_from_its_files_is_copied_out(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"on disk, ")
    made = tmp_path / "made.txt"

    said = await sandbox.run(
        ("sh", "-c", "cat /in/a /in/b > /out/made.txt; echo well"),
        reads={"a": tmp_path / "there", "b": b"in memory"},
        makes=made,
    )

    assert made.read_bytes() == b"on disk, in memory"
    assert said.out == b"well\n"


async def test_a_program_sees_nothing_of_this_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "word")
    (tmp_path / "key").write_text("private")

    seen = await shell(f"cat {tmp_path}/key; ls /home /root /etc/passwd /var; env; ls -A /in; true")

    assert sorted(line.split("=")[0] for line in seen.splitlines()) == [
        *("HOME", "LC_ALL", "PATH", "PWD", "a")
    ]


async def test_a_program_has_no_network() -> None:
    assert (await shell("cat /proc/net/dev")).count(":") == 1  # Its own loopback, and that is all.


@pytest.mark.parametrize("place", ["/in/x", "/usr/x", "/x", "/etc/x"])
async def test_a_program_can_write_nowhere_but_in_its_own_disk(place: str) -> None:
    with pytest.raises(ProgramFailed, match="Read-only file system"):
        await shell(f"mkdir {place}")


async def test_a_link_that_a_program_leaves_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("private")
    made = tmp_path / "made"

    with pytest.raises(ProgramFailed, match="No such file"):
        await shell(f"ln -s {tmp_path}/key /out/made", makes=made)

    assert not made.exists()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("while :; do :; done", "may use 1 s of processor time"),
        ("exec yes", "talked without end"),
        ("yes > /out/endless", "may write 1 MiB"),
        ("for i in 1 2 3; do head -c 900000 /dev/zero > /out/$i || exit; done", "No space left"),
        ("exit 7", "sh: ended with 7"),
        ("echo the reason >&2; exit 7", "ended with 7: the reason"),
        ("kill -ABRT $$", "may use 200 MiB of memory"),
        ("dd if=/dev/zero of=/dev/null bs=500M count=1", "exhausted|allocate"),
    ],
)
async def test_a_program_that_takes_too_much_or_fails_is_stopped_with_a_sentence(
    script: str, why: str
) -> None:
    limits = Limits(memory_bytes=200 << 20, processor_seconds=1, made_bytes=1 << 20)

    with pytest.raises(ProgramFailed, match=why):
        await shell(script, limits)


async def test_a_program_that_waits_for_ever_is_stopped() -> None:
    with pytest.raises(ProgramFailed, match=r"sleep: took longer than 0\.2 s"):
        await sandbox.run(("sleep", "1000"), reads={}, limits=Limits(wall_seconds=0.2))


async def test_nothing_is_left_of_a_program_that_is_stopped(tmp_path: Path) -> None:
    made = tmp_path / "made"
    mark = f"{os.getpid()}.25"

    with trio.move_on_after(0.3):
        await shell(f"(sleep {mark}) & sleep {mark}; cp /proc/version /out/made", makes=made)

    assert not made.exists()
    assert _running(mark) == []


def _running(mark: str) -> list[bytes]:
    """Return the command lines, among all processes, that hold this text."""
    found: list[bytes] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # It ended while we looked.
            found += [line for line in [path.read_bytes()] if mark.encode() in line]
    return found


async def test_a_program_that_makes_nothing_has_failed(tmp_path: Path) -> None:
    made = tmp_path / "made"

    with pytest.raises(ProgramFailed, match="No such file"):
        await shell("true", makes=made)

    assert not made.exists()


async def test_a_program_that_is_not_here_is_named_with_the_way_out() -> None:
    with pytest.raises(NoProgram, match=r"no-such-slicer: not on this .* apt-get install no-such"):
        await sandbox.run(("no-such-slicer",), reads={})


async def test_a_program_outside_of_what_the_cage_sees_is_refused(tmp_path: Path) -> None:
    shutil.copy("/usr/bin/true", tmp_path / "slicer")

    with pytest.raises(NoProgram, match="sees only /usr and /opt"):
        await sandbox.run((str(tmp_path / "slicer"),), reads={})


async def test_without_a_cage_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoCage, match="nothing runs unchecked; apt-get install bubblewrap"):
        await sandbox.run(("true",), reads={})


async def test_the_cage_says_what_it_is() -> None:
    assert (await sandbox.check()).startswith("bubblewrap ")
