"""Why a machine does not fit a job: for each constraint one sentence, of which it is the subject.

The words are in `reasons.py`, where an owner's refusals have them from as well.
"""

from collections.abc import Callable, Mapping

from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from .. import reasons
from ..constraints import Constraint
from ..formulas import window_ms
from .case import Case


def sentence(constraint: Constraint, case: Case) -> str:
    """Return why this constraint does not hold."""
    return _SENTENCES[constraint](case)


def _process(case: Case) -> str:
    return reasons.process(case.does(), case.want.part.process)


def _volume(case: Case) -> str:
    return reasons.volume(case.want.part.bbox_um, case.sides_um())


def _material(case: Case) -> str:
    return reasons.material(case.view.materials_at(case.row), case.want.part.material)


def _stock(case: Case) -> str:
    return reasons.stock(case.want.part.material, case.held_mg, case.needed_mg())


def _takes_jobs(_: Case) -> str:
    return reasons.takes_jobs()


def _capacity(case: Case) -> str:
    return reasons.capacity(case.now - int(case.column("until")))


def _currency(case: Case) -> str:
    return reasons.currency(case.currency(), case.weights.currency)


def _horizon(case: Case) -> str:
    return reasons.horizon(round(case.facts["ready_ms"] - case.now), LEASE_TERM_MS_MAX)


def _deadline(case: Case) -> str:
    earliest = case.facts["earliest_ms"]
    return reasons.deadline(round(earliest - case.now), round(earliest - case.want.by))


def _nozzle(case: Case) -> str:
    return reasons.nozzle(case.column("nozzle"), case.want.part.nozzle_um)


def _tolerance(case: Case) -> str:
    return reasons.tolerance(case.column("tolerance"), case.want.part.tolerance_um)


def _temperature(case: Case) -> str:
    return reasons.temperature(case.column("temperature"), case.want.part.temperature_c)


def _hours(case: Case) -> str:
    return reasons.hours(case.longest_ms(), window_ms(case.facts["seconds"]))


def _licence(case: Case) -> str:
    return reasons.licence(case.licences(), case.want.part.licence)


def _makes_for(_: Case) -> str:
    return reasons.makes_for()


def _trust(case: Case) -> str:
    return reasons.trust(case.column("standing"), case.weights.trust_floor)


def _distance(case: Case) -> str:
    return reasons.distance(case.facts["distance_m"], case.weights.distance_max_km)


_SENTENCES: Mapping[Constraint, Callable[[Case], str]] = {
    Constraint.PROCESS: _process,
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
    Constraint.TEMPERATURE: _temperature,
    Constraint.HOURS: _hours,
    Constraint.LICENCE: _licence,
    Constraint.MAKES_FOR: _makes_for,
    Constraint.TRUST: _trust,
    Constraint.DISTANCE: _distance,
}
