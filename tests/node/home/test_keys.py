"""The key file: whole or not there, and for nobody else."""

import os
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from commonfab.node.home import keys
from commonfab.protocol import envelope
from commonfab.protocol.errors import UsageError


def test_a_new_key_is_the_same_when_it_is_loaded_again(tmp_path: Path) -> None:
    made = keys.create(tmp_path / "key.pem")

    assert keys.load(tmp_path / "key.pem").node == made.node


def test_two_new_keys_differ(tmp_path: Path) -> None:
    assert keys.create(tmp_path / "a").node != keys.create(tmp_path / "b").node


def test_what_it_signs_verifies_as_a_record_of_its_node(tmp_path: Path) -> None:
    key = keys.create(tmp_path / "key.pem")

    sealed = envelope.seal("design", b"body", key)

    sealed.verify()
    assert sealed.author == key.node


def test_the_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys.create(tmp_path / "key.pem")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    keys.create(tmp_path / "key.pem")

    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


def test_other_programs_can_read_the_file(tmp_path: Path) -> None:
    key = keys.create(tmp_path / "key.pem")

    read = load_pem_private_key((tmp_path / "key.pem").read_bytes(), password=None)

    assert isinstance(read, Ed25519PrivateKey)
    assert read.public_key().public_bytes_raw() == key.node


def test_a_key_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    first = keys.create(path)

    with pytest.raises(UsageError, match="not overwritten"):
        keys.create(path)

    assert keys.load(path).node == first.node
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_key_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    keys.create(path)
    path.chmod(mode)

    with pytest.raises(UsageError, match=f"chmod 600 {path}"):
        keys.load(path)


def test_a_key_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"key\.pem: no such key"):
        keys.load(tmp_path / "key.pem")


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


_X25519 = X25519PrivateKey.generate().private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
_ENCRYPTED = Ed25519PrivateKey.generate().private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an unencrypted private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not an unencrypted"),
        (bytes(range(256)) * 40, "not an unencrypted private key"),
        (_X25519, "not an Ed25519 one"),
        (_ENCRYPTED, "not an unencrypted private key"),
    ],
    ids=["empty", "truncated", "garbage", "another kind", "encrypted"],
)
def test_what_is_no_key_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        keys.load(_write(tmp_path / "key.pem", data))


def test_a_folder_or_pipe_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)

    for name in ("folder", "pipe"):
        with pytest.raises(UsageError, match="not a file"):
            keys.load(tmp_path / name)


def test_the_secret_is_shown_by_nothing_but_the_call_for_the_transport(tmp_path: Path) -> None:
    key = keys.create(tmp_path / "key.pem")
    seed = key.seed_for_transport()

    assert len(seed) == 32
    assert keys.NodeKey(seed).node == key.node
    assert repr(key).startswith("NodeKey(12D3KooW")
    for shown in (repr(key), str(key), f"{key}"):
        assert seed.hex() not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)
