"""Gossip over streams in memory: who hears what, and what a broken or hostile peer costs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import trio
import trio.testing

from commonfab.node.gossip.gossip import ITEMS_AT_ONCE, Gossip
from commonfab.node.network.frames import read_frame, write_frame
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import LinkUp, StreamBroken, Transport, opened
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.gossip.areas import Topic
from commonfab.protocol.gossip.broadcast_events import Judged
from commonfab.protocol.gossip.broadcast_wire import PROTOCOL, Push, Wants, decode, encode
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import BODY_BYTES_MAX
from tests.simulation.broadcast_world import LYON_AREA, a_record, node_id

PATIENCE_S = 20
TOPICS = frozenset([LYON_AREA])


@dataclass
class Party:
    """A node that only gossips."""

    transport: Transport
    heard: list[bytes] = field(default_factory=list[bytes])
    offences: list[NodeId] = field(default_factory=list[NodeId])
    repaired: list[NodeId] = field(default_factory=list[NodeId])
    news: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.transport.events()
        self.gossip = Gossip(
            self.transport, self.judge, TOPICS, self.repair, self.offend, lambda _: True
        )

    def judge(self, _peer: NodeId, area: Topic, sealed: Envelope) -> Judged:
        self.heard.append(sealed.id)
        self.tell()
        return Judged("accept", area)

    async def repair(self, peer: NodeId) -> None:
        self.repaired.append(peer)
        self.tell()
        await trio.lowlevel.checkpoint()

    def offend(self, peer: NodeId, _why: str) -> None:
        self.offences.append(peer)
        self.tell()

    def tell(self) -> None:
        self.news.set()
        self.news = trio.Event()

    async def until(self, is_so: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_S):
            while not is_so():
                await self.news.wait()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.gossip.run)
            await nursery.start(self.transport.run)
            task_status.started()
            async for event in self.transport.events():
                if isinstance(event, LinkUp):
                    self.gossip.link_up(event.link.peer)
                else:
                    self.gossip.link_down(event.peer)


@dataclass
class Town:
    """Starts parties on one kind of transport."""

    nursery: trio.Nursery
    make: Callable[[int], Transport]

    async def parties(self, count: int) -> list[Party]:
        """Return parties in a line."""
        parties: list[Party] = []
        for index in range(count):
            party = Party(self.make(index + 1))
            await self.nursery.start(party.run)
            if parties:
                await party.transport.connect(parties[-1].transport.addresses()[0])
            parties.append(party)
        return parties


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


@pytest.fixture(params=["memory", "libp2p"])
def town(request: pytest.FixtureRequest, nursery: trio.Nursery, network: MemoryNetwork) -> Town:
    def in_memory(number: int) -> Transport:
        return MemoryTransport(node_id(number), network)

    def over_libp2p(number: int) -> Transport:
        seed = number.to_bytes(32, "big")
        return Libp2pTransport(seed, ["/ip4/127.0.0.1/tcp/0"], mdns=False)

    return Town(nursery, in_memory if request.param == "memory" else over_libp2p)


async def flow(speaker: Party, hearer: Party) -> None:
    """Publish until it is heard: nothing goes to a peer that has not told what it wants."""
    number = 10_000
    with trio.fail_after(PATIENCE_S):
        while not hearer.heard:
            number += 1
            speaker.gossip.learn(LYON_AREA, a_record(number).data)
            with trio.move_on_after(0.05):
                await hearer.news.wait()


async def test_what_one_says_all_hear_and_the_longest_record_passes(town: Town) -> None:
    parties = await town.parties(4)
    await flow(parties[0], parties[-1])
    longest = a_record(1, size=BODY_BYTES_MAX)

    parties[0].gossip.learn(LYON_AREA, longest.data)

    for party in parties[1:]:
        await party.until(lambda party=party: longest.id in party.heard)  # type: ignore[misc]  # mypy cannot infer such a lambda
        assert party.heard.count(longest.id) == 1
    assert parties[0].heard == []
    assert not any(party.offences for party in parties)


async def test_a_burst_arrives_whole(town: Town) -> None:
    alice, bob = await town.parties(2)
    await flow(alice, bob)
    burst = [a_record(number) for number in range(400)]

    for record in burst:
        alice.gossip.learn(LYON_AREA, record.data)

    await bob.until(lambda: {record.id for record in burst} <= set(bob.heard))


async def test_a_link_that_comes_back_carries_on(town: Town) -> None:
    alice, bob = await town.parties(2)
    await flow(alice, bob)

    await bob.transport.disconnect(alice.transport.me)
    await bob.transport.connect(alice.transport.addresses()[0])
    bob.heard.clear()

    await flow(alice, bob)


# Eve, who writes what she likes.


async def eve_at(party: Party, network: MemoryNetwork, nursery: trio.Nursery) -> MemoryTransport:
    eve = MemoryTransport(node_id(666), network)
    await nursery.start(eve.run)
    await eve.connect(party.transport.addresses()[0])
    return eve


@pytest.fixture
async def bob(nursery: trio.Nursery, network: MemoryNetwork) -> Party:
    (party,) = await Town(nursery, lambda n: MemoryTransport(node_id(n), network)).parties(1)
    return party


async def test_a_record_that_came_before_the_news_of_its_link_is_heard(
    bob: Party, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    eve = await eve_at(bob, network, nursery)
    async with opened(eve, bob.transport.me, PROTOCOL) as stream:
        await write_frame(stream, encode([Push(LYON_AREA, a_record(1).data)]))

        await bob.until(lambda: bob.heard == [a_record(1).id])


async def test_noise_costs_its_stream(
    bob: Party, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    eve = await eve_at(bob, network, nursery)

    for _ in range(21):
        stream = await eve.open(bob.transport.me, PROTOCOL)
        await write_frame(stream, b"noise")
        with pytest.raises(StreamBroken):
            await stream.read(1)

    with trio.fail_after(PATIENCE_S):
        while eve.links():
            await trio.testing.wait_all_tasks_blocked()


async def test_a_long_frame_lets_others_have_their_turn(
    bob: Party, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    eve = await eve_at(bob, network, nursery)
    frame = encode([Push(LYON_AREA, a_record(number).data) for number in range(300)])
    heard_at_turns = [0]

    async with opened(eve, bob.transport.me, PROTOCOL) as stream:
        await write_frame(stream, frame)
        with trio.fail_after(PATIENCE_S):
            while len(bob.heard) < 300:
                heard_at_turns.append(len(bob.heard))
                await trio.lowlevel.checkpoint()

    steps = [after - before for before, after in pairwise([*heard_at_turns, 300])]
    assert max(steps) <= 2 * ITEMS_AT_ONCE


async def test_every_stream_begins_with_what_is_wanted(
    bob: Party, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    heard: list[object] = []
    came = trio.Event()
    eve = MemoryTransport(node_id(666), network)

    async def listen(stream: object) -> None:
        data = await read_frame(stream)  # type: ignore[arg-type]  # a Stream
        assert data is not None
        heard.extend(decode(data))
        came.set()

    eve.serve(PROTOCOL, listen)
    await nursery.start(eve.run)
    await eve.connect(bob.transport.addresses()[0])

    with trio.fail_after(PATIENCE_S):
        await came.wait()
    assert heard == [Wants((LYON_AREA,))]


async def test_a_forged_frame_among_good_ones_is_counted_and_the_rest_is_heard(
    bob: Party, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    eve = await eve_at(bob, network, nursery)
    async with opened(eve, bob.transport.me, PROTOCOL) as stream:
        await write_frame(
            stream,
            encode([Push(LYON_AREA, b"forged"), Push(LYON_AREA, a_record(2).data)]),
        )
        await bob.until(lambda: bob.heard == [a_record(2).id])

    assert bob.offences == [eve.me]


async def test_a_link_that_comes_up_after_the_end_is_of_no_concern(
    nursery: trio.Nursery,
) -> None:
    party = Party(MemoryTransport(node_id(1), MemoryNetwork()))
    running = await nursery.start(_run_in_scope, party)

    running.cancel()
    await trio.testing.wait_all_tasks_blocked()
    party.gossip.link_up(node_id(2))

    assert party.heard == []


async def _run_in_scope(
    party: Party, task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(party.gossip.run)
            task_status.started(scope)
            await trio.sleep_forever()
