"""Topics by area."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.gossip.areas import WORLD, area_of, heard_at, is_area
from commonfab.protocol.records import Place

places = st.builds(
    Place,
    lat_udeg=st.integers(-90_000_000, 90_000_000),
    lon_udeg=st.integers(-180_000_000, 180_000_000),
)
LYON = Place(lat_udeg=45_700_000, lon_udeg=4_800_000)
VILLEURBANNE = Place(lat_udeg=45_770_000, lon_udeg=4_880_000)
GENEVA = Place(lat_udeg=46_200_000, lon_udeg=6_150_000)
SYDNEY = Place(lat_udeg=-33_000_000, lon_udeg=151_000_000)


@pytest.mark.rule("GOSSIP-4")
@given(places)
def test_a_node_hears_its_area_those_around_it_and_the_world(place: Place) -> None:
    topics = heard_at([place])

    assert {area_of(place), WORLD} <= topics
    assert len(topics) in (7, 8), "a cell has six neighbours, or five at a corner of the grid"
    assert all(is_area(topic) for topic in topics - {WORLD})


def test_neighbours_hear_each_other_and_the_far_do_not() -> None:
    assert area_of(VILLEURBANNE) in heard_at([LYON])
    assert area_of(GENEVA) in heard_at([LYON])
    assert area_of(SYDNEY) not in heard_at([LYON])


def test_an_area_is_the_cell_that_anyone_else_computes() -> None:
    assert f"{area_of(LYON):x}" == "831f90fffffffff"


def test_cells_of_another_size_and_other_numbers_are_no_areas() -> None:
    assert not any(map(is_area, [0, 1, 0x851F90FFFFFFFFF, 2**63, 0x821F97FFFFFFFFF]))
