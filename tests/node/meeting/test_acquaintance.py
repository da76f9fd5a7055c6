"""Whom a node dials by itself: friends always, the bootstrap list when alone, and no crowd."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from commonfab.node import clock
from commonfab.node.meeting.register import Met
from commonfab.node.network.acquaintance import (
    LINKS_FEW,
    LINKS_NEAR,
    LINKS_WANTED,
    SUBNET_LINKS_MAX,
)
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Place
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import a_workshop
from tests.node.meeting.people import Person, a_person, awake, eventually
from tests.protocol import signers

ALICE, BOB, CAROL, EVE = (NodeId(letter * 32) for letter in (b"A", b"B", b"C", b"E"))
MakePerson = Callable[..., Person]


@pytest.fixture
def person(tmp_path: Path) -> MakePerson:
    network = MemoryNetwork()

    def make(
        node: NodeId, store: MemoryRecordStore | None = None, bootstrap: tuple[str, ...] = ()
    ) -> Person:
        transport = MemoryTransport(node, network)
        return a_person(transport, tmp_path, store=store, bootstrap=bootstrap)

    return make


class Noting(MemoryTransport):
    """Takes note of whom the door is to know."""

    def __init__(self, me: NodeId, network: MemoryNetwork) -> None:
        super().__init__(me, network)
        self.known: list[NodeId] = []

    def know(self, peer: NodeId) -> None:
        super().know(peer)
        self.known.append(peer)


def a_friend(person: Person) -> Met:
    addresses = tuple(person.transport.addresses())
    return Met(node=person.me, at=clock.now(), how="code", addresses=addresses)


async def test_a_friend_is_dialled_again_after_a_restart(person: MakePerson) -> None:
    store = MemoryRecordStore()
    alice, bob = person(ALICE, store), person(BOB)
    async with awake(bob):
        async with awake(alice):
            await alice.acquaintance.befriend(a_friend(bob))
            await eventually(lambda: BOB in alice.links())

        again = person(ALICE, store)
        async with awake(again):
            await eventually(lambda: BOB in again.links())
            await eventually(lambda: again.register.book.has_proven(BOB, 0))

    assert again.register.book.addresses_of(BOB) == bob.transport.addresses()


async def test_a_friend_is_dialled_though_there_are_links_enough_and_a_stranger_is_not(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, bob, eve = person(ALICE), person(BOB), person(EVE)
    others = [person(NodeId(bytes([n]) * 32)) for n in range(LINKS_WANTED)]
    for each in (alice, *others):
        await nursery.start(each.transport.run)
    for other in others:
        await alice.connect(other)
    alice.register.book.reached(EVE, eve.transport.addresses()[0], clock.now())
    await alice.acquaintance.befriend(a_friend(bob))

    assert alice.acquaintance.due() == bob.transport.addresses()


async def test_a_friend_whose_address_is_somebody_elses_gets_none_of_it(
    person: MakePerson,
) -> None:
    alice, bob, eve = person(ALICE), person(BOB), person(EVE)
    lie = Met(node=EVE, at=0, how="code", addresses=(bob.transport.addresses()[0], "nonsense"))
    async with awake(alice, bob, eve):
        await alice.acquaintance.befriend(lie)

    assert alice.register.book.addresses_of(EVE) == []


async def test_who_was_met_or_named_by_the_operator_is_known_and_a_stranger_is_not(
    person: MakePerson,
) -> None:
    alice, bob, carol = person(ALICE), person(BOB), person(CAROL)
    async with awake(alice), awake(bob), awake(carol):
        before = [alice.acquaintance.is_known(each) for each in (ALICE, BOB, CAROL)]
        await alice.acquaintance.befriend(a_friend(bob))
        await alice.acquaintance.connect(carol.transport.addresses()[0])

        after = [alice.acquaintance.is_known(each) for each in (ALICE, BOB, CAROL, EVE)]

    assert before == [True, False, False]
    assert after == [True, True, True, False]


async def test_the_bootstrap_list_is_used_while_there_are_few_links(person: MakePerson) -> None:
    bob = person(BOB)
    others = [person(NodeId(bytes([n]) * 32)) for n in range(LINKS_FEW)]
    alone = person(ALICE, bootstrap=tuple(bob.transport.addresses()))
    linked = person(CAROL, bootstrap=tuple(bob.transport.addresses()))
    async with awake(bob, alone, *others):
        await eventually(lambda: BOB in alone.links())
        async with trio.open_nursery() as nursery:
            await nursery.start(linked.transport.run)
            for other in others:
                await linked.connect(other)
            await nursery.start(linked.acquaintance.run)
            await trio.testing.wait_all_tasks_blocked()
            assert BOB not in linked.links()
            nursery.cancel_scope.cancel()


async def test_a_new_bootstrap_list_takes_the_place_of_the_old_one(person: MakePerson) -> None:
    alice, bob = person(ALICE, bootstrap=("/memory/999/p2p/" + peer_text(EVE),)), person(BOB)
    async with awake(alice, bob):
        alice.acquaintance.begin_with(bob.transport.addresses())

        await eventually(lambda: BOB in alice.links())


async def test_of_a_crowd_in_one_subnet_a_few_are_dialled_at_a_time(person: MakePerson) -> None:
    alice = person(ALICE)
    for n in range(1, 9):
        node = NodeId(bytes([n]) * 32)
        address = f"/ip4/192.0.2.{n}/tcp/1/p2p/{peer_text(node)}"
        alice.register.book.hear(node, address, clock.now(), teller=EVE)

    due = alice.acquaintance.due()

    assert len(due) == SUBNET_LINKS_MAX


async def test_a_hint_that_leads_to_somebody_else_is_not_believed(person: MakePerson) -> None:
    alice, bob = person(ALICE), person(BOB)
    lie = bob.transport.addresses()[0].replace(peer_text(BOB), peer_text(EVE))
    async with awake(alice, bob):
        alice.register.book.hear(EVE, lie, clock.now(), teller=CAROL)
        alice.acquaintance.look_again()

        await eventually(lambda: alice.register.book.contacts()[0].places[0].failures)

    assert alice.links() == {}
    assert alice.register.book.has_proven(EVE, 0) == []


async def test_friends_have_a_place_at_the_door_also_after_a_restart(tmp_path: Path) -> None:
    network, store = MemoryNetwork(), MemoryRecordStore()
    before, after = Noting(ALICE, network), Noting(ALICE, network)
    alice = a_person(before, tmp_path, store=store)

    await alice.acquaintance.befriend(Met(node=BOB, at=0, how="code"))
    a_person(after, tmp_path, store=store)

    assert before.known == after.known == [BOB]


HOME = Place(lat_udeg=45_750_000, lon_udeg=4_850_000)
FAR = Place(lat_udeg=-33_900_000, lon_udeg=18_400_000)


async def a_crowded(person: MakePerson, nursery: trio.Nursery) -> Person:
    """Return somebody at `HOME` who has links enough."""
    alice = person(signers.ALICE.node)
    await alice.library.keep([a_workshop(signers.ALICE, place=HOME)])
    others = [person(NodeId(bytes([n]) * 32)) for n in range(LINKS_WANTED)]
    for each in (alice, *others):
        await nursery.start(each.transport.run)
    for other in others:
        await alice.connect(other)
    return alice


async def test_a_workshop_nearby_is_dialled_though_there_are_links_enough_elsewhere(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice = await a_crowded(person, nursery)
    for by, place in ((signers.BOB, HOME), (signers.EVE, FAR)):
        address = f"/ip4/192.0.2.1/tcp/1/p2p/{peer_text(by.node)}"
        await alice.library.keep([a_workshop(by, place=place, addresses=(address,))])

    assert alice.acquaintance.due() == [f"/ip4/192.0.2.1/tcp/1/p2p/{peer_text(signers.BOB.node)}"]


async def test_of_the_workshops_nearby_so_many_are_dialled_and_no_more(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice = await a_crowded(person, nursery)
    for n in range(2 * LINKS_NEAR):
        by = signers.named(f"neighbour {n}")
        address = f"/ip4/192.0.{n}.1/tcp/1/p2p/{peer_text(by.node)}"
        await alice.library.keep([a_workshop(by, place=HOME, addresses=(address,))])

    assert len(alice.acquaintance.due()) == LINKS_NEAR


async def test_a_workshop_behind_a_relay_is_dialled_through_it(person: MakePerson) -> None:
    alice = person(signers.ALICE.node)
    bob, relay = peer_text(signers.BOB.node), peer_text(EVE)
    direct = [f"/ip4/192.168.{n}.1/tcp/1/p2p/{bob}" for n in range(9)]
    through = f"/ip4/192.0.2.1/tcp/1/p2p/{relay}/p2p-circuit/p2p/{bob}"
    await alice.library.keep([a_workshop(addresses=(*direct, through))])

    assert through in alice.acquaintance.due()
