"""The key of a private network: who has it can connect to the nodes of that network, nobody else.

The file has the form that Kubo and other libp2p programs know as `swarm.key`: two lines that
say what it is, and 64 hexadecimal digits. It is read by its owner alone.
"""

import hashlib
import os
import secrets
from pathlib import Path

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.meeting.pairing import PSK_BYTES

from .durable_file import write_new

_HEAD = "/key/swarm/psk/1.0.0/\n/base16/\n"
_FILE_BYTES_MAX = 4096
_NOT_FOR_OTHERS = 0o077


def create(path: Path, key: bytes | None = None) -> bytes:
    """Write a new key, or the one that is given, durably; `UsageError` if the file is there."""
    key = key or secrets.token_bytes(PSK_BYTES)
    write_new(path, f"{_HEAD}{key.hex()}\n".encode(), mode=0o600)
    return key


def read(path: Path) -> bytes:
    """Return the 32 bytes, or raise `UsageError` if it is no such key or others can read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_FILE_BYTES_MAX).decode(errors="replace")
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such key of a network; put it there, or empty private_key_file"
        ) from error
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
    if mode & _NOT_FOR_OTHERS:
        raise UsageError(f"{path}: others can read this key; keep it to yourself: chmod 600 {path}")
    digits = text.removeprefix(_HEAD).strip()
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != PSK_BYTES or not text.startswith(_HEAD):
        raise UsageError(
            f"{path}: not the key of a private network; make one with: commonfab network create"
        )
    return key


def fingerprint(key: bytes) -> str:
    """Return what two people can compare to see that they have the same key."""
    digits = hashlib.sha256(b"commonfab/network/1" + key).hexdigest()[:16]
    return " ".join(digits[start : start + 4] for start in range(0, 16, 4))
