"""Nodes that keep what their owners wish: chosen, fetched, held, bounded, remembered."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from msgspec import structs

from commonfab.node import clock
from commonfab.node.answers.wishes import WishLine
from commonfab.node.api.wishes import Add, Nothing, Remove, WishesApi
from commonfab.node.control.server import Progress
from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.carrying.wishes import Area, Wish
from commonfab.protocol.errors import UsageError
from commonfab.protocol.limits import WISHES_MAX
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Record
from commonfab.storage.cid import CID
from tests.builders import LISBON
from tests.node.village import MANIFEST, a_home, eventually, living, write_block
from tests.storage.content import content

SIZE = 300_000
ROOM_FOR_TWO = 2 * SIZE + 100_000


async def _say(_said: object) -> None:
    await trio.lowlevel.checkpoint()


SAY: Progress = _say


async def publish(node: Node, folder: Path, name: str, *, tags: str = "medical") -> Record:
    text = MANIFEST.replace('"Block"', f'"{name}"')
    text = text.replace("\n[[part]]", f'\nkeywords = "{tags}"\n\n[[part]]', 1)
    write_block(folder / name, manifest=text)
    (folder / name / "drawing.bin").write_bytes(content(name, SIZE))
    return (await publishing.publish(node, folder / name, _say)).record


def root_of(record: Record) -> CID:
    assert isinstance(record.body, Design)
    return CID.from_bytes(record.body.root).as_v1()


@asynccontextmanager
async def two(folder: Path) -> AsyncGenerator[tuple[Node, Node]]:
    """Alice, who publishes, and Bob, who wishes; connected."""
    network = MemoryNetwork()
    async with (
        living(a_home(folder, "alice"), network) as alice,
        living(a_home(folder, "bob"), network) as bob,
    ):
        await bob.transport.connect(alice.transport.addresses()[0])
        yield alice, bob


def held(node: Node, *records: Record) -> bool:
    return {root_of(record) for record in records} == set(node.wishing.held())


async def lines(node: Node) -> list[WishLine]:
    return await WishesApi(node).wishes(Nothing(), SAY)


async def test_what_is_wished_comes_by_itself_and_stays_and_the_rest_is_known_only(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (alice, bob):
        old = await publish(alice, tmp_path, "Splint")
        toy = await publish(alice, tmp_path, "Toy", tags="fun")
        await eventually(lambda: {old.id, toy.id} <= set(bob.library.ids()))

        await bob.wishing.add(Wish(tag="medical"))
        await eventually(lambda: held(bob, old))
        new = await publish(alice, tmp_path, "Mask")
        await eventually(lambda: held(bob, old, new))

        bob.shelf._fresh.clear()  # pyright: ignore[reportPrivateUsage]  # no clock to turn
        await bob.keeping.collect(0)
        for record in (old, new):
            assert await bob.shelf.look(root_of(record))
        assert toy.id in bob.library.designs
        assert not await bob.shelf.look(root_of(toy))


async def test_a_budget_is_kept_and_what_did_not_fit_is_told(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        records = [await publish(alice, tmp_path, name) for name in ("One", "Two", "Three")]
        await eventually(lambda: {each.id for each in records} <= set(bob.library.ids()))

        await bob.wishing.add(Wish(tag="medical", budget_bytes=ROOM_FOR_TWO))
        await eventually(lambda: held(bob, *records[1:]))

        (line,) = await lines(bob)
    assert (line.here, line.coming, line.no_room) == (2, 0, 1)
    assert line.here_bytes <= ROOM_FOR_TWO
    assert {each.name: (each.state, each.why) for each in line.designs} == {
        "Two": ("here", ""),
        "Three": ("here", ""),
        "One": ("no room", "over its wish's budget"),
    }


async def test_a_wish_outlasts_the_node_and_goes_on_where_it_was(tmp_path: Path) -> None:
    network = MemoryNetwork()
    home = a_home(tmp_path, "bob")
    async with living(a_home(tmp_path, "alice"), network) as alice:
        record = await publish(alice, tmp_path, "Splint")
        async with living(home, MemoryNetwork()) as bob:
            await bob.driver.admit([record.data])
            await bob.wishing.add(Wish(tag="medical"))
            (line,) = await lines(bob)
        assert (line.coming, line.designs[0].state) == (1, "coming")

        async with living(home, network) as bob:
            assert [each.wish for each in bob.wishing.wishes] == [Wish(tag="medical")]
            await bob.transport.connect(alice.transport.addresses()[0])
            await eventually(lambda: held(bob, record))

    async with living(home, MemoryNetwork()) as bob:
        assert root_of(record) in set(bob.wishing.held()), "before anything was chosen anew"
        await eventually(lambda: held(bob, record))


async def test_what_was_wished_is_held_no_more_once_the_wish_is_taken_back(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (alice, bob):
        record = await publish(alice, tmp_path, "Splint")
        added = await bob.wishing.add(Wish(tag="medical"))
        await eventually(lambda: held(bob, record))

        await bob.wishing.remove(added.id)
        await bob.wishing.choose()

        assert held(bob)
        again = await bob.wishing.add(Wish(tag="medical"))
        assert again.id > added.id
        with pytest.raises(UsageError, match="no such wish"):
            await bob.wishing.remove(added.id)


async def test_an_author_and_an_area_can_be_followed(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        record = await publish(alice, tmp_path, "Splint")
        await eventually(lambda: bob.library.name_of(alice.me))
        api = WishesApi(bob)

        far = Area(lat_udeg=0, lon_udeg=0, radius_m=1000)
        await bob.wishing.add(Wish(area=far))
        line = await api.add(Add(author="ALICE"), SAY)
        near = await api.add(Add(lat=45.7, lon=4.8, radius_m=50_000, tag="Medical"), SAY)
        await eventually(lambda: held(bob, record))
        told = await lines(bob)

        gone = await api.remove(Remove(id=near.id), SAY)
        assert [each.id for each in bob.wishing.wishes] == [1, line.id]
    assert line.what == "author:alice"
    assert gone.what == near.what == "area:45.7,4.8,50km tag:Medical"
    assert [(each.what, each.here) for each in told][:2] == [
        ("area:0,0,1km", 0),
        ("author:alice", 1),
    ]


async def test_a_design_comes_when_its_workshop_moves_to_where_it_is_wished(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        record = await publish(alice, tmp_path, "Splint")
        await eventually(lambda: record.id in bob.library.designs)
        there = Area(lat_udeg=LISBON.lat_udeg, lon_udeg=LISBON.lon_udeg, radius_m=1000)
        await bob.wishing.add(Wish(area=there))
        before = await bob.wishing.choose()

        head = alice.author.head("workshop", clock.now())
        moved = structs.replace(alice.library.workshops[alice.me], **head, place=LISBON)
        await alice.announcing.announce(alice.author.sign(moved))
        await eventually(lambda: held(bob, record))

    assert before == []


async def test_a_design_that_is_larger_than_it_claims_takes_no_more_than_the_budget(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (alice, bob):
        honest = await publish(alice, tmp_path, "Splint")
        write_block(tmp_path / "liar")
        (tmp_path / "liar" / "drawing.bin").write_bytes(content("liar", 4_000_000))
        root = await alice.shelf.put_folder(tmp_path / "liar")
        assert isinstance(honest.body, Design)
        head = alice.author.head("design/liar", honest.body.at)  # type: ignore[arg-type]  # a time
        liar = alice.author.sign(structs.replace(honest.body, **head, root=bytes(root)))
        await alice.announcing.announce(liar)

        await eventually(lambda: liar.id in bob.library.designs)
        await bob.wishing.add(Wish(tag="medical", budget_bytes=1_000_000))
        await eventually(lambda: held(bob, honest))
        bob.wishing.met(alice.me)
        await bob.wishing.round()

        assert held(bob, honest)
        (line,) = await lines(bob)
        (told,) = [each for each in line.designs if each.id == liar.id.hex()]
    assert line.here_bytes <= 1_000_000
    assert told.state != "here"
    assert told.why in ("over its wish's budget", "it is larger than the 300950 bytes it claims")


async def test_wishes_leave_the_quota_to_what_else_is_held(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        bob.keeping.quota_bytes = 1_000_000
        await publish(bob, tmp_path, "Own")
        records = [await publish(alice, tmp_path, name) for name in ("One", "Two")]
        await eventually(lambda: {each.id for each in records} <= set(bob.library.ids()))

        await bob.wishing.add(Wish(tag="medical"))
        await eventually(lambda: held(bob, records[1]))

        (line,) = await lines(bob)
    assert [(each.name, each.why) for each in line.designs if each.state == "no room"] == [
        ("One", "over the storage quota")
    ]


async def test_wishes_that_cannot_be_are_refused(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "bob"), MemoryNetwork()) as bob:
        with pytest.raises(UsageError, match="a wish for everything"):
            await bob.wishing.add(Wish(budget_bytes=5))
        with pytest.raises(UsageError, match="no node of this name"):
            await WishesApi(bob).add(Add(author="nobody"), SAY)
        first = await bob.wishing.add(Wish(tag="0"))
        assert await bob.wishing.add(Wish(tag="0")) == first, "the same wish is one wish"
        for number in range(1, WISHES_MAX):
            await bob.wishing.add(Wish(tag=str(number)))
        with pytest.raises(UsageError, match="remove one"):
            await bob.wishing.add(Wish(tag="one too many"))


async def test_an_author_who_was_never_heard_of_can_be_followed(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        line = await WishesApi(bob).add(Add(author=peer_text(alice.me)), SAY)
        record = await publish(alice, tmp_path, "Splint")
        await eventually(lambda: held(bob, record))
    assert line.here == 0
