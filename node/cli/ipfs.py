"""`commonfab ipfs …`: Kubo as this node's store, trees to and from it, and pinning services."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..answers.ipfs import IpfsStatus, KuboLine, Migrated, RemotePin


@click.group("ipfs")
def ipfs() -> None:
    """Work with a Kubo daemon, and with services that keep copies."""


@command("status", example="commonfab ipfs status")
def status(called: Called) -> None:
    """Tell where blocks are kept, and how Kubo is."""
    from ..answers.ipfs import IpfsStatus

    found = called.ask("ipfs.status", IpfsStatus)
    if found is not None:
        _print_status(found)


def _print_status(found: "IpfsStatus") -> None:
    from .words import count, size, text

    for store in found.stores:
        holds = f"{count(store.blocks, 'block')}, {size(store.size_bytes)}"
        new = "; new ones go there" if store.name == found.takes_new else ""
        click.echo(f"{store.name:9} {holds}{new} ({text(store.place)})")
    if found.kubo is not None:
        _print_kubo(found.kubo)
    if found.services:
        click.echo(f"{'services':9} {', '.join(map(text, found.services))}")
    if found.trouble:
        click.secho(f"warning: {text(found.trouble)}", fg="yellow", err=True)


def _print_kubo(kubo: "KuboLine") -> None:
    from .words import count, size, text

    used = f"{size(kubo.repo_bytes)} of {size(kubo.repo_bytes_max)}"
    traffic = f"{size(kubo.received_bytes)} in, {size(kubo.sent_bytes)} out"
    click.echo(f"{'version':9} {text(kubo.version)}, {text(kubo.id)}")
    click.echo(f"{'all in it':9} {count(kubo.blocks, 'block')}, {used}")
    click.echo(f"{'peers':9} {kubo.peers}, {traffic}")
    if not kubo.is_synced:
        click.echo(
            "It acknowledges blocks before its disk has them: a power cut may take the last ones.\n"
            "They are fetched again from peers. Its setting is sync in Datastore.Spec.",
            err=True,
        )


@command("import", example="commonfab ipfs import bafybei… --name jig")
@click.argument("cid")
@click.option("--name", default="", help="What to call it in: commonfab pins.")
def import_(called: Called, cid: str, name: str) -> None:
    """Fetch a file or folder from Kubo or from peers, and keep it here."""
    from ..answers.ipfs import Imported
    from .words import count, size

    if Path(cid).is_file():
        raise click.UsageError(f"{cid} is a file, and no CID; see: commonfab bundle open {cid}")
    done = called.ask("ipfs.import", Imported, cid=cid, label=name)
    if done is not None:
        click.echo(f"{done.root}: {count(done.blocks, 'block')}, {size(done.size_bytes)}, kept")


@command("export", example='commonfab ipfs export "wall hook" --to kubo')
@click.argument("what", metavar="DESIGN|CID")
@click.option("--to", required=True, metavar="kubo|DIR", help="Kubo, or a new folder.")
def export(called: Called, what: str, to: str) -> None:
    """Give a design's files to Kubo under one pin, or write them into a folder."""
    from ..answers.ipfs import Exported
    from .words import count, size

    out = "" if to == "kubo" else str(Path(to).absolute())
    done = called.ask("ipfs.export", Exported, what=what, out=out)
    if done is not None:
        gave = count(done.files, "file") if done.files else count(done.blocks, "block")
        click.echo(f"{done.root}: {gave}, {size(done.size_bytes)} to {done.to}")


@command("migrate", example="commonfab ipfs migrate --to kubo --delete")
@click.option(
    "--to", type=click.Choice(["kubo", "embedded"]), required=True, help="Where they are to be."
)
@click.option("--delete", is_flag=True, help="Delete what was verified from where it was.")
def migrate(called: Called, to: str, delete: bool) -> None:
    """Move all blocks between this node's own disk and Kubo.

    All are copied, read back and hashed; only then is anything deleted. Stopped anywhere, the
    same command goes on.
    """
    from ..answers.ipfs import Migrated

    done = called.ask("ipfs.migrate", Migrated, to=to, delete=delete)
    if done is not None:
        _print_migrated(done)


def _print_migrated(done: "Migrated") -> None:
    from .words import count, size

    verified = f"{done.verified} verified by their CIDs, {size(done.size_bytes)}"
    click.echo(f"{count(done.blocks, 'block')} to {done.to}: {done.copied} copied, {verified}")
    if done.deleted:
        click.echo(f"{done.deleted} deleted from where they were")
    for cid in done.left:
        click.secho(f"warning: {cid} stays where it was", fg="yellow", err=True)
    if done.to == "embedded":
        click.echo("\nTo leave Kubo, take kubo out of [ipfs], and start the node again.", err=True)


@command("gc", example="commonfab ipfs gc")
def gc(called: Called) -> None:
    """Have Kubo remove what nobody has pinned there."""
    from ..answers.ipfs import KuboCollected
    from .words import count

    done = called.ask("ipfs.gc", KuboCollected)
    if done is not None:
        click.echo(f"{count(done.blocks, 'block')} removed")


_service = click.option("--with", "service", default="", help="Its name in [ipfs], if several.")


@command("pin", example='commonfab ipfs pin "wall hook" --with coop')
@click.argument("what", metavar="DESIGN|CID")
@_service
def pin(called: Called, what: str, service: str) -> None:
    """Ask a pinning service to keep a copy."""
    from ..answers.ipfs import RemotePin

    asked = called.ask("ipfs.pin", RemotePin, what=what, service=service)
    if asked is not None:
        _print_pin(asked)


@command("unpin", example='commonfab ipfs unpin "wall hook" --with coop')
@click.argument("what", metavar="DESIGN|CID")
@_service
def unpin(called: Called, what: str, service: str) -> None:
    """Tell a pinning service that a copy is no longer wanted."""
    from ..answers.ipfs import RemoteUnpinned
    from .words import count, text

    done = called.ask("ipfs.unpin", RemoteUnpinned, what=what, service=service)
    if done is not None:
        taken = count(done.requests, "request")
        click.echo(f"{done.root}: {taken} taken back from {text(done.service)}")


@command("pins", example="commonfab ipfs pins --with coop")
@_service
def pins(called: Called, service: str) -> None:
    """List what a pinning service keeps for you."""
    from ..answers.ipfs import RemotePin

    found = called.ask("ipfs.pins", list[RemotePin], service=service)
    for each in found or ():
        _print_pin(each)


def _print_pin(pin: "RemotePin") -> None:
    from .words import text

    click.echo(f"{text(pin.status):8} {text(pin.root)}  {text(pin.name)} ({text(pin.service)})")


for _command in (status, import_, export, migrate, gc, pin, unpin, pins):
    ipfs.add_command(_command)
