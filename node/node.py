"""One node, put together: the core, what it keeps, and the services around it.

    Peer (pure) <- Driver -> Library (records), Post (letters), Workbench (machines)
    Transport   <- Post, Syncing, Bitswap, Acquaintance, gossip
    Shelf       -> blocks on disk, Bitswap

Nothing runs yet when this is made; daemon.py starts and stops it.
"""

import shutil
from collections.abc import Mapping, Sequence

from commonfab.protocol.admission import Accept, Admission, Reject
from commonfab.protocol.author import Author
from commonfab.protocol.envelope import identify
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease_buyer import Buyer
from commonfab.protocol.lease_owner import Owner
from commonfab.protocol.peer import Peer
from commonfab.protocol.records import Design, Order, Record, Request, Revocation, Workshop
from commonfab.protocol.restore import restore_orders, restore_slots
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.weights import Weights
from commonfab.storage.cid import CID
from commonfab.storage.guarded import GuardedBlocks
from commonfab.storage.pins import PinLog
from commonfab.storage.records import SqliteRecordStore

from . import clock
from .announcing import TOPIC, Announcing
from .designs.shelf import Shelf
from .driver import Driver
from .exchange.bitswap import Bitswap
from .finding.addresses import Reach
from .finding.dht import Dht
from .finding.finding import Finding
from .happenings import tell_kept
from .home.config import Settings
from .home.folder import Home
from .home.keys import NodeKey
from .ipfs.store import open_store
from .journal import Journal
from .keeping.keeping import MINE, PROMISED, Keeping
from .keeping.replicas import Replicas
from .keeping.scrub import Scrub
from .library import Library
from .machines import inspection
from .machines.fleet import Fleet
from .machines.workbench import Workbench
from .network.acquaintance import Acquaintance
from .network.transport import Transport, Verdict
from .ordering import Ordering
from .post import Post
from .syncing import Syncing

_DISK_FREE_MIN = 200 << 20


class Node:
    """See the module's docstring."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        environment: Mapping[str, str],
        key: NodeKey,
        transport: Transport,
    ) -> None:
        self.home = home
        self.environment = environment
        self.settings = settings
        self.me = key.node
        self.started = clock.now()
        self.journal = Journal()
        self.linked_since: dict[NodeId, Timestamp] = {}
        self.transport = transport
        self.library = Library(SqliteRecordStore(home.records, identify=identify), home.catalogue)
        self.store = open_store(home.blocks, settings.ipfs.kubo)
        self.blocks = GuardedBlocks(self.store)
        self.bitswap = Bitswap(transport, self.blocks)
        self.finding = self._make_finding(settings)
        self.shelf = Shelf(self.blocks, self.finding, self.holders_of)
        self._make_core(key)
        self._make_services()

    def _make_finding(self, settings: Settings) -> Finding:
        network = settings.network
        reaches = () if network.dht == "off" else (Reach.NEIGHBOURHOOD, Reach.INTERNET)
        is_server, servers = network.dht == "server", network.dht_peers
        return Finding(
            self.transport,
            self.library,
            self.bitswap,
            routers=settings.ipfs.routers,
            dhts=[
                Dht(self.transport, reach, serves=is_server, beginnings=servers)
                for reach in reaches
            ],
            announced=network.announce,
        )

    def _make_core(self, key: NodeKey) -> None:
        stored = self.library.load()
        marks = self.library.marks()
        mine = ((mark.stream, mark.seq) for mark in marks if mark.author == self.me)
        self.author = Author(key, mine)
        admission = Admission(self.library.places(), marks)
        for record in stored:
            if isinstance(record.body, Revocation):
                admission.revoke(record.author, record.body.since)
        self.fleet = Fleet(self.settings, self.library)
        slots = restore_slots(stored, self.me)
        self.owner = self.fleet.owner = Owner(self.author, self.fleet, stored=slots)
        self.planner = Planner(self.library.view, Weights(currency=self.settings.workshop.currency))
        orders = restore_orders(stored, self.me, self.started)
        self.buyer = Buyer(self.author, self.planner, stored=orders)
        self.peer = Peer(self.me, admission, self.owner, self.buyer)

    def _make_services(self) -> None:
        self.driver = Driver(self.peer, self.library, self, self.journal)
        self.acquaintance = Acquaintance(
            self.transport, self.library, self.journal, self.settings.network.peers
        )
        self.post = Post(self.transport, self.acquaintance.seek)
        self.post.serve(self.driver)
        self.syncing = Syncing(self.transport, self.library, self.driver, self.journal)
        self.announcing = Announcing(
            self.author, self.fleet, self.library, self.driver, self.transport, self.journal
        )
        self.workbench = Workbench(
            self.fleet, self.owner, self._check, self.driver.handle, self.driver.hint, self.journal
        )
        self.ordering = Ordering(
            self.author,
            self.library,
            self.planner,
            self.driver,
            self.buyer,
            self.settings.trade.grace_s,
        )
        self._make_keeping()
        self.transport.subscribe(TOPIC, self._judge)

    def _make_keeping(self) -> None:
        self.keeping = Keeping(
            self.me,
            self.library,
            self.owner,
            self.buyer,
            self.shelf,
            PinLog(self.home.pins),
            self.holders_of,
            self.journal,
            self.settings.storage.quota_bytes,
        )
        self.scrub = Scrub(self.blocks, self.library, self.keeping.mend, self.journal)
        self.replicas = Replicas(
            self.transport,
            self.blocks,
            self.library,
            self.keeping,
            self.author,
            self.announcing,
            self.journal,
        )
        self.keeping.sidework += [self.scrub.run, self.replicas.run]

    def _judge(self, sender: NodeId, data: bytes) -> Verdict:
        """Judge a gossiped record. Letters have no place there."""
        verdict = self.driver.judge_public(sender, data)
        match verdict:
            case Accept():
                return "accept"
            case Reject():
                return "reject"
            case _:
                return "ignore"

    async def _check(self, request: Request, buyer: NodeId) -> str:
        """Fetch what a request needs, and return why it cannot be made, or nothing."""
        design = self.library.designs.get(RecordId(request.design))
        if design is None:
            await self.syncing.with_peer(buyer)
            design = self.library.designs.get(RecordId(request.design))
        if design is None:
            return "the design's record is not known here, and the buyer did not send it"
        assert isinstance(design.body, Design)
        return await inspection.fault_of(
            self.shelf, design.body, request.part, self.holders(design, buyer)
        )

    def holders(self, design: Record, *likely: NodeId) -> list[NodeId]:
        """Return the connected peers to ask for a design's files, the likeliest first."""
        assert isinstance(design.body, Design)
        return self.finding.near(CID.from_bytes(design.body.root), *likely, design.author)

    def holders_of(self, root: CID) -> list[NodeId]:
        """Return the connected peers to ask for a tree, the likeliest first."""
        return self.finding.near(root)

    def provided_roots(self) -> list[CID]:
        """Return the roots that others may be told of: of its own designs, and promised ones."""
        reasons = self.keeping.reasons().items()
        return [root for root, why in reasons if MINE in why or PROMISED in why]

    async def look_around(self) -> None:
        """Warn of what needs a person, and take back the warnings that are over."""
        free = shutil.disk_usage(self.home.path).free
        self._warn_if(free < _DISK_FREE_MIN, "disk_low", f"only {free >> 20} MiB free on the disk")
        for machine, driver in self.fleet.drivers.items():
            now = driver.condition()
            text = f"{machine} has failed: {now.note}"
            self._warn_if(now.state == "failed", f"machine/{machine}", text)
        damaged = self.library.damaged_count()
        text = f"{damaged} damaged records were put aside; see: commonfab doctor"
        self._warn_if(damaged > 0, "damaged", text)
        trouble = self.library.designs.trouble
        self._warn_if(bool(trouble), "catalogue", f"designs cannot be searched: {trouble}")

    def _warn_if(self, is_so: bool, about: str, text: str) -> None:
        if is_so:
            self.journal.warn(about, text)
        else:
            self.journal.clear(about)

    # What the core asks for (`Hands` in driver.py).

    def send(self, to: NodeId, record: Record) -> None:
        if to == self.me:
            self.driver.receive_later(record.data)
        else:
            self.post.send(to, record)

    def prepare(self, request: Record) -> None:
        self.workbench.prepare(request)

    def run_job(self, machine: str, lease: Record, request: Record) -> None:
        self.workbench.run_job(machine, lease, request)

    def resume_job(self, machine: str, lease: Record) -> None:
        self.workbench.resume_job(machine, lease)

    def stop_job(self, machine: str, reason: str) -> None:
        self.workbench.stop_job(machine, reason)

    async def planned(self, order: Order, design: Design, jobs: Sequence[tuple[int, int]]) -> None:
        try:
            await self.ordering.explain(order, design, jobs)
        except ResourceError as error:
            self.journal.warn("disk", str(error))

    def capacity_changed(self) -> None:
        self.announcing.capacity_changed()

    def kept(self, record: Record) -> None:
        self.keeping.learn(record)
        tell_kept(record, self.me, self.library, self.journal)
        if isinstance(record.body, Workshop):
            self.acquaintance.look_again()
