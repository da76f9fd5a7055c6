"""`commonfab bundle make`, `open`: designs in a file, for a stick between two places."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from .command import Called, command
from .wishes import SizeType

if TYPE_CHECKING:
    from ..answers.bundles import OpenedFolder
    from ..answers.node import Bundled, BundledDesign, OpenedBundle

T = TypeVar("T")

_FILE = click.Path(path_type=Path)
_BUDGET_BYTES = 4_000_000_000
"""Where none is given: what the commonest sticks take in one file."""


@click.group("bundle")
def bundle() -> None:
    """Carry designs in a file to where no network goes."""


@command("make", example="commonfab bundle make --for Bob --budget 4GB --to /media/usb")
@click.argument("designs", nargs=-1, metavar="[DESIGN]...")
@click.option("--for", "to", default="", metavar="NODE", help="Bring this node what it lacks.")
@click.option("--budget", type=SizeType(), help="The largest that the file may be.")
@click.option("--to", "out", type=_FILE, required=True, help="A new file, or a folder for it.")
@click.option("--seal", is_flag=True, help="Only the node that it is for can open it.")
@click.option("--dry-run", is_flag=True, help="Write nothing, and say how large it would be.")
def make(
    called: Called,
    designs: tuple[str, ...],
    to: str,
    budget: int | None,
    out: Path,
    seal: bool,
    dry_run: bool,
) -> None:
    """Write designs into one file: their records, what proves them, all their files.

    With --for, it holds what that node lacks as far as is known here: letters to it, records,
    and designs as far as the budget goes, those that it wishes first. The bundle that comes
    back says what it has then. DESIGNs are named by id, start of it, or name, and go first.
    """
    from ..answers.node import Bundled

    place = str(out.absolute())
    if to:
        made = _ask(
            called,
            "bundle.make_for",
            Bundled,
            to=to,
            designs=designs,
            out=place,
            budget_bytes=budget or _BUDGET_BYTES,
            seal=seal,
            dry_run=dry_run,
        )
    else:
        if not designs:
            raise click.UsageError("Name designs, or the node that it is --for.")
        if seal or budget is not None:
            raise click.UsageError("--seal and --budget go with --for NODE.")
        made = _ask(called, "bundle.make", Bundled, designs=designs, out=place, dry_run=dry_run)
    if called.as_json:
        called.print_json(made)
    else:
        _print_made(made)


def _print_made(made: "Bundled") -> None:
    from .words import count, size, text, who

    if not made.file:
        lacks = "lacks nothing that is here, as far as is known; nothing was written"
        click.echo(f"{who(made.to_name, made.to)} {lacks}", err=True)
        return
    holds = [count(made.designs, "design"), count(made.records, "record")]
    if made.letters:
        holds.append(count(made.letters, "letter"))
    click.echo(made.file)
    click.echo(f"{', '.join(holds)}, {count(made.blocks, 'block')}, {size(made.size_bytes)}")
    if made.to:
        sealed = ", who alone can open it" if made.is_sealed else ""
        click.echo(f"for {who(made.to_name, made.to)}{sealed}")
    for each in made.left_out:
        about = f"{text(each.name)} ({each.id[:8]}, {size(each.size_bytes)})"
        click.echo(f"left out: {about}: {text(each.why)}")
    if made.left_out_count > len(made.left_out):
        more = made.left_out_count - len(made.left_out)
        click.echo(f"left out: {count(more, 'design')} more")
    if made.left_out_records:
        click.echo(f"left out: {count(made.left_out_records, 'record')}, which come another time")
    if made.is_dry_run:
        click.echo("Nothing was written.", err=True)
    else:
        click.echo(f"\nThere:  commonfab bundle open {Path(made.file).name}", err=True)


@command("open", example="commonfab bundle open /media/usb")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Check everything, keep nothing.")
def open_(called: Called, file: Path, dry_run: bool) -> None:
    """Take the designs of a file in: a bundle, or a CAR of any IPFS program.

    Of a folder, all files are opened that are for this node or for everybody. Each block and
    each record is checked; what is wrong is listed, what is good is kept. Ends with 1 if
    anything was wrong. Opening a file again goes on where it stopped.
    """
    from ..answers.bundles import OpenedFolder
    from ..answers.node import OpenedBundle

    path = str(file.absolute())
    if file.is_dir():
        folder = _ask(called, "bundle.open_folder", OpenedFolder, path=path, dry_run=dry_run)
        opened = folder.opened
        if called.as_json:
            called.print_json(folder)
        else:
            _print_folder(folder)
    else:
        opened = [_ask(called, "bundle.open", OpenedBundle, path=path, dry_run=dry_run)]
        if called.as_json:
            called.print_json(opened[0])
        else:
            _print_opened(opened[0])
    if any(each.refused_count or not each.is_whole for each in opened):
        raise click.exceptions.Exit(1)


def _print_folder(folder: "OpenedFolder") -> None:
    from .. import clock
    from .words import moment, text, who

    for opened in folder.opened:
        click.echo(opened.file)
        _print_opened(opened)
    for passed in folder.passed_over:
        click.echo(f"{Path(passed.file).name}: not opened: {text(passed.why)}", err=True)
    for receipt in folder.receipts:
        name = who(receipt.receiver_name, receipt.receiver)
        when = moment(receipt.at, clock.now())
        click.echo(f"{Path(receipt.file).name}: received by {name}, {when}")
    if not (folder.opened or folder.passed_over or folder.receipts):
        click.echo("There is no bundle here.", err=True)


def _ask(called: Called, name: str, answer: type[T], **params: object) -> T:
    from ..control.client import Client
    from .progress import shown

    with shown() as progress:
        return Client(called.home).ask(name, params, answer, progress)


def _print_opened(opened: "OpenedBundle") -> None:
    from .words import count, size, text, who

    if opened.designs:
        _print_designs(opened.designs)
    for root in opened.roots:
        where = text(root.why) or _whole(root.missing)
        click.echo(f"{root.root}  {where}")
    new = f"{count(opened.new_blocks, 'block')} new ({size(opened.new_bytes)})"
    click.echo(f"{count(opened.blocks, 'block')} ({size(opened.size_bytes)}), {new}")
    if opened.is_bundle:
        click.echo(f"{count(opened.records, 'record')}, {opened.new_records} new")
    if opened.maker:
        letters = f", {count(opened.letters, 'letter')}" if opened.letters else ""
        click.echo(f"made for this node by {who(opened.maker_name, opened.maker)}{letters}")
        _print_way_back(opened)
    _print_wrong(opened)


def _print_way_back(opened: "OpenedBundle") -> None:
    import shlex

    from .words import text, who

    if opened.receipt:
        click.echo(f"receipt: {opened.receipt}")
    elif opened.receipt_why:
        click.echo(f"No receipt could be written: {text(opened.receipt_why)}", err=True)
    name = who(opened.maker_name, opened.maker).removeprefix("…")
    back = shlex.join(["--for", name, "--to", str(Path(opened.file).parent)])
    click.echo(f"\nThe way back:  commonfab bundle make {back}", err=True)


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
