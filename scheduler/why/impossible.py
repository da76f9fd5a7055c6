"""Whether an order asks for what nobody known can make, and why, in one sentence for its buyer."""

from dataclasses import replace

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Design, Place

from ..kernel import evaluate, top
from ..problem import Want, problem_of
from ..reasons import grams, listed
from ..splitting import pieces_of
from ..view import Snapshot
from ..weights import Weights
from .explain import explain
from .explanation import Explanation

_FIRST = 16
"""Machines whose stock is mostly enough, so that nobody has to look at all."""


def obstacle(
    view: Snapshot,
    design: Design,
    quantity: int,
    place: Place,
    by: int,
    now: Timestamp,
    weights: Weights,
) -> str:
    """Return why some part fits none of the machines, not even one piece of it, or why all that
    it fits have too little material; empty: nothing is known against it, or no machine is known.
    """
    if not len(view.rows()):
        return ""
    for part in design.parts:
        why = _lacking(view, Want(part, pieces_of(part, quantity), place, by), now, weights)
        if why:
            return why
    return ""


def _lacking(view: Snapshot, want: Want, now: Timestamp, weights: Weights) -> str:
    part, one = want.part, replace(want, pieces=1)
    problem = problem_of([one], now)
    best = top(view, problem, _FIRST, weights).rows[0]
    best = best[best >= 0]
    if not len(best):
        return sentence(explain(view, one, now, weights))
    for rows in (best, view.rows()):
        found = evaluate(view, problem, weights, rows)
        held_mg = found.stock_mg[0, np.isfinite(found.cost[0])]
        enough_for = int((held_mg // part.mass_mg).sum()) if part.mass_mg else want.pieces
        if enough_for >= want.pieces:
            return ""
    return (
        f"{part.name}: {want.pieces} pieces need {grams(want.pieces * part.mass_mg)} of "
        f"{part.material}; all machines known here that can make it have "
        f"{grams(int(held_mg.sum()))}, enough for {enough_for}"
    )


def sentence(said: Explanation) -> str:
    """Return why nobody can do a job, and what would have to change; empty: somebody can, or no
    machine was known."""
    if said.fitting or not said.machines:
        return ""
    nearest = next((each for each in said.others if each.changes), said.others[0])
    known = f"none of the {said.machines} machines known here can make it"
    if said.machines == 1:
        known = "the only machine known here cannot make it"
    where = f"{nearest.machine} at {nearest.workshop or 'a workshop without a name'}"
    changes = listed([change.sentence for change in nearest.changes])
    remedy = f"; to make it fit: {changes}" if changes else ""
    return f"{said.part}: {known}; the nearest to it, {where}, {nearest.note}{remedy}"
