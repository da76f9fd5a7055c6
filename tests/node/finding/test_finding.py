"""Finding holders: the order of asking, strangers only when nobody nearer helps, and memory."""

from collections.abc import Sequence
from itertools import count

import pytest
import trio

from commonfab.node.exchange.bitswap import Bitswap
from commonfab.node.finding.addresses import Reach
from commonfab.node.finding.dht import Dht
from commonfab.node.finding.finding import STRANGERS_MAX, Finding, nearest_first
from commonfab.node.library import Library
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import Link
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.links.kademlia import REPUBLISH_MS
from commonfab.protocol.records import sign
from commonfab.protocol.statements import Replica
from commonfab.storage.cid import CID, DAG_PB, Version
from commonfab.storage.memory import MemoryBlockStore, MemoryRecordStore
from tests.builders import a_design, a_workshop
from tests.node.finding.test_delegated_routing import Answer, entry, in_json, saying, server
from tests.protocol.signers import ALICE, BOB

DATA = b"wall hook" * 1000
ROOT = CID.of(DATA, codec=0x55)
PATIENCE_S = 30
_SEEDS = count(1)


class Neighbour:
    """A node with blocks, an exchange, and a way to find others."""

    def __init__(
        self,
        *,
        routers: Sequence[str] = (),
        dht: str = "off",
        beginnings: Sequence[str] = (),
        has_it: bool = False,
        seed: bytes = b"",
    ) -> None:
        seed = seed or next(_SEEDS).to_bytes(32, "big")
        here = ["/ip4/127.0.0.1/tcp/0"]
        self.transport = Libp2pTransport(seed, here, mdns=False)
        self.me = self.transport.me
        self.blocks = MemoryBlockStore()
        self.library = Library(MemoryRecordStore())
        bitswap = Bitswap(self.transport, self.blocks)
        self._bitswap = bitswap
        dhts = [
            Dht(
                self.transport,
                Reach.NEIGHBOURHOOD,
                serves=dht == "server",
                beginnings=beginnings,
            )
        ]
        self.finding = Finding(
            self.transport,
            self.library,
            bitswap,
            routers=routers,
            dhts=dhts if dht != "off" else [],
        )
        if has_it:
            self.blocks.put(ROOT, DATA)

    @property
    def address(self) -> str:
        return self.transport.addresses()[0]

    async def start(self, nursery: trio.Nursery) -> "Neighbour":
        await nursery.start(self.transport.run)
        await nursery.start(self._bitswap.run)
        return self

    async def fetch(self, *peers: NodeId) -> None:
        with trio.fail_after(PATIENCE_S):
            await self.finding.fetch(bytes(ROOT), list(peers))
        assert self.blocks.get(ROOT) == DATA


async def naming(nursery: trio.Nursery, *holders: Neighbour) -> tuple[str, list[bytes]]:
    """Start a routing server that names these; return it, and what it is asked."""
    asked: list[bytes] = []
    answer: Answer = saying(in_json([entry(each.me, each.address) for each in holders]))
    return await server(nursery, answer, asked), asked


async def test_a_design_that_no_peer_has_comes_from_a_stranger_who_is_let_go_afterwards(
    nursery: trio.Nursery,
) -> None:
    empty = await Neighbour().start(nursery)
    holder = await Neighbour(has_it=True).start(nursery)
    router, _ = await naming(nursery, holder)
    bob = await Neighbour(routers=[router]).start(nursery)
    await bob.transport.connect(empty.address)

    await bob.fetch(empty.me)

    assert [link.peer for link in bob.transport.links()] == [empty.me]
    assert await bob.finding.known(ROOT) == {holder.me: "served before"}


async def test_nobody_farther_is_asked_when_a_peer_that_is_linked_has_it(
    nursery: trio.Nursery,
) -> None:
    holder = await Neighbour(has_it=True).start(nursery)
    router, asked = await naming(nursery, holder)
    bob = await Neighbour(routers=[router]).start(nursery)
    await bob.transport.connect(holder.address)

    await bob.fetch(holder.me)

    assert not asked


async def test_the_author_is_dialled_before_any_server_is_asked(nursery: trio.Nursery) -> None:
    author = await Neighbour(seed=ALICE.seed, has_it=True).start(nursery)
    router, asked = await naming(nursery)
    bob = await Neighbour(routers=[router]).start(nursery)
    workshop = a_workshop(ALICE, addresses=(author.address,))
    await bob.library.keep([workshop, a_design(ALICE, root=bytes(ROOT))])

    await bob.fetch()

    assert not asked
    holders, _ = await bob.finding.holders(ROOT)
    assert [(each.peer, each.how) for each in holders] == [(ALICE.node, "author")]
    assert len(asked) == 1


async def test_a_second_server_is_asked_when_the_first_is_of_no_use(
    nursery: trio.Nursery,
) -> None:
    holder = await Neighbour(has_it=True).start(nursery)
    broken = await server(nursery, saying(b"garbage\r\n\r\n"))
    router, _ = await naming(nursery, holder)
    bob = await Neighbour(routers=[broken, router]).start(nursery)

    await bob.fetch()


async def test_a_design_is_found_through_the_dht(nursery: trio.Nursery) -> None:
    hub = await Neighbour(dht="server").start(nursery)
    holder = await Neighbour(dht="client", beginnings=[hub.address], has_it=True).start(nursery)
    bob = await Neighbour(dht="client", beginnings=[hub.address]).start(nursery)

    await holder.finding.provide_due([ROOT], 0)
    await bob.fetch()

    assert bob.transport.links() == []


async def test_what_was_provided_is_provided_again_when_its_time_has_come(
    nursery: trio.Nursery,
) -> None:
    hub = await Neighbour(dht="server").start(nursery)
    holder = await Neighbour(dht="client").start(nursery)
    await holder.transport.connect(hub.address)
    await holder.finding.provide_due([ROOT], 0)
    newcomer = await Neighbour(dht="server").start(nursery)
    await holder.transport.connect(newcomer.address)
    bob = await Neighbour(dht="client", beginnings=[newcomer.address]).start(nursery)

    await holder.finding.provide_due([ROOT], 0)
    assert (await bob.finding.holders(ROOT))[0] == []

    await holder.finding.provide_due([ROOT], REPUBLISH_MS)
    assert [each.peer for each in (await bob.finding.holders(ROOT))[0]] == [holder.me]


async def test_a_fetch_that_finds_nobody_says_who_was_asked(nursery: trio.Nursery) -> None:
    empty = await Neighbour().start(nursery)
    router, _ = await naming(nursery, empty)
    bob = await Neighbour(routers=[router], dht="client").start(nursery)

    with pytest.raises(ResourceError) as caught:
        await bob.fetch()

    said = str(caught.value)
    assert "of 1 peers asked, 1 do not have it" in said
    assert f"routing server {router}: names 1 peer" in said
    assert "DHT (LAN): 1 peer asked, 0 named as holders" in said


async def test_a_fetch_with_nowhere_to_look_says_what_to_do(nursery: trio.Nursery) -> None:
    bob = await Neighbour().start(nursery)

    with pytest.raises(ResourceError, match="Nobody else is known to have it; connect to a node"):
        await bob.fetch()


async def test_a_list_of_peers_that_are_not_there_is_given_up_and_the_next_is_asked(
    nursery: trio.Nursery,
) -> None:
    nobody = [entry(NodeId(bytes([n]) * 32), "/ip4/127.0.0.1/tcp/1") for n in range(200)]
    liar = await server(nursery, saying(in_json(nobody)))
    holder = await Neighbour(has_it=True, dht="client").start(nursery)
    hub = await Neighbour(dht="server").start(nursery)
    await holder.transport.connect(hub.address)
    await holder.finding.provide_due([ROOT], 0)
    bob = await Neighbour(routers=[liar], dht="client", beginnings=[hub.address]).start(nursery)

    await bob.fetch()


def test_the_lan_is_asked_before_the_rest_and_the_holders_first_in_each() -> None:
    far, far_holder, near, near_holder = (NodeId(bytes([n]) * 32) for n in range(4))
    links = [
        Link(far, "/ip4/8.8.8.8/tcp/1", inbound=True),
        Link(far_holder, "/ip6/2a00:1450::1/tcp/1", inbound=False),
        Link(near, "/ip4/192.168.1.7/tcp/1", inbound=False),
        Link(near_holder, "/ip4/127.0.0.1/tcp/1", inbound=False),
    ]

    order = nearest_first(links, [far_holder, near_holder, NodeId(b"x" * 32)])

    assert order == [near_holder, near, far_holder, far]


async def test_a_peer_that_served_before_is_asked_first(nursery: trio.Nursery) -> None:
    bob = await Neighbour().start(nursery)
    others = [await Neighbour().start(nursery) for _ in range(2)]
    for other in others:
        await bob.transport.connect(other.address)
    assert bob.finding.near(ROOT, others[1].me) == [others[1].me, others[0].me]

    bob.finding.served(ROOT, others[1].me)

    assert bob.finding.near(ROOT) == [others[1].me, others[0].me]


@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("published", [0, 1])
async def test_a_holder_is_known_by_both_versions_of_the_root(
    nursery: trio.Nursery, asked: Version, published: Version
) -> None:
    bob = await Neighbour().start(nursery)
    names = [CID.of(DATA, codec=DAG_PB, version=version) for version in (0, 1)]
    server = NodeId(b"who served it".ljust(32))
    promise = Replica(
        stream="replica/hook", seq=1, at=1, until=2**53, root=bytes(names[1]), size_bytes=1
    )
    design = a_design(ALICE, root=bytes(names[published]))
    await bob.library.keep([design, sign(promise, BOB)])
    bob.finding.served(names[published], server)

    known = await bob.finding.known(names[asked])

    assert known == {ALICE.node: "author", BOB.node: "promised", server: "served before"}


async def test_of_the_strangers_that_a_server_names_few_are_dialled(
    nursery: trio.Nursery,
) -> None:
    knocks = 0

    async def count_knock(_stream: trio.SocketStream) -> None:
        nonlocal knocks
        knocks += 1

    (door,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, count_knock, [door])
    address = f"/ip4/127.0.0.1/tcp/{door.socket.getsockname()[1]}"
    crowd = [entry(NodeId(bytes([n]) * 32), address) for n in range(30)]
    bob = await Neighbour(routers=[await server(nursery, saying(in_json(crowd)))]).start(nursery)

    with pytest.raises(ResourceError, match="names 30 peers"):
        await bob.fetch()

    assert knocks == STRANGERS_MAX
