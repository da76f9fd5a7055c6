"""`commonfab wishes`, `wish add`, `wish remove`: which of others' designs are kept here."""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..answers.wishes import WishedDesign, WishLine

_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SHOWN = 10


class SizeType(click.ParamType[int]):
    """An amount of data; bytes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?) ?([kKMGT]?B)", str(value).strip())
        size = round(float(found[1]) * _UNITS[found[2]]) if found else 0
        if size < 1:
            self.fail(f"{value!r} is not a size; one looks like 4GB or 500MB", param, ctx)
        return size


class Area(NamedTuple):
    lat: float
    lon: float
    radius_m: int


class AreaType(click.ParamType[Area]):
    """A place and how far around it."""

    name = "LAT,LON,KM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Area:
        number = r"([+-]?\d+(?:\.\d*)?)"
        found = re.fullmatch(rf"{number},\s*{number},\s*(\d+(?:\.\d*)?) ?km", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not an area; one looks like 45,5,100km", param, ctx)
        area = Area(float(found[1]), float(found[2]), round(float(found[3]) * 1000))
        if abs(area.lat) > 90 or abs(area.lon) > 180 or not 1 <= area.radius_m <= 20_100_000:
            self.fail(f"{value!r} is nowhere on Earth", param, ctx)
        return area


@click.group("wish")
def wish() -> None:
    """Say which of others' designs are kept here."""


@command("add", example="commonfab wish add --tag medical --budget 4GB")
@click.option("--author", default="", metavar="NODE", help="By this workshop: name or peer id.")
@click.option("--tag", default="", help="Filed under this word by its author.")
@click.option("--area", type=AreaType(), help="From workshops so near, such as 45,5,100km.")
@click.option("--licence", default="", help="As an SPDX expression, such as CC-BY-4.0.")
@click.option("--process", default="", help="With a part made so, such as fff-printing.")
@click.option("--words", default="", help='Said in its name or function, such as "hand pump".')
@click.option("--budget", type=SizeType(), help="Keep at most so much for this wish.")
def add(called: Called, area: Area | None, budget: int | None, **asked: Any) -> None:
    """Keep the designs for which all of this is so, and fetch them as peers have them.

    What is here stays, then come those that few others keep, then the newest.
    """
    from ..answers.wishes import WishLine

    where = dict(area._asdict()) if area else {}
    line = called.ask("wish.add", WishLine, budget_bytes=budget, **where, **asked)
    if line is not None:
        _print_line(line, shown=0)


@command("remove", example="commonfab wish remove 3")
@click.argument("wish_id", metavar="NUMBER", type=click.IntRange(min=1))
def remove(called: Called, wish_id: int) -> None:
    """Take a wish back. What came for it may go when room is needed."""
    from ..answers.wishes import WishLine
    from .words import text

    gone = called.ask("wish.remove", WishLine, id=wish_id)
    if gone is not None:
        click.echo(f"{gone.id} {text(gone.what)}: taken back")


@command("wishes", example="commonfab wishes")
def wishes(called: Called) -> None:
    """Tell what was wished, what came, and what did not fit and why."""
    from ..answers.wishes import WishLine

    lines = called.ask("wishes", list[WishLine])
    if lines is not None:
        for line in lines:
            _print_line(line, shown=_SHOWN)
        if not lines:
            click.echo("Nothing is wished yet. See: commonfab wish add --help", err=True)


def _print_line(line: "WishLine", shown: int) -> None:
    from .words import count, size, text

    budget = f", {size(line.budget_bytes)}" if line.budget_bytes is not None else ""
    click.echo(f"{line.id} {text(line.what)}{budget}")
    told = [
        f"{count(number, 'design')} {what} ({size(total)})"
        for number, total, what in (
            (line.here, line.here_bytes, "here"),
            (line.coming, line.coming_bytes, "coming"),
            (line.no_room, line.no_room_bytes, "without room"),
        )
        if number
    ]
    click.echo(f"  {', '.join(told) or 'no design fits it yet'}")
    if line.designs and shown:
        _print_designs(line.designs, shown)


def _print_designs(designs: "list[WishedDesign]", shown: int) -> None:
    from .table import Column, table, width, write
    from .words import identifier, size, text, who

    columns = [
        Column(title="  id"),
        Column(title="name"),
        Column(title="by", drop=2),
        Column(title="size"),
        Column(title="state", wraps=True),
    ]
    rows = [
        [
            f"  {identifier(each.id)}",
            text(f"{each.name} {each.version}"),
            who(each.author_name, each.author),
            size(each.size_bytes),
            f"{each.state}: {text(each.why)}" if each.why else each.state,
        ]
        for each in designs[:shown]
    ]
    write(table(columns, rows, width()))
    if len(designs) > shown:
        click.echo(f"  and {len(designs) - shown} more: commonfab wishes --json")


wish.add_command(add)
wish.add_command(remove)
