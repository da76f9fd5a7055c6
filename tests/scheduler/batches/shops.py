"""Small shops by seed, and what a plan costs, counted job by job in plain Python."""

from math import isfinite

import numpy as np

from commonfab.scheduler.batches.shop import Shop
from commonfab.scheduler.columns import Floats
from commonfab.scheduler.factors import LOADED_SETUP_SHARE

HOUR = 3_600_000.0


def a_shop(seed: int, jobs: int = 4, machines: int = 2, windows: int = 2) -> Shop:
    """Return a shop in which most jobs fit most machines; hours and costs are small numbers."""
    random = np.random.default_rng(seed)
    work_ms = hours(random, 1, 9, (jobs, machines))
    work_ms[random.random(work_ms.shape) < 0.1] = np.inf
    promised = np.full((machines, windows, 2), np.inf)
    for machine in range(machines):
        taken = random.integers(0, windows + 1) if windows else 0
        edges = np.sort(random.choice(np.arange(1, 20), 2 * taken, replace=False))
        promised[machine, :taken] = edges.reshape(-1, 2) * HOUR
    return Shop(
        work_ms=work_ms,
        cost=random.integers(0, 500, (jobs, machines)).astype(np.float64),
        latest=random.choice([5 * HOUR, 12 * HOUR, np.inf], (jobs, machines)),
        waiting=random.integers(1, 20, jobs) / HOUR,
        lateness=random.integers(50, 300, jobs) / HOUR,
        material=random.integers(0, 2, jobs).astype(np.int32),
        mass_mg=random.integers(1, 5, jobs).astype(np.float64),
        stock_mg=random.integers(3, 20, (2, machines)).astype(np.float64),
        setup_ms=hours(random, 0, 3, (machines,)),
        setup_cost=random.integers(0, 50, machines).astype(np.float64),
        loaded=random.integers(-1, 2, machines).astype(np.int32),
        free_at=hours(random, 0, 4, (machines,)),
        promised=promised,
    )


def hours(random: np.random.Generator, least: int, below: int, shape: tuple[int, ...]) -> Floats:
    return random.integers(least, below, shape).astype(np.float64) * HOUR


def plain_ends(shop: Shop, machine: int, jobs: list[int]) -> list[tuple[float, float]]:
    """Return (end, share of a set-up) of each job, one after the other."""
    at, loaded = float(shop.free_at[machine]), int(shop.loaded[machine])
    windows = [tuple(map(float, each)) for each in shop.promised[machine] if isfinite(each[0])]
    found: list[tuple[float, float]] = []
    for job in jobs:
        share = LOADED_SETUP_SHARE.value if shop.material[job] == loaded else 1.0
        for begins, ends in windows:
            took = float(shop.work_ms[job, machine] + share * shop.setup_ms[machine])
            if at + took > begins and at < ends:
                at, share = ends, 1.0
        at += float(shop.work_ms[job, machine] + share * shop.setup_ms[machine])
        found.append((at, share))
        loaded = int(shop.material[job])
    return found


def plain_cost(shop: Shop, machine: int, jobs: list[int]) -> float:
    total = 0.0
    for job, (end, share) in zip(jobs, plain_ends(shop, machine, jobs), strict=True):
        late = max(0.0, end - float(shop.latest[job, machine]))
        total += float(shop.cost[job, machine]) + share * float(shop.setup_cost[machine])
        total += float(shop.waiting[job]) * end + float(shop.lateness[job]) * late
    return total


def is_stocked(shop: Shop, machine: int, jobs: list[int]) -> bool:
    """Tell whether there is enough of each material for all these jobs."""
    for material in range(len(shop.stock_mg)):
        needed = sum(float(shop.mass_mg[job]) for job in jobs if shop.material[job] == material)
        if needed > shop.stock_mg[material, machine]:
            return False
    return True
