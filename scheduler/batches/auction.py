"""An auction of slots: jobs bid against each other until each has the one it wants most.

All jobs without a slot bid at once, each for the slot that is cheapest to it with its
price, as much as makes its second choice as good, and a little more (`step`). The highest
bid has the slot, and who had it bids anew. This is Bertsekas's auction (The auction
algorithm for the transportation problem, 1989): jobs that are alike bid as one, and never
against each other.

A job pays at the most what it would cost elsewhere: in a slot that is not on its list, or
in none. Where its list has nothing for less it stops, and may be given a longer one.

Prices prove the answer. Whatever they are, no assignment costs less than the sum of what
each job would pay for its cheapest slot at these prices, less the sum of the prices (the
dual of the assignment). A slot that is not on a list has a price of its own, not below
zero; so the proof holds for all slots there are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..columns import Flags, Floats, Rows

Slots = NDArray[np.int32]

ROUNDS_MAX = 100_000
"""An auction ends by itself; this ends one that is asked for an absurd precision."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Slots that kinds of jobs may have, all lists of one length."""

    kind: Rows
    """(n,)"""
    slot: Slots
    """(n, a), no slot twice in a row with a finite cost"""
    cost: Floats
    """(n, a); infinite where a list is shorter, or the job cannot have the slot"""


class Auction:
    """The bids for one set of slots. May be run again, with longer lists."""

    def __init__(self, lists: Lists, count: Rows, most: Floats, slots: int) -> None:
        """Take the lists of all kinds, of how many jobs each is, and what it costs at the
        least to have one elsewhere; there are that many slots, numbered from 0."""
        assert len(lists.kind) == len(count) == len(most)
        self._lists = [lists]
        self._most = most.copy()
        self._count = count
        self._left = count.copy()
        self._price = np.zeros(slots)
        self._owner = np.full(slots, -1, np.int32)
        self._out = np.zeros(len(count), np.bool_)
        self._alike = bool(np.any(count > 1))
        self._first = np.zeros(slots, np.intp)
        self.rounds = 0

    def run(self, step: float) -> None:
        """Bid until every job has a slot within `step` of its best, or is better off elsewhere."""
        assert step > 0
        self._out[:] = False
        for _ in range(ROUNDS_MAX):
            bids = [self._bids(lists, step) for lists in self._lists]
            kind, slot, price = (np.concatenate(parts) for parts in zip(*bids, strict=True))
            if not len(kind):
                return
            self._take(kind, slot, price)
            self.rounds += 1

    def lengthen(self, lists: Lists, most: Floats) -> None:
        """Give some kinds longer lists, which have all that their old ones have, and say what
        it costs now to have such a job elsewhere."""
        self._most[lists.kind] = most
        kept: list[Lists] = []
        for old in self._lists:
            stay = ~np.isin(old.kind, lists.kind)
            if np.any(stay):
                kept.append(Lists(old.kind[stay], old.slot[stay], old.cost[stay]))
        self._lists = [*kept, lists]

    def held(self) -> tuple[Rows, Rows]:
        """Return the slots that are taken, and the kind that has each."""
        slots = np.flatnonzero(self._owner >= 0)
        return slots, self._owner[slots].astype(np.intp)

    def left(self) -> Rows:
        """Return how many jobs of each kind have no slot."""
        return self._left.copy()

    def cost(self) -> float:
        """Return what those jobs cost that have a slot."""
        return sum(float(lists.cost[self._is_held(lists)].sum()) for lists in self._lists)

    def bound(self) -> float:
        """Return what no assignment of all jobs costs less than."""
        wanted = np.zeros(len(self._count))
        price = self._price.copy()
        for lists in self._lists:
            pays = lists.cost + price[lists.slot]
            wanted[lists.kind] = np.where(self._is_held(lists), np.inf, pays).min(axis=1)
        pays = np.minimum(wanted, self._most)
        # What is held is worth that much to its holders: they do not bid against each other.
        for lists in self._lists:
            row, column = np.nonzero(self._is_held(lists))
            slot = lists.slot[row, column]
            worth = pays[lists.kind[row]] - lists.cost[row, column]
            price[slot] = np.maximum(price[slot], worth)
        return float(pays @ self._count - price.sum())

    def _is_held(self, lists: Lists) -> Flags:
        mine: Flags = self._owner[lists.slot] == lists.kind[:, None]
        mine &= np.isfinite(lists.cost)
        return mine

    def _bids(self, lists: Lists, step: float) -> tuple[Rows, Slots, Floats]:
        """Return (kind, slot, price) of all bids of one round."""
        rows = np.flatnonzero((self._left[lists.kind] > 0) & ~self._out[lists.kind])
        kind, slot, cost = lists.kind[rows], lists.slot[rows], lists.cost[rows]
        pays = cost + self._price[slot]
        if self._alike:
            pays[self._owner[slot] == kind[:, None]] = np.inf
            row, column, level = _several(pays, self._left[kind])
        else:
            row, column, level = _one(pays)
        level = np.minimum(level, self._most[kind])
        wants = pays[row, column] < self._most[kind[row]]
        row, column = row[wants], column[wants]
        self._out[kind] = True
        self._out[kind[row]] = False
        return kind[row], slot[row, column], level[row] - cost[row, column] + step

    def _take(self, kind: Rows, slot: Slots, price: Floats) -> None:
        """Give each slot to the highest bid for it, of equal ones to the first."""
        np.maximum.at(self._price, slot, price)
        best = np.flatnonzero(price == self._price[slot])
        self._first[slot[best[::-1]]] = best[::-1]
        best = best[self._first[slot[best]] == best]
        before = self._owner[slot[best]]
        before = before[before >= 0]
        np.add.at(self._left, before, 1)
        self._out[before] = False
        np.subtract.at(self._left, kind[best], 1)
        self._owner[slot[best]] = kind[best]


def _one(pays: Floats) -> tuple[Rows, Rows, Floats]:
    """Return each row's cheapest column, and what the second cheapest costs."""
    row = np.arange(len(pays))
    column = pays.argmin(axis=1)
    best = pays[row, column].copy()
    pays[row, column] = np.inf
    level = pays.min(axis=1)
    pays[row, column] = best
    return row, column, level


def _several(pays: Floats, wanted: Rows) -> tuple[Rows, Rows, Floats]:
    """Return each row's cheapest columns, as many as it wants, and what the next one costs."""
    width = pays.shape[1]
    order = np.argsort(pays, axis=1, kind="stable")
    row = np.repeat(np.arange(len(pays)), wanted.clip(max=width))
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    following = order[np.arange(len(pays)), np.minimum(wanted, width - 1)]
    level = np.where(wanted < width, pays[np.arange(len(pays)), following], np.inf)
    return row, order[row, rank], level
