"""What a maker wants to know of a part's form, beyond the facts that estimates rest on."""

from dataclasses import dataclass

import numpy as np

from ..geometry import BED_MM, OVERHANG_DEGREES, Faces, Floats, MeshFacts, Vertices
from .likeness import fingerprint
from .poses import Hull, Pose, hull_of, pose_all
from .seams import Seams, find_floating, find_seams
from .surface import Surface
from .walls import Place, Thinnest, in_um, measure_walls

_LOT = 1 << 14
_HANGING_CELLS = 8
"""Along each side of the part, to tell where most of what hangs over is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """In whole units; places in the axes of the file."""

    hull_mm3: int
    centre_um: Place
    """Of mass; of the surface, if the mesh is not watertight."""
    wall: Thinnest | None
    """The thinnest wall among samples; None: none was found."""
    gap: Thinnest | None
    poses: tuple[Pose, ...]
    """As it is in its file; then as it comes to rest, most often first."""
    is_inside_out: bool
    seams: Seams
    floating: int
    """Pieces that hang in the air."""
    floating_at: Place | None
    overhang_at: Place | None
    """Where most of what hangs over is."""
    fingerprint: bytes

    @property
    def feature_um(self) -> int:
        """The smallest of its walls and gaps, in micrometres; 0: none was found."""
        return min((each.um for each in (self.wall, self.gap) if each), default=0)


def study(vertices: Vertices, faces: Faces, facts: MeshFacts) -> Form:
    """Return the form of a mesh of which `measure` gave the facts. It has a body, not a plane."""
    surface = Surface.of(vertices, faces)
    volume, centre = _centre(surface)
    is_inside_out = facts.watertight and volume < 0.0
    if not facts.watertight:
        centre = _centre_of_area(surface)
    hull = hull_of(vertices)
    walls = measure_walls(surface, is_inside_out=is_inside_out)
    floating, floating_at = find_floating(vertices, faces) if facts.bodies > 1 else (0, None)
    return Form(
        hull_mm3=round(hull.volume_mm3) if hull else 0,
        centre_um=in_um(centre),
        wall=walls.wall,
        gap=walls.gap,
        poses=_poses(surface, hull, centre, is_inside_out=is_inside_out),
        is_inside_out=is_inside_out,
        seams=Seams() if facts.watertight else find_seams(vertices, faces),
        floating=floating,
        floating_at=floating_at,
        overhang_at=_hanging(surface, is_inside_out=is_inside_out) if facts.overhang_mm2 else None,
        fingerprint=fingerprint(surface),
    )


def _poses(
    surface: Surface, hull: Hull | None, centre: Floats, *, is_inside_out: bool
) -> tuple[Pose, ...]:
    if hull is None:
        return ()
    return tuple(pose_all(surface, hull, centre, is_inside_out=is_inside_out))


def _centre(surface: Surface) -> tuple[float, Floats]:
    """Return the signed volume and the centre of mass, by the divergence theorem.

    Each face and the first vertex make a tetrahedron of signed volume V; the centre is the
    mean of their centres, weighted with V.
    """
    origin = surface.vertices[0]
    total, moment = 0.0, np.zeros(3)
    for start in range(0, len(surface.faces), _LOT):
        lot = slice(start, start + _LOT)
        corners = surface.vertices[surface.faces[lot]] - origin
        height = np.einsum("ij,ij->i", corners[:, 0], surface.normals[lot])
        volumes = height * surface.areas[lot] / 3.0
        total += float(volumes.sum())
        moment += volumes @ (corners[:, 0] + corners[:, 1] + corners[:, 2]) / 4.0
    if abs(total) < 1e-9:
        return total, _centre_of_area(surface)
    return total, origin + moment / total


def _centre_of_area(surface: Surface) -> Floats:
    a, b, c = (surface.vertices[surface.faces[:, corner]] for corner in range(3))
    middles = (a + b + c) / 3.0
    return np.asarray(surface.areas @ middles / max(float(surface.areas.sum()), 1e-300))


def _hanging(surface: Surface, *, is_inside_out: bool) -> Place | None:
    """Return the middle of the cell with most area that hangs over."""
    down = surface.normals[:, 2] * (1.0 if is_inside_out else -1.0)
    bottom = float(surface.vertices[:, 2].min())
    (steep,) = np.nonzero(down > np.sin(np.radians(OVERHANG_DEGREES)))
    a, b, c = (surface.vertices[surface.faces[steep, corner]] for corner in range(3))
    hangs = np.maximum(np.maximum(a[:, 2], b[:, 2]), c[:, 2]) > bottom + BED_MM
    middles = ((a + b + c) / 3.0)[hangs]
    weights = (surface.areas[steep] * down[steep])[hangs]
    if not weights.size:
        return None
    low, high = surface.vertices.min(axis=0), surface.vertices.max(axis=0)
    cells = np.floor((middles - low) / np.maximum(high - low, 1e-9) * (_HANGING_CELLS - 1e-9))
    keys = (cells @ np.array([_HANGING_CELLS**2, _HANGING_CELLS, 1.0])).astype(np.int64)
    sums = np.bincount(keys, weights=weights)
    is_most = keys == int(sums.argmax())
    return in_um(weights[is_most] @ middles[is_most] / weights[is_most].sum())
