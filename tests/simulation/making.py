"""What the machines of all nodes do: they begin, make, break off, and are asked about it."""

from functools import partial
from typing import TYPE_CHECKING

from commonfab.protocol.events import JobEnded, JobProgressed
from commonfab.protocol.ids import NodeId, OrderId, RecordId
from commonfab.protocol.records import Lease, Record, Request

from .machines import Work
from .node import EPOCH_MS

if TYPE_CHECKING:
    from .node import Node
    from .world import World


class Making:
    """One for each run."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def begin(self, node: "Node", machine: str, lease: Record, request: Record) -> None:
        world = self._world
        body, asked = lease.body, request.body
        assert isinstance(body, Lease)
        assert isinstance(asked, Request)
        now_ms = world.now_ms()
        window_ms = body.end - body.start
        takes_ms = int(window_ms * world.random.uniform(0.5, 0.98))
        if world.happens(world.faults.overruns):
            takes_ms = int(window_ms * world.random.uniform(1, 3))
        work = Work(lease.id, now_ms, now_ms + takes_ms, asked.pieces, made=True)
        if world.happens(world.faults.failures):
            work.ends_ms = now_ms + world.random.randrange(takes_ms)
            work.pieces, work.made = world.random.randrange(asked.pieces), False
            work.reason = "the print came loose"
        node.benches[machine].begin(work)
        world.note("begins", node, lease)
        world.at(now_ms + takes_ms // 2, partial(self._progress, node, lease.id))
        world.at(work.ends_ms, partial(self._machine_ends, node, machine, work))

    def ask_after(self, node: "Node", machine: str, lease: Record) -> None:
        """Find out what became of a job: it goes on, it has ended, or it never began."""
        bench = node.benches[machine]
        if bench.job is not None and bench.job.lease == lease.id:
            return
        now_ms = self._world.now_ms()
        never = Work(lease.id, now_ms, now_ms, 0, made=False, reason="never begun")
        work = bench.ended.setdefault(lease.id, never)
        self._world.after(1, partial(self._tell_end, node, work))

    def stop(self, node: "Node", machine: str, lease: Record, reason: str) -> None:
        bench = node.benches[machine]
        if bench.job is not None and bench.job.lease == lease.id:
            bench.break_off(self._world.now_ms() + 1, reason, self._world.random)
            self._world.after(1, partial(self._machine_ends, node, machine, bench.job))

    def node_died(self, node: "Node") -> None:
        """Break off the jobs of the machines that stop with their node."""
        for machine, bench in node.benches.items():
            if bench.job is not None and not bench.outlasts_node:
                bench.break_off(self._world.now_ms(), "the node died", self._world.random)
                self._world.after(0, partial(self._machine_ends, node, machine, bench.job))

    def made(self, order: OrderId, job: int) -> list[tuple[NodeId, RecordId, int]]:
        """Return the owner, lease and good pieces of each time that a job was really made."""
        return [
            (node.id, lease, bench.ended[lease].pieces)
            for lease in self._world.checkers.lease_of.get((order, job), [])
            for node in self._world.nodes
            for bench in node.benches.values()
            if lease in bench.ended
        ]

    def _progress(self, node: "Node", lease: RecordId) -> None:
        if node.is_up:
            node.handle(JobProgressed(lease, "running", 500))

    def _machine_ends(self, node: "Node", machine: str, work: Work) -> None:
        bench = node.benches[machine]
        if bench.job is not work or self._world.now_ms() < work.ends_ms:
            return
        self._tell_end(node, bench.end())

    def _tell_end(self, node: "Node", work: Work) -> None:
        if node.is_up:
            seconds = (self._world.now_ms() - work.started_ms) // 1000
            started = EPOCH_MS + work.started_ms
            node.handle(
                JobEnded(work.lease, work.made, work.pieces, started, seconds, 0, 0, 0, work.reason)
            )
