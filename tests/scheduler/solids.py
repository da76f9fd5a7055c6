"""Solids with known volume and area, as vertices (n, 3) in mm and faces (m, 3)."""

from typing import NamedTuple

import numpy as np

from commonfab.scheduler.geometry import Faces, Vertices


class Solid(NamedTuple):
    vertices: Vertices
    faces: Faces


def box(x: float, y: float, z: float) -> Solid:
    corners = [(i, j, k) for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    faces = [
        (0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6),  # below, above
        (0, 1, 4), (1, 5, 4), (2, 6, 3), (3, 6, 7),  # front, back
        (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5),  # left, right
    ]  # fmt: skip
    return Solid(np.array(corners, dtype=np.float64) * (x, y, z), np.array(faces, dtype=np.int64))


def revolved(profile: list[tuple[float, float]], segments: int) -> Solid:
    """Return what a profile of (radius, height), from bottom to top, makes around the z axis."""
    angles = np.arange(segments) * 2.0 * np.pi / segments
    rings = [
        np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(segments, z)], axis=1)
        for radius, z in profile
    ]
    ends = [[(0.0, 0.0, profile[0][1])], [(0.0, 0.0, profile[-1][1])]]
    vertices = np.concatenate([*rings, *(np.array(end) for end in ends)])
    bottom, top = len(vertices) - 2, len(vertices) - 1
    faces: list[tuple[int, int, int]] = []
    for i in range(segments):
        j = (i + 1) % segments
        faces.append((bottom, j, i))
        for ring in range(len(profile) - 1):
            low, high = ring * segments, (ring + 1) * segments
            faces += [(low + i, low + j, high + i), (low + j, high + j, high + i)]
        last = (len(profile) - 1) * segments
        faces.append((top, last + i, last + j))
    return Solid(vertices, np.array(faces, dtype=np.int64))


def cylinder(diameter: float, height: float) -> Solid:
    return revolved([(diameter / 2, 0.0), (diameter / 2, height)], 180)


def cone(diameter: float, height: float) -> Solid:
    return revolved([(diameter / 2, 0.0), (1e-3, height)], 180)


def pyramid(side: float, height: float) -> Solid:
    solid = revolved([(side / np.sqrt(2.0), 0.0), (1e-3, height)], 4)
    return Solid(solid.vertices, solid.faces)


def sphere(diameter: float) -> Solid:
    angles = np.linspace(0.01, np.pi - 0.01, 60)
    radius = diameter / 2
    profile = [(radius * float(np.sin(a)), -radius * float(np.cos(a))) for a in angles]
    return revolved(profile, 120)


def moved(solid: Solid, by: tuple[float, float, float]) -> Solid:
    return Solid(solid.vertices + by, solid.faces)


def together(*solids: Solid) -> Solid:
    starts = np.cumsum([0] + [len(solid.vertices) for solid in solids])
    return Solid(
        np.concatenate([solid.vertices for solid in solids]),
        np.concatenate([s.faces + start for s, start in zip(solids, starts, strict=False)]),
    )


def inside_out(solid: Solid) -> Solid:
    return Solid(solid.vertices, solid.faces[:, ::-1])
