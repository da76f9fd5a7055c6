"""`commonfab publish`, `designs`, `show`, `get`: things that can be made."""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_command import Called, command

if TYPE_CHECKING:
    from .answers import DesignLine, Published

_PICTURE_WIDTH = 60


@command("publish", example="commonfab publish ./wall-hook")
@click.argument("path", type=click.Path(path_type=Path))
def publish(called: Called, path: Path) -> None:
    """Publish a folder with a manifest, or one mesh, for others to make."""
    from .answers import Published

    done = called.ask("publish", Published, path=str(path.absolute()))
    if done is not None:
        _print_published(done)


def _print_published(done: "Published") -> None:
    from .cli_words import count, identifier, text

    for note in done.notes:
        click.echo(f"note: {text(note)}", err=True)
    if not done.is_new:
        click.echo("These files are published already, as this design.", err=True)
    _print_design(done.design)
    stored = count(done.files, "file")
    order = f"commonfab order {identifier(done.design.id)} --help"
    click.echo(f"\n{stored} stored. Next:  {order}", err=True)


@command("designs", example="commonfab designs wall hook")
@click.argument("words", nargs=-1)
def designs(called: Called, words: tuple[str, ...]) -> None:
    """List the designs that this node knows, or those with all WORDS."""
    from .answers import DesignLine

    found = called.ask("designs", list[DesignLine], query=" ".join(words))
    if found is not None:
        _print_designs(found)


def _print_designs(found: "list[DesignLine]") -> None:
    from .cli_table import Column, table, width, write
    from .cli_words import identifier, size, text, who

    if not found:
        click.echo("None known here yet. Publish one, or connect to a peer.", err=True)
        return
    columns = [
        Column(title="id"),
        Column(title="name"),
        Column(title="by", drop=2),
        Column(title="licence", drop=3),
        Column(title="parts", is_right=True, drop=4),
        Column(title="size", is_right=True, drop=5),
        Column(title="here", drop=6),
        Column(title="function", wraps=True, drop=7),
    ]
    rows = [
        [
            identifier(design.id),
            text(f"{design.name} {design.version}"),
            who(design.author_name, design.author),
            text(design.licence),
            str(len(design.parts)),
            size(design.size_bytes),
            "yes" if design.is_here else "",
            text(design.function),
        ]
        for design in found
    ]
    write(table(columns, rows, width()))


@command("show", example='commonfab show "wall hook" --picture')
@click.argument("design")
@click.option("--picture", is_flag=True, help="Draw its parts, and fetch its files for that.")
def show(called: Called, design: str, picture: bool) -> None:
    """Show a design: its parts, licence, author. By id, start of it, or name."""
    from .answers import DesignLine

    found = called.ask("show", DesignLine, design=design)
    if found is not None:
        _print_design(found)
        if picture:
            _draw_parts(called, found)


def _draw_parts(called: Called, design: "DesignLine") -> None:
    import trio

    from . import meshes
    from .answers import Got
    from .cli_table import width
    from .cli_words import text

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with tempfile.TemporaryDirectory(prefix="commonfab-") as temporary:
        folder = Path(temporary).resolve() / "design"
        called.ask("get", Got, design=design.id, out=str(folder))
        for part in design.parts:
            file = (folder / part.file).resolve()
            # The name comes from the author's record: it may not lead out of the design.
            if not any(part.bbox_um) or not file.is_relative_to(folder):
                continue
            draw = partial(meshes.write_mesh, file, min(width(), _PICTURE_WIDTH), colour=colour)
            click.echo(f"\n{text(part.name)}")
            click.echo(trio.run(draw), color=True)


def _print_design(design: "DesignLine") -> None:
    from commonfab.scheduler.reasons import duration

    from .cli_table import Column, table, width, write
    from .cli_words import box, mass, size, text, who

    where = "all here" if design.is_here else "with other peers; commonfab get brings them here"
    lines = [
        f"{text(design.name)} {text(design.version)}",
        *([text(design.function)] if design.function else []),
        f"id       {design.id}",
        f"by       {who(design.author_name, design.author)}",
        f"licence  {text(design.licence)}, {text(design.licensor)}",
        f"root     {design.root}",
        f"files    {size(design.size_bytes)}, {where}",
    ]
    columns = [
        Column(title="part"),
        Column(title="pieces", is_right=True),
        Column(title="process", drop=3),
        Column(title="material"),
        Column(title="size (mm)", drop=2),
        Column(title="time each", is_right=True, drop=1),
        Column(title="mass each", is_right=True, drop=4),
        Column(title="file", drop=6),
        Column(title="mesh", drop=5),
    ]
    rows = [
        [
            text(part.name),
            str(part.pieces),
            text(part.process),
            text(part.material),
            box(part.bbox_um) if any(part.bbox_um) else "",
            duration(part.seconds * 1000),
            mass(part.mass_mg),
            text(part.file),
            "" if part.watertight or not any(part.bbox_um) else "has holes",
        ]
        for part in design.parts
    ]
    write("\n".join(lines), "", table(columns, rows, width()))


@command("get", example='commonfab get "wall hook" --out ./wall-hook')
@click.argument("design")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A folder, which is made."
)
def get(called: Called, design: str, out: Path) -> None:
    """Fetch a design's files and write them into a folder."""
    from .answers import Got
    from .cli_words import count, size

    got = called.ask("get", Got, design=design, out=str(out.absolute()))
    if got is not None:
        click.echo(f"{got.folder}\n{count(got.files, 'file')}, {size(got.size_bytes)}")
