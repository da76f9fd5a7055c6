"""What a person asks about orders, answered by a whole node, and in which words."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec import structs

from commonfab.node import clock
from commonfab.node.api.orders import Ordered, OrdersApi, Wanted, Which
from commonfab.node.designs import publishing
from commonfab.node.machines.settings import Machine, Material
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.errors import UsageError
from commonfab.protocol.limits import QUANTITY_MAX
from commonfab.protocol.records import Order
from tests.node.village import MANIFEST, a_home, a_machine, eventually, living, write_block

HERE: dict[str, Any] = {"design": "block", "lat": 45.7, "lon": 4.8}


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def a_workshop(folder: Path, *machines: Machine) -> AsyncGenerator[tuple[Node, OrdersApi]]:
    """Run a node with machines and the design of a block."""
    async with living(a_home(folder, "alice", *machines), MemoryNetwork()) as alice:
        await publishing.publish(alice, write_block(folder / "block"), say_nothing)
        await eventually(lambda: len(alice.library.view) == len(machines))
        yield alice, OrdersApi(alice, alice.library.designs.find)


def the_order(node: Node) -> Order:
    (state,) = node.buyer.orders()
    return state.order


async def test_a_plan_names_ways_and_a_profile_chooses_among_them(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, a_machine()) as (alice, api):
        ways = await api.plan(Wanted(**HERE, quantity=2), say_nothing)
        fast = await api.plan(Wanted(**HERE, quantity=2, profile="fast"), say_nothing)
        await api.order(Ordered(**HERE, quantity=2, profile="cheap+fast"), say_nothing)

        assert [way.makings[0].machine for way in ways.ways] == ["mk"]
        assert {"cheap", "fast", "cheap+fast"} <= {n for way in ways.ways for n in way.profiles}
        assert [way.profiles for way in fast.ways] == [("fast",)]
        assert the_order(alice).profile == "cheap+fast"
        assert not the_order(alice).whole


SOON = -1
REFUSED: list[tuple[dict[str, int | str], str]] = [
    ({"quantity": 0}, "an order is for 1 to 100000"),
    ({"quantity": -3}, "an order is for 1 to 100000"),
    ({"quantity": QUANTITY_MAX + 1}, "an order is for 1 to 100000"),
    ({"quantity": 1, "by": 1}, "that date is over"),
    ({"quantity": 1, "by": SOON}, "to make it fit: give it"),
    ({"quantity": 1, "profile": "slow"}, "slow: no such profile"),
]


@pytest.mark.rule("SCHED-27")
async def test_what_cannot_be_ordered_is_refused_with_the_reason_and_nothing_is_kept(
    tmp_path: Path,
) -> None:
    async with a_workshop(tmp_path, a_machine()) as (alice, api):
        for asked, why in REFUSED:
            fields: dict[str, Any] = HERE | asked  # Any: the fields of `Ordered`.
            if fields.get("by") == SOON:
                fields["by"] = clock.now() + 1_000
            with pytest.raises(UsageError, match=why):
                await api.order(Ordered(**fields), say_nothing)
            with pytest.raises(UsageError, match=why):
                await api.plan(Wanted(**fields), say_nothing)

        assert alice.buyer.orders() == []


@pytest.mark.rule("SCHED-27")
async def test_an_order_that_may_wait_says_for_what(tmp_path: Path) -> None:
    empty = a_machine(materials=(Material(material="PETG", grams=9, price_per_kg=20),))
    async with a_workshop(tmp_path, empty) as (alice, api):
        with pytest.raises(UsageError, match="has PETG, not PLA; to make it fit: load"):
            await api.order(Ordered(**HERE, quantity=1), say_nothing)

        placed = await api.order(Ordered(**HERE, quantity=1, wait=True), say_nothing)

        (job,) = placed.jobs
        assert job.state == "waiting"
        assert "mk at alice, has PETG, not PLA; to make it fit: load" in job.reason
        (again,) = await api.orders(Which(order=placed.id), say_nothing)
        assert again.jobs == placed.jobs
        assert alice.buyer.orders()


async def test_where_no_machine_is_known_there_is_nothing_to_plan_and_an_order_waits(
    tmp_path: Path,
) -> None:
    async with a_workshop(tmp_path) as (_, api):
        with pytest.raises(UsageError, match="no machine is known here; add one, or meet others"):
            await api.plan(Wanted(**HERE, quantity=1), say_nothing)

        placed = await api.order(Ordered(**HERE, quantity=1), say_nothing)

        assert placed.jobs[0].reason == "no known machine can make it"


TWO_PARTS = MANIFEST + MANIFEST[MANIFEST.index("\n[[part]]") :].replace('"block"', '"other"')


async def test_parts_that_fit_one_by_one_and_not_together_have_no_way(tmp_path: Path) -> None:
    slow = a_machine(speed=0.001)
    async with a_workshop(tmp_path, slow) as (alice, api):
        both = write_block(tmp_path / "both", manifest=TWO_PARTS.replace('"Block"', '"Both"'))
        record = (await publishing.publish(alice, both, say_nothing)).record
        one = Wanted(**HERE, quantity=1)
        two = structs.replace(one, design=record.id.hex())

        assert (await api.plan(one, say_nothing)).ways
        with pytest.raises(UsageError, match="no way to have 1 x Both made: each part fits some"):
            await api.plan(two, say_nothing)
