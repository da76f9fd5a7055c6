"""Bundles for a certain node: the difference, ranked by its wishes, within a budget, sealed."""

import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec import structs

from commonfab.node import clock
from commonfab.node.answers.node import Bundled, OpenedBundle
from commonfab.node.api.bundles import BundlesApi, Open, find_peer
from commonfab.node.bundles import for_peer, making, opening
from commonfab.node.bundles.for_peer import Asked
from commonfab.node.bundles.label import read_receipt
from commonfab.node.control.server import Progress
from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.carrying.wishes import Wish
from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Offer, Place, Record, Request
from commonfab.protocol.standing import proofs
from commonfab.storage.cid import CID
from tests.builders import a_denylist, a_design, a_revocation, a_vouch, body_of
from tests.node.village import MANIFEST, a_home, a_machine, eventually, living, write_block
from tests.protocol.signers import BOB, CAROL, EVE
from tests.storage.content import content

MB = 1_000_000
ROOMY = 100 * MB


async def _say(_said: object) -> None:
    await trio.lowlevel.checkpoint()


SAY: Progress = _say


async def publish(node: Node, folder: Path, name: str, *, tags: str = "", size: int = MB) -> Record:
    text = MANIFEST.replace('"Block"', f'"{name}"')
    text = text.replace("\n[[part]]", f'\ntags = "{tags}"\n\n[[part]]', 1)
    write_block(folder, side_mm=20.0, manifest=text)
    (folder / "drawing.bin").write_bytes(content(name, size))
    return (await publishing.publish(node, folder, _say)).record


async def make(node: Node, to: NodeId, place: Path, **asked: Any) -> Bundled:
    fields: dict[str, Any] = {"budget_bytes": ROOMY} | asked
    return await for_peer.make_for(node, Asked(to=to, place=place, **fields), _say)


async def open_(node: Node, path: str | Path, *, dry_run: bool = False) -> OpenedBundle:
    return await opening.open_bundle(node, Path(path), _say, dry_run=dry_run)


def _file(made: Bundled) -> Path:
    return Path(made.file)


def _root(record: Record) -> CID:
    return CID.from_bytes(body_of(record, Design).root)


class Town:
    """Nodes that no network joins, and a stick."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self.folder = folder
        self.stick = folder / "stick"
        self.stick.mkdir()

    async def node(self, name: str, *machines: Any) -> Node:
        home = a_home(self.folder, name, *machines)
        return await self._stack.enter_async_context(living(home, MemoryNetwork()))

    async def carry(self, maker: Node, to: Node, **asked: Any) -> OpenedBundle:
        made = await make(maker, to.me, self.stick, **asked)
        return await open_(to, made.file)


async def _has(node: Node, record: Record) -> bool:
    return record.id in node.library.designs and await node.shelf.look(_root(record))


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
        nothing = await make(bob, alice.me, town.stick)

        assert [await _has(bob, each) for each in (one, three)] == [True, True]
        assert await _has(alice, theirs)
        assert bob.library.name_of(alice.me) == "alice"
    assert [each.name for each in first.designs] == ["One"]
    assert ([each.name for each in back.designs], back.refused_count) == (["Two"], 0)
    assert [each.name for each in again.designs] == ["Three"]
    assert again.new_records == again.records <= 2, "perhaps its capacity, too"
    assert first.is_news
    assert again.is_news
    assert nothing.designs == 0
    assert nothing.size_bytes < 5000


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

        assert await _has(bob, mask)
        assert not await bob.shelf.look(_root(splint))
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
        assert set(bob.wishing.held()) == {_root(mask).as_v1()}
        assert bob.keeping.reasons()[_root(mask).as_v1()][0] == "wished"
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
            assert made.size_bytes == _file(made).stat().st_size <= budget
            assert abs(dry.size_bytes - made.size_bytes) < 100, "the salts differ"
            assert not _file(dry).exists()
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


@pytest.mark.rule("BUNDLE-10")
async def test_a_sealed_bundle_opens_at_its_addressee_alone(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob, eve = [await town.node(name) for name in ("alice", "bob", "eve")]
        secret = await publish(alice, tmp_path / "1", "Secretpump")

        made = await make(alice, bob.me, town.stick, seals=True)
        with pytest.raises(UsageError, match="it is for"):
            await open_(eve, made.file)
        opened = await open_(bob, made.file)

        assert await _has(bob, secret)
        raw = _file(made).read_bytes()
        assert not [word for word in (b"Secretpump", alice.me, b"alice") if word in raw]
    assert opened.is_sealed
    assert opened.maker == peer_text(alice.me)
    assert opened.is_whole


@pytest.mark.rule("BUNDLE-10")
async def test_a_sealed_bundle_that_was_cut_gives_what_is_whole_and_the_rest_later(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        design = await publish(alice, tmp_path / "1", "Pump", size=3 * MB)
        made = await make(alice, bob.me, town.stick, seals=True)
        whole = _file(made).read_bytes()
        _file(made).write_bytes(whole[:-MB])

        cut = await open_(bob, made.file)
        assert not await bob.shelf.look(_root(design))
        _file(made).write_bytes(whole)
        rest = await open_(bob, made.file)

        assert await _has(bob, design)
    assert (cut.is_whole, cut.receipt, cut.is_news) == (False, "", False)
    assert "sealed part" in cut.damage
    assert 0 < rest.new_blocks < rest.blocks
    assert (rest.is_whole, rest.is_news, rest.new_records) == (True, True, 0)


@pytest.mark.rule("BUNDLE-12")
async def test_who_receives_a_bundle_signs_for_it_on_the_stick(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        made = await make(alice, bob.me, town.stick)
        opened = await open_(bob, made.file)

        receipt = read_receipt(Path(opened.receipt))
        assert receipt.receiver == bob.me
        assert receipt.delivery.size_bytes == made.size_bytes
        note = town.stick / Path(opened.receipt).name
        text = note.read_text()
        assert peer_text(bob.me) in text
        assert receipt.delivery.file_sha256.hex() in text

        folder = await BundlesApi(alice).open_folder(Open(path=str(town.stick)), SAY)
        again = await BundlesApi(bob).open_folder(Open(path=str(town.stick)), SAY)
        note.write_text(text.replace("signed Q", "signed R"))
        forged = await BundlesApi(alice).open_folder(Open(path=str(town.stick)), SAY)
    assert [(each.receiver, each.sha256) for each in folder.receipts] == [
        (peer_text(bob.me), receipt.delivery.file_sha256.hex())
    ]
    assert [each.why for each in folder.passed_over] == [f"it is for {peer_text(bob.me)}"]
    assert [each.why for each in again.passed_over] == ["it was opened here before"]
    assert (again.opened, again.receipts) == ([], [])
    assert forged.receipts == []


async def test_of_a_folder_all_is_opened_that_is_for_this_node_or_for_everybody(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob, carol = [await town.node(name) for name in ("alice", "bob", "carol")]
        record = await publish(alice, tmp_path / "1", "Pump")
        await making.make(alice, [record], town.stick / "all.car", _say)
        mine = await make(alice, bob.me, town.stick)
        sealed = await make(carol, bob.me, town.stick, seals=True)
        other = await make(alice, carol.me, town.stick)
        (town.stick / "broken.car").write_bytes(b"no car")
        (town.stick / "notes.txt").write_bytes(b"milk")

        found = await BundlesApi(bob).open_folder(Open(path=str(town.stick)), SAY)

    assert sorted(each.file for each in found.opened) == sorted(
        [mine.file, sealed.file, str(town.stick / "all.car")]
    )
    passed = {Path(each.file).name: each.why for each in found.passed_over}
    assert passed.keys() == {_file(other).name, "broken.car"}
    assert "not a CAR" in passed["broken.car"]


@pytest.mark.rule("BUNDLE-9")
async def test_an_older_bundle_changes_nothing_when_a_newer_one_was_opened(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        old = await make(alice, bob.me, town.stick)
        await alice.wishing.add(Wish(tag="medical"))
        await publish(alice, tmp_path / "1", "Pump")
        newer = await make(alice, bob.me, town.stick)

        first = await open_(bob, newer.file)
        state = bob.carrying.state_of(alice.me)
        late = await open_(bob, old.file)

        assert bob.carrying.state_of(alice.me).at == state.at
        assert bob.carrying.state_of(alice.me).wishes == (Wish(tag="medical"),)
    assert (first.is_news, late.is_news) == (True, False)
    assert (late.is_whole, late.refused_count, late.new_records) == (True, 0, 0)


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

        data = _file(await make(alice, bob.me, town.stick)).read_bytes()

        workshop = alice.library.find("workshop", alice.me)[0]
        order = (lost, proof, denied, workshop, vouch)
        places = [data.index(each.data) for each in order]
    assert places == sorted(places)


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

        assert await _has(bob, hook), "its owner needs the files, whatever it wishes"
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


async def test_a_stick_that_cannot_be_written_gets_no_receipt_and_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        made = await make(alice, bob.me, town.stick)

        def refuse(path: object, *_rest: object) -> None:
            raise OSError(30, os.strerror(30), path)

        monkeypatch.setattr(Path, "replace", refuse)
        opened = await open_(bob, made.file)

    assert (opened.is_whole, opened.is_news, opened.receipt) == (True, True, "")
    assert "Read-only file system" in opened.receipt_why
    assert [path.name for path in town.stick.iterdir()] == [_file(made).name]


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


async def test_a_summary_that_somebody_changed_is_refused_and_the_rest_taken(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        made = await make(alice, bob.me, town.stick)
        data = bytearray(_file(made).read_bytes())
        data[data.index(b"commonfab/1/summary") + 40] ^= 1
        _file(made).write_bytes(data)

        opened = await open_(bob, made.file)

        assert bob.carrying.state_of(alice.me).at == 0
    assert (opened.is_news, opened.receipt) == (False, "")
    assert opened.refused_count > 0
