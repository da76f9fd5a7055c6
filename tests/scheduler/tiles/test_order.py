"""Every machine has a place in one tile, near those like it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.tiles.order import tile_order

WIDTH, FILL = 16, 12


def points(count: int, seed: int, kinds: int) -> np.ndarray:
    """Return points in a plane, of which many are alike where there are few kinds."""
    random = np.random.default_rng(seed)
    return random.integers(-kinds, kinds, (count, 2)).astype(np.float32)


@given(st.integers(1, 700), st.integers(0, 2**32), st.sampled_from([1, 3, 10_000]))
@settings(max_examples=60, deadline=None)
def test_each_point_is_in_one_tile(count: int, seed: int, kinds: int) -> None:
    order = tile_order(points(count, seed, kinds), WIDTH, FILL)

    assert order.shape == (-(-count // FILL), WIDTH)
    assert sorted(order[order >= 0].tolist()) == list(range(count))
    assert np.all((order >= 0).any(axis=1))


def test_a_tile_is_small_in_all_directions() -> None:
    """Of a square, 64 tiles have an eighth of its side each way."""
    among = points(64 * FILL, seed=1, kinds=1_000)

    order = tile_order(among, WIDTH, FILL)

    sides = [np.ptp(among[tile[tile >= 0]], axis=0) for tile in order]
    assert np.max(np.median(sides, axis=0)) < 2_000 / 8
