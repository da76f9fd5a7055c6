"""Weights are prices: numbers from 0 up, refused by name otherwise."""

from math import inf, nan

import pytest

from commonfab.protocol.errors import UsageError
from commonfab.scheduler.weights import Weights


@pytest.mark.parametrize("bad", [-1.0, inf, nan])
def test_a_weight_that_is_no_price_is_refused_by_name(bad: float) -> None:
    with pytest.raises(UsageError, match=r"carbon_minor_per_kg: .* not a number from 0 up"):
        Weights(carbon_minor_per_kg=bad)


def test_a_floor_that_nobody_can_reach_is_refused() -> None:
    assert Weights(trust_floor=1).trust_floor == 1
    with pytest.raises(UsageError, match=r"trust_floor: 1\.5 is above 1, the highest standing"):
        Weights(trust_floor=1.5)
