"""What would have to change for a machine to fit: of each obstacle the smallest change of one fact.

Some are the buyer's to make ("allow 62 km"), some the owner's ("load 12 g more of PETG").
A machine that does another process, or does not get hot enough, is another machine: there
is no change for that. The words are rounded to what is enough; the numbers are exact: with one
unit less the obstacle would stay.
"""

from collections.abc import Callable, Mapping
from math import ceil, floor

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from .. import reasons
from ..constraints import Constraint
from ..licences import allows
from .case import Case
from .explanation import Change

_UNITS_MS = ((86_400_000, 3_600_000), (3_600_000, 60_000), (0, 1_000))
"""From a length of time on, the unit to which it is rounded up."""


def change(constraint: Constraint, case: Case) -> Change | None:
    """Return what would lift this obstacle; None: nothing would."""
    made = _CHANGES.get(constraint)
    return made(case) if made else None


def effort(constraint: str) -> int:
    """Return how hard it is to lift an obstacle, by its name: 0, it passes or the buyer lifts it
    with a word; 1, its owner does; 2, another tool or another design."""
    return _EFFORTS[constraint]


def _volume(case: Case) -> Change:
    needed = sorted(case.want.part.bbox_um)
    sides = tuple(min(n, g) for n, g in zip(needed, case.sides_um(), strict=True))
    return Change("volume", f"make it no larger than {reasons.box(sides[::-1])}", sides)


def _material(case: Case) -> Change:
    name, needed_mg = case.want.part.material, case.needed_mg()
    amount = f"{_grams(needed_mg)} of " if needed_mg else ""
    return Change("material", f"load {amount}{name}", (needed_mg,), name)


def _stock(case: Case) -> Change:
    name, missing_mg = case.want.part.material, case.needed_mg() - case.held_mg
    return Change("stock", f"load {_grams(missing_mg)} more of {name}", (missing_mg,), name)


def _takes_jobs(_: Case) -> Change:
    return Change("takes_jobs", "let it take jobs")


def _capacity(_: Case) -> Change:
    return Change("capacity", "hear from its workshop again")


def _currency(case: Case) -> Change:
    return Change("currency", f"pay in {case.currency()}", name=case.currency())


def _horizon(case: Case) -> Change | None:
    """Its queue ends too far ahead, which passes; a window that is too long does not."""
    at = ceil(case.facts["ready_ms"]) - LEASE_TERM_MS_MAX
    if at > case.column("free_at"):
        return None
    return Change("horizon", f"ask again in {_time(at - case.now)}", (at,))


def _deadline(case: Case) -> Change:
    by = ceil(case.facts["earliest_ms"])
    return Change("deadline", f"give it {_time(by - case.want.by)} more", (by,))


def _nozzle(case: Case) -> Change:
    needed_um = case.want.part.nozzle_um
    return Change("nozzle", f"mount a nozzle or tool of {reasons.mm(needed_um)}", (needed_um,))


def _tolerance(case: Case) -> Change:
    has_um = int(case.column("tolerance"))
    return Change("tolerance", f"allow it to be off by {reasons.mm(has_um)}", (has_um,))


def _hours(case: Case) -> Change:
    start, end = case.facts["start_ms"], case.facts["ready_ms"]
    words = f"be open and attended for {_time(ceil(end - start))} at a time"
    return Change("hours", words, (ceil(start), ceil(end)))


def _licence(case: Case) -> Change | None:
    needed = case.want.part.licence
    if not allows((*case.licences(), needed), needed):
        return None
    return Change("licence", f"make designs under {needed} too", name=needed)


def _makes_for(_: Case) -> Change:
    return Change("makes_for", "get to know its owner")


def _trust(case: Case) -> Change:
    millionths = floor(case.column("standing") * 1_000_000)
    return Change("trust", f"allow standing {millionths // 10_000 / 100:.2f}", (millionths,))


def _distance(case: Case) -> Change:
    metres = round(case.facts["distance_m"])
    return Change("distance", f"allow {ceil(metres / 1000)} km", (metres,))


_CHANGES: Mapping[Constraint, Callable[[Case], Change | None]] = {
    Constraint.VOLUME: _volume,
    Constraint.MATERIAL: _material,
    Constraint.STOCK: _stock,
    Constraint.TAKES_JOBS: _takes_jobs,
    Constraint.CAPACITY: _capacity,
    Constraint.CURRENCY: _currency,
    Constraint.HORIZON: _horizon,
    Constraint.DEADLINE: _deadline,
    Constraint.NOZZLE: _nozzle,
    Constraint.TOLERANCE: _tolerance,
    Constraint.HOURS: _hours,
    Constraint.LICENCE: _licence,
    Constraint.MAKES_FOR: _makes_for,
    Constraint.TRUST: _trust,
    Constraint.DISTANCE: _distance,
}

_EFFORTS: Mapping[str, int] = {
    "deadline": 0,
    "horizon": 0,
    "capacity": 0,
    "trust": 0,
    "distance": 0,
    "currency": 1,
    "stock": 1,
    "material": 1,
    "takes_jobs": 1,
    "hours": 1,
    "licence": 1,
    "makes_for": 1,
    "nozzle": 2,
    "tolerance": 2,
    "volume": 2,
}


def _grams(mass_mg: int) -> str:
    return reasons.grams(ceil(mass_mg / 1000) * 1000)


def _time(milliseconds: int) -> str:
    unit = next(unit for least, unit in _UNITS_MS if milliseconds >= least)
    return reasons.duration(ceil(milliseconds / unit) * unit)
