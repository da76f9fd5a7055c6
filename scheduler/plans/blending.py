"""What counts how much, by name: the profiles of a community, and what lies between two of them.

A blend is named by both, as in "cheap+green": each of its numbers is the geometric mean of
theirs, so that of prices that differ a hundredfold it takes the tenfold; where one is
nothing it is half of the other. Its bounds are the stricter of both.
"""

from dataclasses import fields
from itertools import combinations
from math import sqrt

from commonfab.protocol.errors import UsageError

from ..profiles import Profiles
from ..weights import Weights

_JOINED_BY = "+"


def weights_of(name: str, profiles: Profiles) -> Weights:
    """Return what counts how much in a profile, or in a blend of two.

    Raises `UsageError` for a name that stands for nothing.
    """
    match name.split(_JOINED_BY):
        case [_]:
            return profiles.weights(name)
        case [first, second] if first and second:
            return _blend(profiles.weights(first), profiles.weights(second))
        case _:
            raise UsageError(
                f"{name}: what lies between two profiles is named by both, as in cheap+green;"
                f" there are {', '.join(profiles.names())}"
            )


def all_names(profiles: Profiles) -> list[str]:
    """Return the names of all profiles, and of all blends of two."""
    names = profiles.names()
    return [*names, *(_JOINED_BY.join(pair) for pair in combinations(names, 2))]


def _blend(a: Weights, b: Weights) -> Weights:
    assert a.currency == b.currency
    numbers = {
        each.name: _between(each.name, getattr(a, each.name), getattr(b, each.name))
        for each in fields(Weights)
        if isinstance(getattr(a, each.name), float | int)
    }
    return Weights(currency=a.currency, **numbers)


def _between(name: str, a: float, b: float) -> float:
    if name == "trust_floor":
        return max(a, b)
    if name == "distance_max_km":
        return min(a or b, b or a)
    return sqrt(a * b) if a and b else (a + b) / 2
