"""How the pieces of a part are divided into jobs, so that machines work side by side."""

import heapq
from dataclasses import dataclass

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import JOBS_PER_ORDER_MAX, LEASE_TERM_MS_MAX, QUANTITY_MAX
from commonfab.protocol.records import Part, Place

from .columns import Floats
from .factors import WINDOW_MS_PER_S
from .kernel import evaluate
from .problem import Want, problem_of
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
    """Pieces that stock, horizon and date allow; at least 1."""
    cost: Floats
    """Of an equal share."""


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
    candidates = _candidates(view, share, now, weights)
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


def _candidates(view: Snapshot, share: Want, now: Timestamp, weights: Weights) -> _Candidates:
    one = Want(share.part, 1, share.place, share.by)
    single = evaluate(view, problem_of([one], now), weights)
    fitting = np.flatnonzero(np.isfinite(single.cost[0]))
    rows = single.rows[fitting]
    machines = view.machines.take(rows)
    cost = evaluate(view, problem_of([share], now), weights, rows).terms.total()[0]
    piece_ms = share.part.seconds * 1000.0 / machines.speed * WINDOW_MS_PER_S.value
    ready_ms = single.facts.ready_ms[0, fitting]
    left_ms = now + LEASE_TERM_MS_MAX - ready_ms
    if share.by:
        left_ms = np.minimum(left_ms, share.by - single.facts.earliest_ms[0, fitting])
    most = np.full(len(rows), float(QUANTITY_MAX))
    slow = piece_ms > 0
    # A little less, so that rounding never makes a job that just does not fit.
    most[slow] = np.minimum(most[slow], 1.0 + np.floor(left_ms[slow] / piece_ms[slow] - 1e-6))
    if share.part.mass_mg:
        stock_mg = single.stock_mg[0, fitting]
        most = np.minimum(most, np.floor(stock_mg / share.part.mass_mg))
    order = np.lexsort((machines.key, cost))
    found = _Candidates(ready_ms - piece_ms, piece_ms, np.maximum(most, 1.0), cost)
    return _Candidates(*(getattr(found, name)[order] for name in _Candidates.__slots__))


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
