"""A node that nobody can dial is reached through one that helps, and then directly if it can be.

Bob listens nowhere, which is how a node behind a strict router looks from outside. Two routers
with real kernels between them stand in test_libp2p_routers.py.
"""

import socket
from collections.abc import Callable

import pytest
import trio
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there

from commonfab.node.finding.addresses import binary
from commonfab.node.network.frames import read_delimited, write_delimited
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.relay_desk import RelayLimits
from commonfab.node.network.relaying import is_circuit
from commonfab.node.network.transport import LinkDown, StreamBroken, opened
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB, RELAY_MESSAGE_BYTES_MAX
from commonfab.protocol.links.reach_wire import (
    AUTONAT,
    DialAnswer,
    DialBack,
    DialStatus,
    decode_dial_answer,
    encode_dial_back,
)
from commonfab.protocol.links.relay_wire import STOP, Stop, StopKind, encode_stop
from commonfab.protocol.peer_id import peer_bytes, peer_text
from tests.node.network.libp2p_peers import (
    ALICE_SEED,
    BOB_SEED,
    CAROL_SEED,
    ECHO,
    HERE,
    PATIENCE_S,
    a_node,
    echo,
    next_event,
)


def a_relay(**limits: float) -> Libp2pTransport:
    node = Libp2pTransport(
        CAROL_SEED,
        [HERE],
        mdns=False,
        relay="on",
        relay_limits=RelayLimits(**limits),  # type: ignore[arg-type]  # int where int is due
    )
    node.events()
    return node


async def until(is_so: Callable[[], object]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110  # It depends on several nodes at once.
            await trio.sleep(0.005)


async def hidden_behind(relay: Libp2pTransport, nursery: trio.Nursery) -> Libp2pTransport:
    """Start Bob, who cannot be dialled, and wait until the relay has him."""
    bob = a_node(BOB_SEED, listen=[])
    await nursery.start(bob.run)
    await bob.connect(relay.addresses()[0])
    await until(lambda: bob.addresses())
    return bob


async def started(node: Libp2pTransport, nursery: trio.Nursery) -> Libp2pTransport:
    await nursery.start(node.run)
    return node


async def says(node: Libp2pTransport, peer: Libp2pTransport, words: bytes) -> bytes:
    async with opened(node, peer.me, ECHO) as stream:
        await stream.write(words)
        return await stream.read(100)


async def says_much(node: Libp2pTransport, peer: Libp2pTransport) -> None:
    async with opened(node, peer.me, ECHO) as stream:
        for _ in range(100):
            await stream.write(bytes(KIB))
            await stream.read(KIB)


async def test_a_hidden_node_is_reached_at_the_address_that_it_gives(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(), nursery)
    bob = await hidden_behind(carol, nursery)
    alice = await started(a_node(ALICE_SEED, listen=[]), nursery)

    address = f"{carol.addresses()[0]}/p2p-circuit/p2p/{peer_text(bob.me)}"
    assert bob.addresses() == [address]
    assert (bob.reachability().state, bob.reachability().relays) == ("hidden", (carol.me,))
    assert await alice.connect(address) == bob.me

    assert await says(alice, bob, b"hello") == b"hello"
    assert await says(bob, alice, b"and back") == b"and back"
    assert [link.address for link in alice.links() if link.peer == bob.me] == [address]
    assert carol.reachability().helped >= 1
    assert carol.reachability().carried_bytes > 0


async def test_those_who_are_told_of_addresses_hear_of_the_relays(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(), nursery)
    told = trio.Event()
    bob = a_node(BOB_SEED, listen=[])
    bob.when_addresses_change(told.set)
    await nursery.start(bob.run)

    await bob.connect(carol.addresses()[0])

    with trio.fail_after(PATIENCE_S):
        await told.wait()
    assert is_circuit(bob.addresses()[0])


async def test_where_a_direct_link_can_be_had_it_takes_the_place_of_the_relays(
    nursery: trio.Nursery,
) -> None:
    carol = await started(a_relay(), nursery)
    bob = await hidden_behind(carol, nursery)
    alice = await started(a_node(ALICE_SEED), nursery)

    await alice.connect(bob.addresses()[0])

    await until(lambda: alice.is_direct(bob.me) and bob.is_direct(alice.me))
    assert not any(is_circuit(link.address) for link in [*alice.links(), *bob.links()])
    await until(lambda: connections_count(alice, bob) == 1)
    assert await says(alice, bob, b"hello") == b"hello"


def connections_count(node: Libp2pTransport, peer: Libp2pTransport) -> int:
    swarm = node._swarm  # pyright: ignore[reportPrivateUsage]  # no part of the port
    return len(swarm.get_connections(ID(peer_bytes(peer.me))))


async def test_with_the_relay_goes_the_way_through_it(nursery: trio.Nursery) -> None:
    carol = a_relay()
    async with trio.open_nursery() as others:
        await others.start(carol.run)
        bob = await hidden_behind(carol, nursery)
        alice = await started(a_node(ALICE_SEED, listen=[]), nursery)
        await alice.connect(bob.addresses()[0])
        others.cancel_scope.cancel()

    down: set[object] = set()
    while len(down) < 2:
        event = await next_event(alice)
        if isinstance(event, LinkDown):
            down.add(event.peer)
    assert down == {carol.me, bob.me}
    await until(lambda: not bob.addresses())


async def test_a_node_that_does_not_help_says_so(nursery: trio.Nursery) -> None:
    carol = a_node(CAROL_SEED)  # As it comes: the internet has not reached it.
    await nursery.start(carol.run)
    bob = await started(a_node(BOB_SEED, listen=[]), nursery)
    await bob.connect(carol.addresses()[0])
    alice = await started(a_node(ALICE_SEED, listen=[]), nursery)

    with pytest.raises(ResourceError, match="the relay says: permission denied"):
        await alice.connect(f"{carol.addresses()[0]}/p2p-circuit/p2p/{peer_text(bob.me)}")


async def test_who_is_not_there_is_not_reached(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(), nursery)
    alice = await started(a_node(ALICE_SEED, listen=[]), nursery)
    nobody = peer_text(a_node(BOB_SEED).me)

    with pytest.raises(ResourceError, match="the relay says: no reservation"):
        await alice.connect(f"{carol.addresses()[0]}/p2p-circuit/p2p/{nobody}")


async def test_a_relay_carries_no_more_than_it_said(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(circuit_bytes_max=64 * KIB), nursery)
    bob = await hidden_behind(carol, nursery)
    alice = await started(a_node(ALICE_SEED, listen=[]), nursery)
    await alice.connect(bob.addresses()[0])

    with pytest.raises(StreamBroken):
        await says_much(alice, bob)

    assert carol.reachability().carried_bytes <= 3 * 64 * KIB


async def test_a_relay_ends_each_circuit_in_time(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(circuit_s=0.2), nursery)
    bob = await hidden_behind(carol, nursery)
    alice = await started(a_node(ALICE_SEED, listen=[]), nursery)
    await alice.connect(bob.addresses()[0])

    await until(lambda: all(link.peer != bob.me for link in alice.links()))


async def answered(node: Libp2pTransport, peer: Libp2pTransport, message: bytes) -> bytes | None:
    async with opened(node, peer.me, STOP) as stream:
        await write_delimited(stream, message)
        return await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX)


async def test_nobody_brings_connections_to_a_node_that_did_not_ask(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(), nursery)
    bob = a_node(BOB_SEED)  # He is reached as he is, and relies on nobody.
    await nursery.start(bob.run)
    await carol.connect(bob.addresses()[0])

    brought = encode_stop(Stop(kind=StopKind.CONNECT, peer=NodeId(ALICE_SEED)))
    with pytest.raises(ResourceError):
        await answered(carol, bob, brought)


async def test_a_node_learns_from_its_peers_that_it_can_be_dialled(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(), nursery)
    bob = a_node(BOB_SEED)
    await nursery.start(bob.run)
    assert bob.reachability().state == "unknown"

    await bob.connect(carol.addresses()[0])

    await until(lambda: bob.reachability().state == "open")
    assert bob.reachability().relays == ()


async def test_a_node_is_hidden_where_nobody_can_dial_it(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(), nursery)
    bob = a_node(BOB_SEED)
    bob.serve(ECHO, echo)
    async with trio.open_nursery() as deaf:
        await deaf.start(bob.run)
        bob.listening = lambda: ["/ip4/127.0.0.1/tcp/1"]  # type: ignore[method-assign]  # a wall

        await bob.connect(carol.addresses()[0])

        await until(lambda: bob.reachability().relays == (carol.me,))
        assert bob.reachability().state == "hidden"
        assert [a for a in bob.addresses() if is_circuit(a)]
        deaf.cancel_scope.cancel()


async def asked(node: Libp2pTransport, helper: Libp2pTransport, message: DialBack) -> DialAnswer:
    """Ask a helper to dial somebody, and return what it says."""
    async with opened(node, helper.me, AUTONAT) as stream:
        await write_delimited(stream, encode_dial_back(message))
        return decode_dial_answer(await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX) or b"")


async def test_who_asks_to_be_dialled_is_dialled_where_they_came_from_and_nowhere_else(
    nursery: trio.Nursery,
) -> None:
    carol = await started(a_relay(), nursery)
    alice = await started(a_node(ALICE_SEED, listen=[]), nursery)
    await alice.connect(carol.addresses()[0])
    with socket.create_server(("127.0.0.2", 0)) as bystander:
        bystander.settimeout(0)
        place = f"/ip4/127.0.0.2/tcp/{bystander.getsockname()[1]}"

        answer = await asked(alice, carol, DialBack(alice.me, (binary(place),)))

        with pytest.raises(BlockingIOError):
            bystander.accept()
    assert answer.status == DialStatus.DIAL_REFUSED


async def test_nobody_is_dialled_in_anothers_name_or_again_and_again(nursery: trio.Nursery) -> None:
    carol = await started(a_relay(), nursery)
    alice = await started(a_node(ALICE_SEED, listen=[]), nursery)
    await alice.connect(carol.addresses()[0])
    nowhere = (binary("/ip4/127.0.0.1/tcp/1"),)

    with pytest.raises(ResourceError):
        await asked(alice, carol, DialBack(carol.me, nowhere))
    first = await asked(alice, carol, DialBack(alice.me, nowhere))
    second = await asked(alice, carol, DialBack(alice.me, nowhere))

    assert (first.status, second.status) == (DialStatus.DIAL_ERROR, DialStatus.DIAL_REFUSED)
