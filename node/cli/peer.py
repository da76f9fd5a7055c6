"""`commonfab peers`, `connect`: other nodes, as this one sees them."""

from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..control.answers import PeerLine


@command("peers", example="commonfab peers")
def peers(called: Called) -> None:
    """List the nodes that this one is connected to or knows of."""
    from ..control.answers import PeerLine

    found = called.ask("peers", list[PeerLine])
    if found is not None:
        _print_peers(found)


def _print_peers(found: "list[PeerLine]") -> None:
    from .. import clock
    from .table import Column, table, width, write
    from .words import moment, peer, text

    if not found:
        click.echo("No peers yet. Connect to one: commonfab connect --help", err=True)
        return
    now = clock.now()
    columns = [
        Column(title="name"),
        Column(title="node", drop=2),
        Column(title="link"),
        Column(title="since", is_right=True, drop=3),
        Column(title="last sync", is_right=True),
        Column(title="records", is_right=True, drop=4),
        Column(title="rejected", is_right=True, drop=1),
        Column(title="address", drop=5, longest=60),
    ]
    rows = [
        [
            text(line.name),
            peer(line.node),
            "" if not line.is_connected else "from there" if line.inbound else "from here",
            moment(line.since, now) if line.is_connected else "",
            moment(line.last_sync, now),
            str(line.records),
            str(line.rejected or ""),
            text(line.address.partition("/p2p/")[0]),
        ]
        for line in sorted(found, key=lambda line: (not line.is_connected, line.name))
    ]
    write(table(columns, rows, width()))


@command("connect", example="commonfab connect /ip4/192.0.2.7/tcp/4411/p2p/12D3KooW...")
@click.argument("multiaddr")
def connect(called: Called, multiaddr: str) -> None:
    """Connect to a peer, and exchange with it what each is missing."""
    from ..control.answers import Connected
    from .words import who

    done = called.ask("connect", Connected, address=multiaddr)
    if done is not None:
        click.echo(f"connected to {who(done.name, done.node)}")
