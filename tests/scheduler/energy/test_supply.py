"""Sun first, then the battery, then the grid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.scheduler.energy.supply import (
    NEVER,
    NO_LACK,
    Draw,
    Supply,
    charge_after,
    flows,
    lack,
    mixed,
    next_change,
)

NINE = 9 * HOUR_MS
SUN = (0,) * 8 + (1_000,) * 8 + (0,) * 8
PANELS = Supply(grid_w=500, panel_w=SUN, inverter_w=1_000)
WITH_BATTERY = Supply(grid_w=500, panel_w=SUN, battery_wh=2_000, inverter_w=1_000)
OFF_GRID = Supply(grid_w=0, panel_w=SUN, battery_wh=2_000, inverter_w=1_000)


def job(start_h: float, end_h: float, watts: int) -> Draw:
    return Draw(round(start_h * HOUR_MS), round(end_h * HOUR_MS), watts)


@pytest.mark.rule("ENERGY-4")
def test_the_grid_gives_what_the_sun_does_not() -> None:
    [flow] = flows(PANELS, [job(9, 10, 1_300)], NINE, NINE + HOUR_MS)

    assert (flow.own, flow.grid_w) == (1_000 * HOUR_MS, 300)


@pytest.mark.rule("ENERGY-4")
def test_what_is_left_of_the_sun_goes_into_the_battery_with_its_losses() -> None:
    [flow] = flows(WITH_BATTERY, [job(9, 10, 400)], NINE, NINE + HOUR_MS)

    assert flow.charge == 600 * HOUR_MS * 85 // 100


def test_a_battery_takes_no_more_than_it_holds() -> None:
    assert charge_after(WITH_BATTERY, [], 0, DAY_MS, 0) == 2_000 * HOUR_MS


@pytest.mark.rule("ENERGY-4")
def test_the_battery_gives_before_the_grid_does_and_through_the_inverter() -> None:
    full = 2_000 * HOUR_MS

    [flow] = flows(WITH_BATTERY, [job(20, 21, 1_400)], 20 * HOUR_MS, 21 * HOUR_MS, full)

    assert (flow.own, flow.grid_w, flow.charge) == (1_000 * HOUR_MS, 400, 1_000 * HOUR_MS)


def test_the_sun_and_the_battery_share_one_inverter() -> None:
    full = 2_000 * HOUR_MS

    [flow] = flows(WITH_BATTERY, [job(9, 10, 1_600)], NINE, NINE + HOUR_MS, full)

    assert (flow.own, flow.grid_w) == (1_000 * HOUR_MS, 600)


def test_a_cap_of_the_grid_is_kept_to_the_watt() -> None:
    assert lack(PANELS, [job(1, 2, 500)], 0, DAY_MS) == NO_LACK
    assert lack(PANELS, [job(1, 2, 501)], 0, DAY_MS) == (HOUR_MS, HOUR_MS, True)


def test_what_two_machines_draw_at_once_is_added_only_while_both_run() -> None:
    both = [job(1, 3, 300), job(2, 4, 300)]

    assert lack(Supply(grid_w=599), both, 0, DAY_MS) == (HOUR_MS, 2 * HOUR_MS, True)
    assert lack(Supply(grid_w=600), both, 0, DAY_MS).missing == 0


def test_off_the_grid_a_night_is_dark_unless_the_battery_was_charged() -> None:
    evening = job(18, 20, 500)

    assert lack(OFF_GRID, [evening], 17 * HOUR_MS, DAY_MS).since == 18 * HOUR_MS
    assert lack(OFF_GRID, [evening], 12 * HOUR_MS, DAY_MS).missing == 0
    assert not lack(OFF_GRID, [evening], 17 * HOUR_MS, DAY_MS).is_hard


def test_more_than_the_inverter_gives_is_a_lack_that_no_battery_ends() -> None:
    assert lack(OFF_GRID, [job(10, 11, 1_001)], 0, DAY_MS).is_hard


supplies = st.builds(
    Supply,
    grid_w=st.integers(0, 900),
    panel_w=st.lists(st.integers(0, 900), min_size=24, max_size=24).map(tuple) | st.just(()),
    battery_wh=st.integers(0, 3_000),
    inverter_w=st.integers(0, 1_200),
)


@st.composite
def any_job(draw: st.DrawFn) -> Draw:
    start, length = draw(st.integers(0, DAY_MS)), draw(st.integers(1, DAY_MS))
    return Draw(start, start + length, draw(st.integers(0, 900)))


days = st.lists(any_job(), max_size=5)


@given(supplies, days)
def test_no_energy_comes_from_nowhere(supply: Supply, draws: list[Draw]) -> None:
    full = supply.battery_wh * HOUR_MS
    charge = 0
    for flow in flows(supply, draws, 0, 2 * DAY_MS):
        length = flow.end - flow.start
        watts = sum(draw.watts for draw in draws if draw.start <= flow.start < draw.end)
        sun = supply.sun_w(flow.start) * length
        assert flow.own <= min(watts, supply.inverter_w) * length
        assert flow.own <= sun + charge - flow.charge
        assert 0 <= flow.charge <= full
        assert flow.at_best_w <= flow.grid_w <= watts
        charge = flow.charge


@given(supplies, days, any_job())
def test_a_job_more_is_never_less_lack(supply: Supply, draws: list[Draw], more: Draw) -> None:
    before = lack(supply, draws, 0, 2 * DAY_MS)

    assert lack(supply, [*draws, more], 0, 2 * DAY_MS).missing >= before.missing


def test_the_sun_changes_on_the_hour_and_draws_when_they_begin_and_end() -> None:
    draws = [job(1.5, 2.5, 100)]

    assert next_change(Supply(grid_w=1), draws, 0) == 1.5 * HOUR_MS
    assert next_change(Supply(grid_w=1), draws, 2 * HOUR_MS) == 2.5 * HOUR_MS
    assert next_change(PANELS, draws, 2 * HOUR_MS + 1) == 2.5 * HOUR_MS
    assert next_change(PANELS, draws, HOUR_MS) == 1.5 * HOUR_MS
    assert next_change(PANELS, [], HOUR_MS) == 2 * HOUR_MS
    assert next_change(Supply(grid_w=1), [], 0) == NEVER


def test_a_battery_that_lasts_the_night_is_the_suns_before_dawn() -> None:
    large = Supply(grid_w=500, panel_w=SUN, battery_wh=9_000, inverter_w=1_000)

    assert mixed(large, (400,) * 24, 250) == (41,) * 24


def test_power_of_the_sun_and_the_grid_mixes_hour_by_hour() -> None:
    grid = (400,) * 24

    curve = mixed(PANELS, grid, 2_000)

    assert curve == (400,) * 8 + (221,) * 8 + (400,) * 8  # (41 + 400) / 2, halves up


def test_what_the_battery_gives_in_the_evening_is_the_suns() -> None:
    curve = mixed(WITH_BATTERY, (400,) * 24, 500)

    assert curve[8:20] == (41,) * 12
    assert curve[21:] == (400,) * 3
    assert 41 < curve[20] <= 400


def test_off_the_grid_all_power_is_the_suns() -> None:
    assert mixed(OFF_GRID, (400,) * 24, 500) == (41,) * 24


def test_without_panels_or_machines_that_draw_power_is_the_grids() -> None:
    grid = tuple(range(24))

    assert mixed(Supply(grid_w=500), grid, 500) == grid
    assert mixed(PANELS, grid, 0) == grid
