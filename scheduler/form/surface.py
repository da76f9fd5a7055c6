"""The surface of a mesh as samples: so many points, spread evenly, the same for the same mesh."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import Faces, Floats, Integers, Vertices, cross_product

Mask = NDArray[np.bool_]

_LOT = 1 << 14
# The two-dimensional golden ratio: its multiples fill a square evenly (Roberts, 2018).
_STEPS = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh with its faces' areas and normals."""

    vertices: Vertices
    faces: Faces
    areas: Floats
    """(m,) in mm2."""
    normals: Floats
    """(m, 3) of length 1, outwards; zeros for a face without area."""

    @classmethod
    def of(cls, vertices: Vertices, faces: Faces) -> "Surface":
        areas, normals = np.empty(len(faces)), np.empty((len(faces), 3))
        for start in range(0, len(faces), _LOT):
            lot = slice(start, start + _LOT)
            corners = vertices[faces[lot]]
            cross = cross_product(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            doubled = np.sqrt(cross[:, 0] ** 2 + cross[:, 1] ** 2 + cross[:, 2] ** 2)
            areas[lot] = doubled / 2.0
            np.divide(cross, np.maximum(doubled, 1e-300)[:, None], out=normals[lot])
        return cls(vertices, faces, areas, normals)


@dataclass(frozen=True, slots=True)
class Samples:
    points: Floats
    """(n, 3)"""
    faces: Integers
    """(n,) that they lie on."""


def spread(surface: Surface, count: int, weights: Floats | None = None) -> Samples:
    """Return points on the surface, each for an equal share of its area, or of other weights.

    The faces are run through in their order, which in most files goes from neighbour to
    neighbour, and get a point whenever another share of the total is full.
    """
    each: Floats = surface.areas if weights is None else weights
    sums: Floats = np.cumsum(each)
    shares = (np.arange(count) + 0.5) / count * sums[-1]
    found: Integers = np.asarray(np.searchsorted(sums, shares, side="right"), dtype=np.int64)
    faces = np.minimum(found, len(sums) - 1)
    u, v = ((np.arange(1, count + 1) * step) % 1.0 for step in _STEPS)
    is_beyond = u + v > 1.0
    u, v = np.where(is_beyond, 1.0 - u, u), np.where(is_beyond, 1.0 - v, v)
    a, b, c = (surface.vertices[surface.faces[faces, corner]] for corner in range(3))
    points = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    return Samples(points, faces)
