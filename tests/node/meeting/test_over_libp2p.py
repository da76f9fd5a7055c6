"""Meeting over real connections on the loopback interface: shared peers, introductions, mDNS."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from commonfab.node import clock
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.mdns import Beacon
from commonfab.node.network.transport import opened
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.meeting import introductions
from commonfab.protocol.meeting.introductions import INTRODUCED_MAX, Introduced, Known
from commonfab.protocol.meeting.invitation import read
from commonfab.protocol.peer_id import peer_text
from tests import builders
from tests.node.meeting.people import Heard, Person, a_person, awake, eventually
from tests.node.network.libp2p_peers import HERE
from tests.node.network.test_mdns import multicast_works_here
from tests.protocol.signers import ALICE, BOB, CAROL, EVE, named
from tests.protocol.signers import Person as Signer

MakePerson = Callable[[Signer], Person]


@pytest.fixture
def person(tmp_path: Path) -> MakePerson:
    def make(signer: Signer) -> Person:
        return a_person(Libp2pTransport(signer.seed, [HERE], mdns=False), tmp_path)

    return make


async def test_two_nodes_with_one_peer_in_common_meet_by_six_words(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, bob, carol = person(ALICE), person(BOB), person(CAROL)
    async with awake(alice, bob, carol):
        await alice.connect(carol)
        await bob.connect(carol)
        shown = await alice.meeting.show()
        nursery.start_soon(alice.meeting.wait_for, shown)

        met = await bob.meeting.join_code(shown.code)

        assert met.node == alice.me
        assert bob.links()[alice.me]
        assert list(alice.register.friends) == [bob.me]
        assert carol.register.friends == {}


async def test_a_node_whose_peer_in_common_names_liars_finds_the_right_one(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, bob, carol, eve = person(ALICE), person(BOB), person(CAROL), person(EVE)
    async with awake(alice, bob, carol, eve):
        for each in (alice, bob, eve):
            await each.connect(carol)
        shown = await alice.meeting.show()
        nursery.start_soon(alice.meeting.wait_for, shown)
        nursery.start_soon(eve.meeting.rendezvous.wait, shown.keys.place, Heard())
        await eventually(lambda: len(carol.meeting.rendezvous.places) == 2)

        met = await bob.meeting.join_code(shown.code)

        assert met.node == alice.me
        assert list(bob.register.friends) == [alice.me]


async def test_an_invitation_alone_leads_to_its_host(person: MakePerson) -> None:
    alice, bob = person(ALICE), person(BOB)
    async with awake(alice, bob):
        _, text = await alice.meeting.hosting.invite("", DAY_MS, b"")

        met = await bob.meeting.join(read(text))

        assert met is not None
        assert met.node == alice.me


async def test_in_the_local_network_a_place_is_announced_and_heard(
    nursery: trio.Nursery,
) -> None:
    if not multicast_works_here():
        pytest.skip("no multicast on the loopback interface of this machine")
    heard = {"alice": Heard(), "bob": Heard(), "carol": Heard()}
    for name, place in (("alice", "aa"), ("bob", "aa"), ("carol", "cc")):
        node = named(name).node
        mine = [f"/ip4/127.0.0.1/tcp/4411/p2p/{peer_text(node)}"]
        nursery.start_soon(Beacon(node, mine.copy, place, heard[name]).run)

    with trio.fail_after(20):
        await eventually(lambda: heard["alice"].nodes and heard["bob"].nodes)

    assert heard["alice"].nodes == {BOB.node}
    assert heard["bob"].nodes == {ALICE.node}
    assert heard["carol"].nodes == set()


# Peers told by peers.


async def publish(author: Signer, at: Person, *addresses: str) -> None:
    """Have a node know the workshop record of another, with these addresses."""
    until = clock.now() + builders.HOUR_MS
    record = builders.a_workshop(author, addresses=addresses, at=clock.now(), until=until)
    await at.library.keep([record])


@pytest.mark.rule("INTRODUCTIONS-2")
async def test_a_node_gets_to_know_whom_its_peer_has_reached(person: MakePerson) -> None:
    alice, bob, carol = person(ALICE), person(BOB), person(CAROL)
    async with awake(alice, bob, carol):
        await publish(ALICE, carol, *alice.transport.addresses())
        await carol.connect(alice)
        await eventually(lambda: carol.register.book.has_proven(alice.me, 0))

        await bob.connect(carol)

        await eventually(lambda: alice.me in bob.links())
        await eventually(lambda: bob.register.book.has_proven(alice.me, 0))


def told(asked: Person, asker: Person) -> list[bytes]:
    return [each.node for each in asked.meeting.introducing.known_to(asker.me).nodes]


@pytest.mark.rule("INTRODUCTIONS-3")
async def test_who_has_published_no_address_is_told_of_to_nobody(person: MakePerson) -> None:
    alice, bob, carol = person(ALICE), person(BOB), person(CAROL)
    async with awake(alice, bob, carol):
        await bob.connect(carol)
        carol.register.book.reached(alice.me, alice.transport.addresses()[0], clock.now())
        assert told(carol, bob) == []
        await publish(ALICE, carol, f"/ip4/127.0.0.1/tcp/1/p2p/{peer_text(alice.me)}")
        assert told(carol, bob) == []

        await publish(ALICE, carol, *alice.transport.addresses())
        assert told(carol, bob) == [alice.me]


@pytest.mark.rule("INTRODUCTIONS-6")
async def test_what_was_only_heard_is_not_told_on(person: MakePerson) -> None:
    alice, bob, carol = person(ALICE), person(BOB), person(CAROL)
    async with awake(alice, bob, carol):
        await bob.connect(carol)
        await publish(ALICE, carol, *alice.transport.addresses())
        carol.register.book.hear(alice.me, alice.transport.addresses()[0], clock.now(), bob.me)

        assert told(carol, bob) == []


@pytest.mark.rule("INTRODUCTIONS-4")
async def test_nobody_is_told_an_address_that_reaches_less_far_than_he_is(
    person: MakePerson,
) -> None:
    carol, bob = person(CAROL), person(BOB)
    address = f"/ip4/192.168.1.7/tcp/4411/p2p/{peer_text(ALICE.node)}"
    await publish(ALICE, carol, address)
    carol.register.book.reached(ALICE.node, address, clock.now())

    assert told(carol, bob) == []  # Not linked: he may be anywhere.


@pytest.mark.rule("INTRODUCTIONS-5")
async def test_a_few_are_told_by_chance_and_one_asker_is_answered_once(
    person: MakePerson,
) -> None:
    bob, carol = person(BOB), person(CAROL)
    people = [named(f"neighbour {n}") for n in range(40)]
    async with awake(bob, carol):
        for n, each in enumerate(people):
            address = f"/ip4/127.0.0.1/tcp/{5000 + n}/p2p/{peer_text(each.node)}"
            await publish(each, carol, address)
            carol.register.book.reached(each.node, address, clock.now())
        await bob.connect(carol)

        samples = [told(carol, bob) for _ in range(5)]
        assert {len(sample) for sample in samples} == {INTRODUCED_MAX}
        assert len({tuple(sample) for sample in samples}) > 1

        await eventually(lambda: len(bob.register.book) > 1)
        with pytest.raises(ResourceError):
            async with opened(bob.transport, carol.me, introductions.PROTOCOL) as stream:
                await stream.read(1)


async def test_a_peer_that_tells_garbage_is_counted_and_nothing_is_kept(
    person: MakePerson,
) -> None:
    bob, eve = person(BOB), person(EVE)

    async def tell(stream: object) -> None:
        from commonfab.node.network.frames import write_frame

        known = Known((Introduced(node=b"n" * 31, addresses=("x",)),))
        await write_frame(stream, introductions.encode(known))  # type: ignore[arg-type]  # a Stream

    eve.transport.serve(introductions.PROTOCOL, tell)
    async with awake(bob, eve):
        await bob.connect(eve)

        await eventually(lambda: bob.journal.rejected(eve.me))

    assert {NodeId(each.node) for each in bob.register.book.contacts()} <= {eve.me}
