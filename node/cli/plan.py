"""How ways to have something made look in a terminal: a line each, then where each part is made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from commonfab.scheduler.plans.ways import Journey, Making, Way, Ways
from commonfab.scheduler.reasons import duration, listed, money

from .. import clock
from .table import Column, table, width, write
from .words import count, mass, moment, text

if TYPE_CHECKING:
    from rich.console import RenderableType


def print_ways(ways: Ways, what: str) -> None:
    """Print the ways to choose from, and the details of each."""
    now = clock.now()
    head = f"{count(len(ways.ways), 'way')} to have {what} made"
    if len(ways.ways) > 1:
        head += ", none of which is cheaper, sooner and cleaner than another"
    write(head, "", _choice(ways.ways, now))
    for way in ways.ways:
        write("", *_way(way, now))


def _choice(ways: tuple[Way, ...], now: int) -> "RenderableType":
    columns = [
        Column(title="profile"),
        Column(title="price", is_right=True),
        Column(title="there", is_right=True),
        Column(title="CO2e", is_right=True),
        Column(title="workshops", is_right=True, drop=1),
        Column(title="too late by", is_right=True, drop=2),
        Column(title="also found by", wraps=True, drop=3),
    ]
    rows = [
        [
            text(way.profiles[0]),
            money(way.price_minor, text(way.currency)),
            moment(way.there_ms, now),
            mass(way.co2e_mg),
            str(len({making.owner for making in way.makings})),
            duration(way.late_ms) if way.late_ms else "",
            ", ".join(text(name) for name in way.profiles[1:]),
        ]
        for way in ways
    ]
    return table(columns, rows, width())


def _way(way: Way, now: int) -> "Iterator[RenderableType]":
    joined = f"; put together by {text(way.joined_by)}" if way.joined_by else ""
    yield f"{text(way.profiles[0])}{joined}"
    yield _makings(way.makings, now)
    last = len(way.journeys) - 1
    for number, journey in enumerate(way.journeys):
        yield _travels(journey, way.joined_by if number < last else "", now)
    if way.joined_by:
        yield f"An order brings all to one place: agree with {text(way.joined_by)} on the rest."


def _makings(makings: tuple[Making, ...], now: int) -> "RenderableType":
    columns = [
        Column(title="part"),
        Column(title="pieces", is_right=True),
        Column(title="workshop"),
        Column(title="machine", drop=1),
        Column(title="start", is_right=True, drop=4),
        Column(title="ready", is_right=True),
        Column(title="price", is_right=True, drop=2),
        Column(title="transport", is_right=True, drop=3),
        Column(title="CO2e", is_right=True, drop=5),
    ]
    rows = [
        [
            text(making.part),
            str(making.pieces),
            text(making.workshop),
            text(making.machine),
            moment(making.start_ms, now),
            moment(making.ready_ms, now),
            f"{making.price_minor / 100:.2f}",
            f"{making.transport_minor / 100:.2f}",
            mass(making.co2e_mg),
        ]
        for making in makings
    ]
    return table(columns, rows, width())


def _travels(journey: Journey, joined_by: str, now: int) -> str:
    goods = listed([text(each) for each in journey.goods])
    metres = journey.distance_m
    far = "nobody knows how far" if metres is None else f"{metres / 1000:.0f} km"
    times = f" {journey.deliveries} times" if journey.deliveries > 1 else ""
    return (
        f"{text(journey.workshop)} to {text(joined_by) or 'you'}: {goods}, {mass(journey.mass_mg)},"
        f" {far}{times}, there {moment(journey.arrival_ms, now)}"
    )
