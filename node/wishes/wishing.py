"""The owner's wishes, what is chosen for them, and the task that fetches it.

The wishes are a note in the record store. All else follows: each design that becomes known is
tried on every wish, what is chosen is held like anything that a person wished, and what is
chosen and not here is fetched, a few at once, again and again until it is.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
import trio
from msgspec import Struct

from commonfab.protocol.carrying.wishes import Choice, Wanted, Wish, choose, fits, rooms, wanted_of
from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.limits import WISHES_MAX
from commonfab.protocol.records import Design, Record, Workshop
from commonfab.storage.cid import CID

from .. import clock
from ..designs.shelf import Holders, Shelf
from ..journal import Journal
from ..keeping.collect import Marks
from ..keeping.keeping import IN_USE, RETRY_S_MAX, RETRY_S_MIN, TARGET_SHARE, WISHED, Keeping
from ..library import Library

FETCHES_MAX = 2
"""Designs that are fetched at once for wishes."""
ROUND_S = 20.0
_SPARE_SHARE, _SPARE_BYTES = 1.05, 1 << 20
"""What a design may have beyond what its record claims, for its folders."""
_NOTE = "wishes"
_STEP = 50
"""Designs that are looked at before others have their turn."""

Said = Callable[[Mapping[str, object]], Awaitable[None]]


class OwnWish(Struct, frozen=True):
    """A wish of this node's owner."""

    id: int
    """By which the owner names it; none is used twice."""
    at: int
    wish: Wish


class _Kept(Struct):
    next_id: int = 1
    wishes: list[OwnWish] = []


@dataclass(slots=True)
class _Trouble:
    """Why a design that is chosen did not come, and when it is tried again."""

    why: str
    author: NodeId
    wait_s: float
    retry_at: float


class Wishing:
    """One for each node."""

    def __init__(
        self,
        me: NodeId,
        library: Library,
        shelf: Shelf,
        keeping: Keeping,
        holders: Holders,
        journal: Journal,
    ) -> None:
        self._me = me
        self._library = library
        self._shelf = shelf
        self._blocks = shelf.blocks.inner
        self._keeping = keeping
        self._holders = holders
        self._journal = journal
        data = library.note(_NOTE)
        self._kept = msgspec.msgpack.decode(data, type=_Kept) if data else _Kept()
        self._fitting: dict[RecordId, tuple[Record, list[int]]] = {}
        """Each design of somebody else's that is wished, with the places of its wishes."""
        self._is_stale = True
        """Whether all designs must be tried anew."""
        self._moved: set[NodeId] = set()
        """Authors whose designs must be, for their workshop may be elsewhere now."""
        self._choices: list[Choice] = []
        self._sizes: dict[CID, int] = {}
        self._has_chosen = False
        self._held: set[CID] = set()
        self._trouble: dict[CID, _Trouble] = {}
        self._choosing = trio.Lock()
        self._changed = trio.Event()
        keeping.wished_here = self.held

    # What the owner says.

    @property
    def wishes(self) -> list[OwnWish]:
        return list(self._kept.wishes)

    async def add(self, wish: Wish) -> OwnWish:
        """Take a wish on; it is on the disk when this returns. `UsageError` if it cannot be."""
        if wish.is_empty():
            raise UsageError("a wish for everything; name an author, tag, area, licence, …")
        if len(self._kept.wishes) >= WISHES_MAX:
            raise UsageError(f"{WISHES_MAX} wishes already; remove one: commonfab wish remove")
        for known in self._kept.wishes:
            if known.wish == wish:
                return known
        added = OwnWish(self._kept.next_id, clock.now(), wish)
        await self._replace(_Kept(added.id + 1, [*self._kept.wishes, added]))
        return added

    async def remove(self, identifier: int) -> OwnWish:
        """Take a wish back. What came for it is kept no more for this reason."""
        gone = [each for each in self._kept.wishes if each.id == identifier]
        if not gone:
            raise UsageError(f"{identifier}: there is no such wish; see: commonfab wishes")
        left = [each for each in self._kept.wishes if each.id != identifier]
        await self._replace(_Kept(self._kept.next_id, left))
        return gone[0]

    async def _replace(self, kept: _Kept) -> None:
        await self._library.keep_notes({_NOTE: msgspec.msgpack.encode(kept)})
        self._kept = kept
        self._is_stale = True
        self._wake()

    # What is wished.

    def learn(self, record: Record) -> None:
        """Take note of a record that is on the disk now."""
        if not self._kept.wishes:
            return
        if isinstance(record.body, Design):
            self._try_on(record)
            if record.id in self._fitting:
                self._wake()
        elif isinstance(record.body, Workshop) and self._minds_places():
            self._moved.add(record.author)
            self._wake()

    def _minds_places(self) -> bool:
        return any(each.wish.area is not None for each in self._kept.wishes)

    def _try_on(self, record: Record) -> None:
        self._fitting.pop(record.id, None)
        if record.author == self._me:
            return
        shop = self._library.workshops.get(record.author)
        place = shop.place if shop else None
        fitting = [i for i, own in enumerate(self._kept.wishes) if fits(own.wish, record, place)]
        if fitting:
            self._fitting[record.id] = (record, fitting)

    async def _try_all(self) -> None:
        while self._is_stale or self._moved:
            author = None
            if self._is_stale:
                self._is_stale = False
                self._moved.clear()
                self._fitting.clear()
            else:
                author = self._moved.pop()
            kinds = ["design"] if self._kept.wishes else []
            for number, record in enumerate(self._library.stored(kinds, author)):
                self._try_on(record)
                if number % _STEP == 0:
                    await trio.lowlevel.checkpoint()

    # What is chosen.

    async def choose(self) -> list[Choice]:
        """Return what is kept for wishes, the most wished first, and what does not fit."""
        async with self._choosing:
            await self._try_all()
            wanted: list[tuple[int, Wanted]] = []
            for record, fitting in list(self._fitting.values()):
                if self._library.denials.of_record(record):
                    continue
                root = _root(record)
                is_here = self._blocks.has(root) and await self._shelf.look(root)
                each = wanted_of(record, is_here=is_here, copies=self.copies(root))
                if is_here:
                    size = max(each.size_bytes, await self._measured(root))
                    each = replace(each, size_bytes=size)
                wanted += [(place, each) for place in fitting]
            plain = [own.wish for own in self._kept.wishes]
            room = await self._room() if wanted else 0
            self._choices = choose(plain, wanted, room)
            self._has_chosen = True
            kept = (each.wanted for each in self._choices if each.is_kept and each.wanted.is_here)
            self._held = {CID.from_bytes(each.root).as_v1() for each in kept}
            return self._choices

    def held(self) -> Iterable[CID]:
        """Return the roots that are here and kept for a wish. Before the first choice, nothing
        that was ever used may go: it might be one of them."""
        if self._has_chosen or not self._kept.wishes:
            return self._held
        return self._keeping.pins.uses()

    def copies(self, root: CID) -> int:
        """Return how many others promise to keep a tree."""
        promises = self._library.replicas.of(bytes(root.as_v1()), clock.now())
        return sum(promise.holder != self._me for promise in promises)

    def troubles(self) -> dict[CID, str]:
        """Return why designs that were chosen have not come."""
        return {root: trouble.why for root, trouble in self._trouble.items()}

    async def with_rooms(self) -> tuple[Wish, ...]:
        """Return the wishes, each with what is left of its budget."""
        choices = await self.choose()
        plain = [own.wish for own in self._kept.wishes]
        left = rooms(plain, choices)
        return tuple(
            msgspec.structs.replace(wish, budget_bytes=None if room is None else max(0, room))
            for wish, room in zip(plain, left, strict=True)
        )

    async def _measured(self, root: CID) -> int:
        """Return the bytes of a tree that is here: its record may claim less."""
        if root not in self._sizes:
            tree = await trio.to_thread.run_sync(Marks(self._blocks).tree, root)
            self._sizes[root] = sum(tree.values())
        return self._sizes[root]

    async def _room(self) -> int:
        """Return the bytes that there are for all wishes: the quota without what else is held."""
        fitting = {_root(record) for record, _ in self._fitting.values()}
        pinned = self._keeping.pins.wishes()
        others = [
            root
            for root, why in self._keeping.reasons().items()
            # What has just come for a wish is in use for a while.
            if root in pinned or root not in fitting or not {WISHED, IN_USE}.issuperset(why)
        ]
        marks = Marks(self._blocks)

        def measure() -> None:
            for root in others:
                marks.mark(marks.tree(root))

        await trio.to_thread.run_sync(measure)
        return max(0, round(self._keeping.quota_bytes * TARGET_SHARE) - marks.bytes)

    # What is fetched.

    async def run(self) -> None:
        """Fetch what is wished until cancelled."""
        while True:
            self._changed = trio.Event()
            try:
                await self.round()
                self._journal.clear("wishes")
            except CommonfabError as error:
                self._journal.warn("wishes", str(error))
            with trio.move_on_after(ROUND_S):
                await self._changed.wait()

    def met(self, peer: NodeId) -> None:
        """Try what a peer that is here now has for sure: what it has published or promised."""
        for root, trouble in list(self._trouble.items()):
            promises = self._library.replicas.of(bytes(root), clock.now())
            if trouble.author == peer or any(promise.holder == peer for promise in promises):
                del self._trouble[root]
                self._wake()

    async def round(self) -> None:
        """Choose, and try once to fetch what is chosen and due."""
        choices = await self.choose()
        chosen = [each.wanted for each in choices if each.is_kept and not each.wanted.is_here]
        roots = {CID.from_bytes(each.root).as_v1() for each in chosen}
        self._trouble = {root: why for root, why in self._trouble.items() if root in roots}
        places = trio.Semaphore(FETCHES_MAX)
        async with trio.open_nursery() as nursery:
            for wanted in chosen:
                root = CID.from_bytes(wanted.root).as_v1()
                trouble = self._trouble.get(root)
                if trouble is not None and trio.current_time() < trouble.retry_at:
                    continue
                await places.acquire()
                nursery.start_soon(self._fetch, root, wanted, places)
        if chosen:
            await self.choose()

    async def _fetch(self, root: CID, wanted: Wanted, places: trio.Semaphore) -> None:
        try:
            await self._fetch_within(root, wanted)
        except CommonfabError as error:
            known = self._trouble.get(root)
            wait = min(2 * known.wait_s, RETRY_S_MAX) if known else RETRY_S_MIN
            retry_at = trio.current_time() + wait
            self._trouble[root] = _Trouble(str(error), wanted.author, wait, retry_at)
        else:
            self._trouble.pop(root, None)
            self._journal.tell("wish_came", design=wanted.id.hex(), bytes=wanted.size_bytes)
        finally:
            places.release()

    async def _fetch_within(self, root: CID, wanted: Wanted) -> None:
        most = round(wanted.size_bytes * _SPARE_SHARE) + _SPARE_BYTES
        with trio.CancelScope() as scope:

            def note(_done: int, _known: int, size: int) -> None:
                if size > most:
                    scope.cancel()

            await self._shelf.fetch(root, self._holders(root), note)
        if scope.cancelled_caught:
            raise ResourceError(f"it is larger than the {wanted.size_bytes} bytes it claims")

    async def whole_roots(self) -> set[CID]:
        """Return the roots of the trees of which all is here, as far as they were ever used."""
        once = {*self._keeping.pins.uses(), *self._keeping.reasons()}
        return {root.as_v1() for root in once if await self._shelf.look(root)}

    def _wake(self) -> None:
        self._changed.set()


def _root(record: Record) -> CID:
    assert isinstance(record.body, Design)
    return CID.from_bytes(record.body.root).as_v1()
