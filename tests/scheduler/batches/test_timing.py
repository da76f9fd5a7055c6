"""Ends and costs of sequences are those that one counts by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.batches.timing import Timing
from tests.scheduler.batches.shops import HOUR, a_shop, plain_cost, plain_ends


@given(st.integers(0, 2**32), st.integers(0, 2), st.permutations(range(4)))
@settings(max_examples=200, deadline=None)
def test_a_sequence_ends_and_costs_what_plain_python_says(
    seed: int, windows: int, order: list[int]
) -> None:
    shop = a_shop(seed, windows=windows)
    timing = Timing(shop)
    for machine in range(2):
        jobs = [job for job in order if np.isfinite(shop.work_ms[job, machine])]
        padded = np.array([[*jobs, *[4] * (5 - len(jobs))]])

        end, setups = timing.ends(np.array([machine]), padded)

        said = list(zip(end[0].tolist(), setups[0].tolist(), strict=True))
        assert said[: len(jobs)] == plain_ends(shop, machine, jobs)
        cost = timing.of(np.array([machine]), padded)[0][0]
        assert cost == pytest.approx(plain_cost(shop, machine, jobs))


@given(st.integers(0, 2**32), st.permutations(range(4)))
@settings(max_examples=100, deadline=None)
def test_no_job_runs_in_a_promised_window_or_with_another(seed: int, order: list[int]) -> None:
    shop = a_shop(seed)
    jobs = [job for job in order if np.isfinite(shop.work_ms[job, 0])]
    if not jobs:
        return
    end, setups = Timing(shop).ends(np.array([0]), np.array([jobs]))
    begin = end[0] - shop.work_ms[jobs, 0] - setups[0] * shop.setup_ms[0]
    spans: list[list[float]] = np.stack([begin, end[0]], axis=1).tolist()
    assert min(spans)[0] >= shop.free_at[0]
    spans += [window for window in shop.promised[0].tolist() if np.isfinite(window[0])]
    assert all(begins >= ends for (_, ends), (begins, _) in pairwise(sorted(spans)))


def test_a_set_up_is_shorter_where_the_material_stays_and_whole_after_a_promised_window() -> None:
    shop = a_shop(0, jobs=2, machines=1, windows=1)
    shop.work_ms[:], shop.setup_ms[:], shop.free_at[:] = HOUR, HOUR, 0.0
    shop.material[:], shop.loaded[:] = 1, 1
    shop.promised[:] = np.inf
    at, jobs = np.array([0]), np.array([[0, 1]])

    assert Timing(shop).ends(at, jobs)[0].tolist() == [[1.5 * HOUR, 3 * HOUR]]
    shop.promised[0, 0] = [1.75 * HOUR, 2 * HOUR]
    assert Timing(shop).ends(at, jobs)[0].tolist() == [[1.5 * HOUR, 4 * HOUR]]
    shop.material[1] = 0
    shop.promised[:] = np.inf
    assert Timing(shop).ends(at, jobs)[0].tolist() == [[1.5 * HOUR, 3.5 * HOUR]]
