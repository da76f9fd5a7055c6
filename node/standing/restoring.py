"""Takes up what this node once said and no longer knows, so that it never says it twice.

A node that was restored from an older copy finds records of its own at its peers. Each of them
raises the place from which it goes on, and its operator is told. Where the home itself shows
that it may be old (marker.py), the node first waits for a peer that could show it more.
"""

import trio

from commonfab.protocol.author import Author
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Record
from commonfab.storage.ports import RecordStore

from .. import clock
from ..home.folder import Home
from ..journal import Journal
from ..syncing import Syncing
from . import marker

CATCH_UP_S = 20.0
"""How long a node whose home may be old waits for a peer before it says anything. With nobody
there it goes on all the same: its numbers begin a day ahead of all that it can have used."""
_LOOK_S = 0.1


class Restoring:
    """One for each node."""

    def __init__(
        self, author: Author, journal: Journal, suspicion: str, started: Timestamp
    ) -> None:
        self.suspicion = suspicion
        self.adopted = 0
        """Records of this node's own that came back from others."""
        self._author = author
        self._journal = journal
        self._started = started

    def kept(self, record: Record) -> None:
        """Hear of a record that is on the disk now."""
        if record.author != self._author.node:
            return
        if not self._author.adopt(record.body.stream, record.body.seq):
            return
        self.adopted += 1
        if record.body.at >= self._started:
            self._journal.warn(
                "twin",
                "another node signs with this node's key now; stop one of the two, or both will"
                " be believed no more once they sign two records for one place",
            )
            return
        self._journal.warn(
            "restored",
            f"this home is older than what its node once said: {self.adopted} of its own records"
            " came back from peers, and it goes on after them",
        )

    async def catch_up(self, syncing: Syncing) -> None:
        """Return once a peer has shown what it knows, where this home may be old."""
        if not self.suspicion:
            return
        with trio.move_on_after(CATCH_UP_S):
            while not syncing.last:  # noqa: ASYNC110  # Once in the life of a home, if ever.
                await trio.sleep(_LOOK_S)
        asked = "a peer was asked for what is missing" if syncing.last else "no peer could be asked"
        self._journal.warn(
            "suspicion", f"{self.suspicion}: {asked}, and new records are numbered a day ahead"
        )


def begin(home: Home, store: RecordStore, mine: list[int]) -> tuple[str, int]:
    """Return why the home may be old, or nothing, and the lowest `seq` that may be signed.
    `mine`: the marks of this node's own streams. Durable when this returns."""
    suspicion = marker.suspicion(home.marker, store)
    if suspicion:
        marker.raise_floor(store, mine, clock.now())
    marker.renew(home.marker, store)
    return suspicion, marker.floor(store)
