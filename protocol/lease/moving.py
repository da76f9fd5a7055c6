"""A job that has a lease and leaves it for a better machine, if both sides gain.

    Leased --machine found--> Comparing --better offer--> Leaving --given back--> Accepting
      ^                           |                          |
      +--- no better offer -------+                          |
      +--- kept, or no answer while the offer is held -------+

Of the drawing in `buyer.py` this is what may happen to a job that is Leased. All that may happen
to any such job may happen meanwhile; what was asked for then lapses. Nothing is given up before
its owner has given it back, so the job is without a promise only while its acceptance is on its
way.
"""

from collections.abc import Callable
from dataclasses import replace

from .. import effects
from ..effects import Effect
from ..ids import Timestamp
from .attempts import Asking, Comparing, JobState, Leased, Leaving, OrderState, Waiting
from .letters import Letters
from .orders import Orders
from .planning import Planner
from .rounds import EPOCHS_MAX, Rounds, owners_for
from .waits import Timing


class Moving:
    """Bound to one buyer's orders, and to what becomes of its effects."""

    def __init__(
        self,
        letters: Letters,
        planner: Planner,
        orders: Orders,
        timing: Timing,
        rounds: Rounds,
        do: Callable[[Effect], None],
    ) -> None:
        self._letters = letters
        self._planner = planner
        self._orders = orders
        self._timing = timing
        self._rounds = rounds
        self._do = do

    def found(self, state: OrderState | None, index: int, now: Timestamp) -> None:
        """Hear that a machine may be better for a job than what it has."""
        if state is None or state.is_cancelled or index >= len(state.jobs):
            return
        job = state.jobs[index]
        if now < job.look_at:
            return
        if isinstance(job.state, Waiting):
            job.look_at = Timestamp(now + self._timing.look_ms)
            job.state = replace(job.state, ask_at=min(job.state.ask_at, now))
        elif (
            isinstance(job.state, Leased) and job.state.move is None and not state.order.patience_ms
        ):
            job.look_at = Timestamp(now + self._timing.look_ms)
            self._compare(state, job, job.state, now)

    def _compare(self, state: OrderState, job: JobState, has: Leased, now: Timestamp) -> None:
        """Ask others. At its own owner a request would fence off the lease (LEASE-6)."""
        (listed,) = owners_for(self._planner, state, [job], now)
        owners = [owner for owner in listed if owner != has.lease.author]
        if not owners or max(job.epoch, job.fence) >= EPOCHS_MAX - 1:
            return
        requests = self._rounds.send_requests(state, job, owners, now, has.lease.id)
        asking = Asking(requests, self._timing.ask_until(0, now))
        job.state = replace(has, move=Comparing(asking))

    def advance(self, job: JobState, now: Timestamp) -> None:
        """Go on with what time, or the last answer, has brought."""
        match job.state:
            case Leased(move=Comparing(asking)) if asking.is_over(now):
                self._choose(job, job.state, asking, now)
            case Leased(move=Leaving(give_up_at=give_up_at)) if now >= give_up_at:
                job.state = replace(job.state, move=None)
            case Leased(lease=lease, move=Leaving(send_at=send_at) as move) if now >= send_at:
                again = replace(move, send_at=self._timing.resend_at(0, now))
                job.state = replace(job.state, move=again)
                self._do(effects.Send(lease.author, move.question))
            case _:
                pass

    def _choose(self, job: JobState, has: Leased, asking: Asking, now: Timestamp) -> None:
        state, lease = self._orders.get(job.order), has.lease
        taken = self._planner.better(
            state.order, state.design, job.index, has.offered(), asking.offered(), now
        )
        better = next((offer for offer in asking.offers.values() if offer.id == taken), None)
        if better is None:
            job.state = replace(has, move=None)
            return
        reason = "a better machine was found"
        question = self._letters.release(lease.id, lease.author, reason, now, if_gain=True)
        self._orders.name(job, question.id)
        held_ms = asking.as_heard(better).held_until - now
        send_at = self._timing.resend_at(0, now)
        leaving = Leaving(better, question, send_at, Timestamp(now + max(0, held_ms) // 2))
        job.state = replace(has, move=leaving)
        self._do(effects.Send(lease.author, question))

    def leave(self, job: JobState, now: Timestamp) -> bool:
        """Take the better offer, now that the lease was given back; tell whether there is one."""
        match job.state:
            case Leased(move=Leaving(better=better, give_up_at=give_up_at)) if now < give_up_at:
                self._rounds.accept(job, better, now)
                return True
            case _:
                return False
