"""What the libp2p transport does beyond the contract: listening, starting, stopping, pinging."""

import socket

import pytest
import trio

from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.mdns import reachable_places
from commonfab.node.network.transport import LinkDown, LinkUp, opened, split_address
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.peer_id import peer_text
from tests.node.network.libp2p_peers import (
    ALICE_SEED,
    BOB_SEED,
    CAROL_SEED,
    ECHO,
    HERE,
    PATIENCE_S,
    a_node,
    eve_at,
    is_well,
    next_event,
)


async def run_until_refused(node: Libp2pTransport) -> str:
    """Run a node that cannot listen; return what it says."""
    with pytest.raises(ResourceError) as caught, trio.fail_after(PATIENCE_S):
        await node.run()
    return str(caught.value)


async def test_a_port_that_another_program_has_is_told_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"

        complaint = await run_until_refused(a_node(listen=[HERE, place]))

    assert f"cannot listen at {place}" in complaint
    assert "Address already in use" in complaint
    assert "choose another in the configuration" in complaint


async def test_two_nodes_do_not_share_a_port(nursery: trio.Nursery) -> None:
    bob = a_node()
    await nursery.start(bob.run)
    place, _ = split_address(bob.addresses()[0])

    complaint = await run_until_refused(a_node(ALICE_SEED, listen=[place]))

    assert place in complaint
    assert await is_well(bob)


async def test_an_address_that_is_not_this_machines_is_told() -> None:
    complaint = await run_until_refused(a_node(listen=["/ip4/192.0.2.7/tcp/0"]))

    assert "/ip4/192.0.2.7/tcp/0" in complaint


@pytest.mark.parametrize(
    "place", ["4001", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/4001", "/ip4/x/tcp/1"]
)
def test_what_cannot_be_listened_at_is_refused_before_anything_runs(place: str) -> None:
    with pytest.raises(UsageError, match="not an address for TCP"):
        a_node(listen=[place])


async def test_a_node_may_listen_in_several_places(nursery: trio.Nursery) -> None:
    bob, alice = a_node(listen=[HERE, "/ip4/127.0.0.3/tcp/0"]), a_node(ALICE_SEED)
    await nursery.start(bob.run)
    await nursery.start(alice.run)

    for address in bob.addresses():
        await alice.connect(address)
        await alice.disconnect(bob.me)

    assert len(bob.addresses()) == 2


async def test_a_stopped_node_leaves_its_port_and_its_peers_at_once(nursery: trio.Nursery) -> None:
    bob, alice = a_node(), a_node(ALICE_SEED)
    await nursery.start(alice.run)
    async with trio.open_nursery() as inner:
        await inner.start(bob.run)
        address = bob.addresses()[0]
        await alice.connect(address)
        assert isinstance(await next_event(alice), LinkUp)
        inner.cancel_scope.cancel()

    assert await next_event(alice) == LinkDown(bob.me)
    again = a_node(listen=[split_address(address)[0]])
    await nursery.start(again.run)
    assert await alice.connect(address) == bob.me


async def test_the_key_is_the_one_of_the_seed() -> None:
    assert a_node(BOB_SEED).me == a_node(BOB_SEED).me
    assert a_node(BOB_SEED).me != a_node(ALICE_SEED).me


async def test_a_peer_that_knows_no_ping_is_asked_all_the_same(nursery: trio.Nursery) -> None:
    bob = a_node(ping_every_s=0.1)
    await nursery.start(bob.run)
    async with eve_at(bob.addresses()[0]) as eve:
        eve.nursery.start_soon(eve.serve)

        while await eve.asked[1].receive() != "/ipfs/ping/1.0.0":
            pass


async def test_nobody_is_let_in_while_too_many_events_wait_to_be_read(
    nursery: trio.Nursery,
) -> None:
    bob = Libp2pTransport(BOB_SEED, [HERE], mdns=False, events_max=4)
    alice, carol = a_node(ALICE_SEED), a_node(CAROL_SEED)
    bob.events()
    for node in (bob, alice, carol):
        await nursery.start(node.run)

    async def comes_and_goes(node: Libp2pTransport) -> None:
        await node.connect(bob.addresses()[0])
        assert isinstance(await next_event(node), LinkUp)
        assert await next_event(node) == LinkDown(bob.me)

    await alice.connect(bob.addresses()[0])
    assert isinstance(await next_event(alice), LinkUp)
    await bob.disconnect(alice.me)
    assert await next_event(alice) == LinkDown(bob.me)
    await carol.connect(bob.addresses()[0])
    await comes_and_goes(alice)

    told = [await next_event(bob) for _ in range(3)]
    assert [type(event) for event in told] == [LinkUp, LinkDown, LinkUp]
    assert [link.peer for link in bob.links()] == [carol.me]
    await alice.connect(bob.addresses()[0])
    assert isinstance(await next_event(bob), LinkUp)


def test_0_0_0_0_stands_for_what_others_reach() -> None:
    places = reachable_places(["/ip4/0.0.0.0/tcp/4001", "/ip4/192.0.2.7/tcp/4001"])

    assert places[-1] == "/ip4/192.0.2.7/tcp/4001"
    assert len(places) >= 2
    assert not any(place.startswith("/ip4/0.0.0.0/") for place in places)
    assert all(place.endswith("/tcp/4001") for place in places)


@pytest.mark.parametrize("kind", ["ip4", "ip6"])
async def test_a_node_listens_in_both_kinds_of_internet_and_announces_both(
    kind: str, nursery: trio.Nursery
) -> None:
    bob = a_node(listen=["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"])
    await nursery.start(bob.run)
    alice = a_node(ALICE_SEED, listen=[f"/{kind}/{'::1' if kind == 'ip6' else '127.0.0.1'}/tcp/0"])
    await nursery.start(alice.run)
    assert [address.split("/")[1] for address in bob.addresses()] == ["ip4", "ip6"]

    address = next(each for each in bob.addresses() if each.startswith(f"/{kind}/"))
    assert await alice.connect(address) == bob.me

    event = await next_event(bob)
    assert isinstance(event, LinkUp)
    assert event.link.address.startswith(f"/{kind}/")
    async with opened(alice, bob.me, ECHO) as stream:
        await stream.write(b"hello")
        assert await stream.read(100) == b"hello"


async def test_every_interface_may_have_one_port_in_both_kinds_of_internet(
    nursery: trio.Nursery,
) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
        port = free.getsockname()[1]
    bob = a_node(listen=[f"/ip4/0.0.0.0/tcp/{port}", f"/ip6/::/tcp/{port}"])
    await nursery.start(bob.run)
    alice = a_node(ALICE_SEED)
    await nursery.start(alice.run)

    for host in ("/ip6/::1", "/ip4/127.0.0.1"):
        assert await alice.connect(f"{host}/tcp/{port}/p2p/{peer_text(bob.me)}") == bob.me
        await alice.disconnect(bob.me)


async def test_a_node_that_listens_nowhere_dials_all_the_same(nursery: trio.Nursery) -> None:
    alice, bob = a_node(ALICE_SEED, listen=[]), a_node()
    for node in (alice, bob):
        await nursery.start(node.run)

    assert await alice.connect(bob.addresses()[0]) == bob.me
    assert alice.addresses() == []
    assert await is_well(bob)
