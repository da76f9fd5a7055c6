"""`commonfab network create`, `show`, `bootstrap`: which network a node is in, and its way in."""

import os
from contextlib import suppress

import click

from .command import Called, command


@click.group("network")
def network() -> None:
    """Keep a network private, and say where this node begins."""


@command("create", example="commonfab network create")
def create(called: Called) -> None:
    """Make a private network of this node: only those that you invite can connect."""
    from commonfab.protocol.errors import UsageError

    from ..home import config, config_edit, network_key

    called.home.check()
    settings = config.load(called.home.config, os.environ)
    if settings.network.private_key_file:
        raise UsageError(
            f"this node is in a private network already: {settings.network.private_key_file};"
            " empty private_key_file in its commonfab.toml to leave it"
        )
    path = called.home.network_key
    key = network_key.create(path)
    config_edit.set_network(called.home, "private_key_file", str(path))
    fingerprint = network_key.fingerprint(key)
    if called.as_json:
        called.print_json({"fingerprint": fingerprint, "private_key_file": str(path)})
        return
    click.echo(f"private network {fingerprint}\nkey  {path}")
    click.echo(
        "Start the node, or start it again. From then on it speaks only with nodes that have"
        " the key;\ninvite them: commonfab invite",
        err=True,
    )


@command("show", example="commonfab network show")
def show(called: Called) -> None:
    """Show which network this node is in, and where it begins."""
    from ..home import config, network_key

    called.home.check()
    settings = config.load(called.home.config, os.environ).network
    psk = settings.psk
    fingerprint = network_key.fingerprint(psk) if psk is not None else ""
    if called.as_json:
        called.print_json(
            {
                "is_private": psk is not None,
                "fingerprint": fingerprint,
                "private_key_file": settings.private_key_file,
                "bootstrap": settings.bootstrap,
            }
        )
        return
    click.echo(f"network    {f'private, {fingerprint}' if psk is not None else 'open to all'}")
    for address in settings.bootstrap or ("nobody; see: commonfab network bootstrap --help",):
        click.echo(f"begins at  {address}")


@command(
    "bootstrap",
    example="commonfab network bootstrap /ip4/192.0.2.7/tcp/4411/p2p/"
    "12D3KooWLssHUMcbner3jRoN8TQee5CcSHHDZTxah9oF9kA8S4EJ",
)
@click.argument("addresses", nargs=-1, metavar="[MULTIADDR]...")
@click.option("--clear", is_flag=True, help="Begin with nobody.")
def bootstrap(called: Called, addresses: tuple[str, ...], clear: bool) -> None:
    """Replace the nodes that this one begins with; without any, list them."""
    from ..control.client import Client, NoNode
    from ..home import config, config_edit

    if clear and addresses:
        raise click.UsageError("--clear leaves nobody; name no address with it")
    called.home.check()
    if addresses or clear:
        settings = config_edit.set_network(called.home, "bootstrap", addresses)
        with suppress(NoNode):  # It reads them when it starts.
            Client(called.home).call("bootstrap", {})
    else:
        settings = config.load(called.home.config, os.environ)
    if called.as_json:
        called.print_json({"bootstrap": settings.network.bootstrap})
        return
    for address in settings.network.bootstrap:
        click.echo(address)
    if not settings.network.bootstrap:
        click.echo("Nobody. Give the addresses of nodes that you know.", err=True)


for _each in (create, show, bootstrap):
    network.add_command(_each)
