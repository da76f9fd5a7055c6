"""Remembers what was read of which bytes, for all nodes of a run together.

Taking an envelope or a frame apart, reading a body and numbering a key are pure functions of
bytes, and in a world of a hundred nodes all do it with the same bytes. Each judges them for
itself, by its own state.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType

from commonfab.protocol import envelope, records
from commonfab.protocol.gossip import broadcast_wire
from commonfab.protocol.sync import index

_REMEMBERED_MAX = 8192
_READERS: tuple[tuple[ModuleType, str], ...] = (
    (envelope, "parse"),
    (records, "read"),
    (broadcast_wire, "decode"),
    (index, "number"),
)


@contextmanager
def of_what_is_read() -> Generator[None]:
    """Read no bytes twice, for a block."""
    before = [getattr(module, name) for module, name in _READERS]
    for (module, name), read in zip(_READERS, before, strict=True):
        setattr(module, name, lru_cache(_REMEMBERED_MAX)(read))
    try:
        yield
    finally:
        for (module, name), read in zip(_READERS, before, strict=True):
            setattr(module, name, read)
