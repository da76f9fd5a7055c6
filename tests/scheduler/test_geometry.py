"""Mesh facts against solids whose volume, area and faces are known from school."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.geometry import MeshFacts, measure, weld
from tests.scheduler.solids import (
    Solid,
    box,
    cone,
    cylinder,
    inside_out,
    moved,
    revolved,
    sphere,
    together,
)

TABLE = together(moved(box(40, 30, 5), (0, 0, 20)), moved(box(10, 10, 20), (15, 10, 0)))
"""A plate on a leg: most of the plate hangs over."""


def facts_of(solid: Solid) -> MeshFacts:
    return measure(solid.vertices, solid.faces)


def test_a_box_has_the_facts_of_a_box() -> None:
    assert facts_of(box(10, 20, 30)) == MeshFacts(
        bbox_um=(10_000, 20_000, 30_000),
        volume_mm3=6000,
        area_mm2=2200,
        triangles=12,
        watertight=True,
        bodies=1,
        side_mm2=1800,
        up_mm2=200,
        down_mm2=200,
        overhang_mm2=0,
        overhang_mm3=0,
        bed_mm2=200,
    )


@pytest.mark.parametrize(
    ("solid", "volume", "area"),
    [
        (sphere(30), math.pi / 6 * 30**3, math.pi * 30**2),
        (cylinder(20, 15), math.pi * 10**2 * 15, 2 * math.pi * 10 * (10 + 15)),
        (cone(20, 10), math.pi * 10**2 * 10 / 3, math.pi * 10 * (10 + math.sqrt(200))),
    ],
)
def test_round_solids_have_the_volume_and_area_of_the_formulas(
    solid: Solid, volume: float, area: float
) -> None:
    facts = facts_of(solid)

    assert facts.volume_mm3 == pytest.approx(volume, rel=0.003)
    assert facts.area_mm2 == pytest.approx(area, rel=0.003)
    assert facts.watertight
    assert facts.bodies == 1


def test_a_plate_on_a_leg_hangs_over_by_its_plate_without_the_leg() -> None:
    facts = facts_of(TABLE)

    assert facts.bodies == 2
    assert facts.bed_mm2 == 100
    assert facts.overhang_mm2 == 1200
    assert facts.overhang_mm3 == 1200 * 20


@pytest.mark.parametrize(("lean", "hangs"), [(0.9, False), (1.1, True)])
def test_a_wall_hangs_over_once_it_leans_out_further_than_45_degrees(
    lean: float, hangs: bool
) -> None:
    funnel = revolved([(10.0, 0.0), (10.0 + 10.0 * lean, 10.0)], 90)

    assert (facts_of(funnel).overhang_mm2 > 0) is hangs
    assert facts_of(funnel).bed_mm2 == pytest.approx(math.pi * 10**2, abs=1)


def test_a_missing_face_makes_a_mesh_not_watertight() -> None:
    whole = box(10, 10, 10)

    assert not measure(whole.vertices, whole.faces[1:]).watertight


def test_a_face_turned_over_makes_a_mesh_not_watertight() -> None:
    faces = box(10, 10, 10).faces.copy()
    faces[3] = faces[3, ::-1]

    assert not measure(box(10, 10, 10).vertices, faces).watertight


def test_boxes_that_share_an_edge_are_watertight() -> None:
    first, second = box(10, 10, 10), moved(box(10, 10, 10), (10, 10, 0))
    both = together(first, second)
    # The second box's edge at x = y = 10 takes the first box's two corners there.
    faces = np.where(both.faces == 8, 3, np.where(both.faces == 12, 7, both.faces))

    facts = measure(both.vertices, faces)

    assert facts.watertight
    assert (facts.volume_mm3, facts.bodies) == (2000, 1)


def test_a_mesh_that_is_inside_out_has_the_same_facts() -> None:
    assert facts_of(inside_out(TABLE)) == facts_of(TABLE)


def test_a_hollow_counts_as_a_body_and_is_taken_from_the_volume() -> None:
    hollow = together(box(10, 10, 10), inside_out(moved(box(4, 4, 4), (3, 3, 3))))

    facts = facts_of(hollow)

    assert (facts.volume_mm3, facts.bodies, facts.watertight) == (1000 - 64, 2, True)


def test_a_vertex_that_no_face_uses_is_not_measured() -> None:
    solid = box(10, 10, 10)
    vertices = np.concatenate([solid.vertices, [[500.0, 0.0, 0.0]]])

    assert measure(vertices, solid.faces) == facts_of(solid)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32))
def test_bodies_are_counted_in_whatever_order_faces_and_vertices_come(
    count: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    solid = together(*(moved(box(1, 1, 1), (2.0 * i, 0, 0)) for i in range(count)))
    order = random.permutation(8 * count)
    vertices = np.empty_like(solid.vertices)
    vertices[order] = solid.vertices
    faces = order[solid.faces]
    rows = random.permutation(len(faces))

    assert measure(vertices, faces[rows]).bodies == count


@settings(deadline=None)
@given(
    st.tuples(*[st.floats(-1000, 1000)] * 3),
    st.tuples(*[st.integers(1, 500)] * 3),
)
def test_where_a_mesh_lies_changes_none_of_its_facts(
    place: tuple[float, float, float], size: tuple[int, int, int]
) -> None:
    solid = box(*size)

    assert facts_of(moved(solid, place)) == facts_of(solid)


def test_a_strip_of_ten_thousand_faces_is_one_body() -> None:
    count = 10_000
    corners = [(i / 10.0, float(i % 2), 0.1 * (i % 3)) for i in range(count + 2)]
    faces = np.array([(i, i + 1, i + 2) for i in range(count)])

    assert measure(np.array(corners), faces).bodies == 1


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_welding_joins_corners_that_coincide_and_no_others(seed: int) -> None:
    random = np.random.default_rng(seed)
    solid = cylinder(30, 10)
    loose = solid.vertices[solid.faces].reshape(-1, 3)
    loose = loose + random.uniform(-1e-12, 1e-12, loose.shape)

    vertices, faces = weld(loose, np.arange(len(loose)).reshape(-1, 3))

    assert len(vertices) == len(solid.vertices)
    assert np.abs(vertices[faces].reshape(-1, 3) - loose).max() < 1e-9
    assert measure(vertices, faces) == facts_of(solid)
