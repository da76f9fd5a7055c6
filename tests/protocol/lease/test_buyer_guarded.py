"""The buyer's side of orders with guardians, of patient ones, and of those made whole or not."""

from collections.abc import Sequence

import pytest

from commonfab.protocol import events
from commonfab.protocol.author import Author
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.attempts import (
    Accepting,
    Asking,
    Done,
    Dropped,
    Granted,
    Leased,
    Waiting,
)
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.guardian import papers_of
from commonfab.protocol.lease.restore import restore_orders
from commonfab.protocol.lease.votes import Votes
from commonfab.protocol.lease.waits import Timing
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.records import (
    Acceptance,
    Design,
    Evidence,
    Grant,
    Offer,
    Order,
    Record,
    Request,
)
from tests.builders import (
    GRACE_MS,
    HOUR_MS,
    NOON,
    ORDER,
    SECOND_MS,
    WINDOW_MS,
    a_design,
    a_grant,
    a_lease,
    a_progress,
    a_receipt,
    a_release,
    a_request,
    a_window,
    an_acceptance,
    an_evidence,
    an_offer,
    an_order,
    body_of,
    later,
)
from tests.protocol.desk import BuyerDesk, FixedPlanner
from tests.protocol.signers import ALICE, BOB, CAROL, EVE, Person

DAVE = Person(b"dave" + bytes(28))
GUARDIANS = (ALICE.node, CAROL.node, DAVE.node)
PATIENCE_MS = 2 * DAY_MS


def guarded() -> tuple[BuyerDesk, Record]:
    """Return Alice, whose order has guardians, and her lease."""
    alice = BuyerDesk()
    return alice, leased_by(alice)


def leased_by(alice: BuyerDesk) -> Record:
    (request,) = of_kind(alice.asking(guardians=GUARDIANS), Request)
    offer = an_offer(request)
    (acceptance,) = alice.take(offer)
    lease = a_lease(request, offer, acceptance)
    alice.take(lease)
    return lease


def of_kind(letters: Sequence[Record], kind: type) -> list[Record]:
    return [letter for letter in letters if isinstance(letter.body, kind)]


# Guardians.


@pytest.mark.rule("LEASE-27")
def test_the_other_guardians_are_shown_an_order_at_once_and_now_and_then() -> None:
    alice = BuyerDesk()

    at_once = of_kind(alice.asking(guardians=GUARDIANS), Evidence)
    again = of_kind(alice.wait_long(Timing().show_ms), Evidence)

    assert [body_of(each, Evidence).to for each in at_once] == [CAROL.node, DAVE.node]
    assert [paper.kind for paper in papers_of(at_once[0])] == ["order", "design"]
    assert len(again) == 2


@pytest.mark.rule("LEASE-27")
def test_requests_name_the_guardians() -> None:
    (request,) = of_kind(BuyerDesk().asking(guardians=GUARDIANS), Request)

    assert body_of(request, Request).guardians == GUARDIANS


@pytest.mark.rule("LEASE-28")
def test_a_lease_that_runs_by_the_grants_of_others_is_granted_here_too() -> None:
    alice, lease = guarded()

    (grant,) = of_kind(alice.take(a_progress(lease, state="running")), Grant)

    assert body_of(grant, Grant).lease == lease.id
    assert isinstance(alice.job().state, Granted)


@pytest.mark.rule("LEASE-13")
def test_what_was_made_by_the_grants_of_others_counts() -> None:
    alice, lease = guarded()

    alice.take(a_receipt(lease))
    alice.restart()

    assert isinstance(alice.job().state, Done)
    assert alice.job().made() == 4


@pytest.mark.rule("LEASE-29")
def test_a_guardian_that_wonders_gets_an_answer_also_when_all_is_over() -> None:
    alice, lease = guarded()
    question = an_evidence(CAROL, [alice.order().record, alice.order().design_record])
    shown = events.Shown(question, tuple(papers_of(question)))

    open_now = of_kind(alice.happen(shown), Evidence)
    alice.take(a_receipt(lease))
    over_now = of_kind(alice.happen(shown), Evidence)

    assert [body_of(each, Evidence).over for each in (*open_now, *over_now)] == [
        False, False, True, True,
    ]  # fmt: skip


@pytest.mark.rule("LEASE-29")
def test_what_another_guardian_had_made_counts_once_over_restarts_too() -> None:
    alice = BuyerDesk()
    alice.asking(guardians=GUARDIANS)
    shown = shown_by(CAROL, *a_deal(DAVE))

    for _ in range(2):
        alice.happen(shown)
    alice.disk.append(shown.letter)  # As her guardian's side keeps it.
    alice.restart()

    assert alice.job().made() == 4
    assert isinstance(alice.job().state, Done)


def a_deal(asked_by: Person) -> list[Record]:
    """Return what a guardian had made: the request, offer, lease and receipt."""
    request = a_request(asked_by, guardians=GUARDIANS, epoch=5)
    offer = an_offer(request)
    lease = a_lease(request, offer, an_acceptance(offer, asked_by))
    return [request, offer, lease, a_receipt(lease)]


def shown_by(who: Person, *papers: Record) -> events.Shown:
    return events.Shown(an_evidence(who, papers), papers)


# Who goes on with it.


def entrusted(*deals: Record) -> tuple[BuyerDesk, list[Record]]:
    """Return Carol, who goes on with Alice's order, and what she says first."""
    carol = BuyerDesk()
    carol.side = Buyer(Author(CAROL), carol.planner)
    design = a_design()
    order = an_order(design, guardians=GUARDIANS)
    known = ((deals[0], deals[1], deals[2], deals[3]),) if deals else ()
    carol.disk.append(an_evidence(ALICE, [order, design]))
    return carol, carol.happen(events.Entrusted(order, design, known))


@pytest.mark.rule("LEASE-29")
def test_a_guardian_asks_in_its_own_name_for_what_is_missing() -> None:
    _, said = entrusted()

    (request,) = of_kind(said, Request)
    body = body_of(request, Request)
    assert (request.author, body.order, body.guardians) == (CAROL.node, ORDER, GUARDIANS)


@pytest.mark.rule("LEASE-29")
def test_a_guardian_makes_nothing_again() -> None:
    carol, said = entrusted(*a_deal(ALICE))

    assert of_kind(said, Request) == []
    assert isinstance(carol.job().state, Done)


@pytest.mark.rule("LEASE-29")
def test_a_buyer_that_is_back_gets_its_order_back() -> None:
    carol, _ = entrusted()
    state = carol.order()

    carol.happen(shown_by(ALICE, state.record, state.design_record))

    assert isinstance(carol.job().state, Dropped)


@pytest.mark.rule("LEASE-22")
@pytest.mark.rule("LEASE-29")
def test_what_a_guardian_had_granted_is_watched_after_its_restart() -> None:
    carol, said = entrusted()
    (request,) = of_kind(said, Request)
    offer = an_offer(request)
    (acceptance,) = carol.take(offer)
    lease = a_lease(request, offer, acceptance)
    carol.take(lease, a_progress(lease))

    (order,) = restore_orders(carol.disk, CAROL.node, carol.now)

    assert isinstance(order.jobs[0].state, Granted)
    assert order.is_cancelled


# Whole or not at all.


class Choosy(FixedPlanner):
    """Knows an owner for the jobs up to one."""

    up_to = 0

    def shortlist(
        self,
        order: Order,
        design: Design,
        jobs: list[tuple[int, int]],
        now: Timestamp,
        avoid: frozenset[NodeId],
    ) -> list[list[NodeId]]:
        found = super().shortlist(order, design, jobs, now, avoid)
        return [
            owners if job <= self.up_to else []
            for (job, _), owners in zip(jobs, found, strict=True)
        ]


@pytest.mark.rule("LEASE-31")
def test_of_a_whole_order_no_offer_is_taken_before_each_job_has_one() -> None:
    alice = BuyerDesk()
    first, _ = alice.asking(4, 2, whole=True)
    offer = an_offer(first)

    assert alice.take(offer) == []
    assert alice.wait(3 * SECOND_MS) == []

    assert [type(job.state) for job in alice.order().jobs] == [Waiting, Waiting]
    assert alice.job(0).state == Waiting(
        later(5 * SECOND_MS), "another part of the order has no offer"
    )


@pytest.mark.rule("LEASE-31")
def test_of_a_whole_order_all_offers_are_taken_together() -> None:
    alice = BuyerDesk()
    requests = alice.asking(4, 2, whole=True)
    offers = [
        an_offer(request, start=NOON + job * WINDOW_MS, end=NOON + (job + 1) * WINDOW_MS)
        for job, request in enumerate(requests)
    ]

    letters = alice.take(*offers)

    assert [type(letter.body) for letter in letters] == [Acceptance, Acceptance]


@pytest.mark.rule("LEASE-31")
def test_of_a_whole_order_nobody_is_asked_while_a_part_has_no_machine() -> None:
    choosy = Choosy()
    alice = BuyerDesk(choosy)

    assert alice.asking(4, 2, whole=True) == []
    choosy.up_to = 1

    assert len(alice.wait_long(2 * SECOND_MS)) == 2


@pytest.mark.rule("LEASE-31")
def test_once_a_job_is_leased_the_others_are_placed_one_by_one() -> None:
    alice = BuyerDesk()
    first, second = alice.asking(4, 2, whole=True)
    offers = [an_offer(first), an_offer(second, start=later(WINDOW_MS), end=later(2 * WINDOW_MS))]
    acceptance, _ = alice.take(*offers)
    alice.take(a_lease(first, offers[0], acceptance))

    (again, *_) = alice.take(a_release(offers[1], BOB, to=ALICE.node)) or alice.wait(2 * SECOND_MS)

    assert body_of(again, Request).job == 1
    assert isinstance(alice.job(0).state, Leased)


# Patience.


@pytest.mark.rule("LEASE-30")
def test_a_patient_buyer_waits_for_offers_leases_and_ends_as_long_as_letters_take() -> None:
    alice = BuyerDesk()
    (request,) = alice.asking(patience_ms=PATIENCE_MS)
    body = body_of(request, Request)
    assert body.until >= NOON + PATIENCE_MS
    assert body.patience_ms == PATIENCE_MS
    assert alice.wait_long(PATIENCE_MS - HOUR_MS) == []
    assert isinstance(alice.job().state, Asking)

    offer = an_offer(request, at=alice.now)
    (acceptance,) = alice.take(offer)
    alice.wait_long(PATIENCE_MS - HOUR_MS)
    assert isinstance(alice.job().state, Accepting)

    (grant,) = of_kind(alice.take(a_patient_lease(request, offer, acceptance)), Grant)
    assert isinstance(alice.job().state, Granted)
    assert body_of(grant, Grant).until >= alice.now + PATIENCE_MS + WINDOW_MS + GRACE_MS


def a_patient_lease(request: Record, offer: Record, acceptance: Record) -> Record:
    start_by = body_of(offer, Offer).start + PATIENCE_MS
    return a_lease(request, offer, acceptance, at=offer.body.at, start_by=start_by)


@pytest.mark.rule("LEASE-30")
def test_a_patient_buyers_acceptance_is_said_again_seldom() -> None:
    alice = BuyerDesk()
    (request,) = alice.asking(patience_ms=PATIENCE_MS)
    alice.take(an_offer(request))

    assert 8 <= len(alice.wait_long(PATIENCE_MS // 2 + 1)) <= 9


# Windows.


@pytest.mark.rule("LEASE-25")
def test_a_lease_whose_window_its_owner_calls_over_is_over() -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting()
    half = a_window(offer, acceptance)
    alice.take(a_lease(request, offer, acceptance, window=half.data))
    following = a_window(offer, acceptance, over=(half.id,))

    alice.take(a_window(offer, acceptance, EVE, over=(half.id,)))
    assert isinstance(alice.job().state, Leased)
    (again,) = alice.take(following)

    assert body_of(again, Request).epoch == 2
    assert alice.job().attempts[0].outcome == "released"


@pytest.mark.rule("LEASE-16")
def test_a_question_for_a_grant_that_overtakes_its_lease_does_not_end_it() -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting()
    lease = a_lease(request, offer, acceptance)

    assert alice.take(a_progress(lease)) == []
    alice.take(lease)
    (grant,) = alice.take(a_progress(lease))

    assert isinstance(grant.body, Grant)


def test_nothing_is_granted_that_this_node_granted_otherwise_as_a_guardian() -> None:
    alice = BuyerDesk()
    votes = Votes()
    alice.side = Buyer(Author(ALICE), alice.planner, votes=votes)
    lease = leased_by(alice)
    votes.enter(a_grant(lease, lease=bytes(32)))

    assert of_kind(alice.take(a_progress(lease)), Grant) == []
    assert isinstance(alice.job().state, Leased)
