"""The buyer's side of the lease protocol: an order's jobs, each made once.

    Waiting --ask--> Asking --choose--> Accepting --lease--> Leased --ready?--> Granted
       ^               |                    |                  |                |   |
       +---------------+--------------------+------------------+----------------+   +--> Done
         no offers       no answer            not started        failed, released,   made
                                                                 or silent too long

A job that is Leased may leave for a better machine (`moving.py`): its attempt is over when
the owner has given it back, and the next is Accepting.

Each time a job goes back to Waiting, its next attempt has a higher epoch. A job has at
most one grant in an epoch, and while a grant may still be at work (no word from its
owner, and the window and grace not over) there is no next epoch: so no piece is made
twice, but by an owner that was silent for longer than agreed. What such an owner made
after all counts where the pieces are still missing, and is surplus, on record, where
they are not. Rules: specs/lease.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from .. import effects, events
from ..author import Author
from ..effects import Effect
from ..ids import NodeId, OrderId, RecordId, Timestamp
from ..records import Lease as LeaseBody
from ..records import (
    Offer,
    Order,
    Progress,
    Receipt,
    Record,
    Refusal,
    Release,
    Window,
)
from .attempts import (
    Accepting,
    Asking,
    Attempt,
    Comparing,
    Done,
    Dropped,
    Granted,
    JobState,
    Leased,
    Leaving,
    OrderState,
    Waiting,
    new_order,
    offer_of,
)
from .caring import Caring, Deal, deal_among, enter_deal
from .letters import Letters
from .moving import Moving
from .orders import Orders
from .parting import Parting
from .planning import Planner
from .rounds import Rounds, Seal, no_measures
from .slots import lease_of
from .votes import Votes
from .waits import Timing
from .windows import public_half


class Buyer:
    """All orders of one node."""

    parting: type[Parting] = Parting
    rounds: type[Rounds] = Rounds

    def __init__(
        self,
        author: Author,
        planner: Planner,
        timing: Timing | None = None,
        stored: Iterable[OrderState] = (),
        votes: Votes | None = None,
        seal: Seal = no_measures,
    ) -> None:
        """`stored`: the orders of the time before, as restore.py rebuilds them. `votes` are shared
        with this node's guardian's side."""
        self._letters = Letters(author)
        self._timing = timing or Timing()
        self._orders = Orders()
        self._now = Timestamp(0)
        self._out: list[Effect] = []
        do = self._out.append
        self._parting = self.parting(self._letters, do)
        self._rounds = self.rounds(
            self._letters, planner, self._orders, self._timing, self._parting, do, seal
        )
        self._moving = Moving(
            self._letters, planner, self._orders, self._timing, self._rounds, self._out.append
        )
        self._caring = Caring(self._letters, votes or Votes(), self._out.append)
        for state in stored:
            self._orders.enter(state)

    def orders(self) -> list[OrderState]:
        return self._orders.all()

    def order(self, order: OrderId) -> OrderState:
        """Return one of them. Raises `KeyError` if it is not among them."""
        return self._orders.get(order)

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        """Return what must now be done, in order."""
        now = self._now = max(now, self._now)
        self._out.clear()
        match event:
            case events.Arrived(record):
                self._arrived(record, now)
            case events.Placed(order, design):
                self._placed(order, design, now)
            case events.Entrusted():
                self._entrusted(event, now)
            case events.Shown(letter, papers):
                self._shown(letter, papers, now)
            case events.MachineFound(order, job):
                self._moving.found(self._orders.find_open(order), job, now)
            case events.Cancelled(order):
                self._cancel(order, now)
            case (
                events.Tick()
                | events.Restarted()
                | events.JobProgressed()
                | events.JobEnded()
                | events.MachinesChanged()
                | events.Decided()
            ):
                pass
            case _:
                assert_never(event)
        for state in self._orders.open():
            self._advance(state, now)
        for state in self._orders.close_finished():
            if not state.is_cancelled or state.record.author == self._letters.node:
                self._caring.show(state, now, over=True)
        if next_at := self._orders.next_at():
            self._out.append(effects.WakeAt(Timestamp(max(next_at, now + 1))))
        return list(self._out)

    def _placed(self, order: Record, design: Record, now: Timestamp) -> None:
        assert isinstance(order.body, Order)
        self._orders.enter(new_order(order, design, now))

    # Guardians.

    def _entrusted(self, event: events.Entrusted, now: Timestamp) -> None:
        """Go on with the order of a buyer that is gone."""
        fresh = new_order(event.order, event.design, now)
        self._orders.enter(fresh)
        state = self._orders.get(OrderId(fresh.order.order))
        for deal in event.deals:
            self._take_deal(state, deal, now)
        self._orders.reopen(state)
        state.is_cancelled = False
        for job in state.jobs:
            if isinstance(job.state, Waiting | Dropped):
                job.state = Waiting(now, "its buyer is gone") if job.pieces else Done()

    def _shown(self, letter: Record, papers: Sequence[Record], now: Timestamp) -> None:
        """Take in what another guardian has had made, and give an order back to its buyer."""
        for paper in papers:
            match paper.body:
                case Order(order=order):
                    self._shown_order(letter.author, self._orders.find_any(order), now)
                case _:
                    pass
        shown = deal_among(papers)
        state = self._orders.find_of(shown[0]) if shown else None
        if shown is not None and state is not None:
            self._take_deal(state, shown, now)

    def _shown_order(self, by: NodeId, state: OrderState | None, now: Timestamp) -> None:
        if state is None:
            return
        if state.record.author == self._letters.node:
            if by in state.order.guardians:  # It wonders whether this node is gone.
                self._caring.show(state, now, over=state.is_over())
        elif by == state.record.author and not state.is_over():
            self._drop(state, "its buyer is back", now)

    def _take_deal(self, state: OrderState, deal: Deal, now: Timestamp) -> None:
        job, attempt = enter_deal(state, deal)
        self._orders.name(job, attempt.lease, RecordId(attempt.offer.request))
        receipt = deal[3]
        if receipt is not None:
            assert isinstance(receipt.body, Receipt)
            self._reported(receipt, receipt.body, now)

    def _cancel(self, order: OrderId, now: Timestamp) -> None:
        state = self._orders.find_open(order)
        if state is None or state.is_cancelled:
            return
        state.record = self._letters.cancellation(state, now)
        self._out.append(effects.Keep(state.record))
        self._caring.show(state, now)
        self._drop(state, "the order was cancelled", now)
        for job in state.jobs:
            if isinstance(job.state, Granted):
                self._parting.give_up(job.current, "the order was cancelled", now)

    def _drop(self, state: OrderState, reason: str, now: Timestamp) -> None:
        """Go on with no job of an order that has not been granted."""
        state.is_cancelled = True
        for job in state.jobs:
            if not isinstance(job.state, Granted | Done):
                self._parting.call_off(job, reason, now)
                job.state = Dropped(reason)

    # Letters from owners.

    def _arrived(self, record: Record, now: Timestamp) -> None:
        match record.body:
            case Offer(request=request):
                self._offered(record, RecordId(request), now)
            case Refusal(about=about, reason=reason):
                self._refused(record.author, RecordId(about), reason, now)
            case LeaseBody():
                self._leased(record, record.body, now)
            case Progress(lease=lease):
                self._progressed(record, record.body, RecordId(lease), now)
            case Release(if_gain=False):
                self._let_down(record, record.body, now)
            case Receipt(statement="made" | "failed"):
                self._reported(record, record.body, now)
            case Window(over=over):
                for window in over:
                    self._given_away(record.author, window, now)
            case _:
                pass

    def _given_away(self, owner: NodeId, window: bytes, now: Timestamp) -> None:
        """Believe an owner that tells everybody that it will not make what it leased here."""
        job = self._orders.find(window)
        match job.state if job else None:
            case Leased(lease=lease) if (
                job is not None and lease.author == owner and public_half(lease).id == window
            ):
                job.close("released", "its window was given away")
                self._rounds.back(job, "its window was given away", now, avoid=owner)
            case _:
                pass

    def _offered(self, record: Record, request: RecordId, now: Timestamp) -> None:
        job = self._orders.find(request)
        match job.state if job else None:
            case (Asking() as asking) | Leased(move=Comparing(asking)) if (
                job is not None and asking.requests.get(request) == record.author
            ):
                if asking.hear(record, now):
                    self._orders.name(job, record.id)
            case Accepting(offer=offer) | Leased(move=Leaving(offer)) if offer.id == record.id:
                pass
            case _:
                if job is None or all(a.offer.request != request for a in job.attempts):
                    self._parting.decline(record, "another offer was taken", now)

    def _refused(self, owner: NodeId, about: RecordId, reason: str, now: Timestamp) -> None:
        job = self._orders.find(about)
        if job is None:
            return
        match job.state:
            case (Asking() as asking) | Leased(move=Comparing(asking)) if (
                asking.requests.get(about) == owner
            ):
                asking.refusals[owner] = job.refusals[owner] = reason
            case Leased(lease=lease, move=Leaving(question=question)) if (
                question.id == about and lease.author == owner
            ):
                job.state = replace(job.state, move=None)
            case Accepting(offer=offer, acceptance=acceptance) if (
                acceptance.id == about and offer.author == owner
            ):
                self._rounds.back(job, reason, now)
            case Leased(acceptance=letter) | Granted(grant=letter) if (
                letter.id == about and job.state.lease.author == owner
            ):
                job.close("released", reason)
                self._caring.ended(job.current)
                self._rounds.back(job, reason, now, avoid=owner)
            case _:
                pass

    def _leased(self, record: Record, lease: LeaseBody, now: Timestamp) -> None:
        job = self._orders.find(lease.request)
        if job is None:
            self._parting.release(record.id, record.author, "not wanted any more", now)
            return
        match job.state:
            case Accepting(offer=offer, acceptance=acceptance) if (
                offer.author == record.author and acceptance.id == lease.acceptance
            ):
                order = self._orders.get(job.order).order
                if job.is_as_offered(record, offer_of(offer), order):
                    self._enter_lease(job, job.state, record, now)
                else:
                    self._parting.release(
                        record.id, record.author, "the lease is not what was offered", now
                    )
                    self._rounds.back(
                        job, "the lease is not what was offered", now, avoid=offer.author
                    )
            case _:
                if job.attempt(record.id) is None:
                    self._parting.release(
                        record.id, record.author, "a later attempt is under way", now
                    )

    def _enter_lease(self, job: JobState, taken: Accepting, lease: Record, now: Timestamp) -> None:
        offer = offer_of(taken.offer)
        # The owner's times count from when it signed, so its clock may differ from ours.
        to_start_ms = max(0, lease_of(lease).start_by - lease.body.at)
        grace_ms = self._orders.get(job.order).order.grace_ms
        until = Timestamp(now + to_start_ms + grace_ms + self._patience_ms(job))
        check_at, ahead_ms = self._timing.check_at(until, now), now - lease.body.at
        state = Leased(taken.offer, taken.acceptance, lease, until, check_at, ahead_ms=ahead_ms)
        job.state = state
        job.attempts.append(Attempt(job.epoch, job.pieces, lease.author, offer, lease.id))
        self._orders.name(job, lease.id, public_half(lease).id)
        self._out.append(effects.Keep(lease))
        if self._patience_ms(job):  # By the time that it is asked for, it would be too late.
            self._grant(job, state, lease.body.at, now)

    def _progressed(
        self, record: Record, progress: Progress, lease_id: RecordId, now: Timestamp
    ) -> None:
        job = self._orders.find(lease_id)
        attempt = job.attempt(lease_id) if job else None
        if job is None or attempt is None:
            if progress.state == "ready" and not self._orders.is_accepting(record.author):
                self._parting.release(lease_id, record.author, "not wanted any more", now)
            return
        if attempt.owner != record.author:
            return
        is_ready = progress.state == "ready"
        match job.state:
            case Leased(lease=lease) if lease.id == lease_id:
                # One that runs was granted by the other guardians.
                if is_ready or self._orders.get(job.order).order.guardians:
                    self._grant(job, job.state, progress.at, now)
            case Granted(lease=lease) if lease.id == lease_id:
                check_at = self._timing.check_at(job.state.grant.body.until, now)
                job.state = replace(job.state, check_at=check_at, permille=progress.permille)
                if is_ready or attempt.release is not None:
                    self._parting.say_again(job, job.state)
            case _:
                if is_ready or job.pieces == 0 or self._orders.get(job.order).is_cancelled:
                    self._parting.give_up(attempt, "not wanted any more", now)

    def _grant(self, job: JobState, state: Leased, asked_at: int, now: Timestamp) -> None:
        order = self._orders.get(job.order)
        if not self._caring.may_grant(order, state.lease, now):
            return
        grant = self._letters.grant(state.lease, order.order, asked_at, now)
        until = grant.body.until
        job.state = Granted(state.offer, state.lease, grant, self._timing.check_at(until, now))
        job.current.is_granted = True
        self._caring.granted(order, grant)
        self._orders.name(job, grant.id)
        self._out.append(effects.Keep(grant))
        self._out.append(effects.Send(state.lease.author, grant))

    def _let_down(self, record: Record, release: Release, now: Timestamp) -> None:
        job = self._orders.find(release.about)
        if job is None:
            return
        match job.state:
            case Accepting(offer=offer) if (
                offer.id == release.about and offer.author == record.author
            ):
                self._rounds.back(job, release.reason, now)
            case Leased(lease=lease) | Granted(lease=lease) if (
                lease.id == release.about and lease.author == record.author
            ):
                if job.current.release and job.current.release.id == record.id:
                    return  # A node that buys from itself hears its own letters.
                self._out.append(effects.Keep(record))
                self._caring.ended(job.current)
                job.close("released", release.reason)
                if not self._moving.leave(job, now):
                    self._rounds.back(job, release.reason, now, avoid=record.author)
            case (Asking() as asking) | Leased(move=Comparing(asking)):
                if asking.take_back(record.author, release):
                    job.refusals[record.author] = release.reason
            case _:
                pass

    def _reported(self, record: Record, receipt: Receipt, now: Timestamp) -> None:
        lease = RecordId(receipt.lease)
        job = self._orders.find(lease)
        attempt = job.attempt(lease) if job else None
        if job is None or attempt is None or attempt.owner != record.author:
            return
        if not attempt.is_granted and not self._orders.get(job.order).order.guardians:
            return  # No grant, no pieces: it had no leave to start (LEASE-13).
        self._caring.ended(attempt)
        is_new = attempt.receipt is None
        if not is_new and attempt.receipt != receipt:
            return  # One receipt a lease (LEASE-14).
        if attempt.confirmation is None:
            pieces = min(job.pieces, attempt.pieces)
            attempt.confirmation = self._letters.confirmation(record, pieces, now)
            self._out.append(effects.Keep(record))
            self._out.append(effects.Keep(attempt.confirmation))
        self._out.append(effects.Send(record.author, attempt.confirmation))
        if is_new:
            self._count(job, attempt, receipt, now)

    def _count(self, job: JobState, attempt: Attempt, receipt: Receipt, now: Timestamp) -> None:
        """Enter what an attempt has made, and see what is still missing."""
        attempt.end(receipt, is_missing=job.pieces > 0)
        match job.state:
            case Done() | Dropped():
                pass
            case Granted(lease=lease) | Leased(lease=lease) if lease.id == attempt.lease:
                failures = job.failures_of(attempt.owner)
                avoid = attempt.owner if failures > 1 else None
                self._rounds.back(job, receipt.reason, now, avoid=avoid, at_once=failures == 1)
            case Granted(lease=lease):
                if job.pieces == 0:  # The machine that is at it now need not end.
                    self._parting.give_up(job.current, "made by an earlier attempt after all", now)
            case Waiting() | Asking() | Accepting() | Leased():
                if attempt.made:
                    self._parting.call_off(job, "an earlier attempt was made after all", now)
                    self._rounds.back(job, receipt.reason, now)

    # Time.

    def _advance(self, state: OrderState, now: Timestamp) -> None:
        rounds: dict[Timestamp, list[JobState]] = {}
        for job in state.jobs:
            self._advance_job(job, now)
            if isinstance(job.state, Asking):
                rounds.setdefault(job.state.until, []).append(job)
        for asking in rounds.values():
            if all(isinstance(j.state, Asking) and j.state.is_over(now) for j in asking):
                self._rounds.choose(state, asking, now)
        waiting = state.to_ask(now)
        if waiting:
            self._rounds.ask(state, waiting, now)
        if state.order.guardians and state.show_at <= now:
            state.show_at = Timestamp(now + self._timing.show_ms)
            self._caring.show(state, now)

    def _advance_job(self, job: JobState, now: Timestamp) -> None:
        match job.state:
            case Accepting(offer=offer, acceptance=acceptance, send_at=send_at, until=until):
                if now >= until:
                    self._rounds.back(job, "no answer to the acceptance", now, avoid=offer.author)
                elif now >= send_at:
                    at = self._timing.resend_at(self._patience_ms(job), now)
                    job.state = replace(job.state, send_at=at)
                    self._out.append(effects.Send(offer.author, acceptance))
            case Leased(lease=lease, until=until, check_at=check_at):
                if now >= until:
                    job.close("not started", "not started in time")
                    self._parting.give_up(job.current, "not started in time", now)
                    self._rounds.back(job, "not started in time", now, avoid=lease.author)
                elif now >= check_at:
                    self._check(job, job.state, now)
                self._moving.advance(job, now)
            case Granted(lease=lease, grant=grant, check_at=check_at):
                if now >= grant.body.until:
                    job.close("silent", "no word beyond the window and its grace")
                    self._rounds.back(job, "no word from the owner", now, avoid=lease.author)
                elif now >= check_at:
                    self._check(job, job.state, now)
            case Waiting() | Asking() | Done() | Dropped():
                pass

    def _check(self, job: JobState, state: Leased | Granted, now: Timestamp) -> None:
        until = state.until if isinstance(state, Leased) else state.grant.body.until
        job.state = replace(state, check_at=self._timing.check_at(until, now))
        self._parting.say_again(job, state)

    def _patience_ms(self, job: JobState) -> int:
        return self._orders.get(job.order).order.patience_ms
