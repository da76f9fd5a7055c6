"""Ways to have an order made of which none is better than another in all that counts.

What counts is the price, when the last of it is there, and the CO2e. Each profile of the
buyer's community, and each blend of two, finds the way that is best by its weights; of all
found, those stay to which no other is preferable.
"""

from collections.abc import Iterable
from dataclasses import replace

from msgspec import structs

from commonfab.protocol.ids import Timestamp

from ..profiles import Profiles
from ..tiles.index import Index
from ..view import Snapshot
from .blending import all_names, weights_of
from .planning import Errand, Planning
from .ways import Way, Ways


def choose(
    errand: Errand,
    view: Snapshot,
    now: Timestamp,
    profiles: Profiles,
    names: Iterable[str] | None = None,
) -> Ways:
    """Return the ways to choose from, the cheapest first; with `names`, those of these profiles.

    Raises `UsageError` for more pieces than an order can hold, and for a name of nothing.
    """
    # An index of its own: this goes through more weights than the view's keeps, and may do so
    # in another thread.
    view = replace(view, index=Index())
    usual = profiles.weights("")
    found: list[Way] = []
    for name in all_names(profiles) if names is None else names:
        way = Planning(errand, view, now, weights_of(name, profiles)).way(name, usual)
        if way is not None:
            found.append(way)
    ways = preferable(_merged(found))
    return Ways(now, tuple(sorted(ways, key=lambda way: (*_counts(way), way.profiles))))


def preferable(ways: Iterable[Way]) -> list[Way]:
    """Return those ways than which no other is as good in all and better in something."""
    ways = list(ways)
    return [way for way in ways if not any(_is_better(other, way) for other in ways)]


def _merged(ways: Iterable[Way]) -> list[Way]:
    """Return each way once, with the names of all profiles that found it or one as good."""
    merged: dict[tuple[int, int, int], Way] = {}
    for way in ways:
        known = merged.get(_counts(way))
        names = (*known.profiles, *way.profiles) if known else way.profiles
        merged[_counts(way)] = structs.replace(known or way, profiles=names)
    return list(merged.values())


def _counts(way: Way) -> tuple[int, int, int]:
    return way.price_minor, way.there_ms, way.co2e_mg


def _is_better(a: Way, b: Way) -> bool:
    pairs = list(zip(_counts(a), _counts(b), strict=True))
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)
