"""What two nodes say to each other to pass records on: frames of items. Rules: specs/gossip.md.

Wants   the topics that the sender wants to hear of
Push    a record, and the area where it is news
Have    short ids of records that the sender did not push
Graft   push to me what comes by this topic, and these records now
Prune   others push to me what comes by this topic; tell me only what you have
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..errors import Malformed
from ..ids import RecordId
from ..limits import ENVELOPE_BYTES_MAX
from .areas import WORLD, is_area

PROTOCOL = "/commonfab/gossip/1"
ITEMS_MAX = 4096
"""Items in one frame."""
IDS_MAX = 1024
"""Short ids in one item."""
TOPICS_MAX = 64
"""Topics that one node wants."""
SHORT_ID_BYTES = 8

ShortId = Annotated[bytes, Meta(min_length=SHORT_ID_BYTES, max_length=SHORT_ID_BYTES)]
ShortIds = Annotated[tuple[ShortId, ...], Meta(max_length=IDS_MAX)]
_Number = Annotated[int, Meta(ge=0)]


class _Item(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class Wants(_Item, frozen=True, tag=0):
    topics: Annotated[tuple[_Number, ...], Meta(max_length=TOPICS_MAX)]


class Push(_Item, frozen=True, tag=1):
    area: _Number
    sealed: Annotated[bytes, Meta(max_length=ENVELOPE_BYTES_MAX)]


class Have(_Item, frozen=True, tag=2):
    topic: _Number
    ids: ShortIds


class Graft(_Item, frozen=True, tag=3):
    topic: _Number
    ids: ShortIds


class Prune(_Item, frozen=True, tag=4):
    topic: _Number


Item = Wants | Push | Have | Graft | Prune

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Item]] = msgspec.msgpack.Decoder(
    Annotated[list[Item], Meta(max_length=ITEMS_MAX)]
)


def encode(items: list[Item]) -> bytes:
    return _encoder.encode(items)


def decode(data: bytes) -> list[Item]:
    """Return a frame's items, or raise `Malformed`."""
    try:
        items = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a frame of the gossip protocol: {error}") from error
    for topic in {topic for item in items for topic in _topics(item)}:
        if topic != WORLD and not is_area(topic):
            raise Malformed(f"{topic:x} is no topic: neither an area nor the world")
    return items


def _topics(item: Item) -> tuple[int, ...]:
    match item:
        case Wants(topics):
            return topics
        case Push(area):
            return (area,)
        case Have(topic) | Graft(topic) | Prune(topic):
            return (topic,)


def shorten(identifier: RecordId) -> bytes:
    return identifier[:SHORT_ID_BYTES]


def size_of(item: Item) -> int:
    """Return about how many bytes an item takes in a frame; never less."""
    match item:
        case Push(_, sealed):
            return len(sealed) + 32
        case Have(_, ids) | Graft(_, ids):
            return (SHORT_ID_BYTES + 2) * len(ids) + 32
        case Wants(topics):
            return 9 * len(topics) + 32
        case Prune():
            return 32
