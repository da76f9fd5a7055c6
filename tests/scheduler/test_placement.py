"""The buyer's planner, as the lease protocol calls it."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.limits import JOBS_PER_ORDER_MAX, QUANTITY_MAX
from commonfab.protocol.records import Design, Job, Offer, Order, Part, Stock
from commonfab.scheduler import reference
from commonfab.scheduler.placement import OWNERS_ASKED, Planner
from commonfab.scheduler.problem import Want
from commonfab.scheduler.quote import Quoter
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import CapacityView
from commonfab.scheduler.weights import Weights
from tests.scheduler.test_quote import a_request
from tests.scheduler.worlds import (
    BERLIN,
    HAMBURG,
    HOUR_MS,
    LASER,
    NOON,
    PLA,
    PLYWOOD,
    a_capacity,
    a_machine,
    a_part,
    a_town,
    a_view,
    a_workshop,
    node,
)

ANYONE: frozenset[NodeId] = frozenset()


def a_design(*parts: Part) -> Design:
    return Design(
        stream="design/lamp",
        seq=1,
        at=NOON,
        name="Lamp",
        version="1",
        licence="CERN-OHL-S-2.0",
        licensor="Alice",
        function="Gives light.",
        root=b"root",
        manifest="okh.toml",
        parts=parts or (a_part(),),
        size_bytes=1,
    )


def an_order(design: Design, jobs: tuple[Job, ...], by: int = 0) -> Order:
    return Order(
        stream="order/1",
        seq=1,
        at=NOON,
        order=bytes(16),
        design=bytes(32),
        quantity=1,
        place=BERLIN,
        by=by,
        jobs=jobs,
        grace_ms=60_000,
    )


def jobs_of(count: int, pieces: int = 1) -> tuple[Job, ...]:
    return tuple(Job(part="bracket", pieces=pieces) for _ in range(count))


def shortlist(
    town: list[Known],
    count: int,
    *,
    pieces: int = 1,
    by: int = 0,
    avoid: frozenset[NodeId] = ANYONE,
) -> list[list[NodeId]]:
    design = a_design()
    order = an_order(design, jobs_of(count, pieces), by)
    wanted = [(job, pieces) for job in range(count)]
    return Planner(a_view(town)).shortlist(order, design, wanted, NOON, avoid)


def a_neighbour(name: str, *, machines: int = 1, **machine: Any) -> Known:
    """Any: the fields of `Machine`."""
    made = (a_machine(id=str(n), **machine) for n in range(machines))
    return Known(node(name), a_capacity(*made), a_workshop(), 0.5)


# Jobs.


def test_an_order_becomes_jobs_of_all_its_parts() -> None:
    panel = a_part(name="panel", process=LASER, material=PLYWOOD, pieces=2)
    planner = Planner(a_view([a_neighbour("a"), a_neighbour("b")]))

    jobs = planner.jobs(a_design(a_part(), panel), 6, BERLIN, 0, NOON)

    assert [job.pieces for job in jobs if job.part == "bracket"] == [3, 3]
    assert sum(job.pieces for job in jobs if job.part == "panel") == 12


@pytest.mark.parametrize(("quantity", "words"), [(0, "the least is 1"), (-3, "the least is 1")])
def test_a_quantity_of_nothing_is_refused(quantity: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Planner(CapacityView()).jobs(a_design(), quantity, BERLIN, 0, NOON)


def test_more_pieces_than_an_order_holds_are_refused_with_the_number() -> None:
    design = a_design(a_part(pieces=2))

    with pytest.raises(UsageError, match=r"200002 pieces of bracket .* 100000 .* split the order"):
        Planner(CapacityView()).jobs(design, QUANTITY_MAX + 1, BERLIN, 0, NOON)


def test_an_order_of_many_parts_has_no_more_jobs_than_its_record_holds() -> None:
    parts = (a_part(name=str(n), pieces=100) for n in range(200))

    jobs = Planner(CapacityView()).jobs(a_design(*parts), 5, BERLIN, 0, NOON)

    assert len(jobs) <= JOBS_PER_ORDER_MAX
    assert len({job.part for job in jobs}) == 200


# Shortlists.


@pytest.mark.rule("SCHED-14")
@given(st.integers(0, 2**32), st.integers(1, 12), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_shortlist_names_distinct_owners_that_fit(seed: int, count: int, some: bool) -> None:
    town = a_town(10, seed)
    avoid = frozenset(known.author for known in town[:4]) if some else ANYONE

    lists = shortlist(town, count, avoid=avoid)

    others = [known for known in town if known.author not in avoid]
    fitting = reference.top(others, Want(a_part(), 1, BERLIN), NOON, 999, Weights())
    owners = {pair.author for pair in fitting}
    for owners_asked in lists:
        assert set(owners_asked) <= owners
        assert len(set(owners_asked)) == len(owners_asked) == min(OWNERS_ASKED, len(owners))
    assert lists == shortlist(town[::-1], count, avoid=avoid)


@pytest.mark.rule("SCHED-14")
def test_one_job_is_asked_of_the_owners_of_its_best_machines_in_order() -> None:
    town = a_town(20, seed=4)

    [owners] = shortlist(town, 1)

    ranked = reference.top(town, Want(a_part(), 1, BERLIN), NOON, 999, Weights())
    assert owners == list(dict.fromkeys(pair.author for pair in ranked))[:OWNERS_ASKED]


@pytest.mark.rule("SCHED-14")
def test_jobs_of_a_batch_are_asked_of_different_machines_first() -> None:
    town = [a_neighbour(name) for name in "abcd"]

    firsts = [owners[0] for owners in shortlist(town, 4)]

    assert sorted(firsts) == sorted(node(name) for name in "abcd")


def test_machines_that_take_no_time_are_all_used_too() -> None:
    """Nothing is lost by waiting for a virtual machine; the jobs are spread all the same."""
    town = [
        a_neighbour(name, speed_permille=1_000_000_000, setup_seconds=seconds)
        for seconds, name in enumerate("abcd")
    ]

    firsts = {owners[0] for owners in shortlist(town, 4)}

    assert firsts == {known.author for known in town}


def test_a_second_job_queues_only_within_the_time_that_an_owner_may_promise() -> None:
    town = [a_neighbour("cheap"), a_neighbour("dear", price_minor_per_hour=5_000)]
    design = a_design(a_part(seconds=20 * 24 * 3_600))
    order = an_order(design, jobs_of(2))

    lists = Planner(a_view(town)).shortlist(order, design, [(0, 1), (1, 1)], NOON, ANYONE)

    assert {owners[0] for owners in lists} == {node("cheap"), node("dear")}


def test_a_second_job_queues_where_the_next_machine_is_more_than_twice_as_dear() -> None:
    cheap, dear = a_neighbour("cheap"), a_neighbour("dear", price_minor_per_hour=5_000)

    assert [owners[0] for owners in shortlist([cheap, dear], 2)] == [node("cheap")] * 2


def test_a_second_job_queues_only_while_there_is_material_for_both() -> None:
    spool = (Stock(material=PLA, mass_mg=99_000, price_minor_per_kg=2_000),)
    cheap = a_neighbour("cheap", stock=spool)
    dear = a_neighbour("dear", price_minor_per_hour=5_000)

    firsts = [owners[0] for owners in shortlist([cheap, dear], 2)]

    assert sorted(firsts) == sorted([node("cheap"), node("dear")])


def test_a_second_job_queues_only_while_the_date_allows() -> None:
    cheap, dear = a_neighbour("cheap"), a_neighbour("dear", price_minor_per_hour=5_000)

    def firsts(by: int) -> set[NodeId]:
        return {owners[0] for owners in shortlist([cheap, dear], 2, by=by)}

    assert firsts(NOON + 5 * HOUR_MS) == {node("cheap")}
    assert firsts(NOON + 4 * HOUR_MS) == {node("cheap"), node("dear")}


@pytest.mark.rule("SCHED-28")
def test_where_nobody_can_be_in_time_those_are_asked_who_would_be_least_late() -> None:
    """An hour of lateness is worth twenty of waiting, and so more than the dearer machine."""
    busy = a_neighbour("busy", free_at=NOON + 9 * HOUR_MS)
    dear = a_neighbour("dear", price_minor_per_hour=1_000, free_at=NOON + HOUR_MS)

    [without], [with_date] = shortlist([busy, dear], 1), shortlist([busy, dear], 1, by=NOON + 1)

    assert without == [node("busy"), node("dear")]
    assert with_date == [node("dear"), node("busy")]


@pytest.mark.rule("SCHED-28")
def test_who_would_be_late_is_not_asked_where_somebody_is_in_time() -> None:
    busy = a_neighbour("busy", free_at=NOON + 9 * HOUR_MS)
    dear = a_neighbour("dear", price_minor_per_hour=5_000)

    assert shortlist([busy, dear], 1, by=NOON + 6 * HOUR_MS) == [[node("dear")]]


def test_a_workshop_with_many_machines_does_not_fill_the_list_alone() -> None:
    town = [
        a_neighbour("farm", machines=100),
        a_neighbour("b", price_minor_per_hour=400),
        a_neighbour("c", price_minor_per_hour=500),
    ]

    [owners] = shortlist(town, 1)

    assert owners == [node("farm"), node("b"), node("c")]


def test_nobody_is_asked_where_nobody_can() -> None:
    town = [a_neighbour("a", process=LASER)]

    assert shortlist(town, 2) == [[], []]
    assert shortlist([], 1) == [[]]
    assert shortlist(town, 0) == []


def test_pieces_that_are_left_are_placed_by_their_own_number() -> None:
    """After a failure, 2 of 30 pieces are left; they fit where 30 never did."""
    design = a_design()
    order = an_order(design, jobs_of(1, pieces=30))
    planner = Planner(a_view([a_neighbour("a")]))

    assert planner.shortlist(order, design, [(0, 30)], NOON, ANYONE) == [[]]
    assert planner.shortlist(order, design, [(0, 2)], NOON, ANYONE) == [[node("a")]]


def test_a_batch_of_the_largest_order_is_answered() -> None:
    lists = shortlist(a_town(50, seed=8), JOBS_PER_ORDER_MAX)

    assert len(lists) == JOBS_PER_ORDER_MAX
    assert all(lists)
    assert len({owners[0] for owners in lists}) > 5


# Choices and reasons.


def offer_of(known: Known, pieces: int) -> Offer:
    quotes = Quoter(known.capacity).quote(a_request(pieces=pieces), NOON, node("alice"))
    assert isinstance(quotes, list)
    quote = quotes[0]
    return Offer(
        stream="offer",
        seq=1,
        at=NOON,
        to=node("alice"),
        request=bytes(32),
        machine=quote.machine,
        start=NOON,
        end=NOON + quote.duration_ms,
        held_until=NOON + 10_000,
        price_minor=quote.price_minor,
        currency=quote.currency,
        machine_seconds=quote.machine_seconds,
        mass_mg=quote.mass_mg,
        energy_mwh=quote.energy_mwh,
        co2e_mg=quote.co2e_mg,
    )


@pytest.mark.rule("SCHED-11")
def test_the_owner_that_was_ranked_first_wins_with_the_offer_that_was_expected() -> None:
    town = [
        a_neighbour("a", price_minor_per_hour=900),
        a_neighbour("b"),
        Known(node("c"), a_capacity(a_machine()), a_workshop(HAMBURG), 0.5),
    ]
    design = a_design()
    order = an_order(design, jobs_of(1, pieces=2))
    planner = Planner(a_view(town))
    [owners] = planner.shortlist(order, design, [(0, 2)], NOON, ANYONE)
    offers = {
        0: [(k.author, RecordId(k.author), offer_of(k, 2)) for k in town if k.author in owners]
    }

    chosen = planner.choose(order, design, offers, NOON)

    assert owners[0] == node("b")
    assert chosen == {0: RecordId(node("b"))}
    assert planner.choose(order, design, {0: offers[0][::-1]}, NOON) == chosen


def test_no_offers_are_answered_with_no_choice() -> None:
    design = a_design()
    order = an_order(design, jobs_of(2))

    assert Planner(CapacityView()).choose(order, design, {0: [], 1: []}, NOON) == {}


def test_each_job_is_explained() -> None:
    panel = a_part(name="panel", process=LASER, material=PLYWOOD)
    design = a_design(a_part(), panel)
    order = an_order(design, (Job(part="bracket", pieces=1), Job(part="panel", pieces=3)))
    planner = Planner(a_view([a_neighbour("a")]))

    said = planner.explain(order, design, [(0, 1), (1, 3)], NOON)

    assert [(each.job, each.part, each.pieces, each.fitting) for each in said] == [
        (0, "bracket", 1, 1),
        (1, "panel", 3, 0),
    ]
    assert said[1].others[0].note == (
        "does fff-printing, not laser-cutting and has PLA, not plywood"
    )


def test_a_planner_that_has_nothing_to_assign_does_without_scipy() -> None:
    code = "import commonfab.scheduler.placement, sys; sys.exit('scipy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
