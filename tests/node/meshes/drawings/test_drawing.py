"""Drawings for a laser: what is cut and engraved, and what is refused."""

import math
from pathlib import Path

import pytest

from commonfab.node.meshes import measuring
from commonfab.node.meshes.drawings.drawing import measure_drawing
from commonfab.node.meshes.drawings.facts import DrawingFacts
from commonfab.node.meshes.formats import MeshRefused
from tests.node.meshes.drawings.drawing_files import (
    PLATE,
    circle,
    dxf,
    insert,
    line,
    pairs,
    self_multiplying_dxf,
    self_multiplying_svg,
    svg,
)

SQUARE = line(0, 0, 40, 0) + line(40, 0, 40, 20) + line(40, 20, 0, 20) + line(0, 20, 0, 0)


def facts_of(folder: Path, name: str, text: str) -> DrawingFacts:
    path = folder / name
    path.write_text(text)
    return measure_drawing(path, path.suffix[1:])


def test_an_svg_is_cut_where_it_has_strokes_and_engraved_where_it_only_has_fills(
    tmp_path: Path,
) -> None:
    facts = facts_of(tmp_path, "plate.svg", PLATE)

    assert facts == DrawingFacts(
        size_um=(100_000, 60_000),
        cut_mm=round(320 + 20 * math.pi),
        pierces=2,
        open_ends=0,
        engraved_mm2=50,
        texts=1,
        unit="mm",
    )


def test_a_dxf_counts_lines_that_join_as_one_cut(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, "plate.dxf", dxf(SQUARE + circle(20, 10, 5)))

    assert facts.size_um == (40_000, 20_000)
    assert facts.cut_mm == pytest.approx(120 + 10 * math.pi, abs=1)
    assert (facts.pierces, facts.open_ends, facts.unit) == (2, 0, "mm")


@pytest.mark.parametrize(
    ("unit", "said", "width_um"), [(1, "in", 1_016_000), (4, "mm", 40_000), (0, "", 40_000)]
)
def test_a_dxf_is_measured_in_its_unit_or_in_millimetres(
    tmp_path: Path, unit: int, said: str, width_um: int
) -> None:
    facts = facts_of(tmp_path, "plate.dxf", dxf(SQUARE, unit=unit))

    assert (facts.unit, facts.size_um[0]) == (said, width_um)


def test_an_svg_without_a_unit_is_measured_in_pixels_of_a_96th_inch(tmp_path: Path) -> None:
    bar = '<line x1="0" y1="0" x2="96" y2="0" stroke="red"/>'

    facts = facts_of(tmp_path, "bar.svg", svg(bar, head='width="96" height="96"'))

    assert (facts.unit, facts.size_um, facts.cut_mm) == ("px", (25_400, 0), 25)


def test_a_hole_in_an_engraved_area_is_left_out(tmp_path: Path) -> None:
    ring = '<path d="M0 0H20V20H0Z M5 5V15H15V5Z" fill="black"/>'

    assert facts_of(tmp_path, "ring.svg", svg(ring)).engraved_mm2 == 400 - 100


def test_what_is_moved_and_turned_by_its_group_is_measured_so(tmp_path: Path) -> None:
    bar = '<g transform="scale(2) rotate(90)"><path d="M0 0H10" stroke="red"/></g>'

    facts = facts_of(tmp_path, "bar.svg", svg(bar))

    assert (facts.size_um, facts.cut_mm) == ((0, 20_000), 20)


def test_a_cross_takes_two_cuts_and_has_four_loose_ends(tmp_path: Path) -> None:
    cross = line(0, 0, 5, 5) + line(5, 5, 10, 10) + line(0, 10, 5, 5) + line(5, 5, 10, 0)

    facts = facts_of(tmp_path, "cross.dxf", dxf(cross))

    assert (facts.pierces, facts.open_ends) == (2, 4)


def test_a_block_is_cut_as_often_as_it_is_inserted(tmp_path: Path) -> None:
    assert facts_of(tmp_path, "many.dxf", self_multiplying_dxf(2)).cut_mm == 141


BAD = {
    "no XML": ("a.svg", "<svg", "is not XML"),
    "another document": ("a.svg", "<html/>", "holds no <svg>"),
    "entities": ("a.svg", '<!DOCTYPE svg [<!ENTITY a "b">]>' + svg("&a;"), "document type"),
    "uses of uses": ("a.svg", self_multiplying_svg(9), "more than 100000 elements"),
    "a use of itself": (
        "a.svg",
        svg('<g id="a"><use xlink:href="#a"/></g>'),
        "without end|more than",
    ),
    "a nest": ("a.svg", svg("<g>" * 100 + "</g>" * 100), "nested more than 64"),
    "nothing": ("a.svg", svg(""), "holds no lines"),
    "no number": ("a.svg", svg('<path d="M0 0 L1e999 5" stroke="red"/>'), "measures|cannot be"),
    "too large": ("a.svg", svg('<path d="M0 0 H9000" stroke="red"/>'), "more than 5 m"),
    "no DXF": ("a.dxf", "hello\nworld\n", "cannot be read as DXF"),
    "a cut DXF": ("a.dxf", dxf(SQUARE)[:-60], "cannot be read as DXF"),
    "blocks of blocks": ("a.dxf", self_multiplying_dxf(9), "more than 100000 lines"),
    "a block in itself": (
        "a.dxf",
        dxf(
            insert("a"),
            blocks=pairs("0 BLOCK 8 0 2 a 70 0 10 0 20 0") + insert("a") + pairs("0 ENDBLK 8 0"),
        ),
        "nested more than 16",
    ),
    "no lines": ("a.dxf", dxf(""), "holds no lines"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_bad_drawing_is_refused_in_words(tmp_path: Path, case: tuple[str, str, str]) -> None:
    name, text, expected = case

    with pytest.raises(MeshRefused, match=expected):
        facts_of(tmp_path, name, text)


async def test_the_child_measures_drawings(tmp_path: Path) -> None:
    path = tmp_path / "plate.svg"
    path.write_text(PLATE)

    assert await measuring.measure_drawing(path) == measure_drawing(path, "svg")
    (tmp_path / "plate.dxf").write_text(dxf(SQUARE))
    assert (await measuring.measure_drawing(tmp_path / "plate.dxf")).cut_mm == 120


async def test_a_mesh_is_no_drawing(tmp_path: Path) -> None:
    with pytest.raises(MeshRefused, match=r"drawings are not taken as .stl"):
        await measuring.measure_drawing(tmp_path / "part.stl")
