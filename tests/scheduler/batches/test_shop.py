"""A shop is what the kernel says of each pair, taken apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.batches.shop import shop_of
from commonfab.scheduler.batches.timing import Timing
from commonfab.scheduler.constraints import Constraint
from commonfab.scheduler.factors import LOADED_SETUP_SHARE
from commonfab.scheduler.kernel import evaluate
from commonfab.scheduler.problem import problem_of
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import HOUR_MS, NOON, PLA, a_town, a_view, wants_of

WEIGHTS = Weights()


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_one_job_alone_costs_what_the_kernel_says(seed: int) -> None:
    view = a_view(a_town(5, seed)).snapshot()
    problem = problem_of(wants_of(8, seed, dated=0.5), NOON)
    rows = view.rows()

    shop = shop_of(view, problem, WEIGHTS, rows)

    said = evaluate(view, problem, WEIGHTS, rows)
    row, column = np.nonzero(np.isfinite(shop.work_ms))
    cost = Timing(shop).of(column, row[:, None])[0]
    assert cost == pytest.approx(said.terms.total()[row, column], rel=1e-6)
    late = said.verdicts & int(Constraint.DEADLINE) > 0
    assert np.array_equal(np.isfinite(shop.work_ms) & ~late, np.isfinite(said.cost))


def test_a_machine_that_has_the_material_loaded_sets_up_in_part() -> None:
    view = a_view(a_town(5, 1)).snapshot()
    wants = [want for want in wants_of(40, 1) if want.part.material == PLA]
    problem, rows = problem_of(wants, NOON), view.rows()
    cold = shop_of(view, problem, WEIGHTS, rows)
    warm = shop_of(view, problem, WEIGHTS, rows, loaded=dict.fromkeys(range(len(rows)), PLA))

    [job, machine] = np.argwhere(np.isfinite(cold.work_ms))[0]

    one = np.array([machine]), np.array([[job]])
    saved_ms = Timing(cold).ends(*one)[0] - Timing(warm).ends(*one)[0]
    assert saved_ms[0, 0] == pytest.approx((1 - LOADED_SETUP_SHARE.value) * cold.setup_ms[machine])
    assert Timing(warm).of(*one)[0][0] < Timing(cold).of(*one)[0][0]


def test_promised_windows_stand_in_their_order() -> None:
    view = a_view(a_town(1, 1)).snapshot()
    problem, rows = problem_of(wants_of(1, 1), NOON), view.rows()
    later, sooner = (NOON + 9 * HOUR_MS, NOON + 10 * HOUR_MS), (NOON, NOON + HOUR_MS)

    shop = shop_of(view, problem, WEIGHTS, rows, promised={1: [later, sooner], 2: [later]})

    assert shop.promised.shape == (len(rows), 2, 2)
    assert shop.promised[1].tolist() == [list(sooner), list(later)]
    assert np.isinf(shop.promised[0]).all()
    assert np.isinf(shop.promised[2, 1]).all()
