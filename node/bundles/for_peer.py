"""A bundle for a certain node: what it lacks, as far as is known, the most wished first.

In it are a summary of what this node has and wants (so that the way back can answer), letters
to that node, public records that it lacks, and designs' files as far as the budget goes, whole
designs only. It may be sealed, so that whoever carries it learns nothing but for whom it is.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import trio
from msgspec import structs

from commonfab.protocol.carrying import known, notes, sealing
from commonfab.protocol.carrying.known import KNOWN_ITEMS_MAX, SALT_BYTES
from commonfab.protocol.carrying.notes import KNOWN_BLOCKS_MAX, Summary
from commonfab.protocol.carrying.wishes import Wanted, Wish, choose, fits, wanted_of
from commonfab.protocol.errors import Malformed, ResourceError, UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import PUBLIC, Design, Record, Request
from commonfab.storage.car import car
from commonfab.storage.car.bundle import (
    DESIGNS_MAX,
    RECORDS_MAX,
    Blocks,
    Layout,
    NamedTree,
    SealedRecord,
    lay_out,
    tree,
)
from commonfab.storage.car.file import NoRoom, PartFile, check_free
from commonfab.storage.car.sealed_file import SealedSink, Sink
from commonfab.storage.cid import CID, RAW
from commonfab.storage.ports import BlockDamaged, BlockMissing

from .. import clock
from ..answers.node import Bundled, LeftOut
from ..designs.carrying import PeerState
from ..node import Node
from .making import BLOCKS_MAX, Counter, write

OPEN_SUFFIX, SEALED_SUFFIX = ".car", ".sealed"
_LINK_BYTES_MAX = 160
"""What a design or a record adds to the folders, at most."""
_FOLDERS_BYTES_MAX = 1024
"""Of the header and the folders with nothing in them."""
_LEFT_OUT_SHOWN_MAX = 100
_STEP = 50
"""Records that are looked at before others have their turn."""
_NO_ROOM = "over the budget of this bundle"
_KINDS_FIRST = ("revocation", "proof", "denylist", "workshop", "capacity")
_KINDS_LAST = ("replica", "design")

Said = Callable[[Mapping[str, object]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asked for."""

    to: NodeId
    place: Path
    """A folder, or a file that is not there yet."""
    budget_bytes: int
    seals: bool = False
    designs: Sequence[Record] = ()
    """To go in before all others."""
    dry_run: bool = False


async def make_for(node: Node, asked: Asked, say: Said) -> Bundled:
    """Write what a node lacks into a new file, whole or not at all; `dry_run` only counts.

    Where it lacks nothing, and this node has no wishes to tell it of, nothing is written.
    Raises `UsageError` if the place is taken or the budget is too small for anything,
    `ResourceError` if the disk refuses: nothing is left of it then.
    """
    if asked.to == node.me:
        raise UsageError("that is this node; name the one that the file is for")
    path = _path(asked)
    check_free(path)
    await say({"step": "looking at what is here"})
    with node.blocks.hold():
        plan = _Plan(node, asked)
        await plan.fill(say)
        if plan.is_empty and not node.wishing.wishes:
            return _told(node, asked, plan)
        return await _write(node, asked, plan, path, say)


async def _write(node: Node, asked: Asked, plan: "_Plan", path: Path, say: Said) -> Bundled:
    layout = await trio.to_thread.run_sync(plan.lay_out)
    content_bytes = plan.content_bytes(layout)
    sink: Sink = Counter() if asked.dry_run else await trio.to_thread.run_sync(PartFile, path)
    file = sink
    try:
        if asked.seals:
            sink = SealedSink(file, asked.to, secrets.token_bytes(32), content_bytes)
        await write(node.blocks, layout, plan.cids, sink, path.name, say)
    except NoRoom as error:
        size = sealing.sealed_length(content_bytes) if asked.seals else content_bytes
        raise ResourceError(
            f"{path.parent}: no room for {size} bytes; make some (what ends in .part is left"
            " over), or give a smaller --budget; a stick with FAT takes no file of 4 GiB"
        ) from error
    finally:
        # Another time it would be another bundle: there is nothing to go on with.
        if not asked.dry_run:
            with suppress(OSError):
                path.with_name(f"{path.name}.part").unlink(missing_ok=True)
    assert file.size_bytes <= asked.budget_bytes
    return structs.replace(
        _told(node, asked, plan),
        file=str(path),
        root=str(layout.root),
        blocks=len(layout.blocks) + len(plan.cids),
        size_bytes=file.size_bytes,
    )


def _told(node: Node, asked: Asked, plan: "_Plan") -> Bundled:
    """Return what is told of a plan before there is a file."""
    return Bundled(
        file="",
        root="",
        designs=len(plan.trees),
        records=len(plan.records),
        letters=len(plan.letters),
        blocks=0,
        size_bytes=0,
        is_dry_run=asked.dry_run,
        to=peer_text(asked.to),
        to_name=node.library.name_of(asked.to),
        is_sealed=asked.seals,
        left_out=plan.left_out[:_LEFT_OUT_SHOWN_MAX],
        left_out_count=len(plan.left_out),
        left_out_records=plan.left_out_records,
    )


def _path(asked: Asked) -> Path:
    """Return the file to be written; in a folder, one with a name that no other has."""
    if not asked.place.is_dir():
        return asked.place
    stamp = datetime.fromtimestamp(clock.now() / 1000, UTC)
    suffix = SEALED_SUFFIX if asked.seals else OPEN_SUFFIX
    name = f"commonfab-for-{peer_text(asked.to)[-8:]}-{stamp:%Y%m%d}-{secrets.token_hex(4)}"
    return asked.place / f"{name}{suffix}"


@dataclass(slots=True)
class _Plan:
    """What goes in, and how much room is left."""

    node: Node
    asked: Asked
    letters: list[Record] = field(default_factory=list[Record])
    records: list[Record] = field(default_factory=list[Record])
    trees: list[Record] = field(default_factory=list[Record])
    cids: list[CID] = field(default_factory=list[CID])
    """The blocks of the trees, in the order of these."""
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    left_out_records: int = 0
    room_bytes: int = 0
    _trees_bytes: int = 0
    _spare_bytes: int = 0
    """What records may not use up."""
    _summary: Summary | None = None
    _known: list[bytes] = field(default_factory=list[bytes])
    _seen: set[CID] = field(default_factory=set[CID])
    _taken: set[RecordId] = field(default_factory=set[RecordId])

    @property
    def is_empty(self) -> bool:
        """Whether the other lacks nothing that is here."""
        has_left_out = self.left_out or self.left_out_records
        return not (self.letters or self.records or self.trees or has_left_out)

    async def fill(self, say: Said) -> None:
        asked, carrying = self.asked, self.node.carrying
        budget = asked.budget_bytes
        self.room_bytes = sealing.room_for_content(budget) if asked.seals else budget
        state = carrying.state_of(asked.to)
        await self._tell_own()
        for letter in carrying.letters_to(asked.to, state.known):
            self._take(letter, self.letters)
        urgent = {each.id: each for each in (*asked.designs, *self._asked_in_letters())}
        wanted = await self._wanted(state, urgent)
        ordered = [*urgent.values(), *wanted]
        await self._take_records(state, ordered)
        for done, record in enumerate(ordered, 1):
            name = _design(record).name
            await say({"step": "looking", "file": name, "done": done, "of": len(ordered)})
            await trio.to_thread.run_sync(self._take_tree, record)

    async def _tell_own(self) -> None:
        """Take this node's summary in, which must have room."""
        node = self.node
        items: set[bytes] = set(node.carrying.ids_here())
        roots = await node.wishing.whole_roots()
        items.update(bytes(root) for root in roots)
        salt = secrets.token_bytes(SALT_BYTES)
        few = sorted(items)[:KNOWN_ITEMS_MAX]
        count, data = await trio.to_thread.run_sync(known.encode, few, salt)
        size = BLOCK_BYTES_MAX // 2
        self._known = [data[at : at + size] for at in range(0, len(data), size)]
        assert len(self._known) <= KNOWN_BLOCKS_MAX
        blocks = tuple(bytes(CID.of(each, codec=RAW)) for each in self._known)
        self._summary = Summary(
            at=clock.now(),
            to=self.asked.to,
            wishes=await node.wishing.with_rooms(),
            salt=salt,
            count=count,
            known=blocks,
        )
        note = notes.sign(self._summary, node.key)
        self.room_bytes -= len(data) + len(note) + _FOLDERS_BYTES_MAX
        self.room_bytes -= (len(self._known) + 1) * _LINK_BYTES_MAX
        if self.room_bytes < 0:
            least = self.asked.budget_bytes - self.room_bytes
            raise UsageError(
                f"a budget of {self.asked.budget_bytes} bytes is too small for any bundle; give at"
                f" least {least} bytes"
            )

    def _take(self, record: Record, among: list[Record]) -> bool:
        """Put a record in, and return whether it had room."""
        cost = len(record.data) + _LINK_BYTES_MAX
        if record.id in self._taken:
            return True
        if cost > self.room_bytes - self._spare_bytes or self._is_full():
            self.left_out_records += 1
            return False
        self.room_bytes -= cost
        self._taken.add(record.id)
        among.append(record)
        return True

    def _is_full(self) -> bool:
        """Return whether there can be no more records, whatever their size."""
        room_bytes = self.room_bytes - self._spare_bytes
        return len(self._taken) >= RECORDS_MAX - 1 or room_bytes < _LINK_BYTES_MAX

    def _asked_in_letters(self) -> list[Record]:
        """Return the designs that the letters' reader cannot do without."""
        requests = (letter.body for letter in self.letters if isinstance(letter.body, Request))
        found = (self.node.library.designs.get(RecordId(each.design)) for each in requests)
        return [record for record in found if record is not None]

    async def _take_records(self, state: PeerState, first: Sequence[Record]) -> None:
        """Take the public records that the other lacks: those that protect others before those
        that can be done without, of the designs the most wished first, then the newest. The
        latter leave half of the room to files, if any are wanted."""
        library, carrying = self.node.library, self.node.carrying
        public, now = set(library.ids()), clock.now()
        for kind in sorted(PUBLIC, key=_kind_rank):
            if kind in _KINDS_LAST and first and not self._spare_bytes:
                self._spare_bytes = self.room_bytes // 2
            if kind == "capacity":
                for word in carrying.last_words():
                    if word.id not in state.known:
                        self._take(word, self.records)
            newest = reversed(library.stored_ids([kind]))
            wished = [record.id for record in first] if kind == "design" else []
            for number, each in enumerate(dict.fromkeys([*wished, *newest])):
                if number % _STEP == 0:
                    await trio.lowlevel.checkpoint()
                if each not in public or each in state.known or carrying.has_by_sync(state, each):
                    continue
                if self._is_full():
                    self.left_out_records += 1
                    continue
                record = library.record(each)
                if record is not None and not 0 < record.body.until <= now:
                    self._take(record, self.records)
        self._spare_bytes = 0

    async def _wanted(self, state: PeerState, urgent: Mapping[RecordId, Record]) -> list[Record]:
        """Return the other designs whose files are here and not there, the most wished first."""
        node = self.node
        wishes = state.wishes or (Wish(),)
        whole = await node.wishing.whole_roots()
        places = {author: shop.place for author, shop in node.library.workshops.items()}
        wanted: list[tuple[int, Wanted]] = []
        found: dict[RecordId, Record] = {}
        for number, record in enumerate(node.library.stored(["design"])):
            if number % _STEP == 0:
                await trio.lowlevel.checkpoint()
            root = _root(record)
            if root not in whole or bytes(root) in state.known or record.id in urgent:
                continue
            if node.shelf.why_not(root):
                continue
            each = wanted_of(record, is_here=False, copies=node.wishing.copies(root))
            place = places.get(record.author)
            pairs = [(i, each) for i, wish in enumerate(wishes) if fits(wish, record, place)]
            if pairs:
                found[record.id] = record
                wanted += pairs
        # How much really goes in shows when it is measured.
        choices = await trio.to_thread.run_sync(choose, wishes, wanted, 1 << 62)
        for choice in choices:
            if not choice.is_kept:
                self._leave_out(found[choice.wanted.id], choice.why)
        return [found[choice.wanted.id] for choice in choices if choice.is_kept]

    def _take_tree(self, record: Record) -> None:
        """Put a design's files in if all of them are here and have room. Call it in a thread."""
        seen = set(self._seen)
        cids: list[CID] = []
        if _design(record).size_bytes > self.room_bytes:
            self._leave_out(record, _NO_ROOM)
            return
        cost = 0
        try:
            for cid, is_here in tree(self.node.blocks, _root(record), seen):
                if not is_here:
                    raise BlockMissing(cid)
                cost += len(car.encode_section(cid, self.node.blocks.get(cid)))
                cids.append(cid)
                if cost + _LINK_BYTES_MAX > self.room_bytes:
                    self._leave_out(record, _NO_ROOM)
                    return
        except (BlockMissing, BlockDamaged, Malformed) as error:
            self._leave_out(record, str(error))
            return
        if len(self.cids) + len(cids) > BLOCKS_MAX or len(self.trees) == DESIGNS_MAX:
            self._leave_out(record, "more than one bundle takes; make another one after it")
            return
        if not self._take(record, self.records):
            self._leave_out(record, _NO_ROOM)
            return
        self.room_bytes -= cost + _LINK_BYTES_MAX
        self._trees_bytes += cost
        self._seen = seen
        self.cids += cids
        self.trees.append(record)

    def _leave_out(self, record: Record, why: str) -> None:
        design = _design(record)
        self.left_out.append(
            LeftOut(id=record.id.hex(), name=design.name, size_bytes=design.size_bytes, why=why)
        )

    def lay_out(self) -> Layout:
        """Return what comes before the files: the summary, public records, letters."""
        assert self._summary is not None
        self.records.sort(key=lambda each: (_kind_rank(each.kind), each.body.at, each.id))
        left_out = len(self.left_out) + self.left_out_records
        note = notes.sign(structs.replace(self._summary, left_out=left_out), self.node.key)
        sealed = [SealedRecord(each.kind, each.data) for each in (*self.records, *self.letters)]
        trees = [NamedTree(_design(each).name, each.id, _root(each)) for each in self.trees]
        blocks: Blocks = self.node.blocks
        return lay_out([SealedRecord("summary", note), *sealed], trees, blocks, self._known)

    def content_bytes(self, layout: Layout) -> int:
        """Return the bytes of the file before it is sealed."""
        before = len(car.encode_header([layout.root]))
        before += sum(len(car.encode_section(cid, data)) for cid, data in layout.blocks)
        return before + self._trees_bytes


def _kind_rank(kind: str) -> tuple[int, str]:
    """What protects others comes first; what is not known here is between the rest."""
    if kind in _KINDS_FIRST:
        return _KINDS_FIRST.index(kind), kind
    if kind in _KINDS_LAST:
        return 100 + _KINDS_LAST.index(kind), kind
    return len(_KINDS_FIRST), kind


def _design(record: Record) -> Design:
    assert isinstance(record.body, Design)
    return record.body


def _root(record: Record) -> CID:
    return CID.from_bytes(_design(record).root).as_v1()
