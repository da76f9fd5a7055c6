"""What any `Transport` promises of gossip, held by libp2p on loopback and by its twin in memory
alike.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest
import trio

from commonfab.node.network.transport import (
    GOSSIP_BYTES_MAX,
    LinkDown,
    Transport,
    Validator,
    Verdict,
)
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from tests.contracts.town import PATIENCE_S, Town, link, makers, next_event

TOPIC = "test/capacity"


@pytest.fixture(params=["memory", "libp2p"])
def town(request: pytest.FixtureRequest, nursery: trio.Nursery) -> Town:
    return Town(makers()[request.param], nursery)


PROBE = b"Do you hear me? "


@dataclass
class Ear:
    """Takes part in the topic with a verdict, and remembers what it heard from whom.

    Probes it accepts, and does not remember.
    """

    verdict: Callable[[bytes], Verdict] = lambda _: "accept"
    heard: list[tuple[NodeId, bytes]] = field(default_factory=list[tuple[NodeId, bytes]])
    news: trio.Event = field(default_factory=trio.Event)
    is_reached: bool = False

    def __call__(self, forwarder: NodeId, data: bytes) -> Verdict:
        self.news.set()
        self.news = trio.Event()
        if data.startswith(PROBE):
            self.is_reached = True
            return "accept"
        self.heard.append((forwarder, data))
        return self.verdict(data)

    async def wait_for(self, data: bytes) -> None:
        with trio.fail_after(PATIENCE_S):
            while data not in self.data():
                await self.news.wait()

    def data(self) -> list[bytes]:
        return [data for _, data in self.heard]


def listening(ear: Validator) -> Callable[[Transport], None]:
    return lambda node: node.subscribe(TOPIC, ear)


async def line(town: Town, *ears: Ear) -> list[Transport]:
    """Start a node for each ear, link each to the next, and wait until gossip flows."""
    nodes = [await town.node(listening(ear)) for ear in ears]
    for one, other in pairwise(nodes):
        await link(one, other)
    await probe(nodes[0], ears[-1])
    await probe(nodes[-1], ears[0])
    return nodes


async def probe(node: Transport, ear: Ear) -> None:
    """Publish until it is heard: gossip is a promise only once its mesh is there."""
    with trio.fail_after(PATIENCE_S):
        for number in count():
            if ear.is_reached:
                return
            await node.publish(TOPIC, PROBE + b"%d" % number)
            with trio.move_on_after(0.05):
                await ear.news.wait()


async def test_what_one_publishes_every_other_hears_once_from_a_neighbour(town: Town) -> None:
    ears = [Ear() for _ in range(5)]
    nodes = await line(town, *ears)

    await nodes[0].publish(TOPIC, b"a printer is free")
    for ear in ears[1:]:
        await ear.wait_for(b"a printer is free")
    await nodes[4].publish(TOPIC, b"and taken")
    for ear in ears[:4]:
        await ear.wait_for(b"and taken")

    assert ears[0].heard == [(nodes[1].me, b"and taken")]
    assert ears[2].heard == [
        (nodes[1].me, b"a printer is free"),
        (nodes[3].me, b"and taken"),
    ]


@pytest.mark.parametrize("verdict", ["ignore", "reject"])
async def test_a_message_that_is_not_accepted_is_not_passed_on(
    town: Town, verdict: Verdict
) -> None:
    bob_hears = Ear(lambda data: verdict if data == b"forged" else "accept")
    carol_hears = Ear()
    alice, bob, _carol = await line(town, Ear(), bob_hears, carol_hears)

    await alice.publish(TOPIC, b"forged")
    await bob_hears.wait_for(b"forged")
    await alice.publish(TOPIC, b"true")
    await carol_hears.wait_for(b"true")

    assert carol_hears.heard == [(bob.me, b"true")]


async def test_a_validator_that_fails_costs_its_message_and_nothing_else(town: Town) -> None:
    def fail(data: bytes) -> Verdict:
        if data == b"odd":
            raise ValueError("a bug")
        return "accept"

    bob_hears, carol_hears = Ear(fail), Ear()
    alice, *_ = await line(town, Ear(), bob_hears, carol_hears)

    await alice.publish(TOPIC, b"odd")
    await bob_hears.wait_for(b"odd")
    await alice.publish(TOPIC, b"even")
    await carol_hears.wait_for(b"even")

    assert carol_hears.data() == [b"even"]


async def test_who_takes_no_part_in_a_topic_may_tell_it_and_hears_nothing_of_it(
    town: Town,
) -> None:
    ear = Ear()
    alice, bob = await town.node(listening(ear)), await town.node()
    await link(alice, bob)

    await alice.publish("test/other", b"to nobody")
    await probe(bob, ear)

    assert ear.heard == []


async def test_a_topic_joined_late_is_heard_from_then_on(town: Town) -> None:
    ear = Ear()
    alice, bob = await town.node(listening(Ear())), await town.node()
    await link(alice, bob)

    bob.subscribe(TOPIC, ear)

    await probe(alice, ear)


async def test_the_longest_message_arrives_and_a_longer_one_is_not_sent(town: Town) -> None:
    ear = Ear()
    alice, _bob = await line(town, Ear(), ear)
    longest = bytes(GOSSIP_BYTES_MAX)

    await alice.publish(TOPIC, longest)
    await ear.wait_for(longest)

    with pytest.raises(UsageError, match="at most"):
        await alice.publish(TOPIC, longest + b"!")


async def test_one_who_keeps_forwarding_rejected_messages_is_shown_out(town: Town) -> None:
    eve, bob = await line(town, Ear(), Ear(lambda _: "reject"))

    for number in range(21):
        await eve.publish(TOPIC, b"forgery %d" % number)

    assert await next_event(bob) == LinkDown(eve.me)
    with pytest.raises(ResourceError, match="shown out"):
        await bob.connect(eve.addresses()[0])


async def test_publishing_to_nobody_is_no_error(town: Town) -> None:
    alice = await town.node()

    await alice.publish(TOPIC, b"into the void")
