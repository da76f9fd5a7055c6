"""dag-pb: a node of a tree of blocks, as a small fixed use of Protocol Buffers.

A node is links in order, then at most one run of bytes. The reader takes the one
canonical form and refuses all others, but that a link's name and size may be left out.
(IPLD dag-pb: message PBNode { repeated PBLink Links = 2; optional bytes Data = 1; },
PBLink { bytes Hash = 1; string Name = 2; uint64 Tsize = 3; }.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from commonfab.protocol.errors import Malformed

from ..cid import CID

VARINT_BYTES_MAX = 10
"""A number of 64 bits, seven at a time."""


@dataclass(frozen=True, slots=True)
class Link:
    """An edge to another block."""

    cid: CID
    name: str
    tsize: int
    """Bytes of all blocks at and below the target, repeats counted; a claim, never trusted."""


@dataclass(frozen=True, slots=True)
class Node:
    links: tuple[Link, ...]
    data: bytes | None


def encode(node: Node) -> bytes:
    """Return the block of a node whose links are already in order."""
    parts = [run(2, _encode_link(link)) for link in node.links]
    if node.data is not None:
        parts.append(run(1, node.data))
    return b"".join(parts)


def decode(block: bytes) -> Node:
    """Read a node, or raise `Malformed`."""
    links: list[Link] = []
    data: bytes | None = None
    for field, value in fields(block):
        if field == 2 and isinstance(value, bytes) and data is None:
            links.append(_decode_link(value))
        elif field == 1 and isinstance(value, bytes) and data is None:
            data = value
        else:
            raise Malformed(f"dag-pb: field {field} is unknown, repeated or out of order")
    return Node(tuple(links), data)


def _encode_link(link: Link) -> bytes:
    return run(1, bytes(link.cid)) + run(2, link.name.encode()) + number(3, link.tsize)


def _decode_link(data: bytes) -> Link:
    found = list(fields(data))
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(found)):
        raise Malformed("dag-pb: a link has repeated or unsorted fields")
    values = dict(found)
    cid, name, tsize = values.pop(1, None), values.pop(2, b""), values.pop(3, 0)
    if values or not isinstance(cid, bytes) or not isinstance(name, bytes):
        raise Malformed("dag-pb: a link with unknown fields, or without a CID")
    if not isinstance(tsize, int):
        raise Malformed("dag-pb: a link's size is not a number")
    try:
        return Link(CID.from_bytes(cid), name.decode(), tsize)
    except UnicodeDecodeError as error:
        raise Malformed("dag-pb: a link's name is not UTF-8") from error


def run(field: int, data: bytes) -> bytes:
    """Encode a run of bytes as a Protocol Buffers field."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def number(field: int, value: int) -> bytes:
    """Encode an unsigned number as a Protocol Buffers field."""
    return varint(field << 3) + varint(value)


def varint(value: int) -> bytes:
    assert 0 <= value < 2**64
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) in the order of the bytes; `Malformed` where they end early."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        match key & 7:
            case 0:
                value, at = read_varint(data, at)
                yield key >> 3, value
            case 2:
                length, at = read_varint(data, at)
                if length > len(data) - at:
                    raise Malformed(
                        f"protobuf: a field claims {length - len(data) + at} more bytes"
                    )
                yield key >> 3, data[at : at + length]
                at += length
            case kind:
                raise Malformed(f"protobuf: wire type {kind} at byte {at}")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number in its shortest form; return it and where the next field starts."""
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for index in range(VARINT_BYTES_MAX):
        if at + index >= len(data):
            raise Malformed("protobuf: the bytes end in the middle of a number")
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if value >= 2**64 or (byte == 0 and index):
                raise Malformed("protobuf: a number too large or not in its shortest form")
            return value, at + index + 1
    raise Malformed("protobuf: a number of more than 64 bits")
