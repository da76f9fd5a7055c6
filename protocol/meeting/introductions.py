"""Peers tell each other of peers: a few of those that they have lately reached themselves.

    asker                        asked
    (opens the stream)   -->
                         <--     Known: some nodes, with addresses

A hint and nothing more: an address is believed once a dial has proven the key behind it.
Rules: specs/introductions.md.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..errors import Malformed
from ..limits import DAY_MS
from .pairing import Address, Fixed

PROTOCOL = "/commonfab/peers/1"
INTRODUCED_MAX = 16
"""Nodes in one answer."""
INTRODUCED_ADDRESSES_MAX = 2
"""Addresses of each."""
LATELY_MS = DAY_MS
"""A node that was not reached for so long is not told of."""
INTRODUCTION_BYTES_MAX = 16 * 1024


class Introduced(Struct, frozen=True, forbid_unknown_fields=True):
    node: Fixed
    addresses: Annotated[
        tuple[Address, ...], Meta(min_length=1, max_length=INTRODUCED_ADDRESSES_MAX)
    ]


class Known(Struct, frozen=True, forbid_unknown_fields=True):
    nodes: Annotated[tuple[Introduced, ...], Meta(max_length=INTRODUCED_MAX)]


def encode(known: Known) -> bytes:
    return msgspec.msgpack.encode(known)


def decode(data: bytes) -> Known:
    """Return the answer, or raise `Malformed`."""
    if len(data) > INTRODUCTION_BYTES_MAX:
        raise Malformed(f"an answer of {len(data)} bytes; at most {INTRODUCTION_BYTES_MAX}")
    try:
        return msgspec.msgpack.decode(data, type=Known)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not an answer that names peers: {error}") from error
