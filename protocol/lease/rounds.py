"""A round of asking: whom an order asks for its jobs, which offers it takes, and how a job comes
back to be asked for anew.

Of the drawing in `buyer.py`: Waiting, Asking, Accepting, and the way back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import effects
from ..effects import Effect
from ..ids import NodeId, OrderId, RecordId, Timestamp
from ..records import Record
from .attempts import (
    Accepting,
    Asking,
    Done,
    Dropped,
    JobState,
    OrderState,
    Waiting,
    offer_of,
)
from .letters import Letters
from .orders import Orders
from .parting import Parting
from .planning import Planner
from .waits import Timing

EPOCHS_MAX = 10_000
"""Attempts at one job: what a request can count to."""


Seal = Callable[[OrderId, bytes], bytes | None]
"""Returns what an order's buyer chose, sealed to the key of an offer; nothing where it cannot."""


def no_measures(_order: OrderId, _key: bytes) -> None:
    return None


class Rounds:
    """Bound to one buyer's orders, and to what becomes of its effects."""

    def __init__(
        self,
        letters: Letters,
        planner: Planner,
        orders: Orders,
        timing: Timing,
        parting: Parting,
        do: Callable[[Effect], None],
        seal: Seal,
    ) -> None:
        self._letters = letters
        self._planner = planner
        self._orders = orders
        self._timing = timing
        self._parting = parting
        self._do = do
        self._seal = seal

    def ask(self, state: OrderState, jobs: list[JobState], now: Timestamp) -> None:
        """Ask the owners that the planner finds for each job."""
        wanted = tuple((job.index, job.pieces) for job in jobs)
        lists = owners_for(self._planner, state, jobs, now)
        for job, owners in zip(jobs, lists, strict=True):
            if not owners:
                self.back(job, "no known machine can make it", now)
            elif job.epoch == EPOCHS_MAX:
                job.state = Dropped(f"not made in {EPOCHS_MAX} attempts")
            else:
                self._ask_for(state, job, owners, now)
        self._do(effects.Planned(state.order, state.design, wanted))

    def _ask_for(
        self, state: OrderState, job: JobState, owners: list[NodeId], now: Timestamp
    ) -> None:
        requests = self.send_requests(state, job, owners, now)
        job.state = Asking(requests, self._timing.ask_until(state.order.patience_ms, now))

    def send_requests(
        self,
        state: OrderState,
        job: JobState,
        owners: list[NodeId],
        now: Timestamp,
        instead: RecordId | None = None,
    ) -> dict[RecordId, NodeId]:
        """Ask these owners in a new epoch. `instead`: the lease that the job has."""
        job.epoch = max(job.epoch, job.fence) + 1
        requests: dict[RecordId, NodeId] = {}
        for owner in owners:
            request = self._letters.request(state, job, owner, now, instead)
            requests[request.id] = owner
            self._orders.name(job, request.id)
            self._do(effects.Keep(request))
            self._do(effects.Send(owner, request))
        return requests

    def choose(self, state: OrderState, jobs: list[JobState], now: Timestamp) -> None:
        """Take an offer for each job of a round that is over."""
        for result in results(self._planner, state, jobs, now):
            for offer in result.declined:
                self._parting.decline(offer, "another offer was taken", now)
            if result.taken is None:
                self._put_off_silent(state, result.job, now)
                self.back(result.job, result.why_none, now)
            else:
                self.accept(result.job, result.taken, now)

    def _put_off_silent(self, state: OrderState, job: JobState, now: Timestamp) -> None:
        """Of a job that got no offer, ask others before those who said nothing."""
        asking = job.state
        if isinstance(asking, Asking) and not asking.offers:
            for owner in asking.requests.values():
                if owner not in asking.refusals:
                    state.avoid[owner] = Timestamp(now + self._timing.avoid_ms)

    def accept(self, job: JobState, offer: Record, now: Timestamp) -> None:
        key = offer_of(offer).seal_key
        measures = self._seal(job.order, key) if key and job.part.scad else None
        acceptance = self._letters.acceptance(offer, measures, now)
        self._orders.name(job, offer.id, acceptance.id)
        # The hold counts from when the owner signed, by the owner's clock.
        hold_ms = offer_of(offer).held_until - offer.body.at
        patience_ms = self._orders.get(job.order).order.patience_ms
        until = Timestamp(now + max(hold_ms, patience_ms))
        send_at = self._timing.resend_at(patience_ms, now)
        job.state = Accepting(offer, acceptance, send_at, until)
        self._do(effects.Keep(offer))
        self._do(effects.Keep(acceptance))
        self._do(effects.Send(offer.author, acceptance))

    def back(
        self,
        job: JobState,
        reason: str,
        now: Timestamp,
        *,
        avoid: NodeId | None = None,
        at_once: bool = False,
    ) -> None:
        """Let what is missing be asked for anew: at once where that is said, or where an owner
        lets the order down for the first time; else after a while."""
        state = self._orders.get(job.order)
        if job.pieces == 0:
            job.state = Done()
            return
        if state.is_cancelled:
            job.state = Dropped("the order was cancelled")
            return
        wait_ms = 0
        if not at_once and (avoid is None or state.avoid.get(avoid, 0) > now):
            wait_ms = self._timing.retry_after_ms(job.failures)
            job.failures += 1
        if avoid is not None:
            state.avoid[avoid] = Timestamp(now + self._timing.avoid_ms)
        job.state = Waiting(Timestamp(now + wait_ms), reason)


@dataclass(frozen=True, slots=True)
class Result:
    """What a round came to for one job."""

    job: JobState
    taken: Record | None
    declined: tuple[Record, ...]
    why_none: str


def owners_for(
    planner: Planner, state: OrderState, jobs: Sequence[JobState], now: Timestamp
) -> list[list[NodeId]]:
    """Return for each job whom to ask; those that let the order down are asked last."""
    wanted = [(job.index, job.pieces) for job in jobs]
    avoid = frozenset(owner for owner, until in state.avoid.items() if until > now)
    order, design = state.order, state.design
    lists = planner.shortlist(order, design, wanted, now, avoid)
    if avoid and not all(lists):
        others = planner.shortlist(order, design, wanted, now, frozenset())
        lists = [mine or other for mine, other in zip(lists, others, strict=True)]
    if state.is_all_or_nothing() and not all(lists):
        return [[] for _ in jobs]
    return lists


def results(
    planner: Planner, state: OrderState, jobs: Sequence[JobState], now: Timestamp
) -> list[Result]:
    """Return which offers to take. Of an order that is made whole or not at all, none is taken
    while a job is without (LEASE-31)."""
    asking = {job.index: job.state for job in jobs if isinstance(job.state, Asking)}
    offers = {index: round_.offered() for index, round_ in asking.items()}
    chosen = planner.choose(state.order, state.design, offers, now)
    why = {index: round_.why_no_offer() for index, round_ in asking.items()}
    if state.is_all_or_nothing() and len(chosen) < len(jobs):
        why |= dict.fromkeys(chosen, "another part of the order has no offer")
        chosen = {}
    found: list[Result] = []
    for job in jobs:
        of_job = list(asking[job.index].offers.values())
        taken = next((offer for offer in of_job if offer.id == chosen.get(job.index)), None)
        declined = tuple(offer for offer in of_job if offer is not taken)
        found.append(Result(job, taken, declined, why[job.index]))
    return found
