"""What the command line can ask of a running node: one method a request.

Parameters arrive as decoded JSON and are typed here; answers are the types in answers/
"""

import importlib.metadata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
from msgspec import Struct

from commonfab.protocol.errors import Malformed, ResourceError, UsageError
from commonfab.protocol.ids import RecordId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Origin, Record
from commonfab.protocol.sync.subset import ALL
from commonfab.storage.cid import CID

from .. import clock
from ..answers.alike import AlikeParts
from ..answers.licences import Attribution
from ..answers.node import (
    Connected,
    Found,
    FoundDesigns,
    Got,
    Happening,
    MachineNow,
    Picture,
    Published,
    ShownDesign,
    Status,
)
from ..answers.quotes import QuoteWanted
from ..control.server import Handler, Progress
from ..designs import publishing
from ..home import config
from ..licences import sheet
from ..node import Node
from . import browsing, likeness, views
from . import bundles as bundles_api
from . import finding as finding_answers
from . import ipfs as ipfs_api
from . import keeping as keeping_api
from . import meeting as meeting_api
from . import okw as okw_api
from . import orders as orders_api
from . import quoting as quoting_api
from . import requests as requests_api
from . import standing as standing_api
from . import surplus as surplus_api
from . import wishes as wishes_api


class _Nothing(Struct, forbid_unknown_fields=True):
    pass


class _Publish(Struct, forbid_unknown_fields=True):
    path: str
    fork_of: list[str] = []
    remix_of: list[str] = []


class _Which(Struct, forbid_unknown_fields=True):
    design: str


class _Get(Struct, forbid_unknown_fields=True):
    design: str
    out: str


class _Address(Struct, forbid_unknown_fields=True):
    address: str


P = TypeVar("P", bound=Struct)


class Api:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def handlers(self) -> Mapping[str, Handler]:
        """Return the requests by name."""
        keeping = keeping_api.KeepingApi(self._node, self._fetch)
        ipfs = ipfs_api.IpfsApi(self._node)
        standing = standing_api.StandingApi(self._node)
        bundles = bundles_api.BundlesApi(self._node)
        wishes = wishes_api.WishesApi(self._node)
        meeting = meeting_api.MeetingApi(self._node)
        orders = orders_api.OrdersApi(self._node, self._find_design)
        quoting = quoting_api.QuotingApi(self._node, self._find_design, self._fetch)
        requests = requests_api.RequestsApi(self._node)
        return {
            "keep": _typed(keeping_api.Keep, keeping.keep),
            "drop": _typed(keeping_api.Which, keeping.drop),
            "pins": _typed(keeping_api.Everything, keeping.pins),
            "gc": _typed(keeping_api.Collect, keeping.collect),
            "scrub": _typed(keeping_api.Everything, keeping.scrub),
            "replicas": _typed(keeping_api.Which, keeping.replicas),
            "keeping": _typed(keeping_api.Everything, keeping.state),
            "ipfs.status": _typed(ipfs_api.Nothing, ipfs.status),
            "ipfs.import": _typed(ipfs_api.Import, ipfs.import_),
            "ipfs.export": _typed(ipfs_api.Export, ipfs.export),
            "ipfs.migrate": _typed(ipfs_api.Migrate, ipfs.migrate),
            "ipfs.gc": _typed(ipfs_api.Nothing, ipfs.collect),
            "ipfs.pin": _typed(ipfs_api.Remote, ipfs.pin),
            "ipfs.unpin": _typed(ipfs_api.Remote, ipfs.unpin),
            "ipfs.pins": _typed(ipfs_api.Remote, ipfs.pins),
            "standing": _typed(standing_api.Which, standing.standing),
            "vouch": _typed(standing_api.GiveVouch, standing.vouch),
            "deny.add": _typed(standing_api.Deny, standing.deny),
            "deny.remove": _typed(standing_api.Deny, standing.allow),
            "deny.list": _typed(standing_api.Nothing, standing.denied),
            "deny.subscribe": _typed(standing_api.Which, standing.subscribe),
            "deny.unsubscribe": _typed(standing_api.Which, standing.unsubscribe),
            "deny.publish": _typed(standing_api.Nothing, standing.publish),
            "status": _typed(_Nothing, self.status),
            "publish": _typed(_Publish, self.publish),
            "designs": _typed(browsing.Search, self.designs),
            "alike": _typed(likeness.Alike, self.alike),
            "show": _typed(_Which, self.show),
            "attribution": _typed(_Which, self.attribution),
            "pictures": _typed(_Which, self.pictures),
            "find": _typed(_Which, self.find),
            "get": _typed(_Get, self.get),
            "bundle.make": _typed(bundles_api.Make, bundles.make),
            "bundle.make_for": _typed(bundles_api.MakeFor, bundles.make_for),
            "bundle.open": _typed(bundles_api.Open, bundles.open),
            "bundle.open_folder": _typed(bundles_api.Open, bundles.open_folder),
            "wish.add": _typed(wishes_api.Add, wishes.add),
            "wish.remove": _typed(wishes_api.Remove, wishes.remove),
            "wishes": _typed(wishes_api.Nothing, wishes.wishes),
            "plan": _typed(orders_api.Wanted, orders.plan),
            "quote": _typed(QuoteWanted, quoting.quote),
            "measures": _typed(orders_api.Choosable, orders.measures),
            "order": _typed(orders_api.Ordered, orders.order),
            "orders": _typed(orders_api.Which, orders.orders),
            "cancel": _typed(orders_api.Which, orders.cancel),
            "requests": _typed(requests_api.Nothing, requests.requests),
            "decide": _typed(requests_api.Decide, requests.decide),
            "surplus": _typed(surplus_api.Nothing, surplus_api.SurplusApi(self._node).surplus),
            "okw": _typed(okw_api.Nothing, okw_api.OkwApi(self._node).facilities),
            "explain": _typed(orders_api.Which, orders.explain),
            "explain.grounds": _typed(orders_api.Which, orders.grounds),
            "peers": _typed(meeting_api.Nothing, meeting.peers),
            "pair": _typed(meeting_api.Nothing, meeting.pair),
            "join": _typed(meeting_api.Join, meeting.join),
            "invite": _typed(meeting_api.Invite, meeting.invite),
            "invitations": _typed(meeting_api.Nothing, meeting.invitations),
            "revoke": _typed(meeting_api.Which, meeting.revoke),
            "bootstrap": _typed(meeting_api.Nothing, meeting.bootstrap),
            "connect": _typed(_Address, self.connect),
            "machines.reload": _typed(_Nothing, self.reload_machines),
            "watch": _typed(_Nothing, self.watch),
        }

    async def status(self, _params: _Nothing, _progress: Progress) -> Status:
        node = self._node
        shop, place = node.settings.workshop, node.settings.workshop.place_for_others()
        reach = node.transport.reachability()
        size = await self._blocks_bytes()
        return Status(
            version=importlib.metadata.version("commonfab"),
            node=peer_text(node.me),
            name=shop.name,
            home=str(node.home),
            lat=shop.lat,
            lon=shop.lon,
            place_accuracy_m=place.accuracy_m,
            started=node.started,
            now=clock.now(),
            addresses=node.transport.addresses(),
            reach=reach.state,
            relays=len(reach.relays),
            helped=reach.helped,
            carried_bytes=reach.carried_bytes,
            peers=len(node.transport.links()),
            workshops=len(node.library.workshops),
            designs=len(node.library.designs),
            open_orders=sum(not order.is_over() for order in node.buyer.orders()),
            records=len(node.library),
            blocks_bytes=size,
            traffic=views.traffic_lines(node.traffic.last_hour()),
            today_bytes=node.thrift.today_bytes,
            budget_bytes=node.thrift.budget_bytes,
            machines=self._machines(),
            power=node.fleet.energy.in_words(clock.now()),
            warnings=node.journal.warnings(),
            put_aside=[str(item) for item in node.library.put_aside_items()],
        )

    async def _blocks_bytes(self) -> int:
        """Return the size of the files here; a folder that cannot be read is warned of."""
        node = self._node
        try:
            size = await trio.to_thread.run_sync(node.blocks.size)
        except ResourceError as error:
            node.journal.warn("blocks", f"the files here cannot be counted: {error}")
            return 0
        node.journal.clear("blocks")
        return size

    def _machines(self) -> list[MachineNow]:
        node = self._node
        held, now = node.owner.slots(), clock.now()
        drivers = {machine.id: machine.driver for machine in node.fleet.configured}
        return [
            views.machine_now(
                machine,
                drivers[machine.id],
                node.fleet.drivers[machine.id].condition(),
                [slot for slot in held if slot.offered.machine == machine.id],
                clock.utc_offset_minutes(now),
            )
            for machine in node.fleet.describe(now)
        ]

    async def publish(self, params: _Publish, progress: Progress) -> Published:
        node = self._node
        origins: dict[RecordId, Origin] = {}
        for which in params.remix_of:
            design = (await self._find_design(which)).id
            origins[design] = Origin(design=design, relation="remix")
        for which in params.fork_of:
            design = (await self._find_design(which)).id
            origins[design] = Origin(design=design, relation="fork")
        path = Path(params.path)
        done = await publishing.publish(node, path, progress, tuple(origins.values()))
        line = views.design_line(done.record, node.library, is_here=True)
        notes = list(done.remarks)
        return Published(design=line, files=done.files, is_new=done.is_new, notes=notes)

    async def designs(self, params: browsing.Search, _progress: Progress) -> FoundDesigns:
        return await browsing.search(self._node, params)

    async def alike(self, params: likeness.Alike, _progress: Progress) -> AlikeParts:
        return await likeness.find(self._node, params)

    async def show(self, params: _Which, _progress: Progress) -> ShownDesign:
        return await browsing.show(self._node, await self._find_design(params.design))

    async def attribution(self, params: _Which, _progress: Progress) -> Attribution:
        record = await self._find_design(params.design)
        return sheet.attribution(record, self._node.library.designs.get)

    async def pictures(self, params: _Which, progress: Progress) -> list[Picture]:
        record = await self._find_design(params.design)
        await self._fetch(record, progress)
        return await browsing.pictures(self._node, record)

    async def find(self, params: _Which, _progress: Progress) -> Found:
        try:
            root = CID.parse(params.design)
        except Malformed:
            root = _root(await self._find_design(params.design))
        return await finding_answers.find(self._node, root)

    async def get(self, params: _Get, progress: Progress) -> Got:
        node = self._node
        record = await self._find_design(params.design)
        root = _root(record)
        await self._fetch(record, progress)
        files, size = await node.shelf.export(root, Path(params.out))
        return Got(design=record.id.hex(), folder=params.out, files=files, size_bytes=size)

    async def connect(self, params: _Address, _progress: Progress) -> Connected:
        peer = await self._node.acquaintance.connect(params.address)
        await self._node.syncing.with_peer(peer, ALL)
        return Connected(node=peer_text(peer), name=self._node.library.name_of(peer))

    async def reload_machines(self, _params: _Nothing, _progress: Progress) -> list[MachineNow]:
        """Take over the machines that the settings file has now."""
        node = self._node
        node.fleet.configure(config.load(node.home.config, node.environment))
        node.announcing.capacity_changed()
        return self._machines()

    async def watch(self, _params: _Nothing, progress: Progress) -> Happening:
        """Tell what happens, until nobody listens any more."""
        with self._node.journal.watched() as happenings:
            async for happening in happenings:
                await progress(happening)
        raise AssertionError("the journal does not end")

    async def _fetch(self, record: Record, progress: Progress) -> None:
        """Fetch a design's files, and tell how far it is while that goes on."""
        node = self._node
        node.denying.check(record)
        state: dict[str, int] = {}

        def note(done: int, known: int, size: int) -> None:
            state.update(blocks=done, blocks_known=known, bytes=size)

        async def tell() -> None:
            while True:
                await trio.sleep(_PROGRESS_S)
                if state:
                    await progress(dict(state))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell)
            await node.shelf.fetch(_root(record), node.holders(record), note)
            nursery.cancel_scope.cancel()

    async def _find_design(self, which: str) -> Record:
        """Return the design with this name, part of a name, id, or start of an id."""
        return await self._node.library.designs.find(which)


_PROGRESS_S = 0.2


def _typed(
    kind: type[P], method: Callable[[P, Progress], Awaitable[Struct | Sequence[Struct]]]
) -> Handler:
    async def handler(params: dict[str, Any], progress: Progress) -> Struct | Sequence[Struct]:
        try:
            typed = msgspec.convert(params, kind, strict=True)
        except msgspec.ValidationError as error:
            raise UsageError(str(error)) from error
        return await method(typed, progress)

    return handler


def _design(record: Record) -> Design:
    assert isinstance(record.body, Design)
    return record.body


def _root(record: Record) -> CID:
    return CID.from_bytes(_design(record).root)
