"""Lists of open jobs that heard of each change equal those that are made anew."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from commonfab.scheduler.kernel import top
from commonfab.scheduler.open_jobs import SPARE, Best, OpenJobs
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.view import CapacityView, Snapshot
from commonfab.scheduler.weights import Weights
from tests.scheduler.tiles.towns import Town
from tests.scheduler.worlds import (
    BERLIN,
    NOON,
    a_capacity,
    a_machine,
    a_part,
    a_workshop,
    node,
    wants_of,
)

WEIGHTS = Weights()


def anew(view: Snapshot, wants: list[Want], k: int) -> list[Best]:
    best = top(view, problem_of(wants, NOON), k, WEIGHTS)
    return [
        [(row, cost) for row, cost in zip(rows, costs, strict=True) if row >= 0]
        for rows, costs in zip(best.rows.tolist(), best.cost.tolist(), strict=True)
    ]


@pytest.mark.rule("SCHED-8")
@given(st.integers(0, 2**32), st.sampled_from([1, 3]), st.sampled_from([1, 2, 10]))
@settings(max_examples=25, deadline=None)
def test_lists_that_heard_of_changes_equal_new_ones(seed: int, k: int, at_once: int) -> None:
    town, wants = Town(30, seed), wants_of(8, seed)
    jobs = OpenJobs(town.view.snapshot(), problem_of(wants, NOON), k, WEIGHTS)
    for _ in range(8):
        before = [jobs.best(job) for job in range(8)]
        rows: set[int] = set()
        for _ in range(at_once):
            held = {a: owner.machines for a, owner in town.view.snapshot().owners.items()}
            author = town.change()
            owners = town.view.snapshot().owners
            rows.update(held.get(author, ()))
            rows.update(owners[author].machines if author in owners else ())

        changed = jobs.changed(town.view.snapshot(), sorted(rows))

        after = [jobs.best(job) for job in range(8)]
        assert after == anew(town.view.snapshot(), wants, k)
        assert changed == [job for job in range(8) if before[job] != after[job]]


def a_row_of_machines(count: int) -> CapacityView:
    """Return machines that cost the more the later they were known."""
    view = CapacityView()
    for number in range(count):
        view.update_workshop(node(str(number)), a_workshop())
        dearer = a_machine(price_minor_per_hour=100 + number)
        view.update_capacity(node(str(number)), a_capacity(dearer))
    return view


def test_where_no_machine_is_known_there_is_none_to_list() -> None:
    view, want = CapacityView(), [Want(a_part(), 1, BERLIN)]
    jobs = OpenJobs(view.snapshot(), problem_of(want, NOON), 2, WEIGHTS)

    assert jobs.best(0) == []


def test_a_list_from_which_all_go_is_searched_for_again() -> None:
    count = SPARE + 5
    view, want = a_row_of_machines(count), [Want(a_part(), 1, BERLIN)]
    jobs = OpenJobs(view.snapshot(), problem_of(want, NOON), 2, WEIGHTS)
    for number in range(count):
        assert [row for row, _ in jobs.best(0)] == list(range(number, count))[:2]
        view.forget(node(str(number)))
        assert jobs.changed(view.snapshot(), [number]) == [0]

    assert jobs.best(0) == []


def test_a_machine_beyond_the_edge_of_a_list_changes_nothing_until_it_is_better() -> None:
    count = SPARE + 5
    view, want = a_row_of_machines(count), [Want(a_part(), 1, BERLIN)]
    jobs = OpenJobs(view.snapshot(), problem_of(want, NOON), 2, WEIGHTS)
    last = node(str(count - 1))

    view.update_capacity(last, a_capacity(a_machine(price_minor_per_hour=101)))
    assert jobs.changed(view.snapshot(), [count - 1]) == [0] * (jobs.best(0)[1][0] == count - 1)
    view.update_capacity(last, a_capacity(a_machine(price_minor_per_hour=99)))
    assert jobs.changed(view.snapshot(), [count - 1]) == [0]

    assert [row for row, _ in jobs.best(0)] == [count - 1, 0]


def test_a_machine_that_falls_behind_the_edge_of_a_list_leaves_it() -> None:
    view, want = a_row_of_machines(SPARE + 5), [Want(a_part(), 1, BERLIN)]
    jobs = OpenJobs(view.snapshot(), problem_of(want, NOON), 2, WEIGHTS)

    view.update_capacity(node("0"), a_capacity(a_machine(price_minor_per_hour=500)))
    assert jobs.changed(view.snapshot(), [0]) == [0]
    for number in range(1, SPARE + 1):
        view.forget(node(str(number)))
    jobs.changed(view.snapshot(), range(1, SPARE + 1))

    assert [row for row, _ in jobs.best(0)] == [SPARE + 1, SPARE + 2]


def test_machines_of_one_price_are_listed_by_their_keys_however_often_they_speak() -> None:
    view, want = CapacityView(), [Want(a_part(), 1, BERLIN)]
    for number in range(SPARE + 9):
        view.update_capacity(node(str(number)), a_capacity(a_machine()))
    jobs = OpenJobs(view.snapshot(), problem_of(want, NOON), 2, WEIGHTS)

    last = int(view.snapshot().machines.key.argmax())

    for row in range(SPARE + 9):
        assert jobs.changed(view.snapshot(), [row]) == []
    while jobs.best(0):
        assert jobs.best(0) == anew(view.snapshot(), want, 2)[0]
        row, _ = jobs.best(0)[0]
        view.forget(view.snapshot().authors[row])
        jobs.changed(view.snapshot(), [row])
        jobs.changed(view.snapshot(), [last])


def test_a_change_that_changes_nothing_is_not_told() -> None:
    view, want = a_row_of_machines(4), [Want(a_part(), 1, BERLIN)]
    jobs = OpenJobs(view.snapshot(), problem_of(want, NOON), 2, WEIGHTS)

    view.update_capacity(node("0"), a_capacity(a_machine(price_minor_per_hour=100)))

    assert jobs.changed(view.snapshot(), [0, 3]) == []


def test_jobs_that_nobody_can_do_are_kept_until_somebody_can() -> None:
    view, want = a_row_of_machines(1), [Want(a_part(material="PC"), 1, BERLIN)]
    jobs = OpenJobs(view.snapshot(), problem_of(want, NOON), 2, WEIGHTS)
    assert jobs.best(0) == []

    spool = structs.replace(a_machine().stock[0], material="PC")
    view.update_capacity(node("0"), a_capacity(a_machine(stock=(spool,))))

    assert jobs.changed(view.snapshot(), [0]) == [0]
    assert [row for row, _ in jobs.best(0)] == [0]
