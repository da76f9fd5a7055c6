"""Looks out for machines that would make this node's open jobs better than what they have.

What is better is the scheduler's to say (scheduler/watching.py), and what follows from it the
core's (protocol/lease/moving.py).
"""

from collections.abc import Callable, Iterator

import trio

from commonfab.protocol import events
from commonfab.protocol.ids import OrderId, Timestamp
from commonfab.protocol.lease.attempts import JobState, Leased, OrderState, Waiting
from commonfab.protocol.lease.buyer import Buyer
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.view import CapacityView
from commonfab.scheduler.watching import Watch, Watched

from . import clock

ROUND_S = 30.0


class Watching:
    """One for each node."""

    def __init__(
        self,
        view: CapacityView,
        planner: Planner,
        buyer: Buyer,
        hint: Callable[[events.Event], None],
    ) -> None:
        self._view = view
        self._buyer = buyer
        self._hint = hint
        self._watch = Watch(planner.weights_of)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look again and again until cancelled."""
        task_status.started()
        while True:
            self.look(clock.now())
            await trio.sleep(ROUND_S)

    def look(self, now: Timestamp) -> None:
        """Tell the core of the jobs for which a better machine has been found."""
        known = next(self._view.snapshot().tiers())  # Strangers are for what nobody known can do.
        for job in self._watch.found(known, list(_open_jobs(self._buyer)), now):
            self._hint(events.MachineFound(OrderId(job.order.order), job.job))


def _open_jobs(buyer: Buyer) -> Iterator[Watched]:
    for state in buyer.orders():
        if not state.is_over() and not state.order.patience_ms:
            for job in state.jobs:
                if job.pieces and job.part.name not in state.joined:
                    yield from _watched(state, job)


def _watched(state: OrderState, job: JobState) -> Iterator[Watched]:
    match job.state:
        case Waiting():
            yield Watched(state.order, state.design, job.index, job.pieces)
        case Leased(move=None):
            has = job.state.offered()
            yield Watched(state.order, state.design, job.index, job.pieces, has)
        case _:
            pass
