"""The workbench, as the daemon stops it."""

from pathlib import Path

import trio

from commonfab.node.home import config, keys
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.node import Node
from tests.builders import a_request
from tests.node.village import a_home


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
