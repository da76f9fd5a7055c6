"""A town of nodes that exchange blocks: ours, and strangers that answer as they like."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

import trio

from commonfab.node.exchange.bitswap import Bitswap
from commonfab.node.exchange.streams import MessageReader, write_message
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import Handler, Stream, Transport, opened
from commonfab.protocol.errors import PeerError
from commonfab.protocol.exchange.bitswap_wire import PROTOCOL, Message
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockDamaged, StoreFull
from commonfab.storage.unixfs import unixfs
from tests.storage.content import Content

CHUNK = 256 * KIB
PATIENCE_S = 20
RAW_PREFIX = bytes([1, RAW, 0x12, 0x20])


class Store(MemoryBlockStore):
    """A store that tells what it was given to keep, and may be full or damaged."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[CID] = []
        self.damaged: set[CID] = set()
        self.room_blocks = 100_000
        self.reads = 0
        self.before_put: Callable[[int], None] = lambda _: None

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        blocks = list(blocks)
        self.before_put(len(self.kept))
        if len(self.kept) + len(blocks) > self.room_blocks:
            raise StoreFull("the store")
        super().put_many(blocks)
        self.kept += [cid for cid, _ in blocks]

    def get(self, cid: CID) -> bytes:
        if cid in self.damaged:
            raise BlockDamaged(cid, "damaged")
        self.reads += 1
        return super().get(cid)

    def add(self, size: int, profile: unixfs.Profile = unixfs.PROFILES["kubo-cidv1"]) -> CID:
        """Add a made-up file, and return its root."""
        return unixfs.add_file(self, Content(f"file {size}", size), profile)[0]

    def all(self) -> set[CID]:
        return set(self.cids())


class Noting(MemoryTransport):
    """Notes what its peers are blamed for."""

    def __init__(self, me: NodeId, network: MemoryNetwork) -> None:
        super().__init__(me, network)
        self.offences: list[str] = []

    def serve(self, protocol: str, handler: Handler, *, is_lasting: bool = False) -> None:
        async def noting(stream: Stream) -> None:
            try:
                await handler(stream)
            except PeerError as error:
                self.offences.append(str(error))
                raise

        super().serve(protocol, noting, is_lasting=is_lasting)


class Peer:
    """A node's transport, store and block exchange, running until `scope` is cancelled."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.me = transport.me
        self.store = Store()
        self.bitswap = Bitswap(transport, self.store)
        self.scope = trio.CancelScope()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.transport.run)
                await nursery.start(self.bitswap.run)
                task_status.started()

    async def fetch(self, root: CID, *peers: NodeId) -> None:
        with trio.fail_after(PATIENCE_S):
            await self.bitswap.fetch(bytes(root), list(peers))


Answer = Callable[[Message], Message | None]


@dataclass
class Town:
    nursery: trio.Nursery
    make: Callable[[], Transport]
    network: MemoryNetwork = field(default_factory=MemoryNetwork)
    linked: list[Transport] = field(default_factory=list[Transport])

    async def peer(self) -> Peer:
        """Start a peer, connected with all others."""
        peer = Peer(self.make())
        await self.nursery.start(peer.run)
        await self._link(peer.transport)
        return peer

    async def stranger(self, answer: Answer = lambda _: None) -> Transport:
        """Start a peer of another make, which answers messages as it likes."""
        transport = self.make()

        async def serve(stream: Stream) -> None:
            reader = MessageReader(stream, trio.CapacityLimiter(1), lambda: None)
            while (message := await reader.next()) is not None:
                if (reply := answer(message)) is not None:
                    await tell(transport, stream.peer, reply)

        transport.serve(PROTOCOL, serve)
        await self.nursery.start(transport.run)
        await self._link(transport)
        return transport

    async def _link(self, transport: Transport) -> None:
        for other in self.linked:
            await transport.connect(other.addresses()[0])
        self.linked.append(transport)


async def tell(transport: Transport, peer: NodeId, message: Message) -> None:
    async with opened(transport, peer, PROTOCOL) as stream:
        await write_message(stream, message)


def memory_town(nursery: trio.Nursery) -> Town:
    """Return an empty town whose streams are in memory."""
    numbers = count(1)
    network = MemoryNetwork()

    def make() -> Transport:
        return Noting(NodeId(next(numbers).to_bytes(32, "big")), network)

    return Town(nursery, make, network)


def libp2p_town(nursery: trio.Nursery) -> Town:
    """Return an empty town whose streams go over loopback."""
    numbers = count(1)

    def make() -> Transport:
        seed = next(numbers).to_bytes(32, "big")
        here = ["/ip4/127.0.0.1/tcp/0"]
        return Libp2pTransport(seed, here, mdns=False)

    return Town(nursery, make)
