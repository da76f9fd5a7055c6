"""A CID: the name of a block, made from a hash of its bytes.

Two kinds of block are known here, raw bytes and dag-pb nodes, and one hash, SHA-256.
Any other is refused by name: a store that cannot check a block must not keep it.
Why this is not a library: specs/decisions/0004-block-store.md.
"""

import hashlib
from base64 import b32decode, b32encode
from dataclasses import dataclass
from typing import Final, Literal

from commonfab.protocol.errors import Malformed

RAW: Final = 0x55
DAG_PB: Final = 0x70

Version = Literal[0, 1]
Codec = Literal[0x55, 0x70]

_CODECS: dict[int, Codec] = {RAW: RAW, DAG_PB: DAG_PB}
_SHA2_256 = b"\x12\x20"
_DIGEST_BYTES = 32
_V0_BYTES = len(_SHA2_256) + _DIGEST_BYTES
_V1_BYTES = 2 + _V0_BYTES
_V0_TEXT = 46
_V1_TEXT = 59
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

# Names for messages only: what others use, and is not read here (multicodec table).
_CODEC_NAMES = {0x51: "cbor", 0x71: "dag-cbor", 0x72: "libp2p-key", 0x0129: "dag-json"}
_HASH_NAMES = {0x00: "identity", 0x11: "sha1", 0x13: "sha2-512", 0x1E: "blake3", 0xB220: "blake2b"}


@dataclass(frozen=True, slots=True, order=True)
class CID:
    """Version, codec and multihash. Made by `of`, `parse` or `from_bytes`, never by hand."""

    version: Version
    codec: Codec
    multihash: bytes
    """0x12, 0x20 and the 32 bytes of a SHA-256."""

    @classmethod
    def of(cls, data: bytes, *, codec: Codec, version: Version = 1) -> "CID":
        """Return the CID of a block with these bytes."""
        assert version == 1 or codec == DAG_PB, "version 0 names dag-pb nodes only"
        return cls(version, codec, _SHA2_256 + hashlib.sha256(data).digest())

    @classmethod
    def from_bytes(cls, data: bytes) -> "CID":
        """Read the binary form. `Malformed` names a codec or hash that is not known here."""
        if data[:2] == _SHA2_256 and len(data) == _V0_BYTES:
            return cls(0, DAG_PB, bytes(data))
        version, at = _varint(data, 0)
        if version != 1:
            raise Malformed(f"CID version {version}; only 0 and 1 are known")
        code, at = _varint(data, at)
        codec = _CODECS.get(code)
        if codec is None:
            raise Malformed(f"CID of codec {_named(code, _CODEC_NAMES)}; raw and dag-pb are read")
        hash_code, _ = _varint(data, at)
        if hash_code != _SHA2_256[0]:
            raise Malformed(f"CID of hash {_named(hash_code, _HASH_NAMES)}; only sha2-256 is read")
        if len(data) != _V1_BYTES or data[at : at + 2] != _SHA2_256:
            raise Malformed(f"CID of {len(data)} bytes; with a whole sha2-256 it has {_V1_BYTES}")
        return cls(1, codec, bytes(data[at:]))

    @classmethod
    def parse(cls, text: str) -> "CID":
        """Read the text form: base58 for version 0, lower-case base32 for version 1."""
        if len(text) == _V0_TEXT and text.startswith("Qm"):
            return cls.from_bytes(_from_base58(text))
        if not text.startswith("b"):
            raise Malformed(f"{text[:64]!r} is not a CID: it starts with neither Qm nor b")
        cid = cls.from_bytes(_from_base32(text[1:]))
        if str(cid) != text:
            raise Malformed(f"{text[:64]!r} is not the one text form of a CID")
        return cid

    def __bytes__(self) -> bytes:
        return self.multihash if self.version == 0 else bytes((1, self.codec)) + self.multihash

    def __str__(self) -> str:
        if self.version == 0:
            return _to_base58(self.multihash)
        return "b" + b32encode(bytes(self)).decode().lower().rstrip("=")

    def names(self, data: bytes) -> bool:
        """Tell whether a block with these bytes has this CID."""
        return self.multihash[2:] == hashlib.sha256(data).digest()

    def as_v1(self) -> "CID":
        """Return the version 1 name of the same block, under which stores keep it."""
        return self if self.version == 1 else CID(1, self.codec, self.multihash)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(4):
        if at + index >= len(data):
            break
        value |= (data[at + index] & 0x7F) << 7 * index
        if data[at + index] < 0x80:
            return value, at + index + 1
    raise Malformed(f"{len(data)} bytes that are not a CID: {data[:40].hex()}")


def _named(code: int, names: dict[int, str]) -> str:
    return f"{names[code]} ({code:#x})" if code in names else f"{code:#x}"


def _to_base58(data: bytes) -> str:
    # A multihash starts with 0x12, so no leading zero has to be kept.
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return digits


def _from_base58(text: str) -> bytes:
    number = 0
    for letter in text:
        digit = _BASE58.find(letter)
        if digit < 0:
            raise Malformed(f"{text!r} is not a CID: {letter!r} is not a base58 letter")
        number = number * 58 + digit
    return number.to_bytes(_V0_BYTES, "big")


def _from_base32(text: str) -> bytes:
    # The length is checked later, so that a known codec or hash of another length is named.
    if len(text) > 2 * _V1_TEXT or not text.isascii() or text != text.lower():
        raise Malformed(f"{text[:64]!r} is not a CID: not lower-case base32")
    try:
        return b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError as error:
        raise Malformed(f"{text[:64]!r} is not a CID: {error}") from error
