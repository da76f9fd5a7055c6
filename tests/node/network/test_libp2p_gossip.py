"""One test for each mend of libp2p_gossip.py: it fails when the mend is taken away.

What a message that cannot be read costs stands in test_libp2p_hostile.py, and what all
transports promise in tests/contracts/test_transport.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX

from commonfab.node.network.libp2p_gossip import MendedGossipSub, MendedPubsub, Pace
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import GOSSIP_BYTES_MAX, Verdict
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_bytes
from tests.node.network.libp2p_peers import (
    EVE_SEED,
    MESHSUB,
    PATIENCE_S,
    Eve,
    a_node,
    eve_at,
    rpc_bytes,
)

TOPIC = "test/capacity"
CAROL = ID(peer_bytes(NodeId(b"C" * 32)))


@dataclass
class Bob:
    """A node that listens to the topic, and what he heard."""

    node: Libp2pTransport
    verdict: Verdict = "accept"
    heard: list[bytes] = field(default_factory=list[bytes])
    has_heard: trio.Event = field(default_factory=trio.Event)

    def judge(self, forwarder: NodeId, data: bytes) -> Verdict:
        self.heard.append(data)
        self.has_heard.set()
        return self.verdict

    async def wait_for(self, data: bytes) -> None:
        await self.wait_until(lambda: data in self.heard)

    async def wait_until(self, is_enough: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_S):
            while not is_enough():
                self.has_heard = trio.Event()
                await self.has_heard.wait()

    @property
    def pubsub(self) -> MendedPubsub:
        return self.node._pubsub  # pyright: ignore[reportPrivateUsage]  # it is under test

    @property
    def router(self) -> MendedGossipSub:
        return self.node._router  # pyright: ignore[reportPrivateUsage]  # it is under test


@pytest.fixture
async def bob(nursery: trio.Nursery) -> Bob:
    bob = Bob(a_node())
    bob.node.subscribe(TOPIC, bob.judge)
    await nursery.start(bob.node.run)
    return bob


def signed(
    data: bytes, *, number: int = 1, seed: bytes = EVE_SEED, topics: tuple[str, ...] = (TOPIC,)
) -> rpc_pb2.Message:
    """Make a message as the owner of a key publishes it."""
    keys = create_new_key_pair(seed)
    message = rpc_pb2.Message(
        data=data,
        topicIDs=topics,
        from_id=ID.from_pubkey(keys.public_key).to_bytes(),
        seqno=number.to_bytes(8, "big"),
    )
    text = PUBSUB_SIGNING_PREFIX.encode() + message.SerializeToString()
    message.signature = keys.private_key.sign(text)
    return message


async def send(eve: Eve, *rpcs: rpc_pb2.RPC) -> None:
    stream = await eve.open(MESHSUB)
    for rpc in rpcs:
        await stream.write(rpc_bytes(rpc))


def publishing(*messages: rpc_pb2.Message) -> rpc_pb2.RPC:
    return rpc_pb2.RPC(publish=messages)


async def test_a_message_that_is_signed_is_heard(bob: Bob) -> None:
    async with eve_at(bob.node.addresses()[0]) as eve:
        await send(eve, publishing(signed(b"true")))
        await bob.wait_for(b"true")

    assert bob.heard == [b"true"]


def unsigned(data: bytes) -> rpc_pb2.Message:
    message = signed(data)
    message.ClearField("signature")
    return message


def badly_signed(data: bytes) -> rpc_pb2.Message:
    message = signed(b"something else")
    message.data = data
    return message


def with_a_key_that_is_none(data: bytes) -> rpc_pb2.Message:
    message = signed(data)
    message.from_id = b"\x12\x20" + bytes(32)
    message.key = b"\xff"
    return message


def in_two_topics(data: bytes) -> rpc_pb2.Message:
    return signed(data, topics=(TOPIC, "test/other"))


def in_no_topic(data: bytes) -> rpc_pb2.Message:
    return signed(data, topics=())


def too_long(data: bytes) -> rpc_pb2.Message:
    return signed(data + bytes(GOSSIP_BYTES_MAX))


@pytest.mark.parametrize(
    "make",
    [unsigned, badly_signed, with_a_key_that_is_none, in_two_topics, in_no_topic, too_long],
)
async def test_mended_pubsub__a_message_against_the_rules_is_not_heard_and_is_counted(
    bob: Bob, make: Callable[[bytes], rpc_pb2.Message]
) -> None:
    async with eve_at(bob.node.addresses()[0]) as eve:
        await send(eve, publishing(make(b"forged"), signed(b"true", number=2)))
        await bob.wait_for(b"true")
        assert bob.heard == [b"true"]

        await send(eve, *[publishing(make(b"forged"))] * 20)
        assert await eve.is_shown_out()


async def test_mended_pubsub__a_forgery_does_not_keep_the_real_message_out(bob: Bob) -> None:
    async with eve_at(bob.node.addresses()[0]) as eve:
        await send(eve, publishing(badly_signed(b"forged"), signed(b"real")))
        await bob.wait_for(b"real")

    assert bob.heard == [b"real"]


async def test_mended_pubsub__a_message_is_judged_once_whatever_the_verdict(bob: Bob) -> None:
    bob.verdict = "ignore"
    async with eve_at(bob.node.addresses()[0]) as eve:
        await send(eve, publishing(signed(b"stale"), signed(b"stale"), signed(b"last", number=2)))
        await bob.wait_for(b"last")

    assert bob.heard == [b"stale", b"last"]


async def test_mended_pubsub__what_claims_to_be_our_own_is_not_heard_from_others(bob: Bob) -> None:
    async with eve_at(bob.node.addresses()[0]) as eve:
        own = signed(b"from bob?", seed=b"B" * 32)
        await send(eve, publishing(own, signed(b"from eve")))
        await bob.wait_for(b"from eve")

    assert bob.heard == [b"from eve"]


@pytest.mark.parametrize(
    "rpc",
    [
        rpc_pb2.RPC(
            subscriptions=[
                rpc_pb2.RPC.SubOpts(subscribe=True, topicid=str(number)) for number in range(101)
            ]
        ),
        rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid="t" * 129)]),
        rpc_pb2.RPC(
            control=rpc_pb2.ControlMessage(graft=[rpc_pb2.ControlGraft(topicID=TOPIC)] * 201)
        ),
        rpc_pb2.RPC(
            control=rpc_pb2.ControlMessage(
                ihave=[rpc_pb2.ControlIHave(topicID=TOPIC, messageIDs=[b"id"] * 5000)]
            )
        ),
        rpc_pb2.RPC(
            control=rpc_pb2.ControlMessage(iwant=[rpc_pb2.ControlIWant(messageIDs=[b"id"] * 5000)])
        ),
    ],
    ids=["subscriptions", "a long topic", "grafts", "offers", "wishes"],
)
async def test_mended_pubsub__too_much_in_one_piece_is_not_looked_at_and_is_counted(
    bob: Bob, rpc: rpc_pb2.RPC
) -> None:
    async with eve_at(bob.node.addresses()[0]) as eve:
        await send(eve, *[rpc] * 21)

        assert await eve.is_shown_out()
    assert bob.pubsub.peer_topics == {}


def test_mended_pubsub__numbers_go_on_from_the_one_given() -> None:
    assert Bob(a_node()).pubsub.counter == 1


async def test_mended_pubsub__the_record_of_our_addresses_is_not_sent(bob: Bob) -> None:
    async with eve_at(bob.node.addresses()[0]) as eve:
        eve.nursery.start_soon(eve.serve)
        hello = await eve.hear()

        announcement = rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)
        await send(eve, rpc_pb2.RPC(subscriptions=[announcement]))
        graft = await eve.hear()

    assert [subscription.topicid for subscription in hello.subscriptions] == [TOPIC]
    assert [each.topicID for each in graft.control.graft] == [TOPIC]
    assert not graft.HasField("senderRecord")


async def test_mended_pubsub__many_messages_may_wait_for_a_slow_peer(bob: Bob) -> None:
    async with eve_at(bob.node.addresses()[0]) as eve:
        eve.nursery.start_soon(eve.serve)
        await eve.hear()
        announcement = rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)
        await send(eve, rpc_pb2.RPC(subscriptions=[announcement]))
        await eve.hear()

        for number in range(300):
            await bob.node.publish(TOPIC, b"%d" % number)

        for number in range(300):
            rpc = await eve.hear()
            assert [message.data for message in rpc.publish] == [b"%d" % number]


async def test_pace__messages_beyond_a_burst_are_taken_at_a_rate(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pace = Pace()
    start = trio.current_time()
    for _ in range(500):
        await pace.wait()
    burst_s = trio.current_time() - start
    for _ in range(200):
        await pace.wait()

    assert burst_s == 0
    assert trio.current_time() - start == pytest.approx(2.0)


@pytest.fixture
def router() -> MendedGossipSub:
    """A router with its pubsub, which takes part in the topic and has Carol as a peer."""
    bob = Bob(a_node())
    bob.router.mesh[TOPIC] = set()
    bob.router.add_peer(CAROL, PROTOCOL_ID_V11)
    bob.pubsub.peer_queues[CAROL] = RpcQueue()
    return bob.router


def queue_of(router: MendedGossipSub) -> RpcQueue:
    assert router.pubsub is not None
    return router.pubsub.peer_queues[CAROL]


async def test_handle_iwant__a_message_asked_for_many_times_is_sent_once(
    router: MendedGossipSub,
) -> None:
    message = signed(b"once")
    router.mcache.put(message)
    number = message.from_id + message.seqno

    await router.handle_iwant(rpc_pb2.ControlIWant(messageIDs=[number] * 4000), CAROL)

    answer = await queue_of(router).pop()
    assert answer is not None
    assert [each.data for each in answer.publish] == [b"once"]


async def test_handle_prune__of_a_topic_unknown_leaves_nothing_behind(
    router: MendedGossipSub,
) -> None:
    await router.handle_prune(rpc_pb2.ControlPrune(topicID="test/unknown"), CAROL)

    assert router.back_off == {}
    assert CAROL not in router.graft_flood_tracking


async def test_handle_prune__nobody_is_kept_waiting_for_ever(router: MendedGossipSub) -> None:
    await router.handle_prune(rpc_pb2.ControlPrune(topicID=TOPIC), CAROL)
    usual = router.back_off[TOPIC][CAROL]

    await router.handle_prune(rpc_pb2.ControlPrune(topicID=TOPIC, backoff=2**40), CAROL)

    assert router.back_off[TOPIC][CAROL] - usual <= 3600


async def test_handle_prune__the_peers_that_come_with_it_are_not_met(
    router: MendedGossipSub,
) -> None:
    stranger = rpc_pb2.PeerInfo(peerID=peer_bytes(NodeId(b"E" * 32)))
    prune = rpc_pb2.ControlPrune(topicID=TOPIC, peers=[stranger])

    await router.handle_prune(prune, CAROL)

    assert len(prune.peers) == 0


async def test_handle_graft__of_a_topic_unknown_is_not_answered(router: MendedGossipSub) -> None:
    await router.handle_graft(rpc_pb2.ControlGraft(topicID="test/unknown"), CAROL)

    assert len(queue_of(router)) == 0


async def test_handle_ihave__of_a_topic_unknown_is_not_answered(router: MendedGossipSub) -> None:
    offer = rpc_pb2.ControlIHave(topicID="test/unknown", messageIDs=[b"a message"])

    await router.handle_ihave(offer, CAROL)

    assert len(queue_of(router)) == 0


async def test_mended_gossip_sub__what_was_counted_of_each_message_is_forgotten(bob: Bob) -> None:
    for number in range(10):
        await bob.node.publish(TOPIC, b"%d" % number)
    bob.router.back_off["test/left"] = {CAROL: 2**40}

    bob.router._periodic_security_cleanup()  # pyright: ignore[reportPrivateUsage]  # the mend

    assert bob.router.recent_message_deliveries == {}
    assert bob.router.back_off == {}


async def test_mended_gossip_sub__messages_in_a_rush_are_all_passed_on(
    nursery: trio.Nursery, bob: Bob
) -> None:
    alice, carol = Bob(a_node(b"A" * 32)), Bob(a_node(b"C" * 32))
    for end in (alice, carol):
        end.node.subscribe(TOPIC, end.judge)
        await nursery.start(end.node.run)
        await end.node.connect(bob.node.addresses()[0])
    async with trio.open_nursery() as probing:
        probing.start_soon(publish_again_and_again, alice)
        await carol.wait_until(lambda: carol.heard != [])
        probing.cancel_scope.cancel()
    sent = [b"%d" % number for number in range(200)]

    for data in sent:
        await alice.node.publish(TOPIC, data)
    await carol.wait_until(lambda: all(data in carol.heard for data in sent))


async def publish_again_and_again(publisher: Bob) -> None:
    """Probe until the mesh is there: before, a message may be lost."""
    for number in range(1000):
        await publisher.node.publish(TOPIC, b"probe %d" % number)
        await trio.sleep(0.05)
