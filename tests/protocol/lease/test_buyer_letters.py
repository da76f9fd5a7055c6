"""The buyer's side of a lease: letters that repeat, stray or come late. One rule a test."""

from collections.abc import Callable

import pytest

from commonfab.protocol import effects
from commonfab.protocol.lease.attempts import Accepting, Asking, Done, Granted, Waiting
from commonfab.protocol.records import Acceptance, Grant, Letter, Receipt, Record, Release, Request
from tests.builders import (
    HOUR_MS,
    SECOND_MS,
    a_lease,
    a_progress,
    a_receipt,
    a_refusal,
    a_release,
    a_request,
    an_acceptance,
    an_offer,
    body_of,
)
from tests.protocol.desk import BuyerDesk, FixedPlanner, reason_of
from tests.protocol.signers import ALICE, BOB, CAROL, EVE

BOTH = FixedPlanner(owners=(BOB, CAROL))


# Receipts.


@pytest.mark.rule("LEASE-13")
def test_pieces_of_a_lease_that_was_never_granted_do_not_count() -> None:
    alice = BuyerDesk()
    lease = alice.leased()

    assert alice.take(a_receipt(lease)) == []

    assert alice.job().pieces == 4
    assert alice.kept(Receipt) == []


@pytest.mark.rule("LEASE-13")
def test_a_receipt_by_anybody_but_the_owner_does_not_count() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()

    assert alice.take(a_receipt(lease, by=EVE)) == []

    assert alice.job().pieces == 4


@pytest.mark.rule("LEASE-14")
def test_a_receipt_that_comes_again_is_confirmed_again_and_counts_once() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    receipt = a_receipt(lease)
    (confirmation,) = alice.take(receipt)

    assert alice.take(receipt) == [confirmation]

    assert alice.order().pieces_made() == 4
    assert len(alice.kept(Receipt)) == 2


@pytest.mark.rule("LEASE-14")
def test_a_second_receipt_that_says_something_else_is_not_heard() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    alice.take(a_receipt(lease, statement="failed", pieces=1))

    assert alice.take(a_receipt(lease, pieces=4)) == []

    assert alice.order().pieces_made() == 1


@pytest.mark.rule("LEASE-15")
def test_the_good_pieces_of_a_failed_job_are_not_made_again() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()

    _, request = alice.take(a_receipt(lease, statement="failed", pieces=3))

    assert body_of(request, Request).pieces == 1
    assert alice.order().pieces_made() == 3


@pytest.mark.rule("LEASE-15")
def test_pieces_beyond_those_asked_for_do_not_count() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()

    alice.take(a_receipt(lease, pieces=1000))

    assert (alice.order().pieces_made(), alice.order().surplus()) == (4, 0)


# A silent owner who has made it after all.


def silent(alice: BuyerDesk) -> tuple[Record, Record]:
    """Let Bob be silent until the job is asked for anew; return his lease, and the request."""
    lease, grant = alice.granted()
    sent = alice.wait_long(body_of(grant, Grant).until - alice.now)
    assert isinstance(sent[-1].body, Request)
    return lease, sent[-1]


def take_up(alice: BuyerDesk, request: Record, *, grant: bool = True) -> Record:
    """Let the next attempt come as far as a lease, or its grant."""
    offer = an_offer(request, at=alice.now)
    (acceptance,) = alice.take(offer)
    lease = a_lease(request, offer, acceptance, at=alice.now)
    alice.take(lease)
    if grant:
        alice.take(a_progress(lease, at=alice.now))
    return lease


@pytest.mark.rule("LEASE-15")
@pytest.mark.parametrize("state", ["asking", "accepting", "leased"])
def test_what_a_silent_owner_made_counts_and_calls_off_a_successor_that_has_not_begun(
    state: str,
) -> None:
    alice = BuyerDesk()
    lease, request = silent(alice)
    if state == "accepting":
        alice.take(an_offer(request, at=alice.now))
    if state == "leased":
        take_up(alice, request, grant=False)

    sent = alice.take(a_receipt(lease))

    assert isinstance(alice.job().state, Done)
    assert (alice.order().pieces_made(), alice.order().surplus()) == (4, 0)
    releases = [letter for letter in sent if isinstance(letter.body, Release)]
    assert len(releases) == (0 if state == "asking" else 1)


@pytest.mark.rule("LEASE-15")
def test_a_part_of_the_pieces_from_a_silent_owner_leaves_the_rest_to_be_made() -> None:
    alice = BuyerDesk()
    lease, _ = silent(alice)

    alice.take(a_receipt(lease, statement="failed", pieces=3))
    assert isinstance(alice.job().state, Waiting)
    sent = alice.wait_long(HOUR_MS)

    assert body_of(sent[0], Request).pieces == 1


@pytest.mark.rule("LEASE-15")
def test_a_successor_that_has_begun_is_asked_to_stop_and_its_word_is_waited_for() -> None:
    alice = BuyerDesk()
    lease, request = silent(alice)
    later = take_up(alice, request)

    _, release = alice.take(a_receipt(lease))

    assert body_of(release, Release).about == later.id
    assert reason_of(release) == "made by an earlier attempt after all"
    assert isinstance(alice.job().state, Granted)


@pytest.mark.rule("LEASE-15")
def test_what_the_successor_made_all_the_same_is_surplus() -> None:
    alice = BuyerDesk()
    lease, request = silent(alice)
    later = take_up(alice, request)
    alice.take(a_receipt(lease))

    alice.take(a_receipt(later, statement="failed", pieces=3))

    assert isinstance(alice.job().state, Done)
    assert (alice.order().pieces_made(), alice.order().surplus()) == (4, 3)
    assert [attempt.outcome for attempt in alice.job().attempts] == ["made", "surplus"]


@pytest.mark.rule("LEASE-15")
@pytest.mark.parametrize("silent_first", [True, False])
def test_what_counts_does_not_depend_on_the_order_of_the_receipts(silent_first: bool) -> None:
    alice = BuyerDesk()
    lease, request = silent(alice)
    later = take_up(alice, request)
    receipts = [
        a_receipt(lease, statement="failed", pieces=3),
        a_receipt(later, statement="failed", pieces=2),
    ]

    alice.take(*receipts if silent_first else reversed(receipts))

    assert isinstance(alice.job().state, Done)
    assert (alice.order().pieces_made(), alice.order().surplus()) == (4, 1)


@pytest.mark.rule("LEASE-15")
def test_what_a_silent_owner_makes_when_all_is_done_is_stopped_and_surplus() -> None:
    alice = BuyerDesk()
    lease, request = silent(alice)
    later = take_up(alice, request)
    alice.take(a_receipt(later))

    (release,) = alice.take(a_progress(lease, state="running"))
    alice.take(a_receipt(lease))

    assert body_of(release, Release).about == lease.id
    assert (alice.order().pieces_made(), alice.order().surplus()) == (4, 4)


# Letters that come twice or too late.


@pytest.mark.rule("LEASE-16")
@pytest.mark.parametrize("kind", ["offer", "lease", "ready", "receipt"])
@pytest.mark.parametrize("is_done", [False, True])
def test_a_letter_that_comes_again_changes_nothing_and_gives_nothing_up(
    kind: str, is_done: bool
) -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting()
    lease = a_lease(request, offer, acceptance)
    ready, receipt = a_progress(lease), a_receipt(lease)
    letters = {"offer": offer, "lease": lease, "ready": ready, "receipt": receipt}
    alice.take(lease, ready)
    if is_done or kind == "receipt":
        alice.take(receipt)
    order, grants = alice.order().pieces_made(), alice.kept(Grant)
    state = type(alice.job().state)

    sent = alice.take(letters[kind])

    assert (alice.order().pieces_made(), alice.kept(Grant)) == (order, grants)
    assert type(alice.job().state) is state
    if kind != "ready" or not is_done:  # A machine that is ready again for what is done is told.
        assert not any(isinstance(letter.body, Release) for letter in sent)


@pytest.mark.rule("LEASE-16")
def test_an_offer_for_a_question_that_is_over_is_released() -> None:
    alice = BuyerDesk(BOTH)
    bobs, carols = alice.asking()
    alice.take(an_offer(bobs))
    alice.wait(3 * SECOND_MS)
    late = an_offer(carols, by=CAROL, held_until=alice.now + HOUR_MS)

    (release,) = alice.take(late)

    assert body_of(release, Release).about == late.id
    assert isinstance(alice.job().state, Accepting)


@pytest.mark.rule("LEASE-32")
def test_a_confirmation_takes_and_pays_what_was_asked_for_and_no_more() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()

    (confirmation,) = alice.take(a_receipt(lease, pieces=5, price_minor=500))

    body = body_of(confirmation, Receipt)
    assert (body.statement, body.pieces, body.price_minor) == ("confirmed", 4, 400)


@pytest.mark.rule("LEASE-32")
def test_of_what_is_made_twice_only_the_missing_pieces_are_paid() -> None:
    alice = BuyerDesk()
    late, _ = alice.granted()
    alice.wait(2 * HOUR_MS)
    request = next(r for r in alice.kept(Request) if body_of(r, Request).epoch == 2)
    offer = an_offer(request, at=alice.now)
    (acceptance,) = alice.take(offer)
    lease = a_lease(request, offer, acceptance, at=alice.now)
    alice.take(lease, a_progress(lease, at=alice.now))
    alice.take(a_receipt(late, pieces=3, price_minor=300))

    confirmation, *_ = alice.take(a_receipt(lease, pieces=4, price_minor=400))

    body = body_of(confirmation, Receipt)
    assert (body.pieces, body.price_minor) == (1, 100)
    assert alice.order().surplus() == 3


@pytest.mark.rule("LEASE-16")
def test_a_lease_of_an_acceptance_that_was_given_up_is_released() -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting()
    alice.wait_long(10 * SECOND_MS)
    late = a_lease(request, offer, acceptance)

    (release,) = alice.take(late)

    assert body_of(release, Release).about == late.id
    assert isinstance(alice.job().state, Asking)


@pytest.mark.rule("LEASE-16")
def test_an_owner_s_second_offer_for_one_request_is_not_heard() -> None:
    alice = BuyerDesk(BOTH)
    bobs, _ = alice.asking()
    first = an_offer(bobs)

    alice.take(first, an_offer(bobs, price_minor=1))
    (acceptance,) = alice.wait(3 * SECOND_MS)

    assert body_of(acceptance, Acceptance).offer == first.id


STRANGERS: dict[str, Callable[[BuyerDesk], list[Record]]] = {
    "offers in another's name": lambda alice: [an_offer(alice.asking()[0], by=EVE)],
    "refuses in another's name": lambda alice: [a_refusal(alice.asking()[0], by=EVE)],
    "offers what nobody asked for": lambda alice: [
        an_offer(a_request(by=ALICE), by=EVE),
        *alice.asking(),
    ],
    "leases in another's name": lambda alice: [a_lease(*alice.accepting(), by=EVE)],
    "refuses another's acceptance": lambda alice: [a_refusal(alice.accepting()[2], by=EVE)],
    "releases another's offer": lambda alice: [
        a_release(alice.accepting()[1], by=EVE, to=ALICE.node)
    ],
    "is ready for another's lease": lambda alice: [a_progress(alice.leased(), by=EVE)],
    "releases another's lease": lambda alice: [a_release(alice.leased(), by=EVE, to=ALICE.node)],
    "refuses another's grant": lambda alice: [a_refusal(alice.granted()[1], by=EVE)],
    "reports another's progress": lambda alice: [
        a_progress(alice.granted()[0], by=EVE, state="running", permille=999)
    ],
    "reports another's end": lambda alice: [a_receipt(alice.granted()[0], by=EVE)],
    "asks": lambda alice: [a_request(by=EVE, to=ALICE.node), *alice.asking()],
    "accepts": lambda alice: [an_acceptance(alice.accepting()[1], by=EVE)],
    "is ready for a request": lambda alice: [
        a_progress(alice.leased(), lease=alice.kept(Request)[0].id, state="running")
    ],
}


@pytest.mark.rule("LEASE-17")
@pytest.mark.parametrize("what", STRANGERS)
def test_a_letter_that_is_not_the_other_sides_to_write_changes_nothing(what: str) -> None:
    alice = BuyerDesk()
    letters = STRANGERS[what](alice)
    state, disk = alice.job().state, list(alice.disk)

    sent = alice.take(*letters)

    assert (alice.job().state, alice.disk) == (state, disk)
    assert all(body_of(letter, Letter).to == EVE.node for letter in sent)
    assert not alice.of(effects.Run)
