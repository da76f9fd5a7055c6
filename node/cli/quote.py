"""`commonfab quote`: what making a design would take, by machine, with a range and its basis."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..answers.quotes import PartQuote, Quoted

_PICTURE_COLUMNS = 48


@command("quote", example='commonfab quote "wall hook" --quantity 10 --machine mk3')
@click.argument("design")
@click.option("--quantity", type=click.IntRange(1), default=1, help="How many of it.")
@click.option("--machine", default="", metavar="ID", help="One of this workshop's machines.")
@click.option("--workshop", default="", metavar="NAME", help="Another's machines.")
@click.option("--everywhere", is_flag=True, help="All machines that are known.")
@click.option("--slice", "slices", is_flag=True, help="Slice it first, where a machine can.")
@click.option("--picture", is_flag=True, help="Show each part.")
def quote(
    called: Called,
    design: str,
    quantity: int,
    machine: str,
    workshop: str,
    everywhere: bool,
    slices: bool,
    picture: bool,
) -> None:
    """Show time, material, energy and price of making a design, before it is ordered."""
    from ..answers.quotes import Quoted

    if sum(map(bool, (machine, workshop, everywhere))) > 1:
        raise click.UsageError("--machine, --workshop and --everywhere: give one of them")
    if called.as_json and picture:
        raise click.UsageError("--json draws no pictures: ask for them without it")
    quoted = called.ask(
        "quote",
        Quoted,
        design=design,
        quantity=quantity,
        machine=machine,
        workshop=workshop,
        everywhere=everywhere,
        slice=slices,
    )
    if quoted is None:
        return
    if picture:
        _print_pictures(called, design)
    print_quoted(quoted)


def _print_pictures(called: Called, design: str) -> None:
    from ..answers.node import Picture
    from ..meshes import picture
    from .table import width
    from .words import text

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for drawn in called.ask("pictures", list[Picture], design=design) or []:
        click.echo(text(drawn.part))
        if drawn.path:
            png = Path(drawn.path).read_bytes()
            columns = min(width(), _PICTURE_COLUMNS)
            click.echo(picture.png_to_text(png, columns, colour=colour), color=True)
        else:
            click.echo(f"no picture: {text(drawn.why)}", err=True)


def print_quoted(quoted: "Quoted") -> None:
    """Print a line for each part and machine, then who cannot, and what may go wrong."""
    from .table import write
    from .words import count, text

    able = [line for line in quoted.quotes if not line.why_not]
    head = f"{count(quoted.quantity, 'time')} {text(quoted.design)}"
    if able:
        write(f"{head}, eight of ten within the ranges:", "", _table(able))
    else:
        write(f"{head}: no machine that was asked about can make it")
    for line in quoted.quotes:
        where = f"{text(line.workshop)}, {text(line.machine)}"
        if line.why_not:
            write(f"{text(line.part)} on {where}: {text(line.why_not)}")
        for risk in line.risks:
            write(f"{text(line.part)} on {where}: {risk}")


def _table(lines: "list[PartQuote]") -> "RenderableType":
    from commonfab.scheduler.reasons import duration

    from .table import Column, table, width
    from .words import energy, mass, text

    columns = [
        Column(title="part"),
        Column(title="pieces", is_right=True),
        Column(title="workshop"),
        Column(title="machine"),
        Column(title="plates", is_right=True, drop=4),
        Column(title="time", is_right=True, wraps=True),
        Column(title="material", is_right=True, drop=3),
        Column(title="energy", is_right=True, drop=5),
        Column(title="CO2e", is_right=True, drop=2),
        Column(title="price", is_right=True),
        Column(title="from", wraps=True, drop=1),
    ]
    rows = [
        [
            text(line.part),
            str(line.pieces),
            text(line.workshop),
            text(line.machine),
            str(line.plates) if line.plates else "?",
            _span(*(duration(seconds * 1000) for seconds in line.seconds_range)),
            _span(*(mass(mass_mg) for mass_mg in line.mass_range)),
            energy(line.energy_mwh) if line.energy_mwh else "?",
            mass(line.co2e_mg) if line.energy_mwh else "?",
            _price(line),
            line.basis,
        ]
        for line in lines
    ]
    return table(columns, rows, width())


def _span(low: str, high: str) -> str:
    return high if low == high else f"{low} - {high}"


def _price(line: "PartQuote") -> str:
    from .words import text

    low, high = (f"{minor / 100:.2f}" for minor in line.price_range)
    return f"{_span(low, high)} {text(line.currency)}"
