"""What a buyer's side does about an order with guardians: it keeps the others informed, takes in
what they show, and grants nothing that they may have granted otherwise.

The transitions are in `buyer.py`, those of a guardian in `guardian.py`.
"""

from collections.abc import Callable, Sequence

from .. import effects
from ..effects import Effect
from ..ids import NodeId, Timestamp
from ..records import Lease, Offer, Receipt, Record, Request
from .attempts import Attempt, JobState, OrderState
from .letters import Letters
from .votes import Votes

Deal = tuple[Record, Record, Record, Record | None]
"""A request, the offer and the lease that came of it, and its receipt."""


class Caring:
    """Bound to one buyer's letters and votes, and to what becomes of its effects."""

    def __init__(self, letters: Letters, votes: Votes, do: Callable[[Effect], None]) -> None:
        self._letters = letters
        self._votes = votes
        self._do = do

    def show(self, state: OrderState, now: Timestamp, *, over: bool = False) -> None:
        """Tell the other guardians of an order that somebody goes on with it, or that it is
        over."""
        me = self._letters.node
        for guardian in state.order.guardians:
            # This node's own guardian's side watches the order of another, too.
            if guardian != me or (over and state.record.author != me):
                papers = [state.record, state.design_record]
                letter = self._letters.evidence(
                    NodeId(guardian), state.order.order, papers, now, over=over
                )
                self._do(effects.Send(NodeId(guardian), letter))

    def may_grant(self, state: OrderState, lease: Record, now: Timestamp) -> bool:
        """Tell whether this node may grant a lease that it has not granted (LEASE-28)."""
        body = lease.body
        assert isinstance(body, Lease)
        return not state.order.guardians or self._votes.may_grant(
            body.order, body.job, body.epoch, now
        )

    def granted(self, state: OrderState, grant: Record) -> None:
        if state.order.guardians:
            self._votes.enter(grant)

    def ended(self, attempt: Attempt) -> None:
        """Note that nothing more will be made of a lease: its owner says so."""
        self._votes.end(attempt.lease)


def enter_deal(state: OrderState, deal: Deal) -> tuple[JobState, Attempt]:
    """Enter a lease that another guardian took for an order, unless it is known."""
    request, offer, lease, _ = deal
    asked, offered = request.body, offer.body
    assert isinstance(asked, Request)
    assert isinstance(offered, Offer)
    job = state.jobs[asked.job]
    attempt = job.attempt(lease.id)
    if attempt is None:
        attempt = Attempt(asked.epoch, asked.pieces, lease.author, offered, lease.id)
        attempt.outcome = "silent"
        job.attempts.append(attempt)
        job.fence = max(job.fence, asked.epoch)
    return job, attempt


def deal_among(papers: Sequence[Record]) -> Deal | None:
    """Return a deal that has come to its end, of the records that a guardian was shown."""
    found: dict[str, Record] = {paper.kind: paper for paper in papers}
    if not {"request", "offer", "lease", "receipt"} <= found.keys():
        return None
    request, offer, lease, receipt = (
        found[kind] for kind in ("request", "offer", "lease", "receipt")
    )
    end, asked, offered = receipt.body, request.body, offer.body
    assert isinstance(end, Receipt)
    assert isinstance(asked, Request)
    assert isinstance(offered, Offer)
    fits = end.lease == lease.id and offered.request == request.id and end.statement != "confirmed"
    owners = {receipt.author, lease.author, offer.author, asked.to}
    return (request, offer, lease, receipt) if fits and len(owners) == 1 else None
