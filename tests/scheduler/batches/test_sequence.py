"""The search finds the best plan of small shops, and valid ones of all."""

from itertools import permutations, product
from math import inf, isfinite
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.batches.sequence import search
from commonfab.scheduler.batches.shop import Shop
from tests.scheduler.batches.shops import a_shop, is_stocked, plain_cost


def all_plans(shop: Shop) -> dict[int, float]:
    """Return the least cost of all plans there are, by how many jobs they leave out."""
    jobs, machines = shop.work_ms.shape
    never: list[float] = [inf] * machines
    best: dict[tuple[int, ...], list[float]] = {}
    for machine in range(machines):
        for count in range(jobs + 1):
            for queue in permutations(range(jobs), count):
                fits = all(np.isfinite(shop.work_ms[job, machine]) for job in queue)
                if fits and is_stocked(shop, machine, list(queue)):
                    chosen = best.setdefault(tuple(sorted(queue)), list(never))
                    cost = plain_cost(shop, machine, list(queue))
                    chosen[machine] = min(chosen[machine], cost)
    least: dict[int, float] = {}
    for where in product(range(machines + 1), repeat=jobs):
        groups = [
            tuple(job for job in range(jobs) if where[job] == each) for each in range(machines)
        ]
        costs = [best.get(group, never)[at] for at, group in enumerate(groups)]
        left_out = sum(each == machines for each in where)
        least[left_out] = min(least.get(left_out, inf), sum(costs))
    return least


@pytest.mark.parametrize("seed", range(12))
def test_the_plan_of_a_small_shop_is_the_best_there_is(seed: int) -> None:
    shop = a_shop(seed)

    plan = search(shop, Random(1).random)

    least = all_plans(shop)
    left_out = min(each for each, cost in least.items() if isfinite(cost))
    assert len(plan.unplaced) == left_out
    assert plan.cost == pytest.approx(least[left_out])


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_plan_has_each_job_once_where_it_fits_and_is_stocked_and_costs_what_it_says(
    seed: int,
) -> None:
    shop = a_shop(seed, jobs=15, machines=4)

    plan = search(shop, Random(1).random, tries=20)

    placed = [job for queue in plan.queues for job in queue]
    assert sorted([*placed, *plan.unplaced]) == list(range(15))
    total = 0.0
    for machine, queue in enumerate(plan.queues):
        assert np.isfinite(shop.work_ms[list(queue), machine]).all()
        assert is_stocked(shop, machine, list(queue))
        total += plain_cost(shop, machine, list(queue))
    assert plan.cost == pytest.approx(total)


def test_more_tries_never_make_a_plan_worse() -> None:
    shop = a_shop(3, jobs=30, machines=6)
    plans = [search(shop, Random(1).random, tries) for tries in (0, 20, 200)]

    ranks = [(len(plan.unplaced), plan.cost) for plan in plans]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > ranks[2]


def test_a_shop_without_jobs_or_machines_has_an_empty_plan() -> None:
    assert search(a_shop(1, jobs=0), Random(1).random).queues == ((), ())
    assert search(a_shop(1, machines=0), Random(1).random).unplaced == (0, 1, 2, 3)
