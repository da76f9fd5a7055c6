"""The node's key: who it is, and how it signs.

One file holds the secret, in the form that other programs know too (PKCS8 PEM), readable by
its owner alone. `NodeKey` signs with it and shows it to nobody; only the transport is given
the secret, for libp2p makes its own key of it.
"""

import os
import stat
from pathlib import Path
from typing import Never

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from nacl.bindings import crypto_scalarmult
from nacl.signing import SigningKey

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text

from .durable_file import write_new

_PEM_BYTES_MAX = 4096
"""An Ed25519 key takes 119 bytes as PEM; nothing larger is read."""
_NOT_FOR_OTHERS = 0o077


class NodeKey:
    """Signs as one node; a `protocol.envelope.Signer`."""

    def __init__(self, seed: bytes) -> None:
        self._signing = SigningKey(seed)
        self._node = NodeId(bytes(self._signing.verify_key))

    @property
    def node(self) -> NodeId:
        return self._node

    def sign(self, text: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of `text`."""
        return self._signing.sign(text).signature

    def agree(self, public: bytes) -> bytes:
        """Return the 32-byte X25519 secret that this key shares with a public one, of which the
        secret half is somewhere else. Raises `nacl.exceptions.CryptoError` for a bad one."""
        return crypto_scalarmult(bytes(self._signing.to_curve25519_private_key()), public)

    def seed_for_transport(self) -> bytes:
        """Return the 32 secret bytes. For the transport alone, which hands them to libp2p."""
        return bytes(self._signing)

    def __repr__(self) -> str:
        return f"NodeKey({peer_text(self._node)})"

    def __reduce__(self) -> Never:
        raise TypeError("a node's key is not pickled: it would leave the process")


def create(path: Path) -> NodeKey:
    """Make a new key, durably, or raise `UsageError` if the file is there already."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_new(path, pem, mode=0o600)
    return NodeKey(private.private_bytes_raw())


def load(path: Path) -> NodeKey:
    """Read the key, or raise `UsageError` if it is no key or others can read it."""
    pem = _read_private(path)
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{path}: not an unencrypted private key in PEM form; put back your copy of it"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise UsageError(f"{path}: a private key, but not an Ed25519 one; put back your copy of it")
    return NodeKey(private.private_bytes_raw())


def _read_private(path: Path) -> bytes:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such key; put back your copy of it, or make a new node: commonfab init"
        ) from error
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
    try:
        check_private(path, os.fstat(opened))
        return os.read(opened, _PEM_BYTES_MAX)
    finally:
        os.close(opened)


def check_private(path: Path, found: os.stat_result) -> None:
    """Raise `UsageError` unless the owner of this process alone can read the file."""
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path}: not a file; put back your copy of the key")
    if found.st_uid not in (os.geteuid(), 0):
        raise UsageError(
            f"{path}: belongs to another user of this machine; make it yours with:"
            f" sudo chown $USER {path}"
        )
    if found.st_mode & _NOT_FOR_OTHERS:
        raise UsageError(
            f"{path}: others can read this key (mode {stat.S_IMODE(found.st_mode):04o});"
            f" keep it to yourself with: chmod 600 {path}"
        )
