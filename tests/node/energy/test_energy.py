"""A workshop's power, from its settings and the sky."""

import pytest
import trio

from commonfab.node.energy import energy as power
from commonfab.node.energy.energy import Energy, Sky, by_local_hour, supply_of
from commonfab.node.energy.settings import NO_LIMIT_W
from commonfab.node.energy.settings import Energy as Told
from commonfab.node.home import config
from commonfab.node.journal import Journal
from commonfab.node.machines.settings import Machine, Material
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.hours import HOURS_PER_DAY
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.starts import Load, Turn
from commonfab.protocol.limits import HOUR_MS, MINUTE_MS

MIDNIGHT = Timestamp(20_000 * 24 * HOUR_MS)
SUNNY = Sky(watts=(0,) * 8 + (800,) * 8 + (0,) * 8, kwh_a_year=2_000)
BY_HOUR = tuple(range(100, 100 + HOURS_PER_DAY))


def a_machine(name: str = "mk3", power_w: int = 100, peak_w: int = 0) -> Machine:
    return Machine(
        id=name,
        process="fff-printing",
        volume_mm=(250, 210, 210),
        materials=(Material(material="PLA", grams=1_000),),
        power_w=power_w,
        peak_w=peak_w,
    )


def settings(told: Told, *machines: Machine) -> config.Settings:
    workshop = config.Workshop(name="Motion Lab", lat=52.5, lon=13.4, grid_g_per_kwh=380)
    return config.Settings(workshop=workshop, energy=told, machines=machines or (a_machine(),))


def test_a_workshop_that_says_nothing_of_its_power_has_the_mean_of_its_grid() -> None:
    assert Energy(settings(Told())).curve(MIDNIGHT) == ((380,) * 24, "mean")


@pytest.mark.rule("ENERGY-2")
def test_a_grid_by_the_hour_is_told_by_the_hour_of_utc() -> None:
    curve, basis = Energy(settings(Told(grid_g_by_hour=BY_HOUR))).curve(MIDNIGHT)

    assert sorted(curve) == list(BY_HOUR)
    assert basis == "hourly"


@pytest.mark.parametrize(
    ("ahead_min", "first"), [(0, 100), (60, 101), (-60, 123), (330, 106), (345, 106), (840, 114)]
)
def test_local_hours_are_turned_into_those_of_utc(ahead_min: int, first: int) -> None:
    curve = by_local_hour(BY_HOUR, ahead_min)

    assert curve[0] == first
    assert sorted(curve) == list(BY_HOUR)


def test_panels_are_scaled_to_their_size() -> None:
    supply = supply_of(Told(panel_w=500), SUNNY)

    assert supply.panel_w == (0,) * 8 + (400,) * 8 + (0,) * 8
    assert supply.inverter_w == 500
    assert supply.grid_w == NO_LIMIT_W


def test_panels_that_give_half_of_a_clear_year_are_taken_as_half() -> None:
    supply = supply_of(Told(panel_w=500, panel_kwh_a_year=500, inverter_w=300), SUNNY)

    assert supply.panel_w == (0,) * 8 + (200,) * 8 + (0,) * 8
    assert supply.inverter_w == 300


def test_panels_that_give_more_than_the_clear_sky_are_taken_as_under_it() -> None:
    assert max(supply_of(Told(panel_w=1_000, panel_kwh_a_year=9_000), SUNNY).panel_w) == 800


def test_panels_count_for_nothing_until_their_sky_is_known() -> None:
    supply = supply_of(Told(panel_w=500, battery_wh=1_000), None)

    assert (supply.panel_w, supply.battery_wh) == ((), 1_000)


@pytest.mark.rule("ENERGY-2")
def test_with_panels_power_is_cleaner_while_they_shine() -> None:
    energy = Energy(settings(Told(panel_w=1_000)))
    energy.take(SUNNY)

    curve, basis = energy.curve(MIDNIGHT)

    assert curve == (380,) * 8 + (41,) * 8 + (380,) * 8
    assert basis == "clear-sky"


def test_machines_of_one_workshop_begin_one_after_the_other_under_its_cap() -> None:
    machines = (a_machine("a", 100, 300), a_machine("b", 100, 300))
    energy = Energy(settings(Told(grid_w=500), *machines))
    turns = [Turn(name, MIDNIGHT, MIDNIGHT + HOUR_MS, 600) for name in ("a", "b")]

    assert energy.begin(turns, [], MIDNIGHT) == [MIDNIGHT, MIDNIGHT + 15 * MINUTE_MS]


def test_new_settings_count_at_once() -> None:
    machines = (a_machine("a", 100, 300), a_machine("b", 100, 300))
    energy = Energy(settings(Told(grid_w=500), *machines))
    turns = [Turn(name, MIDNIGHT, MIDNIGHT + HOUR_MS, 600) for name in ("a", "b")]

    energy.configure(settings(Told(), *machines))

    assert energy.begin(turns, [], MIDNIGHT) == [MIDNIGHT, MIDNIGHT]


def test_the_battery_is_reckoned_from_the_sun_and_from_what_ran() -> None:
    energy = Energy(settings(Told(grid_w=0, panel_w=1_000, battery_wh=10_000)))
    energy.take(SUNNY)
    morning = Timestamp(MIDNIGHT + 8 * HOUR_MS)
    running = Load("mk3", morning, morning + 8 * HOUR_MS, 3_600 * 7)

    energy.begin([], [], MIDNIGHT)
    energy.begin([], [running], morning)
    energy.begin([], [], Timestamp(morning + HOUR_MS))

    assert "595 of 10000 Wh in the battery" in energy.in_words(morning)


def test_power_is_told_to_the_operator_in_words() -> None:
    energy = Energy(settings(Told(panel_w=1_000, battery_wh=500, grid_w=3_000)))

    unknown = energy.in_words(MIDNIGHT)
    energy.take(SUNNY)
    known = energy.in_words(MIDNIGHT)

    assert unknown == (
        "380 g/kWh on average of the day, one average for all hours; "
        "what the panels give is not known yet; 0 of 500 Wh in the battery; "
        "at most 3000 W from the grid"
    )
    assert known.startswith("196 g/kWh on average of the day, 41 to 380 by the hour, with panels")


def test_an_operator_who_said_nothing_of_power_is_told_nothing() -> None:
    assert Energy(settings(Told())).in_words(MIDNIGHT) == ""


async def test_a_calculation_that_fails_is_said() -> None:
    with pytest.raises(ResourceError, match="count for nothing"):
        await power.ask(float("nan"), 0, 0, 0, 0)


async def test_a_node_with_panels_hears_of_the_sun_and_says_so() -> None:
    energy = Energy(settings(Told(panel_w=1_000)))
    heard = trio.Event()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(energy.run, Journal(), heard.set)
        await heard.wait()
        nursery.cancel_scope.cancel()

    curve, basis = energy.curve(MIDNIGHT)
    assert basis == "clear-sky"
    assert min(curve) < 380
