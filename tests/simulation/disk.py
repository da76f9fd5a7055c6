"""A disk that is honest about `sync` and about nothing else.

What was written but not synced may be lost when the node dies: all of it, or the last of it.
What was synced is there after every crash; a disk that loses it is not our bug.
"""

from collections.abc import Callable
from random import Random

from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Record

Place = tuple[NodeId, str, int]


class Disk:
    """The records of one node, one for each place, as the real store keeps them."""

    def __init__(self, when_synced: Callable[[Record], None]) -> None:
        self.records: dict[RecordId, Record] = {}
        self._when_synced = when_synced
        self._unsynced: list[Record] = []
        self._places: dict[Place, RecordId] = {}

    def write(self, record: Record) -> None:
        self._unsynced.append(record)

    def sync(self) -> None:
        for record in self._unsynced:
            self._store(record)
        self._unsynced.clear()

    def crash(self, random: Random) -> int:
        """Lose some or all of what was not synced; return how many records."""
        kept = random.randint(0, len(self._unsynced))
        lost = len(self._unsynced) - kept
        del self._unsynced[kept:]
        self.sync()
        return lost

    def remove(self, identifier: RecordId) -> None:
        """Remove a record; its place stays taken."""
        self.records.pop(identifier, None)

    def highest(self, author: NodeId) -> list[tuple[str, int]]:
        """Return the highest place of each stream of one author."""
        marks: dict[str, int] = {}
        for by, stream, seq in self._places:
            if by == author:
                marks[stream] = max(seq, marks.get(stream, 0))
        return list(marks.items())

    def places(self) -> list[tuple[Place, RecordId]]:
        return list(self._places.items())

    def _store(self, record: Record) -> None:
        place = (record.author, record.body.stream, record.body.seq)
        taken = self._places.setdefault(place, record.id)
        assert taken == record.id, f"two records of one author for {place[1:]}"
        if record.id not in self.records:
            self.records[record.id] = record
            self._when_synced(record)
