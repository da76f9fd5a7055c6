"""Whom an order that can wait asks: those whose word is over, too, where nobody else can do it."""

import pytest
from msgspec import structs

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.limits import PATIENCE_MS_MAX
from commonfab.protocol.records import Capacity
from commonfab.scheduler.last_words import lasting
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.view import CapacityView
from tests.scheduler.test_placement import ANYONE, a_design, an_order, jobs_of
from tests.scheduler.worlds import BERLIN, NOON, a_capacity, a_machine, a_workshop, node

ALICE, BOB = node("alice"), node("bob")
CHEAP, DEAR = a_machine(price_minor_per_hour=1), a_machine(price_minor_per_hour=900)
OVER_AT = NOON - 3_600_000
DAY_MS = 86_400_000


def a_planner(*, fresh: list[NodeId], over: list[NodeId]) -> Planner:
    """Return one that knows dear machines by fresh word, and cheap ones by a word that is over."""
    said: dict[NodeId, Capacity] = {author: a_capacity(DEAR) for author in fresh}
    said |= {author: structs.replace(a_capacity(CHEAP), until=OVER_AT) for author in over}
    now, last = CapacityView(), CapacityView()
    for author, capacity in said.items():
        for view, shown in ((now, capacity), (last, lasting(capacity))):
            view.update_workshop(author, a_workshop(BERLIN))
            view.update_capacity(author, shown)
    return Planner(now, view_for=lambda patience_ms: last if patience_ms else now)


def asked(planner: Planner, patience_ms: int, now: Timestamp = NOON) -> list[NodeId]:
    order = structs.replace(an_order(a_design(), jobs_of(1)), patience_ms=patience_ms)
    return planner.shortlist(order, a_design(), [(0, 1)], now, ANYONE)[0]


@pytest.mark.rule("BUNDLE-14")
@pytest.mark.parametrize("patience_ms", [0, DAY_MS])
def test_a_workshop_whose_word_is_over_is_asked_by_an_order_that_can_wait(patience_ms: int) -> None:
    assert asked(a_planner(fresh=[], over=[BOB]), patience_ms) == ([BOB] if patience_ms else [])


@pytest.mark.rule("BUNDLE-14")
def test_it_is_not_asked_where_somebody_else_can_do_it_however_dear() -> None:
    assert asked(a_planner(fresh=[ALICE], over=[BOB]), DAY_MS) == [ALICE]


@pytest.mark.rule("BUNDLE-14")
@pytest.mark.parametrize("early_ms", [0, 1])
def test_it_is_asked_until_no_order_can_wait_for_its_answer(early_ms: int) -> None:
    end = Timestamp(OVER_AT + PATIENCE_MS_MAX - early_ms)

    assert asked(a_planner(fresh=[], over=[BOB]), DAY_MS, end) == ([BOB] if early_ms else [])


@pytest.mark.rule("BUNDLE-14")
def test_an_order_that_can_wait_is_split_and_explained_by_last_words() -> None:
    planner = a_planner(fresh=[], over=[ALICE, BOB])
    order = structs.replace(an_order(a_design(), jobs_of(1)), patience_ms=DAY_MS)

    hasty = planner.jobs(a_design(), 40, BERLIN, 0, NOON)
    patient = planner.jobs(a_design(), 40, BERLIN, 0, NOON, patience_ms=DAY_MS)
    (told,) = planner.explain(order, a_design(), [(0, 1)], NOON)

    assert len(patient) == 2
    assert len(patient) != len(hasty)
    assert told.fitting == 2
