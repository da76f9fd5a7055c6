"""Sync sessions of whole nodes: what comes, what is put aside, and who is left alone."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from commonfab.node.home import founding
from commonfab.node.home.config import Settings, Trade, Workshop
from commonfab.node.home.folder import Home
from commonfab.node.meeting.register import Met
from commonfab.node.network.frames import read_frame, write_frame
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import Stream, opened
from commonfab.node.node import Node
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Record
from commonfab.protocol.sync import reconcile
from commonfab.protocol.sync.follower import Follower
from commonfab.protocol.sync.index import END, Index, key_of
from commonfab.protocol.sync.subset import Subset
from commonfab.protocol.sync.sync import PROTOCOL, Judge
from commonfab.protocol.sync.sync_wire import (
    Differs,
    Hello,
    Message,
    Same,
    Swap,
    Swapped,
    decode,
    encode,
    unpack_places,
)
from tests.builders import NOON, a_design
from tests.protocol.signers import EVE

from .village import WAIT_S, a_home, eventually, living


class Stranger:
    """A peer with records of its own choice, good or bad. It follows by the rules, and believes
    nothing."""

    def __init__(self, sealed: dict[RecordId, bytes]) -> None:
        self.index = Index(key_of(NOON, identifier) for identifier in sealed)
        self.sealed = sealed
        self.heard: list[Message] = []

    async def follow(self, stream: Stream) -> None:
        follower = Follower(self.index, self.sealed.get, b"F" * 16)
        while (data := await read_frame(stream)) is not None:
            message = decode(data)
            self.heard.append(message)
            step = follower.hear(message)
            if isinstance(step, Judge):
                step = follower.judged([False] * len(step.sealed))
            await write_frame(stream, encode(step))

    def asked_for(self) -> int:
        swaps = (message for message in self.heard if isinstance(message, Swap))
        return sum(len(unpack_places(swap.want)) for swap in swaps)


@asynccontextmanager
async def linked(
    folder: Path, *sealed: tuple[RecordId, bytes], network: MemoryNetwork | None = None
) -> AsyncGenerator[tuple[Node, Stranger, MemoryTransport]]:
    """Give a node, and a stranger that has dialled it. The node syncs when it is told to."""
    network = network or MemoryNetwork()
    home = Home(folder / "alice")
    workshop = Workshop(name="alice", lat=45.7, lon=4.8)
    founding.found(home, Settings(workshop=workshop, trade=Trade(sync_s=3600)))
    async with living(home, network) as node, trio.open_nursery() as nursery:
        stranger, transport = Stranger(dict(sealed)), MemoryTransport(EVE.node, network)
        transport.serve(PROTOCOL, stranger.follow)
        await nursery.start(transport.run)
        await transport.connect(node.transport.addresses()[0])
        yield node, stranger, transport
        nursery.cancel_scope.cancel()


def designs(count: int) -> list[Record]:
    return [a_design(stream=f"design/{n}", name=f"thing {n}") for n in range(count)]


def of(record: Record) -> tuple[RecordId, bytes]:
    return record.id, record.data


def forged(record: Record) -> tuple[RecordId, bytes]:
    """Return a record of which one byte of the signature is another."""
    return record.id, record.data[:50] + bytes([record.data[50] ^ 1]) + record.data[51:]


async def test_both_sides_have_all_after_one_session(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob"), network) as bob,
    ):
        hers, his = designs(40)[:20], designs(60)[20:]
        await alice.driver.admit([record.data for record in hers])
        await bob.driver.admit([record.data for record in his])
        await alice.transport.connect(bob.transport.addresses()[0])
        await eventually(lambda: bob.me in alice.syncing.last)

        for record in [*hers, *his]:
            assert alice.library.has(record.id)
            assert bob.library.has(record.id)
        last = alice.syncing.last[bob.me]
        assert last.is_complete
        assert last.at > 0
        assert last.missing == 0


async def test_a_bad_record_is_put_aside_with_its_sender_and_the_others_come(
    tmp_path: Path,
) -> None:
    good, (bad, *_) = designs(30), designs(1)
    async with linked(tmp_path, *map(of, good), forged(bad)) as (node, stranger, _):
        await node.syncing.with_peer(EVE.node)

        assert all(node.library.has(record.id) for record in good)
        (item,) = node.library.put_aside_items()
        assert (item.id, item.sender, item.data) == (bad.id, EVE.node, forged(bad)[1])
        assert "not signed" in item.reason
        assert node.syncing.last[EVE.node].is_complete

        asked = stranger.asked_for()
        await node.syncing.with_peer(EVE.node)
        assert stranger.asked_for() == asked == 31, "it was asked for again"
        assert node.library.damaged_count() == 0


async def test_what_a_peer_refuses_is_not_given_to_it_again(tmp_path: Path) -> None:
    async with linked(tmp_path) as (node, stranger, _):
        (record,) = designs(1)
        await node.driver.admit([record.data])

        for _ in range(3):
            await node.syncing.with_peer(EVE.node)

        assert record.id in node.syncing.last[EVE.node].declined
        given = [m for m in stranger.heard if isinstance(m, Swap) and record.data in m.sealed]
        assert len(given) == 1


async def test_a_peer_that_breaks_the_rules_is_left_alone_for_a_while(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def follow(stream: Stream) -> None:
        heard.append(await read_frame(stream) or b"")
        await write_frame(stream, encode(Swapped(0, [])))

    async with linked(tmp_path) as (node, _, transport):
        transport.serve(PROTOCOL, follow)
        for _ in range(2):
            await node.syncing.with_peer(EVE.node)

        assert len(heard) == 1
        assert node.journal.rejected(EVE.node) == 1


async def test_a_session_that_is_cut_is_not_counted_as_agreement(tmp_path: Path) -> None:
    async def hang_up(stream: Stream) -> None:
        await read_frame(stream)

    async with linked(tmp_path) as (node, _, transport):
        await node.syncing.with_peer(EVE.node)
        agreed = node.syncing.last[EVE.node]
        transport.serve(PROTOCOL, hang_up)
        await node.syncing.with_peer(EVE.node)

        assert agreed.is_complete
        assert not node.syncing.last[EVE.node].is_complete
        assert 0 < agreed.at == node.syncing.last[EVE.node].at
        assert node.journal.rejected(EVE.node) == 0


async def test_a_peer_that_came_and_answers_nothing_holds_up_none_that_was_dialled(
    tmp_path: Path,
) -> None:
    network, hanging = MemoryNetwork(), list[Stream]()

    async def hang(stream: Stream) -> None:
        hanging.append(stream)
        await trio.sleep_forever()

    async with (
        linked(tmp_path, network=network) as (node, _, transport),
        living(a_home(tmp_path, "bob"), network) as bob,
        trio.open_nursery() as nursery,
    ):
        await node.transport.connect(bob.transport.addresses()[0])
        await eventually(lambda: bob.me in node.syncing.last)
        transport.serve(PROTOCOL, hang)
        nursery.start_soon(node.syncing.run, 0.001)
        await eventually(lambda: hanging)

        for _ in range(3):
            await another(node, bob.me)
        assert len(hanging) == 1, "it was waited for"
        nursery.cancel_scope.cancel()


async def another(node: Node, peer: NodeId) -> None:
    """Return when a node has led one more session with a peer."""
    before = node.syncing.last[peer]
    await eventually(lambda: node.syncing.last[peer] is not before)


async def test_strangers_whose_sessions_hang_keep_no_friend_waiting(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with linked(tmp_path, network=network) as (node, _, friend), trio.open_nursery() as crowd:
        await node.acquaintance.befriend(Met(node=friend.me, at=NOON, how="code"))
        address = node.transport.addresses()[0]
        for number in range(40):
            stranger = MemoryTransport(NodeId(number.to_bytes(32, "big")), network)
            await crowd.start(stranger.run)
            await stranger.connect(address)
            await stranger.open(node.me, PROTOCOL)

        async with opened(friend, node.me, PROTOCOL) as stream:
            hello = Hello(reconcile.promise(bytes(16)), bytes(32))
            await write_frame(stream, encode(hello))
            with trio.fail_after(WAIT_S / 2):
                answer = decode(await read_frame(stream) or b"")

        assert isinstance(answer, Differs)
        crowd.cancel_scope.cancel()


async def test_a_follower_answers_for_the_subset_that_it_is_asked_about(tmp_path: Path) -> None:
    lamp, chair = a_design(stream="design/l", tags=("lamp",)), a_design(stream="design/c")
    lamps = Index([key_of(NOON, lamp.id)])
    async with linked(tmp_path) as (node, _, transport):
        await node.driver.admit([lamp.data, chair.data])
        digest = reconcile.digest(lamps.before(END))
        promise = reconcile.promise(bytes(16))

        for subset, is_same in ((Subset(tags=("lamp",)), True), (Subset(tags=("x",)), False)):
            async with opened(transport, node.me, PROTOCOL) as stream:
                await write_frame(stream, encode(Hello(promise, digest, subset)))
                answer = decode(await read_frame(stream) or b"")
            assert isinstance(answer, Same if is_same else Differs)


@pytest.mark.rule("SYNC-5")
async def test_a_session_about_a_subset_moves_nothing_else(tmp_path: Path) -> None:
    hers, his = (a_design(stream=f"design/{n}", tags=("lamp",)) for n in range(2))
    chair = a_design(stream="design/chair")
    async with linked(tmp_path, of(his)) as (node, stranger, _):
        await node.driver.admit([hers.data, chair.data])
        await node.syncing.with_peer(EVE.node, Subset(tags=("lamp",)))

        moved = {data for m in stranger.heard if isinstance(m, Swap) for data in m.sealed}
        assert moved == {hers.data}
        assert node.library.has(his.id)


async def test_a_session_about_a_subset_is_not_counted_as_agreement_on_all(tmp_path: Path) -> None:
    async with linked(tmp_path) as (node, _, _):
        await node.syncing.with_peer(EVE.node, Subset(tags=("lamp",)))

        assert node.syncing.last[EVE.node].is_complete
        assert node.syncing.last[EVE.node].at == 0

        await node.syncing.with_peer(EVE.node)
        agreed = node.syncing.last[EVE.node].at
        await node.syncing.with_peer(EVE.node, Subset(tags=("lamp",)))

        assert 0 < agreed == node.syncing.last[EVE.node].at
