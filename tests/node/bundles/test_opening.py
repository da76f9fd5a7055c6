"""Opening what was made for a node: who can, what it believes of it, and the receipt."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from commonfab.node.api.bundles import BundlesApi, Open
from commonfab.node.bundles import making
from commonfab.node.bundles.label import read_receipt
from commonfab.protocol.carrying.wishes import Wish
from commonfab.protocol.errors import UsageError
from commonfab.protocol.peer_id import peer_text

from .stick import MB, SAY, Town, file_of, has, make, open_, publish, root_of, say


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

        assert await has(bob, secret)
        raw = file_of(made).read_bytes()
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
        whole = file_of(made).read_bytes()
        file_of(made).write_bytes(whole[:-MB])

        cut = await open_(bob, made.file)
        assert not await bob.shelf.look(root_of(design))
        file_of(made).write_bytes(whole)
        rest = await open_(bob, made.file)

        assert await has(bob, design)
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
        await making.make(alice, [record], town.stick / "all.car", say)
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
    assert passed.keys() == {file_of(other).name, "broken.car"}
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
    assert [path.name for path in town.stick.iterdir()] == [file_of(made).name]


async def test_a_summary_that_somebody_changed_is_refused_and_the_rest_taken(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        town = Town(stack, tmp_path)
        alice, bob = await town.node("alice"), await town.node("bob")
        made = await make(alice, bob.me, town.stick)
        data = bytearray(file_of(made).read_bytes())
        data[data.index(b"commonfab/1/summary") + 40] ^= 1
        file_of(made).write_bytes(data)

        opened = await open_(bob, made.file)

        assert bob.carrying.state_of(alice.me).at == 0
    assert (opened.is_news, opened.receipt) == (False, "")
    assert opened.refused_count > 0
