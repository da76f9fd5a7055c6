"""Invitations: used once, for as long as they count, whatever stops in between."""

from collections.abc import Callable
from pathlib import Path

import pytest

from commonfab.node import clock
from commonfab.node.meeting import accepted
from commonfab.node.meeting.joining import REFUSALS, Turned
from commonfab.node.meeting.register import INVITED_MAX, Invited, Register
from commonfab.node.network.frames import read_frame, write_frame
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import StreamBroken, opened
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.meeting import pairing
from commonfab.protocol.meeting.invitation import Invitation, read
from commonfab.storage.memory import MemoryRecordStore
from tests.node.meeting.people import Person, a_person, awake, eventually

ALICE, BOB, EVE = (NodeId(letter * 32) for letter in (b"A", b"B", b"E"))


class Disk(MemoryRecordStore):
    """What a node keeps, and whether it can be written to."""

    is_full = False

    def put_notes(self, notes: object) -> None:
        if self.is_full:
            raise ResourceError("the disk is full")
        super().put_notes(notes)  # type: ignore[arg-type]  # as it came


MakePerson = Callable[..., Person]


@pytest.fixture
def person(tmp_path: Path) -> MakePerson:
    network = MemoryNetwork()

    def make(node: NodeId, store: MemoryRecordStore | None = None, psk: bytes = b"") -> Person:
        transport = MemoryTransport(node, network)
        return a_person(transport, tmp_path, store=store, psk=psk or None)

    return make


async def invite(host: Person, days: int = 7) -> Invitation:
    _, text = await host.meeting.hosting.invite("Bob", days * DAY_MS, b"")
    return read(text)


async def test_an_invitation_leads_to_its_host_and_is_used_up(person: MakePerson) -> None:
    alice, bob, eve = person(ALICE), person(BOB), person(EVE)
    async with awake(alice, bob, eve):
        invitation = await invite(alice)

        met = await bob.meeting.join(invitation)

        assert met is not None
        assert met.node == ALICE
        assert alice.register.friends[BOB].name == "Bob"
        with pytest.raises(Turned, match="used already"):
            await eve.meeting.join(invitation)
        assert EVE not in alice.register.friends


@pytest.mark.rule("PAIRING-8")
async def test_what_was_used_stays_used_after_a_restart_and_for_its_guest_it_counts(
    person: MakePerson,
) -> None:
    store = MemoryRecordStore()
    alice, bob, eve = person(ALICE, store), person(BOB), person(EVE)
    async with awake(alice, bob):
        invitation = await invite(alice)
        await bob.meeting.join(invitation)

    again = person(ALICE, store)
    async with awake(again, bob, eve):
        await eve.connect(again)
        await bob.connect(again)
        with pytest.raises(Turned, match="used already"):
            await eve.meeting.join(invitation)
        assert await bob.meeting.join(invitation) is not None

    assert list(again.register.friends) == [BOB]


@pytest.mark.rule("PAIRING-8")
async def test_nothing_is_answered_before_it_is_on_the_disk(person: MakePerson) -> None:
    store = Disk()
    alice, bob = person(ALICE, store), person(BOB)
    async with awake(alice, bob):
        invitation = await invite(alice)
        store.is_full = True
        await bob.connect(alice)

        with pytest.raises(StreamBroken):
            await prove(bob, invitation)
        assert alice.register.friends == {}

        store.is_full = False
        assert await bob.meeting.join(invitation) is not None


async def prove(guest: Person, invitation: Invitation) -> bytes | None:
    """Speak as a guest with the right secret, and return the host's last word."""
    keys = pairing.derive(invitation.secret)
    async with opened(guest.transport, invitation.host, pairing.PROTOCOL) as stream:
        await write_frame(stream, pairing.encode(pairing.Hello(keys.tag, bytes(32))))
        challenge = pairing.decode(await read_frame(stream) or b"")
        assert isinstance(challenge, pairing.Challenge)
        met = pairing.Encounter(invitation.host, guest.me, challenge.nonce, bytes(32))
        await write_frame(stream, pairing.encode(pairing.Proof(met.mac(keys, "guest"), ())))
        return await read_frame(stream)


@pytest.mark.rule("PAIRING-7")
async def test_an_invitation_that_was_revoked_or_has_expired_is_refused(
    person: MakePerson,
) -> None:
    alice, bob = person(ALICE), person(BOB)
    async with awake(alice, bob):
        revoked, expired = await invite(alice), await invite(alice)
        tags = {
            name: pairing.derive(each.secret).tag
            for name, each in (("revoked", revoked), ("expired", expired))
        }
        await alice.register.revoke(alice.register.invited[tags["revoked"]].id)
        alice.register.invited[tags["expired"]].until = clock.now()

        for invitation, why in ((revoked, "revoked"), (expired, "expired")):
            with pytest.raises(Turned) as refused:
                await bob.meeting.join(invitation)
            assert refused.value.why == why
            assert REFUSALS[refused.value.why] in str(refused.value)


async def test_one_that_has_expired_here_is_not_even_tried(person: MakePerson) -> None:
    bob = person(BOB)
    old = Invitation(host=ALICE, addresses=(), secret=b"s" * 16, until=clock.now())

    with pytest.raises(Turned, match="has expired"):
        await bob.meeting.join(old)


async def test_one_that_was_accepted_while_the_node_was_stopped_is_used_when_it_starts(
    person: MakePerson, tmp_path: Path
) -> None:
    alice, bob = person(ALICE), person(BOB)
    path = tmp_path / f"{BOB.hex()[:8]}.accepted"
    async with awake(alice):
        invitation = await invite(alice)
        accepted.add(path, invitation.text())
        async with awake(bob):
            await eventually(lambda: not accepted.load(path))

    assert list(bob.register.friends) == [ALICE]


async def test_one_that_is_refused_is_put_away_with_a_warning(
    person: MakePerson, tmp_path: Path
) -> None:
    alice, bob = person(ALICE), person(BOB)
    path = tmp_path / f"{BOB.hex()[:8]}.accepted"
    async with awake(alice):
        invitation = await invite(alice)
        await alice.register.revoke("Bob")
        accepted.add(path, invitation.text())
        async with awake(bob):
            await eventually(lambda: not accepted.load(path))

    (warning,) = bob.journal.warnings()
    assert "taken back" in warning


async def test_an_invitation_into_another_network_is_refused_in_words(
    person: MakePerson,
) -> None:
    bob = person(BOB)
    invitation = Invitation(
        host=ALICE, addresses=(), secret=b"s" * 16, until=clock.now(), psk=b"P" * 32
    )

    with pytest.raises(UsageError, match="private network"):
        await bob.meeting.join(invitation)


async def test_ones_own_invitation_is_refused_in_words(person: MakePerson) -> None:
    alice = person(ALICE)
    async with awake(alice):
        with pytest.raises(UsageError, match="this node's own"):
            await alice.meeting.join(await invite(alice))


async def test_an_invitation_is_revoked_by_its_id_or_name_and_not_once_it_was_used(
    person: MakePerson,
) -> None:
    alice, bob = person(ALICE), person(BOB)
    async with awake(alice, bob):
        await bob.meeting.join(await invite(alice))
        with pytest.raises(UsageError, match="used already"):
            await alice.register.revoke("Bob")
        await invite(alice)
        with pytest.raises(UsageError, match="2 invitations are called so"):
            await alice.register.revoke("Bob")
        with pytest.raises(UsageError, match="no such invitation"):
            await alice.register.revoke("0")


async def test_invitations_are_bounded_and_those_that_are_over_go_first(
    person: MakePerson,
) -> None:
    register: Register = person(ALICE).register
    for n in range(INVITED_MAX):
        await register.invite(an_invited(n, until=100 if n else 1), now=50)

    await register.invite(an_invited(INVITED_MAX, until=100), now=50)
    with pytest.raises(UsageError, match="take one back"):
        await register.invite(an_invited(INVITED_MAX + 1, until=100), now=50)

    assert len(register.invited) == INVITED_MAX
    assert an_invited(0, until=1).tag not in register.invited


def an_invited(number: int, until: int) -> Invited:
    tag = number.to_bytes(32, "big")
    return Invited(tag=tag, key=b"k" * 32, name="", made=number, until=until)
