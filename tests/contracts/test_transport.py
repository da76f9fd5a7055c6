"""What any `Transport` promises of links and streams, held by libp2p on loopback and by its twin
in memory alike.
"""

from contextlib import suppress

import pytest
import trio
import trio.testing

from commonfab.node.journal import Journal
from commonfab.node.network.transport import (
    LinkDown,
    Stream,
    StreamBroken,
    Transport,
    opened,
    split_address,
)
from commonfab.protocol.errors import Malformed, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB, MIB, STREAM_IDLE_S_MAX
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.standing.offences import BOUND
from tests.contracts.town import (
    ECHO,
    PATIENCE_S,
    Town,
    link,
    makers,
    next_event,
    next_up,
    read_all,
    serving_echo,
)

AHEAD_BYTES_MAX = 4 * MIB
"""Windows, our outbox and the kernel's buffers for a socket: what may be under way unread."""


@pytest.fixture(params=["memory", "libp2p"])
def town(request: pytest.FixtureRequest, nursery: trio.Nursery) -> Town:
    return Town(makers()[request.param], nursery)


async def test_a_node_is_reached_at_the_addresses_that_it_gives(town: Town) -> None:
    alice, bob = await town.node(), await town.node()

    found = await alice.connect(bob.addresses()[0])

    assert found == bob.me
    assert [split_address(address)[1] for address in bob.addresses()] == [bob.me]


async def test_both_ends_are_told_of_a_link_and_who_dialled(town: Town) -> None:
    alice, bob = await town.node(), await town.node()

    await alice.connect(bob.addresses()[0])

    here, there = await next_up(alice, bob), await next_up(bob, alice)
    assert (here.link.inbound, there.link.inbound) == (False, True)
    assert here.link.address == bob.addresses()[0]
    assert there.link.address.endswith(f"/p2p/{peer_text(alice.me)}")
    assert (alice.links(), bob.links()) == ([here.link], [there.link])


async def test_links_are_told_only_from_the_first_time_that_anybody_asks(town: Town) -> None:
    alice, bob = town.make(), await town.node()
    await town.nursery.start(town.run, alice)
    await alice.connect(bob.addresses()[0])

    events = alice.events()
    await alice.disconnect(bob.me)

    with trio.fail_after(PATIENCE_S):
        assert await events.receive() == LinkDown(bob.me)


async def test_a_peer_that_is_connected_is_not_dialled_again(town: Town) -> None:
    alice, bob = await town.pair()

    assert await alice.connect(bob.addresses()[0]) == bob.me
    assert await bob.connect(alice.addresses()[0]) == alice.me

    assert len(alice.links()) == len(bob.links()) == 1


async def test_what_is_no_address_cannot_be_dialled(town: Town) -> None:
    alice, bob = await town.node(), await town.node()
    place, _ = split_address(bob.addresses()[0])

    for address, complaint in [
        ("bob", "not an address"),
        (place, "no peer in it"),
        (f"{place}/p2p/", "not a peer id"),
        (f"{place}/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "not one of an Ed25519"),
        (alice.addresses()[0], "this node itself"),
    ]:
        with pytest.raises(UsageError, match=complaint):
            await alice.connect(address)


async def test_nobody_answers_for_a_node_that_has_stopped(town: Town) -> None:
    alice, bob = await town.node(), await town.node()
    address = bob.addresses()[0]
    await town.stop(bob)

    with pytest.raises(ResourceError, match="nobody answers"):
        await alice.connect(address)


async def test_another_peer_in_the_place_of_the_one_meant_is_not_taken_for_it(town: Town) -> None:
    alice, bob, carol = await town.node(), await town.node(), await town.node()
    place, _ = split_address(bob.addresses()[0])

    with pytest.raises(ResourceError, match="another peer"):
        await alice.connect(f"{place}/p2p/{peer_text(carol.me)}")

    assert alice.links() == []


async def test_a_failed_dial_can_be_repeated_at_once(town: Town) -> None:
    alice, bob, carol = await town.node(), await town.node(), await town.node()
    place, _ = split_address(carol.addresses()[0])
    with pytest.raises(ResourceError):
        await alice.connect(f"{place}/p2p/{peer_text(bob.me)}")

    with trio.fail_after(PATIENCE_S):
        assert await alice.connect(bob.addresses()[0]) == bob.me


async def test_a_link_that_is_closed_is_down_at_both_ends_and_may_come_up_again(
    town: Town,
) -> None:
    alice, bob = await town.pair()

    await alice.disconnect(bob.me)

    assert await next_event(alice) == LinkDown(bob.me)
    assert await next_event(bob) == LinkDown(alice.me)
    assert alice.links() == bob.links() == []
    await link(alice, bob)


async def test_closing_a_link_that_is_not_there_changes_nothing(town: Town) -> None:
    alice, bob = await town.node(), await town.node()

    await alice.disconnect(bob.me)

    assert alice.links() == []


async def test_a_peer_that_stops_takes_its_link_and_its_streams_along(town: Town) -> None:
    alice, bob = await town.pair()
    stream = await alice.open(bob.me, ECHO)

    await town.stop(bob)

    assert await next_event(alice) == LinkDown(bob.me)
    with pytest.raises(StreamBroken):
        await stream.read(1)
    with pytest.raises(ResourceError, match="not connected"):
        await alice.open(bob.me, ECHO)


async def test_all_who_dial_one_another_at_once_end_up_with_one_link_each(town: Town) -> None:
    alice, bob = await town.node(serving_echo), await town.node(serving_echo)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(alice.connect, bob.addresses()[0])
            nursery.start_soon(bob.connect, alice.addresses()[0])

    here, there = await next_up(alice, bob), await next_up(bob, alice)
    assert not (here.link.inbound and there.link.inbound)
    assert len(alice.links()) == len(bob.links()) == 1
    for one, other in ((alice, bob), (bob, alice)):
        async with opened(one, other.me, ECHO) as stream:
            await stream.write(b"still there?")
            assert await stream.read(100) == b"still there?"


async def test_a_stream_carries_bytes_both_ways_and_knows_its_peer(town: Town) -> None:
    alice, bob = await town.pair()

    async with opened(alice, bob.me, ECHO) as stream:
        await stream.write(b"How much is it?")
        answer = await stream.read(100)

    assert answer == b"How much is it?"
    assert stream.peer == bob.me


async def test_the_server_of_a_stream_is_told_who_opened_it(town: Town) -> None:
    callers: list[NodeId] = []

    async def remember(stream: Stream) -> None:
        callers.append(stream.peer)

    alice, bob = await town.node(), await town.node(lambda node: node.serve("/who/1", remember))
    await link(alice, bob)

    async with opened(alice, bob.me, "/who/1") as stream:
        assert await read_all(stream) == b""

    assert callers == [alice.me]


async def test_both_ends_of_a_link_may_open_streams_on_it(town: Town) -> None:
    alice, bob = await town.node(serving_echo), await town.node()
    await link(alice, bob)

    async with opened(bob, alice.me, ECHO) as stream:
        await stream.write(b"from him who was dialled")
        assert await stream.read(100) == b"from him who was dialled"


async def test_one_end_may_finish_while_the_other_goes_on(town: Town) -> None:
    async def answer_at_the_end(stream: Stream) -> None:
        everything = await read_all(stream)
        await stream.write(everything[::-1])

    alice = await town.node()
    bob = await town.node(lambda node: node.serve("/reverse/1", answer_at_the_end))
    await link(alice, bob)

    stream = await alice.open(bob.me, "/reverse/1")
    await stream.write(b"ab")
    await stream.write(b"cd")
    await stream.close()

    assert await read_all(stream) == b"dcba"


async def test_a_protocol_that_nobody_serves_cannot_be_had(town: Town) -> None:
    alice, bob = await town.pair()

    with pytest.raises(ResourceError, match="/test/nothing/1"):
        await alice.open(bob.me, "/test/nothing/1")

    assert len(alice.links()) == 1


async def test_a_stranger_has_no_streams(town: Town) -> None:
    alice, bob = await town.node(), await town.node(serving_echo)

    with pytest.raises(ResourceError, match="not connected"):
        await alice.open(bob.me, ECHO)


async def test_a_reset_breaks_the_stream_at_the_other_end(town: Town) -> None:
    broken = trio.Event()

    async def wait_for_more(stream: Stream) -> None:
        try:
            await read_all(stream)
        except StreamBroken:
            broken.set()

    alice, bob = await town.node(), await town.node(lambda node: node.serve("/w/1", wait_for_more))
    await link(alice, bob)
    stream = await alice.open(bob.me, "/w/1")
    await stream.write(b"and then")

    await stream.reset()
    await stream.reset()

    with trio.fail_after(PATIENCE_S):
        await broken.wait()


async def test_a_handler_that_fails_resets_its_stream_and_harms_nothing_else(town: Town) -> None:
    async def fail(stream: Stream) -> None:
        await stream.read(1)
        raise ValueError("a bug")

    async def fail_in_a_nursery(stream: Stream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, stream)
            nursery.start_soon(trio.sleep_forever)

    alice, bob = await town.node(), await town.node(serving_echo)
    bob.serve("/fail/1", fail)
    bob.serve("/fail/2", fail_in_a_nursery)
    await link(alice, bob)
    other = await alice.open(bob.me, ECHO)

    for protocol in ("/fail/1", "/fail/2"):
        stream = await alice.open(bob.me, protocol)
        await stream.write(b"x")
        with pytest.raises(StreamBroken):
            await stream.read(1)

    await other.write(b"unharmed")
    assert await other.read(100) == b"unharmed"


async def test_an_exchange_in_which_nothing_moves_is_ended_unless_its_streams_last(
    town: Town, mock_clock: trio.testing.MockClock
) -> None:
    heard, exchange, lasting = trio.Semaphore(0), "/test/exchange/1", "/test/lasting/1"

    async def echo_one_by_one(stream: Stream) -> None:
        while data := await stream.read(1):
            heard.release()
            await stream.write(data)

    def serving(node: Transport) -> None:
        node.serve(exchange, echo_one_by_one)
        node.serve(lasting, echo_one_by_one, is_lasting=True)

    alice, bob = await town.node(), await town.node(serving)
    await link(alice, bob)
    one, other = await alice.open(bob.me, exchange), await alice.open(bob.me, lasting)
    for stream in (one, other):
        await stream.write(b"x")
        await heard.acquire()
        assert await stream.read(1) == b"x"

    mock_clock.jump(STREAM_IDLE_S_MAX + 1)
    mock_clock.rate = 1.0

    with pytest.raises(StreamBroken):
        await one.read(1)
    await other.write(b"y")
    assert await other.read(1) == b"y"


async def test_what_a_handler_wrote_arrives_though_it_left_before_the_end(town: Town) -> None:
    async def refuse(stream: Stream) -> None:
        await stream.read(1)
        await stream.write(b"refused: too long")

    alice, bob = await town.node(), await town.node(lambda node: node.serve("/refuse/1", refuse))
    await link(alice, bob)

    async with opened(alice, bob.me, "/refuse/1") as stream:
        await stream.write(bytes(100 * KIB))
        assert await read_all(stream) == b"refused: too long"


async def test_a_block_that_raises_resets_the_stream_that_it_opened(town: Town) -> None:
    alice, bob = await town.pair()
    streams: list[Stream] = []

    async def fail() -> None:
        async with opened(alice, bob.me, ECHO) as stream:
            streams.append(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    with pytest.raises(StreamBroken):
        await streams[0].read(1)


async def test_a_cancelled_call_leaves_the_stream_whole(town: Town) -> None:
    alice, bob = await town.pair()
    async with opened(alice, bob.me, ECHO) as stream:
        with trio.move_on_after(0):
            await stream.read(1)
        with trio.move_on_after(0):
            await stream.write(b"perhaps sent")
            raise AssertionError("a call with no time left must be cancelled")

        await stream.write(b"!")

        assert (await stream.read(1)) == b"!"


async def test_a_writer_cancelled_in_front_of_a_full_window_harms_no_other_stream(
    town: Town,
) -> None:
    async def never_read(stream: Stream) -> None:
        await trio.sleep_forever()

    alice, bob = await town.node(), await town.node(serving_echo)
    bob.serve("/deaf/1", never_read)
    await link(alice, bob)
    deaf = await alice.open(bob.me, "/deaf/1")

    with trio.move_on_after(0.05) as scope:
        await deaf.write(bytes(20 * MIB))

    assert scope.cancelled_caught
    async with opened(alice, bob.me, ECHO) as stream:
        await stream.write(b"next, please")
        assert await stream.read(100) == b"next, please"


async def test_a_writer_goes_no_faster_than_the_reader(town: Town) -> None:
    total = 20 * MIB
    written = 0

    async def give(stream: Stream) -> None:
        nonlocal written
        piece = bytes(range(256)) * 1024
        while written < total:
            await stream.write(piece)
            written += len(piece)

    alice, bob = await town.node(), await town.node(lambda node: node.serve("/give/1", give))
    await link(alice, bob)

    read = 0
    furthest_ahead = 0
    async with opened(alice, bob.me, "/give/1") as stream:
        while data := await stream.read(64 * KIB):
            assert data[0] == read % 256
            read += len(data)
            furthest_ahead = max(furthest_ahead, written - read)

    assert read == total
    assert furthest_ahead <= AHEAD_BYTES_MAX


async def test_a_peer_has_so_many_streams_at_a_time_and_no_more(town: Town) -> None:
    alice, bob = await town.pair()
    streams: list[Stream] = []

    while len(streams) < 60:
        streams.append(await alice.open(bob.me, ECHO))
    with pytest.raises(ResourceError):
        streams += [await alice.open(bob.me, ECHO) for _ in range(5)]

    await streams[0].write(b"served all the same")
    assert await streams[0].read(100) == b"served all the same"
    for stream in streams[:2]:
        await stream.close()
        assert await read_all(stream) == b""
    await alice.open(bob.me, ECHO)


async def complain(stream: Stream) -> None:
    await stream.read(1)
    raise Malformed("not a request")


async def test_one_who_keeps_breaking_a_protocol_is_shown_out(town: Town) -> None:
    eve, bob = await town.node(), await town.node(lambda node: node.serve("/ask/1", complain))
    await link(eve, bob)

    with suppress(ResourceError):  # The last one may find the link gone already.
        for _ in range(int(BOUND) + 1):
            stream = await eve.open(bob.me, "/ask/1")
            await stream.write(b"?")
            with pytest.raises(StreamBroken):
                await stream.read(1)

    assert await next_event(bob) == LinkDown(eve.me)


async def test_offences_count_in_the_journal_of_the_node(town: Town) -> None:
    journal = Journal()

    def prepare(node: Transport) -> None:
        node.answer_to(journal)
        node.serve("/ask/1", complain)

    eve, bob = await town.node(), await town.node(prepare)
    await link(eve, bob)
    stream = await eve.open(bob.me, "/ask/1")
    await stream.write(b"?")
    with pytest.raises(StreamBroken):
        await stream.read(1)

    assert journal.offences.last(eve.me) == "not a request"
    assert journal.rejected(eve.me) == 1


async def test_whom_the_journal_keeps_out_comes_in_no_more_and_is_not_dialled(town: Town) -> None:
    journal = Journal()
    eve, bob = await town.node(), await town.node(lambda node: node.answer_to(journal))
    journal.offend(eve.me, "garbage", BOUND)

    with suppress(ResourceError):
        await eve.connect(bob.addresses()[0])
    with pytest.raises(ResourceError):
        await eve.open(bob.me, ECHO)
    with pytest.raises(ResourceError, match="shown out"):
        await bob.connect(eve.addresses()[0])

    assert not bob.links()
    with pytest.raises(trio.WouldBlock):
        bob.events().receive_nowait()
