"""The messages of a sync session, and how they look on the wire. Rules: specs/sync.md.

Bounds are any bytes, compared like the keys of `index.py`. On the wire each is one byte
that says how many bytes it shares with the bound before it, and the others.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..errors import Malformed
from ..limits import ENVELOPE_BYTES_MAX, SYNC_IDS_MAX, SYNC_RANGES_MAX, SYNC_RECORDS_MAX
from .index import KEY_BYTES
from .subset import Subset

SALT_BYTES = 16
PRINT_BYTES = 16
SHORT_BYTES = 8
PARTS_MAX = 64
"""Ranges that one is split into."""

_Salt = Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
_Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Bound = Annotated[bytes, Meta(min_length=1, max_length=1 + KEY_BYTES)]
_Prints = Annotated[bytes, Meta(min_length=PRINT_BYTES, max_length=PARTS_MAX * PRINT_BYTES)]
_Shorts = Annotated[bytes, Meta(max_length=SYNC_IDS_MAX * SHORT_BYTES)]
_Sealed = Annotated[bytes, Meta(max_length=ENVELOPE_BYTES_MAX)]
_Place = Annotated[int, Meta(ge=0, lt=SYNC_RECORDS_MAX)]


class _Message(Struct, frozen=True, tag=str.lower, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Hello(_Message, frozen=True):
    """The leader begins."""

    promise: _Hash
    """SHA-256 of the leader's salt: it cannot choose another one later."""
    digest: _Hash
    """Of all that the leader has of the subset."""
    subset: Subset = Subset()


class Same(_Message, frozen=True):
    """The follower has the same; the session is over."""


class Differs(_Message, frozen=True):
    salt: _Salt
    """The follower's."""


class Split(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A range cut into parts, and a fingerprint of each."""

    bounds: Annotated[list[_Bound], Meta(min_length=2, max_length=PARTS_MAX + 1)]
    """From the lower end of the first part to the upper end of the last."""
    prints: _Prints


class Parts(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A range that was asked for, cut into parts."""

    bounds: Annotated[list[_Bound], Meta(min_length=1, max_length=PARTS_MAX - 1)]
    """Inside it; the first shares bytes with its lower end."""
    prints: _Prints


class Ask(_Message, frozen=True):
    """What the leader has in some ranges."""

    splits: Annotated[list[Split], Meta(min_length=1, max_length=SYNC_RANGES_MAX)]
    salt: Annotated[bytes, Meta(max_length=SALT_BYTES)] = b""
    """The leader's, in the first of a session."""


class Told(_Message, frozen=True):
    """What the follower has in those ranges, in their order."""

    answers: Annotated[list[Parts | _Shorts | None], Meta(min_length=1, max_length=SYNC_RANGES_MAX)]
    """None: the same. Parts: something else. Short ids: all that is there. Where there are
    fewer than ranges were asked for, the others may be asked for again."""


class Swap(_Message, frozen=True):
    """The leader asks for records, and gives some."""

    want: Annotated[bytes, Meta(max_length=SYNC_IDS_MAX // 8)]
    """A bit for each short id of the last `told`, in their order; the lowest of a byte first."""
    sealed: Annotated[list[_Sealed], Meta(max_length=SYNC_RECORDS_MAX)]


class Swapped(_Message, frozen=True):
    """The follower gives those asked for, as many as fit."""

    done: Annotated[int, Meta(ge=0, le=SYNC_RECORDS_MAX)]
    """How many of those that were asked for it has dealt with."""
    sealed: Annotated[list[_Sealed], Meta(max_length=SYNC_RECORDS_MAX)]
    refused: Annotated[list[_Place], Meta(max_length=SYNC_RECORDS_MAX)] = []
    """Which of the given records it did not believe, by their places."""


Message = Hello | Same | Differs | Ask | Told | Swap | Swapped

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """Return the message, or raise `Malformed`."""
    try:
        message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a message of the sync protocol: {error}") from error
    if isinstance(message, Ask) and len(message.salt) not in (0, SALT_BYTES):
        raise Malformed(f"a salt of {len(message.salt)} bytes")
    return message


def pack_bounds(bounds: Iterable[bytes], previous: bytes = b"") -> list[bytes]:
    """Return bounds as they are sent after `previous`."""
    packed: list[bytes] = []
    for bound in bounds:
        shared = 0
        for one, other in zip(previous, bound, strict=False):
            if one != other:
                break
            shared += 1
        packed.append(bytes([shared]) + bound[shared:])
        previous = bound
    return packed


def unpack_bounds(packed: Iterable[bytes], previous: bytes = b"") -> list[bytes]:
    """Return bounds as they were packed, or raise `Malformed`."""
    bounds: list[bytes] = []
    for one in packed:
        shared = one[0]
        if shared > len(previous) or shared + len(one) - 1 > KEY_BYTES:
            raise Malformed("a bound that shares what is not there, or is too long")
        previous = previous[:shared] + one[1:]
        bounds.append(previous)
    return bounds


def pack_places(places: Iterable[int]) -> bytes:
    """Return a bit for each place."""
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def unpack_places(packed: bytes) -> list[int]:
    """Return the places whose bits are set, in rising order."""
    return [
        8 * at + bit
        for at, byte in enumerate(packed)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    ]


def cut_up(packed: bytes, size: int) -> list[bytes]:
    """Return fingerprints or short ids one by one, or raise `Malformed`."""
    if len(packed) % size:
        raise Malformed(f"{len(packed)} bytes are not a number of things of {size} bytes")
    return [packed[at : at + size] for at in range(0, len(packed), size)]
