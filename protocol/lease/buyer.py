"""The buyer's side of the lease protocol: an order's jobs, each made once.

    Waiting --ask--> Asking --choose--> Accepting --lease--> Leased --ready?--> Granted
       ^               |                    |                  |                |   |
       +---------------+--------------------+------------------+----------------+   +--> Done
         no offers       no answer            not started        failed, released,   made
                                                                 or silent too long

Each time a job goes back to Waiting, its next attempt has a higher epoch. A job has at
most one grant in an epoch, and while a grant may still be at work (no word from its
owner, and the window and grace not over) there is no next epoch: so no piece is made
twice, but by an owner that was silent for longer than agreed. What such an owner made
after all counts where the pieces are still missing, and is surplus, on record, where
they are not. Rules: specs/lease.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from .. import effects, events
from ..author import Author
from ..effects import Effect
from ..ids import NodeId, OrderId, RecordId, Timestamp
from ..records import Design, Offer, Order, Progress, Receipt, Record, Refusal, Release
from ..records import Lease as LeaseBody
from .attempts import (
    Accepting,
    Asking,
    Attempt,
    Done,
    Dropped,
    Granted,
    JobState,
    Leased,
    OrderState,
    Waiting,
    new_order,
    offer_of,
)
from .letters import Letters
from .orders import Orders
from .planning import Planner
from .slots import lease_of

RETRY_MS_MAX = 5 * 60_000
EPOCHS_MAX = 10_000
"""Attempts at one job: what a request can count to."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the buyer waits, in milliseconds."""

    ask_ms: int = 3_000
    """For the offers of those who were asked."""
    resend_ms: int = 1_000
    retry_ms: int = 2_000
    """Before a job that found no machine is tried again; doubles each time."""
    avoid_ms: int = 10 * 60_000
    """How long an owner that let an order down is not asked first."""
    check_ms: int = 5 * 60_000
    """Without a word about a lease, before its owner is asked whether it still holds."""


class Buyer:
    """All orders of one node."""

    def __init__(
        self,
        author: Author,
        planner: Planner,
        timing: Timing | None = None,
        stored: Iterable[OrderState] = (),
    ) -> None:
        """`stored`: the orders of the time before, as restore.py rebuilds them."""
        self._letters = Letters(author)
        self._planner = planner
        self._timing = timing or Timing()
        self._orders = Orders()
        self._now = Timestamp(0)
        self._out: list[Effect] = []
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
        self._out = []
        match event:
            case events.Arrived(record):
                self._arrived(record, now)
            case events.Placed(order, design):
                self._placed(order, design, now)
            case events.Cancelled(order):
                self._cancel(order, now)
            case (
                events.Tick()
                | events.Restarted()
                | events.JobProgressed()
                | events.JobEnded()
                | events.MachinesChanged()
            ):
                pass
            case _:
                assert_never(event)
        for state in self._orders.open():
            self._advance(state, now)
        self._orders.close_finished()
        if next_at := self._orders.next_at():
            self._out.append(effects.WakeAt(Timestamp(max(next_at, now + 1))))
        return self._out

    def _placed(self, order: Record, design: Record, now: Timestamp) -> None:
        assert isinstance(order.body, Order)
        assert isinstance(design.body, Design)
        self._orders.enter(new_order(order, design.body, now))

    def _cancel(self, order: OrderId, now: Timestamp) -> None:
        state = self._orders.find_open(order)
        if state is None or state.is_cancelled:
            return
        state.is_cancelled = True
        self._out.append(effects.Keep(self._letters.cancellation(state, now)))
        for job in state.jobs:
            if isinstance(job.state, Granted):
                self._give_up(job.current, "the order was cancelled", now)
            elif not isinstance(job.state, Done):
                self._call_off(job, "the order was cancelled", now)
                job.state = Dropped("the order was cancelled")

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
            case Release():
                self._let_down(record, record.body, now)
            case Receipt(statement="made" | "failed"):
                self._reported(record, record.body, now)
            case _:
                pass

    def _offered(self, record: Record, request: RecordId, now: Timestamp) -> None:
        job = self._orders.find(request)
        match job.state if job else None:
            case Asking(requests=requests, offers=offers, heard_at=heard_at) if (
                job is not None and requests.get(request) == record.author
            ):
                if request not in offers:
                    offers[request], heard_at[request] = record, now
                    self._orders.name(job, record.id)
            case Accepting(offer=offer) if offer.id == record.id:
                pass
            case _:
                if job is None or all(a.offer.request != request for a in job.attempts):
                    self._release(record.id, record.author, "another offer was taken", now)

    def _refused(self, owner: NodeId, about: RecordId, reason: str, now: Timestamp) -> None:
        job = self._orders.find(about)
        if job is None:
            return
        match job.state:
            case Asking(requests=requests, refusals=refusals) if requests.get(about) == owner:
                refusals[owner] = job.refusals[owner] = reason
            case Accepting(offer=offer, acceptance=acceptance) if (
                acceptance.id == about and offer.author == owner
            ):
                self._back(job, reason, now)
            case Leased(acceptance=letter) | Granted(grant=letter) if (
                letter.id == about and job.state.lease.author == owner
            ):
                job.close("released", reason)
                self._back(job, reason, now, avoid=owner)
            case _:
                pass

    def _leased(self, record: Record, lease: LeaseBody, now: Timestamp) -> None:
        job = self._orders.find(lease.request)
        if job is None:
            self._release(record.id, record.author, "not wanted any more", now)
            return
        match job.state:
            case Accepting(offer=offer, acceptance=acceptance) if (
                offer.author == record.author and acceptance.id == lease.acceptance
            ):
                grace_ms = self._orders.get(job.order).order.grace_ms
                if job.is_as_offered(lease, offer_of(offer), grace_ms):
                    self._enter_lease(job, job.state, record, now)
                else:
                    self._release(
                        record.id, record.author, "the lease is not what was offered", now
                    )
                    self._back(job, "the lease is not what was offered", now, avoid=offer.author)
            case _:
                if job.attempt(record.id) is None:
                    self._release(record.id, record.author, "a later attempt is under way", now)

    def _enter_lease(self, job: JobState, taken: Accepting, lease: Record, now: Timestamp) -> None:
        offer = offer_of(taken.offer)
        # The owner's times count from when it signed, so its clock may differ from ours.
        to_start_ms = max(0, lease_of(lease).start_by - lease.body.at)
        until = Timestamp(now + to_start_ms + self._orders.get(job.order).order.grace_ms)
        check_at = Timestamp(now + self._timing.check_ms)
        job.state = Leased(taken.offer, taken.acceptance, lease, until, check_at)
        job.attempts.append(Attempt(job.epoch, job.pieces, lease.author, offer, lease.id))
        self._orders.name(job, lease.id)
        self._out.append(effects.Keep(lease))

    def _progressed(
        self, record: Record, progress: Progress, lease_id: RecordId, now: Timestamp
    ) -> None:
        job = self._orders.find(lease_id)
        attempt = job.attempt(lease_id) if job else None
        if job is None or attempt is None:
            if progress.state == "ready":
                self._release(lease_id, record.author, "not wanted any more", now)
            return
        if attempt.owner != record.author:
            return
        is_ready = progress.state == "ready"
        match job.state:
            case Leased(lease=lease) if lease.id == lease_id:
                if is_ready:
                    self._grant(job, job.state, progress.at, now)
            case Granted(lease=lease) if lease.id == lease_id:
                check_at = Timestamp(now + self._timing.check_ms)
                job.state = replace(job.state, check_at=check_at, permille=progress.permille)
                if is_ready or attempt.release is not None:
                    self._say_again(job, job.state)
            case _:
                if is_ready or job.pieces == 0 or self._orders.get(job.order).is_cancelled:
                    self._give_up(attempt, "not wanted any more", now)

    def _grant(self, job: JobState, state: Leased, asked_at: int, now: Timestamp) -> None:
        # It may be used for a while, and the job then takes its whole window.
        body = lease_of(state.lease)
        grace_ms = self._orders.get(job.order).order.grace_ms
        asked_at = max(asked_at, body.at)
        use_by = max(asked_at, min(body.start_by, asked_at + grace_ms))
        until = now + (use_by - asked_at) + (body.end - body.start) + grace_ms
        grant = self._letters.grant(state.lease, use_by, Timestamp(until), now)
        check_at = Timestamp(now + self._timing.check_ms)
        job.state = Granted(state.offer, state.lease, grant, check_at)
        job.current.is_granted = True
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
                self._back(job, release.reason, now)
            case Leased(lease=lease) | Granted(lease=lease) if (
                lease.id == release.about and lease.author == record.author
            ):
                if job.current.release and job.current.release.id == record.id:
                    return  # A node that buys from itself hears its own letters.
                self._out.append(effects.Keep(record))
                job.close("released", release.reason)
                self._back(job, release.reason, now, avoid=record.author)
            case Asking(offers=offers, refusals=refusals):
                for request, offer in list(offers.items()):
                    if offer.id == release.about and offer.author == record.author:
                        del offers[request]
                        refusals[record.author] = job.refusals[record.author] = release.reason
            case _:
                pass

    def _reported(self, record: Record, receipt: Receipt, now: Timestamp) -> None:
        lease = RecordId(receipt.lease)
        job = self._orders.find(lease)
        attempt = job.attempt(lease) if job else None
        if job is None or attempt is None or attempt.owner != record.author:
            return
        if not attempt.is_granted:
            return  # No grant, no pieces: it had no leave to start (LEASE-13).
        is_new = attempt.receipt is None
        if not is_new and attempt.receipt != receipt:
            return  # One receipt a lease (LEASE-14).
        if attempt.confirmation is None:
            attempt.confirmation = self._letters.confirmation(record, now)
            self._out.append(effects.Keep(record))
            self._out.append(effects.Keep(attempt.confirmation))
        self._out.append(effects.Send(record.author, attempt.confirmation))
        if is_new:
            self._count(job, attempt, receipt, now)

    def _count(self, job: JobState, attempt: Attempt, receipt: Receipt, now: Timestamp) -> None:
        """Enter what an attempt has made, and see what is still missing."""
        attempt.receipt = receipt
        is_missing = job.pieces > 0
        attempt.made = min(receipt.pieces, attempt.pieces)
        attempt.reason = receipt.reason
        attempt.outcome = "made" if receipt.statement == "made" else "failed"
        if attempt.made and not is_missing:
            attempt.outcome = "surplus"
        match job.state:
            case Done() | Dropped():
                pass
            case Granted(lease=lease) if lease.id == attempt.lease:
                failed = receipt.statement == "failed"
                self._back(job, receipt.reason, now, avoid=attempt.owner if failed else None)
            case Granted(lease=lease):
                if job.pieces == 0:  # The machine that is at it now need not end.
                    self._give_up(job.current, "made by an earlier attempt after all", now)
            case Waiting() | Asking() | Accepting() | Leased():
                if attempt.made:
                    self._call_off(job, "an earlier attempt was made after all", now)
                    self._back(job, receipt.reason, now)

    def _call_off(self, job: JobState, reason: str, now: Timestamp) -> None:
        """Give up the present attempt, which has not been granted."""
        match job.state:
            case Asking(offers=offers):
                for offer in offers.values():
                    self._release(offer.id, offer.author, reason, now)
            case Accepting(offer=offer):
                self._release(offer.id, offer.author, reason, now)
            case Leased():
                job.close("released", reason)
                self._give_up(job.current, reason, now)
            case _:
                pass

    def _give_up(self, attempt: Attempt, reason: str, now: Timestamp) -> None:
        """Tell an owner that its lease is wanted no more. Where the machine may have begun,
        the owner's word decides what became of it."""
        if attempt.release is None:
            attempt.release = self._letters.release(attempt.lease, attempt.owner, reason, now)
            self._out.append(effects.Keep(attempt.release))
        self._out.append(effects.Send(attempt.owner, attempt.release))

    # Time.

    def _advance(self, state: OrderState, now: Timestamp) -> None:
        rounds: dict[Timestamp, list[JobState]] = {}
        for job in state.jobs:
            self._advance_job(job, now)
            if isinstance(job.state, Asking):
                rounds.setdefault(job.state.until, []).append(job)
        for asking in rounds.values():
            if all(isinstance(j.state, Asking) and j.state.is_over(now) for j in asking):
                self._choose(state, asking, now)
        waiting = [j for j in state.jobs if isinstance(j.state, Waiting) and j.state.ask_at <= now]
        if waiting:
            self._ask(state, waiting, now)

    def _advance_job(self, job: JobState, now: Timestamp) -> None:
        match job.state:
            case Accepting(offer=offer, acceptance=acceptance, send_at=send_at, until=until):
                if now >= until:
                    self._back(job, "no answer to the acceptance", now, avoid=offer.author)
                elif now >= send_at:
                    at = Timestamp(now + self._timing.resend_ms)
                    job.state = replace(job.state, send_at=at)
                    self._out.append(effects.Send(offer.author, acceptance))
            case Leased(lease=lease, until=until, check_at=check_at):
                if now >= until:
                    job.close("not started", "not started in time")
                    self._give_up(job.current, "not started in time", now)
                    self._back(job, "not started in time", now, avoid=lease.author)
                elif now >= check_at:
                    self._check(job, job.state, now)
            case Granted(lease=lease, grant=grant, check_at=check_at):
                if now >= grant.body.until:
                    job.close("silent", "no word beyond the window and its grace")
                    self._back(job, "no word from the owner", now, avoid=lease.author)
                elif now >= check_at:
                    self._check(job, job.state, now)
            case Waiting() | Asking() | Done() | Dropped():
                pass

    def _check(self, job: JobState, state: Leased | Granted, now: Timestamp) -> None:
        job.state = replace(state, check_at=Timestamp(now + self._timing.check_ms))
        self._say_again(job, state)

    def _say_again(self, job: JobState, state: Leased | Granted) -> None:
        """Repeat the last word on a lease; its owner answers with where the slot stands."""
        spoken = state.acceptance if isinstance(state, Leased) else state.grant
        self._out.append(effects.Send(job.current.owner, job.current.release or spoken))

    def _ask(self, state: OrderState, jobs: list[JobState], now: Timestamp) -> None:
        wanted = [(job.index, job.pieces) for job in jobs]
        avoid = frozenset(owner for owner, until in state.avoid.items() if until > now)
        order, design = state.order, state.design
        lists = self._planner.shortlist(order, design, wanted, now, avoid)
        if avoid and not all(lists):
            others = self._planner.shortlist(order, design, wanted, now, frozenset())
            lists = [mine or other for mine, other in zip(lists, others, strict=True)]
        for job, owners in zip(jobs, lists, strict=True):
            if not owners:
                self._back(job, "no known machine can make it", now)
            elif job.epoch == EPOCHS_MAX:
                job.state = Dropped(f"not made in {EPOCHS_MAX} attempts")
            else:
                self._ask_for(state, job, owners, now)
        self._out.append(effects.Planned(order, design, tuple(wanted)))

    def _ask_for(
        self, state: OrderState, job: JobState, owners: list[NodeId], now: Timestamp
    ) -> None:
        job.epoch += 1
        requests: dict[RecordId, NodeId] = {}
        for owner in owners:
            request = self._letters.request(state, job, owner, now)
            requests[request.id] = owner
            self._orders.name(job, request.id)
            self._out.append(effects.Keep(request))
            self._out.append(effects.Send(owner, request))
        job.state = Asking(requests, Timestamp(now + self._timing.ask_ms))

    def _choose(self, state: OrderState, jobs: list[JobState], now: Timestamp) -> None:
        offers: dict[int, list[tuple[NodeId, RecordId, Offer]]] = {}
        records: dict[RecordId, Record] = {}
        for job in jobs:
            assert isinstance(job.state, Asking)
            records.update((offer.id, offer) for offer in job.state.offers.values())
            offers[job.index] = job.state.offered()
        chosen = self._planner.choose(state.order, state.design, offers, now)
        for job in jobs:
            taken = records.get(chosen.get(job.index, RecordId(b"")))
            for owner, identifier, _ in offers[job.index]:
                if taken is None or identifier != taken.id:
                    self._release(identifier, owner, "another offer was taken", now)
            if taken is None:
                assert isinstance(job.state, Asking)
                self._back(job, job.state.why_no_offer(), now)
            else:
                self._accept(job, taken, now)

    def _accept(self, job: JobState, offer: Record, now: Timestamp) -> None:
        acceptance = self._letters.acceptance(offer, now)
        self._orders.name(job, offer.id, acceptance.id)
        # The hold counts from when the owner signed, by the owner's clock.
        until = Timestamp(now + offer_of(offer).held_until - offer.body.at)
        send_at = Timestamp(now + self._timing.resend_ms)
        job.state = Accepting(offer, acceptance, send_at, until)
        self._out.append(effects.Keep(offer))
        self._out.append(effects.Keep(acceptance))
        self._out.append(effects.Send(offer.author, acceptance))

    def _back(
        self, job: JobState, reason: str, now: Timestamp, *, avoid: NodeId | None = None
    ) -> None:
        """Let what is missing be asked for anew: at once where an owner lets the order down
        for the first time, else after a while."""
        state = self._orders.get(job.order)
        if job.pieces == 0:
            job.state = Done()
            return
        if state.is_cancelled:
            job.state = Dropped("the order was cancelled")
            return
        wait_ms = 0
        if avoid is None or state.avoid.get(avoid, 0) > now:
            wait_ms = min(self._timing.retry_ms << min(job.failures, 20), RETRY_MS_MAX)
            job.failures += 1
        if avoid is not None:
            state.avoid[avoid] = Timestamp(now + self._timing.avoid_ms)
        job.state = Waiting(Timestamp(now + wait_ms), reason)

    def _release(self, about: RecordId, to: NodeId, reason: str, now: Timestamp) -> None:
        """Give up what there are no books of here. If this is lost, the owner asks or lets it
        lapse; so it is not kept, and nothing here rests on it."""
        self._out.append(effects.Send(to, self._letters.release(about, to, reason, now)))
