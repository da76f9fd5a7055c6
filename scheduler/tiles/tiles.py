"""The machines that do one process and have one material, in tiles, each with its bounds.

A tile is a row of at most `WIDTH` machines that are near each other and cost much the
same. What its machines have in common (the least price, the largest bed, a ball that
holds their places) says whether any of them can matter to a job, at a glance.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ..columns import NO_CODE, Codes, Flags, Floats, Rows
from .order import Singles, tile_order

WIDTH = 64
FILL = 58
"""Machines in a new tile. The room that is left is for those that come later."""
NOBODY = np.float32(1e33)
"""The cost of a free slot, or of a machine that is not there now; no real one is near it."""
_NONE = np.float32(1e15)
"""The bound of a tile with no machine."""
SHORT = np.float32(1.0 - 1e-6)
"""By so much squares are less than they are, so that no distance is too long by rounding."""


class Fact(IntEnum):
    """What is kept of each machine, in 32-bit floats. Costs are minor units."""

    X = 0
    Y = 1
    Z = 2
    PER_S = 3
    """For each second of work at ordinary speed."""
    PER_MG = 4
    """For each milligram of material."""
    SMALL = 5
    MIDDLE = 6
    LARGE = 7
    STOCK_MG = 8
    NOZZLE = 9
    TOLERANCE = 10
    TEMPERATURE = 11
    SETUP_MS = 12
    """Of the window, without work and queue."""
    MS_PER_S = 13
    """Of the window, for each second of work at ordinary speed."""
    FREE_MS = 14
    """When its queue ends and it opens, from the start of the tiles on."""
    IDLE = 15
    """The cost of an order on it, whatever it is, if it is idle."""
    QUEUED = 16
    """The same, if its queue still lasts, at the start of the tiles."""
    LONGEST_MS = 17
    """The longest window that finds an opening."""


Block = NDArray[np.float32]
"""(facts, machines), or (tiles, facts, machines)."""


class Tiles:
    """One need's machines. A slot is tile * `WIDTH` + the place in it."""

    def __init__(
        self, stock: Codes, facts: Block, placed: Flags, until: Floats, points: Singles
    ) -> None:
        """Take the stock rows of n machines, their facts (facts, n), whether each place is
        known, when each record expires, and the points (n, d) by which to order them."""
        order = np.concatenate(
            [
                _tiles_among(np.flatnonzero(placed), points),
                _tiles_among(np.flatnonzero(~placed), points),
            ]
        )
        self.until = float(until.min(initial=np.inf))
        """No record expires before."""
        self.stock: Codes = np.where(order >= 0, stock[order], np.int32(NO_CODE))
        self.facts: Block = np.ascontiguousarray(facts[:, order].transpose(1, 0, 2))
        _free(self.facts, *np.nonzero(self.stock == NO_CODE))
        self.placed: Flags = placed[order[:, 0]]
        self.changes = 0
        count = len(order)
        self.low: Block = np.empty((len(Fact), count), np.float32)
        self.high: Block = np.empty((len(Fact), count), np.float32)
        self.centre: Block = np.empty((3, count), np.float32)
        self.radius: NDArray[np.float32] = np.empty(count, np.float32)
        self.near: Block = np.ones((count, 5, WIDTH), np.float32)
        """Places from the tile's centre, 1, and the distance from it squared: with such of a
        job, the product is the square of the chord between the two."""
        self._bound(np.arange(count))

    def __len__(self) -> int:
        return len(self.stock)

    def slots(self) -> tuple[Codes, Rows]:
        """Return the stock rows that are in the tiles, and their slots."""
        slots = np.flatnonzero(self.stock.ravel() != NO_CODE)
        return self.stock.ravel()[slots], slots

    def is_worn(self) -> bool:
        """Say whether so much has changed that a new order would be better."""
        return self.changes > max(WIDTH, self.stock.size)

    def put(self, slots: Rows, facts: Block, until: Floats) -> None:
        """Take what is new of machines, (facts, n), whose slots stay."""
        tile, place = np.divmod(slots, WIDTH)
        self.facts[tile, :, place] = facts.T
        self.until = min(self.until, float(until.min(initial=np.inf)))
        self._changed(tile)

    def remove(self, slots: Rows) -> None:
        tile, place = np.divmod(slots, WIDTH)
        self.stock[tile, place] = NO_CODE
        _free(self.facts, tile, place)
        self._changed(tile)

    def insert(self, stock: int, facts: NDArray[np.float32], placed: bool, until: float) -> int:
        """Return the slot of one more machine, near those like it; -1: there is no room."""
        tiles = np.flatnonzero((self.placed == placed) & (self.stock == NO_CODE).any(axis=1))
        if not len(tiles):
            return -1
        away = np.square(self.centre[:, tiles] - facts[:3, None]).sum(axis=0)
        tile = int(tiles[away.argmin()])
        place = int((self.stock[tile] == NO_CODE).argmax())
        self.stock[tile, place] = stock
        slot = tile * WIDTH + place
        self.put(np.array([slot]), facts[:, None], np.array([until]))
        return slot

    def bytes(self) -> int:
        arrays = (self.stock, self.facts, self.placed, self.low, self.high, self.centre, self.near)
        return sum(int(array.nbytes) for array in arrays) + int(self.radius.nbytes)

    def copy(self) -> "Tiles":
        twin = object.__new__(Tiles)
        for name, value in vars(self).items():
            setattr(twin, name, value.copy() if isinstance(value, np.ndarray) else value)
        return twin

    def _changed(self, tile: Rows) -> None:
        self.changes += len(tile)
        if len(tile):
            self._bound(np.unique(tile))

    def _bound(self, tiles: Rows) -> None:
        facts, used = self.facts[tiles], self.stock[tiles] != NO_CODE
        with_facts = np.broadcast_to(used[:, None, :], facts.shape)
        self.low[:, tiles] = facts.min(axis=2, where=with_facts, initial=_NONE).T
        self.high[:, tiles] = facts.max(axis=2, where=with_facts, initial=-_NONE).T
        places = facts[:, :3]
        count = np.maximum(used.sum(axis=1), 1).astype(np.float32)
        centre = (places * used[:, None, :]).sum(axis=2) / count[:, None]
        away = (places - centre[:, :, None]) * used[:, None, :]
        square = np.square(away).sum(axis=1)
        self.near[tiles, :3] = away
        self.near[tiles, 4] = square * SHORT
        self.centre[:, tiles] = centre.T
        self.radius[tiles] = np.sqrt(square.max(axis=1))


def _tiles_among(rows: Rows, points: Singles) -> Rows:
    if not len(rows):
        return np.empty((0, WIDTH), np.intp)
    order = tile_order(points[rows], WIDTH, FILL)
    return np.where(order >= 0, rows[order], -1)


def _free(facts: Block, tile: Rows, place: Rows) -> None:
    facts[tile, :, place] = 0.0
    facts[tile, Fact.SMALL, place] = -1.0
    facts[tile, Fact.IDLE, place] = NOBODY
    facts[tile, Fact.QUEUED, place] = NOBODY
