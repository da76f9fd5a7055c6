"""What all commands have in common: the home, `--json`, and how errors end the program.

Exit 0: done. 1: refused, by the node or by the world. 2: misused, as click says.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, TypeVar

import click

from commonfab.protocol.errors import CommonfabError

from ..home.folder import Home, find

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Called:
    """How a command was called."""

    home: Home
    as_json: bool

    def ask(self, name: str, answer: type[T], **params: object) -> T | None:
        """Return a node's answer; with `--json`, print it as it came and return nothing."""
        from ..control.client import Client
        from .progress import shown

        with shown() as progress:
            if not self.as_json:
                return Client(self.home).ask(name, params, answer, progress)
            data = Client(self.home).call(name, params, progress)
        click.echo(data)
        return None

    def print_json(self, value: object) -> None:
        import msgspec

        click.echo(msgspec.json.encode(value))


def command(name: str, *, example: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command of a function that takes a `Called` first and may raise our errors."""

    def make(function: Callable[..., None]) -> click.Command:
        def run(home: str | None, as_json: bool, **params: Any) -> None:
            named = home or click.get_current_context().find_root().params.get("home")
            try:
                function(Called(find(named, os.environ), as_json), **params)
            except CommonfabError as error:
                raise click.ClickException(str(error)) from error

        update_wrapper(run, function)
        with_options = home_option(_json_option(run))
        return click.command(name, epilog=f"Example: {example}")(with_options)

    return make


home_option = click.option(
    "--home",
    metavar="DIR",
    help="The node's folder. Without it, $COMMONFAB_HOME or ~/.local/share/commonfab.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
