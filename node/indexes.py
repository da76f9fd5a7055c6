"""The public records in order of time and id: all of them, and the subsets that are asked for.

Each index is made once and then follows what comes and goes, record by record.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

import trio

from commonfab.protocol.gossip.areas import area_of
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Record, Workshop
from commonfab.protocol.sync.index import END, Index, key_of
from commonfab.protocol.sync.subset import ALL, Subset
from commonfab.storage.ports import Outline

_SUBSETS_MAX = 8
"""Indexes of subsets that are kept; the one that was longest not asked for goes first."""
_AT_A_TIME = 64
"""Records that are read before others get a turn."""
_REST = 3
"""Then making a subset rests so many times as long as reading them took: any peer may ask for
one, and this takes at most a quarter of a processor."""


class Known(Protocol):
    """What subsets are made from."""

    workshops: dict[NodeId, Workshop]

    def record(self, identifier: RecordId) -> Record | None: ...

    async def outlines(self, kinds: Collection[str]) -> list[tuple[str, Outline]]:
        """Return the kind and outline of each stored public record; no kinds: of every kind."""
        ...


class Indexes:
    """One for each library."""

    def __init__(self, known: Known) -> None:
        self.all = Index()
        self._known = known
        self._subsets: dict[Subset, Index] = {}
        self._making = trio.Lock()

    def begin(self, keys: Iterable[bytes]) -> None:
        """Take in many keys at once, before any subset is asked for."""
        assert not self._subsets
        self.all = Index([*self.all.keys(b"", END), *keys])
        self.all.before(END)  # The sums are made here, where nobody waits for an answer.

    def add(self, record: Record) -> None:
        """Take in a public record; a workshop's, before it is the one that is known."""
        if isinstance(record.body, Workshop) and self._home(record.author) not in (
            None,
            area_of(record.body.place),
        ):
            self.forget_areas()
        key = key_of(record.body.at, record.id)
        self.all.add(key)
        for subset, index in self._subsets.items():
            if subset.matches(record, self._home(record.author)):
                index.add(key)

    def remove(self, key: bytes) -> None:
        self.all.remove(key)
        for index in self._subsets.values():
            index.remove(key)

    def forget_areas(self) -> None:
        """Make the subsets of areas anew when they are asked for: somebody has moved."""
        self._subsets = {one: index for one, index in self._subsets.items() if not one.areas}

    async def of(self, subset: Subset) -> Index:
        """Return the index of a subset. It goes on changing with the records."""
        if subset == ALL:
            return self.all
        async with self._making:
            index = self._subsets.pop(subset, None)
            self._subsets[subset] = index or await self._made(subset)
            while len(self._subsets) > _SUBSETS_MAX:
                del self._subsets[next(iter(self._subsets))]
            return self._subsets[subset]

    async def _made(self, subset: Subset) -> Index:
        # What comes while the others are looked at is entered at once.
        fresh = self._subsets[subset] = Index()
        try:
            found = await self._find(subset)
        finally:
            self._subsets.pop(subset, None)
        still = (key for key in found if key in self.all)
        return Index([*fresh.keys(b"", END), *still])

    async def _find(self, subset: Subset) -> list[bytes]:
        keys: list[bytes] = []
        read = 0
        began = trio.current_time()
        for kind, outline in await self._known.outlines(subset.kinds):
            place = outline.place
            if not subset.may_match(kind, place.author, outline.at, outline.size):
                continue
            if subset.reads_bodies:
                read += 1
                if read % _AT_A_TIME == 0:
                    await trio.sleep(_REST * (trio.current_time() - began))
                    began = trio.current_time()
                record = self._known.record(place.id)
                if record is None or not subset.matches(record, self._home(place.author)):
                    continue
            keys.append(key_of(outline.at, place.id))
        return keys

    def _home(self, author: NodeId) -> int | None:
        workshop = self._known.workshops.get(author)
        return area_of(workshop.place) if workshop else None
