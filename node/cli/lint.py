"""`commonfab lint`: what is wrong in a design before it is published, and the manifest mended."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..manifests.findings import Finding
    from ..manifests.lint import Linted


@command("lint", example="commonfab lint ./wall-hook --fix")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Write the manifest anew as OKH 2.4; keep the old one.")
@click.option("--no-meshes", is_flag=True, help="Do not look at the shapes of its parts.")
def lint(called: Called, path: Path, fix: bool, no_meshes: bool) -> None:
    """Say what is wrong in a folder, manifest or mesh. No node is needed.

    Exit 1 if something keeps it from being published.
    """
    import dataclasses

    from ..manifests import lint as linting

    linted = linting.lint(path)
    if not no_meshes:
        linted = dataclasses.replace(linted, findings=(*linted.findings, *_of_meshes(path)))
    if fix and linted.name:  # What cannot be read cannot be mended.
        linted = dataclasses.replace(linted, fixed=str(linting.fix(path)))
    if called.as_json:
        called.print_json(linted)
    else:
        _print(linted)
    if any(each.level == "wrong" for each in linted.findings):
        raise SystemExit(1)


def _of_meshes(path: Path) -> "list[Finding]":
    import trio

    from ..manifests import lint as linting
    from ..meshes.workers import keep_warm

    async def look() -> "list[Finding]":
        async with trio.open_nursery() as nursery:
            await nursery.start(keep_warm)
            found = await linting.look_at_meshes(path)
            nursery.cancel_scope.cancel()
        return found

    return trio.run(look)


def _print(linted: "Linted") -> None:
    from .table import Column, say, table, width, write
    from .words import count, text

    columns = [
        Column(title="level"),
        Column(title="where", longest=48),
        Column(title="found", wraps=True),
        Column(title="read as, or what to do", wraps=True),
    ]
    rows = [
        [
            each.level,
            text(": ".join(filter(None, (each.file, each.key)))),
            text(each.found),
            text(each.made or each.remedy),
        ]
        for each in linted.findings
    ]
    if rows:
        write(table(columns, rows, width()))
    wrong = sum(each.level == "wrong" for each in linted.findings)
    said = count(wrong, "finding") + " to correct" if wrong else "nothing to correct"
    say(f"{text(linted.name or linted.path)}: {said}, {len(rows)} in all")
    if linted.fixed:
        say(f"written: {linted.fixed}")
