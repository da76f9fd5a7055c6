"""`commonfab plan`, `order`, `orders`, `cancel`, `explain`: things being made."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commonfab.protocol.errors import ResourceError

from .command import Called, command
from .options import Place, PlaceType, WhenType

if TYPE_CHECKING:
    from ..answers.node import OrderLine


_Function = Callable[..., None]


def _wanted(function: _Function) -> _Function:
    """Add what a plan and an order have in common."""
    options = (
        click.argument("design"),
        click.option(
            "--quantity", type=click.IntRange(min=1), required=True, help="How many of it."
        ),
        click.option("--to", type=PlaceType(), required=True, help="Where it is to be brought."),
        click.option(
            "--by", type=WhenType(), help="A date, a date and time, or a span such as 3d, 5h."
        ),
        click.option(
            "--profile",
            default="",
            metavar="NAME",
            help="What counts: cheap, fast, near, green, mine, your own, or two: cheap+green.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command("plan", example='commonfab plan "wall hook" --quantity 12 --to 45.19,5.72')
@_wanted
def plan(
    called: Called, design: str, quantity: int, to: Place, by: int | None, profile: str
) -> None:
    """Show ways to have a design made, and their price; asks nobody yet."""
    from commonfab.scheduler.plans.ways import Ways

    from .plan import print_ways
    from .words import text

    params = {"design": design, "quantity": quantity, "lat": to.lat, "lon": to.lon, "by": by or 0}
    ways = called.ask("plan", Ways, profile=profile, **params)
    if ways is not None:
        print_ways(ways, f"{quantity} x {text(design)}")
        first = ways.ways[0].profiles[0]
        click.echo(f"\nNext:  commonfab order … --profile {first}", err=True)


@command("order", example='commonfab order "wall hook" --quantity 12 --to 45.19,5.72 --by 3d')
@_wanted
@click.option("--watch", is_flag=True, help="Stay, and show how it goes until all is made.")
@click.option("--wait", is_flag=True, help="Order it though no machine known now can make it.")
@click.option(
    "--guardian",
    "guardians",
    multiple=True,
    metavar="WORKSHOP",
    help="Goes on with it if this node is lost; name two.",
)
@click.option(
    "--patience",
    type=click.IntRange(1, 14),
    metavar="DAYS",
    help="An answer may take so long: letters go by stick.",
)
@click.option(
    "--set",
    "chosen",
    multiple=True,
    metavar="NAME=VALUE",
    help="Of a design that is made to measure: a measure, such as pd=64.",
)
@click.option("--measure", is_flag=True, help="Be asked for each measure, with its limits.")
def order(
    called: Called,
    design: str,
    quantity: int,
    to: Place,
    by: int | None,
    profile: str,
    watch: bool,
    wait: bool,
    guardians: tuple[str, ...],
    patience: int | None,
    chosen: tuple[str, ...],
    measure: bool,
) -> None:
    """Order a design: the best machines of the network make it."""
    from ..answers.node import OrderLine
    from ..control.client import Client
    from .measures import measures
    from .orders import print_order

    wanted = {"design": design, "quantity": quantity, "lat": to.lat, "lon": to.lon, "by": by or 0}
    params = {
        **wanted,
        "profile": profile,
        "wait": wait,
        "guardians": guardians,
        "patience_s": (patience or 0) * 86_400,
        "chosen": measures(called, design, chosen, asks=measure),
    }
    if not watch:
        placed = called.ask("order", OrderLine, **params)
        if placed is not None:
            print_order(placed)
            click.echo(f"\n{_next(placed)}", err=True)
        return
    placed = Client(called.home).ask("order", params, OrderLine)
    done = _watch(called, placed)
    if called.as_json:
        called.print_json(done)
    else:
        print_order(done)


def _next(placed: "OrderLine") -> str:
    start = placed.id[:8]
    return f"Next:  commonfab orders {start}\n       commonfab explain {start}"


def _watch(called: Called, placed: "OrderLine") -> "OrderLine":
    from .orders import Watch

    try:
        return Watch(called.home).until_over(placed)
    except KeyboardInterrupt:
        click.echo(f"\nThe order goes on without you. {_next(placed)}", err=True)
        raise click.exceptions.Exit(0) from None


@command("orders", example="commonfab orders")
@click.argument("order", default="")
def orders(called: Called, order: str) -> None:
    """List this node's orders, or show how one of them stands."""
    from ..answers.node import OrderLine
    from .orders import print_order, print_orders

    found = called.ask("orders", list[OrderLine], order=order)
    if found is None:
        return
    if order:
        print_order(found[0])
    elif found:
        print_orders(found)
    else:
        click.echo("No orders yet. Place one: commonfab order --help", err=True)


@command("cancel", example="commonfab cancel 3f2a91bc")
@click.argument("order")
def cancel(called: Called, order: str) -> None:
    """Call an order off: nothing more is placed, what runs may still end."""
    from ..answers.node import OrderLine
    from .orders import print_order

    found = called.ask("cancel", OrderLine, order=order)
    if found is not None:
        print_order(found)


@command("explain", example="commonfab explain 3f2a91bc")
@click.argument("order", default="")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it to a file, with the signed records that it rests on.",
)
@click.option(
    "--check",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Work such a file out anew, and say whether it is true. Needs no node.",
)
def explain(called: Called, order: str, out: Path | None, check: Path | None) -> None:
    """Say why an order's machines were chosen, and why others were not."""
    from ..answers.node import Explained, OrderLine
    from ..control.client import Client
    from .explain import print_explained

    if bool(order) == bool(check):
        raise click.UsageError("name an order, or a file to --check")
    if check is not None:
        _check(called, check)
    elif out is not None:
        _write(Client(called.home).call("explain.grounds", {"order": order}), out)
        click.echo(f"Check it anywhere:  commonfab explain --check {out}", err=True)
    else:
        explained = called.ask("explain", Explained, order=order)
        if explained is not None:
            now = Client(called.home).ask("orders", {"order": order}, list[OrderLine])
            print_explained(explained, now[0])


def _check(called: Called, file: Path) -> None:
    from .explain import check, print_checked

    findings = check(file)
    if called.as_json:
        called.print_json(findings)
    else:
        print_checked(findings)
    if any(found.fault for found in findings):
        raise click.exceptions.Exit(1)


def _write(data: bytes, file: Path) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise ResourceError(f"{file}: {error.strerror}; name another FILE") from error
