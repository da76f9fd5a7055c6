"""`commonfab order`, `orders`, `cancel`, `explain`: things being made."""

from typing import TYPE_CHECKING

import click

from .command import Called, command
from .options import Place, PlaceType, WhenType

if TYPE_CHECKING:
    from ..answers.node import OrderLine


@command("order", example='commonfab order "wall hook" --quantity 12 --to 45.19,5.72 --by 3d')
@click.argument("design")
@click.option("--quantity", type=click.IntRange(min=1), required=True, help="How many of it.")
@click.option("--to", type=PlaceType(), required=True, help="Where it is to be brought.")
@click.option("--by", type=WhenType(), help="A date, a date and time, or a span such as 3d, 5h.")
@click.option("--watch", is_flag=True, help="Stay, and show how it goes until all is made.")
def order(
    called: Called, design: str, quantity: int, to: Place, by: int | None, watch: bool
) -> None:
    """Order a design: the best machines of the network make it."""
    from ..answers.node import OrderLine
    from ..control.client import Client
    from .orders import print_order

    params = {"design": design, "quantity": quantity, "lat": to.lat, "lon": to.lon, "by": by or 0}
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
@click.argument("order")
def explain(called: Called, order: str) -> None:
    """Say why an order's machines were chosen, and why others were not."""
    from ..answers.node import Explained, OrderLine
    from ..control.client import Client
    from .explain import print_explained

    explained = called.ask("explain", Explained, order=order)
    if explained is not None:
        now = Client(called.home).ask("orders", {"order": order}, list[OrderLine])
        print_explained(explained, now[0])
