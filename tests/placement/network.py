"""A town in which every workshop runs a node of its own, and nobody commands anybody.

Each node has the real buyer, owner, planner and quoter; they write real letters, which take
their time, and tell of their machines by real capacity records. What is cut short: signatures
are a hash, there is no disk, and all nodes on one side of a cut share one view, as gossip
brings each record to everybody in the same two seconds.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import median

import numpy as np

from commonfab.protocol import effects, events
from commonfab.protocol.admission import Admission
from commonfab.protocol.author import Author
from commonfab.protocol.effects import Effect
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.gossip import news
from commonfab.protocol.ids import NodeId, OrderId, Timestamp
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.windows import Windows
from commonfab.protocol.limits import HOUR_MS, MINUTE_MS, SECOND_MS
from commonfab.protocol.peer import Peer
from commonfab.protocol.records import Capacity, Design, Job, Order, Record, Request
from commonfab.protocol.standing import proofs
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.view import CapacityView

from .floor import HOURS_MAX, Made
from .letters import Letters
from .pairs import WEIGHTS, workshop_of
from .shops import Fleet, Liar, Pen, Running
from .town import BEGIN, Town, Wish

GRACE_MS = 6 * HOUR_MS
GOSSIP_MS = 2 * SECOND_MS
"""Until all have heard a record."""
ANNOUNCE_MS_MIN = 2 * SECOND_MS
"""Between two capacity records of one workshop."""
RENEW_MS = 12 * MINUTE_MS
LETTER_MS = (30, 400)


@dataclass(frozen=True, slots=True)
class Cut:
    """No word between west and east, from hour to hour."""

    begin_h: float
    end_h: float


class Node:
    """One workshop's node."""

    def __init__(self, network: "Network", number: int, *, lies: bool) -> None:
        town = network.town
        pen = Pen(f"{network.seed} {number}")
        self.number = number
        self.id = pen.node
        self.side = network.side_of(number)
        self.fleet = Fleet(town.shops[number], lies)
        self.author = Author(pen)
        make = Liar if lies else Owner
        self.owner = self.fleet.owner = make(self.author, self.fleet)
        planner = network.planners[self.side]
        self.buyer = Buyer(self.author, planner)
        self.peer = Peer(self.id, Admission(verify=_believe), self.owner, self.buyer)
        self.wake_at = 0
        self.said: Capacity | None = None
        """What the others were last told of the machines."""
        self.is_told_soon = False


class Network:
    """One run of a town."""

    def __init__(
        self, town: Town, seed: int, *, liars: float = 0.0, cut: Cut | None = None
    ) -> None:
        """`liars`: the share of the workshops that always say that they are free now."""
        self.town = town
        self.seed = seed
        self.cut = cut
        self.letters = Letters()
        self._random = Random(seed)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._events = 0
        self._now = Timestamp(BEGIN)
        self._cut_ends = BEGIN + round(cut.end_h * HOUR_MS) if cut else 0
        self._middle = median(shop.place.lon_udeg for shop in town.shops)
        self._views = [CapacityView() for _ in range(2 if cut else 1)]
        self._windows = [Windows() for _ in self._views]
        self._frozen: list[set[NodeId]] = [set() for _ in self._views]
        self.planners = [Planner(view, WEIGHTS) for view in self._views]
        lying = set(self._random.sample(range(len(town.shops)), round(liars * len(town.shops))))
        self._nodes = [Node(self, n, lies=n in lying) for n in range(len(town.shops))]
        self._node_of = {node.id: node for node in self._nodes}
        self._job_of: dict[OrderId, int] = {}
        self._runs = [0] * town.jobs
        self._machine_of = {
            (self._nodes[shop].id, machine.id): at
            for at, (shop, machine) in enumerate(town.machines())
        }
        self._last: dict[tuple[NodeId, NodeId], int] = {}
        """When the last letter from one to the other arrives: none overtakes another."""
        self._made = Made(np.full(town.jobs, -1, np.intp), np.zeros(town.jobs))
        self._left = town.jobs

    def side_of(self, number: int) -> int:
        return int(bool(self.cut) and self.town.shops[number].place.lon_udeg > self._middle)

    def run(self) -> Made:
        """Let everything happen until each job is made."""
        for node in self._nodes:
            for view in self._views:
                view.update_workshop(node.id, workshop_of(node.fleet.shop))
            self._tell(node)
            self._at(self._random.randrange(RENEW_MS), partial(self._renew, node))
        for wish in self.town.wishes:
            self._at(wish.at - BEGIN, partial(self._order, wish))
        self._at(MINUTE_MS, self._expire)
        if self.cut:
            self._at(self._cut_ends - BEGIN, self._heal)
        while self._heap and self._left:
            at, _, happen = heapq.heappop(self._heap)
            assert at < BEGIN + HOURS_MAX * HOUR_MS, "no end to it"
            self._now = Timestamp(at)
            happen()
        return self._made

    def begun(self) -> int:
        """Return how often a machine began a job."""
        return sum(self._runs)

    # What people and machines do.

    def _order(self, wish: Wish) -> None:
        node = self._nodes[wish.buyer]
        design = node.author.sign(self._design(node, wish))
        identifier = wish.first_job.to_bytes(16, "big")
        self._job_of[OrderId(identifier)] = wish.first_job
        body = Order(
            **node.author.head(f"order/{identifier.hex()}", self._now),
            order=identifier,
            design=design.id,
            quantity=1,
            place=wish.place,
            by=wish.by,
            jobs=tuple(Job(part=part.name, pieces=part.pieces) for part in wish.parts),
            grace_ms=GRACE_MS,
            hour_minor=round(WEIGHTS.waiting_minor_per_hour),
        )
        self._handle(node, events.Placed(node.author.sign(body), design))

    def _design(self, node: Node, wish: Wish) -> Design:
        return Design(
            **node.author.head(f"design/{wish.first_job}", self._now),
            name="thing",
            version="1",
            licence="CC0-1.0",
            licensor="somebody",
            function="stands for what people make",
            root=b"\x01\x55\x12\x20" + bytes(32),
            parts=wish.parts,
            size_bytes=1000,
        )

    def _begin(self, node: Node, machine: str, lease: Record, request: Record) -> None:
        asked = request.body
        assert isinstance(asked, Request)
        assert machine not in node.fleet.running, "two jobs at once"
        job = self._job_of[OrderId(asked.order)] + asked.job
        has = node.fleet.machine(machine)
        seconds = has.setup_seconds + asked.pieces * asked.part.seconds * 1000 / has.speed_permille
        share, is_good = self.town.taken_share(job, self._runs[job])
        self._runs[job] += 1
        ends = self._now + round(seconds * 1000 * share)
        running = Running(lease.id, job, self._now, ends, asked.pieces if is_good else 0)
        node.fleet.running[machine] = running
        self._at(ends - BEGIN, partial(self._end, node, machine, running))

    def _end(self, node: Node, machine: str, running: Running) -> None:
        if node.fleet.running.get(machine) is not running:
            return
        del node.fleet.running[machine]
        if running.pieces:
            self._count(running.job, self._machine_of[node.id, machine])
        self._handle(
            node,
            events.JobEnded(
                lease=running.lease,
                made=running.pieces > 0,
                pieces=running.pieces,
                started=running.started,
                machine_seconds=(self._now - running.started) // 1000,
                mass_mg=0,
                energy_mwh=0,
                co2e_mg=0,
                reason="" if running.pieces else "the print came loose",
            ),
        )

    def _stop(self, node: Node, machine: str, lease: Record) -> None:
        running = node.fleet.running.get(machine)
        if running is not None and running.lease == lease.id:
            running.pieces = 0
            self._at(self._now + 1 - BEGIN, partial(self._end, node, machine, running))

    def _count(self, job: int, machine: int) -> None:
        if self._made.machine[job] < 0:
            self._made.machine[job], self._made.ended[job] = machine, self._now
            self._left -= 1
        else:
            self._made.surplus.append((job, machine))

    # What the core asks for.

    def _handle(self, node: Node, event: events.Event) -> None:
        self._carry_out(node, node.peer.handle(event, self._now))

    def _carry_out(self, node: Node, due: Sequence[Effect]) -> None:
        for effect in due:
            match effect:
                case effects.Send(to, record):
                    self._post(node, to, record)
                case effects.WakeAt(at):
                    node.wake_at = at
                    self._at(at - BEGIN, partial(self._wake, node, at))
                case effects.Run(machine, lease, request):
                    self._begin(node, machine, lease, request)
                case effects.Stop(machine, lease, _):
                    self._stop(node, machine, lease)
                case effects.CapacityChanged():
                    self._changed(node)
                case effects.Keep(record) if record.kind == "window":
                    self._publish(node, partial(self._hear, record))
                case _:
                    pass  # There is no disk here, and nobody reads explanations.

    def _post(self, node: Node, to: NodeId, record: Record) -> None:
        other = self._node_of[to]
        if other is not node:
            self.letters.count(record)
        if self._are_apart(node, other):
            return
        arrives = self._now + self._random.randint(*LETTER_MS)
        arrives = self._last[node.id, to] = max(arrives, self._last.get((node.id, to), 0))
        self._at(arrives - BEGIN, partial(self._arrive, other, record.data))

    def _arrive(self, node: Node, data: bytes) -> None:
        _, due = node.peer.receive(data, self._now)
        self._carry_out(node, due)

    def _wake(self, node: Node, at: int) -> None:
        if node.wake_at == at:
            self._handle(node, events.Tick())

    # What everybody hears.

    def _changed(self, node: Node) -> None:
        """Let the others hear of a queue that has changed, if it is news and not too soon."""
        if node.is_told_soon:
            return
        node.is_told_soon = True
        said_at = node.said.at if node.said else 0
        at = max(self._now, said_at + ANNOUNCE_MS_MIN)
        self._at(at - BEGIN, partial(self._tell_news, node))

    def _tell_news(self, node: Node) -> None:
        node.is_told_soon = False
        seen = node.fleet.capacity(node.author.head("capacity", self._now))
        if node.said is None or news.is_news(node.said, seen):
            self._tell(node, seen)

    def _tell(self, node: Node, seen: Capacity | None = None) -> None:
        said = seen or node.fleet.capacity(node.author.head("capacity", self._now))
        node.said = said
        self._publish(node, partial(self._see, node, said))

    def _publish(self, node: Node, hear: Callable[[int], None]) -> None:
        """Let each side hear something by gossip: the other one, after a cut."""
        for side in range(len(self._views)):
            at = self._now + GOSSIP_MS
            if side != node.side and self._is_cut():
                at += self._cut_ends - self._now
            self._at(at - BEGIN, partial(hear, side))

    def _see(self, node: Node, said: Capacity, side: int) -> None:
        if node.id not in self._frozen[side] and said.until > self._now:
            self._views[side].update_capacity(node.id, said)

    def _hear(self, window: Record, side: int) -> None:
        """Hold a window against those of its machine; one lie is enough."""
        other = self._windows[side].take(window, self._now)
        if other is not None:
            liar = proofs.accused(proofs.prove(other.data, window.data))
            self._frozen[side].add(liar)
            self._views[side].forget(liar)

    def _renew(self, node: Node) -> None:
        if node.said is None or self._now >= node.said.at + RENEW_MS:
            self._tell(node)
        assert node.said is not None
        self._at(node.said.at + RENEW_MS - BEGIN, partial(self._renew, node))

    def _expire(self) -> None:
        for view in self._views:
            view.expire(self._now)
        self._at(self._now + MINUTE_MS - BEGIN, self._expire)

    def _heal(self) -> None:
        """Let all tell of themselves anew, as a sync session would bring the newest."""
        for node in self._nodes:
            self._tell(node)

    def _is_cut(self) -> bool:
        hours = (self._now - BEGIN) / HOUR_MS
        return self.cut is not None and self.cut.begin_h <= hours < self.cut.end_h

    def _are_apart(self, one: Node, other: Node) -> bool:
        return one.side != other.side and self._is_cut()

    def _at(self, after_ms: int, happen: Callable[[], None]) -> None:
        """Let something happen so long after the beginning."""
        self._events += 1
        heapq.heappush(self._heap, (BEGIN + after_ms, self._events, happen))


def _believe(_: Envelope) -> None:
    """Take a signature as good: nobody forges any here."""
