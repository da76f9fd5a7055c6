"""Why this machine, and why not the others: every sentence is made here or in `reasons.py`."""

from collections.abc import Callable

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import LEASE_TERM_MS_MAX

from . import reasons
from .columns import Rows
from .constraints import Constraint
from .explanation import Explanation, Obstacle, Term, Verdict
from .formulas import Facts, Terms
from .kernel import Evaluation, evaluate
from .problem import Want, problem_of
from .view import Snapshot
from .weights import Weights

BEST = 5
OTHERS_MAX = 200
"""Machines that are told one by one besides the best; the rest is counted."""


def explain(
    view: Snapshot,
    want: Want,
    now: Timestamp,
    weights: Weights,
    *,
    job: int = 0,
    best: int = BEST,
) -> Explanation:
    """Return what speaks for and against each machine (SCHED-12)."""
    result = evaluate(view, problem_of([want], now), weights)
    order = _order(view, result)
    told = order[: best + OTHERS_MAX].tolist()
    speaker = _Speaker(view, want, now, weights, result, best=told[0] if told else 0)
    fitting = int(np.count_nonzero(np.isfinite(result.cost)))
    said = [speaker.verdict(at, rank) for rank, at in enumerate(told, 1)]
    named = min(best, fitting)
    return Explanation(
        job=job,
        at=now,
        part=want.part.name,
        pieces=want.pieces,
        currency=weights.currency,
        machines=len(order),
        fitting=fitting,
        best=tuple(said[:named]),
        others=tuple(said[named:]),
        left_out=len(order) - len(said),
        obstacles={
            _name(each): int(np.count_nonzero(result.verdicts & int(each)))
            for each in Constraint
            if each is not Constraint.PLACE
        },
    )


def _order(view: Snapshot, result: Evaluation) -> Rows:
    """Return the columns of the result: what fits by tier and cost, then by number of
    obstacles."""
    bits = result.verdicts[0]
    obstacles = np.zeros(len(bits))
    for each in Constraint:
        if each is not Constraint.PLACE:
            obstacles += (bits & int(each)) > 0
    rows = result.rows
    return np.lexsort(
        (view.machines.key[rows], result.terms.total()[0], view.machines.tier[rows], obstacles)
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
        *,
        best: int,
    ) -> None:
        self._view, self._want, self._now, self._weights = view, want, now, weights
        self._result, self._best = result, best

    def verdict(self, at: int, rank: int) -> Verdict:
        row = int(self._result.rows[at])
        bits = int(self._result.verdicts[0, at])
        facts, costs = self._at(self._result.facts, at), self._at(self._result.terms, at)
        obstacles = tuple(
            Obstacle(_name(each), say(row, facts))
            for each, say in self._obstacles().items()
            if bits & each
        )
        unknown = reasons.place(self._weights.unknown_place_km)
        return Verdict(
            owner=self._view.authors[row].hex(),
            workshop=self._view.workshop(row),
            machine=self._view.ids[row],
            rank=0 if obstacles else rank,
            minor=round(sum(costs.values()), 2),
            terms=self._terms(row, costs, facts),
            obstacles=obstacles,
            unknown=(unknown,) if bits & Constraint.PLACE else (),
            note=self._note(at, obstacles),
            distance_m=None if bits & Constraint.PLACE else round(facts["distance_m"]),
            seconds=round(facts["seconds"]),
            ready_ms=round(facts["ready_ms"]),
            arrival_ms=round(facts["arrival_ms"]),
            energy_wh=round(facts["energy_kwh"] * 1000, 3),
            co2e_g=round(facts["co2e_g"], 3),
        )

    @staticmethod
    def _at(matrices: Facts | Terms, at: int) -> dict[str, float]:
        return {name: float(matrix[0, at]) for name, matrix in matrices.columns().items()}

    def _terms(
        self, row: int, costs: dict[str, float], facts: dict[str, float]
    ) -> tuple[Term, ...]:
        machines, currency = self._view.machines, self._weights.currency
        mass_mg = self._want.pieces * self._want.part.mass_mg
        hours = reasons.duration(facts["seconds"] * 1000)
        late_ms = facts["earliest_ms"] - (self._want.by or np.inf)
        words = {
            "machine": f"{hours} at {reasons.money(float(machines.price[row]), currency)}/h",
            "material": f"{reasons.grams(mass_mg)} of {self._want.part.material}",
            "transport": f"{facts['distance_m'] / 1000:.1f} km, {reasons.grams(mass_mg)}",
            "energy": f"{facts['energy_kwh']:.3f} kWh",
            "co2e": f"{facts['co2e_g']:.0f} g CO2e",
            "waiting": f"there in {reasons.duration(facts['arrival_ms'] - self._now)}",
            "lateness": f"{reasons.duration(late_ms)} late" if late_ms > 0 else "not late",
            "trust": reasons.standing(float(machines.standing[row]), int(machines.tier[row])),
        }
        return tuple(Term(name, round(minor, 2), words[name]) for name, minor in costs.items())

    def _note(self, at: int, obstacles: tuple[Obstacle, ...]) -> str:
        if obstacles:
            return reasons.listed([obstacle.sentence for obstacle in obstacles])
        ours, theirs = self._at(self._result.terms, at), self._at(self._result.terms, self._best)
        more = sum(ours.values()) - sum(theirs.values())
        tiers = self._view.machines.tier[self._result.rows[[at, self._best]]]
        if tiers[0] > tiers[1]:
            return reasons.stranger(more, self._weights.currency)
        if at == self._best:
            return "costs least, all counted"
        name = max(ours, key=lambda term: ours[term] - theirs[term])
        dearer = reasons.money(more, self._weights.currency)
        return f"costs {dearer} more than the best, all counted; most of it for {name}"

    def _obstacles(self) -> dict[Constraint, Callable[[int, dict[str, float]], str]]:
        return {
            Constraint.PROCESS: self._process,
            Constraint.VOLUME: self._volume,
            Constraint.MATERIAL: self._material,
            Constraint.STOCK: self._stock,
            Constraint.TAKES_JOBS: lambda row, facts: reasons.takes_jobs(),
            Constraint.CAPACITY: self._capacity,
            Constraint.CURRENCY: self._currency,
            Constraint.HORIZON: self._horizon,
            Constraint.DEADLINE: self._deadline,
        }

    def _process(self, row: int, facts: dict[str, float]) -> str:
        does = self._view.processes.name(int(self._view.machines.process[row]))
        return reasons.process(does, self._want.part.process)

    def _volume(self, row: int, facts: dict[str, float]) -> str:
        sides = (getattr(self._view.machines, side)[row] for side in ("small", "middle", "large"))
        return reasons.volume(self._want.part.bbox_um, [int(side) for side in sides])

    def _material(self, row: int, facts: dict[str, float]) -> str:
        return reasons.material(self._view.materials_at(row), self._want.part.material)

    def _stock(self, row: int, facts: dict[str, float]) -> str:
        name = self._want.part.material
        stocks = self._view.stocks_of(name)
        held_mg = int(stocks.mass_mg[stocks.machine == row].sum())
        return reasons.stock(name, held_mg, self._want.pieces * self._want.part.mass_mg)

    def _capacity(self, row: int, facts: dict[str, float]) -> str:
        return reasons.capacity(self._now - int(self._view.machines.until[row]))

    def _currency(self, row: int, facts: dict[str, float]) -> str:
        asked = self._view.currencies.name(int(self._view.machines.currency[row]))
        return reasons.currency(asked, self._weights.currency)

    def _horizon(self, row: int, facts: dict[str, float]) -> str:
        return reasons.horizon(round(facts["ready_ms"] - self._now), LEASE_TERM_MS_MAX)

    def _deadline(self, row: int, facts: dict[str, float]) -> str:
        earliest = facts["earliest_ms"]
        return reasons.deadline(round(earliest - self._now), round(earliest - self._want.by))
