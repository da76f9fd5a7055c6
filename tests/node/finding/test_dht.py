"""The DHT over real streams: what is provided is found, and liars are bounded."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

import trio
import trio.testing

from commonfab.node.finding.addresses import Provider, Reach, binary
from commonfab.node.finding.dht import Dht, connect
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import Stream, Transport, opened
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DHT_MESSAGE_BYTES_MAX
from commonfab.protocol.links.kademlia import ASKED_MAX
from commonfab.protocol.links.kademlia_wire import LAN, WAN, Contact, Kind, Message, decode, encode
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.protobuf import varint

KEY = b"\x12\x20" + bytes(32)
PATIENCE_S = 20


@dataclass
class Street:
    """Nodes of one computer, which is the neighbourhood."""

    nursery: trio.Nursery
    numbers: Iterable[int] = field(default_factory=lambda: count(1))

    async def dht(self, *beginnings: Transport, serves: bool = False) -> tuple[Transport, Dht]:
        transport = self._transport()
        known = [each.addresses()[0] for each in beginnings]
        dht = Dht(transport, Reach.NEIGHBOURHOOD, serves=serves, beginnings=known)
        await self.nursery.start(transport.run)
        return transport, dht

    async def liar(self, answers: Iterable[bytes]) -> Transport:
        """Start a peer that answers each question with the next of these bytes."""
        transport = self._transport()
        saying = iter(answers)

        async def lie(stream: Stream) -> None:
            await stream.read(1024)
            await stream.write(next(saying))

        transport.serve(LAN, lie)
        await self.nursery.start(transport.run)
        return transport

    def _transport(self) -> Transport:
        seed = next(iter(self.numbers)).to_bytes(32, "big")
        here = ["/ip4/127.0.0.1/tcp/0"]
        return Libp2pTransport(seed, here, mdns=False)


def framed(message: Message) -> bytes:
    data = encode(message)
    return varint(len(data)) + data


def place(transport: Transport) -> bytes:
    return binary(transport.addresses()[0])


async def found(dht: Dht) -> list[Provider]:
    with trio.fail_after(PATIENCE_S):
        return await dht.lookup(KEY).more()


async def test_what_one_client_provides_another_finds_through_a_server(
    nursery: trio.Nursery,
) -> None:
    street = Street(nursery)
    server, _ = await street.dht(serves=True)
    alice, alices = await street.dht(server)
    _, bobs = await street.dht(server)

    assert await alices.provide(KEY) == 1
    search = bobs.lookup(KEY)

    assert await search.more() == [Provider(alice.me, (alice.addresses()[0],))]
    assert await search.more() == []
    assert search.asked == 1


async def test_servers_are_found_through_servers_and_strangers_are_let_go_afterwards(
    nursery: trio.Nursery,
) -> None:
    street = Street(nursery)
    first, firsts = await street.dht(serves=True)
    second, seconds = await street.dht(first, serves=True)
    await seconds.tend(0)
    await first.connect(second.addresses()[0])
    await firsts.tend(0)
    alice, alices = await street.dht(first)

    assert await alices.provide(KEY) == 2
    assert alice.links() == []
    assert firsts.known == seconds.known == 1
    assert alices.known == 2


async def test_a_node_with_nobody_to_begin_with_dials_nobody_and_finds_nothing(
    nursery: trio.Nursery,
) -> None:
    alice, alices = await Street(nursery).dht()

    assert await found(alices) == []
    assert await alices.provide(KEY) == 0
    assert alice.links() == []


async def test_a_client_answers_nobody(nursery: trio.Nursery) -> None:
    street = Street(nursery)
    alice, _ = await street.dht()
    _, bobs = await street.dht(alice)

    assert await bobs.provide(KEY) == 0


async def test_a_server_believes_of_a_provider_only_what_it_says_of_itself(
    nursery: trio.Nursery,
) -> None:
    street = Street(nursery)
    server, _ = await street.dht(serves=True)
    eve, _ = await street.dht()
    bob, bobs = await street.dht(server)
    await eve.connect(server.addresses()[0])
    lies = (Contact(bob.me, (place(bob),)), Contact(eve.me, (b"\x04\0\0\0\0\x06\0\1",)))

    async with opened(eve, server.me, LAN) as stream:
        await stream.write(framed(Message(kind=Kind.ADD_PROVIDER, key=KEY, providers=lies)))
        await stream.write(framed(Message(kind=Kind.PING)))
        assert await stream.read(64)

    assert await found(bobs) == []


async def test_a_server_keeps_no_values_and_answers_for_none(nursery: trio.Nursery) -> None:
    street = Street(nursery)
    server, _ = await street.dht(serves=True)
    eve, _ = await street.dht()
    await eve.connect(server.addresses()[0])

    async with opened(eve, server.me, LAN) as stream:
        await stream.write(framed(Message(kind=Kind.GET_VALUE, key=KEY)))
        data = await stream.read(1024)
    assert decode(data[1:]) == Message(kind=Kind.GET_VALUE, key=KEY)


async def test_the_dht_of_the_internet_is_not_asked_through_neighbours(
    nursery: trio.Nursery,
) -> None:
    street = Street(nursery)
    server, _ = await street.dht(serves=True)
    alice, _ = await street.dht()
    wide = Dht(alice, Reach.INTERNET, serves=False, beginnings=server.addresses())
    await alice.connect(server.addresses()[0])
    asked: list[Stream] = []

    async def note(stream: Stream) -> None:
        asked.append(stream)

    server.serve(WAN, note)
    assert await found(wide) == []
    assert await wide.provide(KEY) == 0
    assert not asked


async def test_answers_that_never_end_or_make_no_sense_end_the_question(
    nursery: trio.Nursery,
) -> None:
    street = Street(nursery)
    for answer in (
        b"\xff" * 64,
        varint(DHT_MESSAGE_BYTES_MAX + 1),
        varint(40) + b"short",
        b"",
        b"\x05\xff\xff\xff\xff\xff",
        framed(Message(kind=Kind.FIND_NODE, key=KEY)),
    ):
        liar = await street.liar([answer])
        _, alices = await street.dht(liar)

        assert await found(alices) == []
        assert alices.known == 0


async def test_peers_that_cannot_be_reached_are_tried_and_given_up(
    nursery: trio.Nursery,
) -> None:
    street = Street(nursery)
    nowhere = binary("/ip4/127.0.0.1/tcp/1")
    crowd = tuple(Contact(NodeId(bytes([9]) * 31 + bytes([n])), (nowhere,)) for n in range(20))
    liar = await street.liar([framed(Message(kind=Kind.GET_PROVIDERS, key=KEY, closer=crowd))])
    alice, alices = await street.dht(liar)
    search = alices.lookup(KEY)

    with trio.fail_after(PATIENCE_S):
        assert await search.more() == []

    assert search.asked == 21 <= ASKED_MAX
    assert alice.links() == []


class Deaf(MemoryTransport):
    """Hears nobody at one place, however long it waits."""

    SILENT = "/memory/0"

    async def connect(self, address: str) -> NodeId:
        if address.startswith(self.SILENT):
            await trio.sleep_forever()
        return await super().connect(address)


async def test_a_silent_address_leaves_time_for_the_next(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    alice = Deaf(NodeId(b"a" * 32), network)
    bob = MemoryTransport(NodeId(b"b" * 32), network)
    for node in (alice, bob):
        await nursery.start(node.run)
    silent = f"{Deaf.SILENT}/p2p/{peer_text(bob.me)}"

    with trio.fail_after(5):
        assert await connect(alice, bob.me, [silent, *bob.addresses()])

    assert [link.peer for link in alice.links()] == [bob.me]


async def test_addresses_that_no_neighbour_may_name_are_not_dialled(
    nursery: trio.Nursery,
) -> None:
    street = Street(nursery)
    bad = tuple(
        Contact(NodeId(bytes([n]) * 32), (address,))
        for n, address in enumerate([b"\x04\0\0\0\0\x06\0\1", b"\x04\xe0\0\0\1\x06\0\1", b"junk"])
    )
    lies = Message(kind=Kind.GET_PROVIDERS, key=KEY, closer=bad, providers=bad[:1])
    liar = await street.liar([framed(lies)])
    _, alices = await street.dht(liar)
    search = alices.lookup(KEY)

    assert await search.more() == [Provider(bad[0].peer, ())]
    assert await search.more() == []
    assert search.asked == 1
