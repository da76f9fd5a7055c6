"""Our node beside a host of the library as it comes: what is mended and replaced still speaks
the same protocols.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
import trio
from libp2p import new_host
from libp2p.abc import IHost, INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.peerinfo import (  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
    info_from_p2p_addr,
)
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import LinkUp, Stream
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB, MIB
from tests.node.network.libp2p_peers import (
    BOB_SEED,
    CAROL_SEED,
    ECHO,
    PATIENCE_S,
    a_node,
    next_event,
)

PIECE = bytes(range(256)) * 256


@dataclass
class Stock:
    """Carol, who runs the library as it comes, with an echo, and is linked to Bob."""

    host: IHost
    bob: Libp2pTransport
    carol: NodeId


async def stock_echo(stream: INetStream) -> None:
    try:
        while data := await stream.read(64 * KIB):
            await stream.write(data)
    except StreamEOF:
        await stream.close()


@pytest.fixture
async def stock(nursery: trio.Nursery) -> AsyncGenerator[Stock]:
    bob = a_node(BOB_SEED)
    await nursery.start(bob.run)
    host = new_host(key_pair=create_new_key_pair(CAROL_SEED))
    host.set_stream_handler(TProtocol(ECHO), stock_echo)
    async with host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        await host.connect(info_from_p2p_addr(Multiaddr(bob.addresses()[0])))
        up = await next_event(bob)
        assert isinstance(up, LinkUp)
        yield Stock(host, bob, up.link.peer)
        with trio.CancelScope(shield=True), trio.move_on_after(2):
            await host.close()


async def exchange(stream: Stream | INetStream) -> int:
    """Send two megabytes and read them back at the same time; return how many came."""
    came = 0

    async def send() -> None:
        for _ in range(2 * MIB // len(PIECE)):
            await stream.write(PIECE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while came < 2 * MIB:
            data = await stream.read(64 * KIB)
            assert data[0] == came % 256
            came += len(data)
    return came


async def test_a_stream_that_the_library_opens_is_served(stock: Stock) -> None:
    bob = info_from_p2p_addr(Multiaddr(stock.bob.addresses()[0])).peer_id
    with trio.fail_after(PATIENCE_S):
        stream = await stock.host.new_stream(bob, [TProtocol(ECHO)])
        assert await exchange(stream) == 2 * MIB
        await stream.close()


async def test_a_stream_of_ours_is_served_by_the_library(stock: Stock) -> None:
    with trio.fail_after(PATIENCE_S):
        stream = await stock.bob.open(stock.carol, ECHO)
        assert await exchange(stream) == 2 * MIB
        await stream.close()
        assert await stream.read(1) == b""
