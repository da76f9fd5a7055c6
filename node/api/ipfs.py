"""What the command line can ask about Kubo and pinning services."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import trio
from msgspec import Struct

from commonfab.protocol.errors import Malformed, ResourceError, UsageError
from commonfab.protocol.records import Design
from commonfab.storage.cid import CID, DAG_PB
from commonfab.storage.kubo.blocks import KuboBlockStore, NotForKubo
from commonfab.storage.kubo.fallback import BlocksWithKubo
from commonfab.storage.kubo.move import Moved, move
from commonfab.storage.kubo.rpc import KuboAway, KuboRefused
from commonfab.storage.ports import BlockDamaged, BlockMissing, BlockStore
from commonfab.storage.unixfs import unixfs

from ..answers.ipfs import (
    Exported,
    Imported,
    IpfsStatus,
    KuboCollected,
    KuboLine,
    Migrated,
    RemotePin,
    RemoteUnpinned,
    StoreLine,
)
from ..control.server import Progress
from ..ipfs.pinning_service import PinningService, PinStatus
from ..ipfs.store import look
from ..node import Node

_PROGRESS_S = 0.2

T = TypeVar("T")
Tell = Callable[[str, int, int], None]


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class Import(Struct, forbid_unknown_fields=True):
    cid: str
    label: str = ""
    """What to call it among the pins."""


class Export(Struct, forbid_unknown_fields=True):
    what: str
    out: str = ""
    """A new folder; without one, Kubo."""


class Migrate(Struct, forbid_unknown_fields=True):
    to: Literal["kubo", "embedded"]
    delete: bool = False


class Remote(Struct, forbid_unknown_fields=True):
    what: str = ""
    service: str = ""
    """May be left out where only one is configured."""


class IpfsApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = node.store

    async def status(self, _params: Nothing, _progress: Progress) -> IpfsStatus:
        store, node = self._store, self._node
        disk = store.disk if isinstance(store, BlocksWithKubo) else store
        place = str(node.home.blocks)
        stores = [await _in_thread(partial(_line, "embedded", place, disk))]
        kubo, trouble, takes = None, "", "embedded"
        if isinstance(store, BlocksWithKubo):
            await look(store, node.journal)
            trouble, takes = store.trouble, "kubo" if store.takes else "embedded"
            if store.is_there:
                try:
                    address = store.kubo.rpc.address
                    line = partial(_line, "kubo", address, store.kubo)
                    stores.append(await _in_thread(line))
                    kubo = KuboLine(**asdict(await _in_thread(store.kubo.facts)))
                except (KuboAway, KuboRefused) as error:
                    trouble = str(error)
        services = [service.name for service in node.settings.ipfs.pinning]
        return IpfsStatus(
            stores=stores, kubo=kubo, trouble=trouble, takes_new=takes, services=services
        )

    async def import_(self, params: Import, progress: Progress) -> Imported:
        """Have a tree here, from Kubo or its peers or from ours, and keep it."""
        node, store = self._node, self._store
        root = _cid(params.cid)
        with node.blocks.hold():
            if isinstance(store, BlocksWithKubo) and store.is_there:
                copy = partial(_copy_tree, store.kubo, node.blocks, root)
                await _told(progress, "importing", copy)
            await node.shelf.fetch(root, node.holders_of(root))
            await node.keeping.wish(root, params.label or params.cid)
            blocks, size = await _in_thread(partial(_count, node.blocks, root))
        return Imported(root=str(root), blocks=blocks, size_bytes=size)

    async def export(self, params: Export, progress: Progress) -> Exported:
        """Write a tree into a new folder, or give it to Kubo under one pin."""
        node = self._node
        root, _ = await self._root(params.what)
        await node.shelf.fetch(root, node.holders_of(root))
        if params.out:
            files, size = await node.shelf.export(root, Path(params.out))
            return Exported(root=str(root), to=params.out, files=files, blocks=0, size_bytes=size)
        kubo = (await self._kubo()).kubo
        with node.blocks.hold():
            give = partial(_give_tree, node.blocks, kubo, root)
            blocks, size = await _told(progress, "exporting", give)
        return Exported(root=str(root), to="kubo", files=0, blocks=blocks, size_bytes=size)

    async def migrate(self, params: Migrate, progress: Progress) -> Migrated:
        """Have all blocks in the other store; delete them where they were only if asked to."""
        store = await self._kubo()
        source, target = store.disk, store.kubo
        if params.to == "embedded":
            source, target = target, source
        moving = partial(_move, source, target, params.delete)
        with self._node.blocks.hold():
            moved = await _told(progress, "moving", moving)
        return Migrated(
            to=params.to,
            blocks=moved.blocks,
            copied=moved.copied,
            verified=moved.verified,
            size_bytes=moved.size_bytes,
            deleted=moved.deleted,
            left=[str(cid) for cid in moved.left],
        )

    async def collect(self, _params: Nothing, _progress: Progress) -> KuboCollected:
        """Run Kubo's own collection."""
        kubo = (await self._kubo()).kubo
        return KuboCollected(blocks=await _in_thread(kubo.collect))

    async def pin(self, params: Remote, _progress: Progress) -> RemotePin:
        """Ask a service for a copy, and tell it where this node can be reached."""
        root, name = await self._root(params.what)
        service = self._service(params.service)
        addresses = self._node.transport.addresses()
        return _remote(service, await service.pin(root, name, addresses))

    async def unpin(self, params: Remote, _progress: Progress) -> RemoteUnpinned:
        root, _ = await self._root(params.what)
        service = self._service(params.service)
        requests = await service.unpin(root)
        return RemoteUnpinned(service=service.name, root=str(root), requests=requests)

    async def pins(self, params: Remote, _progress: Progress) -> list[RemotePin]:
        service = self._service(params.service)
        _, found = await service.pins()
        return [_remote(service, each) for each in found]

    async def _kubo(self) -> BlocksWithKubo:
        """Return the store with Kubo, or raise why there is none."""
        store = self._store
        if not isinstance(store, BlocksWithKubo):
            raise UsageError(
                'no Kubo is configured; say kubo = "/ip4/127.0.0.1/tcp/5001" in [ipfs] of '
                f"{self._node.home.config}, and start the node again"
            )
        await look(store, self._node.journal)
        if not store.is_there:
            raise ResourceError(store.trouble)
        return store

    async def _root(self, what: str) -> tuple[CID, str]:
        """Return the root of a design or a CID, and what to call it."""
        try:
            return CID.parse(what), what
        except Malformed:
            design = (await self._node.library.designs.find(what)).body
        assert isinstance(design, Design)
        return CID.from_bytes(design.root), design.name

    def _service(self, name: str) -> PinningService:
        known = self._node.settings.ipfs.pinning
        found = [each for each in known if not name or each.name == name]
        if len(found) != 1:
            names = ", ".join(each.name for each in known) or "none"
            raise UsageError(
                f"{name or 'which pinning service'}: say one of those in [ipfs] ({names})"
            )
        (one,) = found
        return PinningService(one.name, one.endpoint, Path(one.token_file).expanduser())


def _line(name: str, place: str, store: BlockStore) -> StoreLine:
    blocks = sum(1 for _ in store.cids())
    return StoreLine(name=name, place=place, blocks=blocks, size_bytes=store.size())


def _remote(service: PinningService, found: PinStatus) -> RemotePin:
    return RemotePin(
        service=service.name,
        root=found.pin.cid,
        name=found.pin.name or "",
        status=found.status,
        created=found.created,
    )


def _cid(text: str) -> CID:
    try:
        return CID.parse(text)
    except Malformed as error:
        raise UsageError(str(error)) from error


def _copy_tree(kubo: KuboBlockStore, blocks: BlockStore, root: CID, tell: Tell) -> None:
    """Copy what Kubo has of a tree, or gets; stop at the first block that it does not get."""
    waiting = deque(unixfs.blocks_of(root))
    seen = set(waiting)
    done = 0
    while waiting and len(seen) <= unixfs.WALK_BLOCKS_MAX:
        cid = waiting.popleft()
        try:
            data = _have(kubo, blocks, cid)
        except (BlockMissing, BlockDamaged):
            return
        done += 1
        tell("importing", done, len(seen))
        below = [each for each in unixfs.links(cid, data) if each not in seen]
        seen.update(below)
        waiting.extend(dict.fromkeys(below))


def _have(kubo: KuboBlockStore, blocks: BlockStore, cid: CID) -> bytes:
    if blocks.has(cid):
        return blocks.get(cid) if cid.codec == DAG_PB else b""
    data = kubo.fetch(cid)
    blocks.put(cid, data)
    return data


def _give_tree(blocks: BlockStore, kubo: KuboBlockStore, root: CID, tell: Tell) -> tuple[int, int]:
    """Have Kubo keep a tree under one pin; return its blocks and their bytes."""
    count = size = 0
    for cid, _ in unixfs.walk(blocks, root):
        data = blocks.get(cid)
        with suppress(NotForKubo):  # Its owner has pinned it himself.
            kubo.put(cid, data)
        count, size = count + 1, size + len(data)
        tell("exporting", count, 0)
    kubo.pin_tree(root)
    return count, size


def _count(blocks: BlockStore, root: CID) -> tuple[int, int]:
    sizes = [len(blocks.get(cid)) for cid, _ in unixfs.walk(blocks, root)]
    return len(sizes), sum(sizes)


def _move(source: BlockStore, target: BlockStore, delete: bool, tell: Tell) -> Moved:
    return move(source, target, delete=delete, progress=tell)


async def _in_thread(task: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(task)


async def _told(progress: Progress, step: str, task: Callable[[Tell], T]) -> T:
    """Run a task in a thread, and tell now and then how far it is."""
    now = {"step": step, "file": "blocks", "done": 0, "of": 0}

    def note(step: str, done: int, of: int) -> None:
        now.update(step=step, done=done, of=of)

    async def tell() -> None:
        while True:
            await trio.sleep(_PROGRESS_S)
            await progress(dict(now))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        result = await _in_thread(partial(task, note))
        nursery.cancel_scope.cancel()
    return result
