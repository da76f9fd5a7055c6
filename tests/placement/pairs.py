"""What each job of a town costs on each machine, by the scheduler's own formulas.

All ways to place jobs are measured by this one price list. A cost has a fixed part (machine,
material, transport, CO2e) and one that grows with time: so much an hour until the pieces are
there, and more for each hour after the date.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.limits import HOUR_MS
from commonfab.protocol.records import Capacity, Workshop
from commonfab.scheduler.columns import Floats, Rows
from commonfab.scheduler.kernel import Evaluation, evaluate
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.view import CapacityView
from commonfab.scheduler.weights import Weights

from .town import BEGIN, Shop, Town

WEIGHTS = Weights(trust_minor=0.0, trust_share=0.0)
"""All workshops are trusted alike, so trust is no cost."""
CANDIDATES = 64
"""Machines of each job that a planner with all knowledge looks at."""
NEAREST = 8
DRAWN = 8
"""Machines drawn at random for each job, of those that fit."""
_AT_ONCE = 400

Numbers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Costs:
    """Of each job on some machines; (jobs, k), the machine -1 where fewer fit."""

    machine: Numbers
    fixed: Floats
    """Minor units."""
    seconds: Floats
    """Machine time by estimate."""
    transit_ms: Floats


@dataclass(frozen=True, slots=True)
class Pairs:
    """The price list. Machines are numbered as in `Town.machines`."""

    ordered: Floats
    """Milliseconds since 1970, by job; so is `due`."""
    due: Floats
    cheap: Costs
    """The `CANDIDATES` machines that would cost least if all were free, the best first."""
    near: Costs
    """The `NEAREST` ones that fit, the nearest first."""
    drawn: Costs
    """`DRAWN` ones that fit, at random."""

    def fit(self, job: int) -> set[int]:
        """Return the machines of all lists that fit a job."""
        listed = (self.cheap.machine[job], self.near.machine[job], self.drawn.machine[job])
        return {int(machine) for each in listed for machine in each if machine >= 0}


def pairs_of(town: Town, seed: int) -> Pairs:
    jobs = town.wanted()
    draw = np.random.default_rng(seed)
    lists = list(zip(*_lists(town, draw), strict=True))
    cheap, near, drawn = (_joined(parts) for parts in lists)
    ordered = np.array([wish.at for wish, _ in jobs], np.float64)
    due = np.array([wish.by for wish, _ in jobs], np.float64)
    return Pairs(ordered, due, cheap, near, drawn)


def cost_of(pairs: Pairs, fixed: Floats, transit_ms: Floats, ended: Floats) -> Floats:
    """Return what each job came to in minor units, made by `ended` (ms)."""
    there = ended + transit_ms
    hours = (there - pairs.ordered) / HOUR_MS
    late = np.maximum(there - pairs.due, 0.0) / HOUR_MS
    waiting = hours * WEIGHTS.waiting_minor_per_hour
    return fixed + waiting + late * WEIGHTS.lateness_minor_per_hour


def on_machines(town: Town, machines: Rows) -> tuple[Floats, Floats]:
    """Return of each job on the machine given for it the fixed cost and the transit in ms."""
    fixed, transit = np.zeros(town.jobs), np.zeros(town.jobs)
    for jobs, rows, found in _evaluations(town):
        at = np.argsort(rows)[machines[jobs]]
        each = np.arange(len(jobs))
        fixed[jobs] = _fixed(found)[each, at]
        transit[jobs] = (found.facts.arrival_ms - found.facts.ready_ms)[each, at]
    return fixed, transit


def empty_view(town: Town) -> CapacityView:
    """Return all machines of a town, without any queue."""
    view = CapacityView()
    for number, shop in enumerate(town.shops):
        _put(view, author_of(number), shop)
    return view


def author_of(shop: int) -> NodeId:
    """Return who speaks for a shop where nobody signs."""
    return NodeId(shop.to_bytes(32, "big"))


def workshop_of(shop: Shop) -> Workshop:
    return Workshop(stream="workshop", seq=1, at=BEGIN, name=shop.name, place=shop.place)


def _put(view: CapacityView, author: NodeId, shop: Shop) -> None:
    capacity = Capacity(
        stream="capacity",
        seq=1,
        at=BEGIN,
        currency=WEIGHTS.currency,
        grid_g_per_kwh=shop.grid_g_per_kwh,
        machines=shop.machines,
    )
    view.update_workshop(author, workshop_of(shop))
    view.update_capacity(author, capacity)


def _evaluations(town: Town) -> Iterator[tuple[Rows, Rows, Evaluation]]:
    """Yield some jobs' numbers, the machine that each column stands for, and the costs."""
    view = empty_view(town).snapshot()
    number = {
        (author_of(shop), machine.id): at for at, (shop, machine) in enumerate(town.machines())
    }
    rows = view.rows()
    machines = np.array([number[view.authors[row], view.ids[row]] for row in rows], np.intp)
    wants = [Want(part, part.pieces, wish.place) for wish, part in town.wanted()]
    for first in range(0, town.jobs, _AT_ONCE):
        some = wants[first : first + _AT_ONCE]
        found = evaluate(view, problem_of(some, Timestamp(BEGIN)), WEIGHTS)
        yield np.arange(first, first + len(some)), machines, found


def _fixed(found: Evaluation) -> Floats:
    terms = found.terms
    return terms.machine + terms.material + terms.transport + terms.energy + terms.co2e


def _lists(town: Town, draw: np.random.Generator) -> Iterator[tuple[Costs, Costs, Costs]]:
    for _, machines, found in _evaluations(town):
        fits = np.isfinite(found.cost)
        near = np.where(fits, found.facts.distance_m, np.inf)
        luck = np.where(fits, draw.random(fits.shape), np.inf)
        yield (
            _best(found.cost, CANDIDATES, machines, found),
            _best(near, NEAREST, machines, found),
            _best(luck, DRAWN, machines, found),
        )


def _best(rank: Floats, k: int, machines: Rows, found: Evaluation) -> Costs:
    """Return the k machines of the lowest rank; an infinite one does not fit."""
    k = min(k, rank.shape[1])
    columns = np.argpartition(rank, k - 1, axis=1)[:, :k]
    order = np.argsort(np.take_along_axis(rank, columns, 1), axis=1, kind="stable")
    columns = np.take_along_axis(columns, order, 1)
    transit = found.facts.arrival_ms - found.facts.ready_ms
    taken = [np.take_along_axis(each, columns, 1) for each in (rank, _fixed(found))]
    seconds = np.take_along_axis(found.facts.seconds, columns, 1)
    transit = np.take_along_axis(np.broadcast_to(transit, rank.shape), columns, 1)
    numbers = np.where(np.isfinite(taken[0]), machines[columns], -1).astype(np.int32)
    return Costs(numbers, taken[1], seconds, transit)


def _joined(parts: tuple[Costs, ...]) -> Costs:
    return Costs(
        np.concatenate([each.machine for each in parts]),
        np.concatenate([each.fixed for each in parts]),
        np.concatenate([each.seconds for each in parts]),
        np.concatenate([each.transit_ms for each in parts]),
    )
