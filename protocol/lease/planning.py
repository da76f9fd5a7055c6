"""What the buyer's side needs to know of the network's machines."""

from typing import Protocol

from ..ids import NodeId, RecordId, Timestamp
from ..records import Design, Offer, Order

Offered = tuple[NodeId, RecordId, Offer]
"""Whose offer it is, its id, and the offer with its times by this node's clock."""


class Planner(Protocol):
    """Knows the machines of the network; scheduler/placement.py is the real one."""

    def shortlist(
        self,
        order: Order,
        design: Design,
        jobs: list[tuple[int, int]],
        now: Timestamp,
        avoid: frozenset[NodeId],
    ) -> list[list[NodeId]]:
        """Return for each (job, pieces) the owners to ask, the best first; empty: nobody can."""
        ...

    def choose(
        self,
        order: Order,
        design: Design,
        offers: dict[int, list[Offered]],
        now: Timestamp,
    ) -> dict[int, RecordId]:
        """Return for each job the offer to take; a job without a good one is left out.
        The offers' times are by this node's clock."""
        ...

    def better(
        self,
        order: Order,
        design: Design,
        job: int,
        has: Offered,
        offers: list[Offered],
        now: Timestamp,
    ) -> RecordId | None:
        """Return the offer that is worth leaving for what a job has; None: none is."""
        ...
