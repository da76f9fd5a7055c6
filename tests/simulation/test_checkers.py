"""The checkers themselves: what they take for a breach, and what they do not."""

import pytest

from commonfab.protocol.records import Record
from tests.builders import a_lease, a_release, a_request, an_acceptance, an_offer
from tests.protocol.signers import ALICE, BOB, CAROL

from .checkers import Breach, Checkers

ASKED = a_request()
OFFER = an_offer(ASKED)
LEASE = a_lease(ASKED, OFFER, an_acceptance(OFFER))
OFFER_GIVEN_UP = a_release(OFFER, BOB, to=ALICE.node)
LEASE_GIVEN_UP = a_release(LEASE, BOB, to=ALICE.node)
RIVAL = an_offer(a_request(CAROL))
"""For the same window."""


def keeps(checkers: Checkers, *records: Record) -> None:
    for record in records:
        checkers.kept(BOB.node, record)


@pytest.fixture
def checkers() -> Checkers:
    """Bob has kept an offer and said it."""
    signed = {each.id for each in (OFFER, LEASE, OFFER_GIVEN_UP, LEASE_GIVEN_UP)}
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
