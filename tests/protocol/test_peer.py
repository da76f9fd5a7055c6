"""One node's whole mind: what arrives is judged, and what follows from it is returned."""

from typing import Any

import pytest

from commonfab.protocol import effects, events, records
from commonfab.protocol.admission import Accept, Admission, Conflict, Ignore, Reject
from commonfab.protocol.author import Author
from commonfab.protocol.effects import Keep, KeepProof, Send, WakeAt
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.guardian import Guardian
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.votes import Votes
from commonfab.protocol.lease.windows import public_half
from commonfab.protocol.peer import Peer
from commonfab.protocol.records import Lease, Offer, Record
from commonfab.protocol.standing import proofs
from tests.builders import (
    MINUTE_MS,
    NOON,
    SECOND_MS,
    a_capacity,
    a_design,
    a_lease,
    a_release,
    a_request,
    an_acceptance,
    an_evidence,
    an_offer,
    an_order,
    body_of,
    changed,
    later,
)
from tests.protocol.desk import FixedPlanner, FixedQuoter
from tests.protocol.signers import ALICE, BOB, CAROL, EVE, Person


def a_peer(who: Person = BOB) -> Peer:
    author = Author(who)
    owner = Owner(author, FixedQuoter())
    buyer = Buyer(author, FixedPlanner(owners=(BOB,)))
    return Peer(who.node, Admission(), owner, buyer)


def test_a_public_record_is_kept_and_nothing_else() -> None:
    capacity = a_capacity(by=CAROL)

    verdict, due = a_peer().receive(capacity.data, NOON)

    assert (verdict, due) == (Accept(capacity), [Keep(capacity)])


def test_a_letter_is_acted_on() -> None:
    request = a_request()

    verdict, due = a_peer().receive(request.data, NOON)

    assert verdict == Accept(request)
    assert [type(effect) for effect in due] == [Keep, Keep, Send, WakeAt]


def test_a_letter_to_another_node_is_ignored() -> None:
    verdict, due = a_peer(CAROL).receive(a_request().data, NOON)

    assert (verdict, due) == (Ignore("a letter to another node"), [])


def test_another_nodes_order_is_ignored() -> None:
    verdict, due = a_peer().receive(an_order(a_design()).data, NOON)

    assert (verdict, due) == (Ignore("a letter to another node"), [])


def test_what_is_not_believed_has_no_effects() -> None:
    bob = a_peer()
    stale = a_capacity(by=CAROL, seq=1)
    bob.receive(a_capacity(by=CAROL, seq=2).data, NOON)

    assert isinstance(bob.receive(stale.data, NOON)[0], Ignore)
    verdict, due = bob.receive(b"garbage", NOON)

    assert isinstance(verdict, Reject)
    assert due == []


@pytest.mark.rule("ADMISSION-5")
def test_a_conflict_is_kept_as_proof() -> None:
    bob = a_peer()
    first, second = a_design(by=EVE, seq=1), a_design(by=EVE, seq=1, name="Other")
    bob.receive(first.data, NOON)

    verdict, due = bob.receive(second.data, NOON)

    assert verdict == Conflict(EVE.node, first.id, second)
    assert due == [KeepProof(EVE.node, first.id, second)]


@pytest.mark.rule("ADMISSION-5")
def test_a_buyer_who_asks_two_things_in_one_place_is_heard_once() -> None:
    bob = a_peer()
    first, second = a_request(by=EVE, seq=1), a_request(by=EVE, seq=1, job=1)
    bob.receive(first.data, NOON)

    verdict, due = bob.receive(second.data, NOON)

    assert isinstance(verdict, Conflict)
    assert len(bob.owner.slots()) == 1
    assert [type(effect) for effect in due] == [KeepProof]


def test_the_earlier_alarm_of_the_two_sides_is_set_last() -> None:
    bob = a_peer()
    design = a_design(by=BOB)
    bob.receive(a_request().data, NOON)

    due = bob.handle(events.Placed(an_order(design, by=BOB), design), NOON)

    assert due[-1] == WakeAt(later(3 * SECOND_MS))
    assert sum(isinstance(effect, WakeAt) for effect in due) == 1


def test_an_alarm_of_one_side_outlasts_an_event_of_the_other() -> None:
    bob = a_peer()
    bob.receive(a_request().data, NOON)

    due = bob.handle(events.Tick(), later(1))

    assert due == [WakeAt(later(10 * SECOND_MS))]


def test_a_peer_with_nothing_to_wait_for_sets_no_alarm() -> None:
    assert a_peer().handle(events.Tick(), NOON) == []


def test_a_node_can_buy_from_itself() -> None:
    bob = a_peer()
    design = a_design(by=BOB)
    order = an_order(design, by=BOB)
    letters = _sent(bob.handle(events.Placed(order, design), NOON))
    now = NOON
    runs: list[effects.Run] = []

    for _ in range(50):
        now = Timestamp(now + 10)
        due = [effect for letter in letters for effect in bob.receive(letter.data, now)[1]]
        runs += [effect for effect in due if isinstance(effect, effects.Run)]
        for run in [effect for effect in due if isinstance(effect, effects.Run)]:
            end = events.JobEnded(run.lease.id, True, 4, NOON, 1, 1, 1, 1)
            due += bob.handle(end, now)
        letters = _sent(due)

    assert len(runs) == 1
    assert letters == []
    assert bob.buyer.orders()[0].is_over()
    assert bob.owner.slots() == []


def test_a_letter_that_is_played_again_later_starts_nothing_new() -> None:
    bob = a_peer()
    request = a_request()
    _, due = bob.receive(request.data, NOON)
    offer = next(effect.record for effect in due if isinstance(effect, Send))
    bob.receive(a_release(offer).data, NOON)

    _, again = bob.receive(request.data, later(SECOND_MS))

    assert not any(isinstance(r.body, Offer) for r in _sent(again))
    assert bob.owner.slots() == []
    assert body_of(offer, Offer).request == request.id


# Windows.


def a_leased_window(who: Person = CAROL, minutes: int = 10, **changes: Any) -> Record:
    """Return a lease of Carol's to Alice for the next so many minutes."""
    request = a_request(to=who.node)
    offer = an_offer(request, by=who, window_ms=minutes * MINUTE_MS)
    return a_lease(request, offer, an_acceptance(offer), who, **changes)


@pytest.mark.rule("LEASE-24")
def test_the_window_of_a_lease_is_kept_before_the_lease_is_looked_at() -> None:
    lease = a_leased_window()

    verdict, due = a_peer(ALICE).receive(lease.data, NOON)

    assert verdict == Accept(lease)
    assert isinstance(due[0], Keep)
    assert due[0].record.id == public_half(lease).id


@pytest.mark.rule("LEASE-24")
@pytest.mark.parametrize("window", [b"garbage", a_request().data])
def test_a_lease_that_carries_no_window__reject(window: bytes) -> None:
    verdict, due = a_peer(ALICE).receive(a_leased_window(window=window).data, NOON)

    assert isinstance(verdict, Reject)
    assert due == []


@pytest.mark.rule("LEASE-24")
def test_a_lease_with_a_forged_window__reject() -> None:
    lease = a_leased_window()
    forged = bytearray(body_of(lease, Lease).window)
    forged[-1] ^= 1

    verdict, due = a_peer(ALICE).receive(changed(lease, CAROL, window=bytes(forged)).data, NOON)

    assert isinstance(verdict, Reject)
    assert due == []


@pytest.mark.rule("LEASE-25")
@pytest.mark.parametrize("backwards", [False, True])
def test_who_hears_of_two_windows_for_one_time_proves_the_lie(backwards: bool) -> None:
    bob = a_peer()
    halves = [public_half(a_leased_window(minutes=minutes)) for minutes in (10, 20)]
    first, second = reversed(halves) if backwards else halves

    bob.receive(first.data, NOON)
    _, due = bob.receive(second.data, NOON)

    proof = proofs.prove(first.data, second.data)
    assert [e.record.id for e in due if isinstance(e, Keep)] == [second.id, proof.id]
    assert bob.admission.frozen(CAROL.node) == proofs.rank(proof)


@pytest.mark.rule("LEASE-25")
def test_a_node_counts_its_own_windows_too() -> None:
    bob = a_peer()
    offer = next(iter(_sent(bob.receive(a_request().data, NOON)[1])))
    lease = _sent(bob.receive(an_acceptance(offer).data, NOON)[1])[0]

    other = public_half(a_leased_window(BOB))

    assert bob.windows.take(records.read(other), NOON) == records.read(public_half(lease))


# Evidence.


@pytest.mark.rule("LEASE-27")
def test_evidence_that_nobody_signed__reject() -> None:
    design = a_design()
    order = an_order(design, guardians=(ALICE.node, BOB.node, CAROL.node))
    forged = bytearray(order.data)
    forged[-1] ^= 1
    good = an_evidence(ALICE, [order, design], to=BOB.node)
    bad = changed(good, ALICE, papers=(bytes(forged), design.data))

    bob = a_peer()
    bob.guardian = Guardian(Author(BOB), Votes())

    assert isinstance(bob.receive(bad.data, NOON)[0], Reject)
    assert bob.guardian.wards() == []
    assert isinstance(bob.receive(good.data, NOON)[0], Accept)
    assert len(bob.guardian.wards()) == 1


@pytest.mark.rule("LEASE-29")
def test_a_guardian_goes_on_with_an_order_whose_buyer_is_gone() -> None:
    design = a_design()
    order = an_order(design, guardians=(ALICE.node, BOB.node, CAROL.node))
    bob = a_peer()
    bob.guardian = Guardian(Author(BOB), Votes(), care_ms=MINUTE_MS)
    bob.receive(an_evidence(ALICE, [order, design], to=BOB.node).data, NOON)

    asked = _sent(bob.handle(events.Tick(), later(MINUTE_MS)))
    said = _sent(bob.handle(events.Tick(), later(2 * MINUTE_MS)))

    assert {record.kind for record in asked} == {"evidence"}
    assert "request" in {record.kind for record in said}


def _sent(due: list[effects.Effect]) -> list[Record]:
    return [effect.record for effect in due if isinstance(effect, Send)]
