"""The guardian's side of the lease protocol: it keeps an order of another going.

    shown an order  -->  Guarding --no word of its buyer for long--> caring: the buyer's side
                            |                                         of this node goes on with it
    shown a lease whose     +--> grants it, once in an epoch, if nothing else may be at work
    machine is free              (votes.py)

An order names three guardians, its buyer first. Two of them grant a job, so that a buyer that
is lost takes no job with it. What a guardian has granted, and what it rests on, is on its disk
before it is said. Rules: specs/lease.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from .. import effects, envelope, events, records
from ..author import Author
from ..body import Body
from ..effects import Effect
from ..ids import NodeId, RecordId, Timestamp
from ..records import (
    Design,
    Evidence,
    Grant,
    Lease,
    Offer,
    Order,
    Receipt,
    Record,
    Request,
)
from .letters import Letters
from .votes import Votes

CARE_MS = 60 * 60_000
"""Without a word of its buyer, a guardian goes on with an order; the next one after twice that."""
ASK_SHARE = 4
"""Of that time an answer is waited for, before it does."""
WARDS_MAX = 512
"""Orders of one buyer that a node guards."""

B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Deal:
    """A lease with what it answers, and what became of it."""

    request: Record
    offer: Record
    lease: Record
    receipt: Record | None = None

    @property
    def asked(self) -> Request:
        assert isinstance(self.request.body, Request)
        return self.request.body

    def made(self) -> int:
        """Return the good pieces, at most those that were asked for."""
        receipt = self.receipt.body if self.receipt else None
        return min(receipt.pieces, self.asked.pieces) if isinstance(receipt, Receipt) else 0


@dataclass(slots=True)
class Ward:
    """An order that is guarded here."""

    record: Record
    design: Record
    heard_at: Timestamp
    deals: dict[RecordId, Deal] = field(default_factory=dict[RecordId, Deal])
    """By lease."""
    is_asked: bool = False
    """The others were asked whether anybody goes on with it."""
    is_closed: bool = False
    """Its buyer, or who went on with it, says that nothing more is to be made."""

    @property
    def order(self) -> Order:
        assert isinstance(self.record.body, Order)
        return self.record.body

    def missing(self, job: int) -> int:
        """Return how many pieces of a job are not made yet, as far as is known here."""
        made = sum(deal.made() for deal in self.deals.values() if deal.asked.job == job)
        return max(0, self.order.jobs[job].pieces - made)

    def is_over(self) -> bool:
        if self.order.cancelled or self.is_closed:
            return True
        return not any(map(self.missing, range(len(self.order.jobs))))

    def care_at(self, me: NodeId, care_ms: int) -> int:
        """Return when this node asks the others, and then goes on with it, if nothing is heard
        until then."""
        ask_at = self.heard_at + care_ms * self.order.guardians.index(me)
        return ask_at + care_ms // ASK_SHARE if self.is_asked else ask_at

    def hear(self, now: Timestamp) -> None:
        self.heard_at, self.is_asked = now, False


class Guardian:
    """One for each node. `votes` is shared with its buyer's side."""

    def __init__(
        self,
        author: Author,
        votes: Votes,
        care_ms: int = CARE_MS,
        stored: Iterable[Record] = (),
        now: Timestamp = Timestamp(0),  # noqa: B008 only a number
    ) -> None:
        """`stored`: the evidence of the time before, and this node's own grants."""
        self._letters = Letters(author)
        self._me = author.node
        self._votes = votes
        self._care_ms = care_ms
        self._now = now
        self._wards: dict[bytes, Ward] = {}
        self._out: list[Effect] = []
        kept = sorted(stored, key=lambda record: (record.body.at, record.id))
        for record in kept:
            if isinstance(record.body, Grant) and record.author == self._me:
                votes.enter(record)
        designs = {record.id: record for record in kept if record.kind == "design"}
        for record in kept:
            if isinstance(record.body, Order) and record.author == self._me:
                self._guard(self._me, record, designs.get(RecordId(record.body.design)), now)
        letters = [(each, papers_of(each)) for each in kept if isinstance(each.body, Evidence)]
        # By whatever clock they were kept: the orders before what was made for them.
        for letter, papers in sorted(letters, key=lambda each: _paper(each[1], Order) is None):
            self._learn(letter.author, papers, now)
            self._close(letter)

    def wards(self) -> list[Ward]:
        return list(self._wards.values())

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        """Return what must now be done, in order."""
        now = self._now = max(now, self._now)
        self._out = []
        match event:
            case events.Shown(letter, papers):
                self._shown(letter, papers, now)
            case events.Placed(order, design):
                self._learn(self._me, [order, design], now)
            case _:
                pass
        for ward in self._cared_for():
            if self._care_at(ward) <= now and not ward.is_asked:
                ward.is_asked = True
                self._show(ward.order.guardians, [ward.record, ward.design], now)
        waits = [at for ward in self._cared_for() if (at := self._care_at(ward)) > now]
        if waits:
            self._out.append(effects.WakeAt(Timestamp(min(waits))))
        return self._out

    def entrusted(self, now: Timestamp) -> list[events.Entrusted]:
        """Return the orders that this node's buyer's side goes on with from now on."""
        found: list[events.Entrusted] = []
        for ward in self._cared_for():
            if ward.is_asked and self._care_at(ward) <= now:
                ward.hear(now)
                deals = [(d.request, d.offer, d.lease, d.receipt) for d in ward.deals.values()]
                found.append(events.Entrusted(ward.record, ward.design, tuple(deals)))
        return found

    def _cared_for(self) -> list[Ward]:
        return [w for w in self._wards.values() if w.record.author != self._me and not w.is_over()]

    def _care_at(self, ward: Ward) -> int:
        return ward.care_at(self._me, self._care_ms)

    def _shown(self, letter: Record, papers: Sequence[Record], now: Timestamp) -> None:
        order = _order_of(letter)
        deal = self._deal(papers)
        if deal is not None and deal.receipt is None:
            if letter.author == deal.lease.author:
                self._vote(letter, deal, now)
            return
        is_news = self._learn(letter.author, papers, now)
        if self._close(letter) or is_news:
            self._keep(order, papers, now, over=_is_over(letter))
        if _paper(papers, Order) is not None:
            self._tell_buyer(letter.author, order, now)

    def _keep(self, order: bytes, papers: Sequence[Record], now: Timestamp, *, over: bool) -> None:
        """Keep what was shown, in a letter of this node's own: whoever wrote the letter may not
        have kept it, and then might sign another in its place."""
        kept = self._letters.evidence(self._me, order, papers, now, over=over)
        self._out.append(effects.Keep(kept))

    def _learn(self, by: NodeId, papers: Sequence[Record], now: Timestamp) -> bool:
        """Take in what papers say; tell whether any of it was news."""
        order = _paper(papers, Order)
        if order is not None:
            return self._guard(by, order, _paper(papers, Design), now)
        deal = self._deal(papers)
        return deal is not None and self._enter(deal)

    def _deal(self, papers: Sequence[Record]) -> Deal | None:
        """Return a lease that papers show, if it is of an order that is guarded here."""
        request, offer, lease = (_paper(papers, kind) for kind in (Request, Offer, Lease))
        if request is None or offer is None or lease is None:
            return None
        deal = Deal(request, offer, lease, _end_of(papers, lease))
        ward = self._wards.get(deal.asked.order)
        return deal if ward is not None and _fits(deal, ward.order) else None

    def _enter(self, deal: Deal) -> bool:
        deals = self._wards[deal.asked.order].deals
        known = deals.get(deal.lease.id)
        if deal.receipt is not None:
            self._votes.end(deal.lease.id)
        if known is not None and (known.receipt is not None or deal.receipt is None):
            return False
        deals[deal.lease.id] = deal
        return True

    def _guard(self, by: NodeId, record: Record, design: Record | None, now: Timestamp) -> bool:
        order = record.body
        assert isinstance(order, Order)
        if design is None or design.id != order.design:
            return False
        if self._me not in order.guardians or by not in order.guardians:
            return False
        if record.author != order.guardians[0]:
            return False
        ward = self._wards.get(order.order)
        if ward is None:
            of_buyer = [w for w in self._wards.values() if w.record.author == record.author]
            if sum(not w.is_over() for w in of_buyer) >= WARDS_MAX:
                return False
            self._wards[order.order] = Ward(record, design, now)
            return True
        if ward.record.author != record.author:
            return False
        ward.hear(now)
        if order.cancelled and not ward.order.cancelled:
            ward.record = record
            return True
        return False

    def _close(self, letter: Record) -> bool:
        """Believe a guardian that an order is over; tell whether that is news."""
        ward = self._wards.get(_order_of(letter))
        if ward is None or ward.is_closed or not _is_over(letter):
            return False
        ward.is_closed = letter.author in ward.order.guardians
        return ward.is_closed

    def _tell_buyer(self, by: NodeId, order: bytes, now: Timestamp) -> None:
        """Show a buyer that is back what others had made meanwhile."""
        ward = self._wards.get(order)
        if ward is None or by != ward.record.author or by == self._me:
            return
        for deal in ward.deals.values():
            if deal.receipt is not None and deal.request.author != by:
                self._show([by], [deal.request, deal.offer, deal.lease, deal.receipt], now)

    def _show(self, to: Iterable[bytes], papers: Sequence[Record], now: Timestamp) -> None:
        first = papers[0].body
        assert isinstance(first, Request | Order)
        for node in to:
            if node != self._me:
                letter = self._letters.evidence(NodeId(node), first.order, papers, now)
                self._out.append(effects.Send(NodeId(node), letter))

    def _vote(self, letter: Record, deal: Deal, now: Timestamp) -> None:
        """Grant a lease whose machine is free, if that may be (LEASE-27, LEASE-28)."""
        asked, lease = deal.asked, deal.lease
        vote = self._votes.find(lease.id)
        if vote is not None:
            if not vote.is_over:
                self._out.append(effects.Send(lease.author, vote.grant))
            return
        ward = self._wards[asked.order]
        if ward.order.cancelled or asked.pieces > ward.missing(asked.job):
            self._tell_made(NodeId(deal.request.author), ward, asked.job, now)
            return
        if not self._votes.may_grant(asked.order, asked.job, asked.epoch, now):
            return
        grant = self._letters.grant(lease, ward.order, letter.body.at, now)
        self._votes.enter(grant)
        self._enter(deal)
        self._keep(asked.order, [deal.request, deal.offer, lease], now, over=False)
        self._out.append(effects.Keep(grant))
        self._out.append(effects.Send(lease.author, grant))

    def _tell_made(self, to: NodeId, ward: Ward, job: int, now: Timestamp) -> None:
        """Show a guardian that asks for more pieces than are missing what was made."""
        for deal in ward.deals.values():
            if deal.receipt is not None and deal.asked.job == job:
                self._show([to], [deal.request, deal.offer, deal.lease, deal.receipt], now)


def papers_of(letter: Record) -> list[Record]:
    """Return what a letter shows. Signatures were checked when it came."""
    assert isinstance(letter.body, Evidence)
    return [records.read(envelope.parse(paper)) for paper in letter.body.papers]


def _order_of(letter: Record) -> bytes:
    assert isinstance(letter.body, Evidence)
    return letter.body.order


def _is_over(letter: Record) -> bool:
    return isinstance(letter.body, Evidence) and letter.body.over


def _paper(papers: Sequence[Record], kind: type[B]) -> Record | None:
    return next((paper for paper in papers if isinstance(paper.body, kind)), None)


def _end_of(papers: Sequence[Record], lease: Record) -> Record | None:
    """Return the owner's receipt for a lease."""
    for paper in papers:
        match paper.body:
            case Receipt(lease=about, statement="made" | "failed") if (
                about == lease.id and paper.author == lease.author
            ):
                return paper
            case _:
                pass
    return None


def _fits(deal: Deal, order: Order) -> bool:
    """Tell whether a lease is for a job of an order, asked for by one of its guardians."""
    asked, offer, lease = deal.asked, deal.offer.body, deal.lease.body
    assert isinstance(offer, Offer)
    assert isinstance(lease, Lease)
    return (
        deal.request.author in order.guardians
        and asked.guardians == order.guardians
        and asked.job < len(order.jobs)
        and asked.to == deal.lease.author == deal.offer.author
        and lease.to == deal.request.author
        and (lease.order, lease.job, lease.epoch) == (order.order, asked.job, asked.epoch)
        and lease.request == offer.request == deal.request.id
        and (lease.machine, lease.start, lease.end) == (offer.machine, offer.start, offer.end)
    )
