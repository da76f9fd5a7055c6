"""Standing in a running node: vouches and proofs that come, offences, and who is shown out."""

from pathlib import Path

import pytest

from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.node.standing.standings import experience, subnet_of
from commonfab.protocol.admission import Accept, Verdict
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.protocol.records import Record
from commonfab.protocol.standing import proofs
from commonfab.protocol.standing.offences import BOUND
from commonfab.protocol.standing.standing import Experience
from commonfab.protocol.statements import Vouch
from tests.builders import a_design, a_request, a_revocation
from tests.node.village import a_home, a_machine, eventually, living
from tests.protocol.desk import BuyerDesk
from tests.protocol.signers import BOB, CAROL, EVE


async def vouched(node: Node, subject: Node, weight_permille: int = 1000) -> Record:
    """Let a node vouch for another, as its operator would."""
    now = node.started
    head = node.author.head(f"vouch/{subject.me.hex()}", now)
    body = Vouch(**head, until=now + DAY_MS, subject=subject.me, weight_permille=weight_permille)
    record = node.author.sign(body)
    await node.announcing.announce(record)
    return record


async def test_a_vouch_makes_a_stranger_known_two_steps_away(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob"), network) as bob,
        living(a_home(tmp_path, "carol", a_machine()), network) as carol,
    ):
        await bob.transport.connect(alice.transport.addresses()[0])
        await carol.transport.connect(bob.transport.addresses()[0])
        await eventually(lambda: carol.me in alice.library.workshops)
        assert alice.standing.of(carol.me).tier == "stranger"

        await vouched(alice, bob)
        await vouched(bob, carol)

        await eventually(lambda: alice.standing.of(carol.me).rank == 0)
        await eventually(lambda: alice.library.view.snapshot().machines.tier.tolist() == [0])
        assert alice.standing.of(bob.me).text == "vouched 1.00"
        assert carol.standing.of(alice.me).rank == 1, "trust is not returned by itself"


async def test_standing_is_the_same_after_a_restart(tmp_path: Path) -> None:
    network, home = MemoryNetwork(), a_home(tmp_path, "alice")
    async with living(a_home(tmp_path, "bob"), network) as bob:
        async with living(home, network) as alice:
            await vouched(alice, bob, 600)
            await alice.driver.admit([_proof().data, a_revocation(CAROL).data], bob.me)
            alice.standing.refresh()
            before = [alice.standing.of(each) for each in (bob.me, EVE.node, CAROL.node)]
        async with living(home, network) as alice:
            after = [alice.standing.of(each) for each in (bob.me, EVE.node, CAROL.node)]
            assert after == before
            assert before[0].rank == 0
            assert before[1].why == ("signed two records for one place; the proof is kept",)
            assert before[2].why == ("its key is revoked: the key was stolen",)


async def test_who_signs_two_letters_for_one_place_is_not_believed_then_and_after_a_restart(
    tmp_path: Path,
) -> None:
    home, why = a_home(tmp_path, "alice"), ("signed two letters for one place",)
    async with living(home, MemoryNetwork()) as alice:
        one, other = (a_request(EVE, to=alice.me, seq=9, pieces=pieces) for pieces in (1, 2))
        await alice.library.keep([one])
        await alice.library.keep_proof(one.id, other)
        alice.standing.refresh()
        assert alice.standing.of(EVE.node).why == why
    async with living(home, MemoryNetwork()) as alice:
        assert alice.standing.of(EVE.node).why == why


def _twice(seq: int = 7) -> tuple[Record, Record]:
    place = {"stream": "design/x", "seq": seq, "at": 1_700_000_000_000}
    return a_design(EVE, name="for you", **place), a_design(EVE, name="for him", **place)


def _proof() -> Record:
    one, other = _twice()
    return proofs.prove(one.data, other.data)


@pytest.mark.rule("ADMISSION-15")
async def test_two_nodes_that_saw_a_half_each_make_the_proof_and_tell_a_third(
    tmp_path: Path,
) -> None:
    network = MemoryNetwork()
    one, other = _twice()
    later = a_design(EVE, stream="design/y", seq=9, at=1_700_000_000_000)
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob"), network) as bob,
        living(a_home(tmp_path, "carol"), network) as carol,
    ):
        await alice.driver.admit([one.data], EVE.node)
        await bob.driver.admit([other.data, later.data], EVE.node)
        await carol.transport.connect(bob.transport.addresses()[0])
        await bob.transport.connect(alice.transport.addresses()[0])

        nodes = (alice, bob, carol)
        await eventually(lambda: all(EVE.node in node.library.frozen for node in nodes))
        await eventually(lambda: all(node.standing.of(EVE.node).score == 0 for node in nodes))
        proof = alice.library.frozen[EVE.node]
        for node in nodes:
            assert node.library.frozen[EVE.node] == proof
            assert node.library.has(proof.id)
            assert not any(map(node.library.has, (one.id, other.id, later.id)))


async def test_a_proof_outlasts_a_restart_and_so_does_what_it_ended(tmp_path: Path) -> None:
    network, home = MemoryNetwork(), a_home(tmp_path, "alice")
    one, other = _twice()
    async with living(home, network) as alice:
        await alice.driver.admit([one.data, other.data], EVE.node)
        assert EVE.node in alice.library.frozen
    async with living(home, network) as alice:
        assert EVE.node in alice.library.frozen
        assert not alice.library.has(one.id)
        later = a_design(EVE, stream="design/y", seq=9, at=1_700_000_000_000)
        assert not _accepted(await alice.driver.admit([later.data], EVE.node))


async def test_a_peer_that_offends_too_much_is_shown_out_and_kept_out(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "eve"), network) as eve,
    ):
        await eve.transport.connect(alice.transport.addresses()[0])
        await eventually(lambda: alice.transport.links())

        alice.journal.offend(eve.me, "garbage", BOUND)

        await eventually(lambda: not alice.transport.links())
        with pytest.raises(ResourceError, match="shown out"):
            await eve.transport.connect(alice.transport.addresses()[0])


@pytest.mark.parametrize(
    ("addresses", "subnet"),
    [
        (["/ip4/8.8.4.4/tcp/4411/p2p/12D3"], "8.8.4.0/24"),
        (["/ip6/2a00:1450:4001:81b::200e/tcp/1"], "2a00:1450:4001::/48"),
        (["/dns4/example.org/tcp/1", "/ip4/9.9.9.9/udp/1/quic-v1"], "9.9.9.0/24"),
        (["/ip4/192.168.1.7/tcp/4411"], "private addresses"),
        (["/ip4/not-one/tcp/1", "nonsense", "/ip4", ""], "no address"),
        ([], "no address"),
    ],
)
def test_a_subnet_is_what_one_household_or_one_hoster_s_rack_has(
    addresses: list[str], subnet: str
) -> None:
    assert subnet_of(addresses) == subnet


def test_an_owner_that_leases_and_never_begins_loses_standing() -> None:
    alice = BuyerDesk()
    alice.leased()

    alice.wait(HOUR_MS)

    assert alice.job().attempts[0].outcome == "not started"
    assert experience(alice.side) == {BOB.node: Experience(good=0, bad=1)}


def _accepted(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if isinstance(verdict, Accept)]
