"""All orders of one buyer, and to which of their jobs a letter belongs.

The transitions between a job's states are in `buyer.py`.
"""

from ..ids import NodeId, OrderId, RecordId
from ..records import Record, Request
from .attempts import Accepting, Granted, JobState, Leased, OrderState, offer_of
from .windows import public_half


class Orders:
    """Orders by their ids; requests, taken offers, acceptances, leases and grants lead to jobs."""

    def __init__(self) -> None:
        self._all: dict[OrderId, OrderState] = {}
        self._open: dict[OrderId, OrderState] = {}
        self._job_of: dict[RecordId, JobState] = {}

    def enter(self, state: OrderState) -> None:
        """Take in an order, new or restored; one that is known stays as it is."""
        identifier = OrderId(state.order.order)
        if identifier in self._all:
            return
        self._all[identifier] = self._open[identifier] = state
        for job in state.jobs:
            for attempt in job.attempts:
                self.name(job, attempt.lease, RecordId(attempt.offer.request))
            match job.state:
                case Accepting(offer=offer, acceptance=letter):
                    self.name(job, RecordId(offer_of(offer).request), offer.id, letter.id)
                case Leased(acceptance=letter, lease=lease):
                    self.name(job, letter.id, public_half(lease).id)
                case Granted(grant=letter):
                    self.name(job, letter.id)
                case _:
                    pass

    def name(self, job: JobState, *letters: RecordId) -> None:
        """Let these letters lead to the job."""
        for letter in letters:
            self._job_of[letter] = job

    def find(self, letter: bytes) -> JobState | None:
        return self._job_of.get(RecordId(letter))

    def get(self, order: OrderId) -> OrderState:
        return self._all[order]

    def all(self) -> list[OrderState]:
        return list(self._all.values())

    def find_open(self, order: OrderId) -> OrderState | None:
        return self._open.get(order)

    def open(self) -> list[OrderState]:
        """Return those of which something may still be made."""
        return list(self._open.values())

    def find_any(self, order: bytes) -> OrderState | None:
        return self._all.get(OrderId(order))

    def find_of(self, request: Record) -> OrderState | None:
        """Return the order that a request is for."""
        body = request.body
        assert isinstance(body, Request)
        state = self._all.get(OrderId(body.order))
        return state if state is not None and body.job < len(state.jobs) else None

    def is_accepting(self, owner: NodeId) -> bool:
        """Tell whether a lease of an owner may be on its way here."""
        return any(
            isinstance(job.state, Accepting) and job.state.offer.author == owner
            for state in self._open.values()
            for job in state.jobs
        )

    def reopen(self, state: OrderState) -> None:
        """Go on with an order that was over."""
        self._open[OrderId(state.order.order)] = state

    def close_finished(self) -> list[OrderState]:
        """Look no more at what is over, and return it. Letters about it still find it."""
        over = [state for state in self._open.values() if state.is_over()]
        for state in over:
            del self._open[OrderId(state.order.order)]
        return over

    def next_at(self) -> int:
        """Return when time alone next moves a job on; 0: never."""
        times = [state.next_at() for state in self._open.values()]
        times += [state.show_at for state in self._open.values() if state.order.guardians]
        return min((at for at in times if at), default=0)
