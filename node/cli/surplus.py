"""`commonfab surplus`: what was made on this workshop's machines and nobody took."""

from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..answers.surplus import SurplusLine


@command("surplus", example="commonfab surplus")
def surplus(called: Called) -> None:
    """List the pieces that were made here and nobody took."""
    from ..answers.surplus import SurplusLine

    found = called.ask("surplus", list[SurplusLine])
    if found is None:
        return
    if found:
        print_surplus(found)
    else:
        click.echo("All that was made here was taken, as far as buyers have said.", err=True)


def print_surplus(found: "list[SurplusLine]") -> None:
    from .. import clock
    from .table import Column, table, width, write
    from .words import identifier, moment, text, who

    now = clock.now()
    columns = [
        Column(title="pieces", is_right=True),
        Column(title="of"),
        Column(title="design", drop=2),
        Column(title="material", drop=1),
        Column(title="made on", drop=3),
        Column(title="for", drop=4),
        Column(title="made", is_right=True),
    ]
    rows = [
        [
            str(each.pieces),
            text(each.part),
            text(each.design_name) or identifier(each.design),
            text(each.material),
            text(each.machine),
            who(each.buyer_name, each.buyer),
            moment(each.at, now),
        ]
        for each in found
    ]
    write(table(columns, rows, width()))
