"""The auction is as good as it says, and what it says is true: held against exact assignment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.assignment import assign
from commonfab.scheduler.batches.auction import Auction, Lists
from commonfab.scheduler.columns import Floats, Rows


def random_case(seed: int) -> tuple[Lists, Rows, Floats, int]:
    """Return a few kinds of one to three jobs, each with some of all slots."""
    random = np.random.default_rng(seed)
    kinds, slots = int(random.integers(1, 6)), int(random.integers(1, 9))
    width = int(random.integers(1, slots + 1))
    slot = np.array([random.permutation(slots)[:width] for _ in range(kinds)], np.int32)
    cost = random.integers(0, 50, (kinds, width)).astype(np.float64)
    cost[random.random(cost.shape) < 0.2] = np.inf
    count = random.integers(1, 4, kinds)
    outside = np.full(kinds, 100.0)
    return Lists(np.arange(kinds), slot, cost), count, outside, slots


def least(lists: Lists, count: Rows, outside: Floats, slots: int) -> float:
    """Return what the best assignment costs, job by job."""
    cost = np.full((len(count), slots), np.inf)
    row, column = np.nonzero(np.isfinite(lists.cost))
    cost[row, lists.slot[row, column]] = lists.cost[row, column]
    each = cost.repeat(count, axis=0)
    left_out = outside.repeat(count)
    # A job may stay outside: a column of its own for that.
    alone = np.where(np.eye(len(each), dtype=np.bool_), left_out[:, None], np.inf)
    table = np.hstack([each, alone])
    taken = assign(table)
    return float(table[np.arange(len(table)), taken].sum())


@given(st.integers(0, 2**32), st.sampled_from([0.01, 1.0, 7.0]))
@settings(max_examples=100, deadline=None)
def test_the_cost_is_within_a_step_a_job_of_the_least_and_the_bound_is_below_it(
    seed: int, step: float
) -> None:
    lists, count, outside, slots = random_case(seed)
    auction = Auction(lists, count, outside, slots)

    auction.run(step)

    best = least(lists, count, outside, slots)
    cost = auction.cost() + float(auction.left() @ outside)
    assert auction.bound() - 1e-6 <= best <= cost + 1e-6
    assert cost <= auction.bound() + step * count.sum() + 1e-6


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_no_slot_is_given_twice_and_every_job_is_counted(seed: int) -> None:
    lists, count, outside, slots = random_case(seed)
    auction = Auction(lists, count, outside, slots)

    auction.run(0.5)

    slot, kind = auction.held()
    assert len(set(slot.tolist())) == len(slot)
    assert np.array_equal(np.bincount(kind, minlength=len(count)) + auction.left(), count)
    for each, holder in zip(slot.tolist(), kind.tolist(), strict=True):
        listed = np.flatnonzero(lists.slot[holder] == each)
        assert np.isfinite(lists.cost[holder, listed]).any()


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_what_is_not_listed_lowers_the_bound_to_what_it_may_cost(seed: int) -> None:
    """Slots that were cut off a list are covered by the cost of the cheapest of them."""
    lists, count, outside, slots = random_case(seed)
    order = np.argsort(lists.cost, axis=1)
    slot = np.take_along_axis(lists.slot, order, axis=1)
    cost = np.take_along_axis(lists.cost, order, axis=1)
    half = -(-slot.shape[1] // 2)
    short = Lists(lists.kind, slot[:, :half], cost[:, :half])
    unlisted = cost[:, half:].min(axis=1, initial=np.inf)
    auction = Auction(short, count, np.minimum(outside, unlisted), slots)
    auction.run(0.01)
    best = least(lists, count, outside, slots)

    assert auction.bound() <= best + 1e-6
    left = np.flatnonzero(auction.left())
    auction.lengthen(Lists(left, slot[left], cost[left]), outside[left])
    auction.run(0.01)
    assert auction.bound() <= best + 1e-6
    if not (auction.left() * (outside > unlisted)).any():
        after = auction.cost() + float(auction.left() @ outside)
        assert best - 1e-6 <= after <= best + 0.01 * count.sum() + 1e-6


def test_many_alike_do_not_bid_against_each_other() -> None:
    """300 jobs of one kind, 300 slots: a bid each would take thousands of rounds."""
    slot = np.arange(300, dtype=np.int32)[None]
    cost = np.linspace(100.0, 200.0, 300)[None]
    lists = Lists(np.zeros(1, np.intp), slot, cost)
    auction = Auction(lists, np.array([300]), np.array([1e6]), 300)

    auction.run(0.001)

    assert auction.rounds == 1
    assert auction.cost() == pytest.approx(cost.sum())
    assert auction.bound() == pytest.approx(cost.sum(), abs=1.0)


def test_a_job_that_costs_more_than_leaving_it_out_is_left_out() -> None:
    lists = Lists(np.arange(2), np.zeros((2, 1), np.int32), np.array([[5.0], [3.0]]))
    auction = Auction(lists, np.ones(2, np.intp), np.array([4.0, 10.0]), 1)

    auction.run(0.1)

    assert auction.left().tolist() == [1, 0]
    assert auction.cost() == 3.0
