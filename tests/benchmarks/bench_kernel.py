"""What the cost kernel costs: 10,000 jobs and 100,000 machines, all in processor time.

python -m tests.benchmarks.bench_kernel
"""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from time import process_time

import numpy as np
from msgspec import structs

from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Stock
from commonfab.scheduler import reference
from commonfab.scheduler.columns import Floats, Rows
from commonfab.scheduler.kernel import DENSE_PAIRS_MAX, Top, evaluate, top
from commonfab.scheduler.open_jobs import OpenJobs
from commonfab.scheduler.problem import Problem, Want, problem_of
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import CapacityView, Snapshot
from commonfab.scheduler.weights import Weights
from tests.benchmarks.brute_force import brute_force
from tests.scheduler.worlds import DAY_MS, NOON, PLA, PRINTING, a_town, a_view, wants_of

JOBS = 10_000
MACHINES = 100_000
MACHINES_EACH = 4
K = 16
NAIVE_JOBS = 20
DENSE_JOBS = 40
SINGLE_JOBS = 100
CHANGES = 500
BEST_OF = 5
WEIGHTS = Weights()

Row = tuple[str, str, str]
"""What, how much, and how it compares to the alternative that it names."""


def run() -> list[Row]:
    town, wants = a_town(MACHINES // MACHINES_EACH, seed=1), wants_of(JOBS, seed=2)
    view = a_view(town)
    return [
        *batch_rows(view, wants),
        *plain_rows(view, town, wants),
        *alike_rows(town, wants),
        *single_rows(view, wants),
        *change_rows(view, town, wants),
        *view_rows(town),
    ]


def batch_rows(view: CapacityView, wants: list[Want]) -> list[Row]:
    snapshot, problem = view.snapshot(), problem_of(wants, NOON)
    first = seconds(lambda: top(snapshot, problem, K, WEIGHTS), 1)
    ours = seconds(lambda: top(snapshot, problem, K, WEIGHTS))
    tracemalloc.start()
    best = top(snapshot, problem, K, WEIGHTS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    kept = view.bytes() + snapshot.index.bytes()
    name = f"{JOBS:,} jobs x {MACHINES:,} machines, top {K}"
    return [
        (name, f"{1e3 * ours:.0f} ms, {rate(ours)}", ""),
        ("the same, the first time", f"{1e3 * first:.0f} ms", "with the tiles, which then stay"),
        (
            "the same, memory",
            f"{(peak + kept) / 1e6:.0f} MB",
            f"the columns, the tiles and {peak / 1e6:.0f} MB while it runs",
        ),
        naive_row(snapshot, problem, ours),
        *brute_rows(snapshot, problem, best, ours),
        dense_row(snapshot, problem, best),
    ]


def naive_row(view: Snapshot, problem: Problem, ours: float) -> Row:
    """Naive numpy in 64 bits, on a few of the jobs."""
    some = problem.take(np.arange(NAIVE_JOBS))
    assert np.allclose(broadcast_top(view, some)[1], top(view, some, K, WEIGHTS).cost, rtol=1e-3)
    naive = JOBS / NAIVE_JOBS * seconds(lambda: broadcast_top(view, some))
    return (
        f"the same in numpy, one broadcast (cost and fit only, from {NAIVE_JOBS} jobs)",
        f"{naive:.0f} s, {rate(naive)}",
        f"the kernel is {naive / ours:.0f} times faster",
    )


def brute_rows(view: Snapshot, problem: Problem, best: Top, ours: float) -> list[Row]:
    """All pairs in C, in 32 bits; its answer is compared with ours."""
    brute = brute_force(view, problem, WEIGHTS)
    if brute is None:
        return [("the same in C, all pairs", "no compiler here", "")]
    rows, cost = brute.top(K)
    assert np.allclose(cost, best.cost, rtol=1e-5)
    taken = seconds(lambda: brute.top(K))
    alike = int(np.all(rows == best.rows, axis=1).sum())
    return [
        (
            "the same in C, all pairs (-O3 -march=native, 32 bits)",
            f"{1e3 * taken:.0f} ms, {rate(taken)}",
            f"the kernel is {taken / ours:.1f} times faster",
        ),
        (
            f"jobs whose {K} best and their order are the same in C",
            f"{alike:,} of {JOBS:,}",
            "the others differ by rounding in C",
        ),
    ]


def dense_row(view: Snapshot, problem: Problem, best: Top) -> Row:
    """The kept ones against all pairs in 64 bits, to the bit."""
    at_once = DENSE_PAIRS_MAX // MACHINES
    picked = np.linspace(0, JOBS - 1, DENSE_JOBS).astype(np.intp)
    for start in range(0, DENSE_JOBS, at_once):
        some = picked[start : start + at_once]
        rows, cost = dense_top(view, problem.take(some))
        assert np.array_equal(rows, best.rows[some])
        assert np.array_equal(cost, best.cost[some])
    return (
        f"jobs whose {K} best, order and costs equal the dense table in 64 bits",
        f"{DENSE_JOBS} of {DENSE_JOBS}",
        f"{best.twice} of {JOBS:,} needed a second search",
    )


def dense_top(view: Snapshot, problem: Problem) -> tuple[Rows, Floats]:
    dense = evaluate(view, problem, WEIGHTS)
    key = np.broadcast_to(view.machines.key[dense.rows], dense.cost.shape)
    order = np.lexsort((key, dense.cost), axis=1)[:, :K]
    cost = np.take_along_axis(dense.cost, order, axis=1)
    return np.where(cost < np.inf, dense.rows[order], -1), cost


def plain_rows(view: CapacityView, town: list[Known], wants: list[Want]) -> list[Row]:
    snapshot, problem = view.snapshot(), problem_of(wants, NOON)
    ours = seconds(lambda: top(snapshot, problem, K, WEIGHTS), 2)
    plain = JOBS * seconds(lambda: reference.top(town, wants[0], NOON, K, WEIGHTS), 1)
    return [
        (
            "the same in plain Python (reference.py, from 1 job)",
            f"{plain / 3_600:.1f} h",
            f"the kernel is {plain / ours:,.0f} times faster",
        )
    ]


def alike_rows(town: list[Known], wants: list[Want]) -> list[Row]:
    """All print PLA: no pair is ruled out by process and material."""
    view = a_view([all_alike(known) for known in town]).snapshot()
    same = [
        replace(want, part=structs.replace(want.part, process=PRINTING, material=PLA))
        for want in wants
    ]
    problem = problem_of(same, NOON)
    top(view, problem, K, WEIGHTS)
    ours = seconds(lambda: top(view, problem, K, WEIGHTS), 3)
    brute = brute_force(view, problem, WEIGHTS)
    beside = f"{seconds(lambda: brute.top(K), 2) / ours:.1f} times faster than C" if brute else ""
    return [
        (
            "the same where all machines do the process and have the material",
            f"{1e3 * ours:.0f} ms, {rate(ours)}",
            beside,
        )
    ]


def all_alike(known: Known) -> Known:
    spool = (Stock(material=PLA, mass_mg=3_000_000, price_minor_per_kg=2_000),)
    machines = tuple(
        structs.replace(machine, process=PRINTING, stock=spool, takes_jobs=True)
        for machine in known.capacity.machines
    )
    return replace(known, capacity=structs.replace(known.capacity, machines=machines))


def single_rows(view: CapacityView, wants: list[Want]) -> list[Row]:
    snapshot = view.snapshot()
    ones = [problem_of([want], NOON) for want in wants[:SINGLE_JOBS]]
    taken = [seconds(partial(top, snapshot, one, K, WEIGHTS)) for one in ones]
    return [
        (
            f"one job x {MACHINES:,} machines, top {K}",
            f"{1e3 * float(np.median(taken)):.2f} ms",
            f"the slowest of {SINGLE_JOBS}: {1e3 * max(taken):.2f} ms",
        )
    ]


def change_rows(view: CapacityView, town: list[Known], wants: list[Want]) -> list[Row]:
    """Machines get another queue, and the lists of all open jobs follow."""
    jobs = OpenJobs(view.snapshot(), problem_of(wants, NOON), K, WEIGHTS)
    random, among = Random(5), dict(enumerate(town))
    told: list[float] = []
    alone: list[float] = []
    together: list[int] = []
    for number in range(2 * CHANGES):
        place, queue = random.randrange(len(town)), random.randint(-DAY_MS, 5 * DAY_MS)
        known = among[place] = with_queue(among[place], NOON + queue)
        told.append(once(partial(view.update_capacity, NodeId(known.author), known.capacity)))
        snapshot = view.snapshot()
        row = row_of(snapshot, known)
        if number < CHANGES:
            alone.append(once(partial(jobs.changed, snapshot, [row])))
        else:
            together.append(row)
        del snapshot
    at_once = once(lambda: jobs.changed(view.snapshot(), together)) / CHANGES
    best = top(view.snapshot(), problem_of(wants, NOON), K, WEIGHTS)
    for job, (rows, costs) in enumerate(zip(best.rows.tolist(), best.cost.tolist(), strict=True)):
        assert jobs.best(job) == [pair for pair in zip(rows, costs, strict=True) if pair[0] >= 0]
    return [
        (
            f"one changed machine x {JOBS:,} open jobs, their best {K} kept exactly",
            f"{1e6 * float(np.median(alone)):.0f} us",
            f"the mean {1e6 * float(np.mean(alone)):.0f} us; {CHANGES} at once: "
            f"{1e6 * at_once:.0f} us each",
        ),
        (
            f"one record of {MACHINES_EACH} machines taken into the view",
            f"{1e6 * float(np.median(told)):.0f} us",
            "",
        ),
    ]


def with_queue(known: Known, free_at: int) -> Known:
    """Return a workshop whose first machine has another queue."""
    first, *others = known.capacity.machines
    machines = (structs.replace(first, free_at=free_at), *others)
    return replace(known, capacity=structs.replace(known.capacity, machines=machines))


def row_of(view: Snapshot, known: Known) -> int:
    first = known.capacity.machines[0].id
    return next(row for row in view.owners[known.author].machines if view.ids[row] == first)


def view_rows(town: list[Known]) -> list[Row]:
    tracemalloc.start()
    view = a_view(town)
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return [
        (
            f"a view of {MACHINES:,} machines",
            f"{traced / 1e6:.0f} MB, of it {view.bytes() / 1e6:.0f} MB in arrays",
            f"{traced / MACHINES:.0f} bytes a machine",
        )
    ]


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
        start = process_time()
        call()
        times.append(process_time() - start)
    return min(times)


def once(call: Callable[[], object]) -> float:
    return seconds(call, 1)


def rate(taken: float) -> str:
    return f"{JOBS * MACHINES / taken / 1e6:,.0f} million pairs/s"


if __name__ == "__main__":
    for what, how_much, compared in run():
        print(f"{what:78} {how_much:36} {compared}")
