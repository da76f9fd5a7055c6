"""Orders: placed by the person at this node, and called off."""

import os
from collections.abc import Mapping, Sequence

import trio

from commonfab.protocol import events
from commonfab.protocol.author import Author
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import ORDER_ID_BYTES, NodeId, OrderId, Timestamp
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.limits import GUARDIANS_MAX, QUANTITY_MAX, SECOND_MS
from commonfab.protocol.records import Design, Order, Place, Record
from commonfab.scheduler.placement import Planner

from . import clock
from .driver import Driver
from .measured.secrets import Secrets


class Ordering:
    """One for each node."""

    def __init__(
        self,
        author: Author,
        planner: Planner,
        driver: Driver,
        buyer: Buyer,
        grace_s: int,
        secrets: Secrets,
    ) -> None:
        self._author = author
        self._planner = planner
        self._driver = driver
        self._buyer = buyer
        self._grace_ms = grace_s * SECOND_MS
        self._secrets = secrets

    async def place(
        self,
        design: Record,
        quantity: int,
        to: Place,
        by: int,
        *,
        profile: str = "",
        whole: bool = False,
        guardians: Sequence[NodeId] = (),
        patience_ms: int = 0,
        chosen: Mapping[str, str] | None = None,
    ) -> OrderId:
        """Split an order into jobs and begin to place them. It is on the disk when this returns.

        `guardians`: two other nodes that go on with it if this one is lost, or none. `chosen`: the
        measures of a design that is made to measure, each as JSON writes it.

        Raises `UsageError` if it can never be made, and says why.
        """
        assert isinstance(design.body, Design)
        now = clock.now()
        check_order(quantity, by, now)
        together = with_guardians(self._author.node, guardians)
        if chosen and together:
            raise UsageError("nobody else knows your measures: order this without guardians")
        jobs = self._planner.jobs(design.body, quantity, to, by, now, profile, patience_ms)
        identifier = os.urandom(ORDER_ID_BYTES)
        order = Order(
            **self._author.head(f"order/{identifier.hex()}", now),
            order=identifier,
            design=design.id,
            quantity=quantity,
            place=to,
            by=by,
            jobs=jobs,
            grace_ms=self._grace_ms,
            profile=profile,
            whole=whole,
            guardians=together,
            patience_ms=patience_ms,
            hour_minor=round(self._planner.weights_of(profile).waiting_minor_per_hour),
        )
        record = self._author.sign(order)
        if chosen:
            self._secrets.keep_chosen(OrderId(identifier), chosen)
        with trio.CancelScope(shield=True):  # Once it is on the disk, it is also begun.
            await self._driver.keep(record)
            await self._driver.handle(events.Placed(record, design))
        return OrderId(identifier)

    async def cancel(self, order: OrderId) -> None:
        await self._driver.handle(events.Cancelled(order))


def check_order(quantity: int, by: int, now: Timestamp) -> None:
    """Raise `UsageError` if there can be no order for so many, or by then."""
    if not 1 <= quantity <= QUANTITY_MAX:
        raise UsageError(f"quantity {quantity}: an order is for 1 to {QUANTITY_MAX}")
    if by and by <= now:
        raise UsageError("that date is over; give one that is still to come")


def with_guardians(me: NodeId, others: Sequence[NodeId]) -> tuple[NodeId, ...]:
    """Return the guardians of an order, its buyer first, or none. Raises `UsageError` if the
    others cannot be."""
    if not others:
        return ()
    if len({me, *others}) != GUARDIANS_MAX or len(others) != GUARDIANS_MAX - 1:
        raise UsageError(
            "an order has two guardians besides this node, two different ones; name two, or none"
        )
    return (me, *others)
