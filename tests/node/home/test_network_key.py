"""The key of a private network: a file that other programs know, for its owner alone."""

import stat
from pathlib import Path

import pytest

from commonfab.node.home import network_key
from commonfab.protocol.errors import UsageError


def test_a_new_key_reads_back_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "network.key"

    key = network_key.create(path)

    assert len(key) == 32
    assert network_key.read(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert network_key.create(tmp_path / "other.key") != key


def test_the_file_is_what_kubo_knows_as_swarm_key(tmp_path: Path) -> None:
    path = tmp_path / "swarm.key"

    network_key.create(path, b"\xab" * 32)

    assert path.read_text() == "/key/swarm/psk/1.0.0/\n/base16/\n" + "ab" * 32 + "\n"


def test_a_key_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "network.key"
    key = network_key.create(path)

    with pytest.raises(UsageError, match="not overwritten"):
        network_key.create(path)
    assert network_key.read(path) == key


@pytest.mark.parametrize(
    "text",
    ["", "ab" * 32, "/key/swarm/psk/1.0.0/\n/base16/\nxyz", "/key/swarm/psk/1.0.0/\n/base16/\nab"],
)
def test_what_is_no_key_is_told_with_the_way_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "network.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(UsageError, match="commonfab network create"):
        network_key.read(path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.key"
    network_key.create(path)
    path.chmod(0o644)

    with pytest.raises(UsageError, match="chmod 600"):
        network_key.read(path)


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such key"):
        network_key.read(tmp_path / "network.key")


def test_two_people_can_compare_a_fingerprint_that_gives_nothing_away() -> None:
    one, other = network_key.fingerprint(b"\1" * 32), network_key.fingerprint(b"\2" * 32)

    assert one != other
    assert len(one) == 19
    assert one == network_key.fingerprint(b"\1" * 32)
