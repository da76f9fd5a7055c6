"""`commonfab keep`, `drop`, `pins`, `gc`, `scrub`, `replicas`: what stays on the disk, and why."""

from typing import TYPE_CHECKING

import click

from .command import Called, command
from .options import WhenType

if TYPE_CHECKING:
    from ..answers.keeping import CollectedLine, PinLine, ReplicasLine


@command("keep", example='commonfab keep "wall hook" --promise 180d')
@click.argument("design")
@click.option(
    "--promise",
    type=WhenType(),
    help="Promise other nodes to keep it until then; they check it. Until you drop it, the"
    " promise is renewed before it ends.",
)
def keep(called: Called, design: str, promise: int | None) -> None:
    """Keep a design's files here, until you drop it; fetch them if need be."""
    from ..answers.keeping import PinLine

    pin = called.ask("keep", PinLine, design=design, promise=promise or 0)
    if pin is not None:
        where = "all here" if pin.is_here else "fetched as soon as a peer has it"
        click.echo(f"{_name(pin.name, pin.root)}: {', '.join(pin.reasons)}; {where}")


@command("drop", example='commonfab drop "wall hook"')
@click.argument("design")
def drop(called: Called, design: str) -> None:
    """Take back that you want a design kept, and the promise to keep it."""
    from ..answers.keeping import Dropped

    dropped = called.ask("drop", Dropped, design=design)
    if dropped is not None:
        said = "dropped" if dropped.was_held else "nobody had asked to keep it"
        still = f"; it stays, for it is {', '.join(dropped.reasons)}" if dropped.reasons else ""
        click.echo(f"{_name(dropped.name, dropped.root)}: {said}{still}")


@command("pins", example="commonfab pins")
def pins(called: Called) -> None:
    """List what is kept here for a reason."""
    from ..answers.keeping import PinLine

    found = called.ask("pins", list[PinLine])
    if found is not None:
        _print_pins(found)


def _print_pins(found: "list[PinLine]") -> None:
    from .. import clock
    from .table import Column, table, width, write
    from .words import moment

    if not found:
        click.echo("Nothing is kept for a reason yet. See: commonfab keep --help", err=True)
        return
    now = clock.now()
    columns = [
        Column(title="name"),
        Column(title="reasons"),
        Column(title="here"),
        Column(title="promised until", drop=1),
        Column(title="root", drop=2),
    ]
    rows = [
        [
            _name(pin.name, pin.root),
            ", ".join(pin.reasons),
            "yes" if pin.is_here else "not yet",
            moment(pin.until, now) if pin.until else "",
            pin.root,
        ]
        for pin in found
    ]
    write(table(columns, rows, width()))


@command("gc", example="commonfab gc --dry-run")
@click.option("--dry-run", is_flag=True, help="Remove nothing, and say what would go.")
def gc(called: Called, dry_run: bool) -> None:
    """Remove all blocks that no reason holds. Above the quota it happens by itself."""
    from ..answers.keeping import CollectedLine

    done = called.ask("gc", CollectedLine, dry_run=dry_run)
    if done is not None:
        _print_collected(done)


def _print_collected(done: "CollectedLine") -> None:
    from .words import count, size

    verb = "would go" if done.is_dry_run else "removed"
    freed = size(max(0, done.before_bytes - done.after_bytes))
    click.echo(f"{count(done.blocks, 'block')} {verb}: {freed} of {count(len(done.roots), 'tree')}")
    click.echo(
        f"{size(done.after_bytes)} left, {size(done.held_bytes)} held for a reason;"
        f" the quota is {size(done.quota_bytes)}"
    )
    if done.has_hole:
        click.echo(
            "A block that leads to others is lost, so nothing may go: see commonfab status",
            err=True,
        )
    elif done.spared:
        click.echo(f"{count(done.spared, 'block')} spared: somebody uses them now", err=True)


@command("scrub", example="commonfab scrub")
def scrub(called: Called) -> None:
    """Read and hash all that is stored, and mend from peers what is damaged."""
    from ..answers.keeping import ScrubbedLine
    from .words import count, size

    done = called.ask("scrub", ScrubbedLine)
    if done is not None:
        click.echo(
            f"{count(done.blocks, 'block')}, {size(done.bytes)} read: {done.damaged} damaged,"
            f" {done.unmended} not mended yet"
        )


@command("replicas", example='commonfab replicas "wall hook"')
@click.argument("design", default="")
def replicas(called: Called, design: str) -> None:
    """Tell how many copies there are of a design, or of each that is kept here."""
    from ..answers.keeping import ReplicasLine

    found = called.ask("replicas", list[ReplicasLine], design=design)
    if found is not None:
        for line in found:
            _print_replicas(line)
        if not found:
            click.echo("Nothing is kept for a reason yet. See: commonfab keep --help", err=True)


def _print_replicas(line: "ReplicasLine") -> None:
    from .. import clock
    from .words import moment, who

    click.echo(f"{_name(line.name, line.root)}: {in_words(line)}")
    now = clock.now()
    for holder in line.holders:
        checked = f", checked {moment(holder.passed_at, now)}" if holder.passed_at else ""
        until = moment(holder.until, now)
        name = who(holder.name, holder.node)
        click.echo(f"  {name}: {holder.condition}, until {until}{checked}")


def in_words(line: "ReplicasLine") -> str:
    """Return "3 copies, 2 places, 1 off grid; only copy: you"."""
    copies = "1 copy" if line.copies == 1 else f"{line.copies} copies"
    places = "1 place" if line.places == 1 else f"{line.places} places"
    off_grid = f", {line.off_grid} off grid" if line.off_grid else ""
    only = f"; only copy: {line.only_copy}" if line.only_copy else ""
    return f"{copies}, {places}{off_grid}{only}"


def _name(name: str, root: str) -> str:
    from .words import text

    return text(name) or root
