"""Bytes are counted by peer and purpose, both ways, and forgotten after an hour."""

import pytest
import trio
import trio.testing

from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.metering import MeteredTransport, Moved, Traffic, kind_of
from commonfab.node.network.transport import Stream, opened
from commonfab.protocol.gossip.broadcast_wire import PROTOCOL
from commonfab.protocol.ids import NodeId

ALICE, BOB = NodeId(b"a" * 32), NodeId(b"b" * 32)


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        (PROTOCOL, "gossip"),
        ("/commonfab/sync/2", "sync"),
        ("/ipfs/bitswap/1.2.0", "blocks"),
        ("/commonfab/letters/1", "letters"),
        ("/ipfs/kad/1.0.0", "other"),
    ],
)
def test_each_protocol_has_its_purpose(protocol: str, kind: str) -> None:
    assert kind_of(protocol) == kind


async def test_both_ends_count_what_one_says_and_the_other_answers(nursery: trio.Nursery) -> None:
    network = MemoryNetwork()
    alice_counts, bob_counts = Traffic(), Traffic()
    alice = MeteredTransport(MemoryTransport(ALICE, network), alice_counts)
    bob = MeteredTransport(MemoryTransport(BOB, network), bob_counts)

    async def answer(stream: Stream) -> None:
        await stream.read(100)
        await stream.write(b"yes")

    bob.serve(PROTOCOL, answer)
    for node in (alice, bob):
        await nursery.start(node.run)
    await alice.connect(bob.addresses()[0])

    async with opened(alice, BOB, PROTOCOL) as stream:
        await stream.write(b"hello")
        assert await stream.read(100) == b"yes"

    assert alice_counts.last_hour()["gossip"] == Moved(3, 5)
    assert alice_counts.last_hour_with(BOB) == {"gossip": Moved(3, 5)}
    assert bob_counts.last_hour_with(ALICE) == {"gossip": Moved(5, 3)}
    assert bob_counts.last_hour()["sync"] == Moved()
    assert alice_counts.ever.both == 8


async def test_what_moved_more_than_an_hour_ago_is_not_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    traffic = Traffic()
    traffic.count(BOB, "gossip", 1, 0)
    await trio.sleep(1800)
    traffic.count(BOB, "gossip", 2, 0)

    before = traffic.last_hour()["gossip"]
    await trio.sleep(1900)

    assert before == Moved(3, 0)
    assert traffic.last_hour()["gossip"] == Moved(2, 0)
    assert traffic.ever == Moved(3, 0)


async def test_peers_that_are_long_silent_are_forgotten() -> None:
    traffic = Traffic()
    for number in range(1025):
        traffic.count(NodeId(number.to_bytes(32, "big")), "other", 1, 1)

    assert traffic.last_hour_with(NodeId(bytes(32))) == {}
    assert traffic.last_hour()["other"] == Moved(1025, 1025)
    await trio.lowlevel.checkpoint()
