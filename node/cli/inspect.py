"""`commonfab inspect`: what a file of a part says of itself, measured on this computer."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from commonfab.scheduler.form.form import Form
    from commonfab.scheduler.geometry import MeshFacts

    from ..meshes.drawings.facts import DrawingFacts
    from ..meshes.findings import Finding

_PICTURE_WIDTH = 60


@command("inspect", example="commonfab inspect ./hook.stl")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--nozzle", type=click.FloatRange(0.05, 5.0), default=0.4, help="In mm; 0.4.")
@click.option("--no-picture", is_flag=True, help="Facts and findings only.")
def inspect(called: Called, file: Path, nozzle: float, no_picture: bool) -> None:
    """Measure a mesh or a drawing, show it, and say what is wrong with it. Needs no node."""
    from ..meshes.formats import DRAWINGS

    if file.suffix.lower().removeprefix(".") in DRAWINGS:
        _inspect_drawing(called, file)
    else:
        _inspect_mesh(called, file, round(nozzle * 1000), is_drawn=not no_picture)


def _inspect_drawing(called: Called, file: Path) -> None:
    import trio

    from ..meshes import measuring

    facts = trio.run(measuring.measure_drawing, file)
    if called.as_json:
        called.print_json({"drawing": facts})
    else:
        _print_lines(_drawing_lines(facts))


def _inspect_mesh(called: Called, file: Path, nozzle_um: int, *, is_drawn: bool) -> None:
    import trio

    from commonfab.scheduler.form import findings as of_form

    from ..meshes import measuring
    from ..meshes.findings import in_words
    from .table import width

    columns = min(width(), _PICTURE_WIDTH)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    async def look() -> "tuple[MeshFacts, Form, str]":
        facts, form = await measuring.study_mesh(file)
        is_shown = is_drawn and not called.as_json
        drawn = await measuring.write_mesh(file, columns, colour=colour) if is_shown else ""
        return facts, form, drawn

    facts, form, drawn = trio.run(look)
    found = [in_words(each) for each in of_form.find(facts, form, nozzle_um=nozzle_um)]
    if called.as_json:
        aims = {aim: _best(form, aim) for aim in ("supports", "height", "bed")}
        plain = replace(facts, shape=None)  # The outlines are for estimates.
        called.print_json({"facts": plain, "form": form, "best": aims, "findings": found})
        return
    if drawn:
        click.echo(drawn + "\n", color=True)
    _print_lines(_mesh_lines(facts, form))
    _print_findings(found)


def _best(form: "Form", aim: str) -> object:
    from commonfab.scheduler.form.poses import best

    return best(list(form.poses), aim) if form.poses else None


def _mesh_lines(facts: "MeshFacts", form: "Form") -> list[tuple[str, str]]:
    from commonfab.scheduler.form.findings import side
    from commonfab.scheduler.form.poses import AIMS, best

    from .words import box, count

    skin = "watertight" if facts.watertight else "not watertight"
    lines = [
        ("size", f"{box(facts.bbox_um)} mm"),
        ("volume", f"{facts.volume_mm3 / 1000:.2f} cm3, of {form.hull_mm3 / 1000:.2f} in its hull"),
        ("area", f"{facts.area_mm2 / 100:.1f} cm2"),
        ("mesh", f"{count(facts.triangles, 'triangle')}, {skin}, {count(facts.bodies, 'piece')}"),
        ("centre of mass", _place(form.centre_um)),
        ("on the bed", f"{facts.bed_mm2} mm2"),
        ("hangs over", f"{facts.overhang_mm2} mm2, {facts.overhang_mm3 / 1000:.1f} cm3 below"),
    ]
    for name, thinnest in (("thinnest wall", form.wall), ("narrowest gap", form.gap)):
        if thinnest is not None:
            lines.append((name, f"{thinnest.um / 1000:.2f} mm at {_place(thinnest.place)}"))
    titles = {"supports": "least support", "height": "lowest", "bed": "holds best"}
    for aim in AIMS if form.poses else ():
        pose = best(list(form.poses), aim)
        words = f"{side(pose)} down: {pose.height_um / 1000:.1f} mm high, {pose.bed_mm2} mm2 on"
        lines.append((titles[aim], f"{words} the bed, {pose.overhang_mm2} mm2 hang over"))
    return lines


def _drawing_lines(facts: "DrawingFacts") -> list[tuple[str, str]]:
    width_um, height_um = facts.size_um
    units = {"": "not said; millimetres taken", "px": "pixels, 96 an inch: check the size"}
    lines = [
        ("sheet", f"{width_um / 1000:g} x {height_um / 1000:g} mm"),
        ("unit", units.get(facts.unit, facts.unit)),
        ("cut", f"{facts.cut_mm} mm in {facts.pierces} cuts"),
        ("loose ends", str(facts.open_ends)),
        ("engraved", f"{facts.engraved_mm2} mm2"),
    ]
    if facts.texts:
        lines.append(("texts", f"{facts.texts}, not counted: turn them into paths"))
    return lines


def _place(place_um: tuple[int, int, int]) -> str:
    return ", ".join(f"{each / 1000:.1f}" for each in place_um)


def _print_lines(lines: list[tuple[str, str]]) -> None:
    widest = max(len(name) for name, _ in lines)
    click.echo("\n".join(f"{name:{widest}}  {said}" for name, said in lines))


def _print_findings(found: "list[Finding]") -> None:
    from .table import Column, say, table, width, write

    if not found:
        say("\nNothing is wrong with it.")
        return
    columns = [
        Column(title=""),
        Column(title="it", wraps=True),
        Column(title="at (mm)", drop=1),
        Column(title="way out", wraps=True),
    ]
    rows = [[each.level, each.what, each.place, each.remedy] for each in found]
    write("", table(columns, rows, width()))
