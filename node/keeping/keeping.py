"""What stays on this node's disk, and why; the task that sees to it.

Reasons: *mine* (a design of this node), *wished* (a person said so), *promised* (to other
nodes, in a public record), *in use* (open orders, slots of the machines, what has just come).
Only wishes are stored here; the others follow from records and from what goes on.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

import trio

from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.records import Design, Record
from commonfab.storage.cid import CID
from commonfab.storage.pins import PinLog

from .. import clock
from ..designs.shelf import Holders, Shelf
from ..journal import Journal
from ..library import Library
from .collect import Collected, Marks, Wanted, collect

MINE, WISHED, PROMISED, IN_USE = "mine", "wished", "promised", "in use"
TARGET_SHARE = 0.9
"""Of the quota: a collection goes down to it, so that the next is not due at once."""
GROWTH_SHARE = 0.02
"""Of the quota: after a collection that was not enough, the next waits for so much more."""
ROUND_S = 20.0
RETRY_S_MIN, RETRY_S_MAX = 60.0, 3600.0
"""Between two tries to fetch what must be here and is not."""
_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class Swept:
    """A collection, with what the disk says."""

    before_bytes: int
    after_bytes: int
    found: Collected


class Keeping:
    """One for each node."""

    def __init__(
        self,
        me: NodeId,
        library: Library,
        owner: Owner,
        buyer: Buyer,
        shelf: Shelf,
        pins: PinLog,
        holders: Holders,
        journal: Journal,
        quota_bytes: int,
    ) -> None:
        self.pins = pins
        self.quota_bytes = quota_bytes
        self._me = me
        self._library = library
        self._owner = owner
        self._buyer = buyer
        self._shelf = shelf
        self._blocks = shelf.blocks
        self._holders = holders
        self._journal = journal
        self._mine = {_root(record): _name(record) for record in library.find("design", me)}
        self._collecting = trio.Lock()
        self._disk = trio.CapacityLimiter(1)
        self._measured = math.inf
        """What the disk said when `_written` bytes had been put."""
        self._written = 0
        self._enough = 0
        """What a collection left that did not come down to the quota; else 0."""
        self._retry_at: dict[CID, float] = {}
        self._waits: dict[CID, float] = {}
        self.damaged: set[CID] = set()
        """Blocks that were read as damaged, and are not here any more."""
        self.wished_here: Callable[[], Iterable[CID]] = tuple[CID, ...]
        """Returns the roots of trees that are here and kept for a wish (node/wishes)."""
        self.sidework: list[Callable[[], Awaitable[None]]] = []
        """Tasks that run beside the rounds: the scrub, the checks of promises."""
        shelf.on_use = self.note_use
        self._blocks.on_damage = self.damaged.add

    # Reasons.

    def learn(self, record: Record) -> None:
        """Take note of a record that is on the disk now."""
        if isinstance(record.body, Design) and record.author == self._me:
            self._mine[_root(record)] = _name(record)

    def reasons(self) -> dict[CID, tuple[str, ...]]:
        """Return every root that a reason holds, with its reasons."""
        found: dict[CID, dict[str, None]] = {}
        for root, reason in self._each_reason():
            found.setdefault(root.as_v1(), {})[reason] = None
        return {root: tuple(why) for root, why in found.items()}

    def _each_reason(self) -> Iterator[tuple[CID, str]]:
        for root in self._mine:
            yield root, MINE
        for root in (*self.pins.wishes(), *self.wished_here()):
            yield root, WISHED
        for promise in self._library.replicas.by(self._me, clock.now()):
            yield CID.from_bytes(promise.root), PROMISED
        for design in self._designs_in_use():
            used = self._library.designs.get(RecordId(design))
            if used is not None:
                yield _root(used), IN_USE
        for root in self._shelf.fresh():
            yield root, IN_USE

    def _designs_in_use(self) -> Iterator[bytes]:
        for order in self._buyer.orders():
            if not order.is_over():
                yield order.order.design
        for slot in self._owner.slots():
            yield slot.asked.design

    def names(self) -> dict[CID, str]:
        """Return what the trees that a reason holds are called."""
        names = {root.as_v1(): wish.name for root, wish in self.pins.wishes().items()}
        for design in self._designs_in_use():
            record = self._library.designs.get(RecordId(design))
            if record is not None:
                names[_root(record).as_v1()] = _name(record)
        return names | {root.as_v1(): name for root, name in self._mine.items()}

    async def wish(self, root: CID, name: str) -> None:
        wish = self.pins.wish
        await trio.to_thread.run_sync(wish, root, clock.now(), name, limiter=self._disk)

    async def drop(self, root: CID) -> bool:
        """Take a wish back; return whether there was one."""
        return await trio.to_thread.run_sync(self.pins.drop, root, limiter=self._disk)

    async def is_here(self, root: CID) -> bool:
        """Find out whether all of a tree is here."""
        return await self._shelf.look(root)

    async def note_use(self, root: CID) -> None:
        """Remember that a tree is whole here and was used. A full disk only costs the memory."""
        try:
            await trio.to_thread.run_sync(self.pins.use, root, clock.now(), limiter=self._disk)
        except ResourceError as error:
            self._journal.warn("keeping", str(error))

    # Collecting.

    async def collect(self, target_bytes: int, *, dry_run: bool = False) -> Swept:
        """Remove what no reason holds until at most `target_bytes` are left.

        Raises `UsageError` where a wish may have been lost: nothing is removed then.
        """
        if self.pins.is_damaged:
            raise UsageError(
                f"{self.pins.damaged}: some wishes to keep designs are damaged, so nothing is"
                " removed; say again what to keep, then delete that file"
            )
        async with self._collecting:
            swept = await self._collect(target_bytes, dry_run=dry_run)
            if dry_run:
                return swept
            limit = max(target_bytes, swept.found.kept_bytes)
            if swept.after_bytes > limit and not swept.found.spared:
                # Blocks are larger than others claim of them: no claim counts any more.
                again = await self._collect(0, dry_run=False)
                swept = Swept(swept.before_bytes, again.after_bytes, again.found)
            self._journal.tell(
                "collected", bytes=swept.before_bytes - swept.after_bytes, left=swept.after_bytes
            )
            return swept

    async def _collect(self, target_bytes: int, *, dry_run: bool) -> Swept:
        blocks = self._blocks
        before = await trio.to_thread.run_sync(blocks.size, limiter=self._disk)
        with blocks.sweep() as delete:
            wanted = self._wanted()
            found = await trio.to_thread.run_sync(
                collect, blocks.inner, wanted, target_bytes, None if dry_run else delete
            )
            if dry_run:
                return Swept(before, found.kept_bytes, found)
            self._shelf.doubt(found.kept_roots)
            gone = () if found.has_hole else found.gone
            await trio.to_thread.run_sync(self.pins.forget, gone, limiter=self._disk)
        after = await trio.to_thread.run_sync(blocks.size, limiter=self._disk)
        return Swept(before, after, found)

    def _wanted(self) -> Wanted:
        uses = self.pins.uses()
        return Wanted(held=list(self.reasons()), uses=uses, once_whole=[*uses, *self._mine])

    async def keep_within_quota(self) -> None:
        """Collect if too much is here. A disk that refuses is told of, and tried again."""
        written = self._blocks.written_bytes
        grown = self._measured + written - self._written
        enough = self._enough + round(self.quota_bytes * GROWTH_SHARE) if self._enough else 0
        if grown <= max(self.quota_bytes, enough):
            return
        size = await trio.to_thread.run_sync(self._blocks.size, limiter=self._disk)
        has_hole = False
        if size > self.quota_bytes:
            swept = await self.collect(round(self.quota_bytes * TARGET_SHARE))
            size, has_hole = swept.after_bytes, swept.found.has_hole
        self._measured, self._written = size, written
        self._enough = size if size > self.quota_bytes else 0
        if size <= self.quota_bytes:
            self._journal.clear("quota")
        else:
            self._journal.warn("quota", self._over_quota(size, has_hole=has_hole))

    def _over_quota(self, size: int, *, has_hole: bool) -> str:
        counts = {MINE: 0, WISHED: 0, PROMISED: 0, IN_USE: 0}
        for why in self.reasons().values():
            counts[why[0]] += 1
        if has_hole:
            return (
                f"{size / 1e9:.1f} GB of designs are here, more than the quota of"
                f" {self.quota_bytes / 1e9:.1f} GB; nothing is removed while a block is lost that"
                " leads to others; connect to a peer with the design, or publish it again"
            )
        told = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
        return (
            f"{size / 1e9:.1f} GB of designs are here, more than the quota of"
            f" {self.quota_bytes / 1e9:.1f} GB, and a reason holds them ({told}); let some go with"
            " commonfab drop, or raise quota_gb in [storage]"
        )

    # Having what must be here.

    async def mend(self) -> None:
        """Fetch damaged blocks again; warn of those that nobody has."""
        for cid in sorted(self.damaged):
            try:
                await self._shelf.mend(cid)
            except ResourceError:
                continue
            self.damaged.discard(cid)
            self._journal.tell("block_mended", block=str(cid))
        if self.damaged and not await self._are_needed():
            self.damaged.clear()
        if not self.damaged:
            self._journal.clear("damaged_blocks")
            return
        names = ", ".join(str(cid) for cid in sorted(self.damaged)[:_SHOWN_MAX])
        self._journal.warn(
            "damaged_blocks",
            f"{len(self.damaged)} blocks are damaged and no connected peer has them: {names};"
            " connect to a peer with the design, or publish it again",
        )

    async def _are_needed(self) -> bool:
        """Leave of the damaged blocks those that some known tree has; return if any are left."""
        roots = (*self.reasons(), *self.pins.uses())
        marks = Marks(self._blocks.inner)

        def mark() -> None:
            for root in roots:
                marks.mark(marks.tree(root))

        await trio.to_thread.run_sync(mark)
        self.damaged.intersection_update(marks.sizes)
        return bool(self.damaged)

    async def fetch_missing(self) -> None:
        """Fetch what a person, a promise or this node's own designs want here and is not."""
        for root, why in self.reasons().items():
            if why == (IN_USE,) or self._shelf.is_whole(root):
                continue
            if trio.current_time() >= self._retry_at.get(root, 0.0):
                await self._try_fetch(root)

    async def _try_fetch(self, root: CID) -> None:
        try:
            if not await self._shelf.look(root):
                await self._shelf.fetch(root, self._holders(root))
                self._journal.tell("fetched", root=str(root))
        except CommonfabError as error:
            wait = min(2 * self._waits.get(root, RETRY_S_MIN / 2), RETRY_S_MAX)
            self._waits[root] = wait
            self._retry_at[root] = trio.current_time() + wait
            self._journal.warn(f"missing/{root}", f"{error}; it is tried again")
        else:
            self._waits.pop(root, None)
            self._retry_at.pop(root, None)
            self._journal.clear(f"missing/{root}")

    async def round(self) -> None:
        """Do once what is due."""
        for work in self._works():
            await self._try(work)

    async def run(self) -> None:
        """See to it all until cancelled."""
        async with trio.open_nursery() as nursery:
            for work in self._works():
                nursery.start_soon(self._repeat, work)
            for work in self.sidework:
                nursery.start_soon(work)

    def _works(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        return self.mend, self.fetch_missing, self.keep_within_quota

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._try(work)
            await trio.sleep(ROUND_S)

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever fails is told of, and tried again in the next round."""
        about = f"keeping/{work.__name__}"
        try:
            await work()
        except CommonfabError as error:
            self._journal.warn(about, str(error))
        else:
            self._journal.clear(about)


def _root(record: Record) -> CID:
    assert isinstance(record.body, Design)
    return CID.from_bytes(record.body.root)


def _name(record: Record) -> str:
    assert isinstance(record.body, Design)
    return record.body.name
