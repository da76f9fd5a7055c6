"""`commonfab pair`, `invite`, `join`: how two people make their nodes known to each other."""

import io
from typing import TYPE_CHECKING, Any

import click

from .command import Called, command

if TYPE_CHECKING:
    from commonfab.protocol.meeting.invitation import Invitation

    from ..answers.meeting import InvitationLine, Invited, Joined


@command("pair", example="commonfab pair army van defense carry jealous true")
@click.argument("words", nargs=-1, metavar="[WORD]...")
def pair(called: Called, words: tuple[str, ...]) -> None:
    """Pair two nodes: show a code of six words, or type the other's."""
    if words:
        _use(called, " ".join(words))
    else:
        _show_code(called)


def _show_code(called: Called) -> None:
    import msgspec

    from ..answers.meeting import Code, Paired
    from ..control.client import Client
    from .words import who

    def show(progress: Any) -> None:
        code = msgspec.convert(progress, Code)
        if called.as_json:
            called.print_json(code)
        else:
            _print_code(code)

    data = Client(called.home).call("pair", {}, show)
    if called.as_json:
        click.echo(data)
        return
    done = msgspec.json.decode(data, type=Paired)
    click.echo(f"paired with {who(done.name, done.node)}")


def _print_code(code: Any) -> None:
    from .. import clock
    from .words import moment

    click.echo(f"\n    {code.code}\n")
    _print_picture(code.text)
    click.echo(
        f"On the other node:  commonfab pair {code.code}\n"
        f"Or with what the picture says:  commonfab pair {code.text}\n"
        f"It counts once, until {moment(code.until, clock.now())} or Ctrl-C.",
        err=True,
    )
    _warn_if_hidden(code.is_hidden)


@command("join", example="commonfab join commonfab:qwuwczdeojsxg43f...")
@click.argument("text")
def join(called: Called, text: str) -> None:
    """Accept an invitation that another node has made."""
    from commonfab.protocol.meeting.invitation import read

    read(text)
    _use(called, text)


def _use(called: Called, text: str) -> None:
    """Use a code or an invitation, whichever it is."""
    from commonfab.protocol.meeting.invitation import is_invitation, read

    from ..answers.meeting import Joined
    from ..control.client import NoNode

    invitation = read(text) if is_invitation(text) else None
    if invitation is not None and invitation.psk and not _is_in_network(called, invitation):
        _enter_network(called, invitation)
        return
    try:
        joined = called.ask("join", Joined, text=text)
    except NoNode:
        if invitation is None:
            raise
        joined = _accept(called, text)
    if joined is not None:
        _print_joined(joined)


def _accept(called: Called, text: str) -> "Joined | None":
    """Leave an invitation for the node to use once it runs."""
    from commonfab.protocol.meeting.invitation import read
    from commonfab.protocol.peer_id import peer_text

    from ..answers.meeting import Joined
    from ..meeting import accepted

    called.home.check()
    invitation = read(text)
    accepted.add(called.home.accepted, text)
    joined = Joined(node=peer_text(invitation.host), name="", is_met=False, until=invitation.until)
    if called.as_json:
        called.print_json(joined)
        return None
    return joined


def _print_joined(joined: "Joined") -> None:
    from .. import clock
    from .words import moment, who

    name = who(joined.name, joined.node)
    if joined.is_met:
        click.echo(f"paired with {name}")
        return
    click.echo(f"accepted; {name} was not reached yet")
    until = moment(joined.until, clock.now())
    click.echo(f"The node goes on trying while it runs, until {until}.", err=True)


def _is_in_network(called: Called, invitation: "Invitation") -> bool:
    import os

    from commonfab.protocol.errors import UsageError

    from ..home import config

    called.home.check()
    psk = config.load(called.home.config, os.environ).network.psk
    if psk is not None and psk != invitation.psk:
        raise UsageError(
            "this node is in another private network than the one that it is invited to; a node"
            " can be in one: make another with commonfab init --home DIR"
        )
    return psk is not None


def _enter_network(called: Called, invitation: "Invitation") -> None:
    """Take over the key of a private network; the node uses it from its next start on."""
    from .. import clock
    from ..home import config_edit, network_key
    from .words import moment

    path = called.home.network_key
    if not path.exists() or network_key.read(path) != invitation.psk:
        network_key.create(path, invitation.psk)
    config_edit.set_network(called.home, "private_key_file", str(path))
    joined = _accept(called, invitation.text())
    if joined is not None:
        until = moment(joined.until, clock.now())
        click.echo(
            f"accepted; the private network is {network_key.fingerprint(invitation.psk)}\n"
            f"Start the node, or start it again: it joins then, until {until}."
        )


@command("invite", example='commonfab invite --for "Makerspace Sud" --days 14')
@click.option("--for", "name", default="", help="Whom it is for, as you call them.")
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True, help="Its life.")
@click.option("--list", "is_list", is_flag=True, help="List the invitations of this node.")
@click.option("--revoke", metavar="ID", default="", help="Take one back, by its id or name.")
def invite(called: Called, name: str, days: int, is_list: bool, revoke: str) -> None:
    """Invite another node: print a text that it can join with, once."""
    from ..answers.meeting import InvitationLine, Invited

    if is_list and revoke:
        raise click.UsageError("--list and --revoke are two things; ask for one at a time")
    if is_list:
        found = called.ask("invitations", list[InvitationLine])
        if found is not None:
            _print_invitations(found)
    elif revoke:
        line = called.ask("revoke", InvitationLine, invitation=revoke)
        if line is not None:
            click.echo(f"{line.id} is revoked")
    else:
        made = called.ask("invite", Invited, whom=name, days=days)
        if made is not None:
            _print_invitation(made)


def _print_invitation(made: "Invited") -> None:
    from .. import clock
    from .words import moment

    line = made.invitation
    _print_picture(made.text)
    click.echo(made.text)
    private = " It brings the key of the private network: send it so." if made.is_private else ""
    click.echo(
        f"For one node, until {moment(line.until, clock.now())}; who has it first uses it up."
        f"{private}\nThere:  commonfab join TEXT\n"
        f"To take it back:  commonfab invite --revoke {line.id}",
        err=True,
    )
    _warn_if_hidden(made.is_hidden)


def _print_invitations(found: "list[InvitationLine]") -> None:
    from .. import clock
    from .table import Column, table, width, write
    from .words import moment, text, who

    if not found:
        click.echo("No invitations. Make one: commonfab invite --help", err=True)
        return
    now = clock.now()
    columns = [
        Column(title="id"),
        Column(title="for", drop=1),
        Column(title="state"),
        Column(title="made", is_right=True, drop=3),
        Column(title="until", is_right=True),
        Column(title="used by", drop=2),
    ]
    rows = [
        [
            line.id,
            text(line.name),
            line.state,
            moment(line.made, now),
            moment(line.until, now),
            who(line.used_by_name, line.used_by) if line.used_by else "",
        ]
        for line in found
    ]
    write(table(columns, rows, width()))


def _print_picture(text: str) -> None:
    """Draw a text as a QR picture, where a person looks and there is room for it."""
    import os

    from .table import width

    picture = draw(text)
    if (os.isatty(1) or "COLUMNS" in os.environ) and picture.index("\n") <= width():
        click.echo(picture)


def draw(text: str) -> str:
    """Return a QR picture of half blocks, light on dark."""
    import segno

    drawn = io.StringIO()
    # In capital letters it has a third fewer squares, and reads the same.
    segno.make_qr(text.upper(), error="L").terminal(drawn, border=2, compact=True)
    return drawn.getvalue()


def _warn_if_hidden(is_hidden: bool) -> None:
    if is_hidden:
        click.secho(
            "warning: only this computer can reach this node; open it with `listen` in its"
            " commonfab.toml, or pair from the other side",
            fg="yellow",
            err=True,
        )
