"""Bundles for a certain node: the difference, ranked by its wishes, within a budget."""

import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec import structs

from commonfab.node import clock
from commonfab.node.api.bundles import find_peer
from commonfab.node.bundles import for_peer
from commonfab.node.bundles.for_peer import Asked
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.protocol.carrying.wishes import Wish
from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Offer, Place, Request
from commonfab.protocol.standing import proofs
from tests.builders import a_capacity, a_denylist, a_design, a_revocation, a_vouch, body_of
from tests.node.village import a_home, a_machine, eventually, living
from tests.protocol.signers import BOB, CAROL, EVE

from .stick import MB, ROOMY, Town, file_of, has, make, open_, publish, root_of


@pytest.mark.rule("BUNDLE-9")
async def test_a_second_bundle_brings_only_what_the_first_way_back_said_is_lacking(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        one = await publish(alice, tmp_path / "1", "One")
        theirs = await publish(bob, tmp_path / "2", "Two")

        first = await town.carry(alice, bob)
        back = await town.carry(bob, alice)
        three = await publish(alice, tmp_path / "3", "Three")
        again = await town.carry(alice, bob)
        files = set(town.stick.iterdir())
        nothing = await make(bob, alice.me, town.stick)
        assert set(town.stick.iterdir()) == files
        await bob.wishing.add(Wish(tag="medical"))
        wish = await make(bob, alice.me, town.stick)

        assert [await has(bob, each) for each in (one, three)] == [True, True]
        assert await has(alice, theirs)
        assert bob.library.name_of(alice.me) == "alice"
    assert [each.name for each in first.designs] == ["One"]
    assert ([each.name for each in back.designs], back.refused_count) == (["Two"], 0)
    assert [each.name for each in again.designs] == ["Three"]
    assert again.new_records == again.records <= 2, "perhaps its capacity, too"
    assert first.is_news
    assert again.is_news
    assert (nothing.file, nothing.size_bytes) == ("", 0)
    assert (wish.designs, wish.records, wish.letters) == (0, 0, 0)
    assert file_of(wish) not in files


@pytest.mark.rule("BUNDLE-9")
async def test_what_the_other_wishes_goes_first_and_nothing_that_it_does_not(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        await publish(alice, tmp_path / "1", "Toy", tags="fun")
        splint = await publish(alice, tmp_path / "2", "Splint", tags="Medical, hands")
        mask = await publish(alice, tmp_path / "3", "Mask", tags="medical")
        await bob.wishing.add(Wish(tag="medical", budget_bytes=1_500_000))
        await town.carry(bob, alice)

        made = await make(alice, bob.me, town.stick)
        opened = await open_(bob, made.file)

        assert await has(bob, mask)
        assert not await bob.shelf.look(root_of(splint))
        assert len(bob.library.designs) == 3, "the records of all, the files of what is wished"
        assert [(each.name, each.missing) for each in opened.designs] == [("Mask", 0)]
        assert [(each.name, each.why) for each in made.left_out] == [
            ("Splint", "over its wish's budget")
        ]
        choices = await bob.wishing.choose()
        assert [(each.wanted.id, each.is_kept) for each in choices] == [
            (mask.id, True),
            (splint.id, False),
        ]
        assert set(bob.wishing.held()) == {root_of(mask).as_v1()}
        assert bob.keeping.reasons()[root_of(mask).as_v1()][0] == "wished"
        assert not bob.keeping.pins.wishes()


@pytest.mark.rule("BUNDLE-9")
@pytest.mark.parametrize("seals", [False, True])
async def test_a_bundle_stays_within_its_budget_and_says_what_it_left_out(
    tmp_path: Path,
    seals: bool,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        designs = [
            await publish(alice, tmp_path / str(size), f"Of {size}", size=size)
            for size in (100_000, 300_000, 500_000)
        ]
        counts: list[int] = []
        for budget in (10_000, 250_000, 500_000, 2 * MB):
            dry = await make(
                alice, bob.me, town.stick, budget_bytes=budget, seals=seals, dry_run=True
            )
            made = await make(alice, bob.me, town.stick, budget_bytes=budget, seals=seals)
            assert made.size_bytes == file_of(made).stat().st_size <= budget
            assert abs(dry.size_bytes - made.size_bytes) < 100, "the salts differ"
            assert not file_of(dry).exists()
            assert made.left_out_count == len(designs) - made.designs
            counts.append(made.designs)
            opened = await open_(bob, made.file, dry_run=True)
            assert [each.missing for each in opened.designs] == [0] * made.designs
        with pytest.raises(UsageError, match="give at least"):
            await make(alice, bob.me, town.stick, budget_bytes=100, seals=seals)
    assert counts == [0, 1, 2, 3]


@pytest.mark.rule("BUNDLE-9")
async def test_a_design_that_is_larger_than_its_record_claims_does_not_pass_the_budget(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        body = body_of(await publish(alice, tmp_path / "1", "Pump"), Design)
        head = alice.author.head(body.stream, clock.now())
        liar = alice.author.sign(structs.replace(body, **head, size_bytes=1))
        await alice.announcing.announce(liar)

        made = await make(alice, bob.me, town.stick, budget_bytes=MB // 2)

    assert made.size_bytes < MB // 2
    assert (made.designs, [each.size_bytes for each in made.left_out]) == (0, [1])


@pytest.mark.rule("BUNDLE-9")
async def test_what_a_peer_has_by_sync_is_left_out_though_it_never_made_a_bundle(
    tmp_path: Path,
) -> None:
    home, network = a_home(tmp_path, "alice"), MemoryNetwork()
    async with living(home, network) as alice:
        old = await publish(alice, tmp_path / "1", "Old")
    async with living(home, network) as alice, living(a_home(tmp_path, "bob"), network) as bob:
        before = await make(alice, bob.me, tmp_path / "before.car", dry_run=True)
        await alice.transport.connect(bob.transport.addresses()[0])
        await eventually(lambda: old.id in bob.library.designs)
        await eventually(lambda: bob.me in alice.syncing.last and alice.syncing.last[bob.me].at)

        state = alice.carrying.state_of(bob.me)
        new = await publish(alice, tmp_path / "2", "New")
        made = await make(alice, bob.me, tmp_path / "after.car", dry_run=True)

        assert alice.carrying.has_by_sync(state, old.id)
        assert not alice.carrying.has_by_sync(state, new.id)
    assert before.designs == 1
    assert made.designs == 2, "sync brings no files"


async def test_a_design_named_by_its_maker_goes_before_what_is_wished(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        old = await publish(alice, tmp_path / "1", "Old")
        await publish(alice, tmp_path / "2", "New")

        made = await make(alice, bob.me, town.stick, budget_bytes=1_200_000, designs=[old])
        opened = await open_(bob, made.file)

    assert [each.name for each in opened.designs] == ["Old"]
    assert [each.name for each in made.left_out] == ["New"]


@pytest.mark.rule("BUNDLE-4")
async def test_a_revocation_travels_though_nothing_of_its_author_does(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        lost = a_revocation(EVE, at=clock.now(), since=clock.now())
        await alice.driver.admit([lost.data])

        opened = await town.carry(alice, bob)

        assert [record.id for record in bob.library.find("revocation", EVE.node)] == [lost.id]
    assert opened.new_records >= 2


@pytest.mark.rule("BUNDLE-4")
async def test_what_protects_others_comes_before_all_else(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        lost = a_revocation(BOB, at=clock.now(), since=clock.now())
        halves = (a_design(EVE, name=name, stream="design/x", seq=7) for name in ("one", "two"))
        proof = proofs.prove(*(half.data for half in halves))
        denied = a_denylist(at=clock.now())
        vouch = a_vouch(CAROL, at=clock.now(), until=clock.now() + DAY_MS)
        await alice.driver.admit([each.data for each in (vouch, denied, proof, lost)])

        data = file_of(await make(alice, bob.me, town.stick)).read_bytes()

        workshop = alice.library.find("workshop", alice.me)[0]
        order = (lost, proof, denied, workshop, vouch)
        places = [data.index(each.data) for each in order]
    assert places == sorted(places)


@pytest.mark.rule("BUNDLE-13")
async def test_what_a_workshop_last_said_travels_on_to_those_who_do_not_know_it(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        word = a_capacity(CAROL, at=clock.now() - HOUR_MS)
        await alice.carrying.remember([word])

        file = file_of(await make(alice, bob.me, town.stick))
        dry = await open_(bob, file, dry_run=True)
        before = bob.library.newest(CAROL.node, "capacity")
        opened = await open_(bob, file)
        await town.carry(bob, alice)
        again = await make(alice, bob.me, town.stick)

        assert before is None
        assert bob.library.newest(CAROL.node, "capacity") == word
        assert not bob.library.has(word.id), "it is not passed on but in bundles"
    assert (opened.records, opened.ignored) == (dry.records, [])
    assert not again.file, "bob lacks nothing any more"


@pytest.mark.rule("BUNDLE-9")
async def test_a_request_goes_by_stick_with_what_it_is_for_and_an_offer_comes_back(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob", a_machine())
        await bob.wishing.add(Wish(tag="nothing that alice has"))
        hook = await publish(alice, tmp_path / "1", "Hook")
        await town.carry(bob, alice)
        await alice.ordering.place(hook, 1, Place(lat_udeg=45_700_000, lon_udeg=4_800_000), 0)
        await eventually(lambda: list(alice.library.stored(["request"])))

        there = await town.carry(alice, bob)
        await eventually(lambda: list(bob.library.stored(["offer"])))
        back = await make(bob, alice.me, town.stick)

        assert await has(bob, hook), "its owner needs the files, whatever it wishes"
        (offer, *_) = bob.library.stored(["offer"])
        requests = {record.id for record in alice.library.stored(["request"])}
        assert body_of(offer, Offer).request in requests
        assert {body_of(r, Request).to for r in bob.library.stored(["request"])} == {bob.me}
        assert alice.carrying.state_of(bob.me).wishes is not None
    assert there.letters >= 1
    assert back.letters >= 1


async def test_letters_to_others_are_nobody_elses(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob", a_machine())
        carol = await town.node("carol")
        hook = await publish(alice, tmp_path / "1", "Hook")
        await town.carry(bob, alice)
        await alice.ordering.place(hook, 1, Place(lat_udeg=45_700_000, lon_udeg=4_800_000), 0)
        await eventually(lambda: list(alice.library.stored(["request"])))

        made = await make(alice, carol.me, town.stick)
        opened = await open_(carol, made.file)

        assert not list(carol.library.stored(["request"]))
    assert (made.letters, opened.letters) == (0, 0)


async def test_a_stick_that_is_full_keeps_nothing_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")

        def full(_handle: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(ResourceError, match="a smaller --budget"):
            await make(alice, bob.me, town.stick)
        monkeypatch.undo()

    assert list(town.stick.iterdir()) == []


async def test_a_stick_that_is_pulled_out_while_it_is_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")

        def gone(_handle: int) -> None:
            raise OSError(5, os.strerror(5))

        monkeypatch.setattr(os, "fsync", gone)
        with pytest.raises(ResourceError, match="Input/output error"):
            await make(alice, bob.me, town.stick)
        monkeypatch.undo()

        with trio.CancelScope() as scope:

            async def leave(said: Any) -> None:
                if said["step"] == "looking at what is here":
                    scope.cancel()
                await trio.lowlevel.checkpoint()

            await for_peer.make_for(
                alice, Asked(to=bob.me, place=town.stick, budget_bytes=ROOMY), leave
            )
        assert scope.cancelled_caught

    assert list(town.stick.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "error", "says"),
    [("there", UsageError, "already"), ("no/folder", UsageError, "no such folder")],
)
async def test_a_place_that_cannot_be_is_refused_before_anything_is_looked_at(
    tmp_path: Path, place: str, error: type[CommonfabError], says: str
) -> None:
    (tmp_path / "there").write_bytes(b"")
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        with pytest.raises(error, match=says):
            await make(alice, EVE.node, tmp_path / place)
        with pytest.raises(UsageError, match="this node"):
            await make(alice, alice.me, tmp_path)


async def test_a_node_is_named_by_its_workshop_or_its_id(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("Bob's place")
        await town.carry(bob, alice)

        for name in ("bob's place", peer_text(bob.me), peer_text(bob.me)[-8:]):
            assert find_peer(alice, name) == bob.me
        assert find_peer(alice, peer_text(EVE.node)) == EVE.node, "one that was never heard of"
        with pytest.raises(UsageError, match="no node of this name"):
            find_peer(alice, "carol")
