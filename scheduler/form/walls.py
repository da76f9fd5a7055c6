"""How thin a part's walls are and how narrow its gaps, where samples of its surface tell.

From each sample a ray goes straight in, and another straight out. What it meets first is
the other side of a wall, or of a gap, if it faces the sample to within 30 degrees; else it
is a corner, which has no thickness. Half of the samples are spread by area, so that what is
large is seen, and half over the faces by the roots of theirs, so that what is small is too.
"""

from dataclasses import dataclass

import numpy as np

from ..geometry import Floats
from .rays import Rays, cast
from .surface import Surface, spread

_SAMPLES = 192
"""Of each kind."""
_FACING = float(np.cos(np.radians(30.0)))

Place = tuple[int, int, int]
"""In micrometres, in the mesh's own axes."""


@dataclass(frozen=True, slots=True)
class Thinnest:
    """The least of the thicknesses that were found."""

    um: int
    place: Place


@dataclass(frozen=True, slots=True)
class Walls:
    wall: Thinnest | None
    """None: no sample has another side across from it."""
    gap: Thinnest | None


def measure_walls(surface: Surface, *, is_inside_out: bool) -> Walls:
    """Return the thinnest wall and the narrowest gap among the samples."""
    lots = [spread(surface, _SAMPLES), spread(surface, _SAMPLES, np.sqrt(surface.areas))]
    points = np.concatenate([lot.points for lot in lots])
    normals = surface.normals[np.concatenate([lot.faces for lot in lots])]
    is_good = np.abs(normals).any(axis=1)
    points, outwards = points[is_good], normals[is_good] * (-1.0 if is_inside_out else 1.0)
    both = Rays(np.concatenate([points, points]), np.concatenate([-outwards, outwards]))
    hits = cast(surface.vertices, surface.faces, both)
    across = surface.normals[hits.faces] * (-1.0 if is_inside_out else 1.0)
    faces_it = np.einsum("ij,ij->i", across, np.concatenate([outwards, outwards])) < -_FACING
    thickness = np.where(faces_it & (hits.faces >= 0), hits.distances, np.inf)
    count = len(points)
    return Walls(_least(thickness[:count], points), _least(thickness[count:], points))


def _least(thickness: Floats, points: Floats) -> Thinnest | None:
    if not thickness.size or np.isinf(thickness.min()):
        return None
    sample = int(thickness.argmin())
    return Thinnest(round(float(thickness[sample]) * 1000.0), in_um(points[sample]))


def in_um(point: Floats) -> Place:
    """Return a point in mm (3,) as a place."""
    x, y, z = (round(float(each) * 1000.0) for each in point)
    return x, y, z
