"""Requests on which a person decides, where a workshop's rule is to ask. One rule a test."""

from dataclasses import dataclass

import pytest

from commonfab.protocol import events
from commonfab.protocol.author import Author
from commonfab.protocol.ids import NodeId
from commonfab.protocol.lease.intake import QUESTIONS_MAX
from commonfab.protocol.lease.owner import Owner, Timing
from commonfab.protocol.lease.restore import restore_slots, restore_waiting
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.records import Offer, Record
from tests.builders import a_request
from tests.protocol.desk import FixedQuoter, OwnerDesk, reason_of
from tests.protocol.signers import ALICE, BOB, CAROL, Person

PATIENCE_MS = 2 * DAY_MS


@dataclass
class AskAbout:
    """Bob decides himself on what these want."""

    buyers: tuple[Person, ...]

    def asks(self, buyer: NodeId) -> bool:
        return buyer in {each.node for each in self.buyers}


def asking_bob(disk: list[Record] | None = None) -> OwnerDesk:
    bob = OwnerDesk()
    bob.disk = disk or []
    bob.side = Owner(
        Author(BOB),
        FixedQuoter(),
        Timing(leeway_permille=0),
        restore_slots(bob.disk, BOB.node),
        rule=AskAbout((ALICE,)),
        waiting=restore_waiting(bob.disk, BOB.node),
    )
    return bob


def patient(**changes: int) -> Record:
    return a_request(ALICE, patience_ms=PATIENCE_MS, **changes)  # type: ignore[arg-type]  # job, epoch


def decided(request: Record, reason: str = "", *, takes: bool) -> events.Decided:
    return events.Decided(request.id, takes, reason)


@pytest.mark.rule("LEASE-33")
def test_a_request_waits_until_a_person_takes_it() -> None:
    bob = asking_bob()
    request = patient()

    assert bob.take(request) == []
    assert bob.side.waiting(bob.now) == [request]
    (offer,) = bob.happen(decided(request, takes=True))

    assert isinstance(offer.body, Offer)
    assert offer.body.request == request.id
    assert bob.side.waiting(bob.now) == []


@pytest.mark.rule("LEASE-33")
def test_a_person_may_say_no_and_why() -> None:
    bob = asking_bob()
    request, other = patient(), patient(job=1)
    bob.take(request, other)

    (refusal,) = bob.happen(decided(request, "not in August", takes=False))
    (silent,) = bob.happen(decided(other, takes=False))

    assert reason_of(refusal) == "not in August"
    assert reason_of(silent) == "its operator said no"


@pytest.mark.rule("LEASE-33")
def test_others_are_dealt_with_at_once() -> None:
    (offer,) = asking_bob().take(a_request(CAROL))

    assert isinstance(offer.body, Offer)


@pytest.mark.rule("LEASE-33")
def test_a_buyer_in_a_hurry_is_told_so() -> None:
    (refusal,) = asking_bob().take(a_request(ALICE))

    assert reason_of(refusal).startswith("a person decides here; ask with patience")


@pytest.mark.rule("LEASE-33")
def test_a_request_that_waits_outlasts_a_restart() -> None:
    request = patient()
    bob = asking_bob()
    bob.take(request)

    again = asking_bob(bob.disk)

    assert again.side.waiting(again.now) == [request]
    again.happen(decided(request, takes=True))
    assert asking_bob(again.disk).side.waiting(again.now) == []


@pytest.mark.rule("LEASE-33")
def test_a_later_epoch_takes_the_place_of_an_earlier_one() -> None:
    bob = asking_bob()
    later = patient(epoch=2)
    bob.take(patient(), later)

    assert bob.side.waiting(bob.now) == [later]


@pytest.mark.rule("LEASE-33")
def test_a_request_that_has_expired_waits_no_more() -> None:
    bob = asking_bob()
    request = patient()
    bob.take(request)
    bob.wait(request.body.until + DAY_MS - bob.now)

    assert bob.side.waiting(bob.now) == []
    assert bob.happen(decided(request, takes=True)) == []


def test_so_many_requests_wait_and_no_more() -> None:
    bob = asking_bob()
    for job in range(QUESTIONS_MAX):
        bob.take(patient(job=job))

    (refusal,) = bob.take(patient(job=9999))

    assert reason_of(refusal) == f"{QUESTIONS_MAX} requests wait for a person here already"
