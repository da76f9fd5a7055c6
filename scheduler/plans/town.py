"""The machines of a snapshot while a plan fills them: each job that is put on one makes its queue
longer and its stock smaller, for the jobs after it. The snapshot itself does not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import asin, atan2, degrees

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Place

from ..columns import Rows
from ..kernel import Evaluation, evaluate, top
from ..placement import CONSIDERED_MAX, CONSIDERED_MIN
from ..problem import Want, problem_of
from ..view import Snapshot
from ..weights import Weights


@dataclass(frozen=True, slots=True)
class Put:
    """A job on a machine."""

    want: Want
    row: int
    evaluation: Evaluation
    """Of this job on some machines."""
    at: int
    """The machine's column there."""

    def fact(self, name: str) -> float:
        return float(getattr(self.evaluation.facts, name)[0, self.at])

    def term(self, name: str) -> float:
        return float(getattr(self.evaluation.terms, name)[0, self.at])


class Town:
    """Machines for the jobs of one order."""

    def __init__(self, view: Snapshot, now: Timestamp, weights: Weights) -> None:
        machines = replace(view.machines, free_at=view.machines.free_at.copy())
        stocks = replace(view.stocks, mass_mg=view.stocks.mass_mg.copy())
        self.view = replace(view, machines=machines, stocks=stocks)
        self._empty = view
        self._now, self._weights = now, weights

    def rows(self, wants: Sequence[Want]) -> list[Rows]:
        """Return for each job the best machines, if nothing else is on them, of the lowest tier
        that has any."""
        k = min(max(CONSIDERED_MIN, len(wants)), CONSIDERED_MAX)
        found = [np.zeros(0, np.intp)] * len(wants)
        for view in self._empty.tiers():
            left = [at for at, rows in enumerate(found) if not len(rows)]
            if left:
                problem = problem_of([wants[at] for at in left], self._now)
                ranked = top(view, problem, k, self._weights).rows
                for at, rows in zip(left, ranked, strict=True):
                    found[at] = rows[rows >= 0]
        return found

    def put(self, want: Want, rows: Rows, after: float = 0.0) -> Put | None:
        """Put a job on that of these machines that costs least, not before a time; None: it fits
        none of them any more."""
        if len(rows) == 0:
            return None
        view = self._not_before(after) if after else self.view
        result = evaluate(view, problem_of([want], self._now), self._weights, rows)
        at = int(np.lexsort((self.view.machines.key[rows], result.cost[0]))[0])
        if not np.isfinite(result.cost[0, at]):
            return None
        put = Put(want, int(rows[at]), result, at)
        self.view.machines.free_at[put.row] = put.fact("ready_ms")
        self._use_up(want, put.row)
        return put

    def place(self, row: int) -> Place | None:
        """Return where a machine is."""
        place = self.view.owners[self.view.authors[row]].place
        if place is None:
            return None
        x, y, z = place
        latitude, longitude = degrees(asin(max(-1.0, min(1.0, z)))), degrees(atan2(y, x))
        return Place(lat_udeg=round(latitude * 1e6), lon_udeg=round(longitude * 1e6))

    def machines_of(self, row: int) -> tuple[int, ...]:
        """Return all machines of the workshop that has this one."""
        return self.view.owners[self.view.authors[row]].machines

    def _not_before(self, after: float) -> Snapshot:
        free_at = np.maximum(self.view.machines.free_at, after)
        return replace(self.view, machines=replace(self.view.machines, free_at=free_at))

    def _use_up(self, want: Want, row: int) -> None:
        code = self.view.materials.find(want.part.material)
        stocks = self.view.stocks
        held = np.flatnonzero((stocks.machine == row) & (stocks.material == code))
        stocks.mass_mg[held] -= want.pieces * want.part.mass_mg
