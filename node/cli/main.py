"""The `commonfab` command: results on stdout, talk on stderr; 0 done, 1 refused, 2 misused.

Nothing heavy is imported before a command needs it, so that `--help` comes at once.
"""

import click

from .bundle import bundle
from .command import home_option
from .design import get, publish, show
from .designs import designs
from .exporting import export
from .find import find
from .home import demo, doctor, init, run, status
from .importing import import_
from .inspect import inspect
from .ipfs import ipfs
from .keeping import drop, gc, keep, pins, replicas, scrub
from .lint import lint
from .machine import machine
from .meet import invite, join, pair
from .network import network
from .order import cancel, explain, order, orders, plan
from .peer import connect, peers
from .quote import quote
from .requests import decide, requests
from .standing import deny, standing, vouch
from .surplus import surplus
from .wishes import wish, wishes

_SECTIONS = (
    ("This node", (init, run, status, doctor)),
    ("Its machines", (machine, requests, decide, surplus)),
    ("Designs", (import_, inspect, lint, publish, designs, show, find, get, export, bundle)),
    ("What is kept", (wish, wishes, keep, drop, pins, replicas, gc, scrub, ipfs)),
    ("Orders", (quote, plan, order, orders, cancel, explain)),
    ("Other nodes", (peers, pair, invite, join, connect, network)),
    ("Who is believed", (standing, vouch, deny)),
    ("To look at first", (demo,)),
)


class _Sections(click.Group):
    """Lists its commands by what they are about, in the order of a newcomer's day."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _SECTIONS:
            with formatter.section(title):
                formatter.write_dl(
                    [(each.name or "", each.get_short_help_str(limit=70)) for each in commands]
                )


@click.group(cls=_Sections, epilog="Begin with: commonfab init")
@click.version_option(package_name="commonfab")
@home_option
def cli(home: str | None) -> None:  # the commands look it up
    """Make things together, with nobody in the middle."""


for _, _commands in _SECTIONS:
    for _command in _commands:
        cli.add_command(_command)


def main() -> None:
    cli(prog_name="commonfab")
