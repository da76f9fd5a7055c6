"""Places on a round Earth, and how far one is from another.

A place is a unit vector from the centre. Half the chord between two of them is the
sine of half the angle, which is the haversine formula without its cosines (Sinnott,
"Virtues of the Haversine", 1984), and as exact for neighbours as for antipodes.
"""

from math import cos, radians, sin

import numpy as np

from commonfab.protocol.records import Place

from .columns import Floats
from .factors import EARTH_RADIUS_M

Vector = tuple[float, float, float]

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


def metres_between(a: Place, b: Place) -> int:
    """Return the great-circle distance of two places."""
    x, y, z = (np.asarray(part) for part in unit_vector(a))
    u, v, w = (np.asarray(part) for part in unit_vector(b))
    return int(distance_m((x, y, z), (u, v, w)))
