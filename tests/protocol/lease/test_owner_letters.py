"""The owner's side of a lease: letters that repeat, stray or give up. One rule a test."""

from collections.abc import Callable

import pytest

from commonfab.protocol import effects, events, records
from commonfab.protocol.author import Author
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.lease.owner import ENDED_KEPT_MS, Owner, Timing
from commonfab.protocol.lease.reporting import RESEND_MS_MAX, TELL_MS_MAX
from commonfab.protocol.lease.slots import Running
from commonfab.protocol.lease.windows import public_half
from commonfab.protocol.limits import HOLD_MS_MAX
from commonfab.protocol.records import (
    Lease,
    Progress,
    Receipt,
    Record,
    Refusal,
    Release,
    Window,
)
from tests.builders import (
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    a_confirmation,
    a_grant,
    a_release,
    a_request,
    an_acceptance,
    body_of,
)
from tests.protocol.desk import TWO, FixedQuoter, OwnerDesk, reason_of
from tests.protocol.signers import BOB, EVE

# Letters that come twice, late, or from somebody else.


@pytest.mark.rule("LEASE-16")
@pytest.mark.parametrize("kind", ["request", "acceptance", "grant", "confirmation", "release"])
def test_a_letter_that_comes_again_changes_nothing(kind: str) -> None:
    bob = OwnerDesk()
    letters = {"request": a_request()}
    letters["acceptance"] = an_acceptance(bob.held(letters["request"]))
    lease, _ = bob.take(letters["acceptance"])
    letters["grant"] = a_grant(lease)
    bob.take(letters["grant"])
    receipt = bob.end(lease)
    letters["confirmation"] = a_confirmation(receipt)
    letters["release"] = a_release(lease)
    if kind in ("confirmation", "release"):
        bob.take(letters["confirmation"])
    slots, disk = bob.slots(), list(bob.disk)

    bob.take(letters[kind])

    assert (bob.slots(), bob.disk) == (slots, disk)
    assert bob.of(effects.Run) == []


@pytest.mark.rule("LEASE-16")
def test_a_letter_that_comes_again_is_answered_with_where_the_slot_stands() -> None:
    bob = OwnerDesk()
    request = a_request()
    offer = bob.held(request)
    assert bob.take(request) == [offer]

    acceptance = an_acceptance(offer)
    lease, _ = bob.take(acceptance)
    assert bob.take(acceptance) == [lease]
    assert bob.take(request) == [lease]

    grant = a_grant(lease)
    bob.take(grant)
    assert bob.take(acceptance) == [lease]

    receipt = bob.end(lease)
    assert bob.take(grant) == [receipt]
    assert bob.take(acceptance) == [receipt]


@pytest.mark.rule("LEASE-16")
def test_what_is_over_is_answered_for_an_hour() -> None:
    bob = OwnerDesk()
    offer = bob.held()
    bob.wait(10 * SECOND_MS)
    (release,) = bob.kept(Release)

    bob.wait(ENDED_KEPT_MS)
    assert bob.take(an_acceptance(offer)) == [release]

    bob.wait(1)
    (answer,) = bob.take(an_acceptance(offer))
    assert reason_of(answer) == "no such offer here"


STRANGERS: dict[str, Callable[[OwnerDesk], list[Record]]] = {
    "accepts another's offer": lambda bob: [an_acceptance(bob.held(), by=EVE)],
    "grants another's lease": lambda bob: [a_grant(bob.leased(), by=EVE)],
    "releases another's offer": lambda bob: [a_release(bob.held(), by=EVE)],
    "releases another's lease": lambda bob: [a_release(bob.leased(), by=EVE)],
    "stops another's job": lambda bob: [a_release(bob.running(), by=EVE)],
    "confirms another's receipt": lambda bob: [a_confirmation(bob.reported(), by=EVE)],
    "accepts what there is not": lambda bob: [an_acceptance(bob.held(), offer=bytes(32))],
    "accepts a request": lambda bob: [an_acceptance(bob.held(), offer=bob.slot().request.id)],
    "grants an offer": lambda bob: [a_grant(bob.leased(), lease=bob.slot().offer.id)],
    "grants what there is not": lambda bob: [a_grant(bob.leased(), lease=bytes(32))],
    "confirms another receipt": lambda bob: [a_confirmation(bob.reported(), about=bytes(32))],
    "says that it was made": lambda bob: [a_confirmation(bob.reported(), statement="made")],
    "offers": lambda bob: [bob.held()],
    "leases": lambda bob: [bob.leased()],
}


@pytest.mark.rule("LEASE-17")
@pytest.mark.parametrize("what", STRANGERS)
def test_a_letter_that_is_not_the_other_sides_to_write_changes_nothing(what: str) -> None:
    bob = OwnerDesk()
    letters = STRANGERS[what](bob)
    slots, disk = bob.slots(), list(bob.disk)

    answers = bob.take(*letters)

    assert (bob.slots(), bob.disk) == (slots, disk)
    assert all(isinstance(answer.body, Refusal) for answer in answers)
    assert not bob.of(effects.Run)
    assert not bob.of(effects.Stop)


# Giving up.


@pytest.mark.rule("LEASE-12")
def test_an_offer_that_its_buyer_releases_is_over_without_an_answer() -> None:
    bob = OwnerDesk()

    assert bob.take(a_release(bob.held())) == []

    assert bob.slots() == []


@pytest.mark.rule("LEASE-12")
def test_a_lease_that_its_buyer_releases_before_the_grant_is_over_and_acknowledged() -> None:
    bob = OwnerDesk()
    lease = bob.leased()

    (answer,) = bob.take(a_release(lease, reason="found a nearer one"))

    assert body_of(answer, Release).about == lease.id
    assert reason_of(answer) == "found a nearer one"
    assert bob.slots() == []
    assert bob.of(effects.CapacityChanged)


@pytest.mark.rule("LEASE-12")
def test_a_running_job_that_its_buyer_releases_is_stopped_and_reported() -> None:
    bob = OwnerDesk()
    lease = bob.running()
    release = a_release(lease, reason="cancelled")

    bob.take(release)
    assert bob.of(effects.Stop) == [effects.Stop("mk3", lease, "cancelled")]
    assert bob.kept(Release) == [release]
    receipt = bob.end(lease, made=False, pieces=2, reason="stopped")

    assert body_of(receipt, Receipt).pieces == 2
    assert reason_of(receipt) == "cancelled"


@pytest.mark.rule("LEASE-12")
def test_a_running_job_is_stopped_once() -> None:
    bob = OwnerDesk()
    lease = bob.running()

    bob.take(a_release(lease), a_release(lease))

    assert len(bob.of(effects.Stop)) == 1


def test_leases_on_a_machine_that_takes_no_jobs_are_given_back() -> None:
    bob = OwnerDesk(TWO)
    first, second = bob.leased(a_request(job=0)), bob.leased(a_request(job=1))

    sent = bob.happen(events.MachinesChanged(frozenset({"mk4"})))

    assert [body_of(letter, Release).about for letter in sent] == [first.id]
    assert [slot.lease for slot in bob.slots()] == [second]


def test_a_running_job_outlasts_its_machine_being_taken_off_the_list() -> None:
    bob = OwnerDesk()
    bob.running()

    assert bob.happen(events.MachinesChanged(frozenset())) == []

    assert isinstance(bob.slot().state, Running)


# Saying it again.


@pytest.mark.rule("LEASE-18")
def test_the_grant_is_asked_for_again_ever_more_slowly() -> None:
    bob = OwnerDesk()
    bob.leased(a_request(patience_ms=HOUR_MS))
    asked: list[int] = []
    for _ in range(11):
        wake_at = bob.wake_at()
        assert wake_at is not None
        asked.append(wake_at - bob.now)
        (again,) = bob.wait(wake_at - bob.now)
        assert body_of(again, Progress).state == "ready"

    doubled = [1000 * 2**times for times in range(9)]
    assert asked == [*doubled, 5 * MINUTE_MS, 5 * MINUTE_MS]


@pytest.mark.rule("LEASE-18")
def test_an_end_is_told_until_it_is_confirmed_ever_more_slowly() -> None:
    bob = OwnerDesk()
    receipt = bob.reported()

    sent = bob.wait_long(HOUR_MS)

    assert all(letter == receipt for letter in sent)
    assert len(sent) == 9 + (HOUR_MS - 511 * SECOND_MS) // RESEND_MS_MAX
    bob.take(a_confirmation(receipt))
    assert bob.wake_at() is None


@pytest.mark.rule("LEASE-18")
def test_an_end_is_not_told_for_ever() -> None:
    bob = OwnerDesk()
    bob.reported()

    bob.wait(TELL_MS_MAX + 1)

    assert bob.slots() == []


def test_a_desk_with_nothing_on_it_asks_for_no_waking() -> None:
    bob = OwnerDesk()

    bob.happen(events.Tick())

    assert bob.effects == []


# The chain of a machine's leases.


@pytest.mark.rule("LEASE-19")
def test_each_window_of_a_machine_names_the_one_before() -> None:
    bob = OwnerDesk(TWO)

    leases = [bob.leased(a_request(job=job)) for job in range(4)]

    assert [body_of(lease, Lease).machine for lease in leases] == ["mk3", "mk4", "mk3", "mk4"]
    first, second, third, fourth = (public_half(lease) for lease in leases)
    assert [previous(each) for each in (first, second)] == [None, None]
    assert [previous(each) for each in (third, fourth)] == [first.id, second.id]


def previous(sealed: Envelope) -> bytes | None:
    return body_of(records.read(sealed), Window).previous


@pytest.mark.rule("LEASE-19")
def test_the_chain_goes_on_after_the_lease_has_ended_and_the_node_was_restarted() -> None:
    bob = OwnerDesk()
    lease = bob.leased()
    bob.take(a_release(lease))
    bob.wait(2 * ENDED_KEPT_MS)
    bob.restart()

    following = bob.leased(a_request(job=1, at=bob.now))

    assert previous(public_half(following)) == public_half(lease).id
    assert following.body.seq > lease.body.seq


# Words that others chose.


@pytest.mark.rule("LEASE-21")
def test_what_a_machine_says_is_made_fit_for_a_record() -> None:
    bob = OwnerDesk()

    receipt = bob.end(bob.running(), reason="bed\x00 too cold\n" + "\u202e" + "x" * 5000)

    assert reason_of(receipt).startswith("bed too cold xxx")
    assert len(reason_of(receipt)) == 1000


@pytest.mark.rule("LEASE-21")
def test_numbers_that_no_machine_can_mean_are_made_fit_too() -> None:
    bob = OwnerDesk()
    lease = bob.running()
    bob.happen(events.JobProgressed(lease.id, "running", 5000))
    (beat,) = bob.wait(HOUR_MS)
    odd = events.JobEnded(lease.id, True, 1000, -1, -1, 2**70, -5, -5)

    receipt, *_ = bob.happen(odd)

    said = body_of(receipt, Receipt)
    assert body_of(beat, Progress).permille == 1000
    assert (said.pieces, said.price_minor) == (4, 250)
    assert (said.machine_seconds, said.mass_mg, said.co2e_mg) == (0, 2**53, 0)


def test_an_owner_that_buys_from_itself_does_not_answer_its_own_letters_for_ever() -> None:
    bob = OwnerDesk()
    letters = bob.take(a_request(by=BOB))
    lease, _ = bob.take(an_acceptance(letters[0], by=BOB))
    (release,) = bob.take(a_release(lease, by=BOB))

    assert bob.take(release) == []


def test_an_owner_does_not_start_with_a_hold_that_no_offer_may_have() -> None:
    with pytest.raises(AssertionError):
        Owner(Author(BOB), FixedQuoter(), Timing(hold_ms=HOLD_MS_MAX + 1))
