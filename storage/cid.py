"""A CID: the name of a block, made from a hash of its bytes.

Two kinds of block are known here, raw bytes and dag-pb nodes, and the hashes of
protocol/multihash.py. Any other is refused by name: a store that cannot check a block must not
keep it. A CID of the hash "identity" has its block in itself, as `inline`: such a block is
neither kept nor fetched. Why this is not a library: specs/decisions/0004-block-store.md.
"""

from base64 import b32decode, b32encode
from dataclasses import dataclass
from typing import Final, Literal

from commonfab.protocol.errors import Malformed
from commonfab.protocol.multihash import HASHES, IDENTITY, SHA2_256, hash_of

RAW: Final = 0x55
DAG_PB: Final = 0x70

INLINE_BYTES_MAX = 128
"""A block in a name; others put none there that is larger."""

Version = Literal[0, 1]
Codec = Literal[0x55, 0x70]

_CODECS: dict[int, Codec] = {RAW: RAW, DAG_PB: DAG_PB}
_V0_BYTES = len(SHA2_256.prefix) + SHA2_256.digest_bytes
_V0_TEXT = 46
_V1_BYTES_MAX = 5 + INLINE_BYTES_MAX
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_KNOWN = ", ".join(known.name for known in HASHES)

# Names for messages only: what others use, and is not read here (multicodec table).
_CODEC_NAMES = {0x51: "cbor", 0x71: "dag-cbor", 0x72: "libp2p-key", 0x0129: "dag-json"}
_HASH_NAMES = {
    0x11: "sha1",
    0x14: "sha3-512",
    0x16: "sha3-256",
    0x1B: "keccak-256",
    0x56: "dbl-sha2-256",
    0xB240: "blake2b-512",
    0xB260: "blake2s-256",
}


@dataclass(frozen=True, slots=True, order=True)
class CID:
    """Version, codec and multihash. Made by `of`, `parse` or `from_bytes`, never by hand."""

    version: Version
    codec: Codec
    multihash: bytes
    """The hash's number, the digest's length, and the digest."""

    @classmethod
    def of(cls, data: bytes, *, codec: Codec, version: Version = 1) -> "CID":
        """Return the CID of a block with these bytes, by sha2-256."""
        assert version == 1 or codec == DAG_PB, "version 0 names dag-pb nodes only"
        return cls(version, codec, SHA2_256.prefix + SHA2_256.digest(data))

    @classmethod
    def from_bytes(cls, data: bytes) -> "CID":
        """Read the binary form. `Malformed` names a codec or hash that is not known here."""
        if data[:2] == SHA2_256.prefix and len(data) == _V0_BYTES:
            return cls(0, DAG_PB, bytes(data))
        version, at = _varint(data, 0)
        if version != 1:
            raise Malformed(f"CID version {version}; only 0 and 1 are known")
        code, at = _varint(data, at)
        codec = _CODECS.get(code)
        if codec is None:
            raise Malformed(f"CID of codec {_named(code, _CODEC_NAMES)}; raw and dag-pb are read")
        multihash = bytes(data[at:])
        _check_multihash(multihash)
        return cls(1, codec, multihash)

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

    @property
    def inline(self) -> bytes | None:
        """The block itself, if it is in this name; None for a hashed one."""
        if self.multihash[0] != IDENTITY:
            return None
        return self.multihash[_varint(self.multihash, 1)[1] :]

    def __bytes__(self) -> bytes:
        return self.multihash if self.version == 0 else bytes((1, self.codec)) + self.multihash

    def __str__(self) -> str:
        if self.version == 0:
            return _to_base58(self.multihash)
        return "b" + b32encode(bytes(self)).decode().lower().rstrip("=")

    def names(self, data: bytes) -> bool:
        """Tell whether a block with these bytes has this CID."""
        used = hash_of(self.multihash)
        if used is None:
            return self.inline == data
        return self.multihash == used.prefix + used.digest(data)

    def as_v1(self) -> "CID":
        """Return the version 1 name of the same block, under which stores keep it."""
        return self if self.version == 1 else CID(1, self.codec, self.multihash)

    def versions(self) -> tuple["CID", ...]:
        """Return all names of the same block: as version 1, and as version 0 if it has one."""
        has_both = self.codec == DAG_PB and hash_of(self.multihash) == SHA2_256
        return (self.as_v1(), *([CID(0, DAG_PB, self.multihash)] if has_both else []))


def _check_multihash(multihash: bytes) -> None:
    if hash_of(multihash):
        return
    code, at = _varint(multihash, 0)
    if code == IDENTITY:
        size, at = _varint(multihash, at)
        if size > INLINE_BYTES_MAX:
            raise Malformed(f"CID with {size} bytes in it; at most {INLINE_BYTES_MAX} are read")
        if size != len(multihash) - at:
            raise Malformed(f"CID with {len(multihash) - at} bytes in it that claims {size}")
        return
    known = {_varint(one.prefix, 0)[0]: one for one in HASHES}.get(code)
    if known is None:
        raise Malformed(f"CID of hash {_named(code, _HASH_NAMES)}; {_KNOWN} are read")
    raise Malformed(f"CID of a cut {known.name}; a whole one has {known.digest_bytes} bytes")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(4):
        if at + index >= len(data):
            break
        value |= (data[at + index] & 0x7F) << 7 * index
        if data[at + index] < 0x80:
            if data[at + index] == 0 and index:
                raise Malformed(f"CID {data[:40].hex()} is not in its shortest form")
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
    if len(text) > 2 * _V1_BYTES_MAX or not text.isascii() or text != text.lower():
        raise Malformed(f"{text[:64]!r} is not a CID: not lower-case base32")
    try:
        return b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError as error:
        raise Malformed(f"{text[:64]!r} is not a CID: {error}") from error
