"""An index that heard of every change answers as one that was made just now."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.ids import Timestamp
from commonfab.scheduler.kernel import top
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.tiles.index import AGE_MS_MAX, WEIGHTS_MAX
from commonfab.scheduler.view import CapacityView, Snapshot
from commonfab.scheduler.weights import Weights
from tests.scheduler.tiles.towns import Town
from tests.scheduler.worlds import (
    BERLIN,
    NOON,
    a_capacity,
    a_machine,
    a_part,
    a_town,
    a_view,
    node,
    wants_of,
)

WEIGHTS = Weights()


def ranked(
    view: Snapshot, wants: list[Want], now: int = NOON, weights: Weights = WEIGHTS
) -> list[list[Any]]:
    """Return each job's machines with their costs; Any: names and numbers."""
    best = top(view, problem_of(wants, Timestamp(now)), 5, weights)
    return [
        [
            (view.authors[row], view.ids[row], cost)
            for row, cost in zip(rows, costs, strict=True)
            if row >= 0
        ]
        for rows, costs in zip(best.rows.tolist(), best.cost.tolist(), strict=True)
    ]


@given(st.integers(0, 2**32), st.sampled_from([1, 2, 40]))
@settings(max_examples=20, deadline=None)
def test_an_index_that_heard_of_changes_answers_as_a_new_one(seed: int, at_once: int) -> None:
    town, wants = Town(60, seed), wants_of(6, seed)
    for _ in range(6):
        ranked(town.view.snapshot(), wants)
        for _ in range(at_once):
            town.change()
    fresh = a_view(list(town.known.values())).snapshot()

    assert ranked(town.view.snapshot(), wants) == ranked(fresh, wants)


@pytest.mark.rule("SCHED-8")
@given(st.integers(0, 2**32), st.sampled_from([0, 1, 40]))
@settings(max_examples=20, deadline=None)
def test_who_was_left_out_of_one_question_is_known_in_the_next(seed: int, at_once: int) -> None:
    """Some are asked only where others cannot: the index serves all such parts of one view."""
    town, wants = Town(60, seed), wants_of(6, seed)
    chance = Random(seed)
    for _ in range(3):
        others = chance.sample(sorted(town.known), len(town.known) // 2)
        ranked(town.view.snapshot().without(others), wants)
        for _ in range(at_once):
            town.change()
        ranked(town.view.snapshot().without(others[::2]), wants)
    fresh = a_view(list(town.known.values())).snapshot()

    assert ranked(town.view.snapshot(), wants) == ranked(fresh, wants)


@pytest.mark.parametrize("later", [1, AGE_MS_MAX, 2 * AGE_MS_MAX, -1, -5 * AGE_MS_MAX])
def test_an_index_answers_for_any_time_before_and_after(later: int) -> None:
    """Time counts so much here that an hour more or less changes who is best."""
    town, wants = Town(60, seed=1), wants_of(30, seed=2)
    hurry = Weights(waiting_minor_per_hour=10_000.0)
    ranked(town.view.snapshot(), wants, NOON, hurry)
    fresh = a_view(list(town.known.values())).snapshot()

    then = ranked(town.view.snapshot(), wants, NOON + later, hurry)

    assert then == ranked(fresh, wants, NOON + later, hurry)


def test_a_machine_whose_queue_is_over_is_the_best_again() -> None:
    view, want = CapacityView(), [Want(a_part(), 1, BERLIN)]
    hurry = Weights(waiting_minor_per_hour=10_000.0)
    for number in range(9):
        busy = {"price_minor_per_hour": 100, "free_at": NOON + AGE_MS_MAX // 2}
        machine = a_machine(price_minor_per_hour=900) if number else a_machine(**busy)
        view.update_capacity(node(str(number)), a_capacity(machine, until=0))

    now = ranked(view.snapshot(), want, NOON, hurry)
    later = ranked(view.snapshot(), want, NOON + AGE_MS_MAX, hurry)

    assert node("0") not in [author for author, _, _ in now[0]]
    assert later[0][0][0] == node("0")


def test_a_snapshot_that_is_held_is_answered_as_it_was() -> None:
    town, wants = Town(40, seed=1), wants_of(6, seed=2)
    held = town.view.snapshot()
    before = ranked(held, wants)

    for _ in range(50):
        town.change()

    assert ranked(town.view.snapshot(), wants) != before
    assert ranked(held, wants) == before


def test_more_machines_of_one_kind_than_tiles_have_room_for_are_all_known() -> None:
    view = CapacityView()
    want = [Want(a_part(), 1, BERLIN)]
    for number in range(300):
        view.update_capacity(node(str(number)), a_capacity(a_machine(price_minor_per_hour=number)))
        assert len(ranked(view.snapshot(), want)[0]) == min(5, number + 1)

    view.update_capacity(
        node("gift"), a_capacity(a_machine(price_minor_per_hour=0, setup_seconds=0))
    )

    names = [author for author, _, _ in ranked(view.snapshot(), want)[0]]
    assert set(names[:2]) == {node("gift"), node("0")}


def test_a_town_seen_with_many_weights_keeps_the_tiles_of_the_latest() -> None:
    view = a_view(a_town(20, seed=1))
    problem = problem_of(wants_of(5, seed=2), NOON)

    def size(weights: int) -> int:
        for number in range(weights):
            top(view.snapshot(), problem, 3, Weights(transport_minor=float(number)))
        return view.snapshot().index.bytes()

    assert size(WEIGHTS_MAX - 1) < size(WEIGHTS_MAX) == size(3 * WEIGHTS_MAX)
