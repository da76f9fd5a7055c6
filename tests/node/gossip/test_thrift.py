"""What is dropped as the day's budget is used up."""

from pathlib import Path

import msgspec
import pytest

from commonfab.node import clock
from commonfab.node.gossip.thrift import Thrift, subset_at, topics_at
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.network.metering import Traffic
from commonfab.node.node import Node
from commonfab.protocol.gossip.areas import WORLD, area_of, heard_at
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.sync.subset import ALL, Subset
from tests.node.village import a_home, living
from tests.simulation.broadcast_world import LYON

EVERYTHING = heard_at([LYON])


@pytest.mark.parametrize(
    ("percent", "heard"),
    [
        (0, EVERYTHING),
        (59, EVERYTHING),
        (60, EVERYTHING - {WORLD}),
        (80, {area_of(LYON)}),
        (99, {area_of(LYON)}),
        (100, set[int]()),
        (900, set[int]()),
    ],
)
def test_the_world_goes_first_then_the_areas_around_then_all(percent: int, heard: set[int]) -> None:
    assert topics_at(LYON, percent) == heard


def thrift_of(node: Node, budget_mb: int, traffic: Traffic | None = None) -> Thrift:
    moved = traffic or node.traffic
    return Thrift(LYON, budget_mb, moved, node.gossip, node.syncing, node.library, node.journal)


@pytest.mark.parametrize(
    ("percent", "areas"),
    [(60, EVERYTHING - {WORLD}), (80, {area_of(LYON)}), (900, {area_of(LYON)})],
)
def test_what_is_not_heard_any_more_is_not_synced_either(percent: int, areas: set[int]) -> None:
    assert subset_at(LYON, percent) == Subset(areas=tuple(sorted(areas)))


async def test_a_node_syncs_all_again_when_the_day_is_over(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        thrift = thrift_of(alice, budget_mb=1)
        alice.traffic.count(NodeId(b"b" * 32), "gossip", 400_000, 300_000)
        await thrift.look()
        spare = alice.syncing.subset
        yesterday = {"day": clock.now() // DAY_MS - 1, "bytes": 700_000}
        await alice.library.keep_notes({"traffic of the day": msgspec.msgpack.encode(yesterday)})
        await thrift_of(alice, budget_mb=2).look()

        assert spare.areas
        assert alice.syncing.subset == ALL


async def test_what_was_used_is_remembered_for_the_day_and_said(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        thrift = thrift_of(alice, budget_mb=1)
        alice.traffic.count(NodeId(b"b" * 32), "gossip", 400_000, 300_000)
        await thrift.look()
        (warning,) = [text for text in alice.journal.warnings() if "budget" in text]
        alice.traffic.count(NodeId(b"b" * 32), "gossip", 0, 5)
        after_restart = thrift_of(alice, budget_mb=1, traffic=Traffic())

        assert thrift.today_bytes == 700_005, "also what came since it looked"
        assert "60 % of the day's network budget" in warning
        assert after_restart.today_bytes == 700_000


async def test_a_new_day_begins_with_nothing_used(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        yesterday = {"day": clock.now() // DAY_MS - 1, "bytes": 5_000_000}
        await alice.library.keep_notes({"traffic of the day": msgspec.msgpack.encode(yesterday)})
        thrift = thrift_of(alice, budget_mb=1)

        await thrift.look()

        assert thrift.today_bytes == alice.traffic.ever.both
        assert not [text for text in alice.journal.warnings() if "budget" in text]
