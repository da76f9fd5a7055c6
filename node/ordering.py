"""Orders: placed by the person at this node, explained to them, and called off."""

import secrets
from collections.abc import Sequence

import msgspec
import trio

from commonfab.protocol import events
from commonfab.protocol.author import Author
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import ORDER_ID_BYTES, OrderId
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.limits import QUANTITY_MAX, SECOND_MS
from commonfab.protocol.records import Design, Order, Place, Record
from commonfab.scheduler.explanation import Explanation
from commonfab.scheduler.placement import Planner

from . import clock
from .answers.node import Explained
from .driver import Driver
from .library import Library


class Ordering:
    """One for each node."""

    def __init__(
        self,
        author: Author,
        library: Library,
        planner: Planner,
        driver: Driver,
        buyer: Buyer,
        grace_s: int,
    ) -> None:
        self._author = author
        self._library = library
        self._planner = planner
        self._driver = driver
        self._buyer = buyer
        self._grace_ms = grace_s * SECOND_MS

    async def place(self, design: Record, quantity: int, to: Place, by: int) -> OrderId:
        """Split an order into jobs and begin to place them. It is on the disk when this returns.

        Raises `UsageError` if it can never be made, and says why.
        """
        assert isinstance(design.body, Design)
        if not 1 <= quantity <= QUANTITY_MAX:
            raise UsageError(f"quantity {quantity}: an order is for 1 to {QUANTITY_MAX}")
        now = clock.now()
        if by and by <= now:
            raise UsageError("that date is over; give one that is still to come")
        jobs = self._planner.jobs(design.body, quantity, to, by, now)
        identifier = secrets.token_bytes(ORDER_ID_BYTES)
        order = Order(
            **self._author.head(f"order/{identifier.hex()}", now),
            order=identifier,
            design=design.id,
            quantity=quantity,
            place=to,
            by=by,
            jobs=jobs,
            grace_ms=self._grace_ms,
        )
        record = self._author.sign(order)
        with trio.CancelScope(shield=True):  # Once it is on the disk, it is also begun.
            await self._driver.keep(record)
            await self._driver.handle(events.Placed(record, design))
        return OrderId(identifier)

    async def cancel(self, order: OrderId) -> None:
        await self._driver.handle(events.Cancelled(order))

    async def explain(self, order: Order, design: Design, jobs: Sequence[tuple[int, int]]) -> None:
        """Keep why the machines rank as they do for these (job, pieces), in place of what was
        kept of the same jobs before. Raises `ResourceError` if it cannot be kept."""
        notes = {
            _note_key(order.order, each.job): msgspec.msgpack.encode(each)
            for each in self._planner.explain(order, design, jobs, clock.now())
        }
        await self._library.keep_notes(notes)

    def explained(self, order: Order) -> Explained:
        """Return why the machines ranked as they did when they were last sought for each job."""
        notes = (self._library.note(_note_key(order.order, job)) for job in range(len(order.jobs)))
        jobs = [msgspec.msgpack.decode(note, type=Explanation) for note in notes if note]
        return Explained(order=order.order.hex(), jobs=jobs)


def _note_key(order: bytes, job: int) -> str:
    return f"explained/{order.hex()}/{job}"
