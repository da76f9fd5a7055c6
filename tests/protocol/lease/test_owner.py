"""The owner's side of a lease, one rule a test. No clock, no I/O, no waiting."""

from collections.abc import Callable
from typing import Any

import pytest

from commonfab.protocol import effects, events
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.slots import Held, Leased, Ready, Running
from commonfab.protocol.limits import HOLDS_PER_BUYER_MAX, LEASE_TERM_MS_MAX
from commonfab.protocol.records import (
    Grant,
    Lease,
    Offer,
    Progress,
    Receipt,
    Record,
    Refusal,
    Release,
)
from tests.builders import (
    GRACE_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON,
    SECOND_MS,
    WINDOW_MS,
    a_confirmation,
    a_grant,
    a_release,
    a_request,
    an_acceptance,
    body_of,
)
from tests.protocol.desk import OTHER_ORDER, TWO, FixedQuoter, OwnerDesk, ended, reason_of
from tests.protocol.signers import ALICE, BOB, CAROL

# From request to receipt.


def test_a_request_is_answered_with_an_offer_that_holds_the_first_free_window() -> None:
    bob = OwnerDesk()
    request = a_request()

    offer = body_of(bob.held(request), Offer)

    assert (offer.request, offer.to, offer.machine) == (request.id, ALICE.node, "mk3")
    assert (offer.start, offer.end) == (NOON, NOON + WINDOW_MS)
    assert offer.held_until == NOON + 10 * SECOND_MS
    assert isinstance(bob.slot().state, Held)


def test_an_accepted_offer_becomes_a_lease_whose_files_are_got_ready() -> None:
    bob = OwnerDesk()
    request = a_request()
    acceptance = an_acceptance(bob.held(request))

    lease = body_of(bob.take(acceptance)[0], Lease)

    assert (lease.request, lease.acceptance) == (request.id, acceptance.id)
    assert (lease.order, lease.job, lease.epoch) == (b"order number one", 0, 1)
    assert (lease.machine, lease.start, lease.end) == ("mk3", NOON, NOON + WINDOW_MS)
    assert bob.of(effects.Prepare) == [effects.Prepare(request)]
    assert bob.of(effects.CapacityChanged)


def test_a_lease_with_nothing_before_it_asks_for_its_grant_at_once() -> None:
    bob = OwnerDesk()

    _, progress = bob.take(an_acceptance(bob.held()))

    assert body_of(progress, Progress).state == "ready"
    assert isinstance(bob.slot().state, Ready)


def test_a_grant_starts_the_machine() -> None:
    bob = OwnerDesk()
    request = a_request()
    lease = bob.leased(request)

    bob.take(a_grant(lease))

    assert bob.of(effects.Run) == [effects.Run("mk3", lease, request)]
    assert isinstance(bob.slot().state, Running)


def test_a_running_job_is_reported_at_each_beat() -> None:
    bob = OwnerDesk()
    lease = bob.running()
    bob.happen(events.JobProgressed(lease.id, "paused", 400))

    (beat,) = bob.wait(WINDOW_MS // 10)

    progress = body_of(beat, Progress)
    assert (progress.lease, progress.state, progress.permille) == (lease.id, "paused", 400)


def test_an_end_becomes_a_receipt_with_what_was_used() -> None:
    bob = OwnerDesk()
    lease = bob.running()
    bob.wait(5 * MINUTE_MS)

    receipt = body_of(bob.end(lease), Receipt)

    assert (receipt.lease, receipt.statement, receipt.epoch) == (lease.id, "made", 1)
    assert (receipt.pieces, receipt.price_minor, receipt.mass_mg) == (4, 250, 100_000)
    assert receipt.ended == NOON + 5 * MINUTE_MS
    assert bob.of(effects.CapacityChanged)


def test_a_failed_job_costs_only_its_good_pieces() -> None:
    bob = OwnerDesk()

    receipt = body_of(bob.end(bob.running(), made=False, pieces=1, reason="jam"), Receipt)

    assert (receipt.statement, receipt.pieces, receipt.price_minor) == ("failed", 1, 62)
    assert receipt.reason == "jam"


def test_a_confirmed_receipt_ends_the_slot() -> None:
    bob = OwnerDesk()
    receipt = bob.reported()

    assert bob.take(a_confirmation(receipt)) == []

    assert bob.slots() == []


# Windows.


@pytest.mark.rule("LEASE-1")
def test_offers_that_are_held_at_once_follow_one_another_on_a_machine() -> None:
    bob = OwnerDesk()

    offers = [body_of(bob.held(a_request(job=job)), Offer) for job in range(3)]

    assert [offer.start - NOON for offer in offers] == [0, WINDOW_MS, 2 * WINDOW_MS]


@pytest.mark.rule("LEASE-1")
def test_an_offer_is_for_the_machine_that_ends_first() -> None:
    bob = OwnerDesk(TWO)

    offers = [body_of(bob.held(a_request(job=job)), Offer) for job in range(3)]

    assert [offer.machine for offer in offers] == ["mk3", "mk4", "mk3"]


@pytest.mark.rule("LEASE-1")
def test_the_window_of_an_offer_that_lapsed_goes_to_the_next() -> None:
    bob = OwnerDesk()
    bob.held(a_request(job=0))
    bob.wait(10 * SECOND_MS)

    offer = body_of(bob.held(a_request(job=1)), Offer)

    assert offer.start == bob.now


@pytest.mark.rule("LEASE-1")
def test_nothing_is_put_before_a_lease_that_may_start_early() -> None:
    bob = OwnerDesk()
    first = bob.held(a_request(job=0))
    second = bob.held(a_request(job=1))
    bob.take(a_release(first), an_acceptance(second))

    offer = body_of(bob.held(a_request(job=2)), Offer)

    assert offer.start == NOON + 2 * WINDOW_MS


@pytest.mark.rule("LEASE-1")
def test_a_job_that_takes_too_long_delays_what_comes_after_it() -> None:
    bob = OwnerDesk()
    bob.running()
    bob.wait(WINDOW_MS + MINUTE_MS)

    offer = body_of(bob.held(a_request(job=1)), Offer)

    assert offer.start == bob.now + 1


def test_a_machine_is_free_when_its_queue_ends() -> None:
    bob = OwnerDesk()
    bob.leased(a_request(job=0))
    bob.leased(a_request(job=1))

    assert bob.side.free_at("mk3", bob.now) == NOON + 2 * WINDOW_MS
    assert bob.side.free_at("mk4", bob.now) == NOON


@pytest.mark.rule("SCHED-31")
def test_a_queue_is_as_long_as_its_jobs_probably_take() -> None:
    bob = OwnerDesk(FixedQuoter(margin_ms=60_000))
    bob.leased(a_request(job=0))
    bob.leased(a_request(job=1))
    bob.leased(a_request(job=2))

    kept_for_the_first = NOON + WINDOW_MS
    assert bob.side.free_at("mk3", bob.now) == kept_for_the_first + 2 * (WINDOW_MS - 60_000)


# What is kept, and when.


KEEPS: dict[str, tuple[Callable[[OwnerDesk], object], list[str]]] = {
    "offer": (lambda bob: bob.held(), ["request", "offer"]),
    "lease": (lambda bob: bob.leased(), ["acceptance", "lease", "window"]),
    "grant": (lambda bob: bob.running(), ["grant"]),
    "receipt": (lambda bob: bob.reported(), ["receipt"]),
    "confirmation": (lambda bob: bob.take(a_confirmation(bob.reported())), ["receipt"]),
}


@pytest.mark.rule("LEASE-2")
@pytest.mark.parametrize("what", KEEPS)
def test_what_must_not_be_forgotten_is_kept_before_anything_follows(what: str) -> None:
    bob = OwnerDesk()
    come, kinds = KEEPS[what]

    come(bob)

    first = bob.effects[: len(kinds)]
    assert [e.record.kind for e in first if isinstance(e, effects.Keep)] == kinds
    assert not any(isinstance(e, effects.Keep) for e in bob.effects[len(kinds) :])


@pytest.mark.rule("LEASE-3")
def test_an_offer_lapses_if_nobody_takes_it_in_time() -> None:
    bob = OwnerDesk()
    offer = bob.held()
    assert bob.wake_at() == NOON + 10 * SECOND_MS

    assert bob.wait(10 * SECOND_MS) == [], "who did not take it need not hear of it"

    (release,) = bob.kept(Release)
    assert body_of(release, Release).about == offer.id
    assert reason_of(release) == "the offer has lapsed"
    assert bob.slots() == []


@pytest.mark.rule("LEASE-3")
def test_an_acceptance_that_is_late_gets_no_lease() -> None:
    bob = OwnerDesk()
    offer = bob.held()
    bob.now = Timestamp(body_of(offer, Offer).held_until)

    (answer,) = bob.take(an_acceptance(offer))

    assert reason_of(answer) == "the offer has lapsed"


ENDS: dict[str, Callable[[OwnerDesk, Record], object]] = {
    "lapsed": lambda bob, offer: bob.wait(10 * SECOND_MS),
    "released": lambda bob, offer: bob.take(a_release(offer)),
    "fenced off": lambda bob, offer: bob.take(a_request(epoch=2)),
    "machine gone": lambda bob, offer: bob.happen(events.MachinesChanged(frozenset())),
}


@pytest.mark.rule("LEASE-4")
@pytest.mark.parametrize("what", ENDS)
def test_the_end_of_a_slot_is_kept_before_its_window_can_go_to_another(what: str) -> None:
    bob = OwnerDesk()
    offer = bob.held()

    ENDS[what](bob, offer)

    assert isinstance(bob.effects[0], effects.Keep)
    release = bob.effects[0].record
    assert release.author == BOB.node
    assert body_of(release, Release).about == offer.id


@pytest.mark.rule("LEASE-5")
def test_a_clock_that_is_set_back_does_not_bring_a_lapsed_offer_back_to_life() -> None:
    bob = OwnerDesk()
    offer = bob.held(a_request(job=0))
    bob.wait(10 * SECOND_MS)
    bob.wait(-10 * SECOND_MS)

    (answer,) = bob.take(an_acceptance(offer))
    other = body_of(bob.held(a_request(job=1)), Offer)

    assert reason_of(answer) == "the offer has lapsed"
    assert other.start == NOON + 10 * SECOND_MS


@pytest.mark.rule("LEASE-5")
def test_a_clock_that_is_set_back_while_the_node_is_down_does_not_count_either() -> None:
    bob = OwnerDesk()
    bob.wait(HOUR_MS)
    bob.held()
    bob.wait(-HOUR_MS)
    bob.restart()

    other = body_of(bob.held(a_request(job=1)), Offer)

    assert other.start == NOON + HOUR_MS + WINDOW_MS


# Epochs.


@pytest.mark.rule("LEASE-6")
@pytest.mark.parametrize(
    "come",
    [OwnerDesk.held, OwnerDesk.leased],
    ids=["held", "leased"],
)
def test_a_higher_epoch_fences_off_what_has_not_started(
    come: Callable[[OwnerDesk, Record], Record],
) -> None:
    bob = OwnerDesk()
    old = come(bob, a_request(epoch=1))

    release, offer = bob.take(a_request(epoch=2))

    assert body_of(release, Release).about == old.id
    assert body_of(offer, Offer).start == NOON


@pytest.mark.rule("LEASE-6")
def test_a_job_that_runs_goes_on_beside_a_higher_epoch() -> None:
    bob = OwnerDesk(TWO)
    bob.running(a_request(epoch=1))

    bob.held(a_request(epoch=2))

    assert {type(slot.state) for slot in bob.slots()} == {Running, Held}
    assert bob.of(effects.Stop) == []


@pytest.mark.rule("LEASE-6")
@pytest.mark.parametrize("epoch", [1, 2])
def test_an_epoch_that_is_not_higher_is_refused(epoch: int) -> None:
    bob = OwnerDesk()
    bob.held(a_request(epoch=2))

    (answer,) = bob.take(a_request(epoch=epoch))

    assert reason_of(answer) == "this job has a later epoch here"


@pytest.mark.rule("LEASE-6")
def test_epochs_of_other_jobs_orders_and_buyers_do_not_matter() -> None:
    bob = OwnerDesk()
    bob.held(a_request(epoch=2))

    for request in (
        a_request(job=1),
        a_request(order=OTHER_ORDER),
        a_request(by=CAROL),
    ):
        assert isinstance(bob.held(request).body, Offer)


# Refusals.


@pytest.mark.rule("LEASE-7")
def test_a_request_that_no_machine_can_meet_is_refused_with_the_reason() -> None:
    bob = OwnerDesk(FixedQuoter(refusal="mk3 has no plywood."))
    request = a_request()

    (answer,) = bob.take(request)

    assert body_of(answer, Refusal).about == request.id
    assert reason_of(answer) == "mk3 has no plywood."
    assert bob.disk == []


@pytest.mark.rule("LEASE-7")
def test_a_buyer_may_not_hold_more_offers_than_a_whole_order_needs() -> None:
    bob = OwnerDesk(FixedQuoter(window_ms=1000))
    for job in range(HOLDS_PER_BUYER_MAX):
        bob.held(a_request(job=job))

    (answer,) = bob.take(a_request(job=HOLDS_PER_BUYER_MAX))

    assert isinstance(answer.body, Refusal)
    assert isinstance(bob.held(a_request(by=CAROL)).body, Offer)


@pytest.mark.rule("LEASE-7")
def test_a_window_that_is_too_far_off_is_not_promised() -> None:
    bob = OwnerDesk(FixedQuoter(window_ms=LEASE_TERM_MS_MAX // 2 + 1))
    bob.held(a_request(job=0))

    (answer,) = bob.take(a_request(job=1))

    assert reason_of(answer) == "queue, hours and power here leave no window to promise"


# Starting.


@pytest.mark.rule("LEASE-8")
@pytest.mark.parametrize(
    ("window_ms", "grace_ms", "late_ms"),
    [(WINDOW_MS, MINUTE_MS, MINUTE_MS), (HOUR_MS, MINUTE_MS, 3 * MINUTE_MS)],
    ids=["the buyer's grace", "a twentieth of the window"],
)
def test_a_lease_may_start_late_by_the_greater_of(
    window_ms: int, grace_ms: int, late_ms: int
) -> None:
    bob = OwnerDesk(FixedQuoter(window_ms=window_ms))

    lease = body_of(bob.leased(a_request(grace_ms=grace_ms)), Lease)

    assert lease.start_by == NOON + late_ms


@pytest.mark.rule("LEASE-8")
def test_a_slot_without_a_grant_by_then_is_given_up() -> None:
    bob = OwnerDesk()
    lease = bob.leased()

    sent = bob.wait_long(GRACE_MS + 1)

    assert body_of(sent[-1], Release).about == lease.id
    assert reason_of(sent[-1]) == "it was not started in time"
    assert bob.slots() == []


@pytest.mark.rule("LEASE-8")
def test_a_grant_after_then_starts_nothing() -> None:
    bob = OwnerDesk()
    lease = bob.leased()
    bob.now = Timestamp(body_of(lease, Lease).start_by + 1)

    (answer,) = bob.take(a_grant(lease))

    assert reason_of(answer) == "the grant came too late"
    assert bob.of(effects.Run) == []


@pytest.mark.rule("LEASE-10")
def test_a_lease_behind_another_waits_its_turn() -> None:
    bob = OwnerDesk()
    first, second = bob.leased(a_request(job=0)), bob.leased(a_request(job=1))
    assert [type(slot.state) for slot in bob.slots()] == [Ready, Leased]

    bob.take(a_grant(second))
    assert bob.of(effects.Run) == []
    bob.take(a_grant(first))
    _, ready = bob.happen(ended(first))

    assert body_of(ready, Progress).lease == second.id
    bob.take(a_grant(second))
    assert [run.lease for run in bob.of(effects.Run)] == [second]


@pytest.mark.rule("LEASE-10")
def test_a_grant_that_comes_twice_starts_the_machine_once() -> None:
    bob = OwnerDesk()
    lease = bob.leased()
    grant = a_grant(lease)

    bob.take(grant, grant)

    assert len(bob.of(effects.Run)) == 1
    assert len(bob.kept(Grant)) == 1


@pytest.mark.rule("LEASE-10")
@pytest.mark.parametrize(
    "changes", [{"order": OTHER_ORDER}, {"job": 1}, {"epoch": 2}], ids=["order", "job", "epoch"]
)
def test_a_grant_of_another_job_starts_nothing(changes: dict[str, Any]) -> None:
    bob = OwnerDesk()

    (answer,) = bob.take(a_grant(bob.leased(), **changes))

    assert reason_of(answer) == "the lease is for another job"
    assert bob.of(effects.Run) == []


@pytest.mark.rule("LEASE-10")
def test_two_machines_run_at_once() -> None:
    bob = OwnerDesk(TWO)

    bob.running(a_request(job=0))
    bob.running(a_request(job=1))

    assert [type(slot.state) for slot in bob.slots()] == [Running, Running]
