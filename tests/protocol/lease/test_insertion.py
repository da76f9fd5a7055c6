"""The owner's queue: what comes before what, what hours and power do to it, and what is over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from commonfab.protocol import effects, records
from commonfab.protocol.author import Author
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.intake import PATIENT_HOLDS_MAX, UNTAKEN_MAX
from commonfab.protocol.lease.owner import Owner, Timing
from commonfab.protocol.lease.schedule import TAKEN_COUNTS
from commonfab.protocol.lease.slots import Leased, Quote, Ready, Running
from commonfab.protocol.lease.starts import AtOnce, Load, Turn
from commonfab.protocol.lease.windows import are_a_lie, public_half
from commonfab.protocol.limits import DAY_MS, WINDOWS_OVER_MAX
from commonfab.protocol.records import (
    Lease,
    Offer,
    Progress,
    Record,
    Release,
    Request,
    Window,
    sign,
)
from tests.builders import (
    HOUR_MS,
    MINUTE_MS,
    NOON,
    SECOND_MS,
    WINDOW_MS,
    a_grant,
    a_release,
    a_request,
    an_acceptance,
    body_of,
    later,
)
from tests.protocol.desk import FixedQuoter, OwnerDesk, ended, reason_of
from tests.protocol.signers import ALICE, BOB

SHORT_MS = 10 * MINUTE_MS
QUARTER = Timing(leeway_permille=250)


@dataclass
class ByThePiece:
    """Every piece takes ten minutes."""

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        length_ms = request.pieces * SHORT_MS
        return [Quote("mk3", length_ms, 250, "EUR", length_ms // 1000, 100_000, 16_667, 5_000)]


def a_queue() -> OwnerDesk:
    """Return Bob with a machine that runs for half an hour, and a long job behind it."""
    bob = OwnerDesk(FixedQuoter())
    bob.side = Owner(Author(BOB), ByThePiece(), QUARTER)
    bob.running(a_request(job=0, pieces=3))
    bob.leased(a_request(job=1, pieces=30))
    return bob


def window(bob: OwnerDesk, **changes: Any) -> tuple[int, int]:
    """Return the window that is offered for a request, in minutes from noon."""
    offer = body_of(bob.held(a_request(**changes)), Offer)
    return (offer.start - NOON) // MINUTE_MS, (offer.end - NOON) // MINUTE_MS


@pytest.mark.rule("LEASE-26")
def test_a_window_is_longer_than_its_job_by_a_quarter() -> None:
    bob = a_queue()

    long = body_of(bob.slots()[1].lease or bob.slots()[1].offer, Lease)

    assert (long.start, long.end) == (NOON + 3 * SHORT_MS, NOON + 3 * SHORT_MS + 75 * 5 * MINUTE_MS)
    assert long.length_ms == 30 * SHORT_MS


@pytest.mark.rule("LEASE-26")
def test_short_jobs_come_before_a_long_one_for_as_long_as_its_end_holds() -> None:
    bob = a_queue()

    windows = [window(bob, job=job, pieces=2) for job in range(2, 6)]

    assert windows == [(30, 55), (50, 75), (70, 95), (390, 415)]


@pytest.mark.rule("LEASE-26")
def test_the_machine_takes_them_in_the_order_of_their_turns() -> None:
    bob = a_queue()
    short = bob.leased(a_request(job=2, pieces=2))
    (running,) = [slot for slot in bob.slots() if isinstance(slot.state, Running)]
    assert running.lease is not None

    *_, ready = bob.happen(ended(running.lease))

    assert body_of(ready, Progress).lease == short.id


def test_a_lease_is_begun_before_an_offer_that_can_wait() -> None:
    bob = OwnerDesk(FixedQuoter())
    bob.side = Owner(Author(BOB), ByThePiece(), QUARTER)
    bob.held(a_request(job=0, pieces=30))

    bob.take(an_acceptance(bob.held(a_request(job=1, pieces=1))))

    assert [type(slot.state) for slot in bob.slots() if slot.asked.job == 1] == [Ready]


@pytest.mark.rule("LEASE-26")
def test_leeway_does_not_make_late_what_could_be_in_time() -> None:
    bob = OwnerDesk(FixedQuoter(), timing=QUARTER)

    in_time, late = (body_of(bob.held(dated(job, NOON + WINDOW_MS + 1)), Offer) for job in range(2))

    assert in_time.end == NOON + WINDOW_MS + 1
    assert late.end == late.start + WINDOW_MS


def dated(job: int, by: int) -> Record:
    return sign(structs.replace(a_request(job=job).body, by=by), ALICE)


@dataclass
class DearOrSlow:
    """One machine is twice as fast, and costs ten euros more."""

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        return [
            Quote("slow", 3 * HOUR_MS, 500, "EUR", 7200, 1, 1, 1),
            Quote("fast", HOUR_MS, 1500, "EUR", 3600, 1, 1, 1),
        ]


@pytest.mark.rule("LEASE-26")
@pytest.mark.parametrize(("hour_minor", "machine"), [(0, "fast"), (999, "slow"), (1001, "fast")])
def test_the_machine_that_is_best_for_the_buyer_is_offered(hour_minor: int, machine: str) -> None:
    """Its leeway and its margin are no hours that anybody waits."""
    bob = OwnerDesk()
    bob.side = Owner(Author(BOB), DearOrSlow())

    offer = body_of(bob.held(a_request(hour_minor=hour_minor)), Offer)

    assert offer.machine == machine


@pytest.mark.rule("LEASE-26")
def test_of_those_that_can_wait_the_shortest_begins_first() -> None:
    bob = a_queue()
    bob.leased(a_request(job=2, pieces=2))
    shorter = bob.leased(a_request(job=3, pieces=1))
    running = next(slot.lease for slot in bob.slots() if isinstance(slot.state, Running))
    assert running is not None

    *_, ready = bob.happen(ended(running))

    assert body_of(ready, Progress).lease == shorter.id


# Hours and power.


@dataclass
class Closed(AtOnce):
    """A workshop that opens at one, and has no power for a lease before two."""

    opens: int = NOON + HOUR_MS
    power_at: int = NOON + 2 * HOUR_MS
    seen: list[str] = field(default_factory=list[str])

    def window(self, machine: str, at: int, length_ms: int) -> tuple[int, int] | None:
        start = max(at, self.opens)
        return start, start + length_ms

    def begin(self, turns: Sequence[Turn], loads: Sequence[Load], now: Timestamp) -> list[int]:
        self.seen += [turn.machine for turn in turns]
        return [max(turn.earliest, self.power_at) for turn in turns]


@pytest.mark.rule("LEASE-26")
def test_nothing_is_promised_or_begun_while_the_workshop_is_closed_or_without_power() -> None:
    bob = OwnerDesk()
    bob.side = Owner(Author(BOB), FixedQuoter(), Timing(leeway_permille=0), starts=Closed())
    lease = bob.leased(a_request(patience_ms=DAY_MS))

    assert body_of(lease, Lease).start == NOON + HOUR_MS
    assert isinstance(bob.slot().state, Leased)
    assert bob.wait_long(2 * HOUR_MS - 1) == []
    (ready,) = bob.wait_long(1)
    assert body_of(ready, Progress).state == "ready"


# What is over.


def over(lease: Record) -> tuple[bytes, ...]:
    return body_of(records.read(public_half(lease)), Window).over


@pytest.mark.rule("LEASE-25")
def test_a_window_names_the_earlier_ones_that_it_takes_the_place_of() -> None:
    bob = OwnerDesk()
    given_back = bob.leased(a_request(job=0))
    bob.take(a_release(given_back))
    bob.restart()

    following = bob.leased(a_request(job=1))

    assert over(following) == (public_half(given_back).id,)
    assert over(bob.leased(a_request(job=2))) == ()


@pytest.mark.rule("LEASE-2")
@pytest.mark.rule("LEASE-25")
@pytest.mark.parametrize("lost", range(4))
def test_an_owner_that_dies_while_it_writes_a_lease_down_does_not_lie(lost: int) -> None:
    bob = OwnerDesk()
    acceptance = an_acceptance(bob.held())
    bob.take(acceptance)
    bob.disk = bob.disk[: len(bob.disk) - lost]
    told = bob.kept(Window)
    bob.restart()
    bob.wait(-MINUTE_MS)

    lease, *_ = bob.take(acceptance)
    following = bob.leased(a_request(job=1))

    told += [records.read(public_half(each)) for each in (lease, following)]
    assert not any(are_a_lie(one, other) for one in told for other in told)
    assert len({record.body.seq for record in told}) == len({record.id for record in told})


@pytest.mark.rule("LEASE-25")
def test_a_window_of_next_week_that_was_given_back_is_remembered_until_then() -> None:
    bob = OwnerDesk(FixedQuoter(window_ms=DAY_MS))
    bob.running(a_request(job=0))
    given_back = bob.leased(a_request(job=1))
    bob.take(a_release(given_back))
    bob.wait(2 * HOUR_MS)

    following = bob.leased(a_request(job=2, at=bob.now))

    assert body_of(following, Lease).start == later(DAY_MS)
    assert over(following) == (public_half(given_back).id,)


@pytest.mark.rule("LEASE-25")
def test_an_owner_that_would_have_to_name_too_many_gives_no_lease() -> None:
    bob = OwnerDesk()
    for job in range(WINDOWS_OVER_MAX):
        bob.take(a_release(bob.leased(a_request(job=job))))
    assert len(over(bob.leased(a_request(job=900)))) == WINDOWS_OVER_MAX
    bob.take(a_release(next(s.lease for s in bob.slots() if s.lease)))

    (answer,) = bob.take(an_acceptance(bob.held(a_request(job=901))))

    assert isinstance(answer.body, Release)
    assert reason_of(answer) == "too many windows were given back here in this time"


@pytest.mark.rule("LEASE-7")
def test_a_buyer_that_takes_nothing_is_refused_after_a_while() -> None:
    bob = OwnerDesk()
    for number in range(UNTAKEN_MAX):
        bob.take(a_release(bob.held(a_request(job=number))))

    (refusal,) = bob.take(a_request(job=9000))
    bob.wait(2 * HOUR_MS)

    assert reason_of(refusal) == f"you let {UNTAKEN_MAX} offers lapse within an hour"
    assert isinstance(bob.held(a_request(job=9001, at=bob.now)).body, Offer)


@pytest.mark.rule("LEASE-7")
def test_one_offer_that_is_taken_makes_up_for_several_that_are_not() -> None:
    bob = OwnerDesk()
    bob.leased()
    for number in range(UNTAKEN_MAX):
        bob.take(a_release(bob.held(a_request(job=number + 1))))

    assert isinstance(bob.held(a_request(job=9000)).body, Offer)


# Patience.


PATIENCE_MS = 2 * DAY_MS


def patient(job: int = 0) -> Record:
    return a_request(job=job, patience_ms=PATIENCE_MS)


@pytest.mark.rule("LEASE-30")
def test_an_offer_is_held_for_as_long_as_a_patient_buyers_letters_take() -> None:
    bob = OwnerDesk()

    offer = body_of(bob.held(patient()), Offer)

    assert offer.held_until == NOON + 2 * PATIENCE_MS
    assert body_of(bob.held(a_request(job=1)), Offer).held_until == NOON + 10 * SECOND_MS


@pytest.mark.rule("LEASE-30")
def test_few_offers_are_held_for_long() -> None:
    bob = OwnerDesk()
    for job in range(PATIENT_HOLDS_MAX):
        bob.held(patient(job))

    (refusal,) = bob.take(patient(99))

    assert reason_of(refusal) == f"{PATIENT_HOLDS_MAX} offers wait for you for long already"
    assert isinstance(bob.held(a_request(job=100)).body, Offer)


@pytest.mark.rule("LEASE-30")
def test_a_patient_buyers_grant_may_come_before_the_turn_of_its_job() -> None:
    bob = OwnerDesk()
    first = bob.running(a_request(job=0))
    lease = bob.leased(patient(1))

    assert bob.take(a_grant(lease)) == []
    bob.restart()
    bob.end(first)

    assert [run.lease for run in bob.of(effects.Run)] == [lease]


@pytest.mark.rule("LEASE-2")
@pytest.mark.rule("LEASE-30")
def test_that_a_job_has_begun_which_was_granted_ahead_is_on_the_disk() -> None:
    bob = OwnerDesk()
    first = bob.running(a_request(job=0))
    lease = bob.leased(patient(1))
    bob.take(a_grant(lease))
    bob.end(first)

    bob.restart()

    assert [s.lease for s in bob.slots() if isinstance(s.state, Running)] == [lease]


@pytest.mark.rule("LEASE-10")
def test_another_buyers_grant_out_of_turn_changes_nothing() -> None:
    bob = OwnerDesk()
    bob.running(a_request(job=0))
    lease = bob.leased(a_request(job=1))

    bob.take(a_grant(lease))

    assert [s.state for s in bob.slots() if s.lease == lease] == [Leased(lease)]


@pytest.mark.rule("LEASE-7")
def test_a_buyer_that_takes_leases_and_grants_none_is_refused_soon() -> None:
    bob = OwnerDesk(FixedQuoter(window_ms=MINUTE_MS))
    for number in range(UNTAKEN_MAX // TAKEN_COUNTS):
        bob.leased(a_request(job=number, grace_ms=SECOND_MS))
        bob.wait(4 * SECOND_MS)

    (refusal,) = bob.take(a_request(job=UNTAKEN_MAX))

    assert reason_of(refusal) == f"you let {UNTAKEN_MAX} offers lapse within an hour"


@pytest.mark.rule("LEASE-7")
def test_leases_that_their_owner_could_not_begin_are_not_held_against_their_buyer() -> None:
    bob = OwnerDesk(FixedQuoter(window_ms=MINUTE_MS))
    bob.running(a_request(job=9000))
    bob.wait(2 * MINUTE_MS)
    for number in range(UNTAKEN_MAX // TAKEN_COUNTS + 2):
        bob.take(an_acceptance(bob.held(a_request(job=number, grace_ms=SECOND_MS, at=bob.now))))
        bob.wait(4 * SECOND_MS)

    assert isinstance(bob.held(a_request(job=UNTAKEN_MAX)).body, Offer)
