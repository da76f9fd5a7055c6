"""`commonfab requests`, `decide`: what others want made here, where a person decides."""

from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..answers.requests import RequestLine


@command("requests", example="commonfab requests")
def requests(called: Called) -> None:
    """List what others want made here and a person is to decide."""
    from ..answers.requests import RequestLine

    found = called.ask("requests", list[RequestLine])
    if found is None:
        return
    if found:
        print_requests(found)
    else:
        click.echo("Nothing waits for you. To be asked: ask = true under [trade].", err=True)


def print_requests(found: "list[RequestLine]") -> None:
    from commonfab.scheduler.reasons import duration

    from .. import clock
    from .table import Column, table, width, write
    from .words import identifier, moment, text, who

    now = clock.now()
    columns = [
        Column(title="id"),
        Column(title="pieces", is_right=True),
        Column(title="of"),
        Column(title="material", drop=2),
        Column(title="about", is_right=True),
        Column(title="by", is_right=True, drop=1),
        Column(title="for", drop=3),
        Column(title="lapses", is_right=True, drop=4),
    ]
    rows = [
        [
            identifier(each.id),
            str(each.pieces),
            text(f"{each.part} ({each.design})" if each.design else each.part),
            text(each.material),
            duration(each.seconds * 1000),
            moment(each.by, now) if each.by else "",
            who(each.buyer_name, each.buyer),
            moment(each.until, now),
        ]
        for each in found
    ]
    write(table(columns, rows, width()))


@command("decide", example='commonfab decide 3f2a91bc --no --reason "closed in August"')
@click.argument("request")
@click.option("--yes/--no", "takes", required=True, help="Make an offer for it, or refuse it.")
@click.option("--reason", default="", help="What the buyer is told.")
def decide(called: Called, request: str, takes: bool, reason: str) -> None:
    """Take a request that waits, or refuse it."""
    from ..answers.requests import RequestLine
    from .words import text, who

    done = called.ask("decide", RequestLine, request=request, takes=takes, reason=reason)
    if done is not None:
        said = "has an offer, if a machine is free for it" if takes else "was refused"
        name = who(done.buyer_name, done.buyer)
        click.echo(f"{done.pieces} x {text(done.part)} for {name}: {said}")
