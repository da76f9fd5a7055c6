"""Opens bundles, and any CAR: what a person brings in a file is as good as what a peer sends.

Each block is hashed and each record judged as any other. A batch goes through a worker thread
at a time; the records come last, when their blocks are here. So it can be stopped anywhere, and
doing it again goes on.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from commonfab.protocol import admission, envelope, records
from commonfab.protocol.admission import Accept, Conflict, Ignore, Reject
from commonfab.protocol.errors import CommonfabError, PeerError, ResourceError
from commonfab.protocol.ids import RecordId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Record
from commonfab.storage import car
from commonfab.storage.car_bundle import Blocks, census, find_records, load_record
from commonfab.storage.car_file import opened
from commonfab.storage.car_intake import PREVIEW_BLOCKS_MAX, Intake, Preview, StoreTaker
from commonfab.storage.cid import CID
from commonfab.storage.ports import BlockDamaged, BlockMissing
from commonfab.storage.unixfs import WALK_BLOCKS_MAX

from .. import clock
from ..control.answers import BundledDesign, BundledRoot, OpenedBundle
from ..node import Node

_RECORDS_TOGETHER = 256
_LOOKS_MAX = 1 << 22
"""Blocks that are looked for at most once a file is read: a minute of work. Trees of one file
may share blocks, and each is counted for itself."""

Said = Callable[[Mapping[str, object]], Awaitable[None]]


async def open_bundle(node: Node, path: Path, say: Said, *, dry_run: bool = False) -> OpenedBundle:
    """Take in a bundle, or any other CAR, as far as it is good; `dry_run` only looks.

    What was taken in when this is cut off stays, and the next call goes on from there. Raises
    `UsageError` if it is no file, `PeerError` if it is no CAR, `ResourceError` if there is no
    room here. What is wrong within the file is in the answer.
    """
    with node.blocks.hold(), opened(path) as (file, size):
        try:
            reader = await trio.to_thread.run_sync(car.Reader, file, size)
        except PeerError as error:
            raise PeerError(f"{path}: {error}") from error
        except OSError as error:
            raise ResourceError(f"{path}: {error.strerror}") from error
        preview = Preview(file, node.blocks)
        intake = Intake(reader, preview if dry_run else StoreTaker(node.blocks))
        while await trio.to_thread.run_sync(intake.take):
            await say({"step": "reading", "file": path.name, "bytes": reader.at})
        blocks = preview if dry_run else node.blocks
        return await _Looking(node, blocks, intake, keeps=not dry_run).answer(path)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What came of one record. Without the record it is not believed, and `why` says it."""

    record: Record | None
    why: str = ""
    is_new: bool = False
    is_wrong: bool = False
    """Somebody's fault, not just of no use."""


@dataclass(slots=True)
class _Looking:
    """What is found once all blocks have been read."""

    node: Node
    blocks: Blocks
    intake: Intake
    keeps: bool
    records_count: int = 0
    new_count: int = 0
    ignored: list[str] = field(default_factory=list[str])
    looks_left: int = _LOOKS_MAX

    async def answer(self, path: Path) -> OpenedBundle:
        intake, header = self.intake, self.intake.reader.header
        for why in header.strange:
            self.intake.refuse(f"a root of the file: {why}")
        designs, roots = await self._judge_records(), list(header.roots)
        if designs is not None:
            roots = roots[1:]
        if not self.keeps and intake.blocks > PREVIEW_BLOCKS_MAX:
            intake.refuse("too many blocks to tell before it is opened which designs are whole")
        damage = intake.damage
        return OpenedBundle(
            file=str(path),
            is_whole=damage is None,
            damage=f"byte {damage.at}: {damage.why}" if damage else "",
            is_bundle=designs is not None,
            blocks=intake.blocks,
            size_bytes=intake.size_bytes,
            new_blocks=intake.new_blocks,
            new_bytes=intake.new_bytes,
            records=self.records_count,
            new_records=self.new_count,
            designs=[await self._look_at_design(*each) for each in designs or ()],
            roots=[
                await self._look_at_root(bytes(root), path.name) for root in dict.fromkeys(roots)
            ],
            refused=intake.refused,
            refused_count=intake.refused_count,
            ignored=self.ignored,
            is_dry_run=not self.keeps,
        )

    async def _judge_records(self) -> list[tuple[Record, bool]] | None:
        """Return the designs that may be believed and whether each is new; None: no bundle."""
        cids = await trio.to_thread.run_sync(self._find_records)
        if cids is None:
            return None
        designs: dict[RecordId, tuple[Record, bool]] = {}
        for start in range(0, len(cids), _RECORDS_TOGETHER):
            some = cids[start : start + _RECORDS_TOGETHER]
            sealed = await trio.to_thread.run_sync(self._load_records, some)
            for each in await (_admit if self.keeps else _look_at)(self.node, sealed):
                self._count(each)
                if each.record is not None and isinstance(each.record.body, Design):
                    designs.setdefault(each.record.id, (each.record, each.is_new))
        return list(designs.values())

    def _count(self, judged: _Judged) -> None:
        if judged.record is not None:
            self.records_count += 1
            self.new_count += judged.is_new
        elif judged.is_wrong:
            self.intake.refuse(judged.why)
        else:
            self.ignored.append(judged.why)

    def _find_records(self) -> list[CID] | None:
        roots = self.intake.reader.header.roots
        try:
            return find_records(self.blocks, roots[0]) if roots else None
        except (BlockMissing, BlockDamaged, PeerError) as error:
            if self.intake.damage is None:
                self.intake.refuse(f"the first folder: {error}")
            return None

    def _load_records(self, cids: list[CID]) -> list[bytes]:
        """Return the sealed records; one that is missing is refused alone."""
        sealed: list[bytes] = []
        for cid in cids:
            try:
                sealed.append(load_record(self.blocks, cid))
            except (BlockMissing, BlockDamaged, PeerError) as error:
                self.intake.refuse(f"a record: {error}")
        return sealed

    async def _look_at_design(self, record: Record, is_new: bool) -> BundledDesign:
        body = record.body
        assert isinstance(body, Design)
        found = await self._look_at_root(body.root, body.name)
        return BundledDesign(
            id=record.id.hex(),
            name=body.name,
            version=body.version,
            author=peer_text(record.author),
            author_name=self.node.library.name_of(record.author),
            root=found.root,
            is_new=is_new,
            missing=found.missing,
            why=found.why,
        )

    async def _look_at_root(self, name: bytes, called: str) -> BundledRoot:
        """Return how many blocks of a tree are missing, or why it cannot be read."""
        try:
            root = CID.from_bytes(name)
        except PeerError as error:
            return BundledRoot(root=name.hex(), missing=0, why=str(error))
        if self.looks_left <= 0:
            why = "not looked at: this file has too many trees; see: commonfab designs"
            return BundledRoot(root=str(root), missing=0, why=why)
        try:
            found = await trio.to_thread.run_sync(census, self.blocks, root)
        except PeerError as error:
            self.looks_left -= WALK_BLOCKS_MAX
            return BundledRoot(root=str(root), missing=0, why=str(error))
        self.looks_left -= found.here + found.missing
        keeping = self.node.keeping
        if found.missing == 0 and self.keeps and root.as_v1() not in keeping.pins.wishes():
            # Whoever opens a bundle wants what is in it: it is not collected.
            await keeping.wish(root, called)
        return BundledRoot(root=str(root), missing=found.missing)


async def _admit(node: Node, sealed: list[bytes]) -> list[_Judged]:
    """Have records judged as from any peer, and kept; return what came of each."""
    judged: list[_Judged] = []
    verdicts = await node.driver.admit(sealed)
    for data, verdict in zip(sealed, verdicts, strict=True):
        match verdict:
            case Accept(record):
                judged.append(_Judged(record, is_new=True))
            case Ignore(reason):
                known = _known(node, data)
                judged.append(_Judged(known, f"{_named(data)}: {reason}"))
            case Reject(reason):
                judged.append(_Judged(None, f"{_named(data)}: {reason}", is_wrong=True))
            case Conflict():
                why = f"{_named(data)}: its author signed another one for its place"
                judged.append(_Judged(None, why, is_wrong=True))
    return judged


async def _look_at(node: Node, sealed: list[bytes]) -> list[_Judged]:
    """Check records as far as that goes without keeping them."""
    await trio.lowlevel.checkpoint()
    return [_checked(node, data) for data in sealed]


def _checked(node: Node, data: bytes) -> _Judged:
    known = _known(node, data)
    if known is not None:
        return _Judged(known)
    try:
        parsed = envelope.parse(data)
        parsed.verify()
        record = records.read(parsed)
    except PeerError as error:
        return _Judged(None, f"{_named(data)}: {error}", is_wrong=True)
    broken = admission.broken_rule(record)
    if broken or record.kind not in records.PUBLIC:
        why = broken or "a letter has no place among public records"
        return _Judged(None, f"{_named(data)}: {why}", is_wrong=True)
    if 0 < record.body.until <= clock.now():
        return _Judged(None, f"{_named(data)}: expired")
    return _Judged(record, is_new=True)


def _known(node: Node, data: bytes) -> Record | None:
    """Return the record if it is on this node's disk already."""
    try:
        parsed = envelope.parse(data)
        return records.read(parsed) if node.library.get(parsed.id) is not None else None
    except CommonfabError:
        return None


def _named(data: bytes) -> str:
    try:
        parsed = envelope.parse(data)
    except PeerError:
        return "a record"
    return f"{parsed.kind} {parsed.id.hex()[:8]}"
