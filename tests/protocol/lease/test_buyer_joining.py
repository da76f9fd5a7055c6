"""Parts are made before what is made of them."""

import pytest

from commonfab.protocol.joining import joined
from commonfab.protocol.lease.attempts import Asking, Done, Waiting
from commonfab.protocol.records import Job, Part, Record, Request
from tests.builders import (
    HOUR_MS,
    NOON,
    a_design,
    a_lease,
    a_part,
    a_progress,
    a_receipt,
    an_offer,
    an_order,
    body_of,
    changed,
)
from tests.protocol.desk import BuyerDesk
from tests.protocol.signers import ALICE

LEFT, RIGHT = a_part(name="left"), a_part(name="right")
WHOLE = a_part(name="whole", process="assembly")


def order_of(alice: BuyerDesk, *parts: Part, whole: bool = False) -> list[Record]:
    """Order four pieces of each part, and return the requests."""
    design = a_design(parts=parts)
    jobs = tuple(Job(part=part.name, pieces=4) for part in parts)
    return alice.place(changed(an_order(design), ALICE, jobs=jobs, whole=whole), design)


def asked_for(letters: list[Record]) -> list[str]:
    return [each.body.part.name for each in letters if isinstance(each.body, Request)]


def under_way(alice: BuyerDesk, requests: list[Record]) -> list[Record]:
    """Have all requests leased, each in its own hour, and begun; return the leases."""
    hours = [NOON + body_of(request, Request).job * HOUR_MS for request in requests]
    offers = [
        an_offer(request, start=start, end=start + HOUR_MS)
        for request, start in zip(requests, hours, strict=True)
    ]
    accepted = alice.take(*offers)
    leases = list(map(a_lease, requests, offers, accepted))
    alice.take(*leases, *map(a_progress, leases))
    return leases


@pytest.mark.rule("LEASE-34")
def test_what_joins_parts_is_asked_for_when_all_of_them_are_made() -> None:
    alice = BuyerDesk()

    requests = order_of(alice, LEFT, WHOLE, RIGHT)
    left, right = under_way(alice, requests)
    after_one = alice.take(a_receipt(left))
    after_both = alice.take(a_receipt(right))

    assert asked_for(requests) == ["left", "right"]
    assert asked_for(after_one) == []
    assert asked_for(after_both) == ["whole"]
    assert [type(job.state) for job in alice.order().jobs] == [Done, Asking, Done]


@pytest.mark.rule("LEASE-34")
def test_a_job_that_waits_for_its_parts_says_so_and_wakes_nobody() -> None:
    alice = BuyerDesk()

    requests = order_of(alice, LEFT, RIGHT, WHOLE)

    assert alice.job(2).state == Waiting(NOON, "its parts are not made yet")
    assert alice.order().next_at() > NOON
    under_way(alice, requests)
    assert alice.order().next_at() > NOON


@pytest.mark.rule("LEASE-34")
def test_after_a_restart_it_still_waits_for_its_parts() -> None:
    alice = BuyerDesk()
    left, right = under_way(alice, order_of(alice, LEFT, RIGHT, WHOLE))
    alice.take(a_receipt(left))

    alice.restart()
    before = alice.wait(0)
    after = alice.take(a_receipt(right))

    assert asked_for(before) == []
    assert asked_for(after) == ["whole"]


@pytest.mark.rule("LEASE-34")
def test_of_a_whole_order_the_parts_are_placed_together_and_the_rest_later() -> None:
    alice = BuyerDesk()

    requests = order_of(alice, LEFT, RIGHT, WHOLE, whole=True)

    assert asked_for(requests) == ["left", "right"]


def test_a_design_of_nothing_but_joining_is_asked_for_at_once() -> None:
    assert asked_for(order_of(BuyerDesk(), WHOLE)) == ["whole"]


def test_parts_are_joined_where_a_process_joins_and_there_is_something_to_join() -> None:
    welded = a_part(name="frame", process="welding")

    assert joined((LEFT, WHOLE, welded)) == (WHOLE, welded)
    assert joined((WHOLE, welded)) == ()
    assert joined((LEFT, RIGHT)) == ()
