"""The buyer's side of a lease, from the order to the receipt. One rule a test."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from commonfab.protocol import effects
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease.attempts import (
    Accepting,
    Asking,
    Done,
    Dropped,
    Granted,
    Leased,
    Waiting,
)
from commonfab.protocol.lease.rounds import EPOCHS_MAX
from commonfab.protocol.records import (
    Acceptance,
    Design,
    Grant,
    Lease,
    Offer,
    Order,
    Receipt,
    Record,
    Release,
    Request,
)
from tests.builders import (
    GRACE_MS,
    HOUR_MS,
    NOON,
    ORDER,
    SECOND_MS,
    WINDOW_MS,
    a_lease,
    a_progress,
    a_receipt,
    a_refusal,
    a_release,
    an_offer,
    body_of,
    later,
)
from tests.protocol.desk import BOTH, BuyerDesk, FixedPlanner, to_bob, to_carol
from tests.protocol.signers import ALICE, BOB, CAROL

# From order to receipt.


def test_an_order_asks_the_shortlist_for_offers_on_each_job() -> None:
    alice = BuyerDesk(BOTH)

    requests = [body_of(letter, Request) for letter in alice.asking(4, 2)]

    assert [(r.to, r.job, r.pieces) for r in requests] == [
        (BOB.node, 0, 4),
        (CAROL.node, 0, 4),
        (BOB.node, 1, 2),
        (CAROL.node, 1, 2),
    ]
    assert {(r.order, r.epoch, r.grace_ms) for r in requests} == {(ORDER, 1, GRACE_MS)}
    assert isinstance(alice.job().state, Asking)


def test_the_best_offer_is_accepted_and_the_others_lapse() -> None:
    alice = BuyerDesk(BOTH)
    requests = alice.asking()
    slow = an_offer(to_bob(requests), window_ms=2 * WINDOW_MS)
    fast = an_offer(to_carol(requests), by=CAROL)

    (acceptance,) = [*alice.take(slow), *alice.take(fast)]

    assert body_of(acceptance, Acceptance).offer == fast.id
    assert isinstance(alice.job().state, Accepting)


@pytest.mark.rule("LEASE-16")
def test_an_offer_that_is_held_for_long_and_not_taken_is_given_back() -> None:
    alice = BuyerDesk(BOTH)
    requests = alice.asking()
    slow = an_offer(to_bob(requests), window_ms=2 * WINDOW_MS, held_until=NOON + HOUR_MS)

    release, _ = [*alice.take(slow), *alice.take(an_offer(to_carol(requests), by=CAROL))]

    assert (body_of(release, Release).to, body_of(release, Release).about) == (BOB.node, slow.id)


def test_offers_are_chosen_among_when_the_time_to_answer_is_over() -> None:
    alice = BuyerDesk(BOTH)
    offer = an_offer(to_bob(alice.asking()))
    assert alice.take(offer) == []

    (acceptance,) = alice.wait(3 * SECOND_MS)

    assert body_of(acceptance, Acceptance).offer == offer.id


@pytest.mark.rule("LEASE-23")
@pytest.mark.parametrize("wrong_ms", [-HOUR_MS, 0, HOUR_MS])
def test_an_offers_times_are_read_as_its_owner_meant_them(wrong_ms: int) -> None:
    planner = Listening()
    alice = BuyerDesk(planner)
    (request,) = alice.asking()
    alice.wait(SECOND_MS)

    alice.take(an_offer(request, at=NOON + wrong_ms))

    (offer,) = planner.offers
    assert (offer.at, offer.start, offer.end) == (alice.now, alice.now, alice.now + WINDOW_MS)
    assert offer.held_until == alice.now + 10 * SECOND_MS


@dataclass
class Listening(FixedPlanner):
    """Remembers what it was shown."""

    offers: list[Offer] = field(default_factory=list[Offer])

    def choose(
        self,
        order: Order,
        design: Design,
        offers: dict[int, list[tuple[NodeId, RecordId, Offer]]],
        now: Timestamp,
    ) -> dict[int, RecordId]:
        self.offers = [offer for offered in offers.values() for _, _, offer in offered]
        return super().choose(order, design, offers, now)


def test_jobs_that_were_asked_for_at_once_are_chosen_for_at_once() -> None:
    alice = BuyerDesk()
    first, second = alice.asking(4, 2)

    assert alice.take(an_offer(first)) == []
    assert len(alice.take(an_offer(second))) == 2


def test_jobs_that_were_asked_for_later_do_not_hold_up_the_others() -> None:
    alice = BuyerDesk()
    first, second = alice.asking(4, 2)
    offer = an_offer(first)
    acceptance, *_ = alice.take(offer, a_refusal(second))
    lease = a_lease(first, offer, acceptance)
    alice.wait(SECOND_MS)
    (again,) = alice.take(lease, a_release(lease, by=BOB, to=ALICE.node))
    alice.wait(SECOND_MS)
    assert isinstance(alice.job(1).state, Asking)

    (acceptance,) = alice.take(an_offer(again, at=alice.now))

    assert isinstance(alice.job(0).state, Accepting)


def test_a_lease_is_granted_when_its_machine_is_ready() -> None:
    alice = BuyerDesk()
    lease = alice.leased()
    assert isinstance(alice.job().state, Leased)

    (letter,) = alice.take(a_progress(lease))

    grant = body_of(letter, Grant)
    assert (grant.lease, grant.order, grant.job, grant.epoch) == (lease.id, ORDER, 0, 1)
    assert grant.until == NOON + GRACE_MS + WINDOW_MS + GRACE_MS
    assert isinstance(alice.job().state, Granted)


def test_progress_is_heard() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()

    alice.take(a_progress(lease, state="running", permille=250))

    state = alice.job().state
    assert isinstance(state, Granted)
    assert state.permille == 250


def test_a_receipt_for_all_pieces_ends_the_job_and_is_confirmed() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    receipt = a_receipt(lease)

    (confirmation,) = alice.take(receipt)

    said = body_of(confirmation, Receipt)
    assert (said.to, said.statement, said.about) == (BOB.node, "confirmed", receipt.id)
    assert (said.lease, said.pieces) == (lease.id, 4)
    assert isinstance(alice.job().state, Done)
    assert alice.order().is_over()
    assert (alice.order().pieces_made(), alice.order().surplus()) == (4, 0)
    assert alice.wake_at() is None


# What is kept, and when.


@pytest.mark.rule("LEASE-2")
def test_all_that_a_buyer_says_is_kept_before_it_is_said() -> None:
    alice = BuyerDesk()
    lease, grant = alice.granted()
    alice.take(a_receipt(lease))

    kinds = [record.kind for record in alice.disk]

    assert kinds == [
        "design",
        "order",
        "request",
        "offer",
        "acceptance",
        "lease",
        "grant",
        "receipt",
        "receipt",
    ]
    assert alice.kept(Grant) == [grant]


@pytest.mark.rule("LEASE-2")
@pytest.mark.parametrize("event", ["request", "acceptance", "grant", "receipt"])
def test_nothing_is_sent_before_all_that_it_rests_on_is_kept(event: str) -> None:
    alice = BuyerDesk()
    match event:
        case "request":
            alice.asking()
        case "acceptance":
            alice.accepting()
        case "grant":
            alice.granted()
        case _:
            lease, _ = alice.granted()
            alice.take(a_receipt(lease))

    first = next(i for i, e in enumerate(alice.effects) if isinstance(e, effects.Send))
    assert alice.of(effects.Send)[0].record in alice.disk
    assert not any(isinstance(e, effects.Keep) for e in alice.effects[first:])


# What a lease must say.

WRONG: dict[str, dict[str, Any]] = {
    "another order": {"order": b"order number two"},
    "another job": {"job": 1},
    "another epoch": {"epoch": 2},
    "another machine": {"machine": "mk4", "stream": "lease/mk4"},
    "another request": {"request": bytes(32)},
    "a later start": {"start": NOON + 1},
    "a later end": {"end": NOON + WINDOW_MS + 1},
    "a longer wait": {"start_by": NOON + HOUR_MS},
}


@pytest.mark.rule("LEASE-9")
@pytest.mark.parametrize("what", [w for w in WRONG if w != "another request"])
def test_a_lease_that_says_other_than_the_offer_is_released_and_the_job_asked_for_anew(
    what: str,
) -> None:
    alice = BuyerDesk()
    wrong = a_lease(*alice.accepting(), **WRONG[what])

    release, request = alice.take(wrong)

    assert body_of(release, Release).about == wrong.id
    assert body_of(request, Request).epoch == 2
    assert alice.kept(Lease) == []


@pytest.mark.rule("LEASE-9")
def test_a_lease_on_what_was_not_asked_for_is_released() -> None:
    alice = BuyerDesk()
    wrong = a_lease(*alice.accepting(), request=bytes(32))

    (release,) = alice.take(wrong)

    assert body_of(release, Release).about == wrong.id
    assert isinstance(alice.job().state, Accepting)


# Grants and epochs.


@pytest.mark.rule("LEASE-11")
def test_a_grant_that_was_lost_is_sent_again_as_it_was() -> None:
    alice = BuyerDesk()
    lease, grant = alice.granted()

    assert alice.take(a_progress(lease)) == [grant]

    assert alice.kept(Grant) == [grant]


@pytest.mark.rule("LEASE-11")
def test_a_machine_that_is_ready_for_an_earlier_attempt_gets_no_grant() -> None:
    alice = BuyerDesk()
    lease = alice.leased()
    alice.take(a_release(lease, by=BOB, to=ALICE.node))

    (release,) = alice.take(a_progress(lease))

    assert body_of(release, Release).about == lease.id
    assert alice.kept(Grant) == []


@pytest.mark.rule("LEASE-11")
def test_a_machine_that_is_ready_for_a_lease_that_was_never_heard_of_gets_no_grant() -> None:
    alice = BuyerDesk()
    unheard = a_lease(*alice.accepting())
    alice.wait(10 * SECOND_MS)

    (release,) = alice.take(a_progress(unheard))

    assert body_of(release, Release).about == unheard.id


NOES: dict[str, tuple[Callable[[Record, Record], Record], str]] = {
    "release": (
        lambda lease, grant: a_release(lease, by=BOB, to=ALICE.node, reason="jam"),
        "released",
    ),
    "refusal": (lambda lease, grant: a_refusal(grant, reason="jam"), "released"),
    "failed": (
        lambda lease, grant: a_receipt(lease, statement="failed", pieces=0, reason="jam"),
        "failed",
    ),
}


@pytest.mark.rule("LEASE-12")
@pytest.mark.parametrize("what", NOES)
def test_a_granted_job_is_asked_for_anew_when_its_owner_gives_it_up(what: str) -> None:
    alice = BuyerDesk()
    answer, outcome = NOES[what]

    sent = alice.take(answer(*alice.granted()))

    request = body_of(sent[-1], Request)
    assert (request.epoch, request.pieces) == (2, 4)
    attempt = alice.job().attempts[0]
    assert (attempt.outcome, attempt.reason) == (outcome, "jam")


@pytest.mark.rule("LEASE-18")
def test_an_owner_that_spoilt_a_job_once_may_be_asked_first_again_but_not_after_twice() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    again = alice.take(a_receipt(lease, statement="failed", pieces=0, reason="jam"))[-1]
    offer = an_offer(again, at=alice.now)
    (acceptance,) = alice.take(offer)
    second = a_lease(again, offer, acceptance, at=alice.now)
    alice.take(second)
    alice.take(a_progress(second, at=alice.now))
    alice.planner.owners = (BOB, CAROL)

    sent = alice.take(a_receipt(second, statement="failed", pieces=0, reason="jam"))

    requests = [letter.body for letter in sent if isinstance(letter.body, Request)]
    assert body_of(again, Request).to == BOB.node
    assert [(request.to, request.epoch) for request in requests] == [(CAROL.node, 3)]


@pytest.mark.rule("LEASE-12")
def test_while_a_grant_may_be_at_work_there_is_no_next_epoch() -> None:
    alice = BuyerDesk()
    _, grant = alice.granted()
    until = body_of(grant, Grant).until

    early = alice.wait_long(until - alice.now - 1)
    late = alice.wait_long(1)

    assert all(letter == grant for letter in early)
    assert body_of(late[0], Request).epoch == 2
    assert alice.job().attempts[0].outcome == "silent"


@pytest.mark.rule("LEASE-12")
def test_a_grant_runs_from_when_its_owner_asked_however_far_back_it_says_that_was() -> None:
    alice = BuyerDesk()
    lease = alice.leased()

    (grant,) = alice.take(a_progress(lease, at=0))

    assert body_of(grant, Grant).until == NOON + GRACE_MS + WINDOW_MS + GRACE_MS


@pytest.mark.rule("LEASE-12")
def test_a_lease_that_is_not_started_in_time_is_given_back() -> None:
    alice = BuyerDesk()
    lease = alice.leased()

    sent = alice.wait_long(2 * GRACE_MS)

    assert body_of(sent[0], Release).about == lease.id
    assert alice.kept(Release) == [sent[0]]
    assert body_of(sent[1], Request).epoch == 2
    assert alice.job().attempts[0].outcome == "not started"


@pytest.mark.rule("LEASE-12")
def test_an_acceptance_without_an_answer_is_given_up_when_the_offer_has_lapsed() -> None:
    alice = BuyerDesk()
    *_, acceptance = alice.accepting()

    sent = alice.wait_long(10 * SECOND_MS)

    assert sent[:9] == [acceptance] * 9
    assert body_of(sent[-1], Request).epoch == 2


@pytest.mark.rule("LEASE-12")
@pytest.mark.parametrize("kind", ["refusal", "release"])
def test_an_acceptance_that_is_answered_with_a_no_is_given_up(kind: str) -> None:
    alice = BuyerDesk()
    _, offer, acceptance = alice.accepting()
    if kind == "refusal":
        answer = a_refusal(acceptance, reason="gone")
    else:
        answer = a_release(offer, by=BOB, to=ALICE.node, reason="gone")

    alice.take(answer)

    assert alice.job().state == Waiting(later(2000), "gone")


@pytest.mark.rule("LEASE-12")
def test_an_offer_that_is_withdrawn_is_not_chosen() -> None:
    alice = BuyerDesk(BOTH)
    requests = alice.asking()
    first, second = an_offer(to_bob(requests)), an_offer(to_carol(requests), by=CAROL, window_ms=1)
    alice.take(second)
    alice.take(a_release(second, by=CAROL, to=ALICE.node))

    (acceptance,) = alice.take(first)

    assert body_of(acceptance, Acceptance).offer == first.id


def test_a_job_is_tried_a_bounded_number_of_times() -> None:
    alice = BuyerDesk()
    alice.asking()
    alice.job().epoch = EPOCHS_MAX

    alice.wait(3 * SECOND_MS)
    alice.wait(HOUR_MS)

    assert alice.job().state == Dropped(f"not made in {EPOCHS_MAX} attempts")


class OneAtATime(FixedPlanner):
    """Asks only the best."""

    def shortlist(
        self,
        order: Order,
        design: Design,
        jobs: list[tuple[int, int]],
        now: Timestamp,
        avoid: frozenset[NodeId],
    ) -> list[list[NodeId]]:
        found = super().shortlist(order, design, jobs, now, avoid)
        return [owners[:1] for owners in found]


@pytest.mark.rule("LEASE-18")
def test_an_owner_that_claims_the_best_machine_and_says_nothing_is_not_asked_first_again() -> None:
    alice = BuyerDesk(OneAtATime(owners=(BOB, CAROL)))
    (first,) = alice.asking()

    asked = [body_of(each, Request).to for each in alice.wait_long(2 * GRACE_MS)]

    assert body_of(first, Request).to == BOB.node
    assert asked[0] == CAROL.node
