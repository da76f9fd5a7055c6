"""Yamux as it runs, over connections in memory: what the library's own could not do."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing
from libp2p.abc import ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import PrivateKey, PublicKey
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamReset
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.node.network.libp2p_muxer import MuxedConnection
from commonfab.protocol.limits import KIB, MIB

PING = b"\0\2\0\1\0\0\0\0\0\0\0\1"
KEYS = create_new_key_pair(bytes(32))
PEER = ID.from_pubkey(KEYS.public_key)


class PlainConn(ISecureConn):
    """A connection that needs no securing: both ends are in this test."""

    def __init__(self, stream: trio.abc.Stream, *, is_initiator: bool) -> None:
        self.stream = stream
        self.is_initiator = is_initiator

    async def read(self, n: int | None = None) -> bytes:
        try:
            data = await self.stream.receive_some(64 * KIB)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError("broken") from error
        if not data:
            raise ConnectionClosedError("closed")
        return bytes(data)

    async def write(self, data: bytes) -> None:
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError("broken") from error

    async def close(self) -> None:
        await self.stream.aclose()

    def get_remote_address(self) -> tuple[str, int] | None:
        return None

    def get_transport_addresses(self) -> list[Multiaddr]:
        return []

    def get_connection_type(self) -> ConnectionType:
        return ConnectionType.DIRECT

    def get_local_peer(self) -> ID:
        return PEER

    def get_local_private_key(self) -> PrivateKey:
        return KEYS.private_key

    def get_remote_peer(self) -> ID:
        return PEER

    def get_remote_public_key(self) -> PublicKey:
        return KEYS.public_key


Wire = Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]


@asynccontextmanager
async def pair(
    wire: Wire = trio.testing.memory_stream_pair,
) -> AsyncGenerator[tuple[MuxedConnection, MuxedConnection]]:
    """Run Alice, who dialled, and Bob for a block."""
    ends = wire()
    alice = MuxedConnection(PlainConn(ends[0], is_initiator=True), PEER)
    bob = MuxedConnection(PlainConn(ends[1], is_initiator=False), PEER)
    async with trio.open_nursery() as nursery:
        for muxed in (alice, bob):
            nursery.start_soon(muxed.start)
            await muxed.event_started.wait()
        yield alice, bob
        nursery.cancel_scope.cancel()


async def test_a_writer_waits_for_a_slow_reader_as_long_as_it_takes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pair() as (alice, bob), trio.open_nursery() as nursery:
        ours = await alice.open_stream()
        nursery.start_soon(ours.write, bytes(MIB))
        theirs = await bob.accept_stream()

        await trio.sleep(3600)

        read = 0
        while read < MIB:
            read += len(await theirs.read())


async def test_both_sides_may_send_at_once_over_a_wire_that_holds_nothing() -> None:
    async def send_and_finish(muxed: MuxedConnection) -> None:
        stream = await muxed.open_stream()
        await stream.write(bytes(4 * MIB))
        await stream.close()

    async def receive(muxed: MuxedConnection) -> None:
        stream = await muxed.accept_stream()
        read = 0
        while read < 4 * MIB:
            read += len(await stream.read())

    wire = trio.testing.lockstep_stream_pair
    with trio.fail_after(30):
        async with pair(wire) as ends, trio.open_nursery() as nursery:
            for muxed in ends:
                nursery.start_soon(send_and_finish, muxed)
                nursery.start_soon(receive, muxed)


async def test_a_peer_that_makes_us_answer_and_does_not_read_is_cut_off() -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    bob = MuxedConnection(PlainConn(ours, is_initiator=False), PEER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bob.start)
        with trio.fail_after(30), suppress(trio.BrokenResourceError):
            while not bob.is_closed:
                await theirs.send_all(PING * 5000)

    assert bob.is_closed


async def test_many_writers_to_a_peer_that_does_not_read_fill_no_memory() -> None:
    ours, _theirs = trio.testing.lockstep_stream_pair()
    alice = MuxedConnection(PlainConn(ours, is_initiator=True), PEER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.start)
        await alice.event_started.wait()
        for _ in range(20):
            stream = await alice.open_stream()
            nursery.start_soon(stream.write, bytes(MIB))
        await trio.testing.wait_all_tasks_blocked()

        assert alice.unsent_bytes <= 330 * KIB
        nursery.cancel_scope.cancel()


async def test_taking_leave_of_a_peer_that_listens_takes_no_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pair() as ends:
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            for muxed in ends:
                nursery.start_soon(muxed.close)

        assert trio.current_time() == start


async def test_a_connection_to_a_peer_that_hangs_can_be_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, _theirs = trio.testing.lockstep_stream_pair()
    alice = MuxedConnection(PlainConn(ours, is_initiator=True), PEER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.start)
        await alice.event_started.wait()
        stream = await alice.open_stream()
        nursery.start_soon(stream.write, b"to nobody")

        with trio.fail_after(1):
            await alice.close()

    assert alice.is_closed


async def test_closing_is_done_though_its_caller_is_cancelled() -> None:
    ours, _theirs = trio.testing.lockstep_stream_pair()
    alice = MuxedConnection(PlainConn(ours, is_initiator=True), PEER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.start)
        await alice.event_started.wait()

        with trio.move_on_after(0):
            await alice.close()

        with trio.fail_after(10):
            await alice.event_closed.wait()


async def test_the_end_of_a_connection_wakes_all_who_wait_on_it() -> None:
    ended: list[str] = []

    async def read(muxed: MuxedConnection) -> None:
        stream = await muxed.open_stream()
        with pytest.raises(MuxedStreamReset):
            await stream.read()
        ended.append("reader")

    async def write(muxed: MuxedConnection) -> None:
        stream = await muxed.open_stream()
        with pytest.raises(MuxedStreamReset):
            await stream.write(bytes(2 * MIB))
        ended.append("writer")

    async def accept(muxed: MuxedConnection) -> None:
        with pytest.raises(MuxedConnUnavailable):
            await muxed.accept_stream()
        ended.append("accepter")

    async with pair() as (alice, bob), trio.open_nursery() as nursery:
        for wait in (read, write, accept):
            nursery.start_soon(wait, alice)
        await trio.testing.wait_all_tasks_blocked()

        await bob.close()

    assert sorted(ended) == ["accepter", "reader", "writer"]
    with pytest.raises(MuxedConnUnavailable):
        await alice.open_stream()


async def test_what_arrived_before_the_end_can_still_be_read() -> None:
    async with pair() as (alice, bob):
        ours = await alice.open_stream()
        await ours.write(b"last words")
        theirs = await bob.accept_stream()
        await trio.testing.wait_all_tasks_blocked()
        await alice.close()
        await bob.event_closed.wait()

        assert await theirs.read() == b"last words"


async def test_what_was_written_before_the_close_is_sent_before_it() -> None:
    async with pair(trio.testing.lockstep_stream_pair) as (alice, bob):
        ours = await alice.open_stream()
        await ours.write(b"last words")
        await trio.testing.wait_all_tasks_blocked()
        await ours.write(b" of many" * 5000)

        await alice.close()

        theirs = await bob.accept_stream()
        read = await theirs.read()
        while len(read) < 10 + 40_000:
            read += await theirs.read()
        assert read.endswith(b"of many")


async def test_streams_that_are_opened_and_reset_in_a_rush_do_not_pile_up() -> None:
    async with pair() as (alice, bob):
        for _ in range(500):
            stream = await alice.open_stream()
            await stream.reset()
        await trio.testing.wait_all_tasks_blocked()

        with trio.fail_after(10):
            last = await alice.open_stream()
            await last.write(b"!")
            while True:
                stream = await bob.accept_stream()
                if not stream.state.is_reset:
                    break
        assert await stream.read() == b"!"
