"""What an operator sets for the own node holds in a real order: whom it asks, and what it draws."""

import re
from pathlib import Path
from typing import Any

import pytest
import trio

from commonfab.node.api.orders import Ordered, OrdersApi
from commonfab.node.designs import publishing
from commonfab.node.home.folder import Home
from commonfab.node.machines.settings import Machine, Material
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.protocol.errors import UsageError
from tests.node.village import a_home, a_machine, eventually, living, write_block

BLOCKS: dict[str, Any] = {"design": "block", "lat": 45.7, "lon": 4.8}


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


def a_house(folder: Path, name: str, *machines: Machine, **settings: str) -> Home:
    """Found a node whose file has these lines for others, and more at its end."""
    home = a_home(folder, name, *machines)
    text = home.config.read_text() + settings.pop("end", "")
    for usual, own in settings.items():
        changed = re.sub(f"^(# )?{usual} = .*$", own, text, count=1, flags=re.MULTILINE)
        assert changed != text
        text = changed
    home.config.write_text(text)
    return home


async def test_an_order_by_a_profile_of_the_own_keeps_to_its_bounds(tmp_path: Path) -> None:
    network = MemoryNetwork()
    rules = (
        "[profile.neighbours]\ndistance_max_km = 50\n"
        "[profile.friends]\ntrust_floor = 0.5\ndistance_max_km = 1000\n"
    )
    near, far = a_machine("near", price_per_hour=9.0), a_machine("far", price_per_hour=0.1)
    async with (
        living(a_house(tmp_path, "alice", end=rules), network) as alice,
        living(a_house(tmp_path, "bob", near), network) as bob,
        living(a_house(tmp_path, "carol", far, lat="lat = 48.7"), network) as carol,
    ):
        for other in (bob, carol):
            await alice.transport.connect(other.transport.addresses()[0])
        await publishing.publish(alice, write_block(tmp_path / "block"), say_nothing)
        await eventually(lambda: len(alice.library.view) == len(alice.library.workshops) - 1 == 2)
        api = OrdersApi(alice, alice.library.designs.find)

        with pytest.raises(UsageError, match=r"has standing 0\.25, below the 0\.50 that is asked"):
            await api.order(Ordered(**BLOCKS, quantity=1, profile="friends"), say_nothing)
        await api.order(Ordered(**BLOCKS, quantity=1, profile="neighbours"), say_nothing)

        (order,) = alice.buyer.orders()
        await eventually(order.is_over)
        (told,) = alice.explaining.told(order.order)
        assert [each.owner for each in order.jobs[0].attempts] == [bob.me]
        assert [each.machine for each in told.best] == ["near"]
        assert "beyond the 50 km that are allowed" in told.others[0].note


async def test_machines_that_would_blow_the_fuse_together_run_one_after_the_other(
    tmp_path: Path,
) -> None:
    for_one = (Material(material="PLA", grams=5, price_per_kg=20),)
    machines = [a_machine(name, power_w=100, materials=for_one) for name in ("one", "two")]
    async with living(
        a_house(tmp_path, "alice", *machines, grid_w="grid_w = 150"), MemoryNetwork()
    ) as alice:
        await publishing.publish(alice, write_block(tmp_path / "block"), say_nothing)
        await eventually(lambda: len(alice.library.view) == 2)
        api = OrdersApi(alice, alice.library.designs.find)

        with alice.journal.watched() as happening:
            await api.order(Ordered(**BLOCKS, quantity=2), say_nothing)
            (order,) = alice.buyer.orders()
            await eventually(order.is_over)
            told = [
                happening.receive_nowait()
                for _ in range(happening.statistics().current_buffer_used)
            ]

        assert [job.pieces for job in order.order.jobs] == [1, 1]
        runs = [each for each in told if each.what in ("job_started", "job_ended")]
        assert [each.what for each in runs] == ["job_started", "job_ended"] * 2
        assert {each.fields["machine"] for each in runs} == {"one", "two"}
