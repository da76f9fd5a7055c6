"""Deny-lists in a running node: nothing by default, and then nothing gets past them."""

from pathlib import Path

import pytest

from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.admission import Accept, Verdict
from commonfab.protocol.errors import UsageError
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Request
from commonfab.protocol.statements import Denial
from commonfab.storage.cid import CID
from tests.builders import a_request, body_of
from tests.node.keeping.test_keeping import publish, root_of
from tests.node.village import a_home, eventually, living
from tests.protocol.signers import EVE


def by_author(node: Node, reason: str = "spam") -> Denial:
    return Denial(what="author", name=node.me, reason=reason)


def by_root(root: CID) -> Denial:
    return Denial(what="root", name=bytes(root.as_v1()), reason="a weapon")


@pytest.mark.rule("STANDING-10")
async def test_a_denied_author_s_records_are_not_taken_in_and_not_passed_on(
    tmp_path: Path,
) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "eve"), network) as eve,
    ):
        await alice.transport.connect(eve.transport.addresses()[0])
        known = await publish(eve, tmp_path / "one")
        await eventually(lambda: alice.library.has(known.id))

        await alice.denying.add(by_author(eve))

        assert not alice.library.has(known.id)
        assert eve.me not in alice.library.workshops
        assert not _accepted(await alice.driver.admit([known.data], eve.me))
        assert "spam" in alice.library.why_denied(known)
        with pytest.raises(UsageError, match=r"denied by alice.*spam; see: commonfab deny list"):
            alice.denying.check(known)


@pytest.mark.rule("STANDING-10")
async def test_what_is_denied_no_more_is_passed_on_again(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "eve"), network) as eve,
    ):
        await alice.transport.connect(eve.transport.addresses()[0])
        known = await publish(eve, tmp_path / "one")
        await eventually(lambda: alice.library.has(known.id))
        await alice.denying.add(by_author(eve))

        assert await alice.denying.remove("author", eve.me)

        assert alice.library.has(known.id)
        assert eve.me in alice.library.workshops
        assert not await alice.denying.remove("author", eve.me)


@pytest.mark.rule("STANDING-10")
async def test_a_denied_root_is_neither_served_nor_fetched_and_leaves_the_disk(
    tmp_path: Path,
) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob"), network) as bob,
    ):
        await alice.transport.connect(bob.transport.addresses()[0])
        design = await publish(bob, tmp_path / "one")
        root = root_of(design)
        await eventually(lambda: alice.library.has(design.id))
        await alice.shelf.fetch(root, [bob.me])
        await alice.keeping.wish(root, "hook")
        before = set(alice.store.cids())

        await alice.denying.add(by_root(root))

        assert before
        assert not before & set(alice.store.cids())
        assert not alice.library.has(design.id)
        assert not alice.shelf.is_whole(root)
        assert not await alice.shelf.look(root)
        with pytest.raises(UsageError, match="a weapon"):
            await alice.shelf.fetch(root, [bob.me])
        assert set(bob.store.cids()) >= before, "everybody decides for himself"


@pytest.mark.rule("STANDING-10")
async def test_blocks_that_another_kept_tree_has_stay(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        one = await publish(alice, tmp_path / "one")
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "more.txt").write_text("and more")
        other = await publish(alice, tmp_path / "two")

        await alice.denying.add(by_root(root_of(one)))

        assert await alice.shelf.look(root_of(other))
        assert not alice.blocks.has(root_of(one))


@pytest.mark.rule("STANDING-10")
async def test_a_list_that_is_subscribed_to_holds_as_it_changes_and_after_a_restart(
    tmp_path: Path,
) -> None:
    network, home = MemoryNetwork(), a_home(tmp_path, "alice")
    async with (
        living(a_home(tmp_path, "carol"), network) as carol,
        living(a_home(tmp_path, "eve"), network) as eve,
    ):
        async with living(home, network) as alice:
            await alice.transport.connect(carol.transport.addresses()[0])
            await alice.transport.connect(eve.transport.addresses()[0])
            await eventually(lambda: eve.me in alice.library.workshops)
            await carol.denying.add(by_author(eve))
            await carol.denying.publish()
            await eventually(lambda: alice.library.newest(carol.me, "denylist"))
            assert eve.me in alice.library.workshops, "nobody is held to a list unasked"

            await alice.denying.subscribe(carol.me)
            assert eve.me not in alice.library.workshops
            await eventually(lambda: "denied by" in alice.standing.of(eve.me).why[0])
        async with living(home, network) as alice:
            assert eve.me not in alice.library.workshops
            await alice.transport.connect(carol.transport.addresses()[0])
            await carol.denying.remove("author", eve.me)
            await carol.denying.publish()

            await eventually(lambda: not alice.library.denials.authors())


@pytest.mark.rule("STANDING-10")
async def test_an_order_for_a_denied_design_is_refused_by_the_workshop(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        design = await publish(alice, tmp_path / "one")

        await alice.denying.add(Denial(what="design", name=design.id, reason="a weapon"))

        asked = body_of(a_request(EVE, to=alice.me, design=design.id), Request)
        refusal = await alice._check(asked, EVE.node)  # pyright: ignore[reportPrivateUsage]  # what the core asks
        assert refusal == f"denied by alice (…{peer_text(alice.me)[-8:]}): a weapon"
        with pytest.raises(UsageError, match="a weapon; see"):
            await alice.shelf.export(root_of(design), tmp_path / "out")


def _accepted(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if isinstance(verdict, Accept)]
