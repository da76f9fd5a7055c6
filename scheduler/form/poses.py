"""How a part lies when it is put down, and which way up it is best made.

A part rests on a facet of its convex hull if its centre of mass is above that facet; from
another facet it rolls over the edge that its centre is furthest beyond, and on, until it
rests. A part that is thrown comes to rest on a facet about as often as the facets from
which it rolls there are large, seen from the centre of mass (Boothroyd and Ho, 1977).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import BED_MM, OVERHANG_DEGREES, Floats, Integers, cross_product, label_linked
from .surface import Surface, spread

POSES_MAX = 8
AIMS = ("supports", "height", "bed")
"""Least support; lowest, which is quickest; most area on the bed, which holds best."""
_SAMPLES = 8192
_POINTS_MAX = 6000
"""Vertices of which the hull is taken as it is; of more, the furthest in each direction."""
_DIRECTIONS = 40
"""Along each side of a face of the cube that the directions are sorted by."""
_FLAT = float(np.cos(np.radians(0.6)))
"""Facets of the hull that are turned less than this against each other are one."""
_LEVEL = 0.9
_SHARE_MIN = 0.01
_AS_GOOD = 1.05
"""Times as much as the best costs: samples tell no finer difference."""

Vector = tuple[int, int, int]
"""Thousandths of a vector of length 1, in the mesh's own axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """One way up, and what it means for who makes it so."""

    down: Vector
    """What points to the bed; (0, 0, -1000) is the part as it is in its file."""
    share_permille: int
    """How often it comes to rest so when it is thrown; 0: it does not, or it is not known."""
    height_um: int
    bed_mm2: int
    overhang_mm2: int
    overhang_mm3: int
    """Of the columns from the overhangs down to the bed."""


@dataclass(frozen=True, slots=True)
class Hull:
    """The convex hull, in facets."""

    volume_mm3: float
    corners: Floats
    """(n, 3, 3) of its triangles."""
    outwards: Floats
    """(n, 3) their normals, of length 1."""
    facets: Integers
    """(n,) the facet that each triangle belongs to."""
    neighbours: Integers
    """(n, 3) triangles, across from each corner."""


def hull_of(points: Floats) -> Hull | None:
    """Return the hull of points (n, 3), within a thousandth if there are many; None: flat."""
    # Imported only here: most of those who import this module never need it.
    from scipy import spatial  # type: ignore[import-untyped]  # scipy ships no types

    points = _outermost(points) if len(points) > _POINTS_MAX else points
    try:
        found: Any = spatial.ConvexHull(points)
    except spatial.QhullError:
        return None
    outwards = np.asarray(found.equations[:, :3], dtype=np.float64)
    neighbours = np.asarray(found.neighbors, dtype=np.int64)
    facets = _merge(outwards, neighbours)
    corners = np.asarray(points[found.simplices], dtype=np.float64)
    return Hull(float(found.volume), corners, outwards, facets, neighbours)


def pose_all(surface: Surface, hull: Hull, centre: Floats, *, is_inside_out: bool) -> list[Pose]:
    """Return the part as it is, and then how it rests, the most frequent first."""
    downs, shares = _rests(hull, centre)
    order = np.argsort(-shares, kind="stable")[:POSES_MAX]
    downs, shares = downs[order], shares[order]
    as_is = np.array([0.0, 0.0, -1.0])
    is_as_is = downs @ as_is > _FLAT
    own = float(shares[is_as_is].sum())
    cloud = _Cloud.of(surface, is_inside_out=is_inside_out)
    found = [cloud.pose(as_is, own)]
    for down, share in zip(downs[~is_as_is], shares[~is_as_is], strict=True):
        if share >= _SHARE_MIN:
            found.append(cloud.pose(down, float(share)))
    return found


def best(poses: list[Pose], aim: str) -> Pose:
    """Return the pose that serves an aim of `AIMS` best: as it is, if that is as good.

    What has no area on the bed is taken only if nothing has.
    """
    standing = [pose for pose in poses if pose.bed_mm2 > 0] or poses
    least = min(standing, key=lambda pose: _cost(pose, aim))
    is_as_good = poses[0] in standing and all(
        own <= _AS_GOOD * other + 1
        for own, other in zip(_cost(poses[0], aim), _cost(least, aim), strict=True)
    )
    return poses[0] if is_as_good else least


def _cost(pose: Pose, aim: str) -> tuple[float, float]:
    match aim:
        case "supports":
            return pose.overhang_mm3, pose.height_um
        case "height":
            return pose.height_um, pose.overhang_mm3
        case _:
            assert aim == "bed"
            return 1e6 / max(pose.bed_mm2, 1), pose.overhang_mm3


@dataclass(frozen=True, slots=True)
class _Cloud:
    """Samples of the surface, each for an equal share of its area."""

    points: Floats
    normals: Floats
    area: float

    @classmethod
    def of(cls, surface: Surface, *, is_inside_out: bool) -> "_Cloud":
        samples = spread(surface, _SAMPLES)
        normals = surface.normals[samples.faces] * (-1.0 if is_inside_out else 1.0)
        return cls(samples.points, normals, float(surface.areas.sum()) / _SAMPLES)

    def pose(self, down: Floats, share: float) -> Pose:
        heights = -(self.points @ down)
        heights = heights - heights.min()
        seen = np.maximum(self.normals @ down, 0.0)
        on_bed = heights <= BED_MM
        hangs = np.where(~on_bed & (seen > np.sin(np.radians(OVERHANG_DEGREES))), seen, 0.0)
        x, y, z = (round(float(each) * 1000.0) for each in down)
        return Pose(
            down=(x, y, z),
            share_permille=round(share * 1000.0),
            height_um=round(float(heights.max()) * 1000.0),
            bed_mm2=round(float(seen[on_bed & (seen > _LEVEL)].sum()) * self.area),
            overhang_mm2=round(float(hangs.sum()) * self.area),
            overhang_mm3=round(float(hangs @ heights) * self.area),
        )


def _outermost(points: Floats) -> Floats:
    """Return the furthest point from the middle in each of some 10,000 directions."""
    ways = points - (points.min(axis=0) + points.max(axis=0)) / 2.0
    axis = np.abs(ways).argmax(axis=1)
    rows = np.arange(len(ways))
    main = ways[rows, axis]
    length = np.maximum(np.abs(main), 1e-12)
    across = (ways[rows, (axis + 1) % 3] / length, ways[rows, (axis + 2) % 3] / length)
    cell = axis * 2 + (main > 0.0)
    for each in across:
        place = np.floor((each + 1.0) / 2.0 * _DIRECTIONS).astype(np.int64)
        cell = cell * _DIRECTIONS + np.clip(place, 0, _DIRECTIONS - 1)
    order = np.lexsort((np.einsum("ij,ij->i", ways, ways), cell))
    is_last = np.append(np.diff(cell[order]) != 0, True)
    return np.asarray(points[order[is_last]])


def _merge(outwards: Floats, neighbours: Integers) -> Integers:
    """Return the facet of each triangle: neighbours that are flat against each other are one."""
    rows, columns = np.repeat(np.arange(len(outwards)), 3), neighbours.ravel()
    is_flat = np.einsum("ij,ij->i", outwards[rows], outwards[columns]) > _FLAT
    rows, columns = rows[is_flat], columns[is_flat]
    return label_linked(len(outwards), rows, columns)[1]


def _rests(hull: Hull, centre: Floats) -> tuple[Floats, Floats]:
    """Return the directions (n, 3) that lie down where it rests, and how often each does."""
    count = int(hull.facets.max()) + 1
    down = np.zeros((count, 3))
    np.add.at(down, hull.facets, hull.outwards * _areas(hull.corners)[:, None])
    down /= np.maximum(np.linalg.norm(down, axis=1), 1e-300)[:, None]
    share = np.zeros(count)
    np.add.at(share, hull.facets, _solid_angles(hull.corners - centre) / (4.0 * np.pi))
    goes_to = _rolls(hull, centre, down)
    # A facet from which it rolls hands on what it has; it ends where it rests.
    for _ in range(count.bit_length()):
        goes_to = goes_to[goes_to]
    total = np.zeros(count)
    np.add.at(total, goes_to, share)
    (rests,) = np.nonzero(total)
    return down[rests], total[rests]


def _rolls(hull: Hull, centre: Floats, down: Floats) -> Integers:
    """Return the facet on which it lies next, itself where it rests."""
    triangle, corner = np.nonzero(hull.facets[hull.neighbours] != hull.facets[:, None])
    facet, other = hull.facets[triangle], hull.facets[hull.neighbours[triangle, corner]]
    first = hull.corners[triangle, (corner + 1) % 3]
    along = hull.corners[triangle, (corner + 2) % 3] - first
    across = cross_product(along, down[facet])
    across /= np.maximum(np.linalg.norm(across, axis=1), 1e-300)[:, None]
    # Outwards: away from the corner that is not on the edge.
    inner = np.einsum("ij,ij->i", hull.corners[triangle, corner] - first, across)
    across *= np.where(inner > 0.0, -1.0, 1.0)[:, None]
    beyond = np.einsum("ij,ij->i", centre - first, across)
    goes_to = np.arange(len(down))
    for edge in np.argsort(beyond, kind="stable"):
        if beyond[edge] > 1e-9:
            goes_to[facet[edge]] = other[edge]
    return goes_to


def _areas(corners: Floats) -> Floats:
    cross = cross_product(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.asarray(np.linalg.norm(cross, axis=1) / 2.0)


def _solid_angles(corners: Floats) -> NDArray[np.float64]:
    """Return what each triangle covers, seen from the origin (Van Oosterom, Strackee, 1983)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    la, lb, lc = (np.linalg.norm(each, axis=1) for each in (a, b, c))
    triple = np.abs(np.einsum("ij,ij->i", a, cross_product(b, c)))
    ab, bc, ca = (np.einsum("ij,ij->i", one, two) for one, two in ((a, b), (b, c), (c, a)))
    return np.asarray(2.0 * np.arctan2(triple, la * lb * lc + ab * lc + bc * la + ca * lb))
