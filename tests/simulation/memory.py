"""Remembers what was read of which bytes, for all nodes of a run together.

Taking an envelope apart and reading its body are pure functions of bytes, and in a world of
a hundred nodes all do it with the same bytes. Each judges them for itself, by its own state.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache

from commonfab.protocol import envelope, records

_RECORDS_MAX = 4096


@contextmanager
def of_what_is_read() -> Generator[None]:
    """Read no bytes twice, for a block."""
    parse, read = envelope.parse, records.read
    envelope.parse = lru_cache(_RECORDS_MAX)(parse)
    records.read = lru_cache(_RECORDS_MAX)(read)
    try:
        yield
    finally:
        envelope.parse, records.read = parse, read
