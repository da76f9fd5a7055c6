"""Nodes that no network joins, a stick between them, and what is done with it."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio

from commonfab.node.answers.node import Bundled, OpenedBundle
from commonfab.node.bundles import for_peer, opening
from commonfab.node.bundles.for_peer import Asked
from commonfab.node.control.server import Progress
from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Design, Record
from commonfab.storage.cid import CID
from tests.builders import body_of
from tests.node.village import MANIFEST, a_home, living, write_block
from tests.storage.content import content

MB = 1_000_000
ROOMY = 100 * MB


async def say(_said: object) -> None:
    await trio.lowlevel.checkpoint()


async def publish(node: Node, folder: Path, name: str, *, tags: str = "", size: int = MB) -> Record:
    text = MANIFEST.replace('"Block"', f'"{name}"')
    text = text.replace("\n[[part]]", f'\ntags = "{tags}"\n\n[[part]]', 1)
    write_block(folder, side_mm=20.0, manifest=text)
    (folder / "drawing.bin").write_bytes(content(name, size))
    return (await publishing.publish(node, folder, say)).record


async def make(node: Node, to: NodeId, place: Path, **asked: Any) -> Bundled:
    fields: dict[str, Any] = {"budget_bytes": ROOMY} | asked
    return await for_peer.make_for(node, Asked(to=to, place=place, **fields), say)


async def open_(node: Node, path: str | Path, *, dry_run: bool = False) -> OpenedBundle:
    return await opening.open_bundle(node, Path(path), say, dry_run=dry_run)


def file_of(made: Bundled) -> Path:
    return Path(made.file)


def root_of(record: Record) -> CID:
    return CID.from_bytes(body_of(record, Design).root)


class Town:
    """Nodes that no network joins, and a stick."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self.folder = folder
        self.stick = folder / "stick"
        self.stick.mkdir()

    async def node(self, name: str, *machines: Any) -> Node:
        home = a_home(self.folder, name, *machines)
        return await self._stack.enter_async_context(living(home, MemoryNetwork()))

    async def carry(self, maker: Node, to: Node, **asked: Any) -> OpenedBundle:
        made = await make(maker, to.me, self.stick, **asked)
        return await open_(to, made.file)


async def has(node: Node, record: Record) -> bool:
    return record.id in node.library.designs and await node.shelf.look(root_of(record))


SAY: Progress = say
