"""Where a workshop's power comes from, and whether there is enough of it for its machines.

    panels --> machines            what the sun gives is used first,
       |          ^  ^             then what the battery has,
       v          |  |             and the grid gives the rest, up to its bound.
    battery ------+  +---- grid    What is left of the sun goes into the battery.

This is what an inverter does that is set to use its own power first; it does not plan ahead.
Watts are integers and energies watt-milliseconds, so nothing is rounded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from commonfab.protocol.hours import HOURS_PER_DAY
from commonfab.protocol.limits import DAY_MS, HOUR_MS

from ..factors import BATTERY_PERMILLE, SOLAR_G_PER_KWH
from .curve import Curve


@dataclass(frozen=True, slots=True)
class Supply:
    """The power that a workshop's machines have together."""

    grid_w: int
    """At most so many watts from the grid; 0: there is none."""
    panel_w: Curve = ()
    """What the panels give after the inverter, by the hour of the day (UTC); empty: none."""
    battery_wh: int = 0
    inverter_w: int = 0
    """At most so many watts from panels and battery together."""

    def sun_w(self, at: int) -> int:
        if not self.panel_w:
            return 0
        return min(self.panel_w[at % DAY_MS // HOUR_MS], self.inverter_w)


class Draw(NamedTuple):
    """So many watts from start to end."""

    start: int
    end: int
    watts: int


class Flow(NamedTuple):
    """What happens while nothing changes."""

    start: int
    end: int
    own: int
    """Watt-milliseconds that come from panels and battery."""
    grid_w: int
    """The most that the grid must give at a time."""
    at_best_w: int
    """The same if the battery were full."""
    charge: int
    """Watt-milliseconds in the battery at the end."""


class Lack(NamedTuple):
    """How much power is missing."""

    missing: int
    """Watt-milliseconds, counting the most that is missing at a time."""
    since: int
    """When it begins to be missing."""
    is_hard: bool
    """Whether a full battery would not help then."""


NO_LACK = Lack(0, 0, False)
NEVER = 2**53


def flows(
    supply: Supply, draws: Sequence[Draw], start: int, end: int, charge: int = 0
) -> Iterator[Flow]:
    """Yield what happens from start to end, with so many watt-milliseconds in the battery."""
    most = supply.battery_wh * HOUR_MS
    edges = _edges(supply, draws, start, end)
    for begin, until in pairwise(edges):
        length = until - begin
        watts = sum(draw.watts for draw in draws if draw.start <= begin < draw.end)
        sun = supply.sun_w(begin)
        direct = min(sun, watts)
        wanted = watts - direct
        from_battery_w = min(wanted, supply.inverter_w - direct) if most else 0
        taken = min(charge, from_battery_w * length)
        runs_empty = taken < from_battery_w * length
        stored = (sun - direct) * length * round(BATTERY_PERMILLE.value) // 1000
        charge = min(most, charge - taken + stored)
        at_best = wanted - from_battery_w
        yield Flow(
            start=begin,
            end=until,
            own=direct * length + taken,
            grid_w=wanted if runs_empty else at_best,
            at_best_w=at_best,
            charge=charge,
        )


def lack(supply: Supply, draws: Sequence[Draw], start: int, end: int, charge: int = 0) -> Lack:
    """Return what is missing from start to end."""
    first, missing = NO_LACK, 0
    for flow in flows(supply, draws, start, end, charge):
        over = flow.grid_w - supply.grid_w
        if over > 0:
            first = first if missing else Lack(0, flow.start, flow.at_best_w > supply.grid_w)
            missing += over * (flow.end - flow.start)
    return first._replace(missing=missing)


def next_change(supply: Supply, draws: Iterable[Draw], at: int) -> int:
    """Return when sun or draws are different for the first time after `at`."""
    edges = {time for draw in draws for time in (draw.start, draw.end) if time > at}
    if supply.panel_w:
        edges.add(at - at % HOUR_MS + HOUR_MS)
    return min(edges, default=NEVER)


def charge_after(supply: Supply, draws: Sequence[Draw], start: int, end: int, charge: int) -> int:
    """Return what is in the battery at the end, watt-milliseconds."""
    for flow in flows(supply, draws, start, end, charge):
        charge = flow.charge
    return charge


def mixed(supply: Supply, grid: Curve, watts: int) -> Curve:
    """Return grams of CO2e for a kilowatt-hour in each hour of the day, while the machines
    take `watts` all day, and the battery is as full as it is on the second of two equal days.

    Off the grid, all that is used is the sun's.
    """
    solar = round(SOLAR_G_PER_KWH.value)
    if not supply.panel_w or not watts:
        return grid
    if not supply.grid_w:
        return (solar,) * HOURS_PER_DAY
    days = [Draw(0, 2 * DAY_MS, watts)]
    second = list(flows(supply, days, 0, 2 * DAY_MS))[HOURS_PER_DAY:]
    assert len(second) == HOURS_PER_DAY, "it changes on the hour only"
    whole = watts * HOUR_MS
    return tuple(
        (2 * (flow.own * solar + (whole - flow.own) * grams) + whole) // (2 * whole)
        for flow, grams in zip(second, grid, strict=True)
    )


def _edges(supply: Supply, draws: Iterable[Draw], start: int, end: int) -> list[int]:
    """Return, in order, all times at which something changes."""
    edges = {start, end}
    for draw in draws:
        edges |= {time for time in (draw.start, draw.end) if start < time < end}
    if supply.panel_w:
        edges |= set(range(start - start % HOUR_MS + HOUR_MS, end, HOUR_MS))
    return sorted(edges)
