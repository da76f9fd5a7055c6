"""Kubo and nodes of ours meet through relays of either kind, and in a private network."""

from collections.abc import Generator
from pathlib import Path

import pytest
import trio

from commonfab.node.network.libp2p_transport import PING, Libp2pTransport
from commonfab.node.network.transport import opened
from commonfab.protocol.peer_id import parse_peer
from tests.node.network.libp2p_peers import ALICE_SEED, BOB_SEED, HERE, a_node
from tests.node.network.test_libp2p_relay import a_relay, hidden_behind, says, until
from tests.peers.kubo_daemon import KuboDaemon, kubo_program

KEY = bytes(range(32))
_SWARM_KEY = f"/key/swarm/psk/1.0.0/\n/base16/\n{KEY.hex()}\n"


@pytest.fixture
def kubo(tmp_path: Path) -> Generator[KuboDaemon]:
    daemon = KuboDaemon(kubo_program(), tmp_path / "kubo")
    yield daemon
    daemon.kill()


async def test_kubo_is_a_relay_for_two_of_ours(kubo: KuboDaemon, nursery: trio.Nursery) -> None:
    kubo.configure(
        {"Swarm.RelayService.Enabled": True, "Internal.Libp2pForceReachability": "public"}
    )
    await trio.to_thread.run_sync(kubo.start)
    bob, alice = a_node(BOB_SEED, listen=[]), a_node(ALICE_SEED, listen=[])
    for node in (bob, alice):
        await nursery.start(node.run)
    await bob.connect(kubo.address)
    await until(lambda: bob.addresses())

    await alice.connect(bob.addresses()[0])

    assert await says(alice, bob, b"hello") == b"hello"


async def test_kubo_reaches_one_of_ours_through_a_relay_of_ours(
    kubo: KuboDaemon, nursery: trio.Nursery
) -> None:
    await trio.to_thread.run_sync(kubo.start)
    carol = a_relay()
    await nursery.start(carol.run)
    bob = await hidden_behind(carol, nursery)

    await trio.to_thread.run_sync(kubo.run, "swarm", "connect", bob.addresses()[0])

    peer = parse_peer(kubo.id)
    link = next(link for link in bob.links() if link.peer == peer)
    assert link.inbound
    async with opened(bob, peer, PING) as stream:
        await stream.write(bytes(32))
        assert await stream.read(32) == bytes(32)


async def test_kubo_speaks_in_a_private_network_of_ours(
    kubo: KuboDaemon, nursery: trio.Nursery
) -> None:
    (kubo.repo / "swarm.key").write_text(_SWARM_KEY)
    await trio.to_thread.run_sync(kubo.start)
    member = Libp2pTransport(ALICE_SEED, [HERE], mdns=False, psk=KEY)
    await nursery.start(member.run)

    peer = await member.connect(kubo.address)

    async with opened(member, peer, PING) as stream:
        await stream.write(bytes(32))
        assert await stream.read(32) == bytes(32)
