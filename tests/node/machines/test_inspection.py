"""Whether a part is what it is said to be, before a machine makes it."""

from pathlib import Path

import trio
from msgspec import structs

from commonfab.node.designs import publishing
from commonfab.node.machines.inspection import fault_of
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.protocol.records import Design
from tests.node.village import MANIFEST, a_home, living, write_block


async def test_a_part_is_made_only_under_the_licence_and_in_the_size_of_its_design(
    tmp_path: Path,
) -> None:
    folder = write_block(tmp_path / "block", manifest=MANIFEST + "nozzle-mm = 0.4\n")
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        design = (await publishing.publish(alice, folder, _say_nothing)).record.body
        assert isinstance(design, Design)
        part = design.parts[0]
        free = structs.replace(part, licence="")
        long = structs.replace(part, bbox_um=(21_000, 20_000, 20_000))
        faults = [await fault_of(alice.shelf, design, each, []) for each in (part, free, long)]

    assert (part.licence, part.nozzle_um) == ("CC0-1.0", 400)
    assert faults == [
        "",
        "block of Block is under CC0-1.0, not under none",
        "block.stl is not what was asked for: 21 mm along x were said, 20 mm measured",
    ]


async def _say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()
