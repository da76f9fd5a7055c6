"""A node in a process of its own for bench_gossip: a transport, and what passes records on.

    python -m tests.benchmarks.gossip_process tree|gossipsub

It is told what to do by one JSON object a line. A record is as long as a capacity record of two
machines, and says when it was published.
"""

import json
import os
import random
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
from libp2p import new_host
from libp2p.peer.peerinfo import (  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
    info_from_p2p_addr,
)
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.node.gossip.gossip import Gossip
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import LinkUp
from commonfab.protocol.envelope import Envelope, parse, seal
from commonfab.protocol.gossip.areas import Topic
from commonfab.protocol.gossip.broadcast_events import Judged
from commonfab.protocol.ids import NodeId
from tests.protocol.signers import Person
from tests.simulation.broadcast_world import LYON_AREA

HERE = "/ip4/127.0.0.1/tcp/0"
TOPIC = "bench"
BODY_BYTES = 500


@dataclass
class Carrier:
    """One way to pass records on."""

    address: str
    connect: Callable[[str], Awaitable[object]]
    publish: Callable[[Envelope], Awaitable[None]]


class Ear:
    """Checks each record, as a node does, and notes how long it was on its way."""

    def __init__(self) -> None:
        self.delays_ms: list[float] = []

    def hear(self, sealed: Envelope) -> None:
        sealed.verify()
        self.delays_ms.append((time.monotonic_ns() - int.from_bytes(sealed.body[:8], "big")) / 1e6)


@asynccontextmanager
async def tree(ear: Ear) -> AsyncGenerator[Carrier]:
    transport = Libp2pTransport(os.urandom(32), [HERE], mdns=False)

    def judge(_peer: NodeId, area: Topic, sealed: Envelope) -> Judged:
        ear.hear(sealed)
        return Judged("accept", area)

    async def repair(_peer: NodeId) -> None:
        await trio.lowlevel.checkpoint()  # There is nothing to sync here.

    def offend(_peer: NodeId, why: str) -> None:
        raise AssertionError(why)

    gossip = Gossip(transport, judge, frozenset([LYON_AREA]), repair, offend, lambda _: True)

    async def tell_links() -> None:
        async for event in transport.events():
            if isinstance(event, LinkUp):
                gossip.link_up(event.link.peer)
            else:
                gossip.link_down(event.peer)

    async def publish(sealed: Envelope) -> None:
        gossip.learn(LYON_AREA, sealed.data)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(gossip.run)
        nursery.start_soon(tell_links)
        await nursery.start(transport.run)
        yield Carrier(transport.addresses()[0], transport.connect, publish)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def gossipsub(ear: Ear) -> AsyncGenerator[Carrier]:
    """The library's GossipSub as it comes, but for a heartbeat of a second and no spam filter."""
    host = new_host()
    router = GossipSub(
        [PROTOCOL_ID_V11], 6, 4, 12, heartbeat_interval=1, spam_protection_enabled=False
    )
    pubsub = Pubsub(host, router)

    def check(peer: object, message: Any) -> bool:
        if peer != host.get_id():  # It has its own messages judged, too.
            ear.hear(parse(message.data))
        return True

    async def connect(address: str) -> None:
        await host.connect(info_from_p2p_addr(Multiaddr(address)))

    async def publish(sealed: Envelope) -> None:
        await pubsub.publish(TOPIC, sealed.data)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(host.run([Multiaddr(HERE)]))
        await stack.enter_async_context(background_trio_service(pubsub))
        await stack.enter_async_context(background_trio_service(router))
        pubsub.set_topic_validator(TOPIC, check, is_async_validator=False)
        subscription = await pubsub.subscribe(TOPIC)
        nursery = await stack.enter_async_context(trio.open_nursery())

        async def drain() -> None:
            while True:
                await subscription.get()

        nursery.start_soon(drain)
        place = str(host.get_addrs()[0])
        yield Carrier(place, connect, publish)
        nursery.cancel_scope.cancel()
        with trio.move_on_after(2, shield=True):
            await host.close()


async def main(carry: Callable[[Ear], Any]) -> None:
    ear = Ear()
    person = Person(os.urandom(32))
    async with carry(ear) as carrier:
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            said: object = None
            match json.loads(line):
                case {"do": "identify"}:
                    said = carrier.address
                case {"do": "connect", "addresses": addresses}:
                    for address in addresses:
                        await carrier.connect(address)
                case {"do": "publish", "per_s": per_s, "for_s": for_s, "then_s": then_s}:
                    said = await measure(carrier, ear, person, per_s, for_s, then_s)
                case asked:
                    said = f"not understood: {asked}"
            print(json.dumps({"said": said}), flush=True)


async def measure(
    carrier: Carrier, ear: Ear, person: Person, per_s: float, for_s: float, then_s: float
) -> dict[str, float | list[float]]:
    """Publish at a rate, wait for what is still on its way, and say what it was like."""
    ear.delays_ms.clear()
    # Not all at the same moment: nobody publishes in step with others.
    await trio.sleep(random.uniform(0, 1 / per_s))
    began_cpu_s, began = time.process_time(), trio.current_time()
    published = 0
    while published < per_s * for_s:
        await trio.sleep_until(began + published / per_s)
        body = time.monotonic_ns().to_bytes(8, "big") + os.urandom(BODY_BYTES - 8)
        await carrier.publish(seal("capacity", body, person))
        published += 1
    await trio.sleep_until(began + for_s + then_s)
    return {
        "published": published,
        "cpu_s": time.process_time() - began_cpu_s,
        "delays_ms": sorted(ear.delays_ms),
    }


if __name__ == "__main__":
    trio.run(main, {"tree": tree, "gossipsub": gossipsub}[sys.argv[1]])
