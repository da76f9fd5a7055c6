"""How many pieces of a part stand on a bed: exact for a few, safe for many."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.batches.plates import EXACT_MAX, Footprint, most_on
from commonfab.scheduler.factors import PLATE_GAP_UM

GAP = int(PLATE_GAP_UM.value)
sides = st.tuples(st.integers(1, 4), st.integers(1, 4))


def on(box: Footprint, bed: Footprint) -> int:
    """Return the same of sizes in which a gap, or what is left of one, is counted in."""
    return most_on(
        (box[0] * GAP - GAP, box[1] * GAP - GAP), (bed[0] * GAP - GAP, bed[1] * GAP - GAP)
    )


def covers(boxes: list[Footprint], bed: Footprint, taken: frozenset[tuple[int, int]]) -> bool:
    """Try every whole-numbered place and turn, square by square."""
    if not boxes:
        return True
    for width, depth in {boxes[0], boxes[0][::-1]}:
        for x, y in product(range(bed[0] - width + 1), range(bed[1] - depth + 1)):
            squares = frozenset(product(range(x, x + width), range(y, y + depth)))
            if not squares & taken and covers(boxes[1:], bed, taken | squares):
                return True
    return False


@given(sides, st.tuples(st.integers(1, 5), st.integers(1, 5)))
@settings(max_examples=100, deadline=None)
def test_of_a_few_boxes_as_many_stand_as_there_is_a_way_for(box: Footprint, bed: Footprint) -> None:
    found = on(box, bed)

    assert covers([box] * min(found, EXACT_MAX), bed, frozenset())
    if found < EXACT_MAX:
        assert not covers([box] * (found + 1), bed, frozenset())


@pytest.mark.parametrize(
    ("box", "bed", "count"),
    [
        ((3, 2), (5, 5), 4),  # A pinwheel around an empty square.
        ((1, 1), (12, 12), 144),
        ((3, 1), (10, 2), 6),
        ((1, 3), (10, 2), 6),
        ((13, 1), (12, 12), 0),
    ],
)
def test_so_many_stand_on_a_bed(box: Footprint, bed: Footprint, count: int) -> None:
    assert on(box, bed) == count


def test_between_boxes_there_is_a_gap_and_none_at_the_edge() -> None:
    assert most_on((100_000, 200_000), (200_000, 200_000)) == 1
    assert most_on((97_500, 200_000), (200_000, 200_000)) == 2
