"""The checkers themselves: what they take for a breach, and what they do not."""

import pytest

from commonfab.protocol.records import Order, Record
from tests.builders import (
    NOON,
    SECOND_MS,
    a_design,
    a_grant,
    a_lease,
    a_receipt,
    a_release,
    a_request,
    an_acceptance,
    an_evidence,
    an_offer,
    an_order,
    body_of,
)
from tests.protocol.signers import ALICE, BOB, CAROL

from .checkers import Breach, Checkers
from .town import may_be_granted
from .world import World

ASKED = a_request()
OFFER = an_offer(ASKED)
LEASE = a_lease(ASKED, OFFER, an_acceptance(OFFER))
OFFER_GIVEN_UP = a_release(OFFER, BOB, to=ALICE.node)
LEASE_GIVEN_UP = a_release(LEASE, BOB, to=ALICE.node)
GIVEN_UP_BY_BUYER = a_release(OFFER, ALICE, to=BOB.node)
RIVAL = an_offer(a_request(CAROL))
"""For the same window."""
GRANT = a_grant(LEASE, at=NOON, until=NOON + SECOND_MS)
RECEIPT = a_receipt(LEASE)
TOLD = an_evidence(ALICE, [ASKED, OFFER, LEASE, RECEIPT])


def keeps(checkers: Checkers, *records: Record) -> None:
    for record in records:
        checkers.kept(BOB.node, record)


@pytest.fixture
def checkers() -> Checkers:
    """Bob has kept an offer and said it."""
    known = (OFFER, LEASE, OFFER_GIVEN_UP, GIVEN_UP_BY_BUYER, LEASE_GIVEN_UP, RECEIPT, TOLD)
    signed = {each.id for each in known}
    checkers = Checkers([ALICE.node, BOB.node, CAROL.node], signed)
    keeps(checkers, OFFER)
    checkers.said(BOB.node, OFFER)
    return checkers


def test_a_window_that_is_offered_twice_is_a_breach(checkers: Checkers) -> None:
    with pytest.raises(Breach, match="promised mk3 twice for one time"):
        checkers.said(BOB.node, RIVAL)


def test_a_window_that_was_given_up_may_be_offered_again(checkers: Checkers) -> None:
    keeps(checkers, OFFER_GIVEN_UP)

    checkers.said(BOB.node, RIVAL)


def test_a_window_that_only_its_buyer_gave_up_is_still_promised(checkers: Checkers) -> None:
    checkers.kept(ALICE.node, GIVEN_UP_BY_BUYER)

    with pytest.raises(Breach, match="promised mk3 twice for one time"):
        checkers.said(BOB.node, RIVAL)


def test_a_lease_that_was_kept_and_never_said_is_given_up_like_any(checkers: Checkers) -> None:
    """Its node died between the two, and released it when nothing came of it."""
    keeps(checkers, LEASE, LEASE_GIVEN_UP)

    checkers.said(BOB.node, RIVAL)


def test_a_lease_that_was_kept_and_never_said_holds_its_window(checkers: Checkers) -> None:
    keeps(checkers, LEASE)

    with pytest.raises(Breach, match="promised mk3 twice for one time"):
        checkers.said(BOB.node, RIVAL)


def test_a_lease_said_after_it_was_given_up_is_a_promise_again(checkers: Checkers) -> None:
    keeps(checkers, LEASE, LEASE_GIVEN_UP)
    checkers.said(BOB.node, LEASE)

    with pytest.raises(Breach, match="promised mk3 twice for one time"):
        checkers.said(BOB.node, RIVAL)


def next_grant(at: int) -> Record:
    return a_grant(LEASE, lease=bytes(32), epoch=2, at=at, until=at + SECOND_MS)


def test_a_grant_while_an_earlier_one_may_be_at_work_is_a_breach(checkers: Checkers) -> None:
    """Its owner may have said the end of it: this signer has not heard it."""
    checkers.said(ALICE.node, GRANT)
    keeps(checkers, RECEIPT)

    with pytest.raises(Breach, match="is granted while epoch 1 may be at work"):
        checkers.said(ALICE.node, next_grant(NOON + SECOND_MS - 1))


def test_a_grant_is_over_with_its_time(checkers: Checkers) -> None:
    checkers.said(ALICE.node, GRANT)

    checkers.said(ALICE.node, next_grant(NOON + SECOND_MS))


def test_a_grant_that_was_over_stays_over_when_the_clock_is_set_back(checkers: Checkers) -> None:
    checkers.said(ALICE.node, GRANT)
    checkers.said(ALICE.node, a_request(at=NOON + SECOND_MS, epoch=2))

    checkers.said(ALICE.node, next_grant(NOON + 1))


@pytest.mark.parametrize("word", [RECEIPT, LEASE_GIVEN_UP, TOLD], ids=lambda each: each.kind)
def test_a_grant_is_over_by_the_word_of_its_owner(checkers: Checkers, word: Record) -> None:
    checkers.said(ALICE.node, GRANT)
    checkers.kept(ALICE.node, word)

    checkers.said(ALICE.node, next_grant(NOON + 1))


@pytest.mark.parametrize(("living", "may_start"), [(1, False), (2, True)])
def test_an_order_may_wait_for_ever_without_a_majority_of_its_guardians(
    living: int, may_start: bool
) -> None:
    world = World(1)
    guardians = tuple(node.id for node in world.nodes[:3])
    for node in world.nodes[:living]:
        node.start()

    order = body_of(an_order(a_design(), guardians=guardians), Order)

    assert may_be_granted(world, order) is may_start
