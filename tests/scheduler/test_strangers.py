"""Strangers rank below all who are known, whatever they ask; and what a flood of them gains."""

from itertools import pairwise

import pytest

from commonfab.protocol.ids import NodeId
from commonfab.protocol.standing.standing import Facts, Standings
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.view import CapacityView
from tests.builders import a_vouch
from tests.protocol.signers import Person, named
from tests.scheduler.test_placement import ANYONE, a_design, an_order, jobs_of
from tests.scheduler.worlds import (
    BERLIN,
    NOON,
    a_capacity,
    a_machine,
    a_part,
    a_workshop,
    node,
)

ALICE, BOB = node("alice"), node("bob")


def a_view(*, known: list[NodeId], strangers: list[NodeId], price: int = 0) -> CapacityView:
    view = CapacityView()
    for author in known:
        view.update_workshop(author, a_workshop(BERLIN))
        view.update_capacity(author, a_capacity(a_machine(price_minor_per_hour=900)))
        view.set_standing(author, 0.8)
    for author in strangers:
        view.update_workshop(author, a_workshop(BERLIN))
        view.update_capacity(author, a_capacity(a_machine(price_minor_per_hour=price)))
        view.set_standing(author, 0.25, tier=1)
    return view


def asked(
    view: CapacityView, count: int, *, avoid: frozenset[NodeId] = ANYONE
) -> list[set[NodeId]]:
    order = an_order(a_design(), jobs_of(count))
    wanted = [(job, 1) for job in range(count)]
    return [set(each) for each in Planner(view).shortlist(order, a_design(), wanted, NOON, avoid)]


@pytest.mark.rule("SCHED-16")
def test_a_stranger_that_asks_nothing_is_not_asked_where_somebody_known_can_do_it() -> None:
    assert asked(a_view(known=[ALICE], strangers=[BOB]), 3) == [{ALICE}] * 3


@pytest.mark.rule("SCHED-16")
def test_a_stranger_is_asked_where_nobody_known_can_do_it() -> None:
    view = a_view(known=[ALICE], strangers=[BOB])

    assert asked(view, 2, avoid=frozenset([ALICE])) == [{BOB}, {BOB}]


@pytest.mark.rule("SCHED-16")
def test_a_new_workshop_has_the_tier_that_is_said_of_it() -> None:
    view = CapacityView(tier=lambda author: int(author == BOB))
    for author, price in ((ALICE, 900), (BOB, 0)):
        view.update_capacity(author, a_capacity(a_machine(price_minor_per_hour=price)))

    assert asked(view, 1) == [{ALICE}]


@pytest.mark.rule("SCHED-16")
def test_where_all_are_strangers_the_cheapest_is_asked_first() -> None:
    view = a_view(known=[], strangers=[ALICE, BOB])
    view.update_capacity(BOB, a_capacity(a_machine(price_minor_per_hour=500)))
    order = an_order(a_design(), jobs_of(1))

    assert Planner(view).shortlist(order, a_design(), [(0, 1)], NOON, ANYONE) == [[ALICE, BOB]]


@pytest.mark.rule("SCHED-16")
def test_pieces_are_divided_among_those_who_will_be_asked() -> None:
    crowd = [node(f"sybil {n}") for n in range(40)]
    part = a_part(seconds=3600)
    design = a_design(part)

    alone = Planner(a_view(known=[ALICE], strangers=[])).jobs(design, 20, BERLIN, 0, NOON)
    flooded = Planner(a_view(known=[ALICE], strangers=crowd)).jobs(design, 20, BERLIN, 0, NOON)

    assert flooded == alone


@pytest.mark.rule("SCHED-16")
def test_pieces_that_nobody_known_can_make_are_divided_among_strangers() -> None:
    view = a_view(known=[ALICE], strangers=[BOB])
    alone = a_view(known=[], strangers=[BOB])
    view.update_capacity(ALICE, a_capacity())

    jobs = Planner(view).jobs(a_design(a_part()), 4, BERLIN, 0, NOON)

    assert jobs == Planner(alone).jobs(a_design(a_part()), 4, BERLIN, 0, NOON)


@pytest.mark.rule("SCHED-16")
def test_strangers_are_shown_below_all_who_are_known_and_why() -> None:
    view = a_view(known=[ALICE], strangers=[BOB])
    order = an_order(a_design(), jobs_of(1))

    (said,) = Planner(view).explain(order, a_design(), [(0, 1)], NOON)

    assert [verdict.owner for verdict in said.best] == [ALICE.hex(), BOB.hex()]
    assert "its owner is a stranger here, and asked only where nobody known" in said.best[1].note
    trust = next(term for term in said.best[1].terms if term.name == "trust")
    assert trust.words == "standing 0.25 of 1, a stranger"


# Twenty Sybils for each honest workshop.

HONEST, SYBILS_EACH = 10, 20


def _flooded(vouches: list[tuple[Person, Person]]) -> tuple[CapacityView, set[NodeId], set[NodeId]]:
    """Return the view of a buyer who vouches for two; those two vouch for the other honest ones;
    each Sybil undercuts everybody."""
    me, honest = named("buyer"), [named(f"honest {n}") for n in range(HONEST)]
    crowd = [named(f"sybil {n}") for n in range(HONEST * SYBILS_EACH)]
    words = [(me, honest[0]), (me, honest[1])]
    words += [(honest[n % 2], honest[n]) for n in range(2, HONEST)]
    words += [(one, other) for one, other in pairwise(crowd)] + vouches
    subnets = {person.node: f"198.51.{n}.0/24" for n, person in enumerate(honest)}
    subnets |= {person.node: "203.0.113.0/24" for person in crowd}
    said = [a_vouch(by, subject=of.node) for by, of in words]
    standings = Standings(Facts(me=me.node, vouches=said, subnets=subnets))
    view = CapacityView(lambda a: standings.of(a).score, lambda a: standings.of(a).rank)
    for person in (*crowd, *honest):
        price = 0 if person in crowd else 900
        view.update_workshop(person.node, a_workshop(BERLIN))
        view.update_capacity(person.node, a_capacity(a_machine(price_minor_per_hour=price)))
    return view, {each.node for each in honest}, {each.node for each in crowd}


@pytest.mark.rule("SCHED-16")
def test_twenty_sybils_for_each_honest_workshop_get_no_job_of_it() -> None:
    view, honest, _ = _flooded([])

    placed = asked(view, 200)

    assert all(owners and owners <= honest for owners in placed)


@pytest.mark.rule("STANDING-4")
def test_sybils_of_a_friend_who_was_tricked_share_one_bounded_weight() -> None:
    """He vouches for all 200: no word of his counts then, and the honest ones whom he alone
    vouched for go with them; those of the other friend do the work."""
    tricked = [(named("honest 0"), named(f"sybil {n}")) for n in range(HONEST * SYBILS_EACH)]
    view, honest, crowd = _flooded(tricked)

    placed = asked(view, 200)

    on_sybils = sum(bool(owners & crowd) for owners in placed)
    assert on_sybils <= len(placed) // 100
    assert all(owners & honest for owners in placed)
