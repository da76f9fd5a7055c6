"""Rays against each face in turn, which is slow and plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.form import rays
from commonfab.scheduler.form.rays import Rays, cast
from commonfab.scheduler.geometry import Faces, Floats, Vertices
from tests.scheduler.solids import box, revolved, sphere


def first_met(vertices: Vertices, faces: Faces, start: Floats, way: Floats) -> float:
    """Return the distance to the nearest face, by solving for each where its plane is met."""
    nearest = np.inf
    for a, b, c in vertices[faces]:
        edges = np.stack([b - a, c - a, -way], axis=1)
        if abs(np.linalg.det(edges)) < 1e-12:
            continue
        solved: Floats = np.asarray(np.linalg.solve(edges, start - a), dtype=np.float64)
        u, v, distance = map(float, solved)
        if min(u, v) >= 0 and u + v <= 1 and distance > 1e-3:
            nearest = min(nearest, distance)
    return float(nearest)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_a_ray_meets_what_each_face_in_turn_says(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.choice([0.5, 5.0, 50.0], (count, 1, 1))
    corners = random.uniform(0, 100, (count, 1, 3)) + random.uniform(-1, 1, (count, 3, 3)) * sizes
    vertices, faces = corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3)
    ways = random.normal(size=(6, 3))
    ways[0] = (0, 0, 1)
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    starts = vertices.min(axis=0) + random.uniform(0, 1, (6, 3)) * np.ptp(vertices, axis=0)

    found = cast(vertices, faces, Rays(starts, ways))

    expected = [first_met(vertices, faces, s, w) for s, w in zip(starts, ways, strict=True)]
    assert found.distances == pytest.approx(expected, rel=1e-6)
    assert ((found.faces >= 0) == np.isfinite(expected)).all()


def test_faces_that_no_ray_comes_near_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ball = sphere(30)
    random = np.random.default_rng(3)
    ways = random.normal(size=(40, 3))
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    asked = Rays(random.uniform(-5, 5, (40, 3)), ways)
    every = cast(ball.vertices, ball.faces, asked)

    monkeypatch.setattr(rays, "_MANY", 0)

    assert (cast(ball.vertices, ball.faces, asked).distances == every.distances).all()


def test_rays_that_take_too_much_meet_nothing_and_the_others_what_they_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rod = revolved([(10.0, 0.0), (10.0, 50.0)], 400)
    heights = np.linspace(1, 49, 30)
    starts = np.stack([np.full(30, -10.0), np.zeros(30), heights], axis=1)
    asked = Rays(starts, np.tile([1.0, 0.0, 0.0], (30, 1)))
    every = cast(rod.vertices, rod.faces, asked)

    monkeypatch.setattr(rays, "_PAIRS_IN_ALL", 500)
    some = cast(rod.vertices, rod.faces, asked)

    is_left = np.isfinite(some.distances)
    assert np.isfinite(every.distances).all()
    assert not is_left.all()
    assert (some.distances[is_left] == every.distances[is_left]).all()
    assert (some.faces[~is_left] == -1).all()


def test_a_ray_beside_everything_meets_nothing() -> None:
    cube = box(1, 1, 1)

    found = cast(cube.vertices, cube.faces, Rays(np.array([[5.0, 5, 5]]), np.array([[1.0, 0, 0]])))

    assert (found.distances[0], found.faces[0]) == (np.inf, -1)
