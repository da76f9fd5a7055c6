"""What a person asks about keeping, answered by whole nodes, and in which words."""

from pathlib import Path

import pytest
import trio

from commonfab.node.answers.keeping import ReplicasLine
from commonfab.node.api.api import Api
from commonfab.node.api.keeping import Collect, Everything, Keep, KeepingApi, Which
from commonfab.node.cli.keeping import in_words
from commonfab.node.node import Node
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import DAY_MS, REPLICA_TERM_MS_MAX
from commonfab.protocol.records import Record
from commonfab.protocol.replicas import FAILURES_MAX
from tests.node.keeping.test_keeping import (
    forget_fresh,
    publish,
    root_of,
    say_nothing,
    take_away,
    two,
)
from tests.node.village import eventually


def api(node: Node) -> KeepingApi:
    async def fetch(record: Record, _progress: object) -> None:
        await node.shelf.fetch(root_of(record), node.holders(record))

    return KeepingApi(node, fetch)


async def test_a_design_is_kept_promised_counted_dropped_and_collected(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        design = await publish(alice, tmp_path / "block")
        root = str(root_of(design))
        await eventually(lambda: design.id in bob.library.designs)
        until = bob.started + 180 * DAY_MS

        kept = await api(bob).keep(Keep(design="block", promise=until), say_nothing)
        assert (kept.root, kept.name, kept.is_here, kept.until) == (root, "Block", True, until)
        forget_fresh(bob)
        (pin,) = await api(bob).pins(Everything(), say_nothing)
        assert (pin.name, pin.reasons) == ("Block", ["wished", "promised"])

        await eventually(lambda: alice.library.replicas.of(bytes(root_of(design)), alice.started))
        forget_fresh(alice)
        (line,) = await api(alice).replicas(Which(), say_nothing)
        assert (line.name, line.reasons, line.copies, line.only_copy) == ("Block", ["mine"], 2, "")
        assert in_words(line) == "2 copies, 1 place"
        assert [(each.name, each.condition) for each in line.holders] == [("bob", "unchecked")]

        dropped = await api(bob).drop(Which(design=root), say_nothing)
        assert (dropped.name, dropped.was_held, dropped.reasons) == ("Block", True, [])
        assert not (await api(bob).drop(Which(design="block"), say_nothing)).was_held
        told = await api(bob).collect(Collect(dry_run=True), say_nothing)
        done = await api(bob).collect(Collect(), say_nothing)
        assert (told.roots, told.blocks, told.after_bytes) == (done.roots, done.blocks, 0)
        assert done.roots == [root]
        assert bob.blocks.size() == 0

        await eventually(
            lambda: not alice.library.replicas.of(bytes(root_of(design)), alice.started)
        )
        (line,) = await api(alice).replicas(Which(design="block"), say_nothing)
        assert in_words(line) == "1 copy, 1 place; only copy: you"


async def test_what_cannot_be_fetched_is_wished_for_and_comes_with_its_peer(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (alice, bob):
        design = await publish(alice, tmp_path / "block")
        await eventually(lambda: design.id in bob.library.designs)
        gone = take_away(alice)

        kept = await api(bob).keep(Keep(design="block"), say_nothing)
        assert (kept.reasons, kept.is_here) == (["wished"], False)
        with pytest.raises(ResourceError, match="can be promised once it is here"):
            await api(bob).keep(Keep(design="block", promise=bob.started + DAY_MS), say_nothing)

        alice.blocks.put_many(gone.items())
        await bob.keeping.fetch_missing()
        assert await bob.shelf.look(root_of(design))


async def test_a_promise_for_ever_is_refused(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, _):
        await publish(alice, tmp_path / "block")
        for until in (1, Timestamp(alice.started + REPLICA_TERM_MS_MAX + DAY_MS)):
            with pytest.raises(UsageError, match="within two years"):
                await api(alice).keep(Keep(design="block", promise=until), say_nothing)


async def test_a_scrub_that_a_person_asked_for_tells_how_far_it_is(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, _):
        await publish(alice, tmp_path / "block")
        said: list[object] = []

        async def note(progress: object) -> None:
            await trio.lowlevel.checkpoint()
            said.append(progress)

        done = await api(alice).scrub(Everything(), note)

        assert (done.damaged, done.unmended) == (0, 0)
        assert said == [{"step": "reading", "blocks": done.blocks, "bytes": done.bytes}]


async def test_how_well_a_node_keeps_is_told_with_the_promises_that_fail(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        design = await publish(alice, tmp_path / "block")
        root = root_of(design)
        await bob.shelf.fetch(root, [alice.me])
        await bob.replicas.promise(root, 600_000, bob.started + DAY_MS)
        await eventually(lambda: alice.library.replicas.of(bytes(root), alice.started))
        (promise,) = alice.library.replicas.of(bytes(root), alice.started)
        await alice.scrub.make_pass(rate_bytes_s=1e9, anew=True)
        for _ in range(FAILURES_MAX):
            alice.replicas.checks.note(promise, "lacks", alice.started, 0.0)

        hers = await api(alice).state(Everything(), say_nothing)
        his = await api(bob).state(Everything(), say_nothing)

    assert (hers.promised, hers.checked, hers.failing) == (0, 1, ["bob: Block"])
    assert hers.here_bytes > 600_000
    assert hers.scrub_ended >= hers.scrub_started > 0
    assert (his.promised, his.checked, his.failing, his.unmended) == (1, 0, [], 0)


async def test_every_command_about_keeping_is_answered(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, _):
        names = {"keep", "drop", "pins", "gc", "scrub", "replicas", "keeping"}
        assert names <= Api(alice).handlers().keys()


def test_copies_are_told_in_one_line() -> None:
    line = ReplicasLine(
        root="bafy",
        name="",
        reasons=[],
        copies=3,
        places=2,
        off_grid=1,
        only_copy="you",
        holders=[],
    )
    assert in_words(line) == "3 copies, 2 places, 1 off grid; only copy: you"
