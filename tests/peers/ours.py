"""A node of ours, in the process of a test, among real peers."""

import time

import trio

from commonfab.node.exchange.bitswap import Bitswap
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.storage.memory import MemoryBlockStore

HERE = "/ip4/127.0.0.1/tcp/0"
PATIENCE_S = 60
"""For what real peers do. Nothing takes so long unless it never ends."""


class Ours:
    """A node's transport, store and block exchange, running until `scope` is cancelled."""

    def __init__(self) -> None:
        seed = time.time_ns()  # Another node each time: the peers remember those they met.
        self.transport = Libp2pTransport(seed.to_bytes(32, "big"), [HERE], mdns=False)
        self.me = self.transport.me
        self.store = MemoryBlockStore()
        self.bitswap = Bitswap(self.transport, self.store)
        self.scope = trio.CancelScope()

    @property
    def address(self) -> str:
        return self.transport.addresses()[0]

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.transport.run)
                await nursery.start(self.bitswap.run)
                task_status.started()
