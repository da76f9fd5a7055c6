"""Distances on the round Earth."""

from math import asin, cos, pi, radians, sin, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.records import Place
from commonfab.scheduler.factors import EARTH_RADIUS_M
from commonfab.scheduler.places import arc, metres_between
from tests.scheduler.worlds import BERLIN, HAMBURG

places = st.builds(
    Place,
    lat_udeg=st.integers(-90_000_000, 90_000_000),
    lon_udeg=st.integers(-180_000_000, 180_000_000),
)


def haversine_m(a: Place, b: Place) -> float:
    """The textbook's formula, from degrees."""
    lat_a, lat_b = radians(a.lat_udeg / 1e6), radians(b.lat_udeg / 1e6)
    lon = radians((b.lon_udeg - a.lon_udeg) / 1e6)
    square = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(lon / 2) ** 2
    return 2 * EARTH_RADIUS_M.value * asin(min(1.0, sqrt(square)))


def test_berlin_is_255_km_from_hamburg() -> None:
    assert metres_between(BERLIN, HAMBURG) == pytest.approx(255_300, abs=500)


@pytest.mark.rule("SCHED-5")
@given(places, places)
@settings(deadline=None)
def test_a_distance_is_the_haversine_in_whole_metres_between(a: Place, b: Place) -> None:
    distance = metres_between(a, b)

    assert isinstance(distance, int)
    assert distance == metres_between(b, a)
    assert distance == pytest.approx(haversine_m(a, b), abs=1.0)


@given(places)
@settings(deadline=None)
def test_the_other_end_of_the_earth_is_half_its_girth_away(a: Place) -> None:
    lon = a.lon_udeg - 180_000_000 if a.lon_udeg > 0 else a.lon_udeg + 180_000_000

    distance = metres_between(a, Place(lat_udeg=-a.lat_udeg, lon_udeg=lon))

    assert distance == pytest.approx(pi * EARTH_RADIUS_M.value, abs=1.0)


@given(st.floats(1e-9, pi))
@settings(deadline=None)
def test_an_arc_from_a_chord_is_never_too_long_and_seldom_too_short(angle: float) -> None:
    chord = 2.0 * sin(angle / 2.0)

    found = float(arc(np.array([chord * chord]))[0])

    assert found <= angle * (1.0 + 1e-12)
    kilometres = angle * EARTH_RADIUS_M.value / 1_000
    if kilometres <= 1_400:
        assert found >= angle * (1.0 - 1e-6)
    if kilometres <= 4_500:
        assert found >= angle * (1.0 - 1e-4)


def test_neighbours_are_told_apart_to_the_metre() -> None:
    next_door = Place(lat_udeg=BERLIN.lat_udeg + 90, lon_udeg=BERLIN.lon_udeg)

    assert metres_between(BERLIN, BERLIN) == 0.0
    assert metres_between(BERLIN, next_door) == 10.0
