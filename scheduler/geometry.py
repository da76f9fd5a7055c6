"""Facts about a mesh that estimates and feasibility need, computed from arrays alone.

Nothing here reads a file. The mesh stands on the bed as it will be made: z is up, the
lowest vertex touches the bed. Corners that coincide must be one vertex (`weld`), or the
mesh counts as open and in pieces.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .shape import Shape, outline

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
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
_LOT = 1 << 14
"""Faces that are looked at together: as many as stay in a processor's nearest memory."""
_MIXERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
"""Odd numbers that spread the corners of a mesh over 64 bits."""


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
    shape: Shape | None = field(default=None, compare=False)
    """Samples of where its material is, which depend on how it lies; None if not watertight."""


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
    low, high = _extremes(vertices, faces)
    watertight = is_closed(len(vertices), faces)
    sums = _Sums()
    for start in range(0, len(faces), _LOT):
        sums.add(vertices[faces[start : start + _LOT]] - low)
    outward = faces
    if watertight and sums.volume < 0:
        sums.turn_round()
        outward = faces[:, ::-1]
    x_um, y_um, z_um = (round(float(extent) * 1000.0) for extent in high - low)
    return MeshFacts(
        bbox_um=(x_um, y_um, z_um),
        volume_mm3=round(abs(sums.volume)),
        area_mm2=round(sums.area),
        triangles=len(faces),
        watertight=watertight,
        bodies=count_bodies(len(vertices), faces),
        side_mm2=round(sums.side),
        up_mm2=round(sums.up.area),
        down_mm2=round(sums.down.area),
        overhang_mm2=round(sums.down.overhang),
        overhang_mm3=round(sums.down.columns),
        bed_mm2=round(sums.down.bed),
        shape=outline(vertices, outward) if watertight and min(high - low) > 0.0 else None,
    )


@dataclass(slots=True)
class _Level:
    """Sums over the faces that look down; of those that look up, if the mesh is inside out."""

    area: float = 0.0
    overhang: float = 0.0
    columns: float = 0.0
    bed: float = 0.0

    def add(self, seen: Floats, doubled: Floats, top: Floats, middle: Floats) -> None:
        """`seen`: area from below; `doubled`: twice the area; then the heights of each face."""
        self.area += float(seen.sum())
        on_bed = top <= BED_MM
        steep = 2.0 * seen > np.sin(np.radians(OVERHANG_DEGREES)) * doubled
        overhang = np.where(steep & ~on_bed, seen, 0.0)
        self.overhang += float(overhang.sum())
        self.columns += float(overhang @ middle)
        self.bed += float(seen[on_bed & (2.0 * seen > _FLAT * doubled)].sum())


@dataclass(slots=True)
class _Sums:
    """What `measure` adds up, a lot of faces at a time."""

    volume: float = 0.0
    area: float = 0.0
    side: float = 0.0
    up: _Level = field(default_factory=_Level)
    down: _Level = field(default_factory=_Level)

    def add(self, corners: Floats) -> None:
        """`corners`: (n, 3, 3), with the lowest at z = 0."""
        # By corner and axis, each in one piece: what lies apart takes a processor longer.
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = np.ascontiguousarray(
            corners.reshape(-1, 9).T
        ).reshape(3, 3, -1)
        below = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
        self.volume += float(below.sum()) / 6.0
        top, middle = np.maximum(np.maximum(az, bz), cz), (az + bz + cz) / 3.0
        bx, by, bz, cx, cy, cz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
        level = nx * nx + ny * ny
        doubled = np.sqrt(level + nz * nz)
        self.area += float(doubled.sum()) / 2.0
        self.side += float(np.sqrt(level).sum()) / 2.0
        self.down.add(np.maximum(-nz, 0.0) / 2.0, doubled, top, middle)
        self.up.add(np.maximum(nz, 0.0) / 2.0, doubled, top, middle)

    def turn_round(self) -> None:
        self.up, self.down = self.down, self.up


def weld(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Return the same faces with corners that coincide made one, in an order of its own."""
    if not len(vertices):
        return vertices, faces
    grid = [np.rint(vertices[:, axis] / WELD_MM).astype(np.int64) for axis in range(3)]
    order = _order_of_equals(grid)
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = _steps(grid, order)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(is_new) - 1
    return vertices[order[is_new]], number[faces]


def cross_product(a: Floats, b: Floats) -> Floats:
    """Return a x b, row by row (n, 3): what `np.cross` does, in a fourth of its time."""
    product = np.empty_like(a)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        np.multiply(a[:, j], b[:, k], out=product[:, i])
        product[:, i] -= a[:, k] * b[:, j]
    return product


def is_closed(vertices_count: int, faces: Faces) -> bool:
    """Return whether each edge is run through as often one way as the other."""
    a, b, c = (np.ascontiguousarray(faces[:, corner]) for corner in range(3))
    ahead = [a * vertices_count + b, b * vertices_count + c, c * vertices_count + a]
    back = [b * vertices_count + a, c * vertices_count + b, a * vertices_count + c]
    forward, backward = np.concatenate(ahead), np.concatenate(back)
    forward.sort()
    backward.sort()
    return bool(np.array_equal(forward, backward))


def label_bodies(vertices_count: int, faces: Faces) -> tuple[int, Integers]:
    """Return how many pieces there are, joined by shared vertices, and each vertex's piece.

    A vertex that no face uses is a piece of its own.
    """
    rows = np.concatenate([faces[:, 0], faces[:, 1]])
    columns = np.concatenate([faces[:, 1], faces[:, 2]])
    return label_linked(vertices_count, rows, columns)


def label_linked(count: int, rows: Integers, columns: Integers) -> tuple[int, Integers]:
    """Return how many groups `count` things form that are linked in pairs, and each one's."""
    # Imported only here: most of those who hold facts never count bodies.
    from scipy import sparse  # type: ignore[import-untyped]  # scipy ships no types
    from scipy.sparse import csgraph  # type: ignore[import-untyped]  # scipy ships no types

    links = (np.ones(len(rows), dtype=np.int8), (rows, columns))
    untyped: Any = csgraph
    graph = sparse.coo_array(links, shape=(count, count))
    groups, labels = untyped.connected_components(graph, directed=False)
    return int(groups), np.asarray(labels, dtype=np.int64)


def count_bodies(vertices_count: int, faces: Faces) -> int:
    """Return how many pieces the faces form."""
    _, labels = label_bodies(vertices_count, faces)
    return len(np.unique(labels[faces[:, 0]]))


def _extremes(vertices: Vertices, faces: Faces) -> tuple[Floats, Floats]:
    """Return the least and greatest coordinates of the vertices that faces use."""
    is_used = np.zeros(len(vertices), dtype=bool)
    is_used[faces.ravel()] = True
    used = vertices if is_used.all() else vertices[is_used]
    return used.min(axis=0), used.max(axis=0)


def _order_of_equals(grid: list[Integers]) -> Integers:
    """Return an order of points, given by axis, in which equal ones follow one another."""
    mixed = np.zeros(len(grid[0]), dtype=np.uint64)
    for column, odd in zip(grid, _MIXERS, strict=True):
        mixed += column.view(np.uint64) * np.uint64(odd)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed)
    mixed = mixed[order]
    if np.any((mixed[1:] == mixed[:-1]) & _steps(grid, order)):  # Seldom, or on purpose.
        return np.lexsort(grid[::-1])
    return order


def _steps(grid: list[Integers], order: Integers) -> NDArray[np.bool_]:
    """Return which of the points, but for the first, differ from the one before."""
    differ = np.zeros(len(order) - 1, dtype=bool)
    for column in grid:
        sorted_column = column[order]
        differ |= sorted_column[1:] != sorted_column[:-1]
    return differ
