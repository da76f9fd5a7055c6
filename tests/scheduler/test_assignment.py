"""The assignment is the best of all, counted one by one."""

from itertools import permutations
from math import inf

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.assignment import assign

costs = st.sampled_from([0.0, 1.0, 2.0, 3.5, 10.0, 500.0, inf])
tables = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda size: st.lists(
        st.lists(costs, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
    )
)


def all_ways(cost: list[list[float]]) -> list[tuple[int, float]]:
    """Return (rows without a column, sum) of every assignment there is."""
    rows, columns = len(cost), len(cost[0])
    seats = [*range(columns), *[-1] * rows]
    ways: list[tuple[int, float]] = []
    for way in set(permutations(seats, rows)):
        picked = [cost[row][column] for row, column in enumerate(way) if column >= 0]
        if inf not in picked:
            ways.append((rows - len(picked), sum(picked)))
    return ways


@given(tables)
@settings(max_examples=60, deadline=None)
def test_as_many_as_possible_get_a_column_as_cheaply_as_possible(cost: list[list[float]]) -> None:
    chosen: list[int] = assign(np.array(cost)).tolist()

    taken = [column for column in chosen if column >= 0]
    assert len(set(taken)) == len(taken)
    total = sum(cost[row][column] for row, column in enumerate(chosen) if column >= 0)
    assert (len(cost) - len(taken), total) == min(all_ways(cost))


def test_one_absurd_price_does_not_blur_the_others() -> None:
    cost = [[66.0, 96.0, 18.0], [29.0, 47.0, 67.0], [24.0, 8.0, 3.0], [1e22, 18.0, 20.0]]

    assert assign(np.array(cost)).tolist() == [-1, 0, 2, 1]


def test_nothing_is_assigned_to_nothing() -> None:
    assert assign(np.zeros((2, 0))).tolist() == [-1, -1]
    assert assign(np.zeros((0, 2))).tolist() == []
