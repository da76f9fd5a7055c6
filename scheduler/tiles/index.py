"""The tiles of all needs that were asked for, kept up to date as records come.

A record costs its machines' numbers in a list here. Whoever asks next brings the tiles
up to date: one changed machine is a slot written and its tile's bounds taken again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..columns import NO_CODE, Codes, Flags, Floats, Machines, Rows, Stocks
from ..weights import Weights
from .order import Singles
from .tiles import WIDTH, Block, Tiles

WEIGHTS_MAX = 8
"""Weights whose tiles are kept; those asked for longest ago go first."""
CHANGED_SHARE = 4
"""Where more than a share of one in so many has changed, tiles are made anew."""
AGE_MS_MAX = 3_600_000
"""Tiles count time from their start, in 32 bits, and know who opens when as of then: an hour
later they are made anew."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What tiles keep of n machines."""

    facts: Block
    """(facts, n)"""
    points: Singles
    """(n, d), by which they are ordered."""
    fits: Flags
    """False: it can make nothing for this buyer, and is kept in no tile."""


Derive = Callable[[Machines, Floats, Floats, int], Entries]
"""From machines, what they have of the material (milligrams), its price (minor units per
kilogram), and the start of the tiles."""


@dataclass(frozen=True, slots=True)
class Source:
    """The view as it is now."""

    machines: Machines
    stocks: Stocks
    derive: Derive
    """The same for the same buyer."""

    def entries(self, stock: Rows, start: int) -> tuple[Entries, Floats]:
        """Return what tiles keep of rows of stock, and when their records expire."""
        machines = self.machines.take(self.stocks.machine[stock].astype(np.intp))
        mass_mg, price = self.stocks.mass_mg[stock], self.stocks.price[stock]
        return self.derive(machines, mass_mg, price, start), machines.until


Need = tuple[int, int]
"""The codes of process and material."""
Buyer = tuple[Weights, int]
"""Weights, and the code of their currency."""


class Index:
    def __init__(self) -> None:
        self._towns: dict[Buyer, _Town] = {}

    def changed(self, stock: Iterable[int]) -> None:
        """Take the stock rows that were written; those of all machines that were."""
        rows = list(stock)
        for town in self._towns.values():
            town.changed += rows

    def tiles(
        self,
        need: Need,
        source: Source,
        now: int,
        buyer: Buyer,
    ) -> tuple[Tiles, int] | None:
        """Return a need's machines, and the time from which their facts count; None: nobody."""
        town = self._towns.pop(buyer, None)
        if town is None or not 0 <= now - town.start <= AGE_MS_MAX:
            town = _Town(now)
        self._towns[buyer] = town
        if len(self._towns) > WEIGHTS_MAX:
            del self._towns[next(iter(self._towns))]
        tiles = town.tiles(need, source)
        return (tiles, town.start) if tiles else None

    def copy(self) -> "Index":
        twin = Index()
        twin._towns = {buyer: town.copy() for buyer, town in self._towns.items()}
        return twin

    def bytes(self) -> int:
        return sum(town.bytes() for town in self._towns.values())


class _Town:
    """The tiles under one buyer's weights."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.changed: list[int] = []
        self._needs: dict[Need, int] = {}
        self._tiles: list[Tiles | None] = []
        self._need_at: Codes = np.empty(0, np.int32)
        """By stock row: the number of its need here, or `NO_CODE`."""
        self._slot_at: NDArray[np.int32] = np.empty(0, np.int32)

    def tiles(self, need: Need, source: Source) -> Tiles | None:
        self._catch_up(source)
        if need not in self._needs:
            self._needs[need] = len(self._tiles)
            self._tiles.append(None)
        number = self._needs[need]
        tiles = self._tiles[number]
        if tiles is None or tiles.is_worn():
            tiles = self._tiles[number] = self._made(need, source)
        return tiles

    def copy(self) -> "_Town":
        twin = _Town(self.start)
        twin.changed = list(self.changed)
        twin._needs = dict(self._needs)
        twin._tiles = [tiles and tiles.copy() for tiles in self._tiles]
        twin._need_at, twin._slot_at = self._need_at.copy(), self._slot_at.copy()
        return twin

    def bytes(self) -> int:
        kept = sum(tiles.bytes() for tiles in self._tiles if tiles)
        return kept + self._need_at.nbytes + self._slot_at.nbytes

    def _made(self, need: Need, source: Source) -> Tiles | None:
        machines, stocks = source.machines, source.stocks
        number = self._needs[need]
        self._need_at[self._need_at == number] = NO_CODE
        process, material = need
        rows = np.flatnonzero(stocks.material == material)
        at = stocks.machine[rows]
        rows = rows[machines.live[at] & (machines.process[at] == process)]
        entries, until = source.entries(rows, self.start)
        fit = np.flatnonzero(entries.fits)
        if not len(fit):
            return None
        rows = rows[fit]
        tiles = Tiles(
            rows.astype(np.int32),
            entries.facts[:, fit],
            machines.placed[stocks.machine[rows]],
            until[fit],
            entries.points[fit],
        )
        stock, slots = tiles.slots()
        self._need_at[stock], self._slot_at[stock] = number, slots
        return tiles

    def _catch_up(self, source: Source) -> None:
        machines, stocks = source.machines, source.stocks
        count = len(stocks.material)
        if len(self._need_at) < count:
            more = max(count, int(1.5 * len(self._need_at))) - len(self._need_at)
            self._need_at = np.pad(self._need_at, (0, more), constant_values=NO_CODE)
            self._slot_at = np.pad(self._slot_at, (0, more))
        if not self.changed:
            return
        changed, self.changed = np.unique(np.array(self.changed, np.intp)), []
        if len(changed) * CHANGED_SHARE > count + CHANGED_SHARE * WIDTH:
            self._tiles = [None] * len(self._tiles)
            return
        entries, until = source.entries(changed, self.start)
        was = self._need_at[changed]
        now = self._needs_of(changed, entries.fits, source)
        placed = machines.placed[stocks.machine[changed]]
        stays = was == now
        for number, tiles in enumerate(self._tiles):
            mine = np.flatnonzero(was == number)
            if tiles is None or not len(mine):
                continue
            slots = self._slot_at[changed[mine]].astype(np.intp)
            stays[mine] &= placed[mine] == tiles.placed[slots // WIDTH]
            same = stays[mine]
            tiles.put(slots[same], entries.facts[:, mine[same]], until[mine[same]])
            tiles.remove(slots[~same])
            self._need_at[changed[mine[~same]]] = NO_CODE
        for each in np.flatnonzero(~stays & (now != NO_CODE)).tolist():
            self._insert(
                int(now[each]),
                int(changed[each]),
                entries.facts[:, each],
                bool(placed[each]),
                float(until[each]),
            )

    def _needs_of(self, stock: Rows, fits: Flags, source: Source) -> NDArray[np.intp]:
        """Return the numbers of the needs that stock rows serve now, or `NO_CODE`."""
        machines, stocks = source.machines, source.stocks
        at = stocks.machine[stock]
        serves = fits & (stocks.material[stock] != NO_CODE) & machines.live[at]
        needs = zip(machines.process[at].tolist(), stocks.material[stock].tolist(), strict=True)
        numbers = [self._needs.get(need, NO_CODE) for need in needs]
        return np.where(serves, np.array(numbers, np.intp), NO_CODE)

    def _insert(
        self, number: int, stock: int, facts: NDArray[np.float32], placed: bool, until: float
    ) -> None:
        tiles = self._tiles[number]
        if tiles is None:
            return
        slot = tiles.insert(stock, facts, placed, until)
        if slot < 0:
            self._tiles[number] = None
            return
        self._need_at[stock], self._slot_at[stock] = number, slot
