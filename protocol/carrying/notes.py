"""Notes: signed statements that go along with a file, and are no records.

They have no place in a stream, are neither kept nor passed on as records are, and whoever does
not know them passes them over (specs/admission.md). A summary says what a node has and wants,
so that the next file for it brings just that; a delivery says that a file has arrived.
Rules: specs/bundle.md.
"""

from dataclasses import dataclass
from typing import Annotated, cast

import msgspec
from msgspec import Meta, Struct

from .. import encoding, envelope
from ..errors import Malformed
from ..fields import Cid, Count, Node
from ..ids import NodeId
from .known import KNOWN_ITEMS_MAX, SALT_BYTES
from .wishes import Wishes

KNOWN_BLOCKS_MAX = 32
"""Blocks over which what a node has is spread."""


class Summary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What its author had and wished when it made a bundle."""

    at: Count
    to: Node
    """Whom the bundle is for."""
    wishes: Wishes = ()
    """Each with what was left of its budget."""
    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    count: Annotated[int, Meta(ge=0, le=KNOWN_ITEMS_MAX)]
    """Items of the set: ids of records, letters too, and roots of which all is there."""
    known: Annotated[tuple[Cid, ...], Meta(max_length=KNOWN_BLOCKS_MAX)] = ()
    """The raw blocks that say which, in this order."""
    left_out: Count = 0
    """Records and designs that would not go into the bundle."""


class Delivery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Its author opened a file that was for it, and has what was in it."""

    at: Count
    file_sha256: Annotated[bytes, Meta(min_length=32, max_length=32)]
    size_bytes: Count


Note = Summary | Delivery
NOTES: dict[str, type[Note]] = {"summary": Summary, "delivery": Delivery}


@dataclass(frozen=True, slots=True)
class Signed:
    author: NodeId
    note: Note
    data: bytes


def sign(note: Note, signer: envelope.Signer) -> bytes:
    """Return a note as its author's envelope."""
    plain = msgspec.to_builtins(note, builtin_types=(bytes,))
    data = encoding.encode(cast("dict[str, encoding.Value]", plain))
    return envelope.seal(type(note).__name__.lower(), data, signer).data


def is_note(data: bytes) -> bool:
    """Return whether these are the bytes of a note, true or not."""
    try:
        return envelope.parse(data).kind in NOTES
    except Malformed:
        return False


def read(data: bytes) -> Signed:
    """Return what a note says. Raises `Malformed` or `BadSignature`."""
    sealed = envelope.parse(data)
    if sealed.kind not in NOTES:
        raise Malformed(f"a {sealed.kind} is no note")
    sealed.verify()
    try:
        note = msgspec.convert(
            encoding.decode(sealed.body), NOTES[sealed.kind], strict=True, builtin_types=(bytes,)
        )
    except msgspec.ValidationError as error:
        raise Malformed(f"{sealed.kind}: {error}") from error
    return Signed(sealed.author, note, data)
