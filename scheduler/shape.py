"""A part's shape as a slicer meets it: cut into sections, and probed by columns.

`MeshFacts` sums a part up in a few numbers; how long a machine takes depends on where its
material is. Sections at equal heights tell what is walls, columns on a grid what is closed
layers above and below, and what supports have to carry. Both are samples: what is smaller
than their spacing may be missed, and one part in a thousand of the time with it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SECTIONS = 40
SECTIONS_MIN = 10
CUTS_MAX = 200_000
"""Triangles cut, in all sections together: a part with more detail gets fewer sections."""
COLUMNS = 32
"""Squared: how many columns a part's box is probed with."""
CORNER_RADIANS = np.radians(20.0)
"""A sharper turn of the outline slows a machine down."""
_UPRIGHT = 1e6
"""Slope of a face that is nearly vertical."""
_ASIDE = 1e-4
"""Of a cell: how far columns stand beside its middle, so that they miss edges that run there."""

_BESIDE_MM = 0.05
"""So far above an upper face, or below a lower one, columns beside it are looked at."""

Solid = tuple[float, float, float, float, float, int, int]
"""Some material that a column goes through: `below`, `bottom`, `top` in millimetres above the
bed; the slopes of its lower and its upper face, as tangents: 0 is level; and at how many of the
four columns beside it the part goes on, past its lower and its upper face. `below` is where the
material under it ends, or -1 for the bed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Samples of one watertight part that stands on the bed."""

    slab_mm: float
    """Height of the slab that each section stands for."""
    areas_mm2: tuple[float, ...]
    """Of each section, from the lowest up; so are the next four."""
    outlines_mm: tuple[float, ...]
    loops: tuple[int, ...]
    """Closed lines of the outline."""
    corners: tuple[int, ...]
    turns_rad: tuple[float, ...]
    """By how much the outline turns in all, left and right alike."""
    column_mm2: float
    """What each column stands for."""
    solids: tuple[Solid, ...]


def outline(vertices: Floats, faces: Integers) -> Shape:
    """Return the shape of a watertight mesh, its vertices (n, 3) in millimetres, z up."""
    is_used = np.zeros(len(vertices), dtype=bool)
    is_used[faces.ravel()] = True
    low, high = vertices[is_used].min(axis=0), vertices[is_used].max(axis=0)
    heights = vertices[:, 2] - low[2]
    sections = _Sections(vertices, faces, heights, float(high[2] - low[2]))
    column_mm2, solids = _columns(vertices - low, faces, high - low)
    return Shape(
        slab_mm=sections.slab_mm,
        areas_mm2=_floats(sections.areas),
        outlines_mm=_floats(sections.outlines),
        loops=tuple(sections.loops.tolist()),
        corners=tuple(sections.corners.tolist()),
        turns_rad=_floats(sections.turns),
        column_mm2=column_mm2,
        solids=solids,
    )


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values, 3).tolist())


class _Sections:
    """All sections at once: only triangles that a section cuts are looked at."""

    def __init__(
        self, vertices: Floats, faces: Integers, heights: Floats, height_mm: float
    ) -> None:
        corners_z = [heights[faces[:, corner]] for corner in range(3)]
        lowest, highest = _lowest(corners_z), _highest(corners_z)
        each = float((highest - lowest).sum()) / height_mm
        count = int(np.clip(CUTS_MAX / max(each, 1.0), SECTIONS_MIN, SECTIONS))
        self.slab_mm = height_mm / count
        levels: Floats = (np.arange(count, dtype=np.float64) + 0.5) * self.slab_mm
        first = _places(levels, lowest)
        face, level = _spread(first, _places(levels, highest) - first)
        above = np.stack([corner[face] for corner in corners_z], axis=1) - levels[level][:, None]
        self._cut(vertices, faces[face], above, level, count)

    def _cut(
        self, vertices: Floats, faces: Integers, above: Floats, level: Integers, count: int
    ) -> None:
        """Measure the segments in which faces are cut, each with the material on its left."""
        is_above = above > 0.0
        ups = is_above.sum(axis=1)
        lone = np.where((ups == 1)[:, None], is_above, ~is_above).argmax(axis=1)
        ends = [self._end(vertices, faces, above, lone, (lone + side) % 3) for side in (1, 2)]
        is_up = ups == 1
        (one, one_key), (two, two_key) = ends
        start, end = (np.where(is_up[:, None], *pair) for pair in ((one, two), (two, one)))
        start_key, end_key = (
            np.where(is_up, *pair) for pair in ((one_key, two_key), (two_key, one_key))
        )
        turned = start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]
        lengths = np.linalg.norm(end - start, axis=1)
        self.areas = np.abs(_sums(level, turned / 2.0, count))
        self.outlines = _sums(level, lengths, count)
        following = np.empty(len(level), dtype=np.int64)
        following[np.lexsort((end_key, level))] = np.lexsort((start_key, level))
        turns = _turns(end - start, lengths, following)
        self.turns = _sums(level, turns, count)
        self.corners = np.bincount(level[turns > CORNER_RADIANS], minlength=count)
        self.loops = np.bincount(level[_one_of_each_cycle(following)], minlength=count)

    @staticmethod
    def _end(
        vertices: Floats, faces: Integers, above: Floats, lone: Integers, other: Integers
    ) -> tuple[Floats, Integers]:
        """Return where the edges from the lone corners are cut, and a number for each edge."""
        rows = np.arange(len(faces))
        here, there = faces[rows, lone], faces[rows, other]
        share = above[rows, lone] / (above[rows, lone] - above[rows, other])
        start, end = vertices[here, :2], vertices[there, :2]
        key = np.minimum(here, there) * len(vertices) + np.maximum(here, there)
        return start + (end - start) * share[:, None], key


def _lowest(corners: list[Floats]) -> Floats:
    """Return the least of three values, row by row: much quicker than along an axis of three."""
    return np.minimum(np.minimum(corners[0], corners[1]), corners[2])


def _highest(corners: list[Floats]) -> Floats:
    return np.maximum(np.maximum(corners[0], corners[1]), corners[2])


def _places(ordered: Floats, values: Floats) -> Integers:
    """Return at how many of the ordered each value is past."""
    return np.searchsorted(ordered, values).astype(np.int64)


def _sums(level: Integers, values: Floats, count: int) -> Floats:
    return np.bincount(level, values, count).astype(np.float64)


def _spread(first: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Return for each row i the pairs (i, first), (i, first + 1), ... counts[i] of them."""
    rows = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, within + first[rows]


def _turns(steps: Floats, lengths: Floats, following: Integers) -> Floats:
    """Return by what angle each segment's successor turns, in radians from 0 to pi."""
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs((angles[following] - angles + np.pi) % (2.0 * np.pi) - np.pi)
    has_length = lengths > 1e-6
    return np.where(has_length & has_length[following], turns, 0.0)


def _one_of_each_cycle(following: Integers) -> Integers:
    """Return the lowest member of each cycle of a permutation, by doubling the steps."""
    lowest, step = np.arange(len(following)), following
    while True:
        lower = np.minimum(lowest, lowest[step])
        if np.array_equal(lower, lowest):
            return np.unique(lowest)
        lowest, step = lower, step[step]


def _columns(vertices: Floats, faces: Integers, extents: Floats) -> tuple[float, tuple[Solid, ...]]:
    """Return the area of a column, and the material that each goes through, from below."""
    cell = np.sqrt(extents[0] * extents[1]) / COLUMNS
    counts = np.maximum(1, np.ceil(extents[:2] / cell)).astype(np.int64)
    sides = extents[:2] / counts
    flat = vertices[:, :2] / sides - 0.5 + _ASIDE * np.sqrt((2.0, 3.0))
    (first_x, span_x), (first_y, span_y) = (
        _columns_under(flat[:, axis], faces, int(counts[axis])) for axis in range(2)
    )
    face, cells = _spread(np.zeros(len(faces), dtype=np.int64), span_x * span_y)
    x = first_x[face] + cells % span_x[face]
    y = first_y[face] + cells // span_x[face]
    hits = _hits(vertices, flat, faces[face], x, y)
    is_hit, heights, slopes, is_top = hits
    column = (y * counts[0] + x)[is_hit]
    order = np.lexsort((heights, column))
    found = _Found(column[order], heights[order], slopes[order], is_top[order], counts)
    solids = found.solids()
    return float(sides[0] * sides[1]), solids


def _columns_under(flat: Floats, faces: Integers, count: int) -> tuple[Integers, Integers]:
    """Return along one axis the first column that each face may be over, and of how many."""
    flat = np.ascontiguousarray(flat)
    corners = [flat[faces[:, corner]] for corner in range(3)]
    first = np.maximum(np.ceil(_lowest(corners)), 0.0).astype(np.int64)
    last = np.minimum(np.floor(_highest(corners)), count - 1).astype(np.int64)
    return first, np.maximum(last - first + 1, 0)


def _hits(
    vertices: Floats, flat: Floats, faces: Integers, x: Integers, y: Integers
) -> tuple[NDArray[np.bool_], Floats, Floats, NDArray[np.bool_]]:
    """Return which faces are over their column, and of these the height there, the slope, and
    whether they look up."""
    corners = flat[faces]
    weights = np.stack(
        [_side(corners[:, i], corners[:, j], x, y) for i, j in ((1, 2), (2, 0), (0, 1))], axis=1
    )
    is_hit = np.logical_or((weights > 0.0).all(axis=1), (weights < 0.0).all(axis=1))
    weights, faces = weights[is_hit], faces[is_hit]
    doubled = weights.sum(axis=1)
    heights = (weights * vertices[faces][:, :, 2]).sum(axis=1) / doubled
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    level = np.hypot(normals[:, 0], normals[:, 1])
    slopes = np.minimum(level / np.maximum(np.abs(normals[:, 2]), 1e-12), _UPRIGHT)
    return is_hit, heights, slopes, doubled > 0.0


def _side(start: Floats, end: Floats, x: Integers, y: Integers) -> Floats:
    """Return twice the area between a side and the point (x, y), positive on its left."""
    along = end - start
    turned: Floats = along[:, 0] * (y - start[:, 1]) - along[:, 1] * (x - start[:, 0])
    return turned


class _Found:
    """Where columns meet faces, by column and height."""

    def __init__(
        self,
        column: Integers,
        heights: Floats,
        slopes: Floats,
        is_top: NDArray[np.bool_],
        counts: Integers,
    ) -> None:
        self._column, self._heights, self._slopes, self._is_top = column, heights, slopes, is_top
        self._counts = counts
        self._tall = float(heights.max(initial=0.0)) + 1.0
        self._key = column * self._tall + heights

    def solids(self) -> tuple[Solid, ...]:
        """Pair each face that looks down with the next above it, which looks up."""
        goes_on = np.append(self._column[1:] == self._column[:-1], False)
        bottom = np.flatnonzero(goes_on & ~self._is_top & np.append(self._is_top[1:], False))
        has_below = np.append(False, goes_on[:-1])[bottom]
        below = np.where(has_below, np.roll(self._heights, 1)[bottom], -1.0)
        ends = (self._heights[bottom], self._heights[bottom + 1])
        columns = self._column[bottom]
        rows = zip(
            *(np.round(each, 3).tolist() for each in (below, *ends)),
            *(np.round(self._slopes[each], 3).tolist() for each in (bottom, bottom + 1)),
            self._beside(columns, ends[0] - _BESIDE_MM).tolist(),
            self._beside(columns, ends[1] + _BESIDE_MM).tolist(),
            strict=True,
        )
        return tuple(rows)

    def _beside(self, columns: Integers, heights: Floats) -> Integers:
        """Return in how many of the four columns beside each there is material at a height."""
        wide, deep = self._counts
        x, y = columns % wide, columns // wide
        beside = np.zeros(len(columns), dtype=np.int64)
        for to_x, to_y in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)):
            is_there = (to_x >= 0) & (to_x < wide) & (to_y >= 0) & (to_y < deep)
            base = (to_y * wide + to_x) * self._tall
            crossed = _places(self._key, base + heights) - _places(self._key, base)
            beside += is_there & (heights > 0.0) & (crossed % 2 == 1)
        return beside
