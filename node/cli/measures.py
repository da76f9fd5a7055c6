"""What a person chooses of a design that is made to measure: `--set pd=64`, or asked one by one."""

from collections.abc import Sequence

import click

from ..answers.measures import Measure
from ..control.client import Client
from .command import Called
from .words import text


def measures(called: Called, design: str, given: Sequence[str], *, asks: bool) -> dict[str, str]:
    """Return what was chosen, as it was typed. With `asks`, the rest is asked for."""
    chosen = dict(_pair(one) for one in given)
    if asks:
        for measure in Client(called.home).ask("measures", {"design": design}, list[Measure]):
            if measure.name not in chosen:
                chosen[measure.name] = _ask(measure)
    return chosen


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise click.BadParameter(f"{given!r} is no NAME=VALUE, such as pd=64", param_hint="--set")
    return name.strip(), value.strip()


def _ask(measure: Measure) -> str:
    if measure.about:
        click.echo(text(measure.about), err=True)
    words = f"{text(measure.title)} ({text(measure.limits)})"
    answer: str = click.prompt(words, default=measure.example, err=True)
    return answer
