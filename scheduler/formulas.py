"""What a job costs on a machine, and whether it fits: exact, term by term.

Everything here works on arrays that numpy broadcasts together: machines against one
job, a matrix of both, or a list of pairs. `reference.py` has the same formulas for one
pair at a time, in the same order of operations, so that both give the same bits; the
formulas with their units are in specs/scheduling.md.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from .columns import MAKES_FOR, NO_CODE, TEMPERATURE_UNKNOWN, Flags, Floats, Machines, Table
from .constraints import BLOCKING, Constraint
from .factors import (
    HANDLING_MS,
    ROAD_G_PER_TKM,
    ROAD_MS_PER_KM,
    ROAD_PER_CROW,
    WINDOW_MARGIN_MS,
    WINDOW_MS_PER_S,
)
from .places import distance_m
from .problem import Asking, Jobs

Verdicts = NDArray[np.uint32]
Number = TypeVar("Number", float, Floats)

MS_PER_HOUR = 3_600_000.0
S_PER_HOUR = 3_600.0
MG_PER_KG = 1_000_000.0
WATT_S_PER_KWH = 3_600_000.0


@dataclass(slots=True)
class Held(Table):
    """What the machines have of the jobs' materials."""

    has: Flags
    mass_mg: Floats
    price: Floats
    """Minor units per kilogram; 0 where it has none."""


@dataclass(slots=True)
class Facts(Table):
    """What would happen."""

    seconds: Floats
    """Machine time with set-up."""
    start_ms: Floats
    """The begin of the window, milliseconds since 1970."""
    distance_m: Floats
    """By great circle; assumed where a place is not known."""
    ready_ms: Floats
    """The end of the window, when the machine is cleared."""
    arrival_ms: Floats
    earliest_ms: Floats
    """The arrival, but as if next door where a place is not known."""
    energy_kwh: Floats
    co2e_g: Floats
    """Of machine and transport."""
    opens: Flags
    """Whether one of the machine's openings is long enough; if not, times are as if it were
    always open."""


@dataclass(slots=True)
class Terms(Table):
    """The generalised cost in its terms, minor units of the buyer's currency."""

    machine: Floats
    material: Floats
    transport: Floats
    energy: Floats
    co2e: Floats
    waiting: Floats
    lateness: Floats
    trust: Floats

    def total(self) -> Floats:
        return (
            self.machine
            + self.material
            + self.transport
            + self.energy
            + self.co2e
            + self.waiting
            + self.lateness
            + self.trust
        )


def window_ms(seconds: Number) -> Number:
    """Return how long a window must be for so much machine time (SCHED-4)."""
    return seconds * WINDOW_MS_PER_S.value + WINDOW_MARGIN_MS.value


def road_km(distance: Number) -> Number:
    """Return road kilometres for metres by great circle."""
    return distance * (ROAD_PER_CROW.value / 1000.0)


def facts(machines: Machines, jobs: Jobs, asking: Asking) -> Facts:
    weights = asking.weights
    seconds = machines.setup_s + jobs.work_s * 1000.0 / machines.speed
    free = np.maximum(machines.free_at, asking.now)
    placed = asking.timetables.place(machines.timetable, free, window_ms(seconds))
    ready = placed.ready
    measured = distance_m((machines.x, machines.y, machines.z), (jobs.x, jobs.y, jobs.z))
    distance = np.where(machines.placed, measured, weights.unknown_place_km * 1000.0)
    arrival = ready + (HANDLING_MS.value + road_km(distance) * ROAD_MS_PER_KM.value)
    energy = machines.power * seconds / WATT_S_PER_KWH
    tonnes = jobs.mass_mg / MG_PER_KG / 1000.0
    return Facts(
        seconds=seconds,
        start_ms=placed.start,
        distance_m=distance,
        ready_ms=ready,
        arrival_ms=arrival,
        earliest_ms=np.where(machines.placed, arrival, ready + HANDLING_MS.value),
        energy_kwh=energy,
        co2e_g=energy * machines.grid + tonnes * road_km(distance) * ROAD_G_PER_TKM.value,
        opens=placed.found,
    )


def terms(machines: Machines, jobs: Jobs, held: Held, facts: Facts, asking: Asking) -> Terms:
    weights = asking.weights
    kilograms = jobs.mass_mg / MG_PER_KG
    machine = facts.seconds * machines.price / S_PER_HOUR
    material = kilograms * held.price
    per_km = weights.transport_minor_per_km + weights.transport_minor_per_kg_km * kilograms
    hours_late = np.maximum(facts.earliest_ms - jobs.by, 0.0) / MS_PER_HOUR
    doubt = 1.0 - machines.standing
    return Terms(
        machine=machine,
        material=material,
        transport=weights.transport_minor + road_km(facts.distance_m) * per_km,
        energy=facts.energy_kwh * weights.energy_minor_per_kwh,
        co2e=facts.co2e_g * (weights.carbon_minor_per_kg / 1000.0),
        waiting=(facts.arrival_ms - asking.now) / MS_PER_HOUR * weights.waiting_minor_per_hour,
        lateness=hours_late * weights.lateness_minor_per_hour,
        trust=doubt * (weights.trust_minor + weights.trust_share * (machine + material)),
    )


def verdicts(machines: Machines, jobs: Jobs, held: Held, facts: Facts, asking: Asking) -> Verdicts:
    """Return the bits of all constraints that do not hold, and of what is unknown (SCHED-1,
    SCHED-2)."""
    broken = _broken(machines, jobs, held, facts, asking)
    bits = np.zeros(facts.seconds.shape, np.uint32)
    for constraint, mask in (broken | _unknown(machines, jobs, asking)).items():
        bits |= mask * np.uint32(constraint)
    return bits


def fit(machines: Machines, jobs: Jobs, held: Held, facts: Facts, asking: Asking) -> Flags:
    """Return what `fits` says of the verdicts, in less time."""
    broken = np.zeros(facts.seconds.shape, np.bool_)
    for mask in _broken(machines, jobs, held, facts, asking).values():
        broken |= mask
    return ~broken


def makes_for_buyer(machines: Machines) -> Flags:
    """Return which machines may take jobs of this node, as far as it knows (SCHED-23)."""
    # Whoever knows nobody has its own machines in the tier of strangers, but trusts them wholly.
    is_stranger = (machines.tier > 0) & (machines.standing < 1.0)
    refused: Flags = (machines.makes_for == MAKES_FOR["known"]) & is_stranger
    return ~refused


def _broken(
    machines: Machines, jobs: Jobs, held: Held, facts: Facts, asking: Asking
) -> dict[Constraint, Flags]:
    too_big = (
        (jobs.small > machines.small)
        | (jobs.middle > machines.middle)
        | (jobs.large > machines.large)
    )
    furthest_m = asking.weights.distance_max_km * 1000.0 or np.inf
    return {
        Constraint.PROCESS: machines.process != jobs.process,
        Constraint.VOLUME: too_big,
        Constraint.MATERIAL: ~held.has,
        Constraint.STOCK: held.has & (held.mass_mg < jobs.mass_mg),
        Constraint.TAKES_JOBS: ~machines.takes_jobs,
        Constraint.CAPACITY: machines.until <= asking.now,
        Constraint.CURRENCY: machines.currency != asking.currency,
        Constraint.HORIZON: facts.ready_ms > asking.now + LEASE_TERM_MS_MAX,
        Constraint.DEADLINE: facts.earliest_ms > jobs.by,
        Constraint.NOZZLE: machines.nozzle > jobs.nozzle,
        Constraint.TOLERANCE: machines.tolerance > jobs.tolerance,
        Constraint.TEMPERATURE: machines.temperature < jobs.temperature,
        Constraint.HOURS: ~facts.opens,
        Constraint.LICENCE: ~asking.licensed[machines.licences, jobs.licence],
        Constraint.MAKES_FOR: ~makes_for_buyer(machines),
        Constraint.TRUST: machines.standing < asking.weights.trust_floor,
        Constraint.DISTANCE: machines.placed & (facts.distance_m > furthest_m),
    }


def _unknown(machines: Machines, jobs: Jobs, asking: Asking) -> dict[Constraint, Flags]:
    """Return what nobody has told; of a job, only what it asks for."""
    heat_unknown = machines.temperature == TEMPERATURE_UNKNOWN
    hours_known, attended_known = asking.timetables.known(machines.timetable)
    return {
        Constraint.PLACE: ~machines.placed,
        Constraint.NOZZLE_UNKNOWN: (machines.nozzle == 0) & np.isfinite(jobs.nozzle),
        Constraint.TOLERANCE_UNKNOWN: (machines.tolerance == 0) & np.isfinite(jobs.tolerance),
        Constraint.TEMPERATURE_UNKNOWN: heat_unknown & (jobs.temperature > 0),
        Constraint.HOURS_UNKNOWN: ~hours_known,
        Constraint.ATTENDED_UNKNOWN: ~attended_known,
        Constraint.LICENCE_UNKNOWN: (machines.licences == NO_CODE)
        | ~asking.licence_said[jobs.licence],
        Constraint.MAKES_FOR_UNKNOWN: machines.makes_for == MAKES_FOR[None],
    }


def fits(bits: Verdicts) -> Flags:
    blocked = (bits & np.uint32(BLOCKING)).astype(np.bool_)
    return ~blocked
