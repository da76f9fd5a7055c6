"""Jobs start where there is power for them, and where it is clean if they may wait."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.slots import Quote
from commonfab.protocol.lease.starts import Load, Placed, Turn, Window
from commonfab.protocol.limits import DAY_MS, HOUR_MS, LEASE_TERM_MS_MAX, MINUTE_MS
from commonfab.protocol.records import Request
from commonfab.scheduler.energy.curve import Curve, flat, integral
from commonfab.scheduler.energy.plant import (
    STEP_MS,
    Consumption,
    Drawn,
    Plant,
    next_quarter,
    running_ms,
)
from commonfab.scheduler.energy.starts import PoweredStarts
from commonfab.scheduler.energy.supply import Supply, lack
from tests.scheduler.worlds import a_part

MIDNIGHT = Timestamp(20_000 * DAY_MS)
NINE = Timestamp(MIDNIGHT + 9 * HOUR_MS)
EVEN = flat(400)
SUNNY = (400,) * 10 + (50,) * 6 + (400,) * 8
HEATING_MS = 15 * MINUTE_MS
HOUR_OF_WORK_MS = running_ms(3_600)
PRINTERS = {name: Consumption(power_w=100, peak_w=300) for name in ("a", "b", "c", "d")}


def plant(
    supply: Supply | None = None,
    machines: dict[str, Consumption] | None = None,
    curve: Curve = EVEN,
    wait_h: int = 0,
) -> Plant:
    limits = supply or Supply(grid_w=10_000)
    return Plant(limits, machines or PRINTERS, curve, "hourly", wait_h * HOUR_MS)


def quote(machine: str = "a", machine_seconds: int = 3_600) -> Quote:
    return Quote(
        machine=machine,
        duration_ms=running_ms(machine_seconds),
        price_minor=100,
        currency="EUR",
        machine_seconds=machine_seconds,
        mass_mg=1,
        energy_mwh=1_000_000,
        co2e_mg=0,
    )


def a_request(by: int = 0) -> Request:
    return Request(
        stream="request/1",
        seq=1,
        at=NINE,
        to=bytes(32),
        order=bytes(16),
        job=0,
        epoch=1,
        design=bytes(32),
        part=a_part(),
        pieces=1,
        by=by,
        grace_ms=60_000,
    )


def a_load(start: int, machine: str = "b", machine_seconds: int = 3_600) -> Load:
    return Load(machine, start, start + running_ms(machine_seconds), machine_seconds)


def always_free(at: int) -> Window:
    return at, at + HOUR_OF_WORK_MS


def place(
    where: Plant, *loads: Load, by: int = 0, now: Timestamp = NINE, charge: int = 0
) -> Placed | None:
    request = a_request(by=by)
    return PoweredStarts(where, charge).place(quote(), request, always_free, loads, now)


def started(placed: Placed | None) -> int:
    assert placed is not None
    return placed.start


@pytest.mark.rule("ENERGY-4")
def test_two_machines_heat_up_one_after_the_other_under_a_cap() -> None:
    capped = plant(Supply(grid_w=400))

    assert started(place(capped, a_load(NINE))) == NINE + HEATING_MS


@pytest.mark.rule("ENERGY-4")
def test_a_job_waits_for_the_end_of_others_where_all_power_is_taken() -> None:
    capped = plant(Supply(grid_w=400))
    loads = [a_load(NINE), a_load(NINE - HEATING_MS, "c")]

    assert started(place(capped, *loads)) == NINE - HEATING_MS + HOUR_OF_WORK_MS


def test_a_job_does_not_start_where_it_would_still_run_when_another_heats_up() -> None:
    capped = plant(Supply(grid_w=399))
    promised = a_load(NINE + HOUR_MS)

    assert started(place(capped, promised)) == promised.end


def test_under_a_cap_that_is_high_enough_nothing_waits() -> None:
    assert started(place(plant(Supply(grid_w=1_200)), a_load(NINE))) == NINE


def test_a_short_job_waits_through_a_long_night_off_the_grid() -> None:
    sun = (0,) * 8 + (1_000,) * 8 + (0,) * 8
    off_grid = plant(Supply(grid_w=0, panel_w=sun, inverter_w=1_000))
    evening = Timestamp(MIDNIGHT + 17 * HOUR_MS)

    def minutes(at: int) -> Window:
        return at, at + running_ms(60)

    placed = PoweredStarts(off_grid).place(quote("a", 60), a_request(), minutes, [], evening)

    assert started(placed) == MIDNIGHT + DAY_MS + 8 * HOUR_MS


def test_a_job_that_overruns_with_an_empty_battery_stops_nobody_tomorrow() -> None:
    sun = (0,) * 8 + (1_000,) * 8 + (0,) * 8
    off_grid = plant(Supply(grid_w=0, panel_w=sun, battery_wh=100, inverter_w=1_000))
    evening = Timestamp(MIDNIGHT + 20 * HOUR_MS)

    window = place(off_grid, a_load(evening), now=evening)

    assert started(window) == MIDNIGHT + DAY_MS + 8 * HOUR_MS


def test_a_lack_that_was_there_before_keeps_no_job_from_its_morning() -> None:
    sun = (0,) * 8 + (1_000,) * 8 + (0,) * 8
    off_grid = plant(Supply(grid_w=0, panel_w=sun, battery_wh=10, inverter_w=350))
    evening = MIDNIGHT + 20 * HOUR_MS

    def room(at: int) -> Window:
        return always_free(max(at, evening))

    both = [a_load(NINE, "b"), a_load(NINE, "c")]
    placed = PoweredStarts(off_grid).place(quote(), a_request(), room, both, NINE)

    assert started(placed) == MIDNIGHT + DAY_MS + 8 * HOUR_MS


def test_a_machine_that_the_inverter_cannot_carry_with_others_waits_for_their_end() -> None:
    sun = (1_000,) * 24
    off_grid = plant(Supply(grid_w=0, panel_w=sun, battery_wh=5_000, inverter_w=350))
    full = 5_000 * HOUR_MS

    assert started(place(off_grid, a_load(NINE), charge=full)) == NINE + HOUR_OF_WORK_MS


def test_a_machine_that_takes_longer_than_thought_still_draws_power() -> None:
    capped = plant(Supply(grid_w=350))
    overdue = Load("b", NINE - HOUR_OF_WORK_MS - 1, NINE + 1, 3_600)
    waiting = Load("b", NINE - MINUTE_MS, NINE + HOUR_MS, 1)

    assert started(place(capped, overdue, waiting)) == NINE + 15 * MINUTE_MS
    assert started(place(plant(Supply(grid_w=400)), overdue, waiting)) == NINE


def test_a_machine_that_needs_more_than_there_is_gets_no_window() -> None:
    assert place(plant(Supply(grid_w=299))) is None


def test_a_window_past_the_term_of_a_lease_is_none() -> None:
    def next_month(at: int) -> Window:
        start = max(at, NINE + LEASE_TERM_MS_MAX)
        return start, start + 1

    starts = PoweredStarts(plant())

    assert starts.place(quote(), a_request(), next_month, [], NINE) is None


def test_a_machine_that_is_full_gets_no_window() -> None:
    starts = PoweredStarts(plant())

    assert starts.place(quote(), a_request(), lambda _: None, [], NINE) is None


def test_a_machine_whose_power_is_not_known_needs_none() -> None:
    capped = plant(Supply(grid_w=50), {"x": Consumption(500)})

    assert started(place(capped)) == NINE


def test_off_the_grid_a_job_waits_for_the_morning() -> None:
    sun = (0,) * 8 + (1_000,) * 8 + (0,) * 8
    off_grid = plant(Supply(grid_w=0, panel_w=sun, inverter_w=1_000))
    evening = Timestamp(MIDNIGHT + 20 * HOUR_MS)

    assert started(place(off_grid, now=evening)) == MIDNIGHT + DAY_MS + 8 * HOUR_MS


def test_a_charged_battery_lets_it_start_in_the_evening() -> None:
    sun = (0,) * 8 + (1_000,) * 8 + (0,) * 8
    off_grid = plant(Supply(grid_w=0, panel_w=sun, battery_wh=1_000, inverter_w=1_000))
    evening = Timestamp(MIDNIGHT + 20 * HOUR_MS)

    assert started(place(off_grid, now=evening, charge=500 * HOUR_MS)) == evening


def test_a_job_does_not_take_the_charge_that_another_was_promised() -> None:
    sun = (0,) * 8 + (1_000,) * 8 + (0,) * 8
    off_grid = plant(Supply(grid_w=0, panel_w=sun, battery_wh=1_000, inverter_w=1_000))
    evening = Timestamp(MIDNIGHT + 20 * HOUR_MS)
    later = a_load(evening + 2 * HOUR_MS)

    window = place(off_grid, later, now=evening, charge=200 * HOUR_MS)

    assert started(window) == MIDNIGHT + DAY_MS + 8 * HOUR_MS


@pytest.mark.rule("ENERGY-5")
def test_a_job_that_may_wait_starts_when_power_is_clean() -> None:
    patient = plant(curve=SUNNY, wait_h=4)

    placed = place(patient)

    assert placed == Placed(
        NINE + HOUR_MS, NINE + HOUR_MS + HOUR_OF_WORK_MS, co2e_mg=50_000, basis="hourly"
    )


@pytest.mark.rule("ENERGY-5")
def test_a_job_that_may_not_wait_starts_at_once_and_says_what_that_costs() -> None:
    placed = place(plant(curve=SUNNY))

    assert placed is not None
    assert (placed.start, placed.co2e_mg) == (NINE, 400_000)


@pytest.mark.rule("ENERGY-5")
def test_a_job_waits_no_longer_than_it_may() -> None:
    assert started(place(plant(curve=(400,) * 12 + (0,) * 12, wait_h=1))) == NINE
    assert started(place(plant(curve=(400,) * 10 + (0,) * 14, wait_h=1))) == NINE + HOUR_MS


@pytest.mark.rule("ENERGY-5")
def test_a_job_does_not_wait_for_power_that_comes_too_late() -> None:
    clean_at_noon = (400,) * 12 + (0,) * 12
    patient = plant(Supply(grid_w=300), curve=clean_at_noon, wait_h=2)
    taken = Load("b", NINE + HOUR_OF_WORK_MS, NINE + 4 * HOUR_MS, 10_000)

    assert started(place(patient, taken)) == NINE


@pytest.mark.rule("ENERGY-5")
def test_a_job_with_a_date_waits_only_while_it_keeps_it() -> None:
    patient = plant(curve=SUNNY, wait_h=4)

    assert started(place(patient, by=NINE + HOUR_OF_WORK_MS + HOUR_MS)) == NINE + HOUR_MS
    assert started(place(patient, by=NINE + HOUR_OF_WORK_MS + 30 * MINUTE_MS)) == (
        NINE + 30 * MINUTE_MS
    )
    assert started(place(patient, by=NINE + HOUR_OF_WORK_MS)) == NINE


spans = st.builds(
    a_load,
    st.integers(0, 12).map(lambda quarter: NINE + quarter * STEP_MS),
    st.sampled_from(["b", "c", "d"]),
    st.integers(600, 9_000),
)
caps = st.integers(300, 800)
curves = st.lists(st.integers(0, 900), min_size=24, max_size=24).map(tuple)


@pytest.mark.rule("ENERGY-4")
@given(caps, st.lists(spans, max_size=6))
def test_no_earlier_start_has_power(grid_w: int, loads: list[Load]) -> None:
    capped = plant(Supply(grid_w=grid_w))
    starts = PoweredStarts(capped)

    placed = starts.place(quote(), a_request(), always_free, loads, NINE)

    if placed is not None:  # Loads that are too many by themselves may leave no power at all.
        assert has_power(capped, loads, placed.start)
        earlier = range(NINE, placed.start, MINUTE_MS)
        assert not any(has_power(capped, loads, start) for start in earlier)


@pytest.mark.rule("ENERGY-5")
@given(caps, st.lists(spans, max_size=4), curves, st.integers(0, 6))
def test_no_quarter_hour_with_power_is_cleaner(
    grid_w: int, loads: list[Load], curve: Curve, wait_h: int
) -> None:
    where = plant(Supply(grid_w=grid_w), curve=curve, wait_h=wait_h)
    first = place(plant(Supply(grid_w=grid_w)), *loads)
    assert first is not None
    quarters = range(next_quarter(first.start), first.start + wait_h * HOUR_MS + 1, STEP_MS)
    tried = [first.start, *(at for at in quarters if has_power(where, loads, at))]

    placed = place(where, *loads)

    assert placed is not None
    cleanest = min(integral(curve, at, at + HOUR_MS) for at in tried)
    assert placed.co2e_mg <= cleanest / HOUR_MS * 1_000 + 1
    assert first.start <= placed.start <= first.start + wait_h * HOUR_MS
    assert has_power(where, loads, placed.start)


def has_power(where: Plant, loads: Sequence[Load], start: int) -> bool:
    mine = a_load(start, "a")
    draws = [
        d
        for each in [*loads, mine]
        for d in where.draws(each.machine, each.start, each.end, each.machine_seconds)
    ]
    return lack(where.supply, draws, start, mine.end).missing == 0


def turn(machine: str, machine_seconds: int = 3_600, promised: int = NINE + 4 * HOUR_MS) -> Turn:
    return Turn(machine, NINE, promised, machine_seconds)


def begin(where: Plant, turns: Sequence[Turn], *loads: Load) -> list[int]:
    return PoweredStarts(where).begin(turns, loads, NINE)


def test_where_nothing_limits_all_begin_at_once() -> None:
    assert begin(plant(), [turn("a"), turn("b")], a_load(NINE, "c")) == [NINE, NINE]


@pytest.mark.rule("ENERGY-6")
def test_jobs_that_could_all_begin_do_so_as_the_cap_lets_them() -> None:
    capped = plant(Supply(grid_w=500))

    times = begin(capped, [turn("a"), turn("b"), turn("c")])

    assert sorted(times) == [NINE, NINE + HEATING_MS, NINE + 2 * HEATING_MS]


@pytest.mark.rule("ENERGY-6")
def test_a_short_job_goes_before_a_long_one_if_both_keep_their_windows() -> None:
    capped = plant(Supply(grid_w=300))
    turns = [turn("a", 10_800, NINE + 4 * HOUR_MS - 1), turn("b", 1_800, NINE + 4 * HOUR_MS)]

    long, short = begin(capped, turns)

    assert (short, long) == (NINE, next_quarter(NINE + running_ms(1_800)))


@pytest.mark.rule("ENERGY-6")
def test_a_job_that_finds_no_power_does_not_keep_the_others_from_theirs() -> None:
    machines = {"a": Consumption(900), "b": Consumption(100)}
    capped = plant(Supply(grid_w=500), machines)

    late, now = begin(capped, [turn("a", promised=NINE), turn("b", promised=NINE)])

    assert now == NINE
    assert late > NINE


@pytest.mark.rule("ENERGY-6")
def test_jobs_that_may_wait_begin_in_the_sun() -> None:
    patient = plant(curve=SUNNY, wait_h=2)

    assert begin(patient, [turn("a")]) == [NINE + HOUR_MS]


@pytest.mark.rule("ENERGY-6")
def test_no_job_waits_past_its_promised_start_for_the_sun() -> None:
    patient = plant(curve=SUNNY, wait_h=2)

    assert begin(patient, [turn("a", promised=NINE)]) == [NINE]


turns_of_three = st.tuples(
    *(
        st.builds(
            turn,
            st.just(machine),
            st.sampled_from([300, 900, 1_500]),
            st.sampled_from([NINE, NINE + 30 * MINUTE_MS]),
        )
        for machine in "abc"
    )
).map(list)


@pytest.mark.rule("ENERGY-6")
@settings(max_examples=40, deadline=None)
@given(st.sampled_from([300, 400, 500, 600]), turns_of_three, curves, st.integers(0, 1))
def test_a_few_jobs_together_begin_as_well_as_any_way_there_is(
    grid_w: int, turns: list[Turn], curve: Curve, wait_h: int
) -> None:
    where = plant(Supply(grid_w=grid_w), curve=curve, wait_h=wait_h)
    grid = [NINE + quarter * STEP_MS for quarter in range(7)]
    ways = (way for way in product(grid, repeat=3) if all_have_power(where, turns, way))
    best = min(total(where, turns, way) for way in ways)

    found = begin(where, turns)

    assert all_have_power(where, turns, found)
    assert total(where, turns, found) == best


def all_have_power(where: Plant, turns: Sequence[Turn], starts: Sequence[int]) -> bool:
    drawn = Drawn(where, [], NINE, 0)
    for each, start in zip(turns, starts, strict=True):
        end = start + running_ms(each.machine_seconds)
        draws = list(where.draws(each.machine, start, end, each.machine_seconds))
        if drawn.not_before(draws) is not None:
            return False
        drawn = drawn.with_job(draws)
    return True


def total(where: Plant, turns: Sequence[Turn], starts: Sequence[int]) -> tuple[int, int, int]:
    """What ENERGY-6 weighs: waiting beyond what is allowed, then CO2e, then earliness."""
    too_long = grams = 0
    for each, start in zip(turns, starts, strict=True):
        allowed = min(each.earliest + where.wait_ms, max(each.promised, each.earliest))
        too_long += max(0, start - allowed)
        if where.wait_ms:
            grams += 100 * integral(where.curve, start, start + 1000 * each.machine_seconds)
    return too_long, grams, sum(starts)
