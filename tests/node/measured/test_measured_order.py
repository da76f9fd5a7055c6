"""An order of a part that is made to measure, between whole nodes, and what is left of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from commonfab.node.api.orders import Choosable, Ordered, OrdersApi
from commonfab.node.designs import publishing
from commonfab.node.manifests.okh import ManifestPart
from commonfab.node.measured import fitting
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.errors import UsageError
from commonfab.protocol.records import Acceptance, Offer, Receipt
from commonfab.scheduler.geometry import MeshFacts
from tests.node.measured.measured_block import write_measured
from tests.node.village import a_home, a_machine, eventually, living, write_block
from tests.peers import need_program

HERE: dict[str, Any] = {"design": "block", "quantity": 1, "lat": 45.7, "lon": 4.8}


@pytest.fixture(autouse=True)
def _programs() -> None:
    need_program("bwrap")
    need_program("openscad")


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def a_town(folder: Path, design: Path) -> AsyncGenerator[tuple[Node, OrdersApi, Node]]:
    """Run Alice, who orders, and Bob, whose machine it is; Alice has published the design."""
    network = MemoryNetwork()
    bob_home = a_home(folder, "bob", a_machine())
    async with living(a_home(folder, "alice"), network) as alice, living(bob_home, network) as bob:
        await alice.transport.connect(bob.transport.addresses()[0])
        await eventually(lambda: len(alice.library.view) == 1)
        await publishing.publish(alice, design, say_nothing)
        yield alice, OrdersApi(alice, alice.library.designs.find), bob


def secrets_of(node: Node) -> list[str]:
    return [path.name for path in node.home.measured.rglob("*") if path.is_file()]


@pytest.mark.rule("MEASURES-5")
async def test_a_part_is_made_to_measure_and_the_measures_are_forgotten(tmp_path: Path) -> None:
    async with a_town(tmp_path, write_measured(tmp_path / "block")) as (alice, api, bob):
        line = await api.order(Ordered(**HERE, chosen={"pd": "23.4375", "deep": "12"}), say_nothing)
        await eventually(lambda: alice.buyer.orders()[0].is_over())
        await eventually(lambda: not bob.owner.slots())
        await eventually(lambda: secrets_of(alice) == secrets_of(bob) == [])

        assert alice.buyer.orders()[0].pieces_made() == 1
        taken = [record.body for record in bob.library.find("acceptance", alice.me)]
        assert taken
        assert all(isinstance(body, Acceptance) and body.measures for body in taken)
        assert len(line.jobs) == 1
    for home in (alice.home, bob.home):
        for path in home.path.rglob("*"):
            assert not (path.is_file() and b"23.4375" in path.read_bytes()), path


@pytest.mark.rule("MEASURES-2")
async def test_of_a_part_that_is_none_to_measure_nothing_is_chosen_and_no_key_is_offered(
    tmp_path: Path,
) -> None:
    async with a_town(tmp_path, write_block(tmp_path / "block")) as (alice, api, bob):
        with pytest.raises(UsageError, match="is not made to measure"):
            await api.order(Ordered(**HERE, chosen={"pd": "5"}), say_nothing)
        await api.order(Ordered(**HERE), say_nothing)
        await eventually(lambda: alice.buyer.orders()[0].is_over())

        (offer,) = alice.library.find("offer", bob.me)
        assert isinstance(offer.body, Offer)
        assert offer.body.seal_key is None
        assert secrets_of(bob) == []


async def test_measures_that_the_design_refuses_fail_the_job_and_are_not_told_in_the_receipt(
    tmp_path: Path,
) -> None:
    design = write_measured(tmp_path / "block", 'assert(pd < 30, "too wide"); cube(pd);')
    async with a_town(tmp_path, design) as (alice, api, bob):
        await api.order(Ordered(**HERE, chosen={"pd": "40.125"}), say_nothing)

        await eventually(lambda: alice.library.find("receipt", bob.me))
        receipt = alice.library.find("receipt", bob.me)[0]
        assert isinstance(receipt.body, Receipt)
        assert receipt.body.statement == "failed"
        assert receipt.body.reason == (
            "cannot be made to measure: the design's source refuses these measures"
        )


FACTS = MeshFacts(
    bbox_um=(30_000, 20_000, 10_000),
    volume_mm3=6_000,
    area_mm2=2_200,
    triangles=12,
    watertight=True,
    bodies=1,
    side_mm2=1_000,
    up_mm2=600,
    down_mm2=600,
    overhang_mm2=0,
    overhang_mm3=0,
    bed_mm2=600,
)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"watertight": False}, "not watertight"),
        ({"volume_mm3": 7_001}, "much more material than the offer"),
        ({"bbox_um": (10_000, 10_000, 30_001)}, "does not fit the machine"),
    ],
)
def test_a_generated_part_that_is_not_what_was_promised_is_refused(
    changes: dict[str, Any], why: str
) -> None:
    room = (20_000, 30_000, 30_000)
    fitting.check_facts(FACTS, 5_000, room)

    with pytest.raises(UsageError, match=why):
        fitting.check_facts(replace(FACTS, **changes), 5_000, room)


async def test_what_may_be_chosen_is_told_and_what_may_not_is_refused(tmp_path: Path) -> None:
    async with a_town(tmp_path, write_measured(tmp_path / "block")) as (alice, api, _):
        told = await api.measures(Choosable(design="block"), say_nothing)

        assert [(one.name, one.limits, one.example) for one in told] == [
            ("pd", "10 to 90 mm", "20"),
            ("deep", "10 to 90", "20"),
        ]
        for chosen, why in (
            ({}, "is made to measure: order it with --measure"),
            ({"pd": "5"}, "pd is 5; choose 10 to 90 mm"),
            ({"deep": "21"}, "no deeper than wide"),
            ({"nose": "1"}, "no such parameter"),
        ):
            with pytest.raises(UsageError, match=why):
                await api.order(Ordered(**HERE, chosen=chosen), say_nothing)
        assert alice.buyer.orders() == []
        assert secrets_of(alice) == []


async def test_a_workshop_without_openscad_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "PROGRAMS", ("bwrap", "no-openscad"))
    async with a_town(tmp_path, write_measured(tmp_path / "block")) as (alice, api, _):
        await api.order(Ordered(**HERE, chosen={"pd": "30"}), say_nothing)

        (job,) = alice.buyer.orders()[0].jobs
        await eventually(
            lambda: any("no-openscad: not on this" in why for why in job.refusals.values())
        )


async def test_a_design_that_nobody_could_make_to_measure_is_not_published(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        for number, (old, new, why) in enumerate(
            [
                ('parameters = "parameters.json"', "", "measured, but .* names no parameters"),
                ('"parameters.json"', '"../parameters.json"', "leads out of it"),
                ('"parameters.json"', '"block.stl"', "cannot be read"),
            ]
        ):
            folder = write_measured(tmp_path / str(number))
            (folder / "okh.toml").write_text((folder / "okh.toml").read_text().replace(old, new))
            with pytest.raises(UsageError, match=why):
                await publishing.publish(alice, folder, say_nothing)

        assert alice.library.find("design", alice.me) == []


@pytest.mark.parametrize(
    ("source", "why"),
    [("block.stl", "none of its sources is a .scad file"), ("my block.scad", "plain letters")],
)
def test_a_source_that_cannot_be_generated_is_refused(source: str, why: str) -> None:
    part = ManifestPart(name="block", process="", material="", sources=(source,), measured=True)

    with pytest.raises(UsageError, match=why):
        publishing.source_of(part)
