"""Two people pair their nodes, and Eve is somewhere in between."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from commonfab.node.meeting import words
from commonfab.node.meeting.hosting import ATTEMPTS_MAX, Shown
from commonfab.node.meeting.joining import Joining, NotMet, Turned
from commonfab.node.meeting.register import Met
from commonfab.node.network.frames import read_frame, write_frame
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import Stream, opened
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.meeting import pairing
from commonfab.protocol.meeting.invitation import read
from commonfab.protocol.meeting.pairing import Challenge, Hello, Message, Proof, Refused
from tests.node.meeting.people import Heard, Person, a_person, awake, eventually

ALICE, BOB, EVE = (NodeId(letter * 32) for letter in (b"A", b"B", b"E"))
MakePerson = Callable[[NodeId], Person]


@pytest.fixture
def person(tmp_path: Path) -> MakePerson:
    network = MemoryNetwork()
    return lambda node: a_person(MemoryTransport(node, network), tmp_path)


class Showing:
    """Alice shows a code for a block; `outcome` is what came of it."""

    def __init__(self, nursery: trio.Nursery, alice: Person) -> None:
        self._nursery = nursery
        self._alice = alice
        self.outcome: Met | str | None = None
        self.done = trio.Event()

    async def begin(self) -> Shown:
        shown = await self._alice.meeting.show()
        self._nursery.start_soon(self._wait, shown)
        await trio.testing.wait_all_tasks_blocked()
        return shown

    async def _wait(self, shown: Shown) -> None:
        try:
            self.outcome = await self._alice.meeting.wait_for(shown)
        except UsageError as error:
            self.outcome = str(error)
        self.done.set()


async def say(peer: Person, to: NodeId, *messages: Message) -> list[Message]:
    """Speak as a guest that says whatever it likes, and return the answers."""
    answers: list[Message] = []
    async with opened(peer.transport, to, pairing.PROTOCOL) as stream:
        for message in messages:
            await write_frame(stream, pairing.encode(message))
            answers.append(pairing.decode(await read_frame(stream) or b""))
    return answers


async def test_two_nodes_that_share_six_words_become_friends(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, bob = person(ALICE), person(BOB)
    async with awake(alice, bob):
        await bob.connect(alice)
        showing = Showing(nursery, alice)
        shown = await showing.begin()

        met = await bob.meeting.join_code(words.read(shown.words))
        await showing.done.wait()

    assert met.node == ALICE
    assert isinstance(showing.outcome, Met)
    assert showing.outcome.node == BOB
    assert list(alice.register.friends) == [BOB]
    assert list(bob.register.friends) == [ALICE]
    assert alice.register.book.addresses_of(BOB) == bob.transport.addresses()


async def test_a_wrong_word_finds_nobody_and_ends_nothing(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, bob = person(ALICE), person(BOB)
    async with awake(alice, bob):
        await bob.connect(alice)
        showing = Showing(nursery, alice)
        shown = await showing.begin()
        other = words.from_chance(bytes(9))

        with pytest.raises(NotMet, match="check the words"):
            await bob.meeting.join_code(other, patience_s=0.1)

        assert (await bob.meeting.join_code(shown.code)).node == ALICE


@pytest.mark.rule("PAIRING-4")
async def test_who_does_not_know_the_code_learns_nothing_and_ends_nothing(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, eve, bob = person(ALICE), person(EVE), person(BOB)
    async with awake(alice, eve, bob):
        await eve.connect(alice)
        showing = Showing(nursery, alice)
        shown = await showing.begin()

        answers = await say(
            eve, ALICE, Hello(shown.keys.tag, bytes(32)), Proof(bytes(32), ("/memory/9",))
        )
        assert isinstance(answers[0], Challenge)
        assert answers[1] == Refused("wrong")
        assert alice.register.friends == {}
        await bob.connect(alice)
        assert (await bob.meeting.join_code(shown.code)).node == ALICE


class MiddleEve:
    """Eve, who waits at the same place as Alice and passes every message on."""

    def __init__(self, eve: Person) -> None:
        self._eve = eve
        eve.transport.serve(pairing.PROTOCOL, self._pass_on)
        self.heard: list[Message] = []

    async def _pass_on(self, bobs: Stream) -> None:
        async with opened(self._eve.transport, ALICE, pairing.PROTOCOL) as alices:
            while (data := await read_frame(bobs)) is not None:
                await write_frame(alices, data)
                answer = await read_frame(alices)
                if answer is None:
                    return
                self.heard.append(pairing.decode(answer))
                await write_frame(bobs, answer)


@pytest.mark.rule("PAIRING-9")
async def test_a_node_in_the_middle_pairs_with_nobody_and_keeps_nobody_from_pairing(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, eve, bob = person(ALICE), person(EVE), person(BOB)
    middle = MiddleEve(eve)
    async with awake(alice, eve, bob):
        await eve.connect(alice)
        await bob.connect(eve)
        showing = Showing(nursery, alice)
        shown = await showing.begin()
        async with trio.open_nursery() as waiting:
            waiting.start_soon(eve.meeting.rendezvous.wait, shown.keys.place, Heard())

            with pytest.raises(Turned, match="a node in between"):
                await bob.meeting.join_code(shown.code, patience_s=0.5)
            assert [each.register.friends for each in (alice, bob, eve)] == [{}, {}, {}]
            await bob.connect(alice)
            assert (await bob.meeting.join_code(shown.code)).node == ALICE
            waiting.cancel_scope.cancel()

    assert {type(message) for message in middle.heard} == {Challenge, Refused}
    assert not eve.register.friends


@pytest.mark.rule("PAIRING-9")
async def test_a_host_that_cannot_prove_itself_is_no_friend(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    eve, bob = person(EVE), person(BOB)

    async def pretend(stream: Stream) -> None:
        await read_frame(stream)
        await write_frame(stream, pairing.encode(Challenge(bytes(32))))
        await read_frame(stream)
        await write_frame(stream, pairing.encode(Proof(bytes(32), ())))

    eve.transport.serve(pairing.PROTOCOL, pretend)
    code = words.from_chance(b"\1" * 9)
    async with awake(eve, bob):
        await bob.connect(eve)
        nursery.start_soon(eve.meeting.rendezvous.wait, pairing.derive(code).place, Heard())

        with pytest.raises(NotMet):
            await bob.meeting.join_code(code, patience_s=0.3)

    assert bob.register.friends == {}


async def test_who_pastes_a_text_is_not_told_to_check_words(person: MakePerson) -> None:
    alice, bob = person(ALICE), person(BOB)
    invitation = read((await alice.meeting.show()).text)
    async with awake(bob):
        joining = Joining(bob.transport, bob.meeting.rendezvous)

        with pytest.raises(NotMet, match="still shows it"):
            await joining.join_invitation(invitation, (), 0.01)


@pytest.mark.rule("PAIRING-6")
async def test_a_code_is_for_one_node_alone(person: MakePerson, nursery: trio.Nursery) -> None:
    alice, bob, eve = person(ALICE), person(BOB), person(EVE)
    async with awake(alice, bob, eve):
        await bob.connect(alice)
        await eve.connect(alice)
        showing = Showing(nursery, alice)
        shown = await showing.begin()
        await bob.meeting.join_code(shown.code)
        await showing.done.wait()

        with pytest.raises(NotMet):
            await eve.meeting.join_code(shown.code, patience_s=0.1)

    assert list(alice.register.friends) == [BOB]


@pytest.mark.rule("PAIRING-10")
async def test_who_asks_too_often_has_to_wait(person: MakePerson) -> None:
    alice, eve = person(ALICE), person(EVE)
    async with awake(alice, eve):
        await eve.connect(alice)

        answers = [
            (await say(eve, ALICE, Hello(bytes([n]) * 32, bytes(32))))[0]
            for n in range(ATTEMPTS_MAX + 1)
        ]

    assert answers == [Refused("unknown")] * ATTEMPTS_MAX + [Refused("busy")]


async def test_a_code_ends_when_nobody_waits_for_it_any_more(person: MakePerson) -> None:
    alice, bob = person(ALICE), person(BOB)
    async with awake(alice, bob):
        await bob.connect(alice)
        async with trio.open_nursery() as asked:
            shown = await Showing(asked, alice).begin()
            asked.cancel_scope.cancel()

        assert await say(bob, ALICE, Hello(shown.keys.tag, bytes(32))) == [Refused("unknown")]


@pytest.mark.parametrize(
    "message", [Challenge(bytes(32)), Proof(bytes(32), ()), Refused("used")], ids=type
)
async def test_a_conversation_begins_with_a_greeting_or_ends(
    person: MakePerson, message: Message
) -> None:
    alice, eve = person(ALICE), person(EVE)
    async with awake(alice, eve):
        await eve.connect(alice)
        with pytest.raises(Exception, match="reset"):
            await say(eve, ALICE, message)


@pytest.mark.rule("PAIRING-13")
async def test_who_waits_names_itself_to_the_peer_that_asks(
    person: MakePerson, nursery: trio.Nursery
) -> None:
    alice, bob = person(ALICE), person(BOB)
    place, heard = b"p" * 32, (Heard(), Heard())
    async with awake(alice, bob):
        await bob.connect(alice)
        for each, found in zip((alice, bob), heard, strict=True):
            nursery.start_soon(each.meeting.rendezvous.wait, place, found)

        await eventually(lambda: heard[0].nodes == {BOB} and heard[1].nodes == {ALICE})
