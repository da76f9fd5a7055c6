"""Every job against every machine: which fit, what each would cost, which are best.

`evaluate` keeps everything for every pair, for explanations and small problems. `top`
answers for thousands of millions of pairs, most of which it never looks at:

1. Jobs are taken by process, material and licence, each with the machines that serve these,
   which the view's index has in tiles.
2. A search by bounds and quick costs finds the few machines that may be among the k best.
3. Those are costed by the formulas that `evaluate` uses. A job whose k-th cost does not
   prove that nothing was missed is searched again, up to that cost.

So the answer is that of `evaluate`, bit for bit; only the time differs. The choice of
this design: specs/decisions/0024-pruned-kernel.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import Floats, Rows
from .formulas import Facts, Held, Terms, Verdicts, facts, fits, terms, verdicts
from .problem import Jobs, Problem
from .tiles.ranking import Town
from .view import Snapshot
from .weights import Weights

DENSE_PAIRS_MAX = 1_000_000
"""`evaluate` takes about 150 bytes a pair."""
BOUNDS_MAX = 1 << 22
"""Jobs times tiles that are searched together: 16 MB."""
JOBS_MAX = 1 << 14
"""Jobs that are searched together."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of n jobs on m machines. Matrices are (n, m)."""

    rows: Rows
    """The machines' rows in the snapshot, (m,)."""
    verdicts: Verdicts
    cost: Floats
    """Minor units; infinite where the machine does not fit."""
    terms: Terms
    """Also where it does not fit; a material that it has not is free."""
    facts: Facts
    stock_mg: Floats
    """What each machine has of each job's material."""


@dataclass(frozen=True, slots=True)
class Top:
    """The k best machines of each of n jobs, the best first."""

    rows: NDArray[np.intp]
    """Rows in the snapshot, (n, k); -1 where fewer fit."""
    cost: Floats
    """Minor units, (n, k); infinite where fewer fit."""
    twice: int
    """Jobs whose first search proved too little, so that there was a second."""


def evaluate(
    view: Snapshot, problem: Problem, weights: Weights, rows: Rows | None = None
) -> Evaluation:
    """Return every job on every machine, or on those with the given rows."""
    rows = view.rows() if rows is None else rows
    assert len(rows) * len(problem) <= DENSE_PAIRS_MAX
    machines = view.machines.take(rows)
    jobs = problem.seen_in(view).column()
    held = _held(view, problem, rows)
    asking = problem.asking(view, weights)
    happens = facts(machines, jobs, asking)
    costs = terms(machines, jobs, held, happens, asking)
    bits = verdicts(machines, jobs, held, happens, asking)
    cost = np.where(fits(bits), costs.total(), np.inf)
    assert cost.shape == bits.shape == (len(problem), len(rows))
    return Evaluation(rows, bits, cost, costs, happens, held.mass_mg)


def top(view: Snapshot, problem: Problem, k: int, weights: Weights) -> Top:
    """Return for each job the k cheapest machines that fit (SCHED-8, SCHED-9)."""
    assert k >= 1
    rows = np.full((len(problem), k), -1, np.intp)
    cost = np.full((len(problem), k), np.inf)
    twice = 0
    jobs, asking = problem.seen_in(view), problem.asking(view, weights)
    for members in _by_need(jobs):
        need = Town.of(view, jobs, int(members[0]), asking)
        if need is None:
            continue
        at_once = max(1, min(JOBS_MAX, BOUNDS_MAX // len(need.tiles)))
        for start in range(0, len(members), at_once):
            some = members[start : start + at_once]
            ranked = need.rank(jobs.take(some), k)
            rows[some], cost[some] = ranked.rows, ranked.cost
            twice += int(ranked.unsettled.sum())
    return Top(rows, cost, twice)


def _by_need(jobs: Jobs) -> Iterator[Rows]:
    """Yield the jobs that need the same process, material and licence."""
    if len(jobs.by) == 1:
        yield np.zeros(1, np.intp)
        return
    order = np.lexsort((jobs.licence, jobs.material, jobs.process))
    columns = (jobs.process[order], jobs.material[order], jobs.licence[order])
    new = np.any([np.diff(column) != 0 for column in columns], axis=0)
    for members in np.split(order, np.flatnonzero(new) + 1):
        if len(members):
            yield members


def _held(view: Snapshot, problem: Problem, rows: Rows) -> Held:
    """Return what these machines have of each job's material, as (n, m)."""
    shape = (len(problem.materials), len(rows))
    held = Held(np.zeros(shape, np.bool_), np.zeros(shape), np.zeros(shape))
    place = np.full(len(view.machines.live), -1, np.intp)
    place[rows] = np.arange(len(rows))
    for index, material in enumerate(problem.materials):
        stocks = view.stocks_of(material)
        stocks = stocks.take(np.flatnonzero(place[stocks.machine] >= 0))
        at = place[stocks.machine]
        held.has[index, at] = True
        held.mass_mg[index, at] = stocks.mass_mg
        held.price[index, at] = stocks.price
    return held.map(lambda column: column[problem.jobs.material])
