"""The block exchange as a service: dishonest peers, and serving."""

import pytest
import trio
import trio.testing

from commonfab.node.exchange.bitswap import READERS_PER_PEER_MAX, UNFINISHED_BYTES_PER_PEER_MAX
from commonfab.node.exchange.streams import write_message
from commonfab.node.network.transport import StreamBroken, opened
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.exchange.bitswap_wire import (
    PROTOCOL,
    Block,
    HashedBlock,
    Message,
    Presence,
    Want,
    WantKind,
    encode,
)
from commonfab.protocol.exchange.sources import UNASKED_MAX, WRONG_MAX
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from tests.node.exchange.bitswap_town import (
    CHUNK,
    PATIENCE_S,
    RAW_PREFIX,
    Noting,
    Peer,
    Store,
    Town,
    memory_town,
    tell,
)


@pytest.fixture
def town(nursery: trio.Nursery) -> Town:
    return memory_town(nursery)


# Dishonest peers.


@pytest.mark.rule("EXCHANGE-5")
async def test_wrong_blocks_are_refused_and_the_fetch_goes_on_elsewhere(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(20 * CHUNK)

    def lie(message: Message) -> Message:
        return Message(
            presences=tuple(Presence(want.cid, has=True) for want in message.wants),
            blocks=tuple(
                HashedBlock(RAW_PREFIX, b"a lie about " + want.cid)
                for want in message.wants
                if want.kind is WantKind.BLOCK and not want.cancel
            ),
        )

    eve = await town.stranger(lie)
    await alice.fetch(root, eve.me, bob.me)

    assert alice.store.all() == bob.store.all()
    assert 0 < alice.bitswap.counts["unasked_blocks"] <= WRONG_MAX


@pytest.mark.rule("EXCHANGE-4")
async def test_a_block_that_nobody_asked_for_is_not_kept(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    eve = await town.stranger()
    for number in range(UNASKED_MAX + 10):
        pushed = Message(blocks=(HashedBlock(RAW_PREFIX, b"%d" % number),))
        await tell(eve, alice.me, pushed)

    await alice.fetch(bob.store.add(3 * CHUNK), bob.me)

    assert alice.store.all() == bob.store.all()
    assert alice.bitswap.counts["unasked_blocks"] <= UNASKED_MAX


async def test_a_peer_that_pushes_blocks_has_its_stream_reset(town: Town) -> None:
    alice = await town.peer()
    eve = await town.stranger()
    pushed = [HashedBlock(RAW_PREFIX, b"%d" % number) for number in range(UNASKED_MAX)]
    stream = await eve.open(alice.me, PROTOCOL)
    await write_message(stream, Message(blocks=tuple(pushed)))

    with trio.fail_after(PATIENCE_S), pytest.raises(StreamBroken):
        await stream.read(1)
    assert isinstance(alice.transport, Noting)
    assert ["not asked for" in offence for offence in alice.transport.offences] == [True]


async def test_unfinished_messages_may_not_fill_the_memory(town: Town) -> None:
    bob = await town.peer()
    eve = await town.stranger()
    length = encode(Message(blocks=(HashedBlock(RAW_PREFIX, bytes(BLOCK_BYTES_MAX)),)))[:4]
    broken = 0
    for _ in range(12):
        stream = await eve.open(bob.me, PROTOCOL)
        try:
            await stream.write(length + bytes(BLOCK_BYTES_MAX - 100))
        except StreamBroken:
            broken += 1

    assert broken >= 12 - UNFINISHED_BYTES_PER_PEER_MAX // (BLOCK_BYTES_MAX - 100)


@pytest.mark.parametrize(
    "data",
    [b"\xff" * 8, b"\x05\x0b\x00\x00\x00\x00", encode(Message(wants=(Want(b"cid"),)))[:-1], b""],
    ids=["length", "protobuf", "cut off", "nothing"],
)
async def test_garbage_ends_a_stream_and_nothing_else(town: Town, data: bytes) -> None:
    bob, alice = await town.peer(), await town.peer()
    eve = await town.stranger()
    async with opened(eve, bob.me, PROTOCOL) as stream:
        await stream.write(data)
        await stream.close()

    await alice.fetch(bob.store.add(3 * CHUNK), bob.me)

    assert alice.store.all() == bob.store.all()


async def test_a_block_on_a_stream_that_waits_for_its_turn_is_not_lost(town: Town) -> None:
    alice, store = await town.peer(), Store()
    root = store.add(CHUNK // 2)
    heard, told = trio.open_memory_channel[Message](10)
    kubo = await town.stranger(lambda message: heard.send_nowait(message))
    earlier = [await kubo.open(alice.me, PROTOCOL) for _ in range(READERS_PER_PEER_MAX)]

    async with trio.open_nursery() as fetching:
        fetching.start_soon(alice.fetch, root, kubo.me)
        with trio.fail_after(PATIENCE_S):
            await told.receive()
        async with opened(kubo, alice.me, PROTOCOL) as stream:
            await write_message(stream, Message(blocks=(Block(bytes(root), store.get(root)),)))
            await earlier[0].close()

    assert alice.store.all() == {root}


# Serving.


@pytest.mark.rule("EXCHANGE-14")
async def test_an_answer_comes_on_a_stream_that_the_answerer_opens(town: Town) -> None:
    bob = await town.peer()
    root = bob.store.add(10)
    heard, told = trio.open_memory_channel[Message](10)
    carol = await town.stranger(lambda message: heard.send_nowait(message))

    async with opened(carol, bob.me, PROTOCOL) as stream:
        await write_message(stream, Message(wants=(Want(bytes(root)),)))
        with trio.fail_after(PATIENCE_S):
            message = await told.receive()

    assert [block.cid for block in message.blocks] == [bytes(root)]


async def test_a_stream_that_broke_is_followed_by_another(town: Town) -> None:
    bob = await town.peer()
    heard, told = trio.open_memory_channel[Message](10)

    def hear_one(message: Message) -> None:
        heard.send_nowait(message)
        raise ResourceError("that was enough for this stream")

    carol = await town.stranger(hear_one)
    for size in (1, 2, 3):
        root = bytes(bob.store.add(size))
        await tell(carol, bob.me, Message(wants=(Want(root),)))
        with trio.fail_after(PATIENCE_S):
            assert [block.cid for block in (await told.receive()).blocks] == [root]
        await trio.testing.wait_all_tasks_blocked()


async def test_who_asks_before_the_service_runs_is_answered_when_it_does(town: Town) -> None:
    bob = Peer(town.make())
    root = bytes(bob.store.add(10))
    heard, told = trio.open_memory_channel[Message](10)
    carol = await town.stranger(lambda message: heard.send_nowait(message))
    await town.nursery.start(bob.transport.run)
    await carol.connect(bob.transport.addresses()[0])
    await tell(carol, bob.me, Message(wants=(Want(root),)))
    await trio.testing.wait_all_tasks_blocked()

    await town.nursery.start(bob.bitswap.run)

    with trio.fail_after(PATIENCE_S):
        assert [block.cid for block in (await told.receive()).blocks] == [root]


async def test_a_node_that_does_not_run_fetches_nothing(town: Town) -> None:
    bob = Peer(town.make())

    with pytest.raises(ResourceError, match="starts or stops"):
        await bob.fetch(bob.store.add(10))


async def test_a_peer_that_left_and_came_again_starts_afresh(town: Town) -> None:
    bob = await town.peer()
    heard, told = trio.open_memory_channel[Message](10)
    carol = await town.stranger(lambda message: heard.send_nowait(message))
    for cid in (b"before", b"after"):
        await carol.disconnect(bob.me)
        await carol.connect(bob.transport.addresses()[0])
        await tell(carol, bob.me, Message(wants=(Want(cid, send_dont_have=True),)))
        with trio.fail_after(PATIENCE_S):
            assert (await told.receive()).presences == (Presence(cid, has=False),)

    assert bob.bitswap.counts["remembered_wants"] == 1


async def test_every_kind_of_cid_may_be_asked_for(town: Town) -> None:
    bob = await town.peer()
    heard, told = trio.open_memory_channel[Message](10)
    carol = await town.stranger(lambda message: heard.send_nowait(message))
    cids = (b"x", bytes(36), bytes([1, 0x71, 0x12, 0x20]) + bytes(32), bytes([1, 0x55, 0, 0]))

    for kind in WantKind:
        wants = tuple(Want(cid, kind, send_dont_have=True) for cid in cids)
        await tell(carol, bob.me, Message(wants=wants))
        with trio.fail_after(PATIENCE_S):
            message = await told.receive()
        assert set(message.presences) == {Presence(cid, has=False) for cid in cids}
        await tell(carol, bob.me, Message(full=True))


async def test_a_peer_is_told_when_what_it_wants_has_come(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    heard, told = trio.open_memory_channel[Message](10)
    carol = await town.stranger(lambda message: heard.send_nowait(message))
    root = bob.store.add(10)
    await tell(carol, alice.me, Message(wants=(Want(bytes(root), send_dont_have=True),)))
    with trio.fail_after(PATIENCE_S):
        assert (await told.receive()).presences == (Presence(bytes(root), has=False),)

    await alice.fetch(root, bob.me)

    with trio.fail_after(PATIENCE_S):
        assert [block.cid for block in (await told.receive()).blocks] == [bytes(root)]
