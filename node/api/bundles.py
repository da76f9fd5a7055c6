"""What the command line can ask about files that are carried: make, open, receipts."""

from pathlib import Path
from typing import Annotated

import trio
from msgspec import Meta, Struct

from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import parse_peer, peer_text
from commonfab.protocol.records import Record
from commonfab.storage.catalogue.query import fold
from commonfab.storage.disk import reporting

from ..answers.bundles import OpenedFolder, PassedOver, ReceiptLine
from ..answers.node import Bundled, OpenedBundle
from ..bundles import for_peer, making, opening
from ..bundles.for_peer import OPEN_SUFFIX, SEALED_SUFFIX, Asked
from ..bundles.label import RECEIPT_SUFFIX, read_label, read_receipt
from ..control.server import Progress
from ..node import Node

FILES_MAX = 1000
"""Files of one folder that are looked at."""
_ID_END_MIN = 4


class Make(Struct, forbid_unknown_fields=True):
    designs: list[str]
    out: str
    dry_run: bool = False


class MakeFor(Struct, forbid_unknown_fields=True):
    to: str
    out: str
    budget_bytes: Annotated[int, Meta(ge=1)]
    designs: list[str] = []
    seal: bool = False
    dry_run: bool = False


class Open(Struct, forbid_unknown_fields=True):
    path: str
    dry_run: bool = False


class BundlesApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def make(self, params: Make, progress: Progress) -> Bundled:
        designs = await self._find(params.designs)
        path = Path(params.out)
        return await making.make(self._node, designs, path, progress, dry_run=params.dry_run)

    async def make_for(self, params: MakeFor, progress: Progress) -> Bundled:
        asked = Asked(
            to=find_peer(self._node, params.to),
            place=Path(params.out),
            budget_bytes=params.budget_bytes,
            seals=params.seal,
            designs=await self._find(params.designs),
            dry_run=params.dry_run,
        )
        return await for_peer.make_for(self._node, asked, progress)

    async def _find(self, names: list[str]) -> list[Record]:
        found = [await self._node.library.designs.find(which) for which in names]
        for record in found:
            self._node.denying.check(record)
        return found

    async def open(self, params: Open, progress: Progress) -> OpenedBundle:
        path = Path(params.path)
        if path.suffix == RECEIPT_SUFFIX:
            raise UsageError(
                f"{path}: a receipt, and no bundle; commonfab bundle open {path.parent} tells what"
                " it says"
            )
        return await opening.open_bundle(self._node, path, progress, dry_run=params.dry_run)

    async def open_folder(self, params: Open, progress: Progress) -> OpenedFolder:
        """Open all files of a folder that are for this node or for everybody."""
        folder = Path(params.path)
        files = await trio.to_thread.run_sync(_files, folder)
        opened: list[OpenedBundle] = []
        passed_over: list[PassedOver] = []
        for path in files:
            if path.suffix == RECEIPT_SUFFIX:
                continue
            try:
                why = await trio.to_thread.run_sync(self._why_not, path)
                if not why:
                    found = await opening.open_bundle(
                        self._node, path, progress, dry_run=params.dry_run
                    )
                    opened.append(found)
            except (PeerError, UsageError) as error:
                why = str(error)
            if why:
                passed_over.append(PassedOver(file=str(path), why=why))
        # Who signed one may be known only by what was opened.
        receipts = [
            line for path in files if path.suffix == RECEIPT_SUFFIX for line in self._receipt(path)
        ]
        return OpenedFolder(
            folder=str(folder), opened=opened, passed_over=passed_over, receipts=receipts
        )

    def _why_not(self, path: Path) -> str:
        """Return why a file is not to be opened now, or nothing. Call it in a thread."""
        with reporting(str(path)), path.open("rb") as file:
            label = read_label(file)
            size = path.stat().st_size
        if label.to is not None and label.to != self._node.me:
            name = self._node.library.name_of(label.to) or peer_text(label.to)
            return f"it is for {name}"
        beside = path.with_name(path.name + RECEIPT_SUFFIX)
        try:
            receipt = read_receipt(beside)
        except (PeerError, ResourceError):
            return ""
        is_same = receipt.delivery.size_bytes == size
        return "it was opened here before" if is_same and receipt.receiver == self._node.me else ""

    def _receipt(self, path: Path) -> list[ReceiptLine]:
        """Return what another node's receipt says; nothing for one that is not believed."""
        try:
            receipt = read_receipt(path)
        except (PeerError, ResourceError):
            return []
        if receipt.receiver == self._node.me:
            return []
        line = ReceiptLine(
            file=str(path),
            receiver=peer_text(receipt.receiver),
            receiver_name=self._node.library.name_of(receipt.receiver),
            at=receipt.delivery.at,
            size_bytes=receipt.delivery.size_bytes,
            sha256=receipt.delivery.file_sha256.hex(),
        )
        return [line]


def find_peer(node: Node, which: str) -> NodeId:
    """Return the node with this name, peer id, or end of a peer id. `UsageError` if unclear."""
    known = [each for each in node.library.authors() if each != node.me]
    named = [each for each in known if fold(node.library.name_of(each)) == fold(which)]
    ending = which.removeprefix("…")
    if not named and len(ending) >= _ID_END_MIN:
        named = [each for each in known if peer_text(each).endswith(ending)]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(f"{which}: {len(named)} nodes are called so; give the peer id")
    if fold(which) == fold(node.library.name_of(node.me)):
        raise UsageError(f"{which} is this node itself; name another")
    try:
        return parse_peer(which)
    except UsageError as error:
        raise UsageError(
            f"{which}: no node of this name is known here; give its peer id, as its"
            " commonfab status shows it"
        ) from error


def _files(folder: Path) -> list[Path]:
    suffixes = {OPEN_SUFFIX, SEALED_SUFFIX, RECEIPT_SUFFIX}
    with reporting(str(folder)):
        found = sorted(path for path in folder.iterdir() if path.suffix in suffixes)
    if len(found) > FILES_MAX:
        raise UsageError(f"{folder}: {len(found)} files; at most {FILES_MAX} are opened at once")
    return [path for path in found if path.is_file()]
