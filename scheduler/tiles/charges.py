"""What a machine adds to the cost of any job, as 32-bit numbers for its tile.

A cost of `formulas.py` is what the machine takes for any job, so much for each second of
work, each milligram of material and each kilometre, and nothing else if the job fits and
the machine has no hours. With hours it is more. So here all sums are the cost or less.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from ..columns import NO_CODE, Floats, Machines
from ..factors import (
    EARTH_RADIUS_M,
    HANDLING_MS,
    ROAD_G_PER_TKM,
    ROAD_MS_PER_KM,
    WINDOW_MARGIN_MS,
    WINDOW_MS_PER_S,
)
from ..formulas import (
    MG_PER_KG,
    MS_PER_HOUR,
    S_PER_HOUR,
    WATT_S_PER_KWH,
    makes_for_buyer,
    road_km,
)
from ..problem import Asking
from ..weights import Weights
from .index import AGE_MS_MAX, Derive, Entries
from .order import Singles
from .tiles import Block, Fact

ROAD_KM_PER_RADIAN = road_km(EARTH_RADIUS_M.value)
SLACK = 2e-6
"""The share by which a sum in 32 bits may be off, by rounding."""
SLACK_MS = 1000.0
COST_MAX = 1e30
"""A cost that is higher is taken as this: sums must not overflow 32-bit floats."""
FACTOR_MAX = 1e15
"""Likewise of what is multiplied with a job's number, and of that number."""

_TYPICAL_S = 10_000.0
_TYPICAL_MG = 100_000.0
"""Of a job: by these, prices are compared with distances where machines are ordered."""
_POINT_MAX = 1e5
"""Beyond this many minor units no differences are made."""


@dataclass(frozen=True, slots=True)
class Charges:
    """Of machines, or in plain numbers of one."""

    idle: Floats
    """The cost of an order, whatever it is, without queue and distance."""
    per_s: Floats
    """For each second of work at ordinary speed."""
    per_mg: Floats
    setup_ms: Floats
    """Of the window, without work."""
    ms_per_s: Floats
    """Of the window, for each second of work at ordinary speed."""


def charges(machines: Machines, price: Floats | float, weights: Weights) -> Charges:
    """Return the costs, in minor units, of machines with material at a price per kilogram.

    Plain arithmetic, so that it also takes numbers in place of columns.
    """
    waiting = weights.waiting_minor_per_hour / MS_PER_HOUR
    doubt = 1.0 - machines.standing
    dearer = 1.0 + doubt * weights.trust_share
    per_kwh = weights.energy_minor_per_kwh + machines.grid * (weights.carbon_minor_per_kg / 1000.0)
    per_second = (
        machines.price / S_PER_HOUR * dearer
        + machines.power / WATT_S_PER_KWH * per_kwh
        + WINDOW_MS_PER_S.value * waiting
    )
    stretch = 1000.0 / machines.speed
    return Charges(
        idle=machines.setup_s * per_second
        + (WINDOW_MARGIN_MS.value + HANDLING_MS.value) * waiting
        + doubt * weights.trust_minor
        + weights.transport_minor,
        per_s=per_second * stretch,
        per_mg=price / MG_PER_KG * dearer,
        setup_ms=machines.setup_s * WINDOW_MS_PER_S.value + WINDOW_MARGIN_MS.value,
        ms_per_s=stretch * WINDOW_MS_PER_S.value,
    )


def per_km(mass_mg: Floats, weights: Weights) -> Floats:
    """Return what a road kilometre adds to the cost of a job: tariff, CO2e and waiting."""
    minor_per_g = weights.carbon_minor_per_kg / 1000.0
    per_kg_km = weights.transport_minor_per_kg_km + ROAD_G_PER_TKM.value / 1000.0 * minor_per_g
    waiting = ROAD_MS_PER_KM.value / MS_PER_HOUR * weights.waiting_minor_per_hour
    return weights.transport_minor_per_km + waiting + per_kg_km * (mass_mg / MG_PER_KG)


def derive(asking: Asking) -> Derive:
    """Return what makes a buyer's entries."""
    return partial(entries, asking)


def entries(
    asking: Asking, machines: Machines, mass_mg: Floats, price: Floats, start: int
) -> Entries:
    weights = asking.weights
    charged = charges(machines, price, weights)
    soonest = asking.timetables.soonest(machines.timetable, np.maximum(machines.free_at, start))
    queue_ms = np.where(machines.timetable == NO_CODE, machines.free_at, soonest) - start
    longest_ms = asking.timetables.longest_ms(machines.timetable)
    waiting = weights.waiting_minor_per_hour / MS_PER_HOUR
    facts = np.empty((len(Fact), len(price)), np.float32)
    facts[Fact.X], facts[Fact.Y], facts[Fact.Z] = machines.x, machines.y, machines.z
    facts[Fact.PER_S] = np.minimum(charged.per_s, FACTOR_MAX)
    facts[Fact.PER_MG] = np.minimum(charged.per_mg, FACTOR_MAX)
    facts[Fact.SMALL] = above(machines.small)
    facts[Fact.MIDDLE] = above(machines.middle)
    facts[Fact.LARGE] = above(machines.large)
    facts[Fact.STOCK_MG] = above(mass_mg)
    facts[Fact.NOZZLE] = machines.nozzle
    facts[Fact.TOLERANCE] = machines.tolerance
    facts[Fact.TEMPERATURE] = machines.temperature
    facts[Fact.SETUP_MS] = np.minimum(charged.setup_ms, FACTOR_MAX)
    facts[Fact.MS_PER_S] = np.minimum(charged.ms_per_s, FACTOR_MAX)
    facts[Fact.LONGEST_MS] = np.minimum(longest_ms * (1.0 + SLACK) + SLACK_MS, FACTOR_MAX)
    facts[Fact.FREE_MS] = queue_ms
    facts[Fact.IDLE] = np.minimum(charged.idle, COST_MAX)
    facts[Fact.QUEUED] = np.minimum(charged.idle + queue_ms * waiting, COST_MAX)
    fits = (
        machines.takes_jobs
        & (machines.currency == asking.currency)
        & (machines.standing >= weights.trust_floor)
        & makes_for_buyer(machines)
        & (queue_ms <= LEASE_TERM_MS_MAX + AGE_MS_MAX)
    )
    return Entries(facts, _points(facts, weights), fits)


def above(values: Floats) -> NDArray[np.float32]:
    """Return the least 32-bit floats that are not less than these."""
    rounded = values.astype(np.float32)
    return np.where(rounded < values, np.nextafter(rounded, np.float32(np.inf)), rounded)


def below(values: Floats) -> NDArray[np.float32]:
    """Return the greatest 32-bit floats that are not more than these."""
    lower: NDArray[np.float32] = -above(-values)
    return lower


def _points(facts: Block, weights: Weights) -> Singles:
    """Return (n, 6): places and prices, all in minor units of a typical job."""
    hours_per_km = ROAD_MS_PER_KM.value / MS_PER_HOUR
    per_km = weights.transport_minor_per_km + weights.waiting_minor_per_hour * hours_per_km
    per_radian = max(1.0, per_km * ROAD_KM_PER_RADIAN)
    cost = np.maximum(facts[Fact.IDLE], facts[Fact.QUEUED])
    points: Singles = np.stack(
        [
            facts[Fact.X] * per_radian,
            facts[Fact.Y] * per_radian,
            facts[Fact.Z] * per_radian,
            facts[Fact.PER_S] * _TYPICAL_S,
            facts[Fact.PER_MG] * _TYPICAL_MG,
            cost,
        ],
        axis=1,
    )
    return np.clip(points, -_POINT_MAX, _POINT_MAX, out=points)
