"""Parts made by the real OpenSCAD from what was chosen; the spectacles among them."""

from pathlib import Path

import pytest

from commonfab.node.manifests.folder import read_design
from commonfab.node.measured.generating import NotGenerated, generate
from commonfab.node.measured.parameters import Parameters, Value
from commonfab.node.meshes.measuring import measure_mesh
from tests.peers import need_program

SPECTACLES = Path(__file__).parents[3] / "node" / "demo" / "designs" / "spectacles"


@pytest.fixture(autouse=True)
def _programs() -> None:
    need_program("bwrap")
    need_program("openscad")


def write(folder: Path, **sources: str) -> Path:
    design = folder / "design"
    design.mkdir()
    for name, text in sources.items():
        (design / f"{name}.scad").write_text(text)
    return design


async def test_what_was_chosen_takes_the_place_of_what_the_source_says(tmp_path: Path) -> None:
    design = write(
        tmp_path,
        sizes='pd = 10; side = "left"; long = false;',
        bar='include <sizes.scad>\ncube([pd, side == "right" ? 3 : 1, long ? 8 : 2]);',
    )
    chosen: dict[str, Value] = {"pd": 12.5, "side": "right", "long": True}

    await generate(design, "bar.scad", chosen, tmp_path / "bar.stl")

    assert (await measure_mesh(tmp_path / "bar.stl")).bbox_um == (12_500, 3_000, 8_000)


async def test_a_text_stays_a_text(tmp_path: Path) -> None:
    design = write(tmp_path, bar='word = ""; cube([len(word), 1, 1]);')

    await generate(design, "bar.scad", {"word": '"]; cube(99); "\\'}, tmp_path / "bar.stl")

    assert (await measure_mesh(tmp_path / "bar.stl")).bbox_um == (16_000, 1_000, 1_000)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('pd = 1; assert(pd < 10, "too wide for a face"); cube(pd);', "too wide for a face"),
        ("cube(", "Parser error|parse"),
        ('import("/etc/passwd"); cube([0, 0, 0]);', "ended with 1"),
        ("function f(n) = f(n + 1) + 1; cube(f(1));", "ended with|memory|broke off"),
    ],
)
async def test_a_source_that_fails_is_told_with_its_reason(
    tmp_path: Path, source: str, why: str
) -> None:
    design = write(tmp_path, bar=source)

    with pytest.raises(NotGenerated, match=rf"bar\.scad: .*({why})"):
        await generate(design, "bar.scad", {"pd": 64}, tmp_path / "bar.stl")

    assert not (tmp_path / "bar.stl").exists()


@pytest.mark.parametrize("source", ["../x.scad", "/x.scad", "a b.scad", "x.scad>", "-o.scad", "x"])
async def test_a_source_whose_name_could_mean_something_else_is_refused(
    tmp_path: Path, source: str
) -> None:
    with pytest.raises(NotGenerated, match="plain letters"):
        await generate(tmp_path, source, {}, tmp_path / "bar.stl")


async def test_the_spectacles_follow_their_wearers_measures(tmp_path: Path) -> None:
    parameters = Parameters((SPECTACLES / "parameters.json").read_bytes())
    chosen = parameters.read({"temple_length": "125", "pd": "60", "lens_width": "42"})

    await generate(SPECTACLES, "temple.scad", chosen, tmp_path / "temple.stl")
    await generate(SPECTACLES, "front.scad", chosen, tmp_path / "front.stl")

    example = await measure_mesh(SPECTACLES / "temple.stl")
    temple = await measure_mesh(tmp_path / "temple.stl")
    front = await measure_mesh(tmp_path / "front.stl")
    assert temple.bbox_um[0] == example.bbox_um[0] - 15_000
    assert front.bbox_um[0] == round(1000 * (60 + 42 + 2 * 3.2 + 4 * 3.6))
    assert temple.watertight
    assert front.watertight
    assert (temple.bodies, front.bodies) == (1, 1)


async def test_the_files_of_the_spectacles_are_what_their_sources_give(tmp_path: Path) -> None:
    parameters = Parameters((SPECTACLES / "parameters.json").read_bytes())

    for name in ("temple", "pin"):
        mesh = tmp_path / f"{name}.stl"
        await generate(SPECTACLES, f"{name}.scad", parameters.defaults, mesh)

        made, shipped = await measure_mesh(mesh), await measure_mesh(SPECTACLES / f"{name}.stl")
        assert made.bbox_um == pytest.approx(shipped.bbox_um, abs=2)
        assert made.volume_mm3 == pytest.approx(shipped.volume_mm3, abs=1)


def test_the_spectacles_are_whole_and_need_no_repair() -> None:
    manifest, files = read_design(SPECTACLES)

    assert manifest.findings == ()
    assert manifest.licence == "CERN-OHL-S-2.0"
    assert manifest.parameters == "parameters.json"
    assert [(part.name, part.quantity, part.measured) for part in manifest.parts] == [
        ("front", 1, True),
        ("temple", 2, True),
        ("hinge pin", 2, False),
    ]
    assert [file.name for file in files] == ["front.stl", "temple.stl", "pin.stl"]


@pytest.mark.parametrize("name", ["front", "temple", "pin"])
async def test_each_part_of_the_spectacles_is_solid_and_prints_without_supports(name: str) -> None:
    facts = await measure_mesh(SPECTACLES / f"{name}.stl")

    assert facts.watertight
    assert facts.bodies == 1
    assert facts.overhang_mm2 < 0.03 * facts.area_mm2
    assert facts.bed_mm2 >= 10
