"""How pieces are put on plates."""

from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.slicing.slicing import plates


@given(pieces=st.integers(1, 100_000), on_one=st.integers(0, 400))
def test_pieces_are_spread_over_as_few_plates_as_hold_them_and_evenly(
    pieces: int, on_one: int
) -> None:
    held = plates(pieces, on_one)

    assert sum(each * count for each, count in held.items()) == pieces
    assert max(held) <= max(1, on_one)
    assert max(held) - min(held) <= 1
    assert sum(held.values()) == -(-pieces // max(1, on_one))
