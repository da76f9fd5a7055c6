"""`commonfab find`: who has a design's files."""

from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..answers.node import Found


@command("find", example='commonfab find "wall hook"')
@click.argument("design")
def find(called: Called, design: str) -> None:
    """Find who has a design's files. By id, start of it, name, or CID."""
    from ..answers.node import Found

    found = called.ask("find", Found, design=design)
    if found is not None:
        _print_found(found)


def _print_found(found: "Found") -> None:
    from .table import Column, table, width, write
    from .words import text, who

    here = "all here" if found.is_here else "not all here"
    lines = [f"root     {found.root}", f"files    {here}"]
    if found.denied:
        lines[1:] = [f"denied   {text(found.denied)}"]
    columns = [
        Column(title="holder"),
        Column(title="known by"),
        Column(title="link"),
        Column(title="address", drop=1, longest=60),
    ]
    rows = [
        [
            who(line.name, line.node),
            text(" ".join((line.how, line.where))).strip(),
            "yes" if line.is_connected else "",
            text(line.addresses[0].partition("/p2p/")[0]) if line.addresses else "",
        ]
        for line in found.holders
    ]
    write("\n".join(lines), *(["", table(columns, rows, width())] if rows else []))
    for said in found.looked:
        click.echo(text(said), err=True)
    if not (rows or found.is_here or found.denied):
        click.echo("Nobody is known to have it. Connect to peers, or open a bundle.", err=True)
