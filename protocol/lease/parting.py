"""How a buyer parts with what it wants no more: offers, leases, jobs that may be running.

The transitions are in `buyer.py`; this says what they say to owners.
"""

from collections.abc import Callable

from .. import effects
from ..effects import Effect
from ..ids import NodeId, RecordId, Timestamp
from ..limits import HOLD_MS_MAX
from ..records import Record
from .attempts import Accepting, Asking, Attempt, Granted, JobState, Leased, offer_of
from .letters import Letters


class Parting:
    """Bound to one buyer's letters and to what becomes of its effects."""

    def __init__(self, letters: Letters, do: Callable[[Effect], None]) -> None:
        self._letters = letters
        self._do = do

    def decline(self, offer: Record, reason: str, now: Timestamp) -> None:
        """Let an offer lapse; one that is held for long is given back."""
        body = offer_of(offer)
        if body.held_until - body.at > HOLD_MS_MAX:
            self.release(offer.id, offer.author, reason, now)

    def release(self, about: RecordId, to: NodeId, reason: str, now: Timestamp) -> None:
        """Give up what there are no books of here. If this is lost, the owner asks or lets it
        lapse; so it is not kept, and nothing here rests on it."""
        self._do(effects.Send(to, self._letters.release(about, to, reason, now)))

    def give_up(self, attempt: Attempt, reason: str, now: Timestamp) -> None:
        """Tell an owner that its lease is wanted no more. Where the machine may have begun,
        the owner's word decides what became of it."""
        if attempt.release is None:
            attempt.release = self._letters.release(attempt.lease, attempt.owner, reason, now)
            self._do(effects.Keep(attempt.release))
        self._do(effects.Send(attempt.owner, attempt.release))

    def call_off(self, job: JobState, reason: str, now: Timestamp) -> None:
        """Give up the present attempt, which has not been granted."""
        match job.state:
            case Asking(offers=offers):
                for offer in offers.values():
                    self.decline(offer, reason, now)
            case Accepting(offer=offer):
                self.release(offer.id, offer.author, reason, now)
            case Leased():
                job.close("released", reason)
                self.give_up(job.current, reason, now)
            case _:
                pass

    def say_again(self, job: JobState, state: Leased | Granted) -> None:
        """Repeat the last word on a lease; its owner answers with where the slot stands."""
        spoken = state.acceptance if isinstance(state, Leased) else state.grant
        self._do(effects.Send(job.current.owner, job.current.release or spoken))
