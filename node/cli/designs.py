"""`commonfab designs`: search what can be made, by words and by what it takes to make it."""

import os
import re
from typing import TYPE_CHECKING, Any

import click

from .command import Called, command
from .options import Box, BoxType

if TYPE_CHECKING:
    from ..answers.node import FacetValue, FoundDesigns

_FACETS_SHOWN = ("process", "material", "licence", "language", "author")
_VALUES_SHOWN = 4
_SORTS = ("best", "newest", "name", "mass", "made")


class MassType(click.ParamType[int]):
    """A mass; milligrams."""

    name = "MASS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?) ?(mg|g|kg)", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not a mass; one looks like 500g or 1.2kg", param, ctx)
        return round(float(found[1]) * {"mg": 1, "g": 1000, "kg": 1_000_000}[found[2]])


@command("designs", example='commonfab designs --fits 180x180x180 --material PETG "hand pump"')
@click.argument("words", nargs=-1)
@click.option("--fits", type=BoxType(), metavar="XxYxZ", help="Each part fits this box, in mm.")
@click.option("--process", multiple=True, help="Such as fff-printing.")
@click.option("--material", multiple=True, help="Such as PETG.")
@click.option("--licence", multiple=True, help="As an SPDX expression.")
@click.option("--language", multiple=True, help="Of its texts, such as en or pt-BR.")
@click.option("--by", default="", metavar="NAME", help="Published by this workshop.")
@click.option("--max-mass", type=MassType(), help="Of all its pieces, such as 500g.")
@click.option("--made", type=click.IntRange(min=0), default=0, help="Made at least so often.")
@click.option("--watertight", is_flag=True, help="Without holes in any mesh.")
@click.option("--here", is_flag=True, help="With files on this disk.")
@click.option("--all-versions", is_flag=True, help="Also old ones, and those of stolen keys.")
@click.option("--sort", type=click.Choice(_SORTS), help="Without it: best match, or newest.")
@click.option("--like", metavar="DESIGN|FILE", help="Parts of a form like its; without the rest.")
@click.option("--limit", type=click.IntRange(0, 1000), default=50, help="Show so many, or 50.")
def designs(
    called: Called,
    words: tuple[str, ...],
    like: str | None,
    fits: Box | None,
    max_mass: int | None,
    made: int,
    **asked: Any,
) -> None:
    """List the designs that this node knows, or those with all WORDS.

    The beginning of a word is enough. Of an option that is given several times, any will do."""
    from ..answers.node import FoundDesigns

    if like is not None:
        if words:
            raise click.UsageError("--like is asked without WORDS")
        _print_alike(called, like, asked["limit"])
        return
    lists = {name: list(asked.pop(name)) for name in ("process", "material", "licence", "language")}
    found = called.ask(
        "designs",
        FoundDesigns,
        query=" ".join(words),
        fits_um=[round(side * 1000) for side in fits] if fits else None,
        mass_mg_max=max_mass,
        made_min=made,
        **lists,
        **asked,
    )
    if found is not None:
        print_found(found)


def _print_alike(called: Called, like: str, limit: int) -> None:
    from ..answers.alike import AlikeParts
    from .table import Column, say, table, width, write
    from .words import count, identifier, text, who

    # What is a file here is meant as one; a design's name may be the same as a file's.
    wanted = {"file": os.path.abspath(like)} if os.path.isfile(like) else {"design": like}
    found = called.ask("alike", AlikeParts, **wanted, limit=max(limit, 1))
    if found is None:
        return
    if not found.lines:
        say("None to compare with: the form of no other part is known here.")
        return
    columns = [
        Column(title="like", is_right=True),
        Column(title="to", drop=3),
        Column(title="id"),
        Column(title="name"),
        Column(title="part"),
        Column(title="by", drop=1),
        Column(title="licence", drop=2),
    ]
    rows = [
        [
            f"{line.likeness} %",
            text(line.to),
            identifier(line.design),
            text(f"{line.name} {line.version}"),
            text(line.part),
            who(line.author_name, line.author),
            text(line.licence),
        ]
        for line in found.lines
    ]
    write(table(columns, rows, width()))
    say(f"Of {count(found.compared, 'part')} whose form is known here. A copy is 90 % or more.")


def print_found(found: "FoundDesigns") -> None:
    from .table import say
    from .words import count

    if found.missing:
        say(f"{found.missing} of {count(found.known, 'design')} are not in the catalogue yet.")
    if not found.total:
        if found.known:
            say(f"None of {count(found.known, 'design')} fits.")
        else:
            say("None known here yet. Publish one, or connect to a peer.")
        return
    _print_table(found)
    _print_facets(found)
    if found.is_more or found.total > len(found.designs):
        more = f"more than {found.total}" if found.is_more else str(found.total)
        say(f"{len(found.designs)} of {more}; narrow the search, or see more with --limit")


def _print_table(found: "FoundDesigns") -> None:
    from .table import Column, table, width, write
    from .words import identifier, mass, size, text, who

    columns = [
        Column(title="id"),
        Column(title="name"),
        Column(title="by", drop=2),
        Column(title="licence", drop=3),
        Column(title="parts", is_right=True, drop=4),
        Column(title="mass", is_right=True, drop=8),
        Column(title="size", is_right=True, drop=5),
        Column(title="made", is_right=True, drop=9),
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
            mass(sum(part.mass_mg * part.pieces for part in design.parts)),
            size(design.size_bytes),
            str(design.made) if design.made else "",
            "yes" if design.is_here else "",
            text(design.function),
        ]
        for design in found.designs
    ]
    write(table(columns, rows, width()))


def _print_facets(found: "FoundDesigns") -> None:
    """Tell what the search could be narrowed by: facets of which there are several values."""
    from .table import width

    for facet in _FACETS_SHOWN:
        values = found.facets.get(facet, [])
        if len(values) > 1:
            line = f"{facet:9} " + ", ".join(
                _value_text(facet, value) for value in values[:_VALUES_SHOWN]
            )
            click.echo(line if len(line) <= width() else f"{line[: width() - 1]}…")


def _value_text(facet: str, value: "FacetValue") -> str:
    from .words import text, who

    shown = who(value.name, value.value) if facet == "author" else text(value.value)
    return f"{shown} {value.designs}"
