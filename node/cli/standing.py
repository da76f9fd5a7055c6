"""`commonfab vouch`, `standing`, `deny`: who is believed, and what this node will not have."""

from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..answers.standing import DenialLine, DenylistLine, StandingLine

_WHAT = click.Choice(["author", "design", "root"])


@command("vouch", example='commonfab vouch "Lisbon fab lab" --weight 0.8 --days 365')
@click.argument("peer")
@click.option(
    "--weight",
    type=click.FloatRange(0, 1),
    default=0.8,
    show_default=True,
    help="How far you would trust it with a job of yours; 0 takes a vouch back.",
)
@click.option(
    "--days", type=click.IntRange(1, 731), default=365, show_default=True, help="For how long."
)
@click.option("--for", "reason", default="", help="What for, in a few words for others.")
def vouch(called: Called, peer: str, weight: float, days: int, reason: str) -> None:
    """Stand up for a workshop that you know, for all to see."""
    from .. import clock
    from ..answers.standing import VouchLine
    from .words import moment, who

    done = called.ask("vouch", VouchLine, peer=peer, weight=weight, days=days, reason=reason)
    if done is not None:
        name = who(done.name, done.node)
        until = moment(done.until, clock.now())
        said = f"vouched for until {until}" if weight else "no longer vouched for"
        click.echo(f"{name}: {said}; {done.standing.tier} {done.standing.score:.2f}")


@command("standing", example='commonfab standing "Lisbon fab lab"')
@click.argument("peer", default="")
def standing(called: Called, peer: str) -> None:
    """Tell how far each node is believed here, and why."""
    from ..answers.standing import StandingLine

    found = called.ask("standing", list[StandingLine], peer=peer)
    if found is not None:
        _print_standings(found)


def _print_standings(found: "list[StandingLine]") -> None:
    from .table import Column, table, width, write
    from .words import peer, text, who

    if not found:
        click.echo("Nobody is known here yet. Meet somebody: commonfab pair --help", err=True)
        return
    columns = [
        Column(title="name"),
        Column(title="node", drop=2),
        Column(title="standing"),
        Column(title="score", is_right=True),
        Column(title="why", wraps=True),
        Column(title="offences", is_right=True, drop=1),
    ]
    rows = [
        [
            who(line.name, line.node),
            peer(line.node) if line.name else "",
            line.tier,
            f"{line.score:.2f}",
            text("; ".join(line.why)),
            str(line.offences or ""),
        ]
        for line in sorted(found, key=lambda line: (line.rank, -line.score, line.name, line.node))
    ]
    write(table(columns, rows, width()))


@click.group("deny")
def deny() -> None:
    """Have nothing to do with some authors or designs."""


@command("add", example="commonfab deny add author 12D3KooW... --reason spam")
@click.argument("what", type=_WHAT)
@click.argument("name")
@click.option("--reason", default="", help="Why; others see it if you publish your list.")
def add(called: Called, what: str, name: str, reason: str) -> None:
    """Neither keep, serve, fetch, make nor show it from now on."""
    from ..answers.standing import DenyDone

    done = called.ask("deny.add", DenyDone, what=what, which=name, reason=reason)
    if done is not None and done.entry is not None:
        click.echo(f"{_in_words(done.entry)}: denied")


@command("remove", example="commonfab deny remove author 12D3KooW...")
@click.argument("what", type=_WHAT)
@click.argument("name")
def remove(called: Called, what: str, name: str) -> None:
    """Take an entry off your own list."""
    from ..answers.standing import DenyDone

    done = called.ask("deny.remove", DenyDone, what=what, which=name)
    if done is not None and done.entry is not None:
        said = "no longer denied by you" if done.was_there else "was not on your list"
        click.echo(f"{_in_words(done.entry)}: {said}")


@command("list", example="commonfab deny list")
def list_(called: Called) -> None:
    """List all that is denied here, and by whom."""
    _show(called, "deny.list")


@command("subscribe", example="commonfab deny subscribe 12D3KooW...")
@click.argument("author")
def subscribe(called: Called, author: str) -> None:
    """Let another's deny-list hold here too, as it is now and as it changes."""
    _show(called, "deny.subscribe", peer=author)


@command("unsubscribe", example="commonfab deny unsubscribe 12D3KooW...")
@click.argument("author")
def unsubscribe(called: Called, author: str) -> None:
    """Let another's deny-list hold here no more."""
    _show(called, "deny.unsubscribe", peer=author)


@command("publish", example="commonfab deny publish")
def publish(called: Called) -> None:
    """Sign your own list, so that others can subscribe to it."""
    _show(called, "deny.publish")


for _each in (add, remove, list_, subscribe, unsubscribe, publish):
    deny.add_command(_each)


def _show(called: Called, request: str, **params: str) -> None:
    from ..answers.standing import DenylistLine

    found = called.ask(request, DenylistLine, **params)
    if found is not None:
        _print_denylist(found)


def _print_denylist(found: "DenylistLine") -> None:
    from .words import peer, text, who

    for line in found.entries:
        reason = text(line.reason) or "no reason given"
        click.echo(f"{_in_words(line)}: denied by {who(line.by_name, line.by)}: {reason}")
    if not found.entries:
        click.echo("Nothing is denied here. See: commonfab deny add --help", err=True)
    for author in found.subscribed:
        note = "; its list has not come yet" if author in found.missing else ""
        click.echo(f"subscribed to {peer(author)}{note}", err=True)


def _in_words(line: "DenialLine") -> str:
    from .words import text

    return f"{line.what} {text(line.name) or line.id}"
