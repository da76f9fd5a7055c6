"""The buyer's side of a lease: waiting, asking again, cancelling. One rule a test."""

import pytest

from commonfab.protocol import events
from commonfab.protocol.ids import OrderId
from commonfab.protocol.lease.attempts import Dropped, Granted, Waiting
from commonfab.protocol.lease.waits import RETRY_MS_MAX
from commonfab.protocol.records import (
    Order,
    Release,
    Request,
)
from tests.builders import (
    HOUR_MS,
    MINUTE_MS,
    NOON,
    ORDER,
    SECOND_MS,
    a_lease,
    a_progress,
    a_receipt,
    a_refusal,
    a_release,
    an_offer,
    body_of,
)
from tests.protocol.desk import BOTH, NOBODY, BuyerDesk, to_bob
from tests.protocol.signers import ALICE, BOB, CAROL

# Waiting.


@pytest.mark.rule("LEASE-18")
def test_a_job_that_nobody_takes_is_asked_for_ever_more_slowly() -> None:
    alice = BuyerDesk(NOBODY)
    alice.asking()
    waits: list[int] = []
    for _ in range(10):
        state = alice.job().state
        assert isinstance(state, Waiting)
        assert state.reason == "no known machine can make it"
        waits.append(state.ask_at - alice.now)
        alice.wait(waits[-1])

    assert waits == [min(2000 << n, RETRY_MS_MAX) for n in range(10)]


@pytest.mark.rule("LEASE-18")
def test_another_owner_is_asked_at_once_when_one_lets_the_order_down() -> None:
    alice = BuyerDesk(BOTH)
    requests = alice.asking()
    offer = an_offer(to_bob(requests))
    alice.take(offer)
    (acceptance,) = alice.wait(3 * SECOND_MS)
    lease = a_lease(to_bob(requests), offer, acceptance)
    alice.take(lease)

    (request,) = alice.take(a_release(lease, by=BOB, to=ALICE.node))

    assert body_of(request, Request).to == CAROL.node


@pytest.mark.rule("LEASE-18")
def test_the_only_owner_there_is_is_asked_again_but_not_in_a_hurry() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    for _ in range(2):
        (request,) = alice.take(a_receipt(lease, statement="failed", pieces=0))[1:]
        offer = an_offer(request)
        (acceptance,) = alice.take(offer)
        lease = a_lease(request, offer, acceptance)
        alice.take(lease, a_progress(lease))

    alice.take(a_receipt(lease, statement="failed", pieces=0))

    state = alice.job().state
    assert isinstance(state, Waiting)
    assert state.ask_at == alice.now + 2000


@pytest.mark.rule("LEASE-18")
@pytest.mark.parametrize("word", ["acceptance", "grant"])
def test_without_a_word_on_a_lease_its_owner_is_asked_now_and_then(word: str) -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting(start=NOON + HOUR_MS, end=NOON + 2 * HOUR_MS)
    lease = a_lease(request, offer, acceptance)
    alice.take(lease)
    last = acceptance
    if word == "grant":
        (last,) = alice.take(a_progress(lease))

    assert alice.wait_long(15 * MINUTE_MS) == []
    assert alice.wait_long(15 * MINUTE_MS) == [last, last]
    assert len(alice.wait_long(20 * MINUTE_MS)) == 3, "the more often the nearer the end"


def test_a_lease_that_its_owner_no_longer_knows_is_given_up() -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting()
    alice.take(a_lease(request, offer, acceptance))

    (asked,) = alice.take(a_refusal(acceptance))

    assert body_of(asked, Request).epoch == 2


# Cancelling.


@pytest.mark.rule("LEASE-20")
@pytest.mark.parametrize("state", ["asking", "accepting", "leased"])
def test_a_cancelled_order_gives_up_what_has_not_been_granted(state: str) -> None:
    alice = BuyerDesk(BOTH if state == "asking" else None)
    if state == "asking":
        alice.take(an_offer(to_bob(alice.asking()), held_until=NOON + HOUR_MS))
    else:
        getattr(alice, state)()

    (release,) = alice.happen(events.Cancelled(OrderId(ORDER)))

    assert isinstance(release.body, Release)
    assert isinstance(alice.job().state, Dropped)
    assert [body_of(order, Order).cancelled for order in alice.kept(Order)] == [False, True]
    assert alice.wake_at() is None


@pytest.mark.rule("LEASE-20")
def test_a_cancelled_order_stops_what_runs_and_counts_what_was_made() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    order = alice.order()
    (release,) = alice.happen(events.Cancelled(OrderId(ORDER)))
    assert body_of(release, Release).about == lease.id
    assert isinstance(alice.job().state, Granted)

    alice.take(a_receipt(lease, statement="failed", pieces=1))

    assert isinstance(alice.job().state, Dropped)
    assert order.pieces_made() == 1


@pytest.mark.rule("LEASE-20")
@pytest.mark.parametrize("state", ["ready", "running"])
def test_a_machine_of_a_cancelled_order_is_told_again_at_each_word_of_it(state: str) -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    (release,) = alice.happen(events.Cancelled(OrderId(ORDER)))

    assert alice.take(a_progress(lease, state=state)) == [release]

    assert alice.kept(Release) == [release]


@pytest.mark.rule("LEASE-20")
def test_an_order_is_cancelled_once() -> None:
    alice = BuyerDesk()
    alice.asking()
    cancelled = events.Cancelled(OrderId(ORDER))
    alice.happen(cancelled)

    alice.happen(cancelled)

    assert alice.effects == []


def test_an_order_that_is_placed_twice_is_made_once() -> None:
    alice = BuyerDesk()
    alice.granted()
    design, order = alice.disk[:2]

    assert alice.happen(events.Placed(order, design)) == []

    assert isinstance(alice.job().state, Granted)
