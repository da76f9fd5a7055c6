"""Gives this node's own records their place in their streams, and signs them."""

from collections.abc import Iterable
from typing import TypedDict

from .body import Body
from .envelope import Signer
from .ids import NodeId, Timestamp
from .limits import DAY_MS
from .records import Record, sign

FLOOR_JUMP_MS = DAY_MS


class Head(TypedDict):
    """The first fields of every body."""

    stream: str
    seq: int
    at: int


class Author:
    """One for each node. `seq` follows the clock's milliseconds, so that a node that was
    restored from an old copy of its disk does not use a number twice, and rises by one where
    the clock was set back."""

    def __init__(
        self, signer: Signer, marks: Iterable[tuple[str, int]] = (), *, floor: int = 0
    ) -> None:
        """`marks`: the highest `seq` used so far, by stream. Of no stream a `seq` below `floor`
        is given out: where marks may be lost, it is beyond all of them (`floor_after`)."""
        self._signer = signer
        self._marks = dict(marks)
        self._floor = floor

    @property
    def node(self) -> NodeId:
        return self._signer.node

    def head(self, stream: str, now: Timestamp) -> Head:
        """Return the next place in `stream`. Each is given out once."""
        seq = max(self._marks.get(stream, 0) + 1, now, self._floor)
        self._marks[stream] = seq
        return Head(stream=stream, seq=seq, at=now)

    def adopt(self, stream: str, seq: int) -> bool:
        """Go on after a record of this node's own that came back from others; tell whether it
        was news: that this node's memory is older than what it once said."""
        if seq <= self._marks.get(stream, 0):
            return False
        self._marks[stream] = seq
        return True

    def sign(self, body: Body) -> Record:
        """Return `body`, whose head came from `head`, as a record."""
        return sign(body, self._signer)


def floor_after(marks: Iterable[int], now: Timestamp) -> int:
    """Return a `seq` beyond all that a node can have used that lost some of its memory: its
    marks that are left, its clock, and a day for a clock that was set back."""
    return max(0, now, *marks) + FLOOR_JUMP_MS
