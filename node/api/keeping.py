"""What the command line can ask about keeping: pins, collections, the scrub, copies."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Annotated

import trio
from msgspec import Meta, Struct

from commonfab.protocol import replicas
from commonfab.protocol.errors import Malformed, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import REPLICA_TERM_MS_MAX
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Record
from commonfab.protocol.replicas import Condition, Promise, Standing
from commonfab.storage.cid import CID

from .. import clock
from ..answers.keeping import (
    CollectedLine,
    Dropped,
    HolderLine,
    KeepingState,
    PinLine,
    ReplicasLine,
    ScrubbedLine,
)
from ..control.server import Progress
from ..keeping.scrub import Scrubbed
from ..node import Node

Fetch = Callable[[Record, Progress], Awaitable[None]]

_FAST_BYTES_S = 1e9
"""A scrub that a person waits for."""


class Keep(Struct, forbid_unknown_fields=True):
    design: str
    promise: Annotated[int, Meta(ge=0)] = 0
    """Until when; 0: promise nobody anything."""


class Which(Struct, forbid_unknown_fields=True):
    design: str = ""


class Collect(Struct, forbid_unknown_fields=True):
    dry_run: bool = False


class Everything(Struct, forbid_unknown_fields=True):
    pass


class KeepingApi:
    """Answers for one node."""

    def __init__(self, node: Node, fetch: Fetch) -> None:
        self._node = node
        self._fetch = fetch

    async def keep(self, params: Keep, progress: Progress) -> PinLine:
        """Wish a design to be kept, fetch it if it can be had now, and promise it if asked."""
        node = self._node
        record = await node.library.designs.find(params.design)
        design = _design(record)
        now = clock.now()
        if params.promise and not now < params.promise <= now + REPLICA_TERM_MS_MAX:
            raise UsageError("a promise to keep a design ends within two years; then renew it")
        root = CID.from_bytes(design.root)
        await node.keeping.wish(root, design.name)
        try:
            await self._fetch(record, progress)
        except ResourceError as error:
            if params.promise:
                raise ResourceError(
                    f"{error}; it is wished for, and can be promised once it is here"
                ) from error
        if params.promise:
            await node.replicas.promise(root, design.size_bytes, params.promise)
        return self._pins([root])[0]

    async def drop(self, params: Which, _progress: Progress) -> Dropped:
        """Take back the wish and the promise to keep a design."""
        node = self._node
        root, name = await self._root(params.design)
        was_promised = await node.replicas.withdraw(root)
        was_wished = await node.keeping.drop(root)
        return Dropped(
            root=str(root),
            name=name,
            was_held=was_promised or was_wished,
            reasons=list(node.keeping.reasons().get(root, ())),
        )

    async def pins(self, _params: Everything, _progress: Progress) -> list[PinLine]:
        roots = list(self._node.keeping.reasons())
        for root in roots:
            await self._node.shelf.look(root)
        return self._pins(roots)

    async def collect(self, params: Collect, _progress: Progress) -> CollectedLine:
        """Remove everything that no reason holds."""
        keeping = self._node.keeping
        swept = await keeping.collect(0, dry_run=params.dry_run)
        found = swept.found
        return CollectedLine(
            is_dry_run=params.dry_run,
            before_bytes=swept.before_bytes,
            after_bytes=swept.after_bytes,
            held_bytes=found.held_bytes,
            quota_bytes=keeping.quota_bytes,
            blocks=found.blocks,
            spared=found.spared,
            roots=[str(root) for root in found.gone],
            has_hole=found.has_hole,
        )

    async def scrub(self, _params: Everything, progress: Progress) -> ScrubbedLine:
        """Read and hash all that is stored, now."""

        async def tell(state: Scrubbed) -> None:
            await progress({"step": "reading", "blocks": state.blocks, "bytes": state.bytes})

        node = self._node
        done = await node.scrub.make_pass(rate_bytes_s=_FAST_BYTES_S, anew=True, progress=tell)
        return ScrubbedLine(
            started=done.started,
            ended=done.ended,
            blocks=done.blocks,
            bytes=done.bytes,
            damaged=done.damaged,
            unmended=len(node.keeping.damaged),
        )

    async def state(self, _params: Everything, _progress: Progress) -> KeepingState:
        """Tell how well this node keeps what it keeps."""
        node = self._node
        scrubbed = node.scrub.state()
        standings = node.replicas.checks.standings()
        return KeepingState(
            here_bytes=await trio.to_thread.run_sync(node.blocks.size),
            quota_bytes=node.keeping.quota_bytes,
            scrub_started=scrubbed.started,
            scrub_ended=scrubbed.ended,
            unmended=len(node.keeping.damaged),
            promised=len(node.library.replicas.by(node.me, clock.now())),
            checked=len(standings),
            failing=[self._failing(standing) for standing in standings if standing.is_failed],
        )

    def _failing(self, standing: Standing) -> str:
        holder, root = NodeId(standing.holder), CID.from_bytes(standing.root)
        name = self._node.library.name_of(holder) or peer_text(holder)
        return f"{name}: {self._node.keeping.names().get(root) or root}"

    async def replicas(self, params: Which, _progress: Progress) -> list[ReplicasLine]:
        """Tell how many copies there are of a design, or of each that a reason holds here."""
        keeping = self._node.keeping
        if params.design:
            root, name = await self._root(params.design)
            why = keeping.reasons().get(root, ())
            return [await self._replicas(root, name, why, self._places())]
        names, places = keeping.names(), self._places()
        return [
            await self._replicas(root, names.get(root, ""), why, places)
            for root, why in keeping.reasons().items()
        ]

    async def _root(self, which: str) -> tuple[CID, str]:
        """Return the root that a name, id or CID stands for, and the design's name."""
        try:
            root = CID.parse(which).as_v1()
        except Malformed:
            design = _design(await self._node.library.designs.find(which))
            return CID.from_bytes(design.root).as_v1(), design.name
        return root, self._node.keeping.names().get(root, "")

    def _pins(self, roots: Iterable[CID]) -> list[PinLine]:
        node = self._node
        names, reasons = node.keeping.names(), node.keeping.reasons()
        promises = node.library.replicas.by(node.me, clock.now())
        until = {promise.root: promise.until for promise in promises}
        return [
            PinLine(
                root=str(root),
                name=names.get(root, ""),
                reasons=list(reasons.get(root, ())),
                is_here=node.shelf.is_whole(root),
                until=until.get(bytes(root), 0),
            )
            for root in (root.as_v1() for root in roots)
        ]

    def _places(self) -> dict[NodeId, object]:
        return {
            holder: (workshop.place.lat_udeg, workshop.place.lon_udeg)
            for holder, workshop in self._node.library.workshops.items()
        }

    async def _replicas(
        self, root: CID, name: str, why: Collection[str], places: Mapping[NodeId, object]
    ) -> ReplicasLine:
        node = self._node
        is_mine = bool(why) and await node.shelf.look(root)
        found = node.replicas.conditions(root)
        conditions: dict[NodeId, Condition] = {p.holder: condition for p, _, condition in found}
        count = replicas.tally(conditions, places, node.me if is_mine else None)
        return ReplicasLine(
            root=str(root),
            name=name,
            reasons=list(why),
            copies=count.copies,
            places=count.places,
            off_grid=count.off_grid,
            only_copy="you" if count.is_only_here else "",
            holders=[self._holder(*each) for each in found],
        )

    def _holder(self, promise: Promise, standing: Standing, condition: Condition) -> HolderLine:
        return HolderLine(
            node=peer_text(promise.holder),
            name=self._node.library.name_of(promise.holder),
            until=promise.until,
            condition=condition,
            passed_at=standing.passed_at,
            failures=standing.failures,
        )


def _design(record: Record) -> Design:
    assert isinstance(record.body, Design)
    return record.body
