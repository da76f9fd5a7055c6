"""A job that leaves its lease for a better machine: the buyer's side and the owner's."""

from collections.abc import Callable

import pytest

from commonfab.protocol import events
from commonfab.protocol.ids import OrderId, Timestamp
from commonfab.protocol.lease.attempts import (
    Accepting,
    Comparing,
    Granted,
    Leased,
    Waiting,
)
from commonfab.protocol.lease.owner import Timing
from commonfab.protocol.lease.slots import Leased as SlotLeased
from commonfab.protocol.lease.waits import Timing as Waits
from commonfab.protocol.limits import MINUTE_MS, SECOND_MS
from commonfab.protocol.records import (
    Acceptance,
    Grant,
    Offer,
    Record,
    Refusal,
    Release,
    Request,
)
from tests.builders import (
    ORDER,
    WINDOW_MS,
    a_lease,
    a_progress,
    a_refusal,
    a_release,
    a_request,
    an_offer,
    body_of,
)
from tests.protocol.desk import BuyerDesk, FixedPlanner, FixedQuoter, OwnerDesk
from tests.protocol.signers import ALICE, BOB, CAROL

FOUND = events.MachineFound(OrderId(ORDER), 0)
BETTER_MS = WINDOW_MS // 2


def leased() -> tuple[BuyerDesk, Record]:
    """Return Alice, and Bob's lease; the planner knows of Carol by now."""
    alice = BuyerDesk(FixedPlanner(owners=(BOB,)))
    lease = alice.leased()
    alice.planner.owners = (BOB, CAROL)
    return alice, lease


def comparing() -> tuple[BuyerDesk, Record, Record]:
    """Return Alice, Bob's lease, and the request to Carol."""
    alice, lease = leased()
    (request,) = alice.happen(FOUND)
    return alice, lease, request


def leaving() -> tuple[BuyerDesk, Record, Record, Record]:
    """Return Alice, Bob's lease, Carol's offer, and the question to Bob."""
    alice, lease, request = comparing()
    offer = an_offer(request, CAROL, at=alice.now, window_ms=BETTER_MS)
    (question,) = alice.take(offer)
    return alice, lease, offer, question


def state_of(alice: BuyerDesk) -> Leased:
    state = alice.job().state
    assert isinstance(state, Leased)
    return state


@pytest.mark.rule("LEASE-35")
def test_others_are_asked_for_a_leased_job_when_a_better_machine_is_found() -> None:
    alice, lease, request = comparing()

    body = body_of(request, Request)
    assert (body.to, body.epoch, body.instead) == (CAROL.node, 2, lease.id)
    assert isinstance(state_of(alice).move, Comparing)
    assert request in alice.kept(Request)


@pytest.mark.rule("LEASE-35")
def test_a_better_offer_is_taken_only_when_the_owner_has_given_the_lease_back() -> None:
    alice, lease, offer, question = leaving()

    asked = body_of(question, Release)
    (acceptance,) = alice.take(a_release(lease, BOB, to=ALICE.node))

    assert (asked.to, asked.about, asked.if_gain) == (BOB.node, lease.id, True)
    assert body_of(acceptance, Acceptance).offer == offer.id
    assert isinstance(alice.job().state, Accepting)
    assert alice.job().attempts[0].outcome == "released"
    assert alice.order().avoid == {}


@pytest.mark.rule("LEASE-35")
def test_a_job_that_left_is_leased_at_the_better_machine() -> None:
    alice, lease, offer, _ = leaving()
    (acceptance,) = alice.take(a_release(lease, BOB, to=ALICE.node))
    request = alice.kept(Request)[-1]

    better = a_lease(request, offer, acceptance, CAROL, at=alice.now)
    alice.take(better)
    (grant,) = alice.take(a_progress(better, CAROL, at=alice.now))

    assert body_of(grant, Grant).epoch == 2
    assert [attempt.owner for attempt in alice.job().attempts] == [BOB.node, CAROL.node]


@pytest.mark.rule("LEASE-35")
def test_an_offer_that_is_no_better_lapses_and_the_lease_stands() -> None:
    alice, lease, request = comparing()

    sent = alice.take(an_offer(request, CAROL, at=alice.now, window_ms=2 * WINDOW_MS))

    assert sent == []
    assert (state_of(alice).lease, state_of(alice).move) == (lease, None)


@pytest.mark.rule("LEASE-35")
def test_an_owner_that_keeps_a_lease_ends_the_question() -> None:
    alice, lease, _, question = leaving()

    sent = alice.take(a_refusal(question, BOB))

    assert sent == []
    assert (state_of(alice).lease, state_of(alice).move) == (lease, None)


@pytest.mark.rule("LEASE-35")
def test_a_question_is_said_again_and_dropped_while_the_better_offer_is_still_held() -> None:
    alice, lease, offer, question = leaving()
    held_ms = body_of(offer, Offer).held_until - alice.now

    again = alice.wait_long(held_ms // 2)

    assert set(again) == {question}
    assert (state_of(alice).lease, state_of(alice).move) == (lease, None)


@pytest.mark.rule("LEASE-35")
def test_a_lease_that_is_given_back_too_late_for_the_better_offer_is_asked_for_anew() -> None:
    alice, lease, _, _ = leaving()
    alice.now = Timestamp(alice.now + 10 * SECOND_MS)

    sent = alice.take(a_release(lease, BOB, to=ALICE.node))

    assert {body_of(letter, Request).epoch for letter in sent} == {3}


@pytest.mark.rule("LEASE-35")
@pytest.mark.parametrize("stage", [comparing, leaving])
def test_a_job_whose_turn_comes_first_is_granted_where_it_is(
    stage: Callable[[], tuple[BuyerDesk, Record, *tuple[Record, ...]]],
) -> None:
    alice, lease, *_ = stage()

    (grant,) = alice.take(a_progress(lease, at=alice.now))

    assert body_of(grant, Grant).epoch == 1
    assert isinstance(alice.job().state, Granted)


@pytest.mark.rule("LEASE-35")
@pytest.mark.rule("LEASE-22")
@pytest.mark.parametrize("stage", [comparing, leaving])
def test_a_node_that_starts_again_still_has_the_lease_that_it_would_have_left(
    stage: Callable[[], tuple[BuyerDesk, Record, *tuple[Record, ...]]],
) -> None:
    alice, lease, *_ = stage()

    alice.restart()
    (grant,) = alice.take(a_progress(lease, at=alice.now))

    assert body_of(grant, Grant).epoch == 1
    alice.restart()
    assert isinstance(alice.job().state, Granted)


@pytest.mark.rule("LEASE-35")
@pytest.mark.rule("LEASE-22")
def test_a_node_that_starts_again_goes_on_with_the_offer_that_it_left_for() -> None:
    alice, lease, offer, _ = leaving()
    alice.take(a_release(lease, BOB, to=ALICE.node))

    alice.restart()

    state = alice.job().state
    assert isinstance(state, Accepting)
    assert state.offer == offer


@pytest.mark.rule("LEASE-35")
def test_a_machine_is_found_again_only_after_a_while() -> None:
    alice = BuyerDesk(FixedPlanner(owners=(BOB,)))
    lease = a_lease(
        *alice.accepting(window_ms=4 * Waits().look_ms, length_ms=WINDOW_MS), at=alice.now
    )
    alice.take(lease)
    alice.planner.owners = (CAROL,)
    (request,) = alice.happen(FOUND)
    alice.take(a_refusal(request, CAROL))

    assert alice.happen(FOUND) == []
    alice.wait(Waits().look_ms)
    assert [body_of(letter, Request).to for letter in alice.happen(FOUND)] == [CAROL.node]


@pytest.mark.rule("LEASE-35")
def test_an_owner_alone_is_not_asked_against_itself() -> None:
    alice = BuyerDesk()
    alice.leased()

    assert alice.happen(FOUND) == []


def test_a_job_that_waits_is_asked_for_at_once_when_a_machine_is_found() -> None:
    alice = BuyerDesk(FixedPlanner(owners=()))
    alice.asking()
    assert isinstance(alice.job().state, Waiting)
    alice.planner.owners = (CAROL,)

    (request,) = alice.happen(FOUND)

    assert body_of(request, Request).instead is None


def test_a_release_that_is_a_question_ends_nothing_for_a_buyer() -> None:
    alice, lease = leased()

    alice.take(a_release(lease, BOB, to=ALICE.node, if_gain=True))

    assert state_of(alice).lease == lease


# The owner.


def with_two_leases() -> tuple[OwnerDesk, Record, Record]:
    """Return Bob, whose machine runs, and two leases that wait for it."""
    bob = OwnerDesk(FixedQuoter(), timing=Timing(leeway_permille=0))
    bob.running(a_request(job=1))
    first = bob.leased(a_request(job=2))
    second = bob.leased(a_request(job=3))
    return bob, first, second


def asked_to_let_go(lease: Record) -> Record:
    return a_release(lease, ALICE, to=BOB.node, if_gain=True)


@pytest.mark.rule("LEASE-36")
def test_an_owner_gives_a_lease_back_if_another_can_be_made_earlier() -> None:
    bob, first, second = with_two_leases()

    (answer,) = bob.take(asked_to_let_go(first))

    assert (answer.author, body_of(answer, Release).about) == (BOB.node, first.id)
    assert answer in bob.kept(Release)
    assert [slot.lease for slot in bob.slots() if isinstance(slot.state, SlotLeased)] == [second]


@pytest.mark.rule("LEASE-36")
def test_an_owner_keeps_a_lease_if_nobody_gains() -> None:
    bob, _, _ = with_two_leases()
    last = bob.leased(a_request(job=4))

    question = asked_to_let_go(last)
    (answer,) = bob.take(question)

    assert body_of(answer, Refusal).about == question.id
    assert last in [slot.lease for slot in bob.slots()]


@pytest.mark.rule("LEASE-36")
def test_an_owner_gives_a_lease_back_that_it_cannot_keep() -> None:
    bob = OwnerDesk()
    bob.running(a_request(job=1))
    lease = bob.leased()

    bob.wait(WINDOW_MS + MINUTE_MS // 2)
    answers = bob.take(asked_to_let_go(lease))

    assert any(isinstance(answer.body, Release) for answer in answers)


@pytest.mark.rule("LEASE-36")
def test_an_owner_keeps_a_lease_that_it_has_asked_the_grant_for() -> None:
    bob = OwnerDesk()
    lease = bob.leased()

    (answer,) = bob.take(asked_to_let_go(lease))

    assert isinstance(answer.body, Refusal)


@pytest.mark.rule("LEASE-36")
def test_a_stranger_cannot_ask_a_lease_away() -> None:
    bob, first, _ = with_two_leases()

    answers = bob.take(a_release(first, CAROL, to=BOB.node, if_gain=True))

    assert answers == []
    assert first in [slot.lease for slot in bob.slots()]


@pytest.mark.rule("LEASE-16")
@pytest.mark.rule("LEASE-36")
def test_a_question_that_comes_again_is_answered_with_the_same_release() -> None:
    bob, first, _ = with_two_leases()
    (answer,) = bob.take(asked_to_let_go(first))

    assert bob.take(asked_to_let_go(first)) == [answer]
