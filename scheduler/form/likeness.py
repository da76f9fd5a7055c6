"""A short fingerprint of a form, the same however it is turned, moved, scaled or meshed.

The surface, as a cloud of evenly spread points around their centre, at distances measured
in their root mean square, is a function on the sphere for each of a few distances. Its
spherical harmonics f(a, l, m), for distance a, degree l and order m, turn when the part is
turned, each degree within itself; so the sums over m of f(a, l, m) f(b, l, m) stay (Kazhdan,
Funkhouser, Rusinkiewicz, 2003, who take a = b; the mixed ones tell how the distances stand to
one another). Their square roots, with sign, in 127ths, are the fingerprint. A part and its
mirror image have the same one.
"""

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from ..geometry import Floats
from .surface import Surface, spread

_POINTS = 8192
_KNOTS = np.array([0.4, 0.9, 1.4, 1.9])
"""Of the distances, in root mean squares; a point counts for the two that it lies between."""
_DEGREES = 6
_BYTES_OF_ONE = 127.0

FINGERPRINT_BYTES = len(_KNOTS) * (len(_KNOTS) + 1) // 2 * (_DEGREES + 1)

Fingerprints = NDArray[np.int8]
"""(n, FINGERPRINT_BYTES)"""


def fingerprint(surface: Surface) -> bytes:
    """Return the fingerprint, of `FINGERPRINT_BYTES`."""
    points = spread(surface, _POINTS).points
    points = points - points.mean(axis=0)
    distances = np.sqrt(np.einsum("ij,ij->i", points, points))
    ways = points / np.maximum(distances, 1e-12)[:, None]
    shares = _shares(distances / max(float(np.sqrt((distances**2).mean())), 1e-12)) / len(points)
    sums = shares.T @ _harmonics(ways)
    spans = np.array([degree**2 for degree in range(_DEGREES + 1)])
    products = [
        np.add.reduceat(sums[a] * sums[b], spans)
        for a in range(len(_KNOTS))
        for b in range(a, len(_KNOTS))
    ]
    powers = np.concatenate(products)
    rooted = np.sign(powers) * np.sqrt(np.abs(powers)) * _BYTES_OF_ONE
    return bytes(np.clip(np.rint(rooted), -127, 127).astype(np.int8))


def rank(wanted: bytes, known: Fingerprints) -> NDArray[np.int64]:
    """Return how far each known form is from the wanted one: squared steps, 0 for the same."""
    own = np.frombuffer(wanted, dtype=np.int8).astype(np.float32)
    away = known.astype(np.float32) - own
    return np.asarray(np.einsum("ij,ij->i", away, away), dtype=np.int64)


def likeness(steps: int) -> int:
    """Return 100 for the same form, less for each step away, and 0 for nothing like it.

    A copy that was turned, scaled and meshed anew has 90 or more; two parts of different
    designs seldom have more than 75.
    """
    return max(0, 100 - isqrt(steps))


def _shares(distances: Floats) -> Floats:
    """Return (n, knots): how much of each point counts for each knot."""
    place = np.clip(distances, _KNOTS[0], _KNOTS[-1])
    above = np.clip(np.searchsorted(_KNOTS, place), 1, len(_KNOTS) - 1)
    part = (place - _KNOTS[above - 1]) / (_KNOTS[above] - _KNOTS[above - 1])
    shares = np.zeros((len(distances), len(_KNOTS)))
    rows = np.arange(len(distances))
    shares[rows, above - 1] = 1.0 - part
    shares[rows, above] = part
    return shares


def _harmonics(ways: Floats) -> Floats:
    """Return (n, (degrees + 1)^2): the real spherical harmonics times the root of 4 pi.

    The associated Legendre functions by their recursion over the degree, normalised on the
    way; the column of degree l and order m is l^2 + l + m.
    """
    x, y, z = ways.T
    columns = np.empty((len(ways), (_DEGREES + 1) ** 2))
    cosine, sine = np.ones_like(x), np.zeros_like(x)
    top = np.ones_like(x)
    for order in range(_DEGREES + 1):
        if order:
            cosine, sine = cosine * x - sine * y, sine * x + cosine * y
            top = top * np.sqrt((2.0 * order + 1.0) / (2.0 * order))
        before, now = np.zeros_like(x), top
        for degree in range(order, _DEGREES + 1):
            middle = degree * degree + degree
            if order:
                columns[:, middle + order] = np.sqrt(2.0) * now * cosine
                columns[:, middle - order] = np.sqrt(2.0) * now * sine
            else:
                columns[:, middle] = now
            before, now = now, _next_degree(before, now, z, degree, order)
    return columns


def _next_degree(before: Floats, now: Floats, z: Floats, degree: int, order: int) -> Floats:
    high = degree + 1
    span = (high - order) * (high + order)
    first = np.sqrt((2.0 * high + 1.0) * (2.0 * high - 1.0) / span)
    if degree == order:
        return np.asarray(first * z * now)
    second = np.sqrt(
        (2.0 * high + 1.0) * (degree - order) * (degree + order) / ((2.0 * high - 3.0) * span)
    )
    return np.asarray(first * z * now - second * before)
