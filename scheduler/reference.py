"""The placement that anyone can check by reading: one job, one machine, plain numbers.

Slow and obvious on purpose, and written from the records alone. `kernel.py` may be as
clever as it likes, so long as no problem is found where it differs from this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import asin, cos, inf, radians, sin, sqrt

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.limits import LEASE_TERM_MS_MAX
from commonfab.protocol.records import Capacity, Machine, Place, Workshop

from . import factors
from .constraints import BLOCKING, Constraint
from .problem import Want
from .weights import Weights


@dataclass(frozen=True, slots=True)
class Known:
    """One workshop's records."""

    author: NodeId
    capacity: Capacity
    workshop: Workshop | None
    standing: float


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
    ready = max(machine.free_at, now) + window_ms
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


def _distance_m(a: Place, b: Place) -> float:
    squares = 0.0
    for ours, theirs in zip(_unit_vector(a), _unit_vector(b), strict=True):
        squares += (ours - theirs) * (ours - theirs)
    half_chord = min(sqrt(squares) / 2, 1.0)
    return float(round(2 * factors.EARTH_RADIUS_M.value * asin(half_chord)))


def _unit_vector(place: Place) -> tuple[float, float, float]:
    latitude, longitude = radians(place.lat_udeg / 1e6), radians(place.lon_udeg / 1e6)
    return cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)
