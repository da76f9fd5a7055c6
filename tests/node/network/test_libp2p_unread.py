"""What peers may make a node keep, and how fast they may make it work, whatever they send."""

import pytest
import trio
import trio.testing

from commonfab.node.network.libp2p_mends import survive
from commonfab.node.network.libp2p_muxer import MuxedConnection, MuxedStream, Unread
from commonfab.node.network.yamux import WINDOW_BYTES_FIRST
from commonfab.protocol.limits import (
    FRAMES_PER_S_MAX,
    STREAMS_PER_PEER_MAX,
    UNREAD_BYTES_MAX,
    UNREAD_BYTES_PER_PEER_MAX,
)
from tests.node.network.test_libp2p_muxer import PEER, PING, PlainConn


class Bob:
    """Runs several connections, whose unread bytes are counted together."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._unread = Unread()

    async def meets(self) -> tuple[MuxedConnection, MuxedConnection]:
        """Return a newcomer's end of a connection, and Bob's."""
        here, there = trio.testing.memory_stream_pair()
        newcomer = MuxedConnection(PlainConn(here, is_initiator=True), PEER)
        bob = MuxedConnection(PlainConn(there, is_initiator=False), PEER, self._unread)
        for muxed in (newcomer, bob):
            self._nursery.start_soon(survive, muxed.start)
            await muxed.event_started.wait()
        return newcomer, bob


@pytest.fixture
def bob(nursery: trio.Nursery) -> Bob:
    return Bob(nursery)


async def send_unread(newcomer: MuxedConnection, windows: int) -> None:
    for _ in range(windows):
        stream = await newcomer.open_stream()
        await stream.write(bytes(WINDOW_BYTES_FIRST))
    await trio.testing.wait_all_tasks_blocked()


async def test_a_peer_may_have_so_much_unread_and_no_more(bob: Bob) -> None:
    newcomer, at_bob = await bob.meets()
    fits = UNREAD_BYTES_PER_PEER_MAX // WINDOW_BYTES_FIRST
    assert fits < STREAMS_PER_PEER_MAX

    await send_unread(newcomer, fits)
    assert not at_bob.is_closed
    stream = await newcomer.open_stream()
    await stream.write(b"one more")

    await at_bob.event_closed.wait()


async def test_where_many_together_have_too_much_unread_the_one_with_most_ends(bob: Bob) -> None:
    each = UNREAD_BYTES_PER_PEER_MAX // WINDOW_BYTES_FIRST - 1
    greedy, at_bob_greedy = await bob.meets()
    modest, at_bob_modest = await bob.meets()
    await send_unread(greedy, each + 1)
    await send_unread(modest, 1)
    others = [await bob.meets() for _ in range(UNREAD_BYTES_MAX // UNREAD_BYTES_PER_PEER_MAX)]

    for newcomer, _ in others:
        await send_unread(newcomer, each)

    assert at_bob_greedy.is_closed
    assert not at_bob_modest.is_closed
    assert not any(at_bob.is_closed for _, at_bob in others)


async def test_what_was_read_of_an_unfinished_message_still_counts(bob: Bob) -> None:
    newcomer, at_bob = await bob.meets()
    stream = await newcomer.open_stream()
    await stream.write(b"the beginning of a long message")
    theirs: MuxedStream = await at_bob.accept_stream()
    await theirs.read()

    theirs.hold(UNREAD_BYTES_PER_PEER_MAX)
    await trio.testing.wait_all_tasks_blocked()
    assert not at_bob.is_closed
    theirs.hold(UNREAD_BYTES_PER_PEER_MAX + 1)

    await at_bob.event_closed.wait()


async def test_with_a_connection_goes_what_it_held(bob: Bob) -> None:
    full = UNREAD_BYTES_PER_PEER_MAX // WINDOW_BYTES_FIRST
    for _ in range(2 * UNREAD_BYTES_MAX // UNREAD_BYTES_PER_PEER_MAX):
        newcomer, at_bob = await bob.meets()
        await send_unread(newcomer, full)
        assert not at_bob.is_closed
        await newcomer.close()
        await at_bob.event_closed.wait()


async def test_windows_do_not_grow_while_much_is_unread(bob: Bob) -> None:
    reader, at_bob = await bob.meets()
    others = [await bob.meets() for _ in range(2)]
    for newcomer, _ in others:
        await send_unread(newcomer, UNREAD_BYTES_MAX // 8 // WINDOW_BYTES_FIRST)
    stream = await reader.open_stream()
    await stream.write(bytes(WINDOW_BYTES_FIRST))
    theirs = await at_bob.accept_stream()
    await trio.testing.wait_all_tasks_blocked()

    assert len(await theirs.read()) == WINDOW_BYTES_FIRST
    await trio.testing.wait_all_tasks_blocked()

    assert stream.state.room == WINDOW_BYTES_FIRST


async def test_small_frames_are_read_no_faster_than_so_many_a_second(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    here, there = trio.testing.memory_stream_pair()
    bob = MuxedConnection(PlainConn(there, is_initiator=False), PEER)
    nursery.start_soon(survive, bob.start)
    began_at = trio.current_time()
    seconds, answers = 10, 0.0

    async def flood() -> None:
        for _ in range(seconds):
            await here.send_all(PING * FRAMES_PER_S_MAX)

    nursery.start_soon(flood)
    while answers < seconds * FRAMES_PER_S_MAX:
        answers += len(await here.receive_some()) / len(PING)

    # The first second's were free, and the last are answered before they are paid for.
    assert trio.current_time() - began_at >= seconds - 3
