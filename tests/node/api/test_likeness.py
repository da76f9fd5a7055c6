"""Which known parts are like a part, at a node that published some."""

from pathlib import Path

import numpy as np
import pytest

from commonfab.node.api.likeness import Alike, find
from commonfab.node.designs.publishing import publish
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.protocol.errors import UsageError
from tests.node.meshes.mesh_files import binary_stl
from tests.node.village import a_home, living
from tests.scheduler.solids import Solid, box, cone, cylinder


async def say(_what: object) -> None:
    """Nobody listens."""


def written(folder: Path, name: str, solid: Solid) -> Path:
    path = folder / f"{name}.stl"
    path.write_bytes(binary_stl(solid))
    return path


async def test_the_parts_most_like_a_file_or_a_design_are_told_first(tmp_path: Path) -> None:
    solids = {"brick": box(30, 20, 10), "beam": box(60, 9, 9), "hat": cone(20, 20)}
    turned = Solid(box(60, 40, 20).vertices @ np.eye(3)[[2, 0, 1]], box(60, 40, 20).faces)
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        records = {
            name: (await publish(node, written(tmp_path, name, solid), say)).record
            for name, solid in solids.items()
        }

        by_file = await find(node, Alike(file=str(written(tmp_path, "copy", turned))))
        by_design = await find(node, Alike(design="brick", limit=1))
        with pytest.raises(UsageError, match="no such design"):
            await find(node, Alike(design="rod"))

    first, second = by_file.lines[:2]
    assert (first.to, first.name, first.author_name) == ("copy.stl", "brick", "Forge")
    assert first.likeness >= 98 > 90 > second.likeness
    assert by_file.compared == 3
    assert len(by_design.lines) == 1
    assert by_design.lines[0].design != records["brick"].id.hex()
    assert by_design.compared == 2


async def test_a_design_that_is_no_mesh_is_asked_for_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "lamp"
    folder.mkdir()
    (folder / "plate.dxf").write_text("0")
    (folder / "okh.toml").write_text(
        'okhv = "OKH-LOSHv1.0"\nname = "Lamp"\nrepo = "https://example.org"\nlicense = "MIT"\n'
        'licensor = "A"\nfunction = "Shines."\nversion = "1"\n[[part]]\nname = "plate"\n'
        'source = ["plate.dxf"]\nseconds = 60\nprocess = "laser-cutting"\nmaterial = "wood"\n'
    )
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        await publish(node, folder, say)
        await publish(node, written(tmp_path, "pin", cylinder(5, 20)), say)

        with pytest.raises(UsageError, match="the form of none of its parts is known"):
            await find(node, Alike(design="Lamp"))
