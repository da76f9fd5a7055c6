"""One node, put together: the core, what it keeps, and the services around it.

    Peer (pure) <- Driver -> Library (records), Post (letters), Workbench (machines)
    Transport   <- Post, Syncing, Bitswap, Acquaintance, gossip
    Shelf       -> blocks on disk, Bitswap

Nothing runs yet when this is made; daemon.py starts and stops it.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import trio

from commonfab.protocol.admission import Admission
from commonfab.protocol.author import Author
from commonfab.protocol.envelope import identify
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.gossip.areas import heard_at
from commonfab.protocol.ids import NodeId, OrderId, RecordId, Timestamp
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.guardian import Guardian
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.restore import restore_orders, restore_slots, restore_waiting
from commonfab.protocol.lease.votes import Votes
from commonfab.protocol.peer import Peer
from commonfab.protocol.records import (
    Design,
    Order,
    Proof,
    Record,
    Request,
    Workshop,
)
from commonfab.protocol.statements import Revocation
from commonfab.protocol.sync.subset import ALL
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.plans.blending import weights_of
from commonfab.storage.cid import CID
from commonfab.storage.guarded import GuardedBlocks
from commonfab.storage.pins import PinLog
from commonfab.storage.records import SqliteRecordStore

from . import clock
from .announcing import Announcing
from .deciding import Deciding
from .designs.carrying import Carrying
from .designs.shelf import Shelf
from .driver import Driver
from .exchange.bitswap import Bitswap
from .explaining import Explaining
from .finding.addresses import Reach
from .finding.dht import Dht
from .finding.finding import Finding
from .gossip.gossip import Gossip
from .gossip.judging import Judging
from .gossip.thrift import Thrift
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
from .measured.fitting import Fitting
from .measured.secrets import Secrets, job_name
from .meeting.meeting import Meeting
from .meeting.register import Register
from .network.acquaintance import Acquaintance
from .network.metering import MeteredTransport, Traffic
from .network.transport import Transport
from .ordering import Ordering
from .post import Post
from .queueing import Queueing
from .slicing.slicing import Slicing
from .standing import restoring
from .standing.denying import Denying
from .standing.restoring import Restoring
from .standing.standings import Standings
from .syncing import Syncing
from .watching import Watching
from .wishes.wishing import Wishing

_DISK_FREE_MIN = 200 << 20
_DESIGN_WAITS_S = (0.0, 0.2, 1.0)
"""Before each time that a buyer is asked for the record of the design that it wants made."""


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
        self.key = key
        self.started = clock.now()
        self.journal = Journal()
        self.linked_since: dict[NodeId, Timestamp] = {}
        self.traffic = Traffic()
        self.transport = MeteredTransport(transport, self.traffic)
        self.transport.answer_to(self.journal)
        self.records = SqliteRecordStore(home.records, identify=identify)
        self.library = Library(self.records, home.catalogue)
        self.store = open_store(home.blocks, settings.ipfs.kubo)
        self.blocks = GuardedBlocks(self.store)
        self.bitswap = Bitswap(self.transport, self.blocks)
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
        mine = [(mark.stream, mark.seq) for mark in marks if mark.author == self.me]
        suspicion, floor = restoring.begin(self.home, self.records, [seq for _, seq in mine])
        self.author = Author(key, mine, floor=floor)
        self.restoring = Restoring(self.author, self.journal, suspicion, self.started)
        admission = Admission(self.library.places(), marks)
        for record in stored:
            if isinstance(record.body, Revocation):
                admission.revoke(record.author, record.body.since)
            if isinstance(record.body, Proof):
                admission.freeze(record)
        self.fleet = Fleet(self.settings, self.library)
        self.secrets = Secrets(self.home.measured)
        self.fitting = Fitting(self.library, self.shelf, self.secrets, self.fleet.volume_um)
        self.fleet.seal_key = self.fitting.key_for
        slots = restore_slots(stored, self.me)
        self.owner = self.fleet.owner = Owner(
            self.author,
            self.fleet,
            stored=slots,
            starts=self.fleet,
            prefer=Queueing(self.library, self.me, self.settings.queue.rule()).prefer,
            rule=Deciding(self.me, self.settings.trade),
            waiting=restore_waiting(stored, self.me),
        )
        profiles = self.settings.profiles()
        named = partial(weights_of, profiles=profiles)
        view_for = self.library.view_for
        self.planner = Planner(self.library.view, profiles.weights(""), named, view_for)
        orders = restore_orders(stored, self.me, self.started)
        votes = Votes()
        self.buyer = Buyer(
            self.author, self.planner, stored=orders, votes=votes, seal=self.secrets.seal
        )
        guardian = Guardian(self.author, votes, stored=stored, now=self.started)
        self.peer = Peer(self.me, admission, self.owner, self.buyer, guardian)
        for window in self.library.stored({"window"}):
            self.peer.windows.take(window, self.started)
        self.owner.note_windows(self.library.stored({"window"}, self.me))

    def _make_services(self) -> None:
        self.driver = Driver(self.peer, self.library, self, self.journal)
        network = self.settings.network
        self.register = Register(self.library)
        self.acquaintance = Acquaintance(
            self.transport,
            self.library,
            self.journal,
            self.register,
            peers=network.peers,
            bootstrap=network.bootstrap,
        )
        self.meeting = Meeting(
            self.transport,
            self.library,
            self.register,
            self.acquaintance,
            self.journal,
            self.home.accepted,
            dhts=self.finding.dhts,
            announced=network.announce,
            psk=network.psk,
        )
        self.post = Post(self.transport, self.acquaintance.seek)
        self.post.serve(self.driver)
        self.syncing = Syncing(
            self.transport, self.library, self.driver, self.journal, self.acquaintance.is_known
        )
        self.announcing = Announcing(
            self.author, self.fleet, self.library, self.driver, self.transport, self.journal
        )
        is_known = self.acquaintance.is_known
        self.judging = Judging(self.me, self.driver, self.library, is_known)
        place = self.settings.workshop.place_for_others()
        self.gossip = Gossip(
            self.transport,
            self.judging.judge,
            heard_at([place]),
            self.syncing.with_peer,
            self.journal.offend,
            is_known,
        )
        self.thrift = Thrift(
            place,
            self.settings.network.budget_mb_a_day,
            self.traffic,
            self.gossip,
            self.syncing,
            self.library,
            self.journal,
        )
        self.transport.when_addresses_change(self.announcing.capacity_changed)
        self.fleet.experience.slicing = Slicing(self.shelf, self.library)
        self.workbench = Workbench(
            self.fleet,
            self.owner,
            self._check,
            self.driver.handle,
            self.driver.hint,
            self.journal,
            self.fitting.fitted,
        )
        self.explaining = Explaining(self.library, self.planner, self.buyer)
        self.watching = Watching(self.library.view, self.planner, self.buyer, self.driver.hint)
        self.ordering = Ordering(
            self.author,
            self.planner,
            self.driver,
            self.buyer,
            self.settings.trade.grace_s,
            self.secrets,
        )
        self.standing = Standings(
            self.me,
            self.library,
            self.buyer,
            self.transport,
            self.journal,
            self.register.friends.keys,
        )
        self.acquaintance.on_friend = self.standing.changed
        self._make_keeping()

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
        self.denying = Denying(
            self.author,
            self.library,
            self.peer.admission,
            self.announcing,
            self.keeping,
            self.blocks,
            self.standing,
            self.journal,
        )
        self.shelf.why_not = self.denying.why_not
        self.wishing = Wishing(
            self.me, self.library, self.shelf, self.keeping, self.holders_of, self.journal
        )
        self.carrying = Carrying(self.me, self.library, self._last_sync)
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
        self.keeping.sidework += [self.scrub.run, self.replicas.run, self.wishing.run]

    def _last_sync(self, peer: NodeId) -> tuple[Timestamp, Collection[RecordId]]:
        last = self.syncing.last.get(peer)
        return (last.at, last.declined) if last else (Timestamp(0), ())

    async def _check(self, request: Request, buyer: NodeId) -> str:
        """Fetch what a request needs, and return why it cannot be made, or nothing."""
        design = self.library.designs.get(RecordId(request.design))
        for wait_s in _DESIGN_WAITS_S:
            if design is None:  # Its record may be on its way, and a session with that peer too.
                await trio.sleep(wait_s)
                await self.syncing.with_peer(buyer, ALL)
                design = self.library.designs.get(RecordId(request.design))
        if design is None:
            return "the design's record is not known here, and the buyer did not send it"
        assert isinstance(design.body, Design)
        denied = self.library.why_denied(design)
        if denied:
            return denied
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

    def forget_measures(self) -> None:
        """Remove what buyers chose of things that are made, or will not be."""
        states = self.buyer.orders()
        orders = {OrderId(state.order.order): not state.is_over() for state in states}
        asked = [(slot.buyer, slot.asked) for slot in self.owner.slots()]
        self.secrets.forget(orders, [job_name(b, a.order, a.job, a.epoch) for b, a in asked])

    async def look_around(self) -> None:
        """Warn of what needs a person, and take back the warnings that are over."""
        self.forget_measures()
        free = shutil.disk_usage(self.home.path).free
        self._warn_if(free < _DISK_FREE_MIN, "disk_low", f"only {free >> 20} MiB free on the disk")
        for machine, driver in self.fleet.drivers.items():
            now = driver.condition()
            text = f"{machine} has failed: {now.note}"
            self._warn_if(now.state == "failed", f"machine/{machine}", text)
        text = (
            "this node's key has signed two records for one place, so others believe nothing that"
            " it signs any more; make a new node with commonfab init, and meet your friends again"
        )
        self._warn_if(self.me in self.library.frozen, "forked", text)
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
            self.carrying.note_sent(record)
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
            await self.explaining.keep(order, design, jobs)
        except ResourceError as error:
            self.journal.warn("disk", str(error))

    def capacity_changed(self) -> None:
        self.announcing.capacity_changed()

    def kept(self, record: Record) -> None:
        self.restoring.kept(record)
        self.standing.kept(record)
        self.denying.learn(record)
        if self.judging.is_news(record, clock.now()):
            self.gossip.learn(self.judging.area_of(record), record.data)
        self.keeping.learn(record)
        self.wishing.learn(record)
        self.carrying.learn(record)
        tell_kept(record, self.me, self.library, self.journal)
        if record.kind in ("receipt", "release"):
            self.forget_measures()
        if isinstance(record.body, Workshop):
            self.acquaintance.look_again()
