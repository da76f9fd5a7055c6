"""Sections and columns of solids whose shape is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.shape import COLUMNS, SECTIONS, SECTIONS_MIN, Shape, outline
from tests.scheduler.solids import Solid, box, cone, cylinder, moved, sphere, together


def shape_of(solid: Solid) -> Shape:
    return outline(solid.vertices, solid.faces)


@settings(deadline=None)
@given(x=st.floats(2, 90), y=st.floats(2, 90), z=st.floats(2, 90))
def test_each_section_of_a_box_is_its_rectangle(x: float, y: float, z: float) -> None:
    shape = shape_of(box(x, y, z))

    assert shape.areas_mm2 == pytest.approx([x * y] * SECTIONS, rel=1e-3)
    assert shape.outlines_mm == pytest.approx([2 * (x + y)] * SECTIONS, rel=1e-3)
    assert set(shape.loops) == {1}
    assert set(shape.corners) == {4}
    assert shape.turns_rad == pytest.approx([2 * math.pi] * SECTIONS, abs=0.01)


def test_columns_through_a_box_go_from_its_bottom_to_its_top_and_end_beside_nothing() -> None:
    shape = shape_of(box(20, 20, 7))

    assert len(shape.solids) == COLUMNS**2
    assert set(shape.solids) == {(-1.0, 0.0, 7.0, 0.0, 0.0, 0, 0)}
    assert shape.column_mm2 == pytest.approx(400 / COLUMNS**2)


@pytest.mark.parametrize("solid", [sphere(31), cone(28.2, 25), cylinder(28.2, 25)])
def test_sections_and_columns_hold_the_volume_of_round_solids(solid: Solid) -> None:
    shape = shape_of(solid)
    a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
    volume = float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6

    assert sum(shape.areas_mm2) * shape.slab_mm == pytest.approx(volume, rel=0.01)
    columns = sum(top - bottom for _, bottom, top, *_ in shape.solids) * shape.column_mm2
    assert columns == pytest.approx(volume, rel=0.02)


def test_a_table_hangs_over_the_bed_and_its_leg_goes_on_past_its_lower_face() -> None:
    table = together(moved(box(40, 40, 5), (0, 0, 20)), moved(box(10, 10, 20), (15, 15, 0)))
    shape = shape_of(table)

    hanging = [solid for solid in shape.solids if solid[:2] == (-1.0, 20.0)]

    assert len(hanging) * shape.column_mm2 == pytest.approx(40 * 40 - 10 * 10, rel=0.05)
    assert any(solid[5] > 0 for solid in hanging), "the leg is beside"


def test_a_part_with_many_small_faces_gets_fewer_sections() -> None:
    towers = together(*(moved(cylinder(2, 30), (3.0 * i, 0, 0)) for i in range(60)))

    shape = shape_of(towers)

    assert SECTIONS_MIN <= len(shape.areas_mm2) < SECTIONS
    assert len(shape.areas_mm2) == len(shape.loops) == len(shape.turns_rad)
    assert shape.loops[0] == 60
