"""Fifty whole nodes in one process, over libp2p on loopback: how soon all know a new design, and
what a node costs that has nothing to do.

    python -m tests.benchmarks.gossip_town
"""

import json
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from msgspec import structs

from commonfab.node import clock, daemon
from commonfab.node.home import config, keys
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.node import Node
from commonfab.protocol.errors import ResourceError
from tests.builders import a_design
from tests.node.village import a_home, a_machine

NODES = 50
LINKS_MIN = 8
DESIGNS = 10
SETTLE_S_MAX = 180.0
IDLE_S = 60.0


async def start(folder: Path, stack: AsyncExitStack, nursery: trio.Nursery) -> list[Node]:
    nodes: list[Node] = []
    for number in range(NODES):
        home = a_home(folder, f"node{number}", a_machine())
        key = keys.load(home.key)
        here = ["/ip4/127.0.0.1/tcp/0"]
        transport = Libp2pTransport(key.seed_for_transport(), here, mdns=False)
        settings = config.load(home.config, {"COMMONFAB_TRADE_SYNC_S": "30"})
        node = Node(home, settings, {}, key, transport)
        stack.callback(node.library.close)
        await daemon.start(node, nursery)
        for other in nodes[-LINKS_MIN:]:
            with suppress(ResourceError):  # Too slow on a busy machine; it is dialled again.
                await node.transport.connect(other.transport.addresses()[0])
        nodes.append(node)
    with trio.move_on_after(SETTLE_S_MAX):
        while any(len(node.library.workshops) < NODES for node in nodes):  # noqa: ASYNC110  # All.
            await trio.sleep(0.5)
    return nodes


async def publish(nodes: list[Node]) -> list[float]:
    """Return how many seconds each node took to know each of some new designs."""
    delays: list[float] = []
    for number in range(DESIGNS):
        author = nodes[number * 7 % NODES]
        head = author.author.head(f"design/{number}", clock.now())
        record = author.author.sign(structs.replace(a_design().body, **head))
        began = trio.current_time()
        await author.announcing.announce(record)
        left = [node for node in nodes if node is not author]
        while left and trio.current_time() < began + 10:
            known = [node for node in left if record.id in node.library.designs]
            delays += [trio.current_time() - began for _ in known]
            left = [node for node in left if node not in known]
            await trio.sleep(0.02)
        delays += [10.0] * len(left)
        await trio.sleep(1)
    return sorted(delays)


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            nodes = await start(Path(folder), stack, nursery)
            delays = await publish(nodes)
            moved = [node.traffic.ever.both for node in nodes]
            cpu_s, began = time.process_time(), trio.current_time()
            await trio.sleep(IDLE_S)
            passed_s = trio.current_time() - began
            used_s = time.process_time() - cpu_s
            bytes_s = [
                (node.traffic.ever.both - before) / passed_s
                for node, before in zip(nodes, moved, strict=True)
            ]
            print(
                json.dumps(
                    {
                        "median_s": delays[len(delays) // 2],
                        "last_s": delays[-1],
                        "idle_bytes_s": sum(bytes_s) / NODES,
                        "idle_bytes_s_most": max(bytes_s),
                        "idle_core": used_s / passed_s / NODES,
                        "links": sum(len(node.transport.links()) for node in nodes) / NODES,
                    }
                )
            )
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
