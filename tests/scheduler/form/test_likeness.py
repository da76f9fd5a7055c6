"""Fingerprints: the same however a part is turned, moved, scaled and meshed."""

import numpy as np
import pytest

from commonfab.scheduler.form.likeness import (
    FINGERPRINT_BYTES,
    Fingerprints,
    fingerprint,
    likeness,
    rank,
)
from commonfab.scheduler.form.surface import Surface
from tests.scheduler.solids import Solid, box, cone, cylinder, moved, revolved, sphere, together

KNOWN = [
    box(10, 20, 30),
    box(10, 20, 60),
    cone(20, 20),
    cylinder(20, 5),
    cylinder(20, 40),
    sphere(20),
    together(moved(box(40, 30, 5), (0, 0, 20)), moved(box(10, 10, 20), (15, 10, 0))),
    revolved([(5.0, 0.0), (12.0, 10.0), (5.0, 20.0)], 60),
]


def of(solid: Solid) -> bytes:
    return fingerprint(Surface.of(solid.vertices, solid.faces))


def finer(solid: Solid) -> Solid:
    """Return the same surface with each face in four, in another order."""
    a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    vertices = np.concatenate([np.stack(each, axis=1).reshape(-1, 3) for each in corners[::-1]])
    return Solid(vertices, np.arange(len(vertices)).reshape(-1, 3))


@pytest.fixture(scope="module")
def known() -> Fingerprints:
    data = b"".join(of(solid) for solid in KNOWN)
    return np.frombuffer(data, dtype=np.int8).reshape(-1, FINGERPRINT_BYTES)


@pytest.mark.parametrize("which", range(len(KNOWN)))
def test_a_copy_that_is_turned_scaled_moved_and_meshed_anew_is_found_first(
    which: int, known: Fingerprints
) -> None:
    random = np.random.default_rng(which)
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    solid = finer(finer(KNOWN[which]))
    vertices = solid.vertices @ turn.T * random.uniform(0.1, 10) + random.uniform(-99, 99, 3)

    steps = rank(of(Solid(vertices, solid.faces)), known)

    assert steps.argmin() == which
    assert likeness(int(steps[which])) >= 90
    assert sorted(steps.tolist())[1] > 4 * steps[which]


def test_likeness_is_100_for_the_same_and_0_for_what_is_far() -> None:
    assert (likeness(0), likeness(49), likeness(10_000), likeness(10**9)) == (100, 93, 0, 0)


def test_different_parts_are_seldom_more_than_75_alike(known: Fingerprints) -> None:
    others = [sorted(rank(row.tobytes(), known).tolist())[1] for row in known]

    assert likeness(sorted(others)[len(others) // 2]) < 75
