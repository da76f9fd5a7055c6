"""The guardian's side: whose lease it grants, and when it goes on with an order."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from commonfab.protocol import effects, events
from commonfab.protocol.author import Author
from commonfab.protocol.effects import Effect
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.guardian import ASK_SHARE, CARE_MS, WARDS_MAX, Guardian, papers_of
from commonfab.protocol.lease.votes import Votes
from commonfab.protocol.records import Evidence, Grant, Record, sign
from tests.builders import (
    GRACE_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON,
    WINDOW_MS,
    a_confirmation,
    a_design,
    a_grant,
    a_lease,
    a_receipt,
    a_request,
    an_acceptance,
    an_evidence,
    an_offer,
    an_order,
    body_of,
    changed,
)
from tests.protocol.desk import OwnerDesk, ended
from tests.protocol.signers import ALICE, BOB, CAROL, EVE, Person

DAVE = Person(b"dave" + bytes(28))
GUARDIANS = (ALICE.node, CAROL.node, DAVE.node)
DESIGN = a_design()
ORDER = an_order(DESIGN, guardians=GUARDIANS)


@dataclass
class Desk:
    """Carol's guardian's side, with its clock and its disk."""

    who: Person = CAROL
    now: Timestamp = NOON
    disk: list[Record] = field(default_factory=list[Record])

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.votes = Votes()
        author = Author(self.who, [("grant", NOON + 10**9), ("evidence", NOON + 10**9)])
        self.side = Guardian(author, self.votes, stored=self.disk, now=self.now)

    def shown(self, letter: Record) -> list[Record]:
        """Return what is said to a letter with its papers."""
        return self._carry_out(events.Shown(letter, tuple(papers_of(letter))))

    def wait(self, ms: int) -> list[Record]:
        self.now = Timestamp(self.now + ms)
        return self._carry_out(events.Tick())

    def entrusted(self) -> list[events.Entrusted]:
        return self.side.entrusted(self.now)

    def _carry_out(self, event: events.Event) -> list[Record]:
        due: list[Effect] = self.side.handle(event, self.now)
        self.disk += [e.record for e in due if isinstance(e, effects.Keep)]
        return [e.record for e in due if isinstance(e, effects.Send)]


def guarding(who: Person = CAROL) -> Desk:
    desk = Desk(who)
    desk.shown(order_shown())
    return desk


def order_shown(by: Person = ALICE, order: Record = ORDER, **changes: Any) -> Record:
    return an_evidence(by, [order, DESIGN], **changes)


def a_deal(
    by: Person = BOB, asked_by: Person = ALICE, **changes: Any
) -> tuple[Record, Record, Record]:
    """Return a request, an offer and the lease that came of it."""
    fields = {"guardians": GUARDIANS} | changes
    request = a_request(asked_by, to=by.node, **fields)
    offer = an_offer(request, by=by)
    return request, offer, a_lease(request, offer, an_acceptance(offer, asked_by), by)


def plea(by: Person = BOB, **changes: Any) -> Record:
    """Return Bob's word that his machine is free for a job of the order."""
    return an_evidence(by, a_deal(by, **changes))


@pytest.mark.rule("LEASE-27")
def test_a_guardian_grants_a_lease_that_it_is_shown() -> None:
    carol = guarding()
    letter = plea()

    (grant,) = carol.shown(letter)

    lease = papers_of(letter)[2]
    body = body_of(grant, Grant)
    assert (body.to, body.lease, body.job, body.epoch) == (BOB.node, lease.id, 0, 1)
    assert body.use_by == NOON + GRACE_MS
    assert body.until == NOON + GRACE_MS + WINDOW_MS + GRACE_MS


@pytest.mark.rule("LEASE-2")
def test_a_grant_and_what_it_rests_on_are_kept_before_it_is_said() -> None:
    carol = guarding()
    letter = plea()

    due = carol.side.handle(events.Shown(letter, tuple(papers_of(letter))), NOON)

    assert [type(effect).__name__ for effect in due[:3]] == ["Keep", "Keep", "Send"]
    kept = [effect.record for effect in due if isinstance(effect, effects.Keep)]
    assert papers_of(kept[0]) == papers_of(letter)
    assert (kept[0].author, body_of(kept[0], Evidence).to) == (CAROL.node, CAROL.node)
    assert isinstance(kept[1].body, Grant)


@pytest.mark.rule("LEASE-28")
def test_the_same_lease_gets_the_same_grant_again_over_a_restart_too() -> None:
    carol = guarding()
    letter = plea()
    (grant,) = carol.shown(letter)

    carol.restart()

    assert carol.shown(letter) == [grant]


@pytest.mark.rule("LEASE-28")
def test_another_lease_of_the_same_attempt_gets_none() -> None:
    carol = guarding()
    carol.shown(plea())

    assert carol.shown(plea(EVE)) == []
    carol.restart()
    assert carol.shown(plea(EVE)) == []


@pytest.mark.rule("LEASE-28")
def test_the_next_attempt_waits_until_nothing_is_at_work_any_more() -> None:
    carol = guarding()
    carol.shown(plea())
    following = plea(EVE, epoch=2)

    assert carol.shown(following) == []
    carol.wait(GRACE_MS + WINDOW_MS + GRACE_MS)
    (grant,) = carol.shown(following)

    assert body_of(grant, Grant).epoch == 2


@pytest.mark.rule("LEASE-28")
def test_a_receipt_lets_the_next_attempt_begin_at_once() -> None:
    carol = guarding()
    deal = a_deal()
    carol.shown(an_evidence(BOB, deal))
    failed = a_receipt(deal[2], statement="failed", pieces=1)

    carol.shown(an_evidence(BOB, [*deal, failed]))
    (grant,) = carol.shown(plea(EVE, epoch=2, pieces=3))

    assert body_of(grant, Grant).epoch == 2


@pytest.mark.rule("LEASE-28")
def test_no_more_pieces_are_granted_than_are_missing() -> None:
    carol = guarding()
    deal = a_deal()
    carol.shown(an_evidence(BOB, deal))
    failed = a_receipt(deal[2], statement="failed", pieces=1)
    carol.shown(an_evidence(BOB, [*deal, failed]))

    (shown,) = carol.shown(plea(EVE, epoch=2, pieces=4))

    assert body_of(shown, Evidence).to == ALICE.node
    assert papers_of(shown) == [*deal, failed], "she may not have heard of it"


@pytest.mark.rule("LEASE-27")
def test_a_guardian_keeps_nothing_of_a_lease_that_it_does_not_grant() -> None:
    carol = guarding()
    carol.shown(plea())
    kept = len(carol.disk)

    carol.shown(plea(EVE, epoch=2))

    assert len(carol.disk) == kept


@pytest.mark.rule("LEASE-28")
def test_an_earlier_attempt_is_granted_no_more() -> None:
    carol = guarding()
    carol.shown(plea(epoch=2))
    carol.wait(HOUR_MS)

    assert carol.shown(plea(EVE, epoch=1)) == []


STRANGE: dict[str, Record] = {
    "of an order that is not guarded here": plea(order=b"order number two"),
    "asked for by a stranger": plea(asked_by=EVE),
    "with other guardians": plea(guardians=(ALICE.node, CAROL.node, EVE.node)),
    "of a job that there is not": plea(job=1),
    "shown by another": changed(plea(), EVE),
    "without its request": an_evidence(BOB, a_deal()[1:]),
    "of another's offer": an_evidence(BOB, [a_deal()[0], *a_deal()[1:]]),
}


@pytest.mark.rule("LEASE-27")
@pytest.mark.parametrize("what", STRANGE)
def test_a_guardian_does_not_grant_a_lease(what: str) -> None:
    carol = guarding()

    assert carol.shown(STRANGE[what]) == []
    assert not any(isinstance(record.body, Grant) for record in carol.disk)


@pytest.mark.rule("LEASE-27")
@pytest.mark.parametrize(
    "letter",
    [
        order_shown(order=an_order(DESIGN, guardians=(ALICE.node, DAVE.node, BOB.node))),
        order_shown(EVE),
        order_shown(order=an_order(DESIGN, EVE, guardians=GUARDIANS)),
        an_evidence(ALICE, [ORDER]),
        an_evidence(ALICE, [ORDER, a_design(name="another")]),
    ],
)
def test_what_is_no_order_for_this_guardian_is_not_guarded(letter: Record) -> None:
    carol = Desk()

    carol.shown(letter)

    assert carol.side.wards() == []


def test_one_buyer_has_so_many_orders_guarded_and_no_more() -> None:
    carol = Desk()
    for number in range(WARDS_MAX + 1):
        order = an_order(DESIGN, guardians=GUARDIANS, order=number.to_bytes(16, "big"))
        carol.shown(order_shown(order=order))

    assert len(carol.side.wards()) == WARDS_MAX


@pytest.mark.rule("LEASE-27")
def test_a_cancelled_order_is_granted_no_more() -> None:
    carol = guarding()
    cancelled = sign(an_order(DESIGN, guardians=GUARDIANS, cancelled=True).body, ALICE)

    carol.shown(order_shown(order=cancelled))
    carol.restart()

    assert carol.shown(plea()) == []


@pytest.mark.rule("LEASE-27")
def test_an_end_that_nobody_confirms_is_shown_to_the_buyer_too() -> None:
    bob = OwnerDesk()
    lease, *_ = bob.take(an_acceptance(bob.held(a_deal()[0])))
    for who in (CAROL, DAVE):
        bob.take(a_grant(lease, who))

    first = bob.happen(ended(lease))
    again = bob.wait(MINUTE_MS)

    shown = [body_of(each, Evidence).to for each in first if isinstance(each.body, Evidence)]
    later_on = [body_of(each, Evidence).to for each in again if isinstance(each.body, Evidence)]
    assert shown == [CAROL.node, DAVE.node]
    assert later_on == list(GUARDIANS)


@pytest.mark.rule("LEASE-18")
@pytest.mark.parametrize("asked_by", [ALICE, CAROL])
def test_an_end_is_told_until_the_buyer_confirms_it_whoever_else_does(asked_by: Person) -> None:
    bob = OwnerDesk()
    lease, *_ = bob.take(an_acceptance(bob.held(a_deal(asked_by=asked_by)[0]), asked_by))
    for who in (CAROL, DAVE):
        bob.take(a_grant(lease, who))
    receipt, *_ = bob.happen(ended(lease))

    bob.take(a_confirmation(receipt, CAROL))
    shown = [each.body for each in bob.wait(MINUTE_MS) if isinstance(each.body, Evidence)]
    bob.restart()
    after_restart = bob.happen(events.Restarted())
    bob.take(a_confirmation(receipt, ALICE))
    at_last = bob.wait(HOUR_MS)

    assert ALICE.node in [letter.to for letter in shown]
    assert receipt in after_restart
    assert at_last == []
    bob.restart()
    assert bob.happen(events.Restarted()) == []


@pytest.mark.rule("LEASE-27")
def test_a_machine_runs_by_two_grants_and_by_no_fewer() -> None:
    bob = OwnerDesk()
    lease, *_ = bob.take(an_acceptance(bob.held(a_deal()[0])))

    bob.take(a_grant(lease, CAROL))
    bob.take(a_grant(lease, CAROL))
    bob.take(a_grant(lease, EVE))
    assert bob.of(effects.Run) == []
    bob.restart()
    bob.happen(events.Restarted())
    bob.take(a_grant(lease, ALICE))

    assert [run.lease for run in bob.of(effects.Run)] == [lease]


# A buyer that is gone.


def asked_if_gone() -> Desk:
    carol = guarding()
    carol.wait(CARE_MS)
    return carol


@pytest.mark.rule("LEASE-29")
def test_without_a_word_for_long_the_others_are_asked_first() -> None:
    carol = guarding()

    assert carol.wait(CARE_MS - 1) == []
    letters = carol.wait(1)

    assert {body_of(letter, Evidence).to for letter in letters} == {ALICE.node, DAVE.node}
    assert papers_of(letters[0]) == [ORDER, DESIGN]
    assert carol.entrusted() == []


@pytest.mark.rule("LEASE-29")
def test_without_an_answer_the_first_guardian_goes_on_with_the_order() -> None:
    carol = asked_if_gone()
    carol.wait(CARE_MS // ASK_SHARE)

    (entrusted,) = carol.entrusted()

    assert (entrusted.order, entrusted.design, entrusted.deals) == (ORDER, DESIGN, ())
    assert carol.entrusted() == []


@pytest.mark.rule("LEASE-29")
def test_any_guardian_that_answers_keeps_the_others_from_it() -> None:
    carol = asked_if_gone()

    carol.shown(order_shown(DAVE))
    carol.wait(CARE_MS // ASK_SHARE)

    assert carol.entrusted() == []


@pytest.mark.rule("LEASE-29")
def test_the_next_guardian_waits_twice_as_long() -> None:
    dave = guarding(DAVE)

    assert dave.wait(2 * CARE_MS - 1) == []
    assert len(dave.wait(1)) == 2


@pytest.mark.rule("LEASE-29")
def test_what_was_made_already_is_handed_over_with_the_order() -> None:
    carol = guarding()
    deal = a_deal()
    receipt = a_receipt(deal[2], statement="failed", pieces=1)
    carol.shown(an_evidence(BOB, [*deal, receipt]))
    carol.restart()
    carol.wait(CARE_MS)
    carol.wait(CARE_MS // ASK_SHARE)

    (entrusted,) = carol.entrusted()

    assert entrusted.deals == ((*deal, receipt),)


@pytest.mark.rule("LEASE-29")
def test_an_order_that_is_over_is_nobodys_care() -> None:
    carol = guarding()

    carol.shown(order_shown(over=True))
    carol.restart()

    assert carol.wait(10 * CARE_MS) == []
    assert carol.entrusted() == []


@pytest.mark.rule("LEASE-29")
def test_only_a_guardian_can_say_that_an_order_is_over() -> None:
    carol = guarding()

    carol.shown(an_evidence(EVE, [ORDER, DESIGN], over=True))

    assert not carol.side.wards()[0].is_over()


@pytest.mark.rule("LEASE-29")
def test_a_buyer_that_is_back_is_shown_what_others_had_made() -> None:
    carol = guarding()
    deal = a_deal(asked_by=DAVE)
    receipt = a_receipt(deal[2])
    carol.shown(an_evidence(BOB, [*deal, receipt]))

    (letter,) = carol.shown(order_shown())

    assert papers_of(letter) == [*deal, receipt]
    assert carol.shown(order_shown(DAVE)) == []
