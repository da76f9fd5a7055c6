"""What a form tells of solids whose walls, gaps, poses and seams are plain to see."""

import numpy as np
import pytest

from commonfab.scheduler.form.findings import Finding, find
from commonfab.scheduler.form.form import Form, study
from commonfab.scheduler.form.poses import AIMS, best, hull_of
from commonfab.scheduler.geometry import measure
from tests.scheduler.solids import (
    Solid,
    box,
    cone,
    cylinder,
    inside_out,
    moved,
    sphere,
    together,
)

TABLE = together(moved(box(40, 30, 5), (0, 0, 20)), moved(box(10, 10, 20), (15, 10, 0)))
TUB = together(box(40, 40, 30), inside_out(moved(box(38.6, 38.6, 29.3), (0.7, 0.7, 0.35))))
"""A closed box with walls of 0.7 mm, and 0.35 mm above and below."""
FORK = together(box(40, 4, 4), moved(box(40, 4, 4), (0, 4.6, 0)))


def form_of(solid: Solid) -> Form:
    return study(*solid, measure(*solid))


def found_in(solid: Solid) -> dict[str, Finding]:
    return {each.kind: each for each in find(measure(*solid), form_of(solid))}


def tilted(solid: Solid) -> Solid:
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    return Solid(solid.vertices @ (turn * np.sign(np.linalg.det(turn))).T, solid.faces)


@pytest.mark.parametrize(
    ("solid", "wall_um"),
    [(box(10, 20, 30), 10_000), (TUB, 350), (cylinder(20, 3), 3000), (tilted(box(9, 2, 9)), 2000)],
)
def test_the_thinnest_wall_is_found_and_where_it_is(solid: Solid, wall_um: int) -> None:
    wall = form_of(solid).wall

    assert wall is not None
    assert wall.um == pytest.approx(wall_um, abs=2)
    low, high = solid.vertices.min(axis=0) * 1000 - 1, solid.vertices.max(axis=0) * 1000 + 1
    assert ((low <= wall.place) & (wall.place <= high)).all()


def test_a_gap_between_pieces_is_the_smallest_feature() -> None:
    form = form_of(FORK)

    assert form.gap is not None
    assert form.gap.um == pytest.approx(600, abs=2)
    assert form.feature_um == form.gap.um


def test_a_cone_has_no_wall_with_another_side_across_from_it() -> None:
    form = form_of(cone(20, 20))

    assert (form.wall, form.gap, form.feature_um) == (None, None, 0)


def test_a_block_rests_on_each_side_as_often_as_it_is_large_from_its_middle() -> None:
    poses = form_of(box(10, 20, 30)).poses

    assert len(poses) == 6
    assert sum(pose.share_permille for pose in poses) == pytest.approx(1000, abs=3)
    assert poses[0].down == (0, 0, -1000)
    assert poses[0].height_um == 30_000
    assert poses[0].bed_mm2 == pytest.approx(200, rel=0.02)
    assert [pose.height_um for pose in poses[1:]] == [10_000, 10_000, 20_000, 20_000, 30_000]


def test_a_table_that_is_thrown_seldom_stands_on_its_foot() -> None:
    poses = form_of(TABLE).poses
    shares = {pose.down: pose.share_permille for pose in poses}

    assert 0 < shares[0, 0, -1000] < 50
    assert shares[0, 0, 1000] > 300


def test_a_part_rolls_on_from_where_its_centre_is_not_above() -> None:
    nail = together(box(4, 4, 60), moved(box(30, 30, 5), (-13, -13, 60)))

    shares = {pose.down: pose.share_permille for pose in form_of(nail).poses}

    assert shares[0, 0, -1000] == 0


def test_the_best_pose_for_each_aim_is_the_one_that_a_person_would_take() -> None:
    poses = list(form_of(TABLE).poses)

    downs = {aim: best(poses, aim).down for aim in AIMS}

    assert downs["supports"] == (0, 0, 1000)
    assert downs["bed"] == (0, 0, 1000)
    assert best(poses, "supports").overhang_mm3 < 0.03 * poses[0].overhang_mm3
    assert best(poses, "height").height_um == min(pose.height_um for pose in poses)


@pytest.mark.parametrize("seed", range(5))
def test_a_turned_part_has_the_same_best_poses_in_its_own_axes(seed: int) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    poses = list(form_of(Solid(TABLE.vertices @ turn.T, TABLE.faces)).poses)

    lying = best(poses, "supports")

    assert np.asarray(lying.down) == pytest.approx(turn @ [0, 0, 1000], abs=3)
    assert lying.height_um == pytest.approx(25_000, rel=0.02)


def test_the_centre_of_mass_and_the_hull_are_those_of_the_solid() -> None:
    form = form_of(moved(sphere(20), (5, 6, 7)))

    assert form.centre_um == pytest.approx((5000, 6000, 7000), abs=5)
    assert form.hull_mm3 == pytest.approx(4 / 3 * np.pi * 1000, rel=0.01)
    assert form_of(TABLE).centre_um == pytest.approx((20_000, 15_000, 19_375), abs=1)


def test_a_hull_of_very_many_points_is_right_to_a_thousandth() -> None:
    count = 40_000
    steps = np.arange(count) + 0.5
    tilt, turn = np.arccos(1 - 2 * steps / count), np.pi * (1 + 5**0.5) * steps
    ball = np.stack(
        [np.cos(turn) * np.sin(tilt), np.sin(turn) * np.sin(tilt), np.cos(tilt)], axis=1
    )
    hull = hull_of(ball * 10)

    assert hull is not None
    assert hull.volume_mm3 == pytest.approx(4 / 3 * np.pi * 1000, rel=1e-3)


def test_an_open_a_turned_and_an_inside_out_mesh_are_told_apart_with_the_place() -> None:
    cube = box(10, 10, 10)
    turned = cube.faces.copy()
    turned[:2] = turned[:2, ::-1]

    holed = form_of(Solid(cube.vertices, cube.faces[2:])).seams
    flipped = form_of(Solid(cube.vertices, turned)).seams

    assert (holed.open_edges, holed.turned_edges) == (4, 0)
    assert holed.open_at is not None
    assert holed.open_at[2] == 0
    assert (flipped.open_edges, flipped.turned_edges) == (0, 4)
    assert form_of(inside_out(cube)).is_inside_out
    assert form_of(inside_out(cube)).feature_um == 10_000


def test_a_piece_in_the_air_floats_and_one_that_is_held_does_not() -> None:
    floating = together(box(10, 10, 10), moved(box(5, 5, 5), (0, 0, 20)))

    assert form_of(floating).floating == 1
    assert form_of(floating).floating_at == (2500, 2500, 20_000)
    assert form_of(TABLE).floating == 0
    assert form_of(together(box(5, 5, 5), moved(box(5, 5, 5), (9, 0, 0)))).floating == 0


FOUND = [
    (Solid(box(10, 10, 10).vertices, box(10, 10, 10).faces[1:]), "open", "wrong", "3 open edges"),
    (inside_out(box(10, 10, 10)), "inside-out", "doubt", "inside out"),
    (TUB, "thin", "wrong", "0.35 mm, too thin for a nozzle of 0.4 mm"),
    (box(40, 40, 0.6), "thin", "doubt", "one line of a nozzle"),
    (TABLE, "unsupported", "doubt", "hangs over by 1200 mm2"),
    (box(300, 10, 10), "big", "doubt", "larger than most"),
    (box(2, 2, 2), "units", "doubt", "in inches it would be 50.8 mm"),
    (box(1500, 10, 10), "units", "doubt", "is 1.5 m long"),
    (together(box(9, 9, 9), moved(box(9, 9, 9), (0, 0, 20))), "floats", "wrong", "in the air"),
    (sphere(60), "small-bed", "doubt", "stands on"),
]


@pytest.mark.parametrize(("solid", "kind", "level", "words"), FOUND)
def test_what_is_wrong_with_a_part_is_said(solid: Solid, kind: str, level: str, words: str) -> None:
    finding = found_in(solid)[kind]

    assert finding.level == level
    assert words in finding.what
    assert finding.remedy


def test_a_part_that_needs_supports_is_told_the_side_to_put_down() -> None:
    assert "put its top down, which needs 2 % of them" in found_in(TABLE)["unsupported"].remedy


def test_a_plain_block_has_nothing_wrong_with_it() -> None:
    assert found_in(box(30, 20, 10)) == {}
