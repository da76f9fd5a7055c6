"""Which machines share a tile: a k-d order of points, all levels of it in numpy."""

import numpy as np
from numpy.typing import NDArray

from ..columns import Rows

Singles = NDArray[np.float32]


def tile_order(points: Singles, width: int, fill: int) -> Rows:
    """Return the numbers of the (n, d) points in tiles (t, width), near ones together; -1: free.

    Each half of a tile's points is split again where it is widest (Bentley, 1975), until
    about `fill` are left, which leaves room for a few more.
    """
    count = len(points)
    assert count > 0
    assert fill + 2 <= width
    order = np.arange(count)
    starts, tiles = np.zeros(1, np.intp), np.array([-(-count // fill)])
    while tiles.max() > 1:
        order = _sorted_along_the_widest(points, order, starts)
        starts, tiles = _halves(starts, tiles, count)
    sizes = np.diff(starts, append=count)
    placed = np.full((len(starts), width), -1, np.intp)
    tile = np.repeat(np.arange(len(starts)), sizes)
    placed[tile, np.arange(count) - starts[tile]] = order
    return placed


def _sorted_along_the_widest(points: Singles, order: Rows, starts: Rows) -> Rows:
    """Return the order with each segment sorted by the coordinate that varies most in it."""
    ordered = points[order]
    spread = np.maximum.reduceat(ordered, starts) - np.minimum.reduceat(ordered, starts)
    segment = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    value = ordered[np.arange(len(order)), spread.argmax(axis=1)[segment]]
    key = (segment.astype(np.uint64) << np.uint64(32)) | _as_ordered(value)
    return order[np.argsort(key)]


def _halves(starts: Rows, tiles: Rows, count: int) -> tuple[Rows, Rows]:
    """Return the segments split in two, those of one tile as they are."""
    sizes = np.diff(starts, append=count)
    left = tiles // 2
    split = left > 0
    new_starts = np.concatenate([starts, (starts + sizes * left // tiles)[split]])
    new_tiles = np.concatenate([np.where(split, left, tiles), (tiles - left)[split]])
    order = np.argsort(new_starts)
    return new_starts[order], new_tiles[order]


def _as_ordered(values: Singles) -> NDArray[np.uint64]:
    """Return whole numbers in the order of the floats: their bits, the negative ones reversed."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    flip = np.where(bits >> np.uint32(31), np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    return (bits ^ flip).astype(np.uint64)
