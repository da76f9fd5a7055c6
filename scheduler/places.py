"""Places on a round Earth, and how far one is from another.

A place is a unit vector from the centre. Half the chord between two of them is the
sine of half the angle, which is the haversine formula without its cosines (Sinnott,
"Virtues of the Haversine", 1984), and as exact for neighbours as for antipodes.
"""

from math import cos, radians, sin
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.records import Place

from .columns import Floats
from .factors import EARTH_RADIUS_M

Vector = tuple[float, float, float]
Angles = TypeVar("Angles", Floats, NDArray[np.float32])

NOWHERE: Vector = (0.0, 0.0, 0.0)
"""Stands where a place is not known; a distance to it means nothing."""


def unit_vector(place: Place) -> Vector:
    latitude, longitude = radians(place.lat_udeg / 1e6), radians(place.lon_udeg / 1e6)
    return cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)


def distance_m(a: tuple[Floats, Floats, Floats], b: tuple[Floats, Floats, Floats]) -> Floats:
    """Return great-circle distances in whole metres (SCHED-5).

    Rounded, so that libraries whose arcsine differs in the last bits give one answer.
    """
    squares = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2
    half_chord = np.minimum(np.sqrt(squares) / 2.0, 1.0)
    return np.rint(2.0 * EARTH_RADIUS_M.value * np.arcsin(half_chord))


def arc(square: Angles) -> Angles:
    """Return an angle, or somewhat less, from its chord squared, which is overwritten.

    The first terms of 2 asin(chord / 2): a part in a million is missing at 1,400 km, one in
    ten thousand at 4,500 km.
    """
    series = square * (3 / 640)
    series += 1 / 24
    series *= square
    series += 1.0
    np.sqrt(square, out=square)
    square *= series
    return square


def metres_between(a: Place, b: Place) -> int:
    """Return the great-circle distance of two places."""
    x, y, z = (np.asarray(part) for part in unit_vector(a))
    u, v, w = (np.asarray(part) for part in unit_vector(b))
    return int(distance_m((x, y, z), (u, v, w)))
