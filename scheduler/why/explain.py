"""Why this machine, and why not the others: what a buyer's node thought of each for one job."""

from collections.abc import Iterable

import numpy as np

from commonfab.protocol.ids import Timestamp

from .. import reasons
from ..columns import Rows
from ..constraints import BLOCKING, Constraint
from ..formulas import Facts, Terms
from ..kernel import Evaluation, evaluate
from ..problem import Want, problem_of
from ..view import Snapshot
from ..weights import Weights
from . import obstacles
from .case import Case
from .changes import change
from .explanation import Change, Explanation, Obstacle, Term, Verdict

BEST = 5
OTHERS_MAX = 200
"""Machines that are told one by one besides the best; the rest is counted."""
_SAYABLE = 2.0**53


def explain(
    view: Snapshot, want: Want, now: Timestamp, weights: Weights, *, job: int = 0
) -> Explanation:
    """Return what speaks for and against each machine (SCHED-12)."""
    result = evaluate(view, problem_of([want], now), weights)
    order = _order(view, result)
    told = order[: BEST + OTHERS_MAX].tolist()
    speaker = _Speaker(view, want, now, weights, result, told)
    fitting = int(np.count_nonzero(np.isfinite(result.cost)))
    said = [speaker.verdict(at, rank) for rank, at in enumerate(told, 1)]
    named = min(BEST, fitting)
    return Explanation(
        job=job,
        at=now,
        part=want.part.name,
        pieces=want.pieces,
        weights=weights,
        machines=len(order),
        fitting=fitting,
        best=tuple(said[:named]),
        others=tuple(said[named:]),
        left_out=len(order) - len(said),
        obstacles={
            _name(each): int(np.count_nonzero(result.verdicts & int(each))) for each in BLOCKING
        },
    )


def _order(view: Snapshot, result: Evaluation) -> Rows:
    """Return the columns of the result: what fits by tier and cost, then by number of
    obstacles."""
    bits = result.verdicts[0]
    count = np.zeros(len(bits))
    for each in BLOCKING:
        count += (bits & int(each)) > 0
    rows = result.rows
    return np.lexsort(
        (view.machines.key[rows], result.terms.total()[0], view.machines.tier[rows], count)
    )


def _name(constraint: Constraint) -> str:
    assert constraint.name
    return constraint.name.lower()


class _Speaker:
    """Puts the numbers of one job into words."""

    def __init__(
        self,
        view: Snapshot,
        want: Want,
        now: Timestamp,
        weights: Weights,
        result: Evaluation,
        told: list[int],
    ) -> None:
        """`told`: the columns of the result to speak of, the best first."""
        self._view, self._want, self._now, self._weights = view, want, now, weights
        self._result, self._told = result, told
        self._facts, self._costs = _numbers(result.facts, told), _numbers(result.terms, told)

    def verdict(self, at: int, rank: int) -> Verdict:
        row = int(self._result.rows[at])
        bits = Constraint(int(self._result.verdicts[0, at]))
        facts, costs = self._facts[at], self._costs[at]
        held_mg = int(self._result.stock_mg[0, at])
        case = Case(self._view, row, self._want, self._now, self._weights, facts, held_mg)
        broken = list(bits & BLOCKING)
        said = tuple(Obstacle(_name(each), obstacles.sentence(each, case)) for each in broken)
        return Verdict(
            owner=self._view.authors[row].hex(),
            workshop=self._view.workshop(row),
            machine=self._view.ids[row],
            rank=0 if said else rank,
            milliminor=_milli(sum(costs.values())),
            terms=self._terms(case, costs),
            obstacles=said,
            changes=_changes(broken, case),
            unknown=_unknown(bits, case),
            note=self._note(at, said),
            distance_m=None if bits & Constraint.PLACE else round(facts["distance_m"]),
            seconds=_whole(facts["seconds"]),
            ready_ms=_whole(facts["ready_ms"]),
            arrival_ms=_whole(facts["arrival_ms"]),
            energy_mwh=_whole(facts["energy_kwh"] * 1_000_000),
            co2e_mg=_milli(facts["co2e_g"]),
        )

    def _terms(self, case: Case, costs: dict[str, float]) -> tuple[Term, ...]:
        facts, currency = case.facts, self._weights.currency
        mass_mg = case.needed_mg()
        hours = reasons.duration(facts["seconds"] * 1000)
        late_ms = facts["earliest_ms"] - (self._want.by or np.inf)
        words = {
            "machine": f"{hours} at {reasons.money(case.column('price'), currency)}/h",
            "material": f"{reasons.grams(mass_mg)} of {self._want.part.material}",
            "transport": f"{facts['distance_m'] / 1000:.1f} km, {reasons.grams(mass_mg)}",
            "energy": f"{facts['energy_kwh']:.3f} kWh",
            "co2e": f"{facts['co2e_g']:.0f} g CO2e; at the machine {case.power_in_words()}",
            "waiting": f"there in {reasons.duration(facts['arrival_ms'] - self._now)}",
            "lateness": f"{reasons.duration(late_ms)} late" if late_ms > 0 else "not late",
            "trust": reasons.standing(case.column("standing"), int(case.column("tier"))),
        }
        return tuple(Term(name, _milli(minor), words[name]) for name, minor in costs.items())

    def _note(self, at: int, said: tuple[Obstacle, ...]) -> str:
        if said:
            return reasons.listed([obstacle.sentence for obstacle in said])
        best = self._told[0]
        ours, theirs = self._costs[at], self._costs[best]
        more = sum(ours.values()) - sum(theirs.values())
        tiers = self._view.machines.tier[self._result.rows[[at, best]]]
        if tiers[0] > tiers[1]:
            return reasons.stranger(more, self._weights.currency)
        if at == best:
            return "costs least, all counted"
        name = max(ours, key=lambda term: ours[term] - theirs[term])
        dearer = reasons.money(more, self._weights.currency)
        return f"costs {dearer} more than the best, all counted; most of it for {name}"


def _numbers(matrices: Facts | Terms, told: list[int]) -> dict[int, dict[str, float]]:
    """Return for each column of one job's matrices its numbers by name."""
    columns = {name: matrix[0, told].tolist() for name, matrix in matrices.columns().items()}
    rows = zip(*columns.values(), strict=True)
    return {at: dict(zip(columns, row, strict=True)) for at, row in zip(told, rows, strict=True)}


def _changes(broken: Iterable[Constraint], case: Case) -> tuple[Change, ...]:
    """Return what would make it fit, or nothing if some obstacle cannot be lifted."""
    found = [change(each, case) for each in broken]
    lifting = tuple(each for each in found if each is not None)
    return lifting if len(lifting) == len(found) else ()


def _unknown(bits: Constraint, case: Case) -> tuple[str, ...]:
    place = (reasons.place(case.weights.unknown_place_km),) if bits & Constraint.PLACE else ()
    power = () if case.column("power") else (reasons.POWER_UNKNOWN,)
    others = (sentence for fact, sentence in reasons.UNKNOWN.items() if bits & fact)
    return (*place, *power, *others)


def _milli(amount: float) -> int:
    return _whole(amount * 1000)


def _whole(amount: float) -> int:
    """Return the nearest integer that can be told: a record may claim a machine to be as slow and
    as dear as all bounds together allow."""
    return round(min(amount, _SAYABLE))
