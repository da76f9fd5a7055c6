"""The messages of Bitswap 1.2.0 as values, and their one reading.

A message is a protobuf behind its length: a list of wants (and of wants taken back), blocks,
and short answers "have" and "have not". The reader is strict: what no conforming writer sends
is `Malformed`, and nothing is built before its size is known to be allowed. Unknown fields are
stepped over, as protobuf asks, so that a later Bitswap can add some.

A block comes without its CID, only with the CID's first bytes (the prefix). So its CID here is
always worked out from its bytes: a peer cannot claim one. multihash.py has the known hashes.
Rules: specs/exchange.md.
"""

from dataclasses import dataclass
from enum import IntEnum

from ..errors import Malformed
from ..limits import (
    BITSWAP_ITEMS_MAX,
    BLOCK_BYTES_MAX,
    CID_BYTES_MAX,
    FRAME_BYTES_MAX,
)
from ..multihash import HASHES, SHA2_256, Hash, hash_of
from ..protobuf import Value, body_of, field, fields, once, read_varint, varint

PROTOCOL = "/ipfs/bitswap/1.2.0"

_RAW = 0x55
_PREFIX_V0 = b"\x00\x70" + SHA2_256.prefix
_PREFIX_BYTES_MAX = 16

_LENGTH_BYTES_MAX = 4
"""A length prefix: four groups of seven bits hold more than `FRAME_BYTES_MAX`."""
assert FRAME_BYTES_MAX < 1 << (7 * _LENGTH_BYTES_MAX)


class WantKind(IntEnum):
    """What a peer asks for: the block itself, or only whether it is there."""

    BLOCK = 0
    HAVE = 1


@dataclass(frozen=True, slots=True)
class Want:
    """One line of a wantlist. `cancel` takes an earlier one back."""

    cid: bytes
    kind: WantKind = WantKind.BLOCK
    priority: int = 1
    cancel: bool = False
    send_dont_have: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Bytes, and the CID that they really have."""

    cid: bytes
    data: bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and (self.cid, self.data) == (other.cid, other.data)

    def __hash__(self) -> int:
        return int.from_bytes(self.cid[-8:], "big")  # Of a digest: as good as any.


class HashedBlock(Block):
    """A block whose CID was worked out here from its bytes: nobody need hash it again.

    There is no way to make a false one. Raises `Malformed` for a prefix of an unknown hash.
    """

    __slots__ = ()

    def __init__(self, prefix: bytes, data: bytes) -> None:
        data = bytes(data)  # The same object, unless it was one that can change.
        super().__init__(_cid_of(prefix, data), data)


@dataclass(frozen=True, slots=True)
class Presence:
    """ "I have it" or "I do not have it"."""

    cid: bytes
    has: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Everything one peer tells another at once. `full` replaces all its earlier wants."""

    wants: tuple[Want, ...] = ()
    full: bool = False
    blocks: tuple[Block, ...] = ()
    presences: tuple[Presence, ...] = ()
    pending_bytes: int = 0


# CIDs. Opaque to this package, but for what tells a block's CID from its bytes.


def _cid_of(prefix: bytes, data: bytes) -> bytes:
    if prefix == _PREFIX_V0:
        return SHA2_256.prefix + SHA2_256.digest(data)
    named = _hash_named(prefix)
    if named is None:
        raise Malformed(f"no hash is known for the prefix {prefix[:_PREFIX_BYTES_MAX].hex()}")
    return prefix + named.digest(data)


def prefix_of(cid: bytes) -> bytes | None:
    """Return the prefix to send with a block, or None if the CID is not one of a known hash."""
    if cid.startswith(SHA2_256.prefix):
        return _PREFIX_V0 if hash_of(cid) else None
    for known in HASHES:
        prefix = cid[: -known.digest_bytes]
        if _hash_named(prefix) is known:
            return prefix
    return None


def _hash_named(prefix: bytes) -> Hash | None:
    """Return the hash that the prefix of a version 1 CID names, if it is a whole and known one."""
    if not 4 <= len(prefix) <= _PREFIX_BYTES_MAX or prefix[0] != 1:
        return None
    try:
        named = prefix[read_varint(memoryview(prefix), 1)[1] :]
    except Malformed:
        return None
    return next((known for known in HASHES if known.prefix == named), None)


def is_leaf(cid: bytes) -> bool:
    """Tell whether the CID says that the block is plain bytes, without links."""
    return cid[:2] == bytes([1, _RAW])


# Writing.


def encode(message: Message) -> bytes:
    """Return the message with its length before it, ready for a stream."""
    parts: list[bytes] = []
    if message.wants or message.full:
        wantlist = b"".join(field(1, _want(want)) for want in message.wants)
        parts.append(field(1, wantlist + (b"\x10\x01" if message.full else b"")))
    for block in message.blocks:
        prefix = prefix_of(block.cid)
        assert prefix is not None, "only blocks of a known hash are served"
        head = field(1, prefix) + b"\x12" + varint(len(block.data))
        parts += [b"\x1a", varint(len(head) + len(block.data)), head, block.data]
    for presence in message.presences:
        body = field(1, presence.cid) + (b"" if presence.has else b"\x10\x01")
        parts.append(field(4, body))
    if message.pending_bytes:
        parts.append(b"\x28" + varint(message.pending_bytes & 0xFFFF_FFFF_FFFF_FFFF))
    size = sum(map(len, parts))
    assert size <= FRAME_BYTES_MAX
    return b"".join([varint(size), *parts])


def _want(want: Want) -> bytes:
    out = field(1, want.cid)
    if want.priority:
        out += b"\x10" + varint(want.priority & 0xFFFF_FFFF_FFFF_FFFF)
    if want.cancel:
        out += b"\x18\x01"
    if want.kind:
        out += b"\x20" + varint(want.kind)
    if want.send_dont_have:
        out += b"\x28\x01"
    return out


# Reading.


class Framer:
    """Cuts a stream of bytes into messages; keeps at most one unfinished message."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def unfinished_bytes(self) -> int:
        """How much there is of a message that has begun and not ended."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes, without their lengths, or `Malformed`."""
        self._buffer += data
        frames: list[bytes] = []
        start = 0
        while (head := self._length(start)) is not None:
            length, size = head
            end = start + size + length
            if end > len(self._buffer):
                break
            with memoryview(self._buffer) as view:
                frames.append(bytes(view[start + size : end]))
            start = end
        del self._buffer[:start]
        return frames

    def _length(self, start: int) -> tuple[int, int] | None:
        head = bytes(self._buffer[start : start + _LENGTH_BYTES_MAX])
        size = next((i for i, byte in enumerate(head, 1) if byte < 0x80), 0)
        if not size:
            if len(head) == _LENGTH_BYTES_MAX:
                raise Malformed("a message's length takes more than four bytes")
            return None
        length, _ = read_varint(memoryview(head), 0)
        if length > FRAME_BYTES_MAX:
            raise Malformed(f"a message of {length} bytes; at most {FRAME_BYTES_MAX} are taken")
        return length, size


def decode(data: bytes) -> Message:
    """Read one message, without its length. Raises `Malformed` and nothing else."""
    if len(data) > FRAME_BYTES_MAX:
        raise Malformed(f"a message of {len(data)} bytes; at most {FRAME_BYTES_MAX} are taken")
    wants: list[Want] | None = None
    full = False
    blocks: list[Block] = []
    presences: list[Presence] = []
    pending_bytes: int | None = None
    for number, value in fields(memoryview(data)):
        match number:
            case 1:
                if wants is not None:
                    raise Malformed("two wantlists in one message")
                wants, full = _read_wantlist(body_of(value))
            case 2:
                raise Malformed("a block without a prefix belongs to Bitswap 1.0")
            case 3:
                blocks.append(_read_block(body_of(value)))
            case 4:
                presences.append(_read_presence(body_of(value)))
            case 5:
                pending_bytes = _int32(once(pending_bytes, value))
            case _:
                continue
        if len(blocks) + len(presences) > BITSWAP_ITEMS_MAX:
            raise Malformed(f"more than {BITSWAP_ITEMS_MAX} answers in one message")
    return Message(
        wants=tuple(wants or ()),
        full=full,
        blocks=tuple(blocks),
        presences=tuple(presences),
        pending_bytes=pending_bytes or 0,
    )


def _read_wantlist(data: memoryview) -> tuple[list[Want], bool]:
    wants: list[Want] = []
    full: bool | None = None
    for number, value in fields(data):
        if number == 1:
            wants.append(_read_want(body_of(value)))
            if len(wants) > BITSWAP_ITEMS_MAX:
                raise Malformed(f"more than {BITSWAP_ITEMS_MAX} wants in one message")
        elif number == 2:
            full = _bool(once(full, value))
    return wants, bool(full)


def _read_want(data: memoryview) -> Want:
    cid: bytes | None = None
    priority: int | None = None
    cancel: bool | None = None
    kind: WantKind | None = None
    send_dont_have: bool | None = None
    for number, value in fields(data):
        match number:
            case 1:
                cid = _cid(once(cid, value))
            case 2:
                priority = _int32(once(priority, value))
            case 3:
                cancel = _bool(once(cancel, value))
            case 4:
                kind = WantKind(_bool(once(kind, value)))
            case 5:
                send_dont_have = _bool(once(send_dont_have, value))
            case _:
                continue
    if cid is None:
        raise Malformed("a want without a CID")
    return Want(cid, kind or WantKind.BLOCK, priority or 0, bool(cancel), bool(send_dont_have))


def _read_block(data: memoryview) -> HashedBlock:
    prefix: bytes | None = None
    body: bytes | None = None
    for number, value in fields(data):
        if number == 1:
            prefix = bytes(body_of(once(prefix, value))[: _PREFIX_BYTES_MAX + 1])
        elif number == 2:
            view = body_of(once(body, value))
            if len(view) > BLOCK_BYTES_MAX:
                raise Malformed(f"a block of {len(view)} bytes; at most {BLOCK_BYTES_MAX}")
            body = bytes(view)
    return HashedBlock(prefix or b"", body or b"")


def _read_presence(data: memoryview) -> Presence:
    cid: bytes | None = None
    lacks: bool | None = None
    for number, value in fields(data):
        if number == 1:
            cid = _cid(once(cid, value))
        elif number == 2:
            lacks = _bool(once(lacks, value))
    if cid is None:
        raise Malformed("an answer without a CID")
    return Presence(cid, not lacks)


def _cid(value: Value) -> bytes:
    body = body_of(value)
    if not 0 < len(body) <= CID_BYTES_MAX:
        raise Malformed(f"a CID of {len(body)} bytes; 1 to {CID_BYTES_MAX} are taken")
    return bytes(body)


def _bool(value: Value) -> bool:
    if value not in (0, 1):
        raise Malformed("a number that is neither 0 nor 1")
    return bool(value)


def _int32(value: Value) -> int:
    if not isinstance(value, int):
        raise Malformed("bytes where a number belongs")
    signed = value - (1 << 64) if value >> 63 else value
    if not -(1 << 31) <= signed < 1 << 31:
        raise Malformed(f"{signed} is not a number of 32 bits")
    return signed
