"""What can be typed after an option: places, dates, boxes, materials. Read once, told clearly."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

import click

from .. import clock


class Place(NamedTuple):
    lat: float
    lon: float


class Box(NamedTuple):
    """Millimetres."""

    x: float
    y: float
    z: float


class Stock(NamedTuple):
    material: str
    grams: float
    price_per_kg: float


class PlaceType(click.ParamType[Place]):
    """Degrees north and east."""

    name = "LAT,LON"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        numbers = _numbers(str(value), ",")
        if len(numbers) != 2:
            self.fail(f"{value!r} is not a place; one looks like 48.137,11.575", param, ctx)
        place = Place(*numbers)
        if abs(place.lat) > 90 or abs(place.lon) > 180:
            self.fail(
                f"{value!r}: degrees north are -90 to 90, degrees east -180 to 180", param, ctx
            )
        return place


class BoxType(click.ParamType[Box]):
    """Three sides of a box in millimetres."""

    name = "X,Y,Z"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Box:
        sides = _numbers(str(value), "[,x]")
        if len(sides) != 3 or min(sides) <= 0:
            self.fail(f"{value!r} is not a box; one looks like 250,210,210 (mm)", param, ctx)
        return Box(*sides)


class StockType(click.ParamType[Stock]):
    """A material, how much of it is there, and its price."""

    name = "NAME,GRAMS,PRICE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Stock:
        material, _, rest = str(value).partition(",")
        numbers = _numbers(rest, ",")
        if not material or len(numbers) not in (1, 2) or min(numbers) < 0:
            self.fail(
                f"{value!r} is not a material; one looks like PLA,1000,25 (grams, price of a kg)",
                param,
                ctx,
            )
        grams, price_per_kg = (*numbers, 0.0)[:2]
        return Stock(material, grams, price_per_kg)


_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class WhenType(click.ParamType[int]):
    """A date, a date and time, or a time from now; milliseconds since 1970 UTC."""

    name = "WHEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        when = _when(str(value).strip(), _here_and_now())
        if when is None:
            self.fail(
                f"{value!r} is not a time; one looks like 2030-05-31, 2030-05-31T16:00, 3d or 5h",
                param,
                ctx,
            )
        return round(when.timestamp() * 1000)


def _here_and_now() -> datetime:
    return datetime.fromtimestamp(clock.now() / 1000, UTC).astimezone()


def _when(text: str, now: datetime) -> datetime | None:
    """Read a time as a person means it: a date is the end of that day, here."""
    span = re.fullmatch(r"(\d{1,5}) ?(min|h|d|w)", text)
    if span:
        return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        when = datetime.fromisoformat(text)
        if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
            when = datetime.combine(when, time(23, 59, 59))
        return when if when.tzinfo else when.astimezone()
    except (ValueError, OverflowError):
        return None


def _numbers(text: str, separator: str) -> list[float]:
    """Return the numbers in a text, or none if it has anything else."""
    words = re.split(separator, text)
    plain = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)\s*")
    return [float(word) for word in words] if all(map(plain.fullmatch, words)) else []
