"""A home that was put back to what it was, or copied: noticed before anything is signed."""

import shutil
from pathlib import Path

import pytest
import trio

from commonfab.node import clock
from commonfab.node.home.folder import Home
from commonfab.node.journal import Journal
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.standing import marker
from commonfab.node.standing.restoring import Restoring
from commonfab.protocol.author import FLOOR_JUMP_MS, Author
from commonfab.protocol.envelope import identify
from commonfab.storage.records import SqliteRecordStore
from tests.builders import NOON, a_design
from tests.node.village import a_home, eventually, living
from tests.protocol.signers import BOB, EVE


def suspected(home: Home) -> str:
    store = SqliteRecordStore(home.records, identify=identify)
    try:
        return marker.suspicion(home.marker, store)
    finally:
        store.close()


def started(home: Home) -> None:
    """Do what a start does to the marker."""
    store = SqliteRecordStore(home.records, identify=identify)
    marker.renew(home.marker, store)
    store.close()


def a_place(folder: Path, name: str = "bob") -> Home:
    home = Home(folder / name)
    home.path.mkdir()
    started(home)
    return home


@pytest.mark.rule("STANDING-11")
def test_a_home_that_was_left_alone_is_not_suspected(tmp_path: Path) -> None:
    home = a_place(tmp_path)
    started(home)

    assert suspected(home) == ""


@pytest.mark.rule("STANDING-11")
def test_a_home_that_never_started_is_not_suspected(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    home.path.mkdir()

    assert suspected(home) == ""


@pytest.mark.rule("STANDING-11")
def test_records_that_were_put_back_alone_are_noticed(tmp_path: Path) -> None:
    home = a_place(tmp_path)
    older = home.records.read_bytes()
    started(home)
    started(home)

    home.records.write_bytes(older)

    assert suspected(home) == "the records and the home's marker are not of one time"


@pytest.mark.rule("STANDING-11")
def test_records_that_are_gone_are_noticed(tmp_path: Path) -> None:
    home = a_place(tmp_path)

    home.records.unlink()

    assert suspected(home) == "the records are older than the home's marker"


@pytest.mark.rule("STANDING-11")
def test_a_copied_home_is_noticed(tmp_path: Path) -> None:
    home = a_place(tmp_path)
    other = Home(tmp_path / "copy")

    shutil.copytree(home.path, other.path)

    assert "copy of another, and only one of the two may ever run" in suspected(other)
    assert suspected(home) == ""


@pytest.mark.rule("STANDING-11")
@pytest.mark.parametrize("damage", [b"", b"{", b'{"word":"a"}'])
def test_a_marker_that_is_torn_or_gone_is_noticed(tmp_path: Path, damage: bytes) -> None:
    home = a_place(tmp_path)

    home.marker.write_bytes(damage)

    assert suspected(home) == "the home's marker is missing"
    home.marker.unlink()
    assert suspected(home) == "the home's marker is missing"


@pytest.mark.rule("STANDING-11")
def test_a_cut_between_any_two_steps_of_a_start_raises_no_suspicion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = a_place(tmp_path)
    store = SqliteRecordStore(home.records, identify=identify)
    seen: list[str] = []
    write, put_notes = marker._write, store.put_notes  # pyright: ignore[reportPrivateUsage]

    def write_and_look(path: Path, word: str, following: str) -> None:
        write(path, word, following)
        seen.append(marker.suspicion(home.marker, store))

    def put_and_look(notes: dict[str, bytes]) -> None:
        put_notes(notes)
        seen.append(marker.suspicion(home.marker, store))

    monkeypatch.setattr(marker, "_write", write_and_look)
    monkeypatch.setattr(store, "put_notes", put_and_look)
    marker.renew(home.marker, store)
    store.close()

    assert seen == ["", "", ""]


async def test_a_restored_home_numbers_its_records_a_day_ahead_and_says_so(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    home = a_home(tmp_path, "bob")
    network = MemoryNetwork()
    async with living(home, network):
        pass
    older = home.records.read_bytes()
    async with living(home, network) as bob:
        used = bob.author.head("design/x", clock.now())["seq"]
    home.records.write_bytes(older)

    async with living(home, network) as bob:
        assert bob.author.head("design/x", clock.now())["seq"] > used + FLOOR_JUMP_MS // 2
        assert any("no peer could be asked" in each for each in bob.journal.warnings())
    async with living(home, network) as bob:
        head = bob.author.head("design/y", clock.now())
        assert head["seq"] > used + FLOOR_JUMP_MS // 2, "the floor stays"
        assert not bob.restoring.suspicion


async def test_a_node_goes_on_after_what_its_peers_still_know_of_it(tmp_path: Path) -> None:
    network = MemoryNetwork()
    home = a_home(tmp_path, "bob")
    async with living(a_home(tmp_path, "alice"), network) as alice:
        async with living(home, network) as bob:
            older = home.records.read_bytes()
            ahead = clock.now() + 3600_000
            signed = a_design(bob.key, stream="design/x", seq=ahead, at=clock.now())
            await bob.driver.keep(signed)
            await bob.transport.connect(alice.transport.addresses()[0])
            await eventually(lambda: signed.id in alice.library.designs)
        home.marker.unlink()
        home.records.write_bytes(older)
        for rest in home.path.glob("records.sqlite-*"):
            rest.unlink()

        async with living(home, network) as bob:
            await bob.transport.connect(alice.transport.addresses()[0])
            await eventually(lambda: bob.restoring.adopted)

            assert signed.id in bob.library.designs
            assert bob.author.head("design/x", clock.now())["seq"] > ahead
            assert any("came back from peers" in each for each in bob.journal.warnings())
            assert not bob.library.frozen
            assert not alice.library.frozen


def test_a_twin_that_signs_with_the_same_key_now_is_told_of() -> None:
    journal, author = Journal(), Author(BOB, [("design/x", NOON)])
    restoring = Restoring(author, journal, "", started=NOON)

    restoring.kept(a_design(BOB, stream="design/x", seq=NOON + 1, at=NOON - 1))
    assert "came back from peers" in journal.warnings()[0]
    restoring.kept(a_design(BOB, stream="design/x", seq=NOON + 9, at=NOON + 5))
    assert "another node signs with this node's key now" in journal.warnings()[1]

    restoring.kept(a_design(BOB, stream="design/x", seq=NOON + 9))
    restoring.kept(a_design(EVE, stream="design/x", seq=NOON + 99))
    assert restoring.adopted == 2, "neither what is known nor what others sign"
    assert author.head("design/x", NOON)["seq"] == NOON + 10


async def test_a_node_whose_own_key_has_forked_tells_its_operator(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        place = {"stream": "design/x", "seq": 7, "at": clock.now()}
        twice = [a_design(bob.key, name=name, **place) for name in "AB"]

        await bob.driver.admit([each.data for each in twice])
        await bob.look_around()

        assert bob.me in bob.library.frozen
        assert any("make a new node" in each for each in bob.journal.warnings())
