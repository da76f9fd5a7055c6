"""Whether an order asks for what nobody known can make, and why, in one sentence for its buyer.

Each answer here is sure: what is called impossible is. What is not may still find no place once
all jobs are put on machines together; that is known by a plan, and by nobody sooner.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import DAY_MS, LEASE_TERM_MS_MAX
from commonfab.protocol.records import Design, Place

from ..columns import Floats, Rows
from ..factors import WINDOW_MARGIN_MS, WINDOW_MS_PER_S
from ..formulas import Facts
from ..kernel import evaluate, top
from ..problem import Want, problem_of
from ..reasons import grams, listed
from ..splitting import pieces_of
from ..view import Snapshot
from ..weights import Weights
from .changes import effort
from .explain import explain
from .explanation import Explanation, Verdict

_FIRST = 16
"""Machines that are mostly enough, so that nobody has to look at all."""


def obstacle(
    view: Snapshot,
    design: Design,
    quantity: int,
    place: Place,
    by: int,
    now: Timestamp,
    weights: Weights,
) -> str:
    """Return why an order cannot be made: some part, even one piece of it, fits none of the
    machines; or those that it fits have too little material, for it alone or for all parts of
    that material; or cannot make so many as far ahead as anybody promises. Empty: nothing is
    known against it, or no machine is known.
    """
    if not len(view.rows()):
        return ""
    needs: list[_Need] = []
    for part in design.parts:
        need = _Need.of(view, Want(part, pieces_of(part, quantity), place, by), now, weights)
        why = need.lacking()
        if why:
            return why
        needs.append(need)
    return _lacking_together(needs)


@dataclass(frozen=True, slots=True)
class _Need:
    """All pieces of one part."""

    want: Want
    view: Snapshot
    now: Timestamp
    weights: Weights
    best: Rows
    """The first machines that one piece fits."""

    @staticmethod
    def of(view: Snapshot, want: Want, now: Timestamp, weights: Weights) -> "_Need":
        one = problem_of([replace(want, pieces=1)], now)
        best = top(view, one, _FIRST, weights).rows[0]
        return _Need(want, view, now, weights, best[best >= 0])

    def needed_mg(self) -> int:
        return self.want.pieces * self.want.part.mass_mg

    def lacking(self) -> str:
        """Return why it cannot be made, as if there were no other part."""
        part, pieces = self.want.part, self.want.pieces
        if not len(self.best):
            one = replace(self.want, pieces=1)
            return sentence(explain(self.view, one, self.now, self.weights))
        machines = self.able(self.best)
        if machines.pieces_max < pieces:
            machines = self.able(self.view.rows())
        if machines.pieces_max >= pieces:
            return ""
        if machines.held_pieces < pieces:
            return (
                f"{part.name}: {pieces} pieces need {grams(self.needed_mg())} of {part.material};"
                f" all machines known here that can make it have"
                f" {grams(int(machines.held_mg.sum()))}, enough for {machines.held_pieces}"
            )
        return (
            f"{part.name}: {pieces} pieces are more than all machines known here can make in the"
            f" {LEASE_TERM_MS_MAX // DAY_MS} days for which anybody promises: {machines.pieces_max}"
        )

    def able(self, rows: Rows) -> "_Able":
        """Return those of these machines that one piece fits."""
        one = problem_of([replace(self.want, pieces=1)], self.now)
        found = evaluate(self.view, one, self.weights, rows)
        able = np.flatnonzero(np.isfinite(found.cost[0]))
        held_mg = found.stock_mg[0, able]
        by_stock = _by_stock(held_mg, self.want.part.mass_mg)
        by_time = self._by_time(found.facts, rows[able], able)
        return _Able(
            rows=rows[able],
            held_mg=held_mg,
            held_pieces=_sum(by_stock),
            pieces_max=_sum(np.minimum(by_stock, by_time)),
        )

    def _by_time(self, facts: Facts, rows: Rows, at: Rows) -> Floats:
        """Return how many pieces fit, at most, into the time that can be promised."""
        machines = self.view.machines
        seconds = self.want.part.seconds * 1000.0 / machines.speed[rows]
        free_ms = self.now + LEASE_TERM_MS_MAX - facts.start_ms[0, at] - WINDOW_MARGIN_MS.value
        free_s = free_ms / WINDOW_MS_PER_S.value - machines.setup_s[rows]
        return np.where(seconds > 0, np.maximum(1.0, free_s / np.maximum(seconds, 1e-9)), np.inf)


@dataclass(frozen=True, slots=True)
class _Able:
    """Machines that a piece of some part fits."""

    rows: Rows
    held_mg: Floats
    """Of its material."""
    held_pieces: int
    """For which they have the material."""
    pieces_max: int
    """That they can make with it in the time for which they promise."""


def _by_stock(held_mg: Floats, mass_mg: int) -> Floats:
    return held_mg // mass_mg if mass_mg else np.full(len(held_mg), np.inf)


def _sum(pieces: Floats) -> int:
    most = float(np.floor(pieces).sum())
    return int(min(most, 2.0**53))


def _lacking_together(needs: Sequence[_Need]) -> str:
    """Return which material is too little for all parts that are made of it."""
    by_material: dict[str, list[_Need]] = {}
    for need in needs:
        if need.needed_mg():
            by_material.setdefault(need.want.part.material, []).append(need)
    for material, those in by_material.items():
        needed_mg = sum(need.needed_mg() for need in those)
        held_mg = _held_by_all(those, needed_mg) if len(those) > 1 else needed_mg
        if held_mg < needed_mg:
            names = listed([need.want.part.name for need in those])
            return (
                f"{names} need {grams(needed_mg)} of {material} together; all machines known here"
                f" that can make one of them have {grams(held_mg)}"
            )
    return ""


def _held_by_all(needs: Sequence[_Need], enough_mg: int) -> int:
    """Return what machines that fit one of these parts have of their material; no more is counted
    once it is enough."""
    held_mg = _held([need.able(need.best) for need in needs])
    if held_mg < enough_mg:
        held_mg = _held([need.able(need.view.rows()) for need in needs])
    return held_mg


def _held(those: Sequence[_Able]) -> int:
    """Return what they have, each machine counted once."""
    held: dict[int, float] = {}
    for able in those:
        held.update(zip(able.rows.tolist(), able.held_mg.tolist(), strict=True))
    return int(sum(held.values()))


def sentence(said: Explanation) -> str:
    """Return why nobody can do a job, and what would have to change; empty: somebody can, or no
    machine was known."""
    if said.fitting or not said.machines:
        return ""
    nearest = min(said.others, key=_effort)
    known = f"none of the {said.machines} machines known here can make it"
    if said.machines == 1:
        known = "the only machine known here cannot make it"
    where = f"{nearest.machine} at {nearest.workshop or 'a workshop without a name'}"
    changes = listed([change.sentence for change in nearest.changes])
    remedy = f"; to make it fit: {changes}" if changes else ""
    return f"{said.part}: {known}; the nearest to it, {where}, {nearest.note}{remedy}"


def _effort(verdict: Verdict) -> tuple[bool, int, int]:
    """Return how far a machine is from making it: by what is hardest to change, then by how much
    there is to change."""
    efforts = [effort(change.constraint) for change in verdict.changes]
    return not efforts, max(efforts, default=0), len(efforts)
