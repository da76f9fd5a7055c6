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

from commonfab.protocol import sync
from commonfab.protocol.errors import PeerError
from commonfab.protocol.events import JobEnded, JobProgressed, Tick
from commonfab.protocol.ids import NodeId, OrderId, RecordId, Timestamp, short
from commonfab.protocol.planning import Planner
from commonfab.protocol.records import Lease, Letter, Record, Request
from commonfab.scheduler.placement import Planner as RealPlanner
from commonfab.scheduler.quote import Quoter

from . import faults, town
from .cheat import Eve
from .checkers import Checkers
from .keys import Keys
from .machines import Work
from .node import EPOCH_MS, Build, Node
from .pretender import Mallory
from .trade import PlainPlanner

STEPS_MAX = 400_000
CALM_MS_MAX = 4 * 60 * 60_000
"""How long after the bad times everything must have ended."""
REAL_EVERY = 20
SYNC_EVERY_MS = 60_000
PUBLISH_EVERY_MS = 12 * 60_000

Story = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a run was like."""

    trace: str
    steps: int
    letters: int
    simulated_ms: int
    jobs: int
    pieces_made: int
    pieces_surplus: int


class World:
    """One run."""

    def __init__(self, seed: int, build: Build | None = None, story: Story | None = None) -> None:
        self.seed = seed
        self.build = build or Build()
        self.random = Random(seed)
        self.faults = faults.draw(self.random)
        # Real keys and the real planner cost ten times as much, so few runs have them.
        self.is_real = seed % REAL_EVERY == 0
        self.keys = Keys(seed, real=self.is_real)
        self.verify = self.keys.verify
        self.is_bad = True
        """Things go wrong until `faults.until_ms`."""
        self.letters = 0
        self.steps = 0
        self.sync_every_ms = SYNC_EVERY_MS
        self.publish_every_ms = PUBLISH_EVERY_MS
        self._story = story
        self._time_ms = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._ties = count()
        self._trace = blake2b(digest_size=16)
        self._cut: tuple[frozenset[int], bool] = frozenset(), False
        machines = town.machines(self.random)
        signers = [self.keys.signer(f"node {index}") for index in range(town.NODES)]
        self.nodes = [
            Node(index, signer, machines[index], self._make_planner, Quoter, self)
            for index, signer in enumerate(signers)
        ]
        self._by_id = {node.id: node for node in self.nodes}
        self.eve = Eve(self.keys.signer("eve"), self.random, self)
        self.mallory = Mallory(self.keys.signer("mallory"), self.random, self._slip)
        self.checkers = Checkers(self._by_id, self.keys.signed)
        self.orders: list[tuple[Node, OrderId]] = []

    # Running.

    def run(self) -> Result:
        """Let the bad times pass, then the good ones until all has ended. Raises `Breach`."""
        town.set_up(self)
        self._run_until(self.faults.until_ms)
        self._end_bad_times()
        end_ms = self._time_ms + CALM_MS_MAX
        while self._time_ms < end_ms and (
            town.unfinished(self) or not town.all_know_the_same(self)
        ):
            self._run_until(self._time_ms + 60_000)
        town.check_ended(self)
        assert town.all_know_the_same(self), "the nodes do not know the same public records"
        buyers = {node.index: node for node, _ in self.orders if node.is_up}
        states = [state for node in buyers.values() for state in node.peer.buyer.orders()]
        return Result(
            trace=self._trace.hexdigest(),
            steps=self.steps,
            letters=self.letters,
            simulated_ms=self._time_ms,
            jobs=sum(len(state.jobs) for state in states),
            pieces_made=sum(state.pieces_made() for state in states),
            pieces_surplus=sum(state.surplus() for state in states),
        )

    def answers(self, node: NodeId) -> bool:
        """Tell whether this is a node that will answer for what it did."""
        known = self._by_id.get(node)
        return known is not None and known.is_up

    def made(self, order: OrderId, job: int) -> list[tuple[NodeId, RecordId, int]]:
        """Return the owner, lease and good pieces of each time that a job was really made."""
        return [
            (node.id, lease, bench.ended[lease].pieces)
            for lease in self.checkers.lease_of.get((order, job), [])
            for node in self.nodes
            for bench in node.benches.values()
            if lease in bench.ended
        ]

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
        self._cut = frozenset(), False
        self.tell("the bad times are over")
        for node in self.nodes:
            if not node.is_up and not node.is_silent:
                self.restart(node)

    # What nodes ask for (see node.Surroundings).

    def post(self, sender: Node, to: NodeId, record: Record) -> None:
        self.letters += 1
        receiver = self._by_id.get(to)
        if self.is_bad and self.faults.cheats:
            self.eve.hear(record)
        if to == self.mallory.node and not self._happens(self.faults.loss):
            self.after(self.random.randint(5, 200), partial(self._pretend, record))
        if receiver is None:
            return
        if receiver is sender:
            self.after(1, partial(self._deliver, receiver, record.data))
            return
        if self._is_cut(sender, receiver) or self._happens(self.faults.loss):
            return
        for _ in range(2 if self._happens(self.faults.copies) else 1):
            delay_ms = self.random.randint(5, 200)
            if self._happens(self.faults.late):
                delay_ms += self.random.randrange(self.faults.late_ms_max)
            self.after(delay_ms, partial(self._deliver, receiver, record.data))

    def whisper(self, to: NodeId, data: bytes) -> None:
        """Deliver what Eve has made up."""
        if to in self._by_id:
            self.after(self.random.randint(5, 200), partial(self._deliver, self._by_id[to], data))

    def wake(self, node: Node, at: Timestamp) -> None:
        node.wakes += 1
        self._wake_later(node, at, node.wakes)

    def begin(self, node: Node, machine: str, lease: Record, request: Record) -> None:
        body, asked = lease.body, request.body
        assert isinstance(body, Lease)
        assert isinstance(asked, Request)
        window_ms = body.end - body.start
        takes_ms = int(window_ms * self.random.uniform(0.5, 0.98))
        if self._happens(self.faults.overruns):
            takes_ms = int(window_ms * self.random.uniform(1, 3))
        work = Work(lease.id, self._time_ms, self._time_ms + takes_ms, asked.pieces, made=True)
        if self._happens(self.faults.failures):
            work.ends_ms = self._time_ms + self.random.randrange(takes_ms)
            work.pieces, work.made = self.random.randrange(asked.pieces), False
            work.reason = "the print came loose"
        node.benches[machine].begin(work)
        self.note("begins", node, lease)
        self.at(self._time_ms + takes_ms // 2, partial(self._progress, node, lease.id))
        self.at(work.ends_ms, partial(self._machine_ends, node, machine, work))

    def ask_after(self, node: Node, machine: str, lease: Record) -> None:
        """Find out what became of a job: it goes on, it has ended, or it never began."""
        bench = node.benches[machine]
        if bench.job is not None and bench.job.lease == lease.id:
            return
        never = Work(lease.id, self._time_ms, self._time_ms, 0, made=False, reason="never begun")
        work = bench.ended.setdefault(lease.id, never)
        self.after(1, partial(self._tell_end, node, work))

    def stop(self, node: Node, machine: str, lease: Record, reason: str) -> None:
        bench = node.benches[machine]
        if bench.job is not None and bench.job.lease == lease.id:
            bench.break_off(self._time_ms + 1, reason, self.random)
            self.after(1, partial(self._machine_ends, node, machine, bench.job))

    def dies_at(self, node: Node, effects_count: int) -> int | None:
        if not effects_count or not self._happens(self.faults.crash_within):
            return None
        return self.random.randint(0, effects_count)

    def crash(self, node: Node) -> None:
        """Let a node die, and start again after a while."""
        node.stop()
        lost = node.disk.crash(self.random)
        self.note("dies", node)
        self.tell(f"{node.index:2} dies, {lost} unsynced records are lost")
        for machine, bench in node.benches.items():
            if bench.job is not None and not bench.outlasts_node:
                bench.break_off(self._time_ms, "the node died", self.random)
                self.after(0, partial(self._machine_ends, node, machine, bench.job))
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

    def cut(self, part: frozenset[int], *, is_lopsided: bool) -> None:
        """Let nothing pass from a part of the nodes to the others; unless lopsided, nor back."""
        if self.is_bad:
            self.tell(
                f"the network falls apart: {len(part)} nodes {'cannot speak out' * is_lopsided}"
            )
            self._cut = part, is_lopsided

    def heal(self) -> None:
        self._cut = frozenset(), False

    def cheat(self) -> None:
        if self.is_bad:
            self.eve.act([node.id for node in self.nodes], EPOCH_MS + self._time_ms)

    def advertise(self) -> None:
        """Let Mallory's capacity be known to some, and something be asked for."""
        if self.is_bad:
            at = EPOCH_MS + self._time_ms
            capacity = self.mallory.capacity(at)
            for node in self.random.sample(self.nodes, 5):
                self.whisper(node.id, capacity.data)
            self.mallory.ask(self.random.choice(self.nodes[: town.WORKSHOPS]).id, at)

    def session(self, node: Node) -> None:
        """Let a node exchange public records with another, as if nothing took time."""
        other = self.random.choice(self.nodes)
        if other is node or not node.is_up or not other.is_up:
            return
        if self._is_cut(node, other) or self._is_cut(other, node):
            return
        node.drop_expired()
        other.drop_expired()
        leader = sync.lead(node, node.receive)
        left = self.random.randint(0, 6) if self._happens(self.faults.sessions_cut) else 1000
        try:
            message = next(leader)
            while left and node.is_up and other.is_up:
                left -= 1
                message = leader.send(sync.answer(message, other, other.receive))
        except StopIteration:
            pass
        except PeerError as error:
            raise AssertionError("two honest nodes could not sync") from error

    # What comes of it.

    def _deliver(self, node: Node, data: bytes) -> None:
        if node.is_up:
            node.receive(data)

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

    def _progress(self, node: Node, lease: RecordId) -> None:
        if node.is_up:
            node.handle(JobProgressed(lease, "running", 500))

    def _machine_ends(self, node: Node, machine: str, work: Work) -> None:
        bench = node.benches[machine]
        if bench.job is not work or self._time_ms < work.ends_ms:
            return
        self._tell_end(node, bench.end())

    def _tell_end(self, node: Node, work: Work) -> None:
        if node.is_up:
            seconds = (self._time_ms - work.started_ms) // 1000
            started = EPOCH_MS + work.started_ms
            node.handle(
                JobEnded(work.lease, work.made, work.pieces, started, seconds, 0, 0, 0, work.reason)
            )

    def _is_cut(self, sender: Node, receiver: Node) -> bool:
        part, is_lopsided = self._cut
        if sender.index in part:
            return receiver.index not in part
        return receiver.index in part and not is_lopsided

    def _happens(self, share: float) -> bool:
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
