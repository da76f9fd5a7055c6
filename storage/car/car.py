"""CAR: many blocks in one file, for carrying. Written as version 1, read as 1 and 2.

    v1   number | header | section …        header: dag-cbor {"roots": [CID, …], "version": 1}
    section   number | CID | block          the number is the bytes of CID and block together
    v2   11 fixed bytes | 40 bytes that say where a v1 is | that v1 | an index, not read here

The reader goes once from front to back, holds one block at a time, and believes nothing: each
block is hashed, and each length is compared with what is allowed and what is left of the file
before anything of it is read. A wrong block costs itself alone; a wrong length, or a disk that
stops giving, ends the reading, and what came before it counts. Rules: specs/bundle.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import BLOCK_BYTES_MAX, CID_BYTES_MAX

from ..cid import CID
from ..ports import MadeBlock

HEADER_BYTES_MAX = 64 * 1024
"""A header with a thousand roots; programs write one or a few."""
ROOTS_MAX = 1000
"""Roots of one file."""
SECTION_BYTES_MAX = CID_BYTES_MAX + BLOCK_BYTES_MAX
"""A block and its CID."""
SECTIONS_MAX = 1 << 20
"""Sections of one file: a terabyte in blocks of 1 MiB."""

_NUMBER_BYTES_MAX = 9
_PRAGMA_BODY = b"\xa1\x67version\x02"
_V2_HEADER_BYTES = 40
_V2_DATA_AT_MIN = 1 + len(_PRAGMA_BODY) + _V2_HEADER_BYTES
_SHA2_256 = b"\x12\x20"
_V0_BYTES = 34
# dag-cbor: the major types in use, and the tag that says "a CID".
_BYTES, _TEXT, _ARRAY, _MAP, _TAG = 2, 3, 4, 5, 6
_CID_TAG = 42


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself, before its first block."""

    version: int
    roots: tuple[CID, ...]
    strange: tuple[str, ...]
    """Why each root that is not one of these was left out."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block that has the hash that its CID says."""

    cid: CID
    data: bytes
    at: int
    """Where in the file its bytes begin."""
    made: MadeBlock | None = None
    """The same for a store, which then need not hash it again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A section that is skipped: a wrong hash, an unknown kind of CID, too many bytes."""

    at: int
    why: str


@dataclass(frozen=True, slots=True)
class Damage:
    """Where the file stopped making sense. Nothing is read after it."""

    at: int
    why: str


Item = Block | Refused | Damage


def encode_header(roots: Sequence[CID]) -> bytes:
    """Return the bytes that a CAR begins with, the length before them."""
    assert len(roots) <= ROOTS_MAX
    parts = [_head(_MAP, 2), _text("roots"), _head(_ARRAY, len(roots))]
    for root in roots:
        data = b"\0" + bytes(root)
        parts.append(_head(_TAG, _CID_TAG) + _head(_BYTES, len(data)) + data)
    parts.append(_text("version") + b"\x01")
    header = b"".join(parts)
    return _encode_number(len(header)) + header


def encode_section(cid: CID, data: bytes) -> bytes:
    """Return a block as it stands in a CAR."""
    name = bytes(cid)
    return _encode_number(len(name) + len(data)) + name + data


class Reader:
    """Reads one CAR, from a file whose size is known. `header` is there at once."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        """Raises `Malformed` if it is not a CAR or its header goes beyond the bounds, and
        `OSError` as the disk does."""
        self._source = source
        self.at = 0
        """Bytes read or skipped; for progress."""
        self.end = size
        self._cut = 0
        """Bytes that a header of version 2 says are there, and are not."""
        body = self._read_header()
        version = 1
        if body == _PRAGMA_BODY:
            version = 2
            self._enter_version_2()
            body = self._read_header()
        roots, strange = _decode_roots(body)
        self.header = Header(version, roots, strange)

    def items(self) -> Iterator[Item]:
        """Yield what is in it, in its order. A `Damage` is the last item, if there is one."""
        for _ in range(SECTIONS_MAX):
            if self.at == self.end:
                break
            start = self.at
            try:
                item = self._read_section()
            except _Ends as ends:
                yield Damage(start, str(ends))
                return
            except OSError as error:
                yield Damage(start, f"the disk stopped giving it: {_said(error)}")
                return
            if item is not None:
                yield item
        if self.at < self.end:
            yield Damage(self.at, f"more than {SECTIONS_MAX} blocks")
        elif self._cut:
            yield Damage(self.at, f"it ends {self._cut} bytes early")

    def _read_header(self) -> bytes:
        try:
            length = self._read_number()
            if length > HEADER_BYTES_MAX:
                raise _Ends(f"a header of {length} bytes; at most {HEADER_BYTES_MAX} are read")
            return self._take(length)
        except _Ends as ends:
            raise Malformed(f"not a CAR file: {ends}") from ends

    def _enter_version_2(self) -> None:
        """Go to the version 1 that is inside; what comes after it is an index."""
        try:
            header = self._take(_V2_HEADER_BYTES)
        except _Ends as ends:
            raise Malformed(f"not a CAR file: {ends}") from ends
        at, size = (int.from_bytes(header[start : start + 8], "little") for start in (16, 24))
        if size == 0:
            raise Malformed("a CAR of version 2 that its writer never finished")
        if not _V2_DATA_AT_MIN <= at <= self.end:
            raise Malformed(f"a CAR of version 2 whose blocks begin at byte {at} of {self.end}")
        self._skip(at - self.at)
        self._cut = max(0, at + size - self.end)
        self.end = min(self.end, at + size)

    def _read_section(self) -> Block | Refused | None:
        start = self.at
        length = self._read_number()
        if length == 0:
            raise _Ends("a section of no bytes")
        if length > self.end - self.at:
            raise _Ends(f"a section claims {length} bytes, and {self.end - self.at} are left")
        if length > SECTION_BYTES_MAX:
            self._skip(length)
            return Refused(start, f"{length} bytes; a block has at most {BLOCK_BYTES_MAX}")
        body = self._take(length)
        try:
            return _split(body, self.at - length)
        except Malformed as error:
            return Refused(start, str(error))

    def _read_number(self) -> int:
        data = b""
        while len(data) < _NUMBER_BYTES_MAX:
            data += self._take(1)
            if data[-1] < 0x80:
                try:
                    return _decode_number(data, 0)[0]
                except Malformed as error:
                    raise _Ends(str(error)) from error
        raise _Ends("a length of more than 63 bits")

    def _take(self, count: int) -> bytes:
        """Return so many bytes. The bound on `count` was checked before."""
        if count > self.end - self.at:
            raise _Ends(f"it ends {count - self.end + self.at} bytes early")
        data = self._source.read(count)
        if len(data) < count:
            raise _Ends("it became shorter while it was read")
        self.at += count
        return data

    def _skip(self, count: int) -> None:
        self._source.seek(self.at + count)
        self.at += count


class _Ends(Exception):
    """There is no telling where the next section would begin."""


def _said(error: OSError) -> str:
    return error.strerror or repr(error)


def _split(body: bytes, at: int) -> Block | None:
    """Take a section apart and check its hash; None for a block that is in its own name."""
    length = _cid_length(body)
    cid = CID.from_bytes(body[:length])
    data = body[length:]
    if len(data) > BLOCK_BYTES_MAX:
        raise Malformed(f"block {cid} has {len(data)} bytes; at most {BLOCK_BYTES_MAX} are kept")
    made = None
    if cid.multihash.startswith(_SHA2_256):
        made = MadeBlock(data, codec=cid.codec, version=cid.version)
    if made[0] != cid if made else not cid.names(data):
        raise Malformed(f"block {cid} does not have the bytes that its name says")
    return None if cid.inline is not None else Block(cid, data, at + length, made)


def _cid_length(body: bytes) -> int:
    """Return how many bytes the CID at the start of a section has, of whatever kind."""
    if body.startswith(_SHA2_256):
        return _V0_BYTES
    at = 0
    for _ in ("version", "codec", "hash"):
        _, at = _decode_number(body, at)
    digest, at = _decode_number(body, at)
    if at + digest > min(len(body), CID_BYTES_MAX):
        raise Malformed(f"a CID of {at + digest} bytes in a section of {len(body)}")
    return at + digest


def _encode_number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _decode_number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[at : at + _NUMBER_BYTES_MAX]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if byte == 0 and index:
                raise Malformed("a number that is not in its shortest form")
            return value, at + index + 1
    raise Malformed("a number that does not end")


def _head(major: int, value: int) -> bytes:
    """Return the start of a dag-cbor item: its type and its length, as short as can be."""
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 1 << 8:
        return bytes((major << 5 | 24, value))
    return bytes((major << 5 | 25,)) + value.to_bytes(2, "big")


def _text(words: str) -> bytes:
    return _head(_TEXT, len(words)) + words.encode()


def _decode_roots(header: bytes) -> tuple[tuple[CID, ...], tuple[str, ...]]:
    """Read the one form that a header of version 1 has, and no other."""
    before = _head(_MAP, 2) + _text("roots")
    after = _text("version") + b"\x01"
    if not header.startswith(before) or not header.endswith(after):
        raise Malformed("not a CAR file: its header is not the one of version 1 or 2")
    body = header[len(before) : -len(after)]
    count, at = _decode_head(body, 0, _ARRAY)
    if count > ROOTS_MAX:
        raise Malformed(f"a CAR of {count} roots; at most {ROOTS_MAX} are read")
    roots: list[CID] = []
    strange: list[str] = []
    for _ in range(count):
        name, at = _decode_link(body, at)
        try:
            roots.append(CID.from_bytes(name))
        except Malformed as error:
            strange.append(str(error))
    if at != len(body):
        raise Malformed("not a CAR file: bytes in its header that belong to nothing")
    return tuple(roots), tuple(strange)


def _decode_link(body: bytes, at: int) -> tuple[bytes, int]:
    tag, at = _decode_head(body, at, _TAG)
    length, at = _decode_head(body, at, _BYTES)
    data = body[at : at + length]
    if tag != _CID_TAG or len(data) != length or data[:1] != b"\0":
        raise Malformed("not a CAR file: a root that is not a CID")
    return data[1:], at + length


def _decode_head(body: bytes, at: int, major: int) -> tuple[int, int]:
    for length in (1, 2, 3):
        head = body[at : at + length]
        value = int.from_bytes(head[1:], "big") if length > 1 else (head[0] & 0x1F if head else 0)
        if len(head) == length and head == _head(major, value):
            return value, at + length
    raise Malformed("not a CAR file: its header is not in the one form that it has")
