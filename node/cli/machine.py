"""`commonfab machine add`, `list`, `remove`: what this workshop can make things with."""

import os
from typing import TYPE_CHECKING, Literal

import click

from .command import Called, command
from .options import Box, BoxType, Stock, StockType

if TYPE_CHECKING:
    from ..answers.node import MachineNow
    from ..machines.settings import Machine


@click.group("machine")
def machine() -> None:
    """Add, list and remove this workshop's machines."""


@command(
    "add",
    example="commonfab machine add mk3 --process fff-printing --volume 250,210,210"
    " --material PLA,1000,25 --price-per-hour 2.50 --power 120",
)
@click.argument("id", metavar="ID")
@click.option("--process", required=True, help="Such as fff-printing, laser-cutting.")
@click.option("--volume", type=BoxType(), required=True, help="The largest box that fits, in mm.")
@click.option(
    "--material",
    "materials",
    type=StockType(),
    multiple=True,
    required=True,
    help="What is there: grams, and the price of a kilogram. May be repeated.",
)
@click.option("--model", default="", help="Maker and type, for people.")
@click.option("--price-per-hour", type=float, default=0.0, help="For an hour of its time.")
@click.option("--power", type=int, default=0, help="Watts while it runs, on average.")
@click.option("--peak", type=int, default=0, help="Watts while it heats up.")
@click.option("--speed", type=float, default=1.0, help="2.0 takes half the ordinary time.")
@click.option("--setup", type=int, default=0, help="Seconds between two jobs.")
@click.option("--nozzle", type=float, default=0.0, help="Width of its nozzle or tool, in mm.")
@click.option("--tolerance", type=float, default=0.0, help="How far a length may be off, in mm.")
@click.option("--temperature", type=int, default=0, help="Degrees Celsius that it heats to.")
@click.option("--hours", multiple=True, help='When it may run: "Mon-Fri 09:00-18:00".')
@click.option("--attended", multiple=True, help="When someone is there, likewise.")
@click.option(
    "--driver", type=click.Choice(["virtual"]), default="virtual", help="How to speak to it."
)
@click.option("--time-lapse", type=float, default=1.0, help="Runs so much faster (virtual).")
@click.option("--fails-every", type=int, default=0, help="Fails each so many jobs (virtual).")
def add(
    called: Called,
    id: str,  # noqa: A002  # click names it after the setting
    process: str,
    volume: Box,
    materials: tuple[Stock, ...],
    model: str,
    price_per_hour: float,
    power: int,
    peak: int,
    speed: float,
    setup: int,
    nozzle: float,
    tolerance: float,
    temperature: int,
    hours: tuple[str, ...],
    attended: tuple[str, ...],
    driver: "Literal['virtual']",
    time_lapse: float,
    fails_every: int,
) -> None:
    """Add a machine, and tell the node if it runs."""
    from ..home import config_edit
    from ..machines.settings import Machine, Material

    new = Machine(
        id=id,
        driver=driver,
        process=process,
        model=model,
        volume_mm=volume,
        materials=tuple(
            Material(material=stock.material, grams=stock.grams, price_per_kg=stock.price_per_kg)
            for stock in materials
        ),
        speed=speed,
        setup_s=setup,
        nozzle_mm=nozzle,
        tolerance_mm=tolerance,
        temperature_c=temperature,
        hours=hours,
        attended=attended,
        price_per_hour=price_per_hour,
        power_w=power,
        peak_w=peak,
        time_lapse=time_lapse,
        fails_every=fails_every,
    )
    config_edit.add_machine(called.home, new)
    _tell(called, new, "added")


@command("remove", example="commonfab machine remove mk3")
@click.argument("id", metavar="ID")
def remove(called: Called, id: str) -> None:  # noqa: A002  # as above
    """Remove a machine, and tell the node if it runs."""
    from ..home import config_edit

    _tell(called, config_edit.remove_machine(called.home, id), "removed")


def _tell(called: Called, changed: "Machine", done: str) -> None:
    node_knows = _reload(called)
    if called.as_json:
        called.print_json({done: changed, "node_knows": node_knows})
        return
    click.echo(f"{changed.id} is {done}")
    if not node_knows:
        click.echo("The node does not run; it will know when it starts.", err=True)


def _reload(called: Called) -> bool:
    """Have a running node read its machines again; tell whether one runs."""
    from ..control.client import Client, NoNode

    try:
        Client(called.home).call("machines.reload", {})
    except NoNode:
        return False
    return True


@command("list", example="commonfab machine list")
def list_(called: Called) -> None:
    """Show this workshop's machines, whether the node runs or not."""
    from .. import clock
    from .home import machines_table
    from .table import write

    machines = _machines(called)
    if called.as_json:
        called.print_json(machines)
    else:
        write(machines_table(machines, clock.now()), *filter(None, map(_told, machines)))


def _told(machine: "MachineNow") -> str:
    """Return what is told of a machine's tool and hours, if anything is."""
    from .words import text

    told = (
        (machine.nozzle_um, f"tool {machine.nozzle_um / 1000:g} mm"),
        (machine.tolerance_um, f"exact to {machine.tolerance_um / 1000:g} mm"),
        (machine.temperature_c, f"heats to {machine.temperature_c} \N{DEGREE SIGN}C"),
        (machine.hours, f"runs {machine.hours}"),
        (machine.attended, f"attended {machine.attended}"),
    )
    said = "; ".join(words for fact, words in told if fact)
    return text(f"{machine.id}: {said}") if said else ""


def _machines(called: Called) -> "list[MachineNow]":
    from ..answers.node import MachineNow, Status
    from ..control.client import Client, NoNode
    from ..home.config import load

    try:
        return Client(called.home).ask("status", {}, Status).machines
    except NoNode:
        configured = load(called.home.config, os.environ).machines
    return [
        MachineNow(
            id=machine.id,
            process=machine.process,
            model=machine.model,
            driver=machine.driver,
            volume_um=machine.volume_um,
            materials=[f"{held.material} {held.grams:.0f} g" for held in machine.materials],
            state="offline",
            nozzle_um=machine.nozzle_um,
            tolerance_um=machine.tolerance_um,
            temperature_c=machine.temperature_c,
            hours=", ".join(machine.hours),
            attended=", ".join(machine.attended),
        )
        for machine in configured
    ]


for _each in (add, list_, remove):
    machine.add_command(_each)
