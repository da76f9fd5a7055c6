"""Facts about a mesh that estimates and feasibility need, computed from arrays alone.

Nothing here reads a file. The mesh stands on the bed as it will be made: z is up, the
lowest vertex touches the bed. Corners that coincide must be one vertex (`weld`), or the
mesh counts as open and in pieces.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
"""(n, 3) corners in millimetres."""
Faces = NDArray[np.int64]
"""(m, 3) indices into the vertices, counter-clockwise seen from outside."""

OVERHANG_DEGREES = 45.0
"""A face that leans out further than this from upright needs support below it."""
BED_MM = 0.3
"""What ends this close to the lowest point lies on the bed: one thick first layer."""
WELD_MM = 1e-6
"""Corners that round to one multiple of this are one: far below a 32-bit float's steps."""
_FLAT = 0.9
"""Bed contact counts faces within 26 degrees of level (cos 26 = 0.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshFacts:
    """What is known of one part's shape, in whole units, so that all nodes agree on it."""

    bbox_um: tuple[int, int, int]
    """Extents along x, y and z in micrometres."""
    volume_mm3: int
    """Only an indication if the mesh is not watertight."""
    area_mm2: int
    triangles: int
    watertight: bool
    bodies: int
    """Pieces that share no vertex. A hollow's inner surface counts as one of them."""
    side_mm2: int
    """Area seen from the side: the length of the outline, integrated over the height."""
    up_mm2: int
    """Upward area seen from above: what gets a top skin."""
    down_mm2: int
    """Downward area seen from below: what gets a bottom skin."""
    overhang_mm2: int
    """Downward area, seen from below, that hangs over and does not lie on the bed."""
    overhang_mm3: int
    """Volume of the columns from there down to the bed."""
    bed_mm2: int
    """Area that lies on the bed."""


def measure(vertices: Vertices, faces: Faces) -> MeshFacts:
    """Return the facts of a mesh of at least one face, whose vertices are all finite.

    With c = (b - a) x (d - a), the cross product of a face's edges (twice its area,
    pointing outwards), sums running over the faces, and z measured from the lowest vertex:

    - volume = sum a . (b x d) / 6, by the divergence theorem; its sign says whether the
      mesh is inside out, in which case every c is turned round.
    - area = sum |c| / 2; side = sum sqrt(cx^2 + cy^2) / 2.
    - up = sum max(cz, 0) / 2; down = sum max(-cz, 0) / 2.
    - overhang = sum -cz / 2 over the faces not on the bed with -cz > sin(45 deg) |c|;
      its columns weigh each face with the height of its centre.
    - bed = sum -cz / 2 over the faces on the bed with -cz > 0.9 |c|.
    - watertight: each edge is run through as often one way as the other, so that the
      faces close without a gap and agree on what is outside.
    """
    assert vertices.ndim == 2
    assert vertices.shape[1] == 3
    assert faces.ndim == 2
    assert faces.shape[1] == 3
    assert len(faces) > 0
    used = vertices[np.unique(faces)]
    low = used.min(axis=0)
    extents = used.max(axis=0) - low
    corners = (vertices - low)[faces]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    cross = np.cross(second - first, third - first)
    volume = float(np.einsum("ij,ij->", first, np.cross(second, third))) / 6.0
    watertight = _is_closed(len(vertices), faces)
    if watertight and volume < 0:
        cross = -cross
    doubled = np.linalg.norm(cross, axis=1)
    below = np.maximum(-cross[:, 2], 0.0) / 2.0
    on_bed = corners[:, :, 2].max(axis=1) <= BED_MM
    steep = 2.0 * below > np.sin(np.radians(OVERHANG_DEGREES)) * doubled
    overhang = np.where(steep & ~on_bed, below, 0.0)
    contact = on_bed & (2.0 * below > _FLAT * doubled)
    x_um, y_um, z_um = (round(float(extent) * 1000.0) for extent in extents)
    return MeshFacts(
        bbox_um=(x_um, y_um, z_um),
        volume_mm3=round(abs(volume)),
        area_mm2=_total(doubled / 2.0),
        triangles=len(faces),
        watertight=watertight,
        bodies=_count_bodies(len(vertices), faces),
        side_mm2=_total(np.hypot(cross[:, 0], cross[:, 1]) / 2.0),
        up_mm2=_total(np.maximum(cross[:, 2], 0.0) / 2.0),
        down_mm2=_total(below),
        overhang_mm2=_total(overhang),
        overhang_mm3=_total(overhang * corners[:, :, 2].mean(axis=1)),
        bed_mm2=_total(below[contact]),
    )


def weld(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Return the same faces with corners that coincide made one, in order of x, y and z."""
    grid = np.round(vertices / WELD_MM).astype(np.int64)
    order = np.lexsort((grid[:, 2], grid[:, 1], grid[:, 0]))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (np.diff(grid[order], axis=0) != 0).any(axis=1)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(is_new) - 1
    return vertices[order[is_new]], number[faces]


def _total(values: NDArray[np.float64]) -> int:
    return round(float(values.sum()))


def _is_closed(vertices_count: int, faces: Faces) -> bool:
    start = faces.ravel()
    end = np.roll(faces, -1, axis=1).ravel()
    forward = np.sort(start * vertices_count + end)
    backward = np.sort(end * vertices_count + start)
    return bool(np.array_equal(forward, backward))


def _count_bodies(vertices_count: int, faces: Faces) -> int:
    """Return how many connected components the faces form, joined by shared vertices.

    Every vertex starts with its own number. Each round hands a face's lowest number to
    the vertices that its corners are numbered by, then follows the numbers to their end.
    A number only ever falls, so this ends; trees halve in depth, so it ends soon.
    """
    label = np.arange(vertices_count)
    while True:
        numbers = label[faces]
        lowest = numbers.min(axis=1)
        if np.array_equal(numbers, np.broadcast_to(lowest[:, None], numbers.shape)):
            return len(np.unique(lowest))
        np.minimum.at(label, numbers.ravel(), np.repeat(lowest, 3))
        while not np.array_equal(label[label], label):
            label = label[label]
