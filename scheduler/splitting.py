"""How the pieces of a part are divided into jobs, so that machines work side by side."""

import heapq
from dataclasses import dataclass, replace

import numpy as np

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import JOBS_PER_ORDER_MAX, QUANTITY_MAX
from commonfab.protocol.records import Part, Place

from .columns import Floats, Machines
from .factors import WINDOW_MS_PER_S
from .formulas import Held, facts, fit
from .kernel import evaluate
from .problem import Problem, Want, problem_of
from .view import Snapshot
from .weights import Weights

MACHINES_AIM = 8
"""How many machines share a part, unless stock or time asks for more: each is a delivery."""
DEARER_MAX = 2.0
"""No machine joins only to be quicker if its share would cost more than this many times
what it would cost on the cheapest."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Machines that can make at least one piece, the cheapest share first."""

    start_ms: Floats
    """When the first piece could be begun, and set-up and margin done."""
    piece_ms: Floats
    most: Floats
    """Pieces that stock, hours, horizon and date allow; at least 1."""
    cost: Floats
    """Of an equal share."""


def pieces_of(part: Part, quantity: int) -> int:
    """Return how many pieces of a part so many designs need.

    Raises `UsageError` for more or fewer than an order can hold.
    """
    if quantity < 1:
        raise UsageError(f"{quantity} pieces cannot be ordered; the least is 1")
    pieces = part.pieces * quantity
    if pieces > QUANTITY_MAX:
        raise UsageError(
            f"{pieces} pieces of {part.name} are more than the {QUANTITY_MAX} "
            "that an order can hold; split the order"
        )
    return pieces


def split(
    part: Part,
    pieces: int,
    view: Snapshot,
    place: Place,
    by: int,
    now: Timestamp,
    *,
    weights: Weights,
    jobs_max: int = JOBS_PER_ORDER_MAX,
) -> list[int]:
    """Return the pieces of each job; their sum is `pieces` (SCHED-13).

    The machines that can make the part share it so that all are ready at about the same
    time. Where nobody can, the shares are equal: someone may come.
    """
    assert 1 <= pieces <= QUANTITY_MAX
    assert 1 <= jobs_max <= JOBS_PER_ORDER_MAX
    aim = min(pieces, jobs_max, MACHINES_AIM)
    share = Want(part, -(-pieces // aim), place, by)
    candidates = _candidates(view, share, now, weights, jobs_max)
    if len(candidates.cost) == 0:
        return _equal(pieces, aim)
    count = int(np.count_nonzero(candidates.cost[:aim] <= candidates.cost[0] * DEARER_MAX))
    enough = int(np.searchsorted(np.cumsum(candidates.most), pieces)) + 1
    shares = _balanced(candidates, min(max(count, enough), jobs_max), pieces)
    rest = pieces - sum(shares)
    if rest == 0:
        return shares
    more = min(jobs_max - len(shares), -(-rest // int(candidates.most.max())))
    if more == 0:
        added = _equal(rest, len(shares))
        return [mine + extra for mine, extra in zip(shares, added, strict=True)]
    return shares + _equal(rest, more)


def _candidates(
    view: Snapshot, share: Want, now: Timestamp, weights: Weights, jobs_max: int
) -> _Candidates:
    one = problem_of([Want(share.part, 1, share.place, share.by)], now)
    single = evaluate(view, one, weights)
    fitting = np.flatnonzero(np.isfinite(single.cost[0]))
    rows = single.rows[fitting]
    cost = evaluate(view, problem_of([share], now), weights, rows).terms.total()[0]
    order = np.lexsort((view.machines.key[rows], cost))[:jobs_max]
    fitting, rows, cost = fitting[order], rows[order], cost[order]
    machines = view.machines.take(rows)
    piece_ms = share.part.seconds * 1000.0 / machines.speed * WINDOW_MS_PER_S.value
    return _Candidates(
        start_ms=single.facts.ready_ms[0, fitting] - piece_ms,
        piece_ms=piece_ms,
        most=_most(view, one, share.part, machines, single.stock_mg[0, fitting], weights),
        cost=cost,
    )


def _most(
    view: Snapshot,
    one: Problem,
    part: Part,
    machines: Machines,
    stock_mg: Floats,
    weights: Weights,
) -> Floats:
    """Return the most pieces of a job that still fits, for machines that one piece fits."""
    count = len(stock_mg)
    asking = one.asking(view, weights)
    jobs = one.seen_in(view).take(np.zeros(count, np.intp))
    held = Held(np.ones(count, np.bool_), stock_mg, np.zeros(count))
    least, most = np.ones(count), np.full(count, float(QUANTITY_MAX))
    while np.any(least < most):
        tried = np.ceil((least + most) / 2.0)
        jobs = replace(jobs, work_s=tried * part.seconds, mass_mg=tried * part.mass_mg)
        fits = fit(machines, jobs, held, facts(machines, jobs, asking), asking)
        least, most = np.where(fits, tried, least), np.where(fits, most, tried - 1.0)
    return least


def _balanced(candidates: _Candidates, count: int, pieces: int) -> list[int]:
    """Give each piece to the machine that would have it ready first."""
    made = [0] * count
    queue = [
        (float(candidates.start_ms[at] + candidates.piece_ms[at]), 0, at)
        for at in range(min(count, len(candidates.cost)))
    ]
    heapq.heapify(queue)
    for _ in range(pieces):
        if not queue:
            break
        ready_ms, _, at = heapq.heappop(queue)
        made[at] += 1
        if made[at] < candidates.most[at]:
            heapq.heappush(queue, (ready_ms + float(candidates.piece_ms[at]), made[at], at))
    return [count for count in made if count]


def _equal(pieces: int, shares: int) -> list[int]:
    """Return that many shares, or one a piece, which differ by at most one."""
    shares = min(pieces, shares)
    each, more = divmod(pieces, shares)
    return [each + 1] * more + [each] * (shares - more)
