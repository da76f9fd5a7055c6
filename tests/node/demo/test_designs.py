"""The designs that are shipped are real: complete, licensed, printable, and shown as they are."""

import io
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from commonfab.node.manifests.folder import read_design
from commonfab.node.meshes import load
from commonfab.scheduler.estimate import Profile, estimate
from commonfab.scheduler.geometry import measure

FOLDER = Path(__file__).parents[3] / "node" / "demo" / "designs"
DESIGNS = [FOLDER / "wall-hook"]
REQUIRED = {"okhv", "repo", "documentation-language", "readme"}


@pytest.fixture(params=DESIGNS, ids=lambda design: design.name)
def design(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def test_there_are_two_designs() -> None:
    assert sorted(design.name for design in FOLDER.iterdir()) == ["spectacles", "wall-hook"]


def test_its_manifest_is_whole_and_needs_no_repair(design: Path) -> None:
    manifest, files = read_design(design)

    assert manifest.form == "okh"
    assert manifest.findings == ()
    assert manifest.licence == "CERN-OHL-P-2.0"
    assert manifest.licensor == "commonfab contributors"
    assert set(manifest.document) >= REQUIRED
    assert manifest.image is not None
    assert len(files) == len(manifest.parts) == 1


def test_its_part_is_watertight_small_and_needs_no_supports(design: Path) -> None:
    manifest, files = read_design(design)
    part = manifest.parts[0]
    mesh = load.load(files[0], "stl")

    facts = measure(mesh.vertices, mesh.faces)

    assert files[0].stat().st_size < 200_000
    assert (facts.watertight, facts.bodies) == (True, 1)
    assert not part.supports
    assert facts.overhang_mm2 < 0.03 * facts.area_mm2
    assert facts.bed_mm2 > 200
    assert float(mesh.vertices[:, 2].min()) == 0.0


def test_its_manifest_tells_the_size_and_mass_that_its_mesh_has(design: Path) -> None:
    manifest, files = read_design(design)
    part = manifest.parts[0]
    mesh = load.load(files[0], "stl")
    facts = measure(mesh.vertices, mesh.faces)
    assert part.infill_percent is not None
    assert part.shell_mm is not None
    profile = Profile(infill=part.infill_percent / 100, walls=round(part.shell_mm / 0.45))

    guess = estimate(facts, process=part.process, material=part.material, profile=profile)

    size = cast("dict[str, object]", manifest.document["outer-dimensions"])
    told = [float(str(size[key])) for key in ("width", "depth", "height")]
    assert told == pytest.approx([extent / 1000 for extent in facts.bbox_um], abs=0.1)
    assert part.mass_mg == pytest.approx(guess.mass_mg, rel=0.1)


def test_its_picture_is_small_and_shows_something(design: Path) -> None:
    manifest, _ = read_design(design)
    assert manifest.image is not None
    content = (design / manifest.image).read_bytes()

    image = Image.open(io.BytesIO(content))

    assert len(content) < 60_000
    assert image.size == (640, 480)
    assert np.asarray(image).std() > 20


def test_it_comes_with_its_source_and_a_readme_that_shows_the_picture(design: Path) -> None:
    manifest, _ = read_design(design)

    assert f"]({manifest.image})" in (design / "README.md").read_text()
    assert all((design / path).is_file() for path in manifest.parts[0].sources)
