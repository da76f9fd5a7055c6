"""`commonfab publish`, `show`, `get`: things that can be made."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commonfab.protocol.errors import ResourceError

from .. import clock
from .command import Called, command

if TYPE_CHECKING:
    from ..answers.node import DesignLine, Published, ShownDesign

_PICTURE_WIDTH = 60


@command("publish", example="commonfab publish ./wall-hook")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--fork-of", multiple=True, metavar="DESIGN", help="It is this one, changed.")
@click.option("--remix-of", multiple=True, metavar="DESIGN", help="Something of this is in it.")
def publish(
    called: Called, path: Path, fork_of: tuple[str, ...], remix_of: tuple[str, ...]
) -> None:
    """Publish a folder with a manifest, or one mesh, for others to make."""
    from ..answers.node import Published

    origins = {"fork_of": list(fork_of), "remix_of": list(remix_of)}
    done = called.ask("publish", Published, path=str(path.absolute()), **origins)
    if done is not None:
        _print_published(done)


def _print_published(done: "Published") -> None:
    from .words import count, identifier, text

    for note in done.notes:
        click.echo(f"note: {text(note)}", err=True)
    if not done.is_new:
        click.echo("These files are published already, as this design.", err=True)
    _print_design(done.design)
    stored = count(done.files, "file")
    order = f"commonfab order {identifier(done.design.id)} --help"
    click.echo(f"\n{stored} stored. Next:  {order}", err=True)


@command("show", example='commonfab show "wall hook" --picture')
@click.argument("design")
@click.option("--picture", is_flag=True, help="Draw its parts, and fetch its files for that.")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a PNG of each part into a folder.",
)
@click.option("--attribution", is_flag=True, help="Whom to name with it, and what licences ask.")
def show(
    called: Called, design: str, picture: bool, pictures: Path | None, attribution: bool
) -> None:
    """Show a design: its parts, licence, author, versions. By id, start of it, or name."""
    from ..answers.node import ShownDesign

    if attribution:
        _print_attribution(called, design)
        return
    if called.as_json and (picture or pictures):
        raise click.UsageError("--json draws no pictures: ask for them without it")
    found = called.ask("show", ShownDesign, design=design)
    if found is not None:
        _print_design(found)
        _print_kin(found)
        if picture or pictures:
            _show_pictures(called, found, pictures)


def _print_attribution(called: Called, design: str) -> None:
    from ..answers.licences import Attribution
    from .words import text

    found = called.ask("attribution", Attribution, design=design)
    for work in found.works if found else []:
        indent = "  " * work.below
        if not work.name:
            click.echo(f"{indent}{work.relation} of {work.id[:8]}, which is not known here")
            continue
        title = f"{work.name} {work.version}, {work.licensor}, {work.licence}, {work.id[:8]}"
        click.echo(f"{indent}{f'{work.relation} of ' if work.relation else ''}{text(title)}")
        for duty in work.duties:
            click.echo(f"{indent}  - {text(duty)}")
    for conflict in found.conflicts if found else []:
        click.echo(f"\n{text(conflict)}", err=True)


def _show_pictures(called: Called, design: "ShownDesign", folder: Path | None) -> None:
    from ..answers.node import Picture
    from ..meshes import picture
    from .table import width
    from .words import text

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    drawn = called.ask("pictures", list[Picture], design=design.id) or []
    for number, each in enumerate(drawn, start=1):
        click.echo(f"\n{text(each.part)}")
        if not each.path:
            click.echo(f"no picture: {text(each.why)}", err=True)
            continue
        try:
            png = Path(each.path).read_bytes()
            if folder is not None:
                click.echo(_write_picture(png, folder, number, each.part))
                continue
        except OSError as error:
            raise ResourceError(f"{error.filename}: {error.strerror}; name another DIR") from error
        columns = min(width(), _PICTURE_WIDTH)
        click.echo(picture.png_to_text(png, columns, colour=colour), color=True)


def _write_picture(png: bytes, folder: Path, number: int, part: str) -> Path:
    from .words import text

    # The part's name comes from its author: it is no name of a file.
    words = re.findall(r"[a-z0-9]+", text(part).casefold())
    target = folder / f"{number:03d}-{'-'.join(words)[:60]}.png"
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(png)
    return target


def _print_kin(design: "ShownDesign") -> None:
    from .words import identifier, moment, text, who

    lines: list[str] = []
    if len(design.versions) > 1 or not all(each.is_honest for each in design.versions):
        for each in design.versions:
            note = "newest" if each.is_newest else "" if each.is_honest else "not to be trusted"
            words = (identifier(each.id), text(each.version), moment(each.at, clock.now()), note)
            lines.append("  ".join(("version  ", *filter(None, words))))
    for title, kin in (("from", design.derived_from), ("into", design.derived)):
        for other in kin:
            name = f"{text(other.name)} {text(other.version)}" if other.is_known else "not known"
            by = f"by {who(other.author_name, other.author)}" if other.is_known else ""
            words = (text(other.relation), identifier(other.id), name, by)
            lines.append("  ".join((f"{title:9}", *filter(None, words))))
    if lines:
        click.echo("\n" + "\n".join(lines))


def _print_design(design: "DesignLine") -> None:
    from commonfab.scheduler.reasons import duration

    from .table import Column, table, width, write
    from .words import box, count, mass, size, text, who

    where = "with other peers; commonfab get brings them here"
    if design.is_here or design.denied:
        where = "all here" if design.is_here else "not kept here"
    lines = [
        f"{text(design.name)} {text(design.version)}",
        *([text(design.function)] if design.function else []),
        *([f"denied   {text(design.denied)}"] if design.denied else []),
        f"id       {design.id}",
        f"by       {who(design.author_name, design.author)}",
        f"licence  {text(design.licence)}, {text(design.licensor)}",
        f"root     {design.root}",
        f"files    {size(design.size_bytes)}, {where}",
        *([f"language {text(design.language)}"] if design.language else []),
        *(
            [f"made     {count(design.made, 'piece')}, as far as is known here"]
            if design.made
            else []
        ),
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
    from ..answers.node import Got
    from .words import count, size

    got = called.ask("get", Got, design=design, out=str(out.absolute()))
    if got is not None:
        click.echo(f"{got.folder}\n{count(got.files, 'file')}, {size(got.size_bytes)}")
