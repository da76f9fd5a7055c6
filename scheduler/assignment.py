"""Who gets what, so that the whole batch is cheapest: exact assignment of rows to columns."""

from typing import Any, cast

import numpy as np

from .columns import Floats, Rows

SPREAD_MAX = 1_000.0
"""What costs a row more than so many times its cheapest is not considered: one absurd
price would cost all others their decimals."""
SPREAD_MINOR_MIN = 1e7
"""But up to this it is always considered."""


def assign(cost: Floats) -> Rows:
    """Return for each row its column, no column twice, -1 where there is none for it.

    `cost` is (n, m) and not negative, infinite where it is not allowed. As many rows as
    possible get a column, and of all ways to do so, the sum of the costs is the least.
    """
    rows, columns = cost.shape
    chosen = np.full(rows, -1, np.intp)
    if cost.size == 0:
        return chosen
    most = np.maximum(cost.min(axis=1, keepdims=True) * SPREAD_MAX, SPREAD_MINOR_MIN)
    cost = np.where(cost <= most, cost, np.inf)
    allowed = np.isfinite(cost)
    if not allowed.any():
        return chosen
    # One row more without a column costs more than any other choice can save.
    none = float(cost[allowed].max()) * rows + 1.0
    row, column = _solve(np.hstack([cost, np.full((rows, rows), none)]))
    real = column < columns
    chosen[row[real]] = column[real]
    return chosen


def _solve(cost: Floats) -> tuple[Rows, Rows]:
    # Imported here: it is large, and a node that is idle does without it.
    from scipy import optimize  # type: ignore[import-untyped]  # scipy ships no types

    row, column = cast("Any", optimize).linear_sum_assignment(cost)  # for the same reason
    return np.asarray(row, np.intp), np.asarray(column, np.intp)
