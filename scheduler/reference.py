"""The placement that anyone can check by reading: one job, one machine, plain numbers.

Slow and obvious on purpose, and written from the records alone. `kernel.py` may be as
clever as it likes, so long as no problem is found where it differs from this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from math import asin, ceil, cos, floor, inf, radians, sin, sqrt

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.limits import LEASE_TERM_MS_MAX
from commonfab.protocol.records import Capacity, Machine, Part, Place, Workshop

from . import factors
from .constraints import BLOCKING, Constraint
from .licences import NOT_SAID, allows
from .problem import Want
from .weights import Weights

_WEEK = 7 * 24 * 60
_WEEK_MS = _WEEK * 60_000
_MONDAY_MS = 3 * 24 * 60 * 60_000
"""1970 began on a Thursday."""


@dataclass(frozen=True, slots=True)
class Known:
    """One workshop's records."""

    author: NodeId
    capacity: Capacity
    workshop: Workshop | None
    standing: float
    tier: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """One job on one machine."""

    author: NodeId
    machine: str
    key: int
    verdict: int
    terms: tuple[float, ...]
    """Machine, material, transport, energy, CO2e, waiting, lateness, trust."""
    cost: float
    """Infinite where the machine does not fit."""


def evaluate(
    workshops: Sequence[Known], want: Want, now: Timestamp, weights: Weights
) -> list[Pair]:
    """Return the job on every machine, in the order given."""
    return [
        _pair(known, machine, want, now, weights)
        for known in workshops
        for machine in known.capacity.machines
    ]


def top(
    workshops: Sequence[Known], want: Want, now: Timestamp, k: int, weights: Weights
) -> list[Pair]:
    """Return the k cheapest machines that fit, of equal ones the lower key first."""
    pairs = evaluate(workshops, want, now, weights)
    return sorted((p for p in pairs if p.cost < inf), key=lambda p: (p.cost, p.key))[:k]


def _pair(known: Known, machine: Machine, want: Want, now: int, weights: Weights) -> Pair:
    part, by = want.part, want.by or inf
    work_s = float(want.pieces * part.seconds)
    kilograms = float(want.pieces * part.mass_mg) / 1_000_000
    spools = [stock for stock in machine.stock if stock.material == part.material]
    held_mg = sum(stock.mass_mg for stock in spools)
    price_per_kg = max((stock.price_minor_per_kg for stock in spools), default=0)

    seconds = machine.setup_seconds + work_s * 1000.0 / machine.speed_permille
    window_ms = seconds * factors.WINDOW_MS_PER_S.value + factors.WINDOW_MARGIN_MS.value
    begin = max(machine.free_at, now)
    start = _start(machine, begin, window_ms)
    ready = begin + window_ms if start is None else _cleared(machine, start + window_ms)
    place = known.workshop.place if known.workshop else None
    metres = _distance_m(place, want.place) if place else weights.unknown_place_km * 1000
    road_km = metres * (factors.ROAD_PER_CROW.value / 1000)
    arrival = ready + (factors.HANDLING_MS.value + road_km * factors.ROAD_MS_PER_KM.value)
    earliest = arrival if place else ready + factors.HANDLING_MS.value
    energy_kwh = machine.power_w * seconds / 3_600_000
    transport_g = kilograms / 1000 * road_km * factors.ROAD_G_PER_TKM.value
    co2e_g = energy_kwh * known.capacity.grid_g_per_kwh + transport_g

    verdict = Constraint(0)
    if machine.process != part.process:
        verdict |= Constraint.PROCESS
    needed, given = sorted(part.bbox_um), sorted(machine.volume_um)
    if any(n > g for n, g in zip(needed, given, strict=True)):
        verdict |= Constraint.VOLUME
    if not spools:
        verdict |= Constraint.MATERIAL
    elif held_mg < want.pieces * part.mass_mg:
        verdict |= Constraint.STOCK
    if not machine.takes_jobs:
        verdict |= Constraint.TAKES_JOBS
    if known.capacity.until and known.capacity.until <= now:
        verdict |= Constraint.CAPACITY
    if known.capacity.currency != weights.currency:
        verdict |= Constraint.CURRENCY
    if ready > now + LEASE_TERM_MS_MAX:
        verdict |= Constraint.HORIZON
    if earliest > by:
        verdict |= Constraint.DEADLINE
    if machine.nozzle_um > (part.nozzle_um or inf):
        verdict |= Constraint.NOZZLE
    if machine.tolerance_um > (part.tolerance_um or inf):
        verdict |= Constraint.TOLERANCE
    if 0 < machine.temperature_c < part.temperature_c:
        verdict |= Constraint.TEMPERATURE
    if start is None:
        verdict |= Constraint.HOURS
    if not allows(machine.licences, part.licence):
        verdict |= Constraint.LICENCE
    if machine.makes_for == "known" and known.tier > 0 and known.standing < 1.0:
        verdict |= Constraint.MAKES_FOR
    if known.standing < weights.trust_floor:
        verdict |= Constraint.TRUST
    if place and weights.distance_max_km and metres > weights.distance_max_km * 1000:
        verdict |= Constraint.DISTANCE
    verdict |= _unknown(machine, part)
    if not place:
        verdict |= Constraint.PLACE

    machine_minor = seconds * machine.price_minor_per_hour / 3600
    material_minor = kilograms * price_per_kg
    per_km = weights.transport_minor_per_km + weights.transport_minor_per_kg_km * kilograms
    terms = (
        machine_minor,
        material_minor,
        weights.transport_minor + road_km * per_km,
        energy_kwh * weights.energy_minor_per_kwh,
        co2e_g * (weights.carbon_minor_per_kg / 1000),
        (arrival - now) / 3_600_000 * weights.waiting_minor_per_hour,
        max(earliest - by, 0.0) / 3_600_000 * weights.lateness_minor_per_hour,
        (1.0 - known.standing)
        * (weights.trust_minor + weights.trust_share * (machine_minor + material_minor)),
    )
    total = 0.0
    for term in terms:  # Not sum(), which since Python 3.12 is more exact than this.
        total += term
    cost = inf if verdict & BLOCKING else total
    digest = sha256(known.author + machine.id.encode()).digest()
    key = int.from_bytes(digest[:8], "big")
    return Pair(known.author, machine.id, key, int(verdict), terms, cost)


def _unknown(machine: Machine, part: Part) -> Constraint:
    unknown = Constraint(0)
    if part.nozzle_um and not machine.nozzle_um:
        unknown |= Constraint.NOZZLE_UNKNOWN
    if part.tolerance_um and not machine.tolerance_um:
        unknown |= Constraint.TOLERANCE_UNKNOWN
    if part.temperature_c and not machine.temperature_c:
        unknown |= Constraint.TEMPERATURE_UNKNOWN
    if not machine.hours:
        unknown |= Constraint.HOURS_UNKNOWN
    if not machine.attended:
        unknown |= Constraint.ATTENDED_UNKNOWN
    if not machine.licences or part.licence in NOT_SAID:
        unknown |= Constraint.LICENCE_UNKNOWN
    if machine.makes_for is None:
        unknown |= Constraint.MAKES_FOR_UNKNOWN
    return unknown


def _start(machine: Machine, earliest: float, window_ms: float) -> float | None:
    """Return the first moment at which it can be begun, of all at which anything changes."""
    since = (earliest + _MONDAY_MS) % _WEEK_MS
    opens = [opening for opening, _ in (*machine.hours, *machine.attended)]
    changes = {minute * 60_000.0 + week * _WEEK_MS for minute in opens for week in (0, 1)}
    for at in sorted({since, *(change for change in changes if change > since)}):
        someone_is_there = floor(at / 60_000) % _WEEK in _minutes(machine.attended)
        if someone_is_there and _is_open(machine, at, at + window_ms):
            return earliest + (at - since)
    return None


def _is_open(machine: Machine, start: float, end: float) -> bool:
    open_minutes = _minutes(machine.hours)
    if len(open_minutes) == _WEEK:
        return True
    minutes = range(floor(start / 60_000), ceil(end / 60_000))
    return all(minute % _WEEK in open_minutes for minute in minutes)


def _cleared(machine: Machine, end: float) -> float:
    since = (end + _MONDAY_MS) % _WEEK_MS
    minute = floor(since / 60_000)
    there = _minutes(machine.attended)
    if minute % _WEEK in there:
        return end
    while minute % _WEEK not in there:
        minute += 1
    return end + (minute * 60_000.0 - since)


@cache
def _minutes(windows: tuple[tuple[int, int], ...]) -> frozenset[int]:
    """Return all minutes of the week in the windows; all there are where none is told."""
    if not windows:
        return frozenset(range(_WEEK))
    return frozenset(
        minute % _WEEK
        for begin, end in windows
        for minute in range(begin, end if end > begin else end + _WEEK)
    )


def _distance_m(a: Place, b: Place) -> float:
    squares = 0.0
    for ours, theirs in zip(_unit_vector(a), _unit_vector(b), strict=True):
        squares += (ours - theirs) * (ours - theirs)
    half_chord = min(sqrt(squares) / 2, 1.0)
    return float(round(2 * factors.EARTH_RADIUS_M.value * asin(half_chord)))


def _unit_vector(place: Place) -> tuple[float, float, float]:
    latitude, longitude = radians(place.lat_udeg / 1e6), radians(place.lon_udeg / 1e6)
    return cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)
