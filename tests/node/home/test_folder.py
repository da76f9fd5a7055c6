"""The folder of a node: where it is, how it is made, and that only one daemon has it."""

import os
import stat
from pathlib import Path

import pytest

from commonfab.node.home import config, folder, founding, keys
from commonfab.node.home.folder import Home, NodeRuns
from commonfab.protocol.errors import ResourceError, UsageError
from tests.node.running import held

SETTINGS = config.Settings(workshop=config.Workshop(name="Bob's", lat=48.1, lon=11.6))


def test_the_home_is_the_option_else_the_environment_else_the_usual_place() -> None:
    environment = {"COMMONFAB_HOME": "/from/environment", "XDG_DATA_HOME": "/data"}

    assert folder.find("/from/option", environment).path == Path("/from/option")
    assert folder.find(None, environment).path == Path("/from/environment")
    assert folder.find(None, {"XDG_DATA_HOME": "/data"}).path == Path("/data/commonfab")
    assert folder.find(None, {}).path == Path("~/.local/share/commonfab").expanduser()


def test_a_new_home_is_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    where = Home(tmp_path / "a" / "node")

    key = founding.found(where, SETTINGS)

    where.check()
    assert keys.load(where.key).node == key.node
    assert config.load(where.config, {}) == SETTINGS
    assert stat.S_IMODE(where.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(where.config.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in where.path.iterdir()) == [
        "blocks",
        "commonfab.toml",
        "key.pem",
        "lock",
        "orders",
    ]


def test_an_empty_folder_that_is_there_becomes_a_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    founding.found(Home(tmp_path), SETTINGS)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_home_is_not_overwritten(tmp_path: Path) -> None:
    where = Home(tmp_path / "node")
    key = founding.found(where, SETTINGS)
    before = where.config.read_bytes()

    with pytest.raises(UsageError, match="a node lives here already"):
        founding.found(where, SETTINGS)

    assert keys.load(where.key).node == key.node
    assert where.config.read_bytes() == before


def test_a_folder_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.odt").write_text("do not touch")

    with pytest.raises(UsageError, match=r"other things in it \(thesis\.odt\).*--home"):
        founding.found(Home(tmp_path), SETTINGS)

    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.odt"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="not a folder"):
            founding.found(Home(path), SETTINGS)


def test_what_a_power_cut_left_is_finished_with_the_same_key(tmp_path: Path) -> None:
    where = Home(tmp_path / "node")
    where.path.mkdir(mode=0o700)
    key = keys.create(where.key)
    (where.path / ".key.pem.0123abcd").write_bytes(b"half a k")
    (where.path / ".commonfab.toml.0123abcd").write_bytes(b"[work")

    assert founding.found(where, SETTINGS).node == key.node

    assert config.load(where.config, {}) == SETTINGS
    assert not list(where.path.glob(".*"))


def test_a_folder_without_settings_is_no_home_and_the_error_says_what_to_type(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=f"commonfab init --home {tmp_path}"):
        Home(tmp_path).check()


def test_a_home_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    where = Home(tmp_path / ("x" * 300))

    with pytest.raises(UsageError, match=r"x: cannot be looked into: .*--home"):
        where.check()


def test_a_home_that_others_can_change_is_refused(tmp_path: Path) -> None:
    where = Home(tmp_path / "node")
    founding.found(where, SETTINGS)
    where.path.chmod(0o770)

    with pytest.raises(UsageError, match=f"chmod 700 {where}"):
        where.check()


def test_a_second_daemon_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    where = Home(tmp_path)

    with held(tmp_path) as pid:
        with pytest.raises(NodeRuns, match=rf"pid {pid}\).*--home"), where.lock():
            pass
        assert where.holder() == f"pid {pid}"

    with where.lock():
        assert where.holder() == f"pid {os.getpid()}"
    assert where.holder() is None


def test_looking_who_holds_a_home_leaves_no_lock_behind(tmp_path: Path) -> None:
    assert Home(tmp_path).holder() is None
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_the_worlds_fault(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="lock: No such file"), Home(tmp_path / "no").lock():
        pass


def test_the_path_of_the_socket_always_fits_the_system(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100) / ("y" * 100)
    long.mkdir(parents=True)

    with Home(tmp_path).socket_path() as path:
        assert path == str(tmp_path / "control.sock")
    with Home(long).socket_path() as path:
        assert len(path) <= 107
        (long / "control.sock").write_text("the same place")
        assert Path(path).read_text() == "the same place"
