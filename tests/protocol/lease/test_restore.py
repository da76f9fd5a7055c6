"""What is on the disk gives back what was in the head: nothing lost, nothing twice."""

import pytest

from commonfab.protocol import effects, events
from commonfab.protocol.ids import OrderId
from commonfab.protocol.lease.attempts import Accepting, Dropped, Granted, Leased, Waiting
from commonfab.protocol.lease.restore import restore_orders, restore_slots
from commonfab.protocol.lease.slots import Ended, Held, Reported, Running
from commonfab.protocol.lease.slots import Leased as SlotLeased
from commonfab.protocol.records import Grant, Release
from tests.builders import (
    HOUR_MS,
    ORDER,
    SECOND_MS,
    a_confirmation,
    a_grant,
    a_lease,
    a_progress,
    a_receipt,
    a_refusal,
    a_release,
    a_request,
    an_acceptance,
)
from tests.protocol.desk import BuyerDesk, OwnerDesk
from tests.protocol.signers import ALICE, BOB, EVE
from tests.protocol.table import Table

# An owner.

STATES = {
    "held": Held,
    "leased": SlotLeased,
    "running": Running,
    "reported": Reported,
}


@pytest.mark.rule("LEASE-22")
@pytest.mark.parametrize("state", STATES)
def test_a_slot_is_restored_in_its_state(state: str) -> None:
    bob = OwnerDesk()
    getattr(bob, state)()

    (slot,) = restore_slots(bob.disk, BOB.node)

    assert type(slot.state) is STATES[state]


@pytest.mark.rule("LEASE-22")
def test_a_slot_that_has_ended_holds_nothing_when_it_is_restored() -> None:
    bob = OwnerDesk()
    offer = bob.held()
    bob.wait(10 * SECOND_MS)

    (slot,) = restore_slots(bob.disk, BOB.node)

    assert isinstance(slot.state, Ended)
    assert slot.offer == offer
    assert not slot.is_alive()


@pytest.mark.rule("LEASE-22")
def test_a_lease_that_was_asked_for_is_asked_for_again() -> None:
    bob = OwnerDesk()
    lease = bob.leased()
    bob.restart()

    (progress,) = bob.happen(events.Restarted())

    assert bob.of(effects.Prepare)
    bob.take(a_grant(lease))
    assert isinstance(bob.slot().state, Running)
    assert progress.kind == "progress"


@pytest.mark.rule("LEASE-22")
def test_a_job_that_was_running_is_looked_for() -> None:
    bob = OwnerDesk()
    lease = bob.running()
    bob.restart()

    bob.happen(events.Restarted())

    assert [resume.lease for resume in bob.of(effects.Resume)] == [lease]
    assert bob.of(effects.Run) == []


@pytest.mark.rule("LEASE-22")
def test_a_job_that_was_to_be_stopped_is_stopped() -> None:
    bob = OwnerDesk()
    lease = bob.running()
    bob.take(a_release(lease, reason="cancelled"))
    bob.restart()

    bob.happen(events.Restarted())

    assert bob.of(effects.Stop) == [effects.Stop("mk3", lease, "cancelled")]


@pytest.mark.rule("LEASE-22")
def test_an_end_that_was_not_confirmed_is_told_again_at_once() -> None:
    bob = OwnerDesk()
    receipt = bob.reported()
    bob.restart()

    assert bob.happen(events.Restarted()) == [receipt]


@pytest.mark.rule("LEASE-22")
def test_a_confirmation_by_a_clock_that_is_late_counts_all_the_same() -> None:
    bob = OwnerDesk()
    receipt = bob.reported()
    bob.take(a_confirmation(receipt, at=receipt.body.at - HOUR_MS))
    bob.restart()

    assert bob.happen(events.Restarted()) == []
    assert bob.slots() == []


@pytest.mark.rule("LEASE-22")
def test_an_owner_remembers_the_epochs_that_it_has_seen() -> None:
    bob = OwnerDesk()
    bob.held(a_request(epoch=3))
    bob.restart()

    (answer,) = bob.take(a_request(epoch=3))

    assert answer.kind == "refusal"


@pytest.mark.rule("LEASE-17")
def test_what_others_have_signed_does_not_pass_for_this_owners_word() -> None:
    bob = OwnerDesk()
    offer = bob.held()
    lease = a_lease(bob.slot().request, offer, an_acceptance(offer), by=EVE)
    bob.disk += [lease, a_grant(lease, by=EVE), a_release(offer, by=EVE)]

    (slot,) = restore_slots(bob.disk, BOB.node)

    assert isinstance(slot.state, Held)


# A buyer.


@pytest.mark.rule("LEASE-22")
@pytest.mark.parametrize(
    ("state", "kind"),
    [("asking", Waiting), ("accepting", Accepting), ("leased", Leased), ("granted", Granted)],
)
def test_a_job_is_restored_as_far_as_it_was_kept(state: str, kind: type) -> None:
    alice = BuyerDesk()
    getattr(alice, state)()

    (order,) = restore_orders(alice.disk, ALICE.node, alice.now)

    assert type(order.jobs[0].state) is kind
    assert order.jobs[0].epoch == 1


@pytest.mark.rule("LEASE-22")
def test_a_job_that_was_being_asked_for_is_asked_for_in_the_next_epoch() -> None:
    alice = BuyerDesk()
    alice.asking()
    alice.restart()

    (request,) = alice.happen(events.Restarted())

    assert request.body.epoch == 2  # type: ignore[attr-defined]  # a Request


@pytest.mark.rule("LEASE-22")
def test_a_grant_is_repeated_as_it_was() -> None:
    alice = BuyerDesk()
    lease, grant = alice.granted()
    alice.restart()

    assert alice.happen(events.Restarted()) == [grant]
    assert alice.take(a_progress(lease)) == [grant]
    assert alice.kept(Grant) == [grant]


@pytest.mark.rule("LEASE-16")
@pytest.mark.parametrize("is_granted", [False, True])
def test_letters_from_before_do_not_make_a_buyer_give_up_what_it_has(is_granted: bool) -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting()
    lease = a_lease(request, offer, acceptance)
    alice.take(lease)
    if is_granted:
        alice.take(a_progress(lease))
    alice.restart()

    sent = alice.take(offer, lease)

    assert not any(isinstance(letter.body, Release) for letter in sent)


@pytest.mark.rule("LEASE-22")
def test_an_acceptance_is_gone_on_with_until_its_offer_has_lapsed() -> None:
    alice = BuyerDesk()
    *_, acceptance = alice.accepting()
    alice.restart()

    sent = alice.wait_long(0) or alice.happen(events.Restarted())

    assert sent == [acceptance]


@pytest.mark.rule("LEASE-22")
def test_pieces_and_the_answer_to_their_receipt_outlast_a_restart() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    receipt = a_receipt(lease, statement="failed", pieces=3)
    confirmation, *_ = alice.take(receipt)
    alice.restart()

    assert alice.job().pieces == 1
    assert alice.take(receipt)[0] == confirmation
    assert alice.order().pieces_made() == 3


@pytest.mark.rule("LEASE-22")
def test_a_receipt_without_its_confirmation_is_confirmed_when_it_comes_again() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    receipt = a_receipt(lease)
    alice.take(receipt)
    alice.disk.pop()
    alice.restart()

    (confirmation,) = alice.take(receipt)

    assert alice.disk[-1] == confirmation
    assert alice.order().pieces_made() == 4


@pytest.mark.rule("LEASE-20")
def test_a_cancelled_order_stays_cancelled_though_its_clock_was_set_back() -> None:
    alice = BuyerDesk()
    alice.asking()
    alice.now = type(alice.now)(alice.now - HOUR_MS)
    alice.happen(events.Cancelled(OrderId(ORDER)))
    alice.restart()

    assert alice.order().is_cancelled
    assert isinstance(alice.job().state, Dropped)


@pytest.mark.rule("LEASE-20")
def test_a_running_job_of_a_cancelled_order_is_still_waited_for() -> None:
    alice = BuyerDesk()
    lease, _ = alice.granted()
    (release,) = alice.happen(events.Cancelled(OrderId(ORDER)))
    alice.restart()

    assert isinstance(alice.job().state, Granted)
    assert alice.happen(events.Restarted()) == [release]
    alice.take(a_receipt(lease, statement="failed", pieces=2))
    assert alice.order().pieces_made() == 2


@pytest.mark.rule("LEASE-22")
def test_a_lease_that_was_given_back_is_not_taken_up_again() -> None:
    alice = BuyerDesk()
    request, offer, acceptance = alice.accepting()
    alice.take(a_lease(request, offer, acceptance), a_refusal(acceptance))
    alice.restart()

    assert not isinstance(alice.job().state, Leased | Granted)


@pytest.mark.rule("LEASE-22")
def test_an_order_without_its_design_does_not_vanish_silently() -> None:
    alice = BuyerDesk()
    alice.asking()
    del alice.disk[0]

    with pytest.raises(AssertionError, match="the design of order"):
        restore_orders(alice.disk, ALICE.node, alice.now)


def test_records_of_other_kinds_are_passed_over() -> None:
    alice = BuyerDesk()
    lease = alice.leased()
    alice.disk.append(a_progress(lease))

    (order,) = restore_orders(alice.disk, ALICE.node, alice.now)

    assert isinstance(order.jobs[0].state, Leased)


# Death between any two effects.


def story(*, who: int, dies_in: int) -> Table:
    """Let one of the three die at a point of an order that goes well otherwise, but for a machine
    that is taken away at its beginning."""
    table = Table()
    table.desks[who].dies_in(dies_in)
    for _ in range(4):
        table.deliver(0)
    given_back = table.bob.happen(events.MachinesChanged(frozenset({"mk4"})))
    table.letters += given_back
    table.seen += given_back
    table.settle()
    return table


def effects_in_all(who: int) -> int:
    return 10_000 - story(who=who, dies_in=10_000).desks[who].effects_left


@pytest.mark.rule("LEASE-2")
@pytest.mark.rule("LEASE-22")
@pytest.mark.parametrize("who", [0, 1, 2], ids=["Alice", "Bob", "Carol"])
def test_wherever_a_node_dies_between_two_effects_all_ends_well(who: int) -> None:
    most = effects_in_all(who)
    assert most > 10

    for dies_in in range(most):
        table = story(who=who, dies_in=dies_in)
        table.check()
        table.check_restored()
        table.check_ended()


def test_the_story_that_is_cut_short_has_all_kinds_of_letters() -> None:
    table = story(who=0, dies_in=10_000)

    kinds = {letter.kind for letter in table.seen}
    assert kinds == {
        "request",
        "offer",
        "acceptance",
        "lease",
        "progress",
        "grant",
        "receipt",
        "release",
    }
