"""`commonfab import`: what people have, made ready to publish."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commonfab.protocol.errors import UsageError

from .command import Called, command

if TYPE_CHECKING:
    from ..importing.importing import Imported
    from ..importing.okw import Facility

_WORKSHOPS = (".json", ".geojson")
_SHOWN_MAX = 100
"""Workshops in the table; --json has them all."""


@command("import", example="commonfab import ./old-design.zip --to ./imported --publish")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("imported"),
    show_default=True,
    help="Each design gets a folder in it.",
)
@click.option("--publish", is_flag=True, help="Publish what is ready.")
@click.option("--private", is_flag=True, help="Fetch from addresses of this network too.")
@click.option("--findings", is_flag=True, help="Show all that was repaired and assumed.")
@click.option("--machines", is_flag=True, help="Add the machines of an OKW .json to this node's.")
def import_(
    called: Called,
    sources: tuple[str, ...],
    to: Path,
    publish: bool,
    private: bool,
    findings: bool,
    machines: bool,
) -> None:
    """Make a folder, zip, mesh, manifest, https address, or list of these ready to publish.

    A list is a .txt with an address a line. A .json is read as workshops (OKW, or the Internet
    of Production's list), and shown. Exit 1 if something could not be read.
    """
    import trio

    if all(source.lower().endswith(_WORKSHOPS) and "://" not in source for source in sources):
        _import_workshops(called, [Path(source) for source in sources], machines=machines)
        return
    if machines:
        raise click.UsageError("--machines is for workshops: a .json of OKW")

    imported = trio.run(_take, sources, to, private)
    published: dict[str, str] = {}
    if publish:
        imported, published = _publish(called, imported)
    if called.as_json:
        called.print_json({"imported": imported, "published": published})
    else:
        _print(imported, published, findings=findings)
    if not all(each.folder for each in imported):
        raise SystemExit(1)


def _import_workshops(called: Called, paths: list[Path], *, machines: bool) -> None:
    from ..importing import okw

    found = [facility for path in paths for facility in okw.read(path)]
    if machines:
        _add_machines(called, found)
    elif called.as_json:
        called.print_json(found)
    else:
        _print_workshops(found)


def _add_machines(called: Called, found: "list[Facility]") -> None:
    from ..home import config_edit
    from ..importing import okw
    from .words import text

    if len(found) != 1:
        raise UsageError(f"{len(found)} workshops are named; give a file with this node's alone")
    made, left = okw.machines(found[0])
    for machine in made:
        config_edit.add_machine(called.home, machine)
    if called.as_json:
        called.print_json({"added": made, "left": left})
        return
    for machine in made:
        click.echo(f"{machine.id} is added: {machine.process}, without material")
    for line in left:
        click.echo(f"left out: {text(line)}", err=True)
    click.echo("Say in commonfab.toml how much of each material is there.", err=True)


def _print_workshops(found: "list[Facility]") -> None:
    from .table import Column, say, table, width, write
    from .words import count, text

    columns = [
        Column(title="workshop", longest=40),
        Column(title="place", drop=1),
        Column(title="lat, lon", drop=2),
        Column(title="machines", is_right=True, drop=4),
        Column(title="processes", wraps=True, drop=3),
    ]
    rows: list[list[str]] = []
    for each in found[:_SHOWN_MAX]:
        point = "" if each.lat is None or each.lon is None else f"{each.lat:.3f}, {each.lon:.3f}"
        machines = sum(equipment.quantity for equipment in each.equipment)
        made = dict.fromkeys((*each.processes, *(e.process for e in each.equipment)))
        known = ", ".join(filter(None, made))
        rows.append([text(each.name), text(each.place), point, str(machines or ""), text(known)])
    write(table(columns, rows, width()))
    placed = sum(each.lat is not None for each in found)
    say(f"{count(len(found), 'workshop')}, {placed} with a place; the first {len(rows)} are shown")


async def _take(sources: tuple[str, ...], to: Path, private: bool) -> "list[Imported]":
    import trio

    from ..importing.fetching import Fetcher
    from ..importing.importing import Importer, look_at_meshes
    from ..meshes.workers import keep_warm

    importer = Importer(to, Fetcher(allow_private=private))
    taken = [each for source in sources async for each in importer.take(source)]
    async with trio.open_nursery() as nursery:
        await nursery.start(keep_warm)
        looked = [await look_at_meshes(each) for each in taken]
        nursery.cancel_scope.cancel()
    return looked


def _publish(called: Called, imported: "list[Imported]") -> "tuple[list[Imported], dict[str, str]]":
    """Publish what is ready; return what became of each, and the ids by their folders."""
    import dataclasses

    from ..answers.node import Published
    from ..control.client import Client

    node = Client(called.home)
    done: list[Imported] = []
    published: dict[str, str] = {}
    for each in imported:
        if each.folder and not each.why_not:
            path = str(Path(each.folder).absolute())
            try:
                published[each.folder] = node.ask("publish", {"path": path}, Published).design.id
            except UsageError as error:
                done.append(dataclasses.replace(each, why_not=str(error)))
                continue
        done.append(each)
    return done, published


def _print(imported: "list[Imported]", published: dict[str, str], *, findings: bool) -> None:
    from .table import Column, say, table, width, write
    from .words import count, identifier, text

    columns = [
        Column(title="name"),
        Column(title="licence"),
        Column(title="parts", is_right=True, drop=1),
        Column(title="repaired", is_right=True, drop=2),
        Column(title="assumed", is_right=True, drop=3),
        Column(title="doubts", is_right=True, drop=4),
        Column(title="result", wraps=True),
    ]
    rows: list[list[str]] = []
    for each in imported:
        levels = [finding.level for finding in each.findings]
        result = text(each.why_not) or f"ready in {text(each.folder)}"
        if each.folder in published:
            result = f"published as {identifier(published[each.folder])}"
        counts = [str(levels.count(level)) for level in ("repaired", "inferred", "doubt")]
        name = text(each.name or each.source)
        rows.append([name, text(each.licence), str(each.parts), *counts, result])
    write(table(columns, rows, width()))
    if findings:
        lines = [f"{text(each.name)}: {text(str(f))}" for each in imported for f in each.findings]
        write("", *lines)
    ready = sum(bool(each.folder) and not each.why_not for each in imported)
    say(f"{count(ready, 'design')} of {len(imported)} can be published")
