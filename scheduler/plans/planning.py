"""One way to have an order made, for one set of weights: each job where it costs least by then.

The jobs are those that the order would be split into. One after the other is put on the
machine that is cheapest for it with all that was put before, the longest first, in another try
the shortest first, and in a third as a search over all of them finds best. Where a design
says that its parts are joined, they go to a workshop that does it, and from there to the
buyer; where none does, they go to the buyer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.joining import joined
from commonfab.protocol.limits import JOBS_PER_ORDER_MAX
from commonfab.protocol.records import Design, Part, Place

from ..batches.sequence import search
from ..batches.shop import shop_of
from ..columns import Rows
from ..placement import lowest_tier
from ..problem import Want, problem_of
from ..splitting import pieces_of, split
from ..view import Snapshot
from ..weights import Weights
from .telling import tell
from .town import Put, Town
from .ways import Way

SEARCH_TRIES = 60
"""Some 50 ms for thirty jobs."""
JOINERS_MAX = 4
"""Workshops that are tried as the place where parts are joined."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be made, for whom, and by when."""

    design: Design
    quantity: int
    place: Place
    by: int = 0
    """0: no date."""

    def made(self) -> list[Part]:
        """Return the parts that are made by themselves."""
        later = self.joined()
        return [part for part in self.design.parts if part not in later]

    def joined(self) -> tuple[Part, ...]:
        """Return what is made of the others, if there are others."""
        return joined(self.design.parts)

    def want(self, part: Part, place: Place, by: int) -> Want:
        """Return all pieces of a part that are needed."""
        return Want(part, pieces_of(part, self.quantity), place, by)


class Planning:
    """For one errand and one set of weights."""

    def __init__(self, errand: Errand, view: Snapshot, now: Timestamp, weights: Weights) -> None:
        self._errand, self._view = errand, view
        self._now, self._weights = now, weights

    def way(self, profile: str, usual: Weights) -> Way | None:
        """Return the way; late, if nobody can be in time; None: some part fits no machine.

        `profile` is the weights' name; `usual` says what the buyer really pays.
        """
        puts = self._best(self._errand.by)
        if not puts and self._errand.by:
            puts = self._best(0)
        if not puts:
            return None
        parts = [part.name for part in self._errand.design.parts]
        puts.sort(key=lambda put: (parts.index(put.want.part.name), put.fact("start_ms")))
        later = self._errand.joined()
        made = [put for put in puts if put.want.part not in later]
        joining = [put for put in puts if put.want.part in later]
        return tell(made, joining, self._view, self._errand.by, profile, usual)

    def _best(self, by: int) -> list[Put]:
        """Return all jobs on machines; none, if some fit nowhere by then."""
        joiners = self._joiners()
        if not joiners:
            return self._made(self._errand.place, by)[1]
        found = [puts for puts in (self._joined_at(row, by) for row in joiners) if puts]
        return min(found, key=_cost) if found else []

    def _town(self) -> Town:
        return Town(self._view, self._now, self._weights)

    def _joiners(self) -> list[int]:
        """Return a machine of each workshop that may join the parts, the best first."""
        joined = self._errand.joined()
        if not joined:
            return []
        town = self._town()
        (found,) = town.rows([self._errand.want(joined[0], self._errand.place, 0)])
        rows: list[int] = found.tolist()
        first: dict[NodeId, int] = {}
        for row in rows:
            if town.place(row):
                first.setdefault(self._view.authors[row], row)
        return list(first.values())[:JOINERS_MAX]

    def _joined_at(self, row: int, by: int) -> list[Put]:
        """Return all jobs when the workshop of this machine joins the parts."""
        place = self._town().place(row)
        assert place is not None
        town, puts = self._made(place, by)
        machines = np.array(town.machines_of(row), np.intp)
        for part in self._errand.joined() if puts else ():
            after = max(put.fact("arrival_ms") for put in puts)
            put = town.put(self._errand.want(part, self._errand.place, by), machines, after)
            if put is None:
                return []
            puts.append(put)
        return puts

    def _made(self, place: Place, by: int) -> tuple[Town, list[Put]]:
        """Return the other parts' jobs on machines, and the town with these; no jobs, if some fit
        nowhere. Of the longest first, the shortest first and what a search finds, what costs
        least."""
        wants = [want for part in self._errand.made() for want in self._split(part, place, by)]
        wants.sort(key=lambda want: want.pieces * want.part.seconds)
        rows = self._town().rows(wants)
        found = [self._put(wants[::step], rows[::step]) for step in (-1, 1)]
        if len(wants) > 1:
            found.append(self._searched(wants, rows))
        return min(found, key=lambda filled: _cost(filled[1]) if filled[1] else np.inf)

    def _searched(self, wants: Sequence[Want], rows: Sequence[Rows]) -> tuple[Town, list[Put]]:
        """Put jobs where a search over all machines and sequences together would."""
        machines = np.unique(np.concatenate(rows))
        problem = problem_of(wants, self._now)
        shop = shop_of(self._view, problem, self._weights, machines)
        plan = search(shop, _Chances().next, SEARCH_TRIES)
        queued = [
            (wants[job], machines[at : at + 1])
            for at, queue in enumerate(plan.queues)
            for job in queue
        ]
        town, puts = self._put([want for want, _ in queued], [row for _, row in queued])
        return town, [] if plan.unplaced else puts

    def _put(self, wants: Sequence[Want], rows: Sequence[Rows]) -> tuple[Town, list[Put]]:
        """Put jobs on their machines one by one."""
        town = self._town()
        puts = [town.put(want, at) for want, at in zip(wants, rows, strict=True)]
        placed = [put for put in puts if put is not None]
        return town, placed if len(placed) == len(puts) else []

    def _split(self, part: Part, place: Place, by: int) -> list[Want]:
        tiers = list(self._view.tiers())
        among = lowest_tier(tiers, Want(part, 1, place, by), self._now, self._weights)
        pieces = pieces_of(part, self._errand.quantity)
        jobs_max = JOBS_PER_ORDER_MAX // len(self._errand.design.parts)
        shares = split(
            part, pieces, among, place, by, self._now, weights=self._weights, jobs_max=jobs_max
        )
        return [Want(part, share, place, by) for share in shares]


class _Chances:
    """Numbers from 0 to below 1 that are the same for everybody: a linear congruential generator
    with Knuth's constants (MMIX), of which the upper bits are taken."""

    def __init__(self) -> None:
        self._state = 1

    def next(self) -> float:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return float((self._state >> 11) / 2**53)


def _cost(puts: Sequence[Put]) -> float:
    return sum(float(put.evaluation.cost[0, put.at]) for put in puts)
