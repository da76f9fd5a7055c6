"""The hashes that a block's CID may be made with, each under its number in the multicodec table.

A multihash is the hash's number, the digest's length and the digest. Every hash here is used in
its full length. Number 0, identity, hashes nothing: there the "digest" is the block itself.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Hash:
    """One way to make a digest."""

    name: str
    prefix: bytes
    """What stands before the digest: the hash's number and the digest's length."""
    digest_bytes: int
    digest: Callable[[bytes], bytes]


def _sha2_256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sha2_512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


def _blake2b_256(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def _blake3(data: bytes) -> bytes:
    from blake3 import blake3  # Late: few blocks have it, and every start would load it.

    return blake3(data).digest()


IDENTITY: Final = 0x00
SHA2_256: Final = Hash("sha2-256", b"\x12\x20", 32, _sha2_256)
HASHES: Final = (
    SHA2_256,
    Hash("sha2-512", b"\x13\x40", 64, _sha2_512),
    Hash("blake3", b"\x1e\x20", 32, _blake3),
    Hash("blake2b-256", b"\xa0\xe4\x02\x20", 32, _blake2b_256),
)


def hash_of(multihash: bytes) -> Hash | None:
    """Return the hash of a whole multihash; None for an unknown one or another length."""
    for known in HASHES:
        if multihash.startswith(known.prefix):
            return known if len(multihash) == len(known.prefix) + known.digest_bytes else None
    return None
