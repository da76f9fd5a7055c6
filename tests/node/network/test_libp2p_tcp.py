"""TCP under libp2p, over sockets on loopback."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from libp2p.io.exceptions import ConnectionClosedError, MessageTooLarge
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.node.network.libp2p_tcp import Tcp, TcpStream, host_and_port
from commonfab.protocol.limits import KIB


@asynccontextmanager
async def socket_pair(host: str = "127.0.0.1") -> AsyncGenerator[tuple[TcpStream, TcpStream]]:
    (listener,) = await trio.open_tcp_listeners(0, host=host)
    async with listener:
        ours = await trio.open_tcp_stream(host, listener.socket.getsockname()[1])
        async with ours, await listener.accept() as theirs:
            yield TcpStream(ours), TcpStream(theirs)


async def test_a_read_of_so_many_bytes_waits_for_all_of_them() -> None:
    async with socket_pair() as (ours, theirs), trio.open_nursery() as nursery:

        async def read() -> None:
            assert await theirs.read(4) == b"abcd"
            assert await theirs.read(100) == b"ef"

        nursery.start_soon(read)
        for piece in (b"ab", b"cd", b"ef"):
            await trio.testing.wait_all_tasks_blocked()
            await ours.write(piece)
        await ours.close()


async def test_nobody_can_ask_for_more_than_a_message_at_once() -> None:
    async with socket_pair() as (_ours, theirs):
        with pytest.raises(MessageTooLarge):
            await theirs.read(128 * KIB + 1)


async def test_a_closed_socket_says_so_to_writers_and_readers() -> None:
    async with socket_pair() as (ours, theirs):
        await ours.close()
        await theirs.close()

        with pytest.raises(ConnectionClosedError):
            await ours.write(b"into the void")
        with pytest.raises(ConnectionClosedError):
            await theirs.read(1)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_a_peer_by_ipv6_has_an_address_too() -> None:
    async with socket_pair("::1") as (ours, _theirs):
        remote = ours.get_remote_address()

    assert remote is not None
    assert remote[0] == "::1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/ip4/192.0.2.7/tcp/4001", ("192.0.2.7", 4001)),
        ("/ip6/2001:db8::1/tcp/1", ("2001:db8::1", 1)),
        ("/dns4/bob.example/tcp/4001", ("bob.example", 4001)),
        (
            "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5",
            ("192.0.2.7", 4001),
        ),
    ],
)
def test_where_a_multiaddr_leads(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(Multiaddr(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/192.0.2.7",
        "/ip4/192.0.2.7/udp/4001",
        "/ip4/192.0.2.7/udp/4001/quic-v1",
        "/ip4/192.0.2.7/tcp/4001/ws",
        "/unix/tmp/socket",
    ],
)
def test_what_is_not_plain_tcp_leads_nowhere(text: str) -> None:
    assert not Tcp().can_dial(Multiaddr(text))
    with pytest.raises(OpenConnectionError):
        host_and_port(Multiaddr(text))
