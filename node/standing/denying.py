"""Keeps what this node denies: its own list, the lists that it subscribes to, and what follows.

What is denied is not taken in, not passed on, not served, not fetched, not made and not found;
who asks for it by name is told why, and by whom it is denied. What is on the disk already stays
there as a record; the blocks that only a denied tree has are deleted.
"""

from collections.abc import Iterable

import msgspec
import trio
from msgspec import Struct

from commonfab.protocol.admission import Admission
from commonfab.protocol.author import Author
from commonfab.protocol.errors import CommonfabError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DENIALS_MAX
from commonfab.protocol.records import Design, Record
from commonfab.protocol.standing.denials import Denials, say
from commonfab.protocol.statements import Denial, Denylist
from commonfab.storage.cid import CID
from commonfab.storage.guarded import GuardedBlocks

from .. import clock
from ..announcing import Announcing
from ..journal import Journal
from ..keeping.collect import Marks
from ..keeping.keeping import Keeping
from ..library import Library
from .standings import Standings

SUBSCRIPTIONS_MAX = 64
_NOTE = "denied"


class Kept(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the operator chose."""

    entries: list[Denial] = []
    subscribed: list[bytes] = []


class Denying:
    """One for each node."""

    def __init__(
        self,
        author: Author,
        library: Library,
        admission: Admission,
        announcing: Announcing,
        keeping: Keeping,
        blocks: GuardedBlocks,
        standing: Standings,
        journal: Journal,
    ) -> None:
        self._author = author
        self._library = library
        self._announcing = announcing
        self._keeping = keeping
        self._blocks = blocks
        self._standing = standing
        self._journal = journal
        self._changed = trio.Event()
        self._designs: dict[CID, Record] = {}
        """Those that are denied, by their trees."""
        note = library.note(_NOTE)
        self.kept = msgspec.msgpack.decode(note, type=Kept) if note else Kept()
        admission.denied = library.why_denied

    def why_not(self, root: CID) -> str:
        """Say why a tree is not fetched; empty: it may be."""
        root = root.as_v1()
        denied = self._library.denials.of_root(bytes(root))
        if denied is not None:
            return say(denied, self._library.name_of(denied.by))
        design = self._designs.get(root)
        return self._library.why_denied(design) if design else ""

    def check(self, design: Record) -> None:
        """Raise `UsageError` if a design is denied here."""
        why = self._library.why_denied(design)
        if why:
            raise UsageError(f"{why}; see: commonfab deny list")

    # What the operator chooses. Each is on the disk, and holds, when it returns.

    async def add(self, entry: Denial) -> None:
        others = [each for each in self.kept.entries if _key(each) != _key(entry)]
        if len(others) >= DENIALS_MAX:
            raise UsageError(f"a list has at most {DENIALS_MAX} entries; remove one first")
        await self._keep(Kept(entries=[*others, entry], subscribed=self.kept.subscribed))

    async def remove(self, what: str, name: bytes) -> bool:
        """Return whether it was on this node's own list."""
        left = [each for each in self.kept.entries if _key(each) != (what, name)]
        was_there = len(left) < len(self.kept.entries)
        await self._keep(Kept(entries=left, subscribed=self.kept.subscribed))
        return was_there

    async def subscribe(self, author: NodeId) -> None:
        subscribed = list(dict.fromkeys([*self.kept.subscribed, bytes(author)]))
        if len(subscribed) > SUBSCRIPTIONS_MAX:
            raise UsageError(f"at most {SUBSCRIPTIONS_MAX} lists are followed; leave one first")
        await self._keep(Kept(entries=self.kept.entries, subscribed=subscribed))

    async def unsubscribe(self, author: NodeId) -> bool:
        left = [each for each in self.kept.subscribed if each != author]
        was_there = len(left) < len(self.kept.subscribed)
        await self._keep(Kept(entries=self.kept.entries, subscribed=left))
        return was_there

    async def publish(self) -> Record:
        """Sign this node's own list, so that others can subscribe to it."""
        head = self._author.head("denylist", clock.now())
        record = self._author.sign(Denylist(**head, entries=tuple(self.kept.entries)))
        await self._announcing.announce(record)
        return record

    async def _keep(self, kept: Kept) -> None:
        await self._library.keep_notes({_NOTE: msgspec.msgpack.encode(kept)})
        self.kept = kept
        await self.apply()

    # What follows.

    def lists(self) -> list[tuple[NodeId, tuple[Denial, ...]]]:
        """Return the lists that hold, this node's own first."""
        found = [(self._author.node, tuple(self.kept.entries))]
        for author in map(NodeId, self.kept.subscribed):
            record = self._library.newest(author, "denylist")
            if record is not None:
                assert isinstance(record.body, Denylist)
                found.append((author, record.body.entries))
        return found

    def learn(self, record: Record) -> None:
        """Hear of a record that is on the disk now."""
        is_list = record.kind == "denylist" and record.author in self.kept.subscribed
        if is_list or record.kind == "proof":
            self._changed.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the lists until cancelled; started once they hold."""
        await self.apply()
        task_status.started()
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            try:
                await self.apply()
            except CommonfabError as error:
                self._journal.warn("denied", f"a deny-list does not hold yet: {error}")
            else:
                self._journal.clear("denied")

    async def apply(self) -> None:
        """Let the lists hold as they are now."""
        found = Denials(self.lists())
        await self._library.deny(found)
        roots = self._roots(found)
        self._blocks.denied = frozenset(roots)
        self._standing.refresh()
        for root in roots:
            if self._blocks.inner.has(root):
                await self._keeping.drop(root)
                await trio.to_thread.run_sync(remove_tree, self._blocks, self._held(roots), root)

    def _roots(self, found: Denials) -> list[CID]:
        """Return the trees that are denied, by themselves or with their design."""
        designs = filter(None, map(self._library.designs.get, found.designs()))
        self._designs = {_root(design): design for design in designs}
        roots = [CID.from_bytes(root).as_v1() for root in found.roots() if _is_cid(root)]
        return list(dict.fromkeys([*roots, *self._designs]))

    def _held(self, denied: Iterable[CID]) -> list[CID]:
        gone = set(denied)
        return [root for root in self._keeping.reasons() if root.as_v1() not in gone]


def remove_tree(blocks: GuardedBlocks, held: list[CID], root: CID) -> None:
    """Delete the blocks that a tree has and no held one; waits for the disk."""
    with blocks.sweep() as delete:
        marks = Marks(blocks.inner)
        for each in held:
            marks.mark(marks.tree(each))
        for cid in marks.tree(root):
            delete(cid)


def _root(design: Record) -> CID:
    assert isinstance(design.body, Design)
    return CID.from_bytes(design.body.root).as_v1()


def _key(entry: Denial) -> tuple[str, bytes]:
    return entry.what, entry.name


def _is_cid(name: bytes) -> bool:
    try:
        CID.from_bytes(name)
    except CommonfabError:
        return False
    return True
