"""The block exchange as a service: fetching trees, and what goes wrong."""

import threading
from itertools import count

import pytest
import trio
import trio.testing

from commonfab.node.exchange.bitswap import IDLE_MS
from commonfab.node.exchange.streams import write_message
from commonfab.node.exchange.walk import LOOK_BLOCKS_MAX, Walk
from commonfab.node.network.transport import opened
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.exchange.bitswap_wire import PROTOCOL, HashedBlock, Message, Want
from commonfab.protocol.exchange.fetching import HELD_BYTES_MAX
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import FRAME_BYTES_MAX, STREAM_IDLE_S_MAX
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.ports import StoreFull
from commonfab.storage.unixfs import unixfs
from tests.node.exchange.bitswap_town import (
    CHUNK,
    PATIENCE_S,
    RAW_PREFIX,
    Store,
    Town,
    libp2p_town,
    memory_town,
)
from tests.storage.content import Content


@pytest.fixture
def town(nursery: trio.Nursery) -> Town:
    return memory_town(nursery)


@pytest.fixture
def real_town(nursery: trio.Nursery) -> Town:
    return libp2p_town(nursery)


# Fetching.


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 7 * CHUNK, 200 * CHUNK])
async def test_a_file_of_any_size_is_fetched(town: Town, size: int) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(size)

    await alice.fetch(root, bob.me)

    assert alice.store.all() == bob.store.all()


async def test_a_folder_is_fetched_over_real_streams(real_town: Town) -> None:
    bob, alice = await real_town.peer(), await real_town.peer()
    store = bob.store
    entries = [
        unixfs.Entry(f"part {n}.stl", *unixfs.add_file(store, Content(str(n), n * 100_000)))
        for n in range(30)
    ]
    root = unixfs.add_entries(store, entries).cid

    await alice.fetch(root, bob.me)

    assert alice.store.all() == store.all()
    assert len(alice.store.kept) == len(store.all())


async def test_cids_of_version_0_are_fetched(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    file = bob.store.add(3 * CHUNK)
    root = CID(0, DAG_PB, file.multihash)

    await alice.fetch(root, bob.me)

    assert alice.store.all() == bob.store.all()


@pytest.mark.rule("EXCHANGE-15")
async def test_blocks_count_once_they_are_kept_and_not_before(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(300 * CHUNK)
    told: list[tuple[int, int, int]] = []

    def progress(done: int, known: int, size: int) -> None:
        assert done == len(alice.store.kept)
        told.append((done, known, size))

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), [bob.me], progress=progress)

    assert told == sorted(told)
    assert told[-1] == (len(bob.store.all()), len(bob.store.all()), bob.store.size())


async def test_what_is_here_is_not_fetched_again(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(20 * CHUNK)
    for cid in sorted(bob.store.all())[::2]:
        alice.store.put(cid, bob.store.get(cid))
    here = alice.store.all()

    await alice.fetch(root, bob.me)

    assert set(alice.store.kept) == bob.store.all() - here


@pytest.mark.rule("EXCHANGE-17")
async def test_the_empty_block_is_asked_of_nobody(town: Town) -> None:
    alice = await town.peer()
    empty = CID.of(b"", codec=RAW)

    await alice.fetch(empty)

    assert alice.store.get(empty) == b""


async def test_a_tree_that_is_all_here_needs_no_peer(town: Town) -> None:
    alice = await town.peer()

    await alice.fetch(alice.store.add((LOOK_BLOCKS_MAX + 10) * 4))
    await alice.fetch(alice.store.add(3 * CHUNK))


async def test_two_fetches_of_one_tree_share_its_blocks(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(30 * CHUNK)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.fetch, root, bob.me)
        nursery.start_soon(alice.fetch, root, bob.me)

    assert alice.store.all() == bob.store.all()
    assert alice.bitswap.counts["duplicate_blocks"] == 0


async def test_several_peers_share_the_work(town: Town) -> None:
    peers = [await town.peer() for _ in range(3)]
    alice = await town.peer()
    roots = {peer.store.add(60 * CHUNK) for peer in peers}

    await alice.fetch(roots.pop(), *(peer.me for peer in peers))

    assert all(peer.store.reads >= 5 for peer in peers)
    assert sum(peer.store.reads for peer in peers) == len(alice.store.all())


async def test_peers_that_fetch_give_what_they_have_to_one_another(town: Town) -> None:
    bob, carol, alice = [await town.peer() for _ in range(3)]
    root = bob.store.add(40 * CHUNK)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.fetch, root, bob.me, carol.me)
        nursery.start_soon(carol.fetch, root, bob.me, alice.me)

    assert alice.store.all() == carol.store.all() == bob.store.all()


# What goes wrong.


@pytest.mark.rule("EXCHANGE-8")
async def test_a_tree_that_nobody_has_is_an_error_that_names_it(town: Town) -> None:
    bob, carol, alice = [await town.peer() for _ in range(3)]
    root = CID.of(b"nowhere", codec=RAW)

    with pytest.raises(ResourceError, match=f"{root} could not be fetched.*2 do not have it"):
        await alice.fetch(root, bob.me, carol.me)


async def test_without_peers_nothing_can_be_fetched(town: Town) -> None:
    alice = await town.peer()

    with pytest.raises(ResourceError, match="of 0 peers asked"):
        await alice.fetch(CID.of(b"nowhere", codec=RAW), alice.me)


async def test_a_peer_that_is_not_there_ends_the_fetch_in_time(
    town: Town, autojump_clock: trio.testing.MockClock
) -> None:
    alice = await town.peer()
    root = bytes(CID.of(b"nowhere", codec=RAW))
    began: list[float] = []

    def progress(done: int, known: int, size: int) -> None:
        # Only now: the clock does not wait for the thread that looked at the disk.
        began.append(trio.current_time())

    with pytest.raises(ResourceError, match="1 are not connected"):
        await alice.bitswap.fetch(root, [NodeId(bytes(32))], progress=progress)

    assert trio.current_time() - began[0] == pytest.approx(IDLE_MS / 1000, abs=1)


async def test_what_came_before_a_failure_is_kept(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(10 * CHUNK)
    lost = next(cid for cid in bob.store.all() if cid.codec == RAW)
    bob.store.damaged.add(lost)

    with pytest.raises(ResourceError, match=f"{root} could not be fetched: block {lost}"):
        await alice.fetch(root, bob.me)
    bob.store.damaged.clear()
    await alice.fetch(root, bob.me)

    assert sorted(alice.store.kept) == sorted(bob.store.all())


async def test_a_fetch_goes_on_with_another_peer_when_one_stops(town: Town) -> None:
    bob, carol, alice = [await town.peer() for _ in range(3)]
    root = bob.store.add(100 * CHUNK)
    carol.store.add(100 * CHUNK)

    def progress(done: int, known: int, size: int) -> None:
        if done > 10:
            bob.scope.cancel()

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), [bob.me, carol.me], progress=progress)

    assert alice.store.all() == carol.store.all()


async def test_a_damaged_block_is_fetched_again(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(3 * CHUNK)
    for cid in bob.store.all():
        alice.store.put(cid, bob.store.get(cid))
    alice.store.damaged.add(root)

    await alice.fetch(root, bob.me)

    assert alice.store.kept == [root]


async def test_a_fetch_fails_when_the_node_stops(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(60 * CHUNK)

    def stop(done: int, known: int, size: int) -> None:
        if done:
            alice.scope.cancel()

    with trio.fail_after(PATIENCE_S), pytest.raises(ResourceError, match="this node stops"):
        await alice.bitswap.fetch(bytes(root), [bob.me], progress=stop)


@pytest.mark.rule("EXCHANGE-6")
async def test_no_more_is_read_than_the_disk_takes(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(2 * HELD_BYTES_MAX)
    disk_goes_on = threading.Event()

    async def look() -> None:
        while not alice.bitswap.counts["held_bytes"] >= HELD_BYTES_MAX:
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked(cushion=0.1)
        assert alice.bitswap.counts["held_bytes"] < HELD_BYTES_MAX + 2 * FRAME_BYTES_MAX
        disk_goes_on.set()

    def wait(done: int) -> None:
        if done > 1:
            assert disk_goes_on.wait(PATIENCE_S)

    alice.store.before_put = wait
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await alice.fetch(root, bob.me)

    assert alice.store.all() == bob.store.all()


async def test_a_full_store_ends_the_fetch_and_not_the_service(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(50 * CHUNK)
    alice.store.room_blocks = 5

    with pytest.raises(StoreFull):
        await alice.fetch(root, bob.me)
    alice.store.room_blocks = 1000
    await alice.fetch(root, bob.me)

    assert alice.store.all() == bob.store.all()


async def test_a_cancelled_fetch_leaves_no_want_behind(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = bob.store.add(100 * CHUNK)
    with trio.CancelScope() as scope:

        def progress(done: int, known: int, size: int) -> None:
            if done:
                scope.cancel()

        await alice.bitswap.fetch(bytes(root), [bob.me], progress=progress)

    assert scope.cancelled_caught
    assert alice.bitswap.counts["wanted_blocks"] == 0


async def test_a_tree_with_an_unreadable_node_is_an_error_that_names_it(town: Town) -> None:
    bob, alice = await town.peer(), await town.peer()
    root = CID.of(b"not a node", codec=DAG_PB)
    bob.store.put(root, b"not a node")

    with pytest.raises(ResourceError, match=f"{root} cannot be read as its author made it"):
        await alice.fetch(root, bob.me)


def test_a_tree_without_end_is_given_up() -> None:
    root = CID.of(b"root", codec=RAW)
    numbers = count()

    def endless(cid: CID, data: bytes) -> list[CID]:
        digests = (next(numbers).to_bytes(32, "big") for _ in range(1000))
        return [CID(1, RAW, bytes([0x12, 0x20]) + digest) for digest in digests]

    walk = Walk(root, Store(), endless)

    with pytest.raises(ResourceError, match=f"{root} has more than"):
        walk.keep([HashedBlock(RAW_PREFIX, b"%d" % n) for n in range(300)])


async def test_a_stream_outlasts_the_time_that_an_exchange_has(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    town = libp2p_town(nursery)
    bob = await town.peer()
    root = bob.store.add(1)
    answered = trio.Event()

    def note(message: Message) -> None:
        answered.set()

    stranger = await town.stranger(note)
    async with opened(stranger, bob.me, PROTOCOL) as stream:
        nursery.start_soon(stream.read, 1)  # It raises if Bob resets the stream.
        await write_message(stream, Message(wants=(Want(bytes(root)),)))
        await answered.wait()
        mock_clock.jump(STREAM_IDLE_S_MAX + 1)
        mock_clock.rate = 1.0
        answered = trio.Event()
        await write_message(stream, Message(wants=(Want(bytes(root)),)))
        with trio.fail_after(PATIENCE_S):
            await answered.wait()
        nursery.cancel_scope.cancel()
