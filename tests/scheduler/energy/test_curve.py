"""The CO2e of a job over the hours of the day, against a sum over every millisecond of a clock
that has ten of them to the hour."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.scheduler.energy import curve
from tests.scheduler.worlds import NOON, a_capacity

NIGHT_AND_DAY = (400,) * 8 + (50,) * 10 + (400,) * 6
MINUTE_MS = HOUR_MS // 60
curves = st.lists(st.integers(0, 5_000), min_size=24, max_size=24).map(tuple)


@given(curves, st.integers(0, 3_000), st.integers(0, 3_000))
def test_the_integral_is_the_sum_over_the_minutes(
    grams: curve.Curve, start: int, minutes: int
) -> None:
    each = [grams[minute // 60 % 24] for minute in range(start, start + minutes)]

    found = curve.integral(grams, start * MINUTE_MS, (start + minutes) * MINUTE_MS)

    assert found == sum(each) * MINUTE_MS


@pytest.mark.rule("ENERGY-3")
def test_a_job_across_a_change_of_the_hour_counts_each_side_by_its_time() -> None:
    midnight = NOON - NOON % DAY_MS
    half_past_seven = midnight + 7 * HOUR_MS + HOUR_MS // 2

    # 1 kWh in two hours: half an hour at 400 g, and an hour and a half at 50 g.
    assert curve.co2e_mg(NIGHT_AND_DAY, 1_000_000, half_past_seven, 7_200) == 137_500


@pytest.mark.rule("ENERGY-3")
@given(curves, st.integers(0, 2**40), st.integers(0, 2**42), st.integers(1, 10**6))
def test_milligrams_are_rounded_to_the_nearest_halves_up(
    grams: curve.Curve, energy_mwh: int, start: int, seconds: int
) -> None:
    area = curve.integral(grams, start, start + 1000 * seconds)
    exact = Fraction(energy_mwh * area, 1000 * 1000 * seconds)

    found = curve.co2e_mg(grams, energy_mwh, start, seconds)

    assert exact - Fraction(1, 2) < found <= exact + Fraction(1, 2)


def test_a_job_without_time_costs_nothing() -> None:
    assert curve.co2e_mg(NIGHT_AND_DAY, 5, NOON, 0) == 0


def test_the_mean_of_a_curve_is_that_of_its_hours() -> None:
    assert curve.mean(NIGHT_AND_DAY) == 254
    assert curve.mean((0,) * 12 + (1,) * 12) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "380 g/kWh on average of the day; it does not say what that rests on"),
        ({"basis": "mean"}, "380 g/kWh on average of the day, one average for all hours"),
        (
            {"grid_g_per_kwh": 254, "intensity": NIGHT_AND_DAY, "basis": "clear-sky"},
            "254 g/kWh on average of the day, 50 to 400 by the hour, with panels under a clear sky",
        ),
    ],
)
def test_a_curve_is_told_in_words(changes: dict[str, Any], said: str) -> None:
    assert curve.of_record(a_capacity(**changes)) == said
