"""What a kilowatt-hour costs the climate, hour by hour of the day, and what a job does.

A curve has 24 numbers, grams of CO2e for a kilowatt-hour in each hour of the day from
00:00 UTC on, and every day is as the one before. All is in integers, so that everybody
who has a workshop's capacity record and its offer finds the same milligrams (ENERGY-3).
"""

from collections.abc import Sequence

from commonfab.protocol.fields import Basis
from commonfab.protocol.hours import HOURS_PER_DAY
from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.protocol.records import Capacity

Curve = tuple[int, ...]
"""One number for each hour of the day, from 00:00 UTC on."""

_BASES = {
    "": "; it does not say what that rests on",
    "mean": ", one average for all hours",
    "hourly": ", as the grid has it in each hour",
    "clear-sky": ", with panels under a clear sky",
}


def flat(grams_per_kwh: int) -> Curve:
    return (grams_per_kwh,) * HOURS_PER_DAY


def integral(curve: Sequence[int], start: int, end: int) -> int:
    """Return the curve's value times milliseconds, from start to end (ms since 1970)."""
    return _since_1970(curve, end) - _since_1970(curve, start)


def co2e_mg(curve: Curve, energy_mwh: int, start: int, machine_seconds: int) -> int:
    """Return the milligrams of CO2e of a job, to the nearest, halves up.

    Its energy is spent evenly over its machine time from `start` on: milliwatt-hours times
    grams a kilowatt-hour, averaged over that time, divided by 1,000.
    """
    duration_ms = 1000 * machine_seconds
    if duration_ms == 0:
        return 0
    doubled = 2 * energy_mwh * integral(curve, start, start + duration_ms)
    return (doubled + 1000 * duration_ms) // (2000 * duration_ms)


def mean(curve: Curve) -> int:
    """Return the average of the day, to the nearest, halves up."""
    return (2 * sum(curve) + HOURS_PER_DAY) // (2 * HOURS_PER_DAY)


def _since_1970(curve: Sequence[int], at: int) -> int:
    days, of_day = divmod(at, DAY_MS)
    hour, of_hour = divmod(of_day, HOUR_MS)
    return HOUR_MS * (days * sum(curve) + sum(curve[:hour])) + curve[hour] * of_hour


def of_record(capacity: Capacity) -> str:
    """Return in words what a workshop's record says of its power."""
    return in_words(capacity.grid_g_per_kwh, capacity.intensity, capacity.basis)


def in_words(average: int, curve: Curve, basis: Basis) -> str:
    """Return what a kilowatt-hour costs, and what that rests on, for people."""
    said = f"{average} g/kWh on average of the day"
    if len(set(curve)) > 1:
        said += f", {min(curve)} to {max(curve)} by the hour"
    return said + _BASES[basis]
