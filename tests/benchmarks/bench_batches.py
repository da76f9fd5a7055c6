"""What batches cost: 10,000 jobs among 100,000 machines with a proof, and shops in sequence.

    python -m tests.benchmarks.bench_batches

Times are of the processor, one core. OR-Tools is the alternative of both: its min-cost
flow gets the same arcs as the auction, and CP-SAT a minute on two cores for each shop.
It is imported before anything that imports HiGHS, beside which it does not load later.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from time import process_time
from typing import Any, TypeVar

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # One core; read when numpy is loaded.

import numpy as np
from msgspec import structs
from ortools.graph.python import (  # type: ignore[import-untyped]  # it ships no types for mypy
    min_cost_flow,
)

from commonfab.protocol.records import Machine
from commonfab.scheduler.batches.auction import Auction, Lists
from commonfab.scheduler.batches.batch import STEP_SHARE, Batch, place
from commonfab.scheduler.batches.sequence import search
from commonfab.scheduler.batches.shop import Shop, Window, shop_of
from commonfab.scheduler.batches.slots import slot_lists
from commonfab.scheduler.batches.timing import Timing
from commonfab.scheduler.columns import Floats
from commonfab.scheduler.kernel import top
from commonfab.scheduler.problem import Problem, Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import Snapshot
from commonfab.scheduler.weights import Weights
from tests.benchmarks.shop_by_cp_sat import solved
from tests.scheduler.worlds import DAY_MS, HOUR_MS, NOON, a_town, a_view, wants_of

JOBS, MACHINES, MACHINES_EACH, SLOTS = 10_000, 100_000, 4, 4
ARCS_LISTED = 16
"""Machines of each job among the arcs that the auction and min-cost flow both get."""
BEST_OF = 3
WEIGHTS = Weights()
PRICES_SCALE = 100
"""Min-cost flow counts in whole numbers: hundredths of a minor unit."""
SHOPS = ((30, 10), (60, 12), (150, 30), (400, 80))
"""Jobs and machines."""
HURRY = Weights(waiting_minor_per_hour=100.0, lateness_minor_per_hour=1_000.0)
"""An hour costs about what a machine does; with less, jobs just queue at the cheapest."""
CP_SAT_SECONDS, CP_SAT_WORKERS = 60.0, 2
LONG_TRIES = 3_000

Row = tuple[str, str, str]
"""What, how much, and how it compares to the alternative that it names."""
Result = TypeVar("Result")


def run() -> list[Row]:
    rows = batch_rows("prices and speeds that differ threefold", ordinary_town(seed=3))
    rows += batch_rows("and sixteenfold", a_town(MACHINES // MACHINES_EACH, seed=3))
    for jobs, machines in SHOPS:
        rows += shop_rows(jobs, machines)
    return rows


# Batches.


def batch_rows(name: str, town: list[Known]) -> list[Row]:
    view, wants = a_view(town).snapshot(), wants_of(JOBS, seed=4)
    best_of(1, lambda: placed(view, wants[:100]))  # The view's index is kept from here on.
    taken, batch = best_of(BEST_OF, lambda: placed(view, wants))
    problem = problem_of(wants, NOON)
    arcs = Arcs.of(view, problem)
    auction_s, auction = best_of(BEST_OF, arcs.auctioned)
    flow_s, least = best_of(1, arcs.least)
    ours = auction.cost() + float(auction.left() @ arcs.outside)
    greedy = arcs.greedy()
    return [
        (
            f"{JOBS:,} jobs on {MACHINES:,} machines, {name}: from jobs to assignment",
            f"{taken:.2f} s",
            f"proven within {100 * batch.gap:.2f} % of the best over all machines",
        ),
        (
            f"the auction alone, {arcs.lists.cost.size:,} arcs of it",
            f"{1e3 * auction_s:.0f} ms, {100 * (ours / least - 1):.3f} % above the least",
            f"{flow_s / auction_s:.0f} times faster than OR-Tools min-cost flow, "
            f"{1e3 * flow_s:.0f} ms",
        ),
        (
            "the same arcs in order of arrival, each job its cheapest that is left",
            "",
            f"{100 * (greedy / least - 1):.1f} % above the least",
        ),
    ]


def placed(view: Snapshot, wants: list[Want]) -> Batch:
    problem = problem_of(wants, NOON)
    return place(view, problem, np.ones(len(wants), np.intp), WEIGHTS, slots=SLOTS)


@dataclass(frozen=True)
class Arcs:
    """All slots of each job's list; one more arc leads off it, and costs what a machine
    there costs at the least."""

    lists: Lists
    outside: Floats
    slots: int

    @classmethod
    def of(cls, view: Snapshot, problem: Problem) -> "Arcs":
        ranked = top(view, problem, ARCS_LISTED, WEIGHTS)
        fitting = np.flatnonzero(np.isfinite(ranked.cost[:, 0]))
        some = problem.take(fitting)
        ranked = top(view, some, ARCS_LISTED, WEIGHTS)
        lists = slot_lists(view, some, ranked, SLOTS, WEIGHTS, np.arange(len(fitting)))
        dearest = np.where(np.isfinite(lists.cost), lists.cost, 0.0).max(axis=1)
        elsewhere = np.minimum(dearest, ranked.cost[:, -1])
        return cls(lists, elsewhere, len(view.machines.live) * SLOTS)

    def auctioned(self) -> Auction:
        count = np.ones(len(self.outside), np.intp)
        auction = Auction(self.lists, count, self.outside, self.slots)
        auction.run(float(self.lists.cost[:, 0].mean()) * STEP_SHARE)
        return auction

    def least(self) -> float:
        """Return the least cost, by min-cost flow: jobs, slots, and a sink behind them."""
        jobs = len(self.outside)
        job, at = np.nonzero(np.isfinite(self.lists.cost))
        names, slot = np.unique(self.lists.slot[job, at], return_inverse=True)
        sink = jobs + len(names)
        tails = np.concatenate([job, np.arange(jobs), jobs + np.arange(len(names))])
        heads = np.concatenate([jobs + slot, np.full(jobs + len(names), sink)])
        costs = np.concatenate([self.lists.cost[job, at], self.outside, np.zeros(len(names))])
        flow: Any = min_cost_flow.SimpleMinCostFlow()  # Any: its types are not known in full
        flow.add_arcs_with_capacity_and_unit_cost(
            tails.astype(np.int32),
            heads.astype(np.int32),
            np.ones(len(tails), np.int64),
            np.round(costs * PRICES_SCALE).astype(np.int64),
        )
        supply = np.concatenate([np.ones(jobs), np.zeros(len(names)), [-jobs]])
        flow.set_nodes_supplies(np.arange(sink + 1, dtype=np.int32), supply.astype(np.int64))
        assert flow.solve() == flow.OPTIMAL
        return float(flow.optimal_cost()) / PRICES_SCALE

    def greedy(self) -> float:
        taken: set[int] = set()
        total = 0.0
        for slots, costs, outside in zip(
            self.lists.slot.tolist(), self.lists.cost.tolist(), self.outside.tolist(), strict=True
        ):
            free = [(c, s) for c, s in zip(costs, slots, strict=True) if s not in taken]
            cost, slot = min(free, default=(np.inf, -1))
            if cost < outside:
                taken.add(slot)
            total += min(cost, outside)
        return total


def ordinary_town(seed: int) -> list[Known]:
    """Return a town where nobody is far cheaper or quicker than the others."""
    random = Random(seed)
    return [ordinary(known, random) for known in a_town(MACHINES // MACHINES_EACH, seed)]


def ordinary(known: Known, random: Random) -> Known:
    machines = tuple(ordinary_machine(machine, random) for machine in known.capacity.machines)
    capacity = structs.replace(known.capacity, machines=machines)
    return replace(known, capacity=capacity, standing=random.uniform(0.3, 1.0))


def ordinary_machine(machine: Machine, random: Random) -> Machine:
    return structs.replace(
        machine,
        speed_permille=random.randint(700, 1_600),
        price_minor_per_hour=random.randint(120, 360),
        free_at=NOON + random.randint(-DAY_MS, 2 * DAY_MS),
    )


# Shops.


def shop_rows(jobs: int, machines: int) -> list[Row]:
    shop = a_shop(jobs, machines, seed=7)
    taken, plan = best_of(BEST_OF, lambda: search(shop, Random(1).random))
    long = search(shop, Random(2).random, LONG_TRIES)
    assert not plan.unplaced
    queues = solved(shop, plan.queues, CP_SAT_SECONDS, CP_SAT_WORKERS)
    by_cp_sat = cost_of(shop, queues) if queues else np.inf
    best = min(by_cp_sat, long.cost, plan.cost)
    return [
        (
            f"{jobs} jobs in sequence on {machines} machines, promises and set-ups",
            f"{taken:.2f} s, {above(plan.cost, best)} the best known",
            f"CP-SAT from there, {CP_SAT_SECONDS:.0f} s on {CP_SAT_WORKERS} cores: "
            f"{above(by_cp_sat, best)}; {LONG_TRIES:,} tries: {above(long.cost, best)}",
        )
    ]


def above(cost: float, best: float) -> str:
    return f"{100 * (cost / best - 1):.2f} % above" if np.isfinite(cost) else "nothing found"


def cost_of(shop: Shop, queues: list[list[int]]) -> float:
    timing = Timing(shop)
    each = [
        timing.of(np.array([machine]), np.array([queue], np.intp))[0][0]
        for machine, queue in enumerate(queues)
    ]
    return float(sum(each))


def a_shop(jobs: int, machines: int, seed: int) -> Shop:
    """Return jobs that all fit somewhere, on machines with plenty of stock and some promises."""
    random = Random(seed)
    town = [ready(ordinary(known, random)) for known in a_town(-(-machines // 4), seed)]
    view = a_view(town).snapshot()
    rows = view.rows()[:machines]
    wants = wants_of(3 * jobs, seed=seed + 1, dated=0.6)
    quickest = shop_of(view, problem_of(wants, NOON), HURRY, rows).work_ms.min(axis=1)
    fits: list[bool] = np.isfinite(quickest).tolist()
    fitting = [want for want, fit in zip(wants, fits, strict=True) if fit][:jobs]
    free_at = np.maximum(view.machines.free_at[rows], NOON).tolist()
    promised = {machine: promises(random, int(at)) for machine, at in enumerate(free_at)}
    return shop_of(view, problem_of(fitting, NOON), HURRY, rows, promised)


def ready(known: Known) -> Known:
    machines = tuple(
        structs.replace(
            machine,
            takes_jobs=True,
            stock=tuple(structs.replace(stock, mass_mg=10**9) for stock in machine.stock),
        )
        for machine in known.capacity.machines
    )
    return replace(known, capacity=structs.replace(known.capacity, machines=machines))


def promises(random: Random, at: int) -> list[Window]:
    windows: list[Window] = []
    for _ in range(random.randint(0, 2)):
        start = at + random.randint(HOUR_MS, 8 * HOUR_MS)
        at = start + random.randint(HOUR_MS, 6 * HOUR_MS)
        windows.append((start, at))
    return windows


def best_of(times: int, call: Callable[[], Result]) -> tuple[float, Result]:
    """Return the least processor time of some calls, and the last one's result."""
    results: list[tuple[float, Result]] = []
    for _ in range(times):
        start = process_time()
        result = call()
        results.append((process_time() - start, result))
    return min(taken for taken, _ in results), results[-1][1]


if __name__ == "__main__":
    for what, how_much, compared in run():
        print(f"{what:98} {how_much:44} {compared}")
