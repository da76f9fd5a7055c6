"""`commonfab bundle make`, `open`: designs in a file, for a stick between two places."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..control.answers import Bundled, BundledDesign, OpenedBundle

T = TypeVar("T")

_FILE = click.Path(path_type=Path)


@click.group("bundle")
def bundle() -> None:
    """Carry designs in a file to where no network goes."""


@command("make", example='commonfab bundle make "wall hook" --to hooks.car')
@click.argument("designs", nargs=-1, required=True, metavar="DESIGN...")
@click.option("--to", type=_FILE, required=True, help="A new file, such as on a stick.")
@click.option("--dry-run", is_flag=True, help="Write nothing, and say how large it would be.")
def make(called: Called, designs: tuple[str, ...], to: Path, dry_run: bool) -> None:
    """Write designs into one file: their records, what proves them, all their files.

    Designs are named by id, start of it, or name. A file that could not be finished is kept
    as FILE.part, and the same command goes on with it.
    """
    from ..control.answers import Bundled

    out = str(to.absolute())
    made = _ask(called, "bundle.make", Bundled, designs=designs, out=out, dry_run=dry_run)
    if called.as_json:
        called.print_json(made)
    else:
        _print_made(made)


def _print_made(made: "Bundled") -> None:
    from .words import count, size

    holds = (count(made.designs, "design"), count(made.records, "record"))
    click.echo(made.file)
    click.echo(f"{', '.join(holds)}, {count(made.blocks, 'block')}, {size(made.size_bytes)}")
    if made.is_dry_run:
        click.echo("Nothing was written.", err=True)
    else:
        click.echo(f"\nThere:  commonfab bundle open {Path(made.file).name}", err=True)


@command("open", example="commonfab bundle open hooks.car")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Check everything, keep nothing.")
def open_(called: Called, file: Path, dry_run: bool) -> None:
    """Take the designs of a file in: a bundle, or a CAR of any IPFS program.

    Each block and each record is checked; what is wrong is listed, what is good is kept.
    Ends with 1 if anything was wrong. Opening a file again goes on where it stopped.
    """
    from ..control.answers import OpenedBundle

    path = str(file.absolute())
    opened = _ask(called, "bundle.open", OpenedBundle, path=path, dry_run=dry_run)
    if called.as_json:
        called.print_json(opened)
    else:
        _print_opened(opened)
    if opened.refused_count or not opened.is_whole:
        raise click.exceptions.Exit(1)


def _ask(called: Called, name: str, answer: type[T], **params: object) -> T:
    from ..control.client import Client
    from .progress import shown

    with shown() as progress:
        return Client(called.home).ask(name, params, answer, progress)


def _print_opened(opened: "OpenedBundle") -> None:
    from .words import count, size, text

    if opened.designs:
        _print_designs(opened.designs)
    for root in opened.roots:
        where = text(root.why) or _whole(root.missing)
        click.echo(f"{root.root}  {where}")
    new = f"{count(opened.new_blocks, 'block')} new ({size(opened.new_bytes)})"
    click.echo(f"{count(opened.blocks, 'block')} ({size(opened.size_bytes)}), {new}")
    if opened.is_bundle:
        click.echo(f"{count(opened.records, 'record')}, {opened.new_records} new")
    _print_wrong(opened)


def _print_designs(designs: "list[BundledDesign]") -> None:
    from .table import Column, table, width, write
    from .words import identifier, text, who

    columns = [
        Column(title="id"),
        Column(title="name"),
        Column(title="by", drop=2),
        Column(title="record", drop=3),
        Column(title="files", wraps=True),
    ]
    rows = [
        [
            identifier(design.id),
            text(f"{design.name} {design.version}"),
            who(design.author_name, design.author),
            "new" if design.is_new else "known",
            text(design.why) or _whole(design.missing),
        ]
        for design in designs
    ]
    write(table(columns, rows, width()))


def _whole(missing: int) -> str:
    from .words import count

    return f"at least {count(missing, 'block')} missing" if missing else "whole"


def _print_wrong(opened: "OpenedBundle") -> None:
    from .words import count, text

    for line in opened.ignored:
        click.echo(f"not used: {text(line)}", err=True)
    for line in opened.refused:
        click.echo(f"refused: {text(line)}", err=True)
    unlisted = opened.refused_count - len(opened.refused)
    if unlisted > 0:
        click.echo(f"refused: {count(unlisted, 'thing')} more", err=True)
    if opened.damage:
        click.echo(f"The file is not whole: {text(opened.damage)}.", err=True)
        click.echo("What came before was checked and taken.", err=True)
    if not opened.is_bundle:
        said = "It holds no records, so nobody vouches for it here; get a tree by its root."
        click.echo(said, err=True)
    if opened.is_dry_run:
        click.echo("Nothing was kept.", err=True)


bundle.add_command(make)
bundle.add_command(open_)
