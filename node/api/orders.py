"""What the command line can ask about orders: to plan, place, follow, explain and cancel them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import trio
from msgspec import Meta, Struct, structs

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import OrderId, Timestamp
from commonfab.protocol.limits import (
    DAY_MS,
    GUARDIANS_MAX,
    LEASE_TERM_MS_MAX,
    PATIENCE_MS_MAX,
    SECOND_MS,
)
from commonfab.protocol.measures import MEASURES_MAX
from commonfab.protocol.records import Design, Place, Record
from commonfab.scheduler.plans.blending import weights_of
from commonfab.scheduler.plans.choosing import choose
from commonfab.scheduler.plans.planning import Errand
from commonfab.scheduler.plans.ways import Ways
from commonfab.scheduler.why.grounds import Grounds
from commonfab.scheduler.why.impossible import obstacle, sentence

from .. import clock
from ..answers.measures import Measure
from ..answers.node import Explained, OrderLine
from ..control.server import Progress
from ..measured import choosing
from ..node import Node
from ..ordering import check_order
from . import views
from .bundles import find_peer

_ID_PREFIX_MIN = 4
"""Digits of an id that are enough to name an order by."""


class Wanted(Struct, forbid_unknown_fields=True):
    """What is to be made."""

    design: str
    quantity: int
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    by: int = 0
    profile: str = ""
    """Empty, for a plan: all of them."""

    def place(self) -> Place:
        return Place(lat_udeg=round(self.lat * 1e6), lon_udeg=round(self.lon * 1e6))


class Ordered(Wanted, forbid_unknown_fields=True):
    wait: bool = False
    """Place it also where no machine that is known now can make it."""
    guardians: Annotated[tuple[str, ...], Meta(max_length=GUARDIANS_MAX)] = ()
    """Workshops' names or peer ids."""
    patience_s: Annotated[int, Meta(ge=0, le=PATIENCE_MS_MAX // SECOND_MS)] = 0
    chosen: Annotated[dict[str, str], Meta(max_length=MEASURES_MAX)] = {}
    """Of a design that is made to measure, as a person typed it."""


class Which(Struct, forbid_unknown_fields=True):
    order: str = ""


class Choosable(Struct, forbid_unknown_fields=True):
    design: str


class OrdersApi:
    """Answers for one node."""

    def __init__(self, node: Node, find_design: Callable[[str], Awaitable[Record]]) -> None:
        self._node = node
        self._find_design = find_design

    async def plan(self, params: Wanted, _progress: Progress) -> Ways:
        """Return ways to have it made, before anybody is asked."""
        node, now = self._node, clock.now()
        check_order(params.quantity, params.by, now)
        record = await self._find_design(params.design)
        node.denying.check(record)
        design = self._possible(record, params, now)
        errand = Errand(design, params.quantity, params.place(), params.by)
        view, profiles = node.library.view.snapshot(), node.settings.profiles()
        if not len(view.rows()):
            raise UsageError("no machine is known here; add one, or meet others: commonfab pair")
        names = [params.profile] if params.profile else None
        ways = await trio.to_thread.run_sync(partial(choose, errand, view, now, profiles, names))
        if not ways.ways:
            raise UsageError(
                f"no way to have {params.quantity} x {design.name} made: each part fits some"
                " machine known here, but all of it together has no place on them in the"
                f" {LEASE_TERM_MS_MAX // DAY_MS} days for which anybody promises; ask for fewer"
            )
        return ways

    async def order(self, params: Ordered, _progress: Progress) -> OrderLine:
        node, now = self._node, clock.now()
        check_order(params.quantity, params.by, now)
        record = await self._find_design(params.design)
        node.denying.check(record)
        weights_of(params.profile, node.settings.profiles())
        patience_ms = params.patience_s * SECOND_MS
        design = (
            _design(record) if params.wait else self._possible(record, params, now, patience_ms)
        )
        peers = node.holders(record)
        chosen = await choosing.choose(node.shelf, design, peers, params.chosen)
        order = await node.ordering.place(
            record,
            params.quantity,
            params.place(),
            params.by,
            profile=params.profile,
            whole=len(design.parts) > 1 and not params.wait,
            guardians=[find_peer(node, name) for name in params.guardians],
            patience_ms=patience_ms,
            chosen=chosen,
        )
        return self._order_line(order)

    async def measures(self, params: Choosable, _progress: Progress) -> list[Measure]:
        """Return what may be chosen of a design."""
        node, record = self._node, await self._find_design(params.design)
        node.denying.check(record)
        found = await choosing.parameters_of(node.shelf, _design(record), node.holders(record))
        return [
            Measure(
                name=name,
                title=each.title or name,
                about=each.description,
                limits=each.limits(),
                example=str(each.default),
            )
            for name, each in found.all.items()
        ]

    async def orders(self, params: Which, _progress: Progress) -> list[OrderLine]:
        if params.order:
            return [self._order_line(self._find(params.order))]
        return [views.order_line(state, self._node.library) for state in self._node.buyer.orders()]

    async def cancel(self, params: Which, _progress: Progress) -> OrderLine:
        order = self._find(params.order)
        await self._node.ordering.cancel(order)
        return self._order_line(order)

    async def explain(self, params: Which, _progress: Progress) -> Explained:
        state = self._node.buyer.order(self._find(params.order))
        return self._node.explaining.explained(state.order)

    async def grounds(self, params: Which, _progress: Progress) -> Grounds:
        """Return an order's explanations with the signed records that they rest on."""
        state = self._node.buyer.order(self._find(params.order))
        return self._node.explaining.grounds(state.order)

    def _possible(
        self, record: Record, params: Wanted, now: Timestamp, patience_ms: int = 0
    ) -> Design:
        """Return the design. Raises `UsageError` if those who are known cannot make a part of it,
        or not so many."""
        node, design = self._node, _design(record)
        weights = weights_of(params.profile, node.settings.profiles())
        view = node.library.view_for(patience_ms).snapshot()
        place = params.place()
        why = obstacle(view, design, params.quantity, place, params.by, now, weights)
        if why:
            by_stick = "" if patience_ms else "; to ask by stick: --patience 3"
            raise UsageError(f"{why}. To order it all the same: commonfab order --wait{by_stick}")
        return design

    def _order_line(self, order: OrderId) -> OrderLine:
        """Return how an order stands; of a job that nobody can do, why."""
        state = self._node.buyer.order(order)
        line = views.order_line(state, self._node.library)
        why = {told.job: sentence(told) for told in self._node.explaining.told(state.order)}
        jobs = [
            structs.replace(job, reason=why.get(job.index) or job.reason)
            if job.state == "waiting"
            else job
            for job in line.jobs
        ]
        return structs.replace(line, jobs=jobs)

    def _find(self, which: str) -> OrderId:
        orders = [OrderId(state.order.order) for state in self._node.buyer.orders()]
        found = [order for order in orders if _starts(order, which)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{which}: {len(found)} orders begin with it; give more of the id")
        raise UsageError(f"{which}: no such order here; see: commonfab orders")


def _starts(identifier: bytes, which: str) -> bool:
    return len(which) >= _ID_PREFIX_MIN and identifier.hex().startswith(which.lower())


def _design(record: Record) -> Design:
    assert isinstance(record.body, Design)
    return record.body
