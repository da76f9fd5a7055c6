"""Opens bundles, and any CAR: what a person brings in a file is as good as what a peer sends.

Each block is hashed and each record judged as any other. A batch goes through a worker thread
at a time; the records come last, when their blocks are here, and letters after the records that
they speak of. So it can be stopped anywhere, by a power cut too: nothing is half taken, and doing
it again goes on.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import trio

from commonfab.protocol import admission, envelope, records
from commonfab.protocol.admission import Accept, Conflict, Ignore, Reject
from commonfab.protocol.carrying import notes
from commonfab.protocol.carrying.notes import Delivery, Summary
from commonfab.protocol.errors import (
    CommonfabError,
    Malformed,
    PeerError,
    ResourceError,
    UsageError,
)
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Capacity, Design, Record
from commonfab.storage.car import car
from commonfab.storage.car.bundle import Blocks, Contents, census, find_contents, load_record
from commonfab.storage.car.file import HashedFile, opened
from commonfab.storage.car.intake import PREVIEW_BLOCKS_MAX, Intake, Preview, StoreTaker
from commonfab.storage.car.sealed_file import SealedSource
from commonfab.storage.cid import CID
from commonfab.storage.ports import BlockDamaged, BlockMissing
from commonfab.storage.unixfs.unixfs import WALK_BLOCKS_MAX

from .. import clock
from ..answers.node import BundledDesign, BundledRoot, OpenedBundle
from ..designs.carrying import LETTER_KINDS
from ..node import Node
from .label import Label, read_label, write_receipt

_RECORDS_TOGETHER = 256
_LOOKS_MAX = 1 << 22
"""Blocks that are looked for at most once a file is read: a minute of work. Trees of one file
may share blocks, and each is counted for itself."""

Said = Callable[[Mapping[str, object]], Awaitable[None]]


async def open_bundle(node: Node, path: Path, say: Said, *, dry_run: bool = False) -> OpenedBundle:
    """Take in a bundle, or any other CAR, as far as it is good; `dry_run` only looks.

    What was taken in when this is cut off stays, and the next call goes on from there. Raises
    `UsageError` if it is no file or for another node, `PeerError` if it is no CAR,
    `ResourceError` if there is no room here. What is wrong within the file is in the answer.
    """
    with node.blocks.hold(), opened(path) as (plain, size):
        hashed = HashedFile(plain)
        # What these have of a file's methods is all that is used of one here.
        file = cast("BinaryIO", hashed)
        try:
            label = await trio.to_thread.run_sync(read_label, file)
            _check_mine(node, path, label)
            reader, source = await trio.to_thread.run_sync(_reader, node, file, size, label)
        except PeerError as error:
            raise PeerError(f"{path}: {error}") from error
        except OSError as error:
            raise ResourceError(f"{path}: {error.strerror}") from error
        preview = Preview(source, node.blocks)
        intake = Intake(reader, preview if dry_run else StoreTaker(node.blocks))
        while await trio.to_thread.run_sync(intake.take):
            await say({"step": "reading", "file": path.name, "bytes": reader.at})
        blocks = preview if dry_run else node.blocks
        looking = _Looking(node, blocks, intake, say, keeps=not dry_run, is_sealed=label.is_sealed)
        answer = await looking.answer(path)
        if looking.maker is None or dry_run or not answer.is_whole or intake.refused_count:
            return answer
        try:
            sha256 = await trio.to_thread.run_sync(hashed.digest)
            receipt = await trio.to_thread.run_sync(
                write_receipt, path, Delivery(at=clock.now(), file_sha256=sha256, size_bytes=size),
                node.key,
            )  # fmt: skip
        except ResourceError as error:
            return msgspec.structs.replace(answer, receipt_why=str(error))
        except OSError as error:
            return msgspec.structs.replace(answer, receipt_why=f"{path}: {error.strerror}")
        return msgspec.structs.replace(answer, receipt=str(receipt))


def _check_mine(node: Node, path: Path, label: Label) -> None:
    if label.to is not None and label.to != node.me:
        who = node.library.name_of(label.to) or peer_text(label.to)
        raise UsageError(f"{path}: it is for {who}; leave it on its way")


def _reader(node: Node, file: BinaryIO, size: int, label: Label) -> tuple[car.Reader, BinaryIO]:
    """Return what reads the blocks, and the file they are in, unsealed."""
    file.seek(0)
    if not label.is_sealed:
        return car.Reader(file, size), file
    source = SealedSource(file, size, node.key.agree)
    inner = cast("BinaryIO", source)
    return car.Reader(inner, source.content_bytes), inner


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
    say: Said
    keeps: bool
    is_sealed: bool = False
    maker: NodeId | None = None
    """Of a bundle that was made for this node, who signed its summary."""
    records_count: int = 0
    new_count: int = 0
    letters: int = 0
    is_news: bool = False
    ignored: list[str] = field(default_factory=list[str])
    looks_left: int = _LOOKS_MAX

    async def answer(self, path: Path) -> OpenedBundle:
        intake, header = self.intake, self.intake.reader.header
        for why in header.strange:
            self.intake.refuse(f"a root of the file: {why}")
        contents = await trio.to_thread.run_sync(self._find_contents)
        designs = await self._judge_records(contents) if contents else None
        roots = list(header.roots)[1 if contents else 0 :]
        if not self.keeps and intake.blocks > PREVIEW_BLOCKS_MAX:
            intake.refuse("too many blocks to tell before it is opened which designs are whole")
        damage = intake.damage
        return OpenedBundle(
            file=str(path),
            is_whole=damage is None,
            damage=f"byte {damage.at}: {damage.why}" if damage else "",
            is_bundle=contents is not None,
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
            maker=peer_text(self.maker) if self.maker else "",
            maker_name=self.node.library.name_of(self.maker) if self.maker else "",
            is_sealed=self.is_sealed,
            is_news=self.is_news,
            letters=self.letters,
        )

    async def _judge_records(self, contents: Contents) -> list[tuple[Record, bool]]:
        """Return the designs that may be believed and are told of, and whether each is new."""
        designs: dict[RecordId, tuple[Record, bool]] = {}
        letters: list[bytes] = []
        summary: notes.Signed | None = None
        last_words: list[Record] = []
        for start in range(0, len(contents.records), _RECORDS_TOGETHER):
            some = contents.records[start : start + _RECORDS_TOGETHER]
            sealed = await trio.to_thread.run_sync(self._load_records, some)
            if start == 0 and sealed and notes.is_note(sealed[0]):
                summary = self._read_summary(sealed.pop(0))
            is_mine = self.maker is not None
            public = [data for data in sealed if not (is_mine and _is_letter(data))]
            letters += [data for data in sealed if is_mine and _is_letter(data)]
            for each in await self._judge(public, only_public=True):
                self._count(each)
                if each.record is not None and isinstance(each.record.body, Design):
                    designs.setdefault(each.record.id, (each.record, each.is_new))
                if each.record is not None and isinstance(each.record.body, Capacity):
                    last_words.append(each.record)
            done, total = start + len(some), len(contents.records)
            await self.say({"step": "judging", "file": "records", "done": done, "of": total})
        if last_words and self.keeps:
            await self.node.carrying.remember(last_words)
        for each in await self._judge(letters, only_public=False):
            self._count(each)
            self.letters += each.record is not None
        if summary is None:
            return list(designs.values())
        await self._take_summary(summary, contents)
        carried = set(contents.designs)
        return [each for each in designs.values() if _root(each[0]) in carried]

    async def _judge(self, sealed: list[bytes], *, only_public: bool) -> list["_Judged"]:
        if not sealed:
            return []
        return await (_admit if self.keeps else _look_at)(
            self.node, sealed, only_public=only_public
        )

    def _read_summary(self, data: bytes) -> notes.Signed | None:
        """Believe what a bundle's maker says of itself, if it said it, and to this node."""
        try:
            signed = notes.read(data)
        except PeerError as error:
            self.intake.refuse(f"the summary: {error}")
            return None
        if isinstance(signed.note, Summary) and signed.note.to == self.node.me:
            self.maker = signed.author
        return signed

    async def _take_summary(self, signed: notes.Signed, contents: Contents) -> None:
        """Remember what the maker has and wants, for the way back."""
        if self.maker is None or not self.keeps or self.intake.damage is not None:
            return
        try:
            known = b"".join([self.blocks.get(cid) for cid in contents.known])
            names = tuple(bytes(cid) for cid in contents.known)
            assert isinstance(signed.note, Summary)
            if names != signed.note.known:
                raise Malformed("not the blocks that it names")
            self.is_news = await self.node.carrying.note_summary(signed, known)
        except (BlockMissing, BlockDamaged, PeerError) as error:
            self.intake.refuse(f"what its maker has: {error}")

    def _count(self, judged: _Judged) -> None:
        if judged.record is not None:
            self.records_count += 1
            self.new_count += judged.is_new
        elif judged.is_wrong:
            self.intake.refuse(judged.why)
        else:
            self.ignored.append(judged.why)

    def _find_contents(self) -> Contents | None:
        roots = self.intake.reader.header.roots
        try:
            return find_contents(self.blocks, roots[0]) if roots else None
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

    async def _hold(self, root: CID, called: str) -> None:
        """Whoever opens a bundle wants what is in it, so it is not collected. Of one that was
        made for this node, what its owner wishes stays, if its owner wishes anything."""
        keeping, wishing = self.node.keeping, self.node.wishing
        if self.maker is not None and wishing.wishes:
            await keeping.note_use(root)
        elif root.as_v1() not in keeping.pins.wishes():
            await keeping.wish(root, called)

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
        why = self.node.shelf.why_not(root)
        if why:
            return BundledRoot(root=str(root), missing=found.missing, why=why)
        if found.missing == 0 and self.keeps:
            await self._hold(root, called)
        return BundledRoot(root=str(root), missing=found.missing)


async def _admit(node: Node, sealed: list[bytes], *, only_public: bool) -> list[_Judged]:
    """Have records judged as from any peer, and kept; return what came of each."""
    judged: list[_Judged] = []
    verdicts = await node.driver.admit(sealed, only_public=only_public)
    for data, verdict in zip(sealed, verdicts, strict=True):
        match verdict:
            case Accept(record):
                judged.append(_Judged(record, is_new=True))
            case Ignore(reason):
                late = node.peer.admission.judge_late(data, clock.now())
                known = late or _known(node, data)
                judged.append(_Judged(known, f"{_named(data)}: {reason}", late is not None))
            case Reject(reason):
                judged.append(_Judged(None, f"{_named(data)}: {reason}", is_wrong=True))
            case Conflict():
                why = f"{_named(data)}: its author signed another one for its place"
                judged.append(_Judged(None, why, is_wrong=True))
    return judged


async def _look_at(node: Node, sealed: list[bytes], *, only_public: bool) -> list[_Judged]:
    """Check records as far as that goes without keeping them."""
    await trio.lowlevel.checkpoint()
    return [_checked(node, data, only_public=only_public) for data in sealed]


def _checked(node: Node, data: bytes, *, only_public: bool) -> _Judged:
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
    if broken or (only_public and record.kind not in records.PUBLIC):
        why = broken or "a letter has no place among public records"
        return _Judged(None, f"{_named(data)}: {why}", is_wrong=True)
    now = clock.now()
    if 0 < record.body.until <= now and node.peer.admission.judge_late(data, now) is None:
        return _Judged(None, f"{_named(data)}: expired")
    return _Judged(record, is_new=True)


def _known(node: Node, data: bytes) -> Record | None:
    """Return the record if it is on this node's disk already."""
    try:
        parsed = envelope.parse(data)
        return records.read(parsed) if node.library.get(parsed.id) is not None else None
    except CommonfabError:
        return None


def _is_letter(data: bytes) -> bool:
    try:
        return envelope.parse(data).kind in LETTER_KINDS
    except PeerError:
        return False


def _named(data: bytes) -> str:
    try:
        parsed = envelope.parse(data)
    except PeerError:
        return "a record"
    return f"{parsed.kind} {parsed.id.hex()[:8]}"


def _root(record: Record) -> CID:
    assert isinstance(record.body, Design)
    return CID.from_bytes(record.body.root)
