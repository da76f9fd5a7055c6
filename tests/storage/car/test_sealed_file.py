"""Sealed files on a disk: written in one go, read from anywhere, in little memory."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult, crypto_sign_ed25519_sk_to_curve25519

from commonfab.protocol.carrying.sealing import SEALED_CHUNK_BYTES, sealed_length
from commonfab.protocol.errors import Malformed
from commonfab.storage.car.file import HashedFile, PartFile
from commonfab.storage.car.sealed_file import SealedSink, SealedSource
from tests.protocol.signers import BOB, EVE, Person

CHUNK = SEALED_CHUNK_BYTES


class Memory:
    """A sink that keeps what is written."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_finished = False

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None:
        self.is_finished = True

    def close(self) -> None:
        """Nothing is open."""


def sealed(content: bytes, *, step: int = 10_000) -> bytes:
    memory = Memory()
    sink = SealedSink(memory, BOB.node, b"once" * 8, len(content))
    for at in range(0, len(content), step):
        sink.write(content[at : at + step])
    sink.finish()
    assert memory.is_finished
    assert sink.size_bytes == len(memory.data)
    return bytes(memory.data)


def agree_of(person: Person) -> Callable[[bytes], bytes]:
    secret = crypto_sign_ed25519_sk_to_curve25519(person.seed + person.node)
    return lambda public: crypto_scalarmult(secret, public)


def opened(data: bytes, by: Person = BOB) -> SealedSource:
    return SealedSource(io.BytesIO(data), len(data), agree_of(by))


@pytest.mark.rule("BUNDLE-10")
@pytest.mark.parametrize("size", [0, 1, CHUNK - 8, CHUNK - 7, CHUNK, 3 * CHUNK, 3 * CHUNK + 1])
def test_what_was_sealed_comes_out_and_the_file_has_the_size_that_was_told(size: int) -> None:
    content = os.urandom(size)
    data = sealed(content)

    assert len(data) == sealed_length(size)
    assert opened(data).read() == content
    assert opened(data).content_bytes == size


@given(at=st.integers(0, 4 * CHUNK), count=st.integers(0, 2 * CHUNK))
def test_it_is_read_from_anywhere(at: int, count: int) -> None:
    source = opened(_LONG_SEALED)
    source.seek(at)

    assert source.read(count) == _LONG[at : at + count]


_LONG = bytes(range(256)) * (3 * CHUNK // 256) + b"end"
_LONG_SEALED = sealed(_LONG)


@pytest.mark.rule("BUNDLE-10")
def test_it_opens_for_nobody_else() -> None:
    with pytest.raises(Malformed):
        opened(_LONG_SEALED, by=EVE)


@pytest.mark.rule("BUNDLE-10")
@pytest.mark.parametrize("cut", [CHUNK + 100, 2 * (CHUNK + 16) + 72, 2 * CHUNK + 500])
def test_of_a_file_that_was_cut_what_is_whole_can_be_read(cut: int) -> None:
    source = opened(_LONG_SEALED[:cut])
    whole = (cut - 72 - 1) // (CHUNK + 16) * CHUNK - 8

    assert source.read(whole) == _LONG[:whole]
    with pytest.raises(OSError, match="sealed part"):
        source.read(1)


@pytest.mark.rule("BUNDLE-10")
def test_a_flipped_bit_is_found_and_what_is_before_it_stands() -> None:
    data = bytearray(_LONG_SEALED)
    data[72 + CHUNK + 16 + 5] ^= 1
    source = opened(bytes(data))

    assert source.read(CHUNK - 8) == _LONG[: CHUNK - 8]
    with pytest.raises(OSError, match="sealed part 2"):
        source.read(1)


@pytest.mark.parametrize("data", [b"", b"CFSEAL1\n", b"x" * 500, _LONG_SEALED[:80]])
def test_what_is_no_sealed_file_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        opened(data)


def test_nobody_learns_from_the_outside_what_is_sealed() -> None:
    data = sealed(b"a secret pump" * 100)

    assert b"pump" not in data
    assert len(sealed(b"x" * 10_000)) == len(sealed(b"x" * 10_100))


def test_a_file_is_hashed_as_it_is_read_and_what_was_passed_over_as_well(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(_LONG)
    with path.open("rb") as plain:
        hashed = HashedFile(plain)
        hashed.read(100)
        hashed.seek(0)
        hashed.read(50_000)
        hashed.seek(90_000)
        hashed.read(10)
        assert hashed.digest() == hashlib.sha256(_LONG).digest()


def test_a_sealed_file_is_on_the_disk_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "bundle.sealed"
    sink = SealedSink(PartFile(path), BOB.node, b"once" * 8, 5)
    sink.write(b"hello")
    assert not path.exists()
    sink.finish()
    sink.close()

    file: BinaryIO
    with path.open("rb") as file:
        assert file.read(8) == b"CFSEAL1\n"
