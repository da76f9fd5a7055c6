"""What strangers may do to a node that listens, and what it costs: their connection.

Every test ends by asking whether the node is well.
"""

import signal
from contextlib import AsyncExitStack, suppress

import pytest
import trio
from libp2p.io.exceptions import ConnectionClosedError

from commonfab.node.network.doorkeeper import DoorLimits
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import LinkDown, LinkUp
from commonfab.protocol.limits import KIB, MIB
from tests.node.network.libp2p_peers import (
    ALICE_SEED,
    ECHO,
    HELLO,
    PATIENCE_S,
    a_node,
    carol_in_a_process,
    dialled,
    eve_at,
    hangs_up,
    is_reset,
    is_well,
    line,
    next_event,
    secure,
)

_2_GIB = b"\xff\xff\xff\xff\x07"
"""Nearly, as a varint."""


@pytest.fixture
async def bob(nursery: trio.Nursery) -> Libp2pTransport:
    node = a_node()
    await nursery.start(node.run)
    return node


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: bob\r\nCookie: " + b"a=b;" * 50 + b"\r\n\r\n",
        bytes(1000),
        b"\xff" * 1000,
        line(b"\xff\xfe\xfd"),
        HELLO + line(b"/noise") + bytes(1000),
        HELLO + line(b"/noise") + b"\xff\xff" + bytes(65535),
        HELLO + line(b"\xff\xfe"),
    ],
    ids=[
        "a browser",
        "zeros",
        "an endless number",
        "no text",
        "no handshake",
        "a large handshake",
        "a protocol that is no text",
    ],
)
async def test_noise_before_the_handshake_costs_its_connection(
    bob: Libp2pTransport, noise: bytes
) -> None:
    async with dialled(bob.addresses()[0]) as stream:
        await stream.send_all(noise)

        assert await hangs_up(stream)
    assert await is_well(bob)


@pytest.mark.parametrize("protocol", [b"/plaintext/2.0.0", b"/tls/1.0.0", b"/secio/1.0.0"])
async def test_nothing_but_noise_secures_a_connection(
    bob: Libp2pTransport, protocol: bytes
) -> None:
    expected = HELLO + line(b"na")
    answer = b""

    async with dialled(bob.addresses()[0]) as stream:
        await stream.send_all(HELLO + line(protocol))
        while len(answer) < len(expected):
            answer += await stream.receive_some()

    assert answer == expected


async def test_limit_negotiation__a_long_line_before_the_handshake_is_not_taken_in(
    bob: Libp2pTransport,
) -> None:
    sent = 0
    async with dialled(bob.addresses()[0]) as stream:
        await stream.send_all(HELLO + _2_GIB)
        with trio.fail_after(PATIENCE_S), suppress(trio.BrokenResourceError):
            while sent < 64 * MIB:
                await stream.send_all(bytes(64 * KIB))
                sent += 64 * KIB

    # What the kernel's buffers for the socket took, and nothing more.
    assert sent < 16 * MIB
    assert await is_well(bob)


async def test_limit_negotiation__a_long_line_on_a_stream_is_not_taken_in(
    bob: Libp2pTransport,
) -> None:
    async with eve_at(bob.addresses()[0]) as eve:
        stream = await eve.muxed.open_stream()
        await stream.write(HELLO + _2_GIB + bytes(64 * KIB))

        assert await is_reset(stream)
        assert not eve.muxed.is_closed
    assert await is_well(bob)


async def test_silent_connections_from_one_address_leave_room_for_others(
    nursery: trio.Nursery,
) -> None:
    bob = a_node(door_limits=DoorLimits(knocking_max=16, knocking_per_address_max=8))
    await nursery.start(bob.run)
    address = bob.addresses()[0]

    async with AsyncExitStack() as crowd:
        streams = [
            await crowd.enter_async_context(dialled(address, from_host="127.0.0.2"))
            for _ in range(20)
        ]

        for late in streams[8:]:
            assert await hangs_up(late)
        assert await is_well(bob)


async def test_a_crowd_from_many_addresses_leaves_room_for_those_known(
    nursery: trio.Nursery,
) -> None:
    bob = a_node(door_limits=DoorLimits(knocking_max=8, knocking_per_address_max=2))
    alice = a_node(ALICE_SEED)
    await nursery.start(bob.run)
    await nursery.start(alice.run)
    await bob.connect(alice.addresses()[0])
    await bob.disconnect(alice.me)

    async with AsyncExitStack() as crowd:
        streams = [
            await crowd.enter_async_context(
                dialled(bob.addresses()[0], from_host=f"127.0.1.{number // 2}")
            )
            for number in range(16)
        ]

        for late in streams[8:]:
            assert await hangs_up(late)
        with trio.fail_after(PATIENCE_S):
            await alice.connect(bob.addresses()[0])


async def test_mended_swarm__a_place_is_given_back_when_its_connection_ends(
    nursery: trio.Nursery,
) -> None:
    bob = a_node(door_limits=DoorLimits(inside_max=3, inside_for_known=1))
    alice = a_node(ALICE_SEED)
    await nursery.start(bob.run)
    await nursery.start(alice.run)

    for _ in range(6):
        with trio.fail_after(PATIENCE_S):
            await alice.connect(bob.addresses()[0])
            assert isinstance(await next_event(bob), LinkUp)
            await alice.disconnect(bob.me)
            assert await next_event(bob) == LinkDown(alice.me)


@pytest.mark.parametrize(
    "frames",
    [
        b"\xff" * 12,
        b"\0\0\0\1\0\0\0\1\xff\xff\xff\xff" + bytes(MIB),
        b"\0\0\0\1\0\0\0\1\0\4\0\1" + bytes(256 * KIB + 1),
        b"\0\1\0\1\0\0\0\2\0\0\0\0",
    ],
    ids=["no frame", "4 GiB in a frame", "a byte past the window", "a stream of ours"],
)
async def test_what_is_not_yamux_costs_its_connection(bob: Libp2pTransport, frames: bytes) -> None:
    address = bob.addresses()[0]
    async with dialled(address) as stream:
        secured = await secure(stream, address)
        assert isinstance(await next_event(bob), LinkUp)

        with suppress(ConnectionClosedError):
            await secured.write(frames)

        assert isinstance(await next_event(bob), LinkDown)
    assert await is_well(bob)


async def test_survive__a_protocol_name_that_is_no_text_costs_its_stream(
    bob: Libp2pTransport,
) -> None:
    async with eve_at(bob.addresses()[0]) as eve:
        stream = await eve.muxed.open_stream()
        await stream.write(HELLO + line(b"\xff\xfe"))
        assert await is_reset(stream)

        other = await eve.open(ECHO)
        await other.write(b"served all the same")
        assert await other.read(100) == b"served all the same"


async def test_a_peer_that_hangs_is_dropped_and_one_that_is_killed_is_gone_at_once(
    nursery: trio.Nursery,
) -> None:
    bob = a_node(ping_every_s=0.1)
    await nursery.start(bob.run)
    async with carol_in_a_process() as (process, address):
        carol = await bob.connect(address)
        assert isinstance(await next_event(bob), LinkUp)

        process.send_signal(signal.SIGSTOP)
        assert await next_event(bob) == LinkDown(carol)

        process.send_signal(signal.SIGCONT)
        await bob.connect(address)
        process.kill()
        assert isinstance(await next_event(bob), LinkUp)
        assert await next_event(bob) == LinkDown(carol)
    assert await is_well(bob)
