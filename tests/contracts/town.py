"""Nodes for the contract of `Transport`: a few in one process, of either kind."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import trio

from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import LinkDown, LinkUp, Stream, Transport
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB

ECHO = "/test/echo/1"
PATIENCE_S = 10


@dataclass
class Town:
    """Starts nodes of one kind, and stops them all when the test is over."""

    make: Callable[[], Transport]
    nursery: trio.Nursery
    scopes: dict[NodeId, trio.CancelScope] = field(default_factory=dict[NodeId, trio.CancelScope])
    stopped: dict[NodeId, trio.Event] = field(default_factory=dict[NodeId, trio.Event])

    async def node(self, prepare: Callable[[Transport], None] = lambda _: None) -> Transport:
        node = self.make()
        node.events()
        prepare(node)
        await self.nursery.start(self.run, node)
        return node

    async def pair(self) -> tuple[Transport, Transport]:
        """Return Alice and Bob, whom Alice has dialled, with Bob's echo."""
        alice, bob = await self.node(), await self.node(serving_echo)
        await link(alice, bob)
        return alice, bob

    async def stop(self, node: Transport) -> None:
        self.scopes[node.me].cancel()
        await self.stopped[node.me].wait()

    async def run(self, node: Transport, task_status: trio.TaskStatus[None]) -> None:
        self.stopped[node.me] = trio.Event()
        with trio.CancelScope() as self.scopes[node.me]:
            await node.run(task_status=task_status)
        self.stopped[node.me].set()


def makers() -> dict[str, Callable[[], Transport]]:
    """Return what makes nodes of each kind that can reach one another; each has its own key."""
    numbers = count(1)
    network = MemoryNetwork()

    def make_memory() -> Transport:
        return MemoryTransport(NodeId(next(numbers).to_bytes(32, "big")), network)

    def make_libp2p() -> Transport:
        seed = next(numbers).to_bytes(32, "big")
        here = ["/ip4/127.0.0.1/tcp/0"]
        return Libp2pTransport(seed, here, mdns=False)

    return {"memory": make_memory, "libp2p": make_libp2p}


def serving_echo(node: Transport) -> None:
    node.serve(ECHO, echo)


async def echo(stream: Stream) -> None:
    while data := await stream.read(64 * KIB):
        await stream.write(data)


async def link(one: Transport, other: Transport) -> None:
    """Connect two nodes, and wait until both have been told."""
    with trio.fail_after(PATIENCE_S):
        await one.connect(other.addresses()[0])
        await next_up(one, other)
        await next_up(other, one)


async def next_up(node: Transport, peer: Transport) -> LinkUp:
    event = await next_event(node)
    assert isinstance(event, LinkUp)
    assert event.link.peer == peer.me
    return event


async def next_event(node: Transport) -> LinkUp | LinkDown:
    with trio.fail_after(PATIENCE_S):
        return await node.events().receive()


async def read_all(stream: Stream) -> bytes:
    parts: list[bytes] = []
    while part := await stream.read(64 * KIB):
        parts.append(part)
    return b"".join(parts)
