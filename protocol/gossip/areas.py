"""Where on Earth a record is news: topics by area, and one for the whole world.

An area is a cell of the H3 grid at resolution 3, about 100 km across. A record is told in its
author's own cell, by the place that the author tells others; a node hears its cell and the ones
around it, so that what happens within 100 km reaches it wherever in its cell it stands. What is
for everybody goes by the world's topic too, which carries little (specs/gossip.md).
"""

from collections.abc import Callable, Iterable
from typing import NewType, cast

from h3.api import basic_int as h3  # type: ignore[import-untyped]  # it carries no types

from ..records import Place

Topic = NewType("Topic", int)
"""A cell of the H3 grid, or `WORLD`."""

WORLD = Topic(0)
AREA_RESOLUTION = 3
"""Of the H3 grid: 41,162 cells, of 12,400 square kilometres on average."""
WORLDWIDE = frozenset({"design", "revocation", "proof"})
"""Kinds that are told to the whole world: what can be made, which key is lost, and who lied."""

# The library carries no types; these are the calls that are made of it.
_cell_at = cast("Callable[[float, float, int], int]", h3.latlng_to_cell)  # pyright: ignore[reportUnknownMemberType]
_disk = cast("Callable[[int, int], list[int]]", h3.grid_disk)  # pyright: ignore[reportUnknownMemberType]
_is_cell = cast("Callable[[int], bool]", h3.is_valid_cell)  # pyright: ignore[reportUnknownMemberType]
_resolution = cast("Callable[[int], int]", h3.get_resolution)  # pyright: ignore[reportUnknownMemberType]


def area_of(place: Place) -> Topic:
    """Return the area in which a place is."""
    lat, lon = place.lat_udeg / 1_000_000, place.lon_udeg / 1_000_000
    return Topic(_cell_at(lat, lon, AREA_RESOLUTION))


def heard_at(places: Iterable[Place]) -> frozenset[Topic]:
    """Return what a node at these places hears: their areas, those around them, the world."""
    topics = {WORLD}
    for place in places:
        topics.update(Topic(cell) for cell in _disk(area_of(place), 1))
    return frozenset(topics)


def is_area(topic: int) -> bool:
    return _is_cell(topic) and _resolution(topic) == AREA_RESOLUTION
