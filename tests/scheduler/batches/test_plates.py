"""Parts share a plate where they fit on it side by side: exact for a few, safe for many."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.batches.plates import EXACT_MAX, Footprint, fit_together, plates, shared
from commonfab.scheduler.problem import Want
from tests.scheduler.worlds import BERLIN, HAMBURG, NOON, PETG, a_part

few_boxes = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3)


def covers(boxes: list[Footprint], bed: Footprint) -> bool:
    """Try every whole-numbered place and turn, square by square."""
    if not boxes:
        return True
    return _covers(boxes, bed, frozenset())


def _covers(boxes: list[Footprint], bed: Footprint, taken: frozenset[tuple[int, int]]) -> bool:
    if not boxes:
        return True
    for width, depth in {boxes[0], boxes[0][::-1]}:
        for x, y in product(range(bed[0] - width + 1), range(bed[1] - depth + 1)):
            squares = frozenset(product(range(x, x + width), range(y, y + depth)))
            if not squares & taken and _covers(boxes[1:], bed, taken | squares):
                return True
    return False


@given(few_boxes, st.tuples(st.integers(1, 5), st.integers(1, 5)))
@settings(max_examples=150, deadline=None)
def test_a_few_boxes_fit_together_exactly_if_there_is_a_way(
    boxes: list[Footprint], bed: Footprint
) -> None:
    assert len(boxes) <= EXACT_MAX
    assert fit_together(boxes, bed) == covers(boxes, bed)


@pytest.mark.parametrize(
    ("boxes", "fit"),
    [
        ([(3, 2), (2, 3), (3, 2), (2, 3)], True),  # A pinwheel around an empty square.
        ([(3, 2), (2, 3), (3, 2), (3, 3)], False),
        ([(5, 5)], True),
        ([(6, 1)], False),
    ],
)
def test_a_way_is_found_that_no_shelf_has(boxes: list[Footprint], fit: bool) -> None:
    assert fit_together(boxes, (5, 5)) is fit


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=EXACT_MAX + 1, max_size=12)
)
@settings(max_examples=100, deadline=None)
def test_many_boxes_that_are_said_to_fit_have_the_room(boxes: list[Footprint]) -> None:
    bed = (12, 12)
    if fit_together(boxes, bed):
        assert sum(width * depth for width, depth in boxes) <= 12 * 12
    assert fit_together([(3, 3)] * 16, bed)
    assert not fit_together([(4, 4)] * 10, bed)
    assert not fit_together([*boxes, (13, 1)], bed)


def test_each_set_is_on_one_plate_and_the_plates_are_few() -> None:
    sets = [[(6, 6)], [(5, 5)], [(4, 10)], [(11, 1)], [(4, 4), (4, 4)]]

    found = plates(sets, (10, 10))

    assert sorted(map(sorted, found)) == [[0, 2], [1, 4], [3]]


def test_parts_share_a_plate_only_if_they_are_of_one_material_for_one_place_and_date() -> None:
    small = a_part(bbox_um=(50_000, 50_000, 10_000))
    other = a_part(bbox_um=(50_000, 50_000, 10_000), material=PETG)
    wants = [
        Want(small, 2, BERLIN),
        Want(small, 4, BERLIN),
        Want(other, 1, BERLIN),
        Want(small, 1, HAMBURG),
        Want(small, 1, BERLIN, by=NOON),
    ]

    groups = shared(wants, (200_000, 200_000))

    assert sorted(map(sorted, groups)) == [[0, 1], [2], [3], [4]]


def test_between_boxes_there_is_a_gap_and_none_at_the_edge() -> None:
    half = a_part(bbox_um=(100_000, 200_000, 10_000))
    slim = a_part(bbox_um=(97_500, 200_000, 10_000))

    assert shared([Want(half, 1, BERLIN)] * 2, (200_000, 200_000)) == [[0], [1]]
    assert shared([Want(slim, 1, BERLIN)] * 2, (200_000, 200_000)) == [[0, 1]]
