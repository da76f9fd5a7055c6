"""Gives this node's own records their place in their streams, and signs them."""

from collections.abc import Iterable
from typing import TypedDict

from .envelope import Signer
from .ids import NodeId, Timestamp
from .records import Body, Record, sign


class Head(TypedDict):
    """The first fields of every body."""

    stream: str
    seq: int
    at: int


class Author:
    """One for each node. `seq` follows the clock's milliseconds, so that a node that was
    restored from an old copy of its disk does not use a number twice, and rises by one where
    the clock was set back."""

    def __init__(self, signer: Signer, marks: Iterable[tuple[str, int]] = ()) -> None:
        """`marks`: the highest `seq` used so far, by stream."""
        self._signer = signer
        self._marks = dict(marks)

    @property
    def node(self) -> NodeId:
        return self._signer.node

    def head(self, stream: str, now: Timestamp) -> Head:
        """Return the next place in `stream`. Each is given out once."""
        seq = max(self._marks.get(stream, 0) + 1, now)
        self._marks[stream] = seq
        return Head(stream=stream, seq=seq, at=now)

    def sign(self, body: Body) -> Record:
        """Return `body`, whose head came from `head`, as a record."""
        return sign(body, self._signer)
