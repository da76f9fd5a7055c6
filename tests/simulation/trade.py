"""Who is asked, and which offer is taken, in runs that do without the real scheduler."""

from collections.abc import Iterable
from zlib import crc32

from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.records import Capacity, Design, Machine, Offer, Order, Part, Record

OWNERS_ASKED = 3


def can_make(machine: Machine, part: Part) -> bool:
    return (
        machine.takes_jobs
        and machine.process == part.process
        and any(stock.material == part.material for stock in machine.stock)
    )


class PlainPlanner:
    """Asks three owners that can make it, others for each job; takes what ends first."""

    def __init__(self, capacities: dict[NodeId, Record]) -> None:
        self._capacities = capacities
        """Of each workshop, the newest, expired or not."""

    def shortlist(
        self,
        order: Order,
        design: Design,
        jobs: list[tuple[int, int]],
        now: Timestamp,
        avoid: frozenset[NodeId],
    ) -> list[list[NodeId]]:
        parts = {part.name: part for part in design.parts}
        # Half of the orders crowd the same owners, so that there are queues.
        salts = [order.order + bytes([job]) if order.order[0] % 2 else b"" for job, _ in jobs]
        return [
            self._owners(parts[order.jobs[job].part], salt, avoid, now)
            for (job, _), salt in zip(jobs, salts, strict=True)
        ]

    def choose(
        self,
        order: Order,
        design: Design,
        offers: dict[int, list[tuple[NodeId, RecordId, Offer]]],
        now: Timestamp,
    ) -> dict[int, RecordId]:
        return {
            job: min(offered, key=lambda o: (o[2].end - o[2].at, o[2].price_minor, o[1]))[1]
            for job, offered in offers.items()
            if offered
        }

    def better(
        self,
        order: Order,
        design: Design,
        job: int,
        has: tuple[NodeId, RecordId, Offer],
        offers: list[tuple[NodeId, RecordId, Offer]],
        now: Timestamp,
    ) -> RecordId | None:
        """Leave for whatever ends earlier."""
        best = min(offers, key=lambda o: (o[2].end, o[1]), default=None)
        return best[1] if best and best[2].end < has[2].end else None

    def _owners(
        self, part: Part, salt: bytes, avoid: frozenset[NodeId], now: Timestamp
    ) -> list[NodeId]:
        able: Iterable[NodeId] = (
            owner
            for owner, record in self._capacities.items()
            if owner not in avoid
            and record.body.until > now
            and isinstance(record.body, Capacity)
            and any(can_make(machine, part) for machine in record.body.machines)
        )
        return sorted(able, key=lambda owner: (crc32(owner, crc32(salt)), owner))[:OWNERS_ASKED]
