"""What the cost kernel costs, beside plain Python and plain numpy on the same problem.

python -m tests.benchmarks.bench_kernel
"""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np
from msgspec import structs

from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Stock
from commonfab.scheduler import reference
from commonfab.scheduler.columns import Floats
from commonfab.scheduler.kernel import evaluate, top
from commonfab.scheduler.problem import Problem, Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import CapacityView, Snapshot
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import NOON, PLA, PRINTING, a_town, a_view, wants_of

JOBS = 1_000
MACHINES = 10_000
MACHINES_EACH = 4
MANY = 100_000
K = 16
PLAIN_JOBS = 2
BROADCAST_JOBS = 100
BEST_OF = 5
WEIGHTS = Weights()

Row = tuple[str, str, str]
"""What, how much, and how it compares to the alternative that it names."""


def run() -> list[Row]:
    town, wants = a_town(MACHINES // MACHINES_EACH, seed=1), wants_of(JOBS, seed=2)
    return [*kernel_rows(town, wants), *alike_rows(town, wants), *view_rows()]


def kernel_rows(town: list[Known], wants: list[Want]) -> list[Row]:
    view, problem = a_view(town).snapshot(), problem_of(wants, NOON)
    pairs = JOBS * MACHINES
    some = problem.take(np.arange(BROADCAST_JOBS))
    assert np.allclose(broadcast_top(view, some)[1], top(view, some, K, WEIGHTS).cost, rtol=1e-3)
    ours = seconds(lambda: top(view, problem, K, WEIGHTS))
    plain = (JOBS / PLAIN_JOBS) * seconds(
        lambda: [reference.top(town, want, NOON, K, WEIGHTS) for want in wants[:PLAIN_JOBS]], 2
    )
    share = JOBS / BROADCAST_JOBS
    dense = share * seconds(lambda: evaluate(view, some, WEIGHTS), 2)
    broadcast = share * seconds(lambda: broadcast_top(view, some), 2)
    name = f"{JOBS:,} jobs x {MACHINES:,} machines, top {K}"
    return [
        (name, f"{1e3 * ours:.0f} ms, {rate(pairs, ours)}", ""),
        (
            f"the same in plain Python (reference.py, from {PLAIN_JOBS} jobs)",
            f"{plain:.0f} s, {rate(pairs, plain)}",
            f"the kernel is {plain / ours:.0f} times faster",
        ),
        (
            f"the same in numpy, one broadcast (cost and fit only, from {BROADCAST_JOBS} jobs)",
            f"{1e3 * broadcast:.0f} ms, {rate(pairs, broadcast)}",
            f"the kernel is {broadcast / ours:.0f} times faster",
        ),
        (
            f"the same with every term and verdict kept (evaluate, from {BROADCAST_JOBS} jobs)",
            f"{1e3 * dense:.0f} ms, {rate(pairs, dense)}",
            f"the kernel is {dense / ours:.0f} times faster",
        ),
    ]


def alike_rows(town: list[Known], wants: list[Want]) -> list[Row]:
    """All print PLA: no pair is ruled out by process and material."""
    view = a_view([all_alike(known) for known in town]).snapshot()
    same = [
        replace(want, part=structs.replace(want.part, process=PRINTING, material=PLA))
        for want in wants
    ]
    problem = problem_of(same, NOON)
    ours = seconds(lambda: top(view, problem, K, WEIGHTS))
    some = problem.take(np.arange(BROADCAST_JOBS))
    broadcast = JOBS / BROADCAST_JOBS * seconds(lambda: broadcast_top(view, some), 2)
    return [
        (
            "the same where all machines do the process and have the material",
            f"{1e3 * ours:.0f} ms, {rate(JOBS * MACHINES, ours)}",
            f"{broadcast / ours:.0f} times faster than one broadcast",
        )
    ]


def all_alike(known: Known) -> Known:
    spool = (Stock(material=PLA, mass_mg=3_000_000, price_minor_per_kg=2_000),)
    machines = tuple(
        structs.replace(machine, process=PRINTING, stock=spool, takes_jobs=True)
        for machine in known.capacity.machines
    )
    return replace(known, capacity=structs.replace(known.capacity, machines=machines))


def view_rows() -> list[Row]:
    town = a_town(MANY // MACHINES_EACH, seed=3)
    tracemalloc.start()
    view = a_view(town)
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rebuild = seconds(lambda: a_view(town), 1)
    update = speaking(view, town) / len(town)
    snapshot = view.snapshot()
    one = problem_of(wants_of(1, seed=4, dated=0.0), NOON)
    single = seconds(lambda: top(snapshot, one, K, WEIGHTS))
    return [
        (
            f"a view of {MANY:,} machines",
            f"{traced / 1e6:.0f} MB, of it {view.bytes() / 1e6:.0f} MB in arrays",
            f"{traced / MANY:.0f} bytes a machine",
        ),
        (
            f"one record of {MACHINES_EACH} machines taken into it",
            f"{1e6 * update:.0f} us",
            f"{rebuild / update:,.0f} times faster than building the view again",
        ),
        (f"one job x {MANY:,} machines, top {K}", f"{1e3 * single:.1f} ms", ""),
    ]


def speaking(view: CapacityView, town: list[Known]) -> float:
    start = perf_counter()
    for known in town:
        view.update_capacity(NodeId(known.author), known.capacity)
    return perf_counter() - start


def broadcast_top(view: Snapshot, problem: Problem) -> tuple[np.ndarray, Floats]:
    """The kernel's question as one would ask numpy at first: whole matrices, no blocks."""
    rows = view.rows()
    m, j = view.machines.take(rows), problem.seen_in(view).column()
    mass, price = np.full((2, len(problem.materials), len(view.machines.live)), -1.0)
    for index, material in enumerate(problem.materials):
        stocks = view.stocks_of(material)
        mass[index, stocks.machine], price[index, stocks.machine] = stocks.mass_mg, stocks.price
    mass = mass[:, rows][problem.jobs.material]
    price = price[:, rows][problem.jobs.material]
    dot = np.clip(m.x * j.x + m.y * j.y + m.z * j.z, -1.0, 1.0)
    km = np.arccos(dot) * 6_371.0 * 1.4
    seconds = m.setup_s + j.work_s * 1000.0 / m.speed
    arrival = np.maximum(m.free_at, NOON) + seconds * 1_100 + 7_201_000 + km * 60_000
    made = seconds * m.price / 3_600 + j.mass_mg * price / 1e6
    grams = m.power * seconds / 3.6e6 * m.grid + j.mass_mg / 1e9 * km * 137
    cost = (
        made
        + (200 + km * (2 + 0.2 * j.mass_mg / 1e6))
        + grams * 0.03
        + (arrival - NOON) / 3.6e6 * 10
        + (1 - m.standing) * (200 + 0.5 * made)
    )
    fit = (
        (m.process == j.process)
        & (j.small <= m.small)
        & (j.middle <= m.middle)
        & (j.large <= m.large)
        & (mass >= j.mass_mg)
        & m.takes_jobs
        & (arrival <= j.by)
    )
    cost = np.where(fit, cost, np.inf)
    best = np.argpartition(cost, K, axis=1)[:, :K]
    return best, np.sort(np.take_along_axis(cost, best, axis=1), axis=1)


def seconds(call: Callable[[], object], best_of: int = BEST_OF) -> float:
    """Return the least time of a few calls: what the machine can do when left alone."""
    times: list[float] = []
    for _ in range(best_of):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def rate(pairs: int, taken: float) -> str:
    return f"{pairs / taken / 1e6:.1f} million pairs/s"


if __name__ == "__main__":
    for what, how_much, compared in run():
        print(f"{what:78} {how_much:36} {compared}")
