"""The workbench: in which order it makes leases, and how the daemon stops it."""

from pathlib import Path

import trio

from commonfab.node.home import config, keys
from commonfab.node.journal import Journal
from commonfab.node.machines.workbench import Workbench
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.node import Node
from commonfab.protocol import events
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Request
from tests.builders import a_request
from tests.node.village import a_home, a_machine
from tests.protocol.desk import OwnerDesk


async def test_a_node_that_stops_begins_no_job_and_does_not_fail(tmp_path: Path) -> None:
    home = a_home(tmp_path, "alice")
    key = keys.load(home.key)
    node = Node(
        home, config.load(home.config, {}), {}, key, MemoryTransport(key.node, MemoryNetwork())
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(node.workbench.run)
        nursery.cancel_scope.cancel()

    node.workbench.prepare(a_request())

    node.library.close()


async def test_a_lease_is_made_after_a_later_one_that_came_before_it(tmp_path: Path) -> None:
    home = a_home(tmp_path, "bob", a_machine("mk3"))
    key = keys.load(home.key)
    node = Node(
        home, config.load(home.config, {}), {}, key, MemoryTransport(key.node, MemoryNetwork())
    )
    desk = OwnerDesk()
    requests = [a_request(job=job) for job in range(2)]
    leases = [desk.leased(request) for request in requests]
    tell, hear = trio.open_memory_channel[events.Event](len(leases))

    async def check(request: Request, buyer: NodeId) -> str:
        return ""

    bench = Workbench(
        node.fleet, desk.side, check, tell.send, lambda _: None, Journal(), node.fitting.fitted
    )
    made: list[tuple[bytes, bool]] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.run)
        for lease, request in reversed(list(zip(leases, requests, strict=True))):
            bench.run_job("mk3", lease, request)
            ended = await hear.receive()
            assert isinstance(ended, events.JobEnded)
            made.append((ended.lease, ended.made))
        nursery.cancel_scope.cancel()

    assert leases[0].body.seq < leases[1].body.seq
    assert made == [(leases[1].id, True), (leases[0].id, True)]
    node.library.close()
