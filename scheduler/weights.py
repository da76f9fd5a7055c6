"""What counts how much: the prices that turn hours, kilometres and doubts into one cost.

All are in minor units of one currency. They are the buyer's own: two buyers may rank
the same machines differently, and both be right.
"""

from dataclasses import dataclass, fields
from math import isfinite

from commonfab.protocol.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The default is a person in the euro area who is in no hurry."""

    currency: str = "EUR"
    """Machines with prices in another cannot be compared, so they do not fit."""
    transport_minor: float = 200.0
    """For each delivery. Order of magnitude, to be replaced by measured values."""
    transport_minor_per_km: float = 2.0
    """For each road km of a delivery. Order of magnitude, as above."""
    transport_minor_per_kg_km: float = 0.2
    """For each kilogram and road km. Order of magnitude, as above."""
    energy_minor_per_kwh: float = 0.0
    """Zero: a machine's price per hour has its energy in it."""
    carbon_minor_per_kg: float = 30.0
    """300 EUR for a tonne of CO2e, the damage done by emissions of 2024 (German Environment
    Agency, Methodological Convention 3.2, 2024)."""
    waiting_minor_per_hour: float = 10.0
    """For each hour until the pieces are there. Order of magnitude."""
    lateness_minor_per_hour: float = 200.0
    """For each hour after the date that was asked for. Order of magnitude."""
    trust_minor: float = 200.0
    """For a job at a workshop of standing 0, falling to nothing at 1. Order of magnitude."""
    trust_share: float = 0.5
    """The same, as a share of what machine and material cost. Order of magnitude."""
    unknown_place_km: float = 500.0
    """Great-circle distance that is assumed of a workshop whose place is not known."""
    trust_floor: float = 0.0
    """A workshop of a lower standing does not fit."""
    distance_max_km: float = 0.0
    """Great-circle distance beyond which a machine does not fit; 0: none is too far."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int) and not (isfinite(value) and value >= 0):
                raise UsageError(f"{field.name}: {value} is not a number from 0 up")
        if self.trust_floor > 1.0:
            raise UsageError(
                f"trust_floor: {self.trust_floor:g} is above 1, the highest standing there is"
            )
