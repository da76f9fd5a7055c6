"""A world of nodes in one thread: a heap of what comes next, a seed, and no clock.

Everything that happens is drawn from the seed, in an order that the seed decides, so a
seed and a version of the code are a complete report of a failure.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import count
from random import Random
from zlib import crc32

from commonfab.protocol.events import Tick
from commonfab.protocol.ids import NodeId, OrderId, Timestamp, short
from commonfab.protocol.lease.planning import Planner
from commonfab.protocol.records import Letter, Record
from commonfab.scheduler.placement import Planner as RealPlanner
from commonfab.scheduler.quote import Quoter

from . import faults, links, memory, town
from .agreement import Agreement
from .checkers import Checkers
from .cuts import Cut
from .gossiping import Gossip
from .keys import Keys
from .making import Making
from .node import EPOCH_MS, Build, Node
from .pretender import Mallory
from .rogue import FLOOD, Rogue
from .syncing import Party, Session
from .trade import PlainPlanner

STEPS_MAX = 2_000_000
CALM_MS_MAX = 4 * 60 * 60_000
"""How long after the bad times everything must have ended."""
REAL_EVERY = 25
SYNC_EVERY_MS = 120_000
PUBLISH_EVERY_MS = 12 * 60_000
NODES = 30
"""Of a run in its quick form; `--nodes` sets another number."""

Story = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a run was like."""

    trace: str
    steps: int
    messages: int
    bytes: int
    rounds: float
    """Of sync, from the end of the bad times until all honest nodes agreed."""
    simulated_ms: int
    jobs: int
    pieces_made: int
    pieces_surplus: int
    proofs: int
    """Rogues that were proven to have signed two records for one place."""
    shown_out: int
    """Times that an honest node would have no more to do with a rogue."""


class World:
    """One run."""

    def __init__(
        self,
        seed: int,
        build: Build | None = None,
        story: Story | None = None,
        nodes: int = NODES,
    ) -> None:
        self.seed = seed
        self.build = build or Build()
        self.random = Random(seed)
        self.scale = town.Scale(nodes)
        self.faults = faults.draw(self.random)
        # Real keys and the real planner cost ten times as much, so few runs have them.
        self.is_real = seed % REAL_EVERY == 0
        self.keys = Keys(seed, real=self.is_real)
        self.verify = self.keys.verify
        self.is_bad = True
        """Things go wrong until `faults.until_ms`."""
        self.messages = 0
        self.bytes = 0
        self.steps = 0
        self.sync_every_ms = SYNC_EVERY_MS
        self.publish_every_ms = PUBLISH_EVERY_MS
        self._story = story
        self._time_ms = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._ties = count()
        self._trace = blake2b(digest_size=16)
        self._cuts = links.Cuts()
        machines = town.machines(self.random, self.scale)
        signers = [self.keys.signer(f"node {index}") for index in range(nodes)]
        honest = self.scale.honest
        self.nodes: list[Node] = [
            Node(index, signer, machines[index], self._make_planner, Quoter, self)
            for index, signer in enumerate(signers[:honest])
        ]
        self.rogues = [
            Rogue(index, signers[index], self.random, self) for index in range(honest, nodes)
        ]
        self.parties: list[Party] = [*self.nodes, *self.rogues]
        self.links = links.draw(self.random, honest, nodes - honest)
        self.gossip = Gossip(self)
        self.making = Making(self)
        self._by_id = {node.id: node for node in self.nodes}
        self._indices = {party.id: party.index for party in self.parties}
        self.mallory = Mallory(self.keys.signer("mallory"), self.random, self._slip)
        self.checkers = Checkers(self._by_id, self.keys.signed)
        self.orders: list[tuple[Node, OrderId]] = []

    # Running.

    def run(self) -> Result:
        """Let the bad times pass, then the good ones until all has ended. Raises `Breach`."""
        with memory.of_what_is_read():
            return self._run()

    def _run(self) -> Result:
        town.set_up(self)
        self._run_until(self.faults.until_ms)
        self._end_bad_times()
        agreement = Agreement(self)
        rounds = agreement.rounds(self._run_until)
        end_ms = self._time_ms + CALM_MS_MAX
        while self._time_ms < end_ms and (
            town.unfinished(self) or not agreement.all_know_the_same()
        ):
            self._run_until(self._time_ms + 60_000)
        town.check_ended(self)
        assert agreement.all_know_the_same(), "the nodes do not know the same public records"
        buyers = {node.index: node for node, _ in self.orders if node.is_up}
        states = [state for node in buyers.values() for state in node.peer.buyer.orders()]
        return Result(
            trace=self._trace.hexdigest(),
            steps=self.steps,
            messages=self.messages,
            bytes=self.bytes,
            rounds=rounds,
            simulated_ms=self._time_ms,
            jobs=sum(len(state.jobs) for state in states),
            pieces_made=sum(state.pieces_made() for state in states),
            pieces_surplus=sum(state.surplus() for state in states),
            proofs=len({author for node in self.nodes for author in node.frozen}),
            shown_out=self.gossip.shown_out,
        )

    def answers(self, node: NodeId) -> bool:
        """Tell whether this is a node that will answer for what it did."""
        known = self._by_id.get(node)
        return known is not None and known.is_up

    def at(self, when_ms: int, what: Callable[[], None]) -> None:
        # The counter settles ties, so that two things at one instant keep their order.
        heapq.heappush(self._heap, (when_ms, next(self._ties), what))

    def after(self, ms: int, what: Callable[[], None]) -> None:
        self.at(self._time_ms + ms, what)

    def every(self, ms: int, what: Callable[[], None]) -> None:
        """Do something again and again, for the first time somewhere within the interval."""

        def again() -> None:
            self.after(ms, again)
            what()

        self.after(self.random.randrange(ms), again)

    def now_ms(self) -> int:
        return self._time_ms

    def _run_until(self, end_ms: int) -> None:
        while self._heap and self._heap[0][0] <= end_ms:
            assert self.steps < STEPS_MAX, "still busy: a storm of letters?"
            self.steps += 1
            self._time_ms, _, what = heapq.heappop(self._heap)
            what()
        self._time_ms = end_ms

    def _end_bad_times(self) -> None:
        self.is_bad = False
        self._cuts.end_all()
        self.tell("the bad times are over")
        for node in self.nodes:
            if not node.is_up and not node.is_silent:
                self.restart(node)

    # What nodes ask for (see node.Surroundings).

    def post(self, sender: Node, to: NodeId, record: Record) -> None:
        receiver = self._by_id.get(to)
        if self.is_bad:
            self.random.choice(self.rogues).hear(record)
        if to == self.mallory.node and not self.happens(self.faults.loss):
            self.after(self.random.randint(5, 200), partial(self._pretend, record))
        if receiver is None:
            return
        if receiver is sender:
            self.after(1, partial(self._deliver, receiver, record.data))
            return
        delay_ms = self.carry(sender.index, receiver.index, record.data)
        if self.is_cut(sender.index, receiver.index) or self.happens(self.faults.loss):
            return
        for _ in range(2 if self.happens(self.faults.copies) else 1):
            if self.happens(self.faults.late):
                delay_ms += self.random.randrange(self.faults.late_ms_max)
            self.after(delay_ms, partial(self._deliver, receiver, record.data))
            delay_ms = self.random.randint(5, 200)

    def publish(self, node: Node, data: bytes) -> None:
        if self.is_bad:
            self.random.choice(self.rogues).receive(data)
        self.gossip.publish(node, data)

    def sync_with(self, party: Party, other: int) -> None:
        """Let a party sync with one of its links, out of turn."""
        if party.is_up:
            self._sync_with_next(party, [other])

    def carry(self, sender: int, receiver: int, data: bytes) -> int:
        """Count what goes over the wire; return for how long it is on its way, in ms."""
        self.messages += 1
        self.bytes += len(data)
        self._trace.update(b"%d %d %d %d\n" % (self._time_ms, sender, receiver, crc32(data)))
        return self.random.randint(5, 200)

    def is_cut(self, sender: int, receiver: int) -> bool:
        return self._cuts.any and self._cuts.stop(sender, receiver, self._time_ms)

    def are_apart(self, one: int, other: int) -> bool:
        """Tell whether something cannot pass one way or the other."""
        return self._cuts.any and (self.is_cut(one, other) or self.is_cut(other, one))

    def index_of(self, party: NodeId) -> int:
        return self._indices[party]

    def is_rogue(self, index: int) -> bool:
        return index >= self.scale.honest

    def whisper(self, to: NodeId, data: bytes) -> None:
        """Deliver what Eve has made up."""
        if to in self._by_id:
            receiver = self._by_id[to]
            self.after(self.carry(-1, receiver.index, data), partial(self._deliver, receiver, data))

    def wake(self, node: Node, at: Timestamp) -> None:
        node.wakes += 1
        self._wake_later(node, at, node.wakes)

    def dies_at(self, node: Node, effects_count: int) -> int | None:
        if not effects_count or not self.happens(self.faults.crash_within):
            return None
        return self.random.randint(0, effects_count)

    def crash(self, node: Node) -> None:
        """Let a node die, and start again after a while."""
        node.stop()
        lost = node.disk.crash(self.random)
        self.note("dies", node)
        self.tell(f"{node.index:2} dies, {lost} unsynced records are lost")
        self.making.node_died(node)
        if not node.is_silent:
            self.after(self.random.randint(100, 90_000), partial(self.restart, node))

    def restart(self, node: Node) -> None:
        if node.is_up or node.is_silent:
            return
        self.set_clock(node)
        self.note("starts", node)
        self.tell(f"{node.index:2} starts")
        node.start()
        if node.is_up and node.machines:
            node.publish_capacity(unless_fresh=True)

    # What happens to nodes.

    def set_clock(self, node: Node) -> None:
        wrong_ms = self.faults.clock_ms_max
        node.offset_ms = self.random.randint(-wrong_ms, wrong_ms)

    def jump_clock(self, node: Node) -> None:
        if self.is_bad and node.is_up:
            self.set_clock(node)
            self.tell(f"{node.index:2} has its clock set, now {node.offset_ms} ms off")
            node.handle(Tick())

    def kill(self, node: Node) -> None:
        if self.is_bad and node.is_up:
            self.crash(node)

    def silence(self, node: Node) -> None:
        """Take a node away for ever."""
        self.tell(f"{node.index:2} goes silent for ever")
        node.is_silent = True
        if node.is_up:
            self.crash(node)

    def cut(self, cut: Cut) -> None:
        if self.is_bad:
            self.tell(f"the network falls apart: {cut.shape}")
            self._cuts.begin(cut)

    def heal(self, cut: Cut) -> None:
        self._cuts.end(cut)

    def cheat(self) -> None:
        if self.is_bad:
            rogue = self.random.choice(self.rogues)
            rogue.act([node.id for node in self.nodes], EPOCH_MS + self._time_ms)
            other = self.random.choice(self.links[rogue.index])
            rogue.gossip(partial(self.gossip.say, rogue.index, other))

    def equivocate(self) -> None:
        rogue = self.random.choice(self.rogues)
        self.tell(f"{rogue.index:2} signs two records for one place")
        rogue.equivocate([node.id for node in self.nodes], EPOCH_MS + self._time_ms)

    def flood(self) -> None:
        rogue = self.random.choice(self.rogues)
        rogue.flood([node.id for node in self.nodes], EPOCH_MS + self._time_ms)
        say = partial(self.gossip.say, rogue.index, self.random.choice(self.links[rogue.index]))
        for _ in range(FLOOD):
            rogue.gossip(say)

    def sync_round(self, party: Party) -> None:
        """Let a party sync with all its links, one after another."""
        if party.is_up:
            others = self.random.sample(self.links[party.index], len(self.links[party.index]))
            self._sync_with_next(party, others)

    def _sync_with_next(self, party: Party, others: list[int]) -> None:
        while others:
            other = self.parties[others.pop()]
            is_apart = self.are_apart(party.index, other.index)
            if party.is_up and other.is_up and not is_apart:
                then = partial(self._sync_with_next, party, others)
                Session(self, party, other, then).begin()
                return

    def advertise(self) -> None:
        """Let Mallory's capacity be known to some, and something be asked for."""
        if self.is_bad:
            at = EPOCH_MS + self._time_ms
            capacity = self.mallory.capacity(at)
            for node in self.random.sample(self.nodes, 5):
                self.whisper(node.id, capacity.data)
            self.mallory.ask(self.random.choice(self.nodes[: self.scale.workshops]).id, at)

    # What comes of it.

    def _deliver(self, node: Node, data: bytes) -> None:
        if node.is_up:
            node.open(data)

    def _pretend(self, record: Record) -> None:
        if self.is_bad:
            self.mallory.hear(record, EPOCH_MS + self._time_ms)

    def _slip(self, to: NodeId, record: Record) -> None:
        self.whisper(to, record.data)

    def _wake_later(self, node: Node, at: Timestamp, wake: int) -> None:
        # By the node's own clock, which may be set meanwhile.
        wait_ms = max(1, at - node.now())
        self.after(wait_ms, partial(self._wake_now, node, at, wake, node.starts))

    def _wake_now(self, node: Node, at: Timestamp, wake: int, start: int) -> None:
        if not node.is_up or node.wakes != wake or node.starts != start:
            return
        if node.now() < at:
            self._wake_later(node, at, wake)
        else:
            node.handle(Tick())

    def happens(self, share: float) -> bool:
        return self.is_bad and share > 0 and self.random.random() < share

    def _make_planner(self, node: Node) -> Planner:
        if not self.is_real:
            return PlainPlanner(node.capacities)
        return RealPlanner(node.view)

    # Telling.

    def note(self, what: str, node: Node, record: Record | None = None) -> None:
        """Write a step into the trace."""
        identifier = record.id if record else b""
        self._trace.update(
            b"%d %d %s %b\n" % (self._time_ms, node.index, what.encode(), identifier)
        )
        if self._story and record is not None:
            to = (
                self._by_id.get(NodeId(record.body.to)) if isinstance(record.body, Letter) else None
            )
            whom = f" to {to.index:2}" if to else ""
            self.tell(f"{node.index:2} {what} {record.kind} {short(record.id)}{whom}")

    def tell(self, line: str) -> None:
        if self._story:
            self._story(f"{self._time_ms / 1000:9.3f}  {line}")
