"""Whole nodes together: what one says, the others know, and what is ordered is made."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from commonfab.node import clock
from commonfab.node.designs import publishing
from commonfab.node.network.frames import write_frame
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import StreamBroken, opened
from commonfab.node.node import Node
from commonfab.node.post import PROTOCOL as LETTERS
from commonfab.protocol import records
from commonfab.protocol.author import Head
from commonfab.protocol.gossip.areas import area_of
from commonfab.protocol.gossip.broadcast_wire import PROTOCOL as GOSSIP
from commonfab.protocol.gossip.broadcast_wire import Push, encode
from commonfab.protocol.ids import OrderId
from commonfab.protocol.lease.attempts import OrderState
from commonfab.protocol.records import Design, Place, Record
from commonfab.protocol.sync import sync
from commonfab.scheduler.why.grounds import check
from commonfab.storage.cid import CID
from tests.node.village import a_home, a_machine, eventually, living, write_block
from tests.protocol.signers import EVE

HERE = Place(lat_udeg=45_700_000, lon_udeg=4_800_000)


async def _say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


async def _publish(node: Node, folder: Path) -> Record:
    return (await publishing.publish(node, folder, _say_nothing)).record


def _order(node: Node, order: OrderId) -> OrderState:
    return node.buyer.order(order)


def _root(design: Record) -> CID:
    assert isinstance(design.body, Design)
    return CID.from_bytes(design.body.root)


async def test_what_is_published_is_known_and_can_be_fetched_elsewhere(tmp_path: Path) -> None:
    network = MemoryNetwork()
    folder = write_block(tmp_path / "block")
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob"), network) as bob,
    ):
        await bob.transport.connect(alice.transport.addresses()[0])
        design = await _publish(alice, folder)
        await eventually(lambda: design.id in bob.library.designs)

        await bob.shelf.fetch(_root(design), [alice.me])
        await bob.shelf.export(_root(design), tmp_path / "out")

    for file in ("block.stl", "okh.toml"):
        assert (tmp_path / "out" / file).read_bytes() == (folder / file).read_bytes()


async def test_what_was_published_during_a_cut_is_known_after_it(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with living(a_home(tmp_path, "alice"), network) as alice:
        design = await _publish(alice, write_block(tmp_path / "block"))
        async with living(a_home(tmp_path, "bob"), network) as bob:
            await bob.transport.connect(alice.transport.addresses()[0])
            await eventually(lambda: design.id in bob.library.designs)
            await eventually(lambda: len(bob.library.workshops) == 2)
            await eventually(lambda: len(alice.library.workshops) == 2)


async def test_an_order_is_made_elsewhere_and_both_remember_it_after_a_restart(
    tmp_path: Path,
) -> None:
    network = MemoryNetwork()
    alice_home = a_home(tmp_path, "alice")
    bob_home = a_home(tmp_path, "bob", a_machine())
    async with living(alice_home, network) as alice, living(bob_home, network) as bob:
        await alice.transport.connect(bob.transport.addresses()[0])
        await eventually(lambda: len(alice.library.view) == 1)
        design = await _publish(alice, write_block(tmp_path / "block"))

        order = await alice.ordering.place(design, 3, HERE, 0)

        await eventually(lambda: _order(alice, order).is_over())
        await eventually(lambda: not bob.owner.slots())
        assert _order(alice, order).pieces_made() == 3
        assert len(alice.explaining.explained(_order(alice, order).order).jobs) == len(
            _order(alice, order).jobs
        )
        left_mg = bob.fleet.describe(bob.started)[0].stock[0].mass_mg
        assert left_mg < 1_000_000

    async with living(alice_home, network) as alice, living(bob_home, network) as bob:
        assert _order(alice, order).is_over()
        assert _order(alice, order).pieces_made() == 3
        assert not bob.owner.slots()
        assert bob.fleet.describe(bob.started)[0].stock[0].mass_mg == left_mg
        (found, *_) = check(alice.explaining.grounds(_order(alice, order).order))
        assert (found.machines, found.fault) == (1, "")


async def test_an_order_placed_before_any_machine_is_known_explains_the_one_that_came(
    tmp_path: Path,
) -> None:
    network = MemoryNetwork()
    async with living(a_home(tmp_path, "alice"), network) as alice:
        design = await _publish(alice, write_block(tmp_path / "block"))
        order = await alice.ordering.place(design, 1, HERE, 0)
        (early,) = alice.explaining.explained(_order(alice, order).order).jobs
        async with living(a_home(tmp_path, "bob", a_machine()), network) as bob:
            await alice.transport.connect(bob.transport.addresses()[0])
            await eventually(lambda: _order(alice, order).is_over())
            (late,) = alice.explaining.explained(_order(alice, order).order).jobs

    assert (early.machines, early.best) == (0, ())
    assert [verdict.owner for verdict in late.best] == [bob.me.hex()]
    assert late.at > early.at


async def test_a_job_that_fails_is_made_by_another_workshop(tmp_path: Path) -> None:
    network = MemoryNetwork()
    cheap = a_machine("cheap", price_per_hour=0.1, fails_every=1)
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob", cheap), network) as bob,
        living(a_home(tmp_path, "carol", a_machine("dear", price_per_hour=5.0)), network) as carol,
    ):
        for other in (bob, carol):
            await alice.transport.connect(other.transport.addresses()[0])
        await eventually(lambda: len(alice.library.view) == 2)
        design = await _publish(alice, write_block(tmp_path / "block"))

        order = await alice.ordering.place(design, 1, HERE, 0)

        await eventually(lambda: _order(alice, order).is_over())
        attempts = _order(alice, order).jobs[0].attempts
        assert [(a.owner, a.outcome) for a in attempts] == [(bob.me, "failed"), (carol.me, "made")]
        assert attempts[0].reason == "the print came loose from the bed"


async def test_a_part_that_is_not_what_its_record_says_is_not_made(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob", a_machine()), network) as bob,
    ):
        await alice.transport.connect(bob.transport.addresses()[0])
        await eventually(lambda: len(alice.library.view) == 1)
        honest = await _publish(alice, write_block(tmp_path / "block"))
        assert isinstance(honest.body, Design)
        small = msgspec.structs.replace(honest.body.parts[0], bbox_um=(5000, 5000, 5000))
        head = alice.author.head("design/lie", honest.body.at)  # type: ignore[arg-type]  # a time
        lie = alice.author.sign(msgspec.structs.replace(honest.body, **head, parts=(small,)))
        await alice.announcing.announce(lie)

        order = await alice.ordering.place(lie, 1, HERE, 0)

        await eventually(
            lambda: (
                _order(alice, order).jobs[0].attempts[0:]
                and _order(alice, order).jobs[0].attempts[0].outcome == "failed"
            )
        )
        attempt = _order(alice, order).jobs[0].attempts[0]
        assert "5 mm along x were said, 20 mm measured" in attempt.reason
        assert attempt.made == 0


async def test_garbage_from_a_peer_is_counted_and_harms_nothing(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "eve"), network) as eve,
    ):
        await eve.transport.connect(alice.transport.addresses()[0])
        before = len(alice.library)
        for protocol in (LETTERS, sync.PROTOCOL, GOSSIP):
            for _ in range(3):
                with suppress(StreamBroken):
                    async with opened(eve.transport, alice.me, protocol) as stream:
                        await write_frame(stream, os.urandom(300))
                with suppress(StreamBroken):
                    async with opened(eve.transport, alice.me, protocol) as stream:
                        await stream.write(b"\xff\xff\xff\xff" + os.urandom(100))
        async with opened(eve.transport, alice.me, GOSSIP) as stream:
            await write_frame(stream, encode([Push(area_of(HERE), os.urandom(300))]))

        await eventually(lambda: alice.journal.rejected(eve.me) >= 4)
        design = await _publish(eve, write_block(tmp_path / "block"))
        await eventually(lambda: design.id in alice.library.designs)
        assert len(alice.library) >= before


async def test_a_letter_has_no_place_in_gossip(tmp_path: Path) -> None:
    network = MemoryNetwork()
    eve = MemoryTransport(EVE.node, network)
    head = Head(stream="release", seq=1, at=clock.now())
    async with (
        living(a_home(tmp_path, "alice", a_machine()), network) as alice,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(eve.run)
        await eve.connect(alice.transport.addresses()[0])
        letter = records.sign(
            records.Release(**head, to=alice.me, about=bytes(32), reason="none"), EVE
        )

        async with opened(eve, alice.me, GOSSIP) as stream:
            await write_frame(stream, encode([Push(area_of(HERE), letter.data)]))

        await eventually(lambda: alice.journal.rejected(EVE.node) == 1)
        nursery.cancel_scope.cancel()
