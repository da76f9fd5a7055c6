"""Which face a ray meets first, for many rays and many faces, with arrays alone.

The faces lie in grids of several cell sizes, each face in the finest in which its box takes
few cells. All rays step through a grid at once, cell by cell (Amanatides and Woo, 1987), from
the coarsest grid to the finest, and a ray goes no further than what it has met already. Faces
are met as by Möller and Trumbore (1997).
"""

from dataclasses import dataclass

import numpy as np

from ..geometry import Faces, Floats, Integers, Vertices
from .surface import Mask

_FINEST = 256
"""Cells along the longest side, at most."""
_COARSER = 4
"""Times the cell size of the next finer grid."""
_CELLS_MAX = 8
_LINE_MAX = 64
"""A face may lie in so many cells, or in so many of them in one line."""
_ENTRIES_MAX = 1 << 23
"""The lines are shorter where there are so many faces that they would take more cells."""
_NEAR_MM = 1e-3
"""A face closer than this is the one that the ray starts from, or its neighbour."""
_MANY = 200_000
"""Faces of one grid, from which on those that no ray comes near are left out first."""
_TOGETHER = 64
"""Rays that are followed at a time to see what they pass."""
_PAIRS_MAX = 1 << 20
"""Of rays and faces that are tried together; bounds the memory."""
_PAIRS_IN_ALL = 1 << 22
"""About so many; bounds the time."""


@dataclass(frozen=True, slots=True)
class Rays:
    starts: Floats
    """(n, 3) in mm"""
    ways: Floats
    """(n, 3), of length 1"""


@dataclass(frozen=True, slots=True)
class Hits:
    distances: Floats
    """(n,) in mm; infinite where nothing is met."""
    faces: Integers
    """(n,), -1 where nothing is met."""


def cast(vertices: Vertices, faces: Faces, rays: Rays) -> Hits:
    """Return the first face that each ray meets, from either side, 1 um off or further.

    Where a mesh is such that rays have to be tried with very many faces, those that go far
    are given up, and meet nothing.
    """
    count = len(rays.starts)
    hits = Hits(np.full(count, np.inf), np.full(count, -1, dtype=np.int64))
    grids = _grids(vertices, faces, rays, vertices.min(axis=0))
    left = np.arange(count)
    for grid in grids:
        left = grid.cast(vertices, faces, rays, hits, left)
    is_lost = np.ones(count, dtype=bool)
    is_lost[left] = False
    hits.distances[is_lost], hits.faces[is_lost] = np.inf, -1
    return hits


def _grids(vertices: Vertices, faces: Faces, rays: Rays, low: Floats) -> "list[_Grid]":
    """Return the grids that have faces, the coarsest first."""
    least, most = vertices[faces[:, 0]], vertices[faces[:, 0]]
    for corner in (1, 2):
        points = vertices[faces[:, corner]]
        np.minimum(least, points, out=least)
        np.maximum(most, points, out=most)
    least -= low
    most -= low
    extents = vertices.max(axis=0) - low
    longest = max(float(extents.max()), 1e-9)
    # About as many cells as faces, and no more.
    size = longest / min(_FINEST, max(1, round(len(faces) ** 0.5)))
    line_max = min(_LINE_MAX, max(_CELLS_MAX, _ENTRIES_MAX // len(faces)))
    own = np.arange(len(faces))
    grids: list[_Grid] = []
    while own.size:
        first = np.floor(least / size).astype(np.int64)
        spans = np.floor(most / size).astype(np.int64) - first
        cells = (spans[:, 0] + 1) * (spans[:, 1] + 1) * (spans[:, 2] + 1)
        is_long = (spans > 1).astype(np.int8)
        is_line = is_long[:, 0] + is_long[:, 1] + is_long[:, 2] < 2
        is_here = (cells <= _CELLS_MAX) | (is_line & (cells <= line_max))
        is_last = size >= longest
        here = slice(None) if is_last else np.nonzero(is_here)[0]
        shape = np.floor(extents / size).astype(np.int64) + 1
        grid = _Grid.of(low, size, shape, rays, own[here], first[here], spans[here])
        if grid is not None:
            grids.append(grid)
        if is_last:
            break
        rest = np.nonzero(~is_here)[0]
        own, least, most = own[rest], least[rest], most[rest]
        size *= _COARSER
    return grids[::-1]


def _passed(rays: Rays, low: Floats, size: float, shape: Integers) -> Mask:
    """Return for each cell whether a face whose box begins there may be met by a ray.

    The rays are followed to the grid's end in steps of half a cell, so that what they pass
    is no further than a neighbour of what is seen; and a box reaches into the next cell.
    """
    is_passed = np.zeros(shape, dtype=bool)
    steps = np.arange(2 * int(np.ceil(np.linalg.norm(shape))) + 2) * size / 2.0
    for start in range(0, len(rays.starts), _TOGETHER):
        lot = slice(start, start + _TOGETHER)
        points = rays.starts[lot, None] + steps[:, None] * rays.ways[lot, None]
        cells = np.floor((points - low) / size).astype(np.int64)
        cells = cells[((cells >= 0) & (cells < shape)).all(axis=2)]
        is_passed[cells[:, 0], cells[:, 1], cells[:, 2]] = True
    for axis in range(3):
        line = np.moveaxis(is_passed, axis, 0)
        wide = line.copy()
        wide[1:] |= line[:-1]
        wide[:-1] |= line[1:]
        wide[:-2] |= line[2:]
        is_passed = np.moveaxis(wide, 0, axis)
    return np.ascontiguousarray(is_passed).ravel()


@dataclass(frozen=True, slots=True)
class _Grid:
    """Cells of one size with the faces that lie in them."""

    low: Floats
    size: float
    shape: Integers
    keys: Integers
    """Of the cells with faces, ascending."""
    starts: Integers
    """Where each of these cells' faces start; one more at the end."""
    faces: Integers

    @classmethod
    def of(
        cls,
        low: Floats,
        size: float,
        shape: Integers,
        rays: Rays,
        own: Integers,
        first: Integers,
        spans: Integers,
    ) -> "_Grid | None":
        """`first`: the lowest cell (n, 3) of each face's box; `spans`: how many follow it."""
        if len(own) > _MANY:
            is_near = _passed(rays, low, size, shape)[_key(first, shape)]
            is_near |= (spans[:, 0] > 1) | (spans[:, 1] > 1) | (spans[:, 2] > 1)
            own, first, spans = own[is_near], first[is_near], spans[is_near]
        if not own.size:
            return None
        counts = (spans[:, 0] + 1) * (spans[:, 1] + 1) * (spans[:, 2] + 1)
        row = np.repeat(np.arange(len(own)), counts)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        deep, wide = spans[row, 2] + 1, spans[row, 1] + 1
        offset, z = np.divmod(offset, deep)
        x, y = np.divmod(offset, wide)
        keys = _key(first, shape)[row] + (x * shape[1] + y) * shape[2] + z
        order = np.argsort(keys)
        keys = keys[order]
        (edges,) = np.nonzero(np.diff(keys, prepend=-1))
        starts = np.append(edges, len(keys))
        return cls(low, size, shape, keys[edges], starts, own[row[order]])

    def cast(
        self, vertices: Vertices, faces: Faces, rays: Rays, hits: Hits, left: Integers
    ) -> Integers:
        """Note what of this grid some rays meet before what they have met already.

        Returns those of them that were followed to their end.
        """
        starts, ways = rays.starts[left], rays.ways[left]
        step = np.sign(ways).astype(np.int64)
        cell = np.floor((starts - self.low) / self.size).astype(np.int64)
        cell = np.clip(cell, 0, self.shape - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            across = np.where(step == 0, np.inf, self.size / np.abs(ways))
            until = (self.low + (cell + (step > 0)) * self.size - starts) / ways
        until = np.where(step == 0, np.inf, np.maximum(until, 0.0))
        live, pairs, lost = left, 0, np.empty(0, dtype=np.int64)
        while live.size:
            place, counts = self._look(cell)
            pairs += int(counts.sum())
            keep = np.ones(len(live), dtype=bool)
            if pairs > _PAIRS_IN_ALL:
                keep = counts == 0
                lost = np.concatenate([lost, live[~keep]])
            else:
                self._try(vertices, faces, rays, hits, live, place, counts)
            rows, axis = np.arange(len(live)), until.argmin(axis=1)
            keep &= until[rows, axis] < hits.distances[live]
            cell[rows, axis] += step[rows, axis]
            keep &= (cell[rows, axis] >= 0) & (cell[rows, axis] < self.shape[axis])
            until[rows, axis] += across[rows, axis]
            if not keep.all():
                live, cell, until = live[keep], cell[keep], until[keep]
                step, across = step[keep], across[keep]
        return left if not lost.size else np.setdiff1d(left, lost)

    def _look(self, cell: Integers) -> tuple[Integers, Integers]:
        """Return where in the list each cell is, and how many faces lie in it."""
        key = _key(cell, self.shape)
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        counts = self.starts[place + 1] - self.starts[place]
        return place, np.where(self.keys[place] == key, counts, 0)

    def _try(
        self,
        vertices: Vertices,
        faces: Faces,
        rays: Rays,
        hits: Hits,
        live: Integers,
        place: Integers,
        counts: Integers,
    ) -> None:
        sums = np.cumsum(counts)
        start = 0
        while start < len(live) and sums[-1] > 0:
            most = (sums[start - 1] if start else 0) + _PAIRS_MAX
            stop = max(start + 1, int(np.searchsorted(sums, most, side="right")))
            lot = counts[start:stop]
            offset = np.arange(int(lot.sum())) - np.repeat(np.cumsum(lot) - lot, lot)
            face = self.faces[np.repeat(self.starts[place[start:stop]], lot) + offset]
            _meet(vertices, faces, rays, hits, np.repeat(live[start:stop], lot), face)
            start = stop


def _key(cell: Integers, shape: Integers) -> Integers:
    return np.asarray((cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2])


def _meet(
    vertices: Vertices, faces: Faces, rays: Rays, hits: Hits, ray: Integers, face: Integers
) -> None:
    """Note where these rays meet these faces, if that is nearer than what they met before."""
    a, b, c = (vertices[faces[face, corner]] for corner in range(3))
    first, second = b - a, c - a
    way, offset = rays.ways[ray], rays.starts[ray] - a
    across = np.cross(way, second)
    slant = np.einsum("ij,ij->i", first, across)
    is_met = np.abs(slant) > 1e-12
    slant = np.where(is_met, slant, 1.0)
    u = np.einsum("ij,ij->i", offset, across) / slant
    other = np.cross(offset, first)
    v = np.einsum("ij,ij->i", way, other) / slant
    distance = np.einsum("ij,ij->i", second, other) / slant
    is_met &= (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (distance > _NEAR_MM)
    ray, face, distance = ray[is_met], face[is_met], distance[is_met]
    # Of several that one ray meets, the nearest is written last.
    order = np.lexsort((-distance, ray))
    ray, face, distance = ray[order], face[order], distance[order]
    is_nearer = distance < hits.distances[ray]
    hits.distances[ray[is_nearer]] = distance[is_nearer]
    hits.faces[ray[is_nearer]] = face[is_nearer]
