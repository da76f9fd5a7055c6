"""`commonfab peers`, `connect`: other nodes, as this one sees them."""

from typing import TYPE_CHECKING

import click

from .command import Called, command

if TYPE_CHECKING:
    from ..answers.node import PeerLine


@command("peers", example="commonfab peers")
def peers(called: Called) -> None:
    """List other nodes, those that are away too: how reached, how synced."""
    from ..answers.node import PeerLine

    found = called.ask("peers", list[PeerLine])
    if found is not None:
        _print_peers(found)


def _print_peers(found: "list[PeerLine]") -> None:
    from .. import clock
    from .table import Column, table, width, write
    from .words import moment, peer, text, who

    if not found:
        click.echo("No peers yet. Meet one: commonfab pair --help", err=True)
        return
    now = clock.now()
    columns = [
        Column(title="name"),
        Column(title="node", drop=7),
        Column(title="state"),
        Column(title="reached", drop=1),
        Column(title="since", is_right=True, drop=3),
        Column(title="sync", drop=2),
        Column(title="bytes/h", is_right=True, drop=6),
        Column(title="records", is_right=True, drop=8),
        Column(title="rejected", is_right=True, drop=5),
        Column(title="standing", drop=4),
        Column(title="why", wraps=True, drop=10),
        Column(title="address", drop=9, longest=60),
    ]
    rows = [
        [
            who(line.name, line.node),
            peer(line.node),
            "online" if line.is_connected else "offline",
            text(line.how),
            moment(line.since if line.is_connected else line.last_seen, now),
            _sync(line, now),
            _bytes(line.received_bytes + line.sent_bytes),
            str(line.records),
            str(line.rejected or ""),
            f"{text(line.standing)} {line.score:.2f}",
            text("; ".join(line.standing_why)),
            text(line.address.partition("/p2p/")[0]),
        ]
        for line in sorted(found, key=_order)
    ]
    write(table(columns, rows, width()))


def _order(line: "PeerLine") -> tuple[bool, bool, int, str]:
    return not line.is_connected, not line.is_friend, -line.last_seen, line.name


def _bytes(count: int) -> str:
    from .words import size

    return size(count) if count else ""


def _sync(line: "PeerLine", now: int) -> str:
    from .words import moment

    if not line.is_connected:
        return f"last {moment(line.last_sync, now)}" if line.last_sync else ""
    if not line.last_sync:
        return "not yet"
    return "behind" if line.is_behind else f"synced {moment(line.last_sync, now)}"


@command("connect", example="commonfab connect /ip4/192.0.2.7/tcp/4411/p2p/12D3KooW...")
@click.argument("multiaddr")
def connect(called: Called, multiaddr: str) -> None:
    """Connect to a peer, and exchange with it what each is missing."""
    from ..answers.node import Connected
    from .words import who

    done = called.ask("connect", Connected, address=multiaddr)
    if done is not None:
        click.echo(f"connected to {who(done.name, done.node)}")
