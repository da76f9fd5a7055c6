"""Peers for the tests of the libp2p transport: honest ones, and Eve, who proves a key and then
sends whatever she likes.
"""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio
from libp2p.abc import ISecureConn
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamReset
from libp2p.transport.upgrader import TransportUpgrader

from commonfab.node.network.doorkeeper import DoorLimits
from commonfab.node.network.libp2p_mends import survive
from commonfab.node.network.libp2p_muxer import MuxedConnection, MuxedStream, Muxers
from commonfab.node.network.libp2p_tcp import TcpStream
from commonfab.node.network.libp2p_transport import PING_EVERY_S, Libp2pTransport
from commonfab.node.network.transport import (
    LinkDown,
    LinkUp,
    Stream,
    Transport,
    opened,
    split_address,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB
from commonfab.protocol.peer_id import peer_bytes, read_peer_bytes

HERE = "/ip4/127.0.0.1/tcp/0"
ECHO = "/test/echo/1"
PATIENCE_S = 10
ALICE_SEED, BOB_SEED, CAROL_SEED, EVE_SEED = (letter * 32 for letter in (b"A", b"B", b"C", b"E"))


def line(text: bytes) -> bytes:
    """One line of multistream-select."""
    return bytes([len(text) + 1]) + text + b"\n"


HELLO = line(b"/multistream/1.0.0")


def a_node(
    seed: bytes = BOB_SEED,
    *,
    listen: list[str] | None = None,
    mdns: bool = False,
    door_limits: DoorLimits | None = None,
    ping_every_s: float = PING_EVERY_S,
) -> Libp2pTransport:
    """Make a node that echoes; it does not run yet."""
    node = Libp2pTransport(
        seed,
        [HERE] if listen is None else listen,
        mdns=mdns,
        door_limits=door_limits,
        ping_every_s=ping_every_s,
    )
    node.events()
    node.serve(ECHO, echo)
    return node


async def echo(stream: Stream) -> None:
    while data := await stream.read(64 * KIB):
        await stream.write(data)


async def is_well(node: Libp2pTransport) -> bool:
    """Tell whether a newcomer gets a link to a node and an echo from it."""
    alice = a_node(ALICE_SEED)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE_S):
            await nursery.start(alice.run)
            await alice.connect(node.addresses()[0])
            async with opened(alice, node.me, ECHO) as stream:
                await stream.write(b"How are you?")
                answer = await stream.read(100)
        nursery.cancel_scope.cancel()
    return answer == b"How are you?"


async def next_event(node: Transport) -> LinkUp | LinkDown:
    with trio.fail_after(PATIENCE_S):
        return await node.events().receive()


def tcp_port(address: str) -> int:
    place, _ = split_address(address)
    return int(place.split("/")[4])


@asynccontextmanager
async def dialled(
    address: str, *, from_host: str = "127.0.0.1"
) -> AsyncGenerator[trio.SocketStream]:
    """Open a bare TCP connection to a node, from any address of this machine, for a block."""
    stream = await dial(address, from_host=from_host)
    async with stream:
        yield stream


async def dial(address: str, *, from_host: str = "127.0.0.1") -> trio.SocketStream:
    socket = trio.socket.socket()
    await socket.bind((from_host, 0))
    await socket.connect(("127.0.0.1", tcp_port(address)))
    return trio.SocketStream(socket)


async def hangs_up(stream: trio.SocketStream) -> bool:
    """Wait until the other side closes."""
    with trio.fail_after(PATIENCE_S), suppress(trio.BrokenResourceError):
        while await stream.receive_some():
            pass
    return True


async def secure(stream: trio.SocketStream, address: str, seed: bytes = EVE_SEED) -> ISecureConn:
    """Prove Eve's key, and settle on Yamux."""
    keys = create_new_key_pair(seed)
    noise = Noise(keys, noise_privkey=create_new_noise_key_pair().private_key)
    upgrader = TransportUpgrader({NOISE: noise}, {})
    raw = RawConnection(TcpStream(stream), initiator=True)
    peer = ID(peer_bytes(split_address(address)[1]))
    secured = await upgrader.upgrade_security(raw, is_initiator=True, peer_id=peer)
    await Muxers().select_transport(secured)
    return secured


@dataclass
class Eve:
    """Has a connection to a node, and runs Yamux on it."""

    muxed: MuxedConnection
    nursery: trio.Nursery
    asked: tuple[trio.MemorySendChannel[str], trio.MemoryReceiveChannel[str]] = field(
        default_factory=lambda: trio.open_memory_channel[str](100)
    )
    """The protocols that the node asked for and she does not speak."""

    @property
    def node_id(self) -> NodeId:
        return read_peer_bytes(self.muxed.peer_id.to_bytes())

    async def open(self, protocol: str) -> MuxedStream:
        stream = await self.muxed.open_stream()
        communicator = MultiselectCommunicator(stream)
        await MultiselectClient().select_one_of([TProtocol(protocol)], communicator)
        return stream

    async def serve(self) -> None:
        """Refuse the streams that the node opens, and remember for what."""
        with suppress(MuxedConnUnavailable):
            while True:
                stream = await self.muxed.accept_stream()
                self.nursery.start_soon(survive, self._answer, stream)

    async def _answer(self, stream: MuxedStream) -> None:
        communicator = MultiselectCommunicator(stream)
        await communicator.read()
        await communicator.write("/multistream/1.0.0")
        protocol = await communicator.read()
        self.asked[0].send_nowait(protocol)
        await communicator.write("na")

    async def is_shown_out(self) -> bool:
        with trio.fail_after(PATIENCE_S):
            await self.muxed.event_closed.wait()
        return True


async def is_reset(stream: MuxedStream) -> bool:
    """Wait until the node resets a stream."""
    with trio.fail_after(PATIENCE_S), suppress(MuxedStreamReset):
        while not stream.state.is_reset:
            await stream.read()
    return True


@asynccontextmanager
async def eve_at(
    address: str, seed: bytes = EVE_SEED, *, from_host: str = "127.0.0.1"
) -> AsyncGenerator[Eve]:
    """Connect Eve to a node for a block."""
    async with dialled(address, from_host=from_host) as stream, trio.open_nursery() as nursery:
        secured = await secure(stream, address, seed)
        muxed = MuxedConnection(secured, ID(peer_bytes(split_address(address)[1])))
        nursery.start_soon(muxed.start)
        await muxed.event_started.wait()
        eve = Eve(muxed, nursery)
        with trio.fail_after(2 * PATIENCE_S):
            yield eve
        nursery.cancel_scope.cancel()


_START_S_MAX = 60
"""A process that imports libp2p starts in two seconds, if it has a core for itself."""

_CAROL = """
import trio
from tests.node.network.libp2p_peers import CAROL_SEED, a_node

async def main() -> None:
    carol = a_node(CAROL_SEED)
    async with trio.open_nursery() as nursery:
        await nursery.start(carol.run)
        print(carol.addresses()[0], flush=True)

trio.run(main)
"""


@asynccontextmanager
async def carol_in_a_process() -> AsyncGenerator[tuple[trio.Process, str]]:
    """Run Carol in a process of her own for a block; return it and her address."""
    command = [sys.executable, "-c", _CAROL]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with process.stdout:
        try:
            with trio.fail_after(_START_S_MAX):
                address = (await process.stdout.receive_some()).decode().strip()
            yield process, address
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
