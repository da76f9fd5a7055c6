"""The UnixFS message inside a dag-pb node, and the values that reading and writing share."""

from dataclasses import dataclass
from typing import Literal

from commonfab.protocol.errors import Malformed, UsageError

from ..cid import CID, RAW
from ..ports import BlockStore
from .dagpb import Link, decode, fields, number, run

RAW_LEAF, FOLDER, FILE, SYMLINK, SHARD = 0, 1, 2, 4, 5

FOLDER_ENTRIES_MAX = 100_000
"""Names in one folder, read or written at once: some 50 MB of memory."""


class NotSupported(UsageError):
    """A form of UnixFS that this program does not read or write."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The root of what was added."""

    cid: CID
    size: int
    """Bytes of content."""
    tsize: int
    """Bytes of all blocks, repeats counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder."""

    name: str
    cid: CID
    tsize: int


@dataclass(frozen=True, slots=True)
class Stat:
    """What a CID leads to."""

    kind: Literal["file", "folder", "symbolic link"]
    size: int
    """Bytes of content, as its root claims; 0 for what is no file."""


@dataclass(frozen=True, slots=True)
class Data:
    """The UnixFS message in a dag-pb node."""

    kind: int
    content: bytes
    size: int | None
    sizes: tuple[int, ...]
    hash_code: int | None = None
    width: int | None = None
    """Slots of a shard."""


def file_data(content: bytes, size: int, sizes: list[int]) -> bytes:
    """Return the message of a file's node."""
    parts = [number(1, FILE)]
    if content:
        parts.append(run(2, content))
    parts.append(number(3, size))
    parts.extend(number(4, child) for child in sizes)
    return b"".join(parts)


def load_block(blocks: BlockStore, cid: CID) -> bytes:
    """Return a block from the store, or from its own name."""
    inline = cid.inline
    return blocks.get(cid) if inline is None else inline


def load(blocks: BlockStore, cid: CID) -> tuple[tuple[Link, ...], Data]:
    """Load any UnixFS node; a raw block is a file without links."""
    block = load_block(blocks, cid)
    if cid.codec == RAW:
        return (), Data(RAW_LEAF, block, len(block), ())
    node = decode(block)
    data = _decode_data(cid, node.data)
    if data.kind not in (RAW_LEAF, FOLDER, FILE, SYMLINK, SHARD):
        raise Malformed(f"{cid}: UnixFS kind {data.kind}")
    return node.links, data


def _decode_data(cid: CID, data: bytes | None) -> Data:
    # Fields: 1 kind, 2 content, 3 size, 4 child sizes, 5 hash and 6 width (shards), 7 mode, 8 time.
    single: dict[int, int | bytes] = {}
    sizes: list[int] = []
    for place, value in fields(data or b""):
        if place == 4 and isinstance(value, int):
            sizes.append(value)
        elif place in single or not 1 <= place <= 8 or place == 4:
            raise Malformed(f"{cid}: UnixFS field {place} is unknown or repeated")
        else:
            single[place] = value
    kind, content, size = single.get(1), single.get(2, b""), single.get(3)
    hash_code, width = single.get(5), single.get(6)
    if (
        not isinstance(kind, int)
        or not isinstance(content, bytes)
        or isinstance(size, bytes)
        or isinstance(hash_code, bytes)
        or isinstance(width, bytes)
    ):
        raise Malformed(f"{cid}: not a UnixFS node")
    return Data(kind, content, size, tuple(sizes), hash_code, width)
