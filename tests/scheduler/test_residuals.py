"""Corrections from finished jobs: what they claim about the next job holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.scheduler.residuals import ENOUGH, factor, is_of_use, within

RATIOS = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=50)


def test_without_jobs_nothing_is_corrected() -> None:
    assert factor([]) == 1.0
    assert within([], (0.8, 1.2)) == (0.8, 1.2)


def test_a_few_jobs_correct_a_little_and_many_nearly_all() -> None:
    assert factor([1.5]) == pytest.approx(1.5 ** (1 / 5))
    assert factor([1.5] * 50) == pytest.approx(1.5 ** (50 / 54))


def test_one_job_that_went_wild_changes_nothing_among_many() -> None:
    assert factor([1.1] * 9 + [9.0]) == factor([1.1] * 10)


@given(ratios=RATIOS)
def test_the_range_lies_within_what_was_seen_once_there_are_enough(ratios: list[float]) -> None:
    low, high = within(ratios, (0.5, 2.0))

    assert low <= high
    if len(ratios) >= ENOUGH:
        assert min(ratios) <= low
        assert high <= max(ratios)


@pytest.mark.parametrize("jobs", [ENOUGH, 15, 30, 50])
@pytest.mark.parametrize("tail", ["normal", "heavy", "skewed"])
def test_the_next_job_lies_in_the_range_in_75_to_85_of_100_cases(jobs: int, tail: str) -> None:
    dice = np.random.default_rng(jobs)
    draws = {
        "normal": dice.normal(0.2, 0.15, (4000, jobs + 1)),
        "heavy": 0.1 * dice.standard_t(3, (4000, jobs + 1)),
        "skewed": 0.2 * dice.gumbel(size=(4000, jobs + 1)),
    }[tail]
    ratios = np.exp(draws)

    inside = sum(
        low <= row[-1] <= high
        for row in ratios.tolist()
        for low, high in [within(row[:-1], (0.8, 1.2))]
    )

    assert 0.75 <= inside / len(ratios) <= 0.85


def test_a_ratio_that_no_job_has_is_left_out() -> None:
    assert is_of_use(1.3)
    assert not is_of_use(0.0)
    assert not is_of_use(60.0)
