"""A shop: jobs that wait, and machines that make one after the other, as arrays.

What a plan costs is what its jobs cost where they are, and when they end:

    sum of  cost + set-up + waiting * end + lateness * max(0, end - latest)

A window that is promised to another stays where it is, and a job is not interrupted by
it. A set-up is shorter where the material stays loaded. Times are in milliseconds since
1970, money in minor units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..columns import Codes, Floats, Rows
from ..constraints import BLOCKING, Constraint
from ..factors import WINDOW_MS_PER_S
from ..formulas import MS_PER_HOUR, S_PER_HOUR, window_ms
from ..kernel import evaluate
from ..problem import Problem
from ..view import Snapshot
from ..weights import Weights

Window = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shop:
    """n jobs and m machines."""

    work_ms: Floats
    """Each job's window on each machine without the set-up, (n, m); infinite: it does not fit."""
    cost: Floats
    """What does not depend on set-up and end, (n, m)."""
    latest: Floats
    """The end of the window that is just in time, (n, m); infinity: no date."""
    waiting: Floats
    """Minor units for each millisecond until the end, (n,)."""
    lateness: Floats
    """And for each millisecond after `latest`, (n,)."""
    material: Codes
    """(n,)"""
    mass_mg: Floats
    """(n,)"""
    stock_mg: Floats
    """What there is of each material, (materials, m)."""
    setup_ms: Floats
    """When the material changes, (m,)."""
    setup_cost: Floats
    """(m,)"""
    loaded: Codes
    """The material in each machine; -1: unknown, (m,)."""
    free_at: Floats
    """(m,)"""
    promised: Floats
    """Windows that are taken, (m, w, 2), in their order; infinite where there are fewer."""


def shop_of(
    view: Snapshot,
    problem: Problem,
    weights: Weights,
    rows: Rows,
    promised: Mapping[int, Sequence[Window]] | None = None,
    loaded: Mapping[int, str] | None = None,
) -> Shop:
    """Return the problem's jobs and the machines with these rows, each free from its `free_at`.

    `promised` and `loaded` say more of a machine, by its place in `rows`.
    """
    result = evaluate(view, problem, weights, rows)
    machines, terms, happens = view.machines.take(rows), result.terms, result.facts
    setup_cost = machines.setup_s * machines.price / S_PER_HOUR
    setup_cost *= 1.0 + (1.0 - machines.standing) * weights.trust_share
    waiting = np.full(len(problem), weights.waiting_minor_per_hour / MS_PER_HOUR)
    # What is waited for and late depends on when it ends, and is not in the cost.
    fixed = terms.total() - terms.lateness - waiting[:, None] * (happens.ready_ms - problem.now)
    # Lateness is a cost here, and no reason not to make it.
    blocked = result.verdicts.astype(np.int64) & int(BLOCKING & ~Constraint.DEADLINE)
    work_ms = window_ms(happens.seconds - machines.setup_s)
    stock = np.zeros((len(problem.materials), len(rows)))
    stock[problem.jobs.material] = result.stock_mg
    return Shop(
        work_ms=np.where(blocked == 0, work_ms, np.inf),
        cost=fixed - setup_cost - waiting[:, None] * problem.now,
        latest=problem.jobs.by[:, None] - (happens.earliest_ms - happens.ready_ms),
        waiting=waiting,
        lateness=np.full(len(problem), weights.lateness_minor_per_hour / MS_PER_HOUR),
        material=problem.jobs.material,
        mass_mg=problem.jobs.mass_mg,
        stock_mg=stock,
        setup_ms=machines.setup_s * WINDOW_MS_PER_S.value,
        setup_cost=setup_cost,
        loaded=_loaded(loaded or {}, problem, len(rows)),
        free_at=np.maximum(machines.free_at, problem.now),
        promised=_promised(promised or {}, len(rows)),
    )


def _loaded(loaded: Mapping[int, str], problem: Problem, machines: int) -> Codes:
    codes = {name: code for code, name in enumerate(problem.materials)}
    named = (codes.get(loaded.get(machine, ""), -1) for machine in range(machines))
    return np.fromiter(named, np.int32, machines)


def _promised(promised: Mapping[int, Sequence[Window]], machines: int) -> Floats:
    most = max((len(windows) for windows in promised.values()), default=0)
    taken = np.full((machines, most, 2), np.inf)
    for machine, windows in promised.items():
        if windows:
            taken[machine, : len(windows)] = sorted(windows)
    return taken
