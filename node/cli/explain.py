"""Why these machines, and why not the others: `commonfab explain` in a terminal.

For each job the machines that have it, or else the best one, with the terms of their cost;
then each other with what speaks against it in one sentence, and what would make it fit.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from commonfab.protocol.errors import Malformed, ResourceError, UsageError
from commonfab.protocol.peer_id import parse_peer
from commonfab.scheduler.reasons import duration, listed, money
from commonfab.scheduler.why.explanation import Change, Explanation, Verdict

from .. import clock
from ..answers.node import Explained, JobLine, OrderLine
from .table import Column, table, width, write
from .words import bar, count, identifier, moment, text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from commonfab.scheduler.why.grounds import Finding

_OTHERS_SHOWN = 20
"""Machines named one by one in a terminal; `--json` has up to 200."""
_BAR_WIDTH = 12


def print_explained(explained: Explained, order: OrderLine) -> None:
    """Print the explanation of an order's jobs; `order` says which machines have them now."""
    for explanation in explained.jobs:
        job = next(job for job in order.jobs if job.index == explanation.job)
        write(*_job(explanation, job), "")
    write(f"commonfab orders {identifier(order.id)} says what came of it.")


def check(file: Path) -> "list[Finding]":
    """Make the explanations of a file anew. Needs no node.

    Raises `Malformed` for a file that is none of `commonfab explain --out`.
    """
    from commonfab.scheduler.why.grounds import GROUNDS_BYTES_MAX, Grounds
    from commonfab.scheduler.why.grounds import check as check_grounds

    try:
        with file.open("rb") as opened:
            data = opened.read(GROUNDS_BYTES_MAX + 1)
    except OSError as error:
        raise ResourceError(f"{file}: {error.strerror}; name another FILE") from error
    if len(data) > GROUNDS_BYTES_MAX:
        raise Malformed(f"{file}: is longer than {GROUNDS_BYTES_MAX >> 20} MiB")
    try:
        findings = check_grounds(msgspec.json.decode(data, type=Grounds))
    except (msgspec.DecodeError, UsageError) as error:
        raise Malformed(f"{file}: not what commonfab explain --out writes: {error}") from error
    if not findings:
        raise Malformed(f"{file}: holds no explanation; write one: commonfab explain --out")
    return findings


def print_checked(findings: "list[Finding]") -> None:
    """Print what came of making explanations anew."""
    for found in findings:
        machines = count(found.machines, "machine")
        rest = f"; {found.counted} more are only counted" if found.counted else ""
        said = text(found.fault) or f"{machines}, every word and number as told{rest}"
        write(f"job {found.job + 1}: {said}")
    write("What counts how much, and how far workshops are trusted, is as the buyer says.")


def _job(explanation: Explanation, job: JobLine) -> "Iterator[RenderableType]":
    verdicts = (*explanation.best, *explanation.others)
    chosen = [verdict for verdict in verdicts if _has(verdict, job)]
    shown = chosen or list(explanation.best[:1])
    yield (
        f"job {explanation.job + 1}: {explanation.pieces} x {text(explanation.part)};"
        f" {count(explanation.machines, 'machine')} compared at"
        f" {moment(explanation.at, clock.now())}, {explanation.fitting} can make it"
    )
    for verdict in shown:
        yield ""
        yield _heading(verdict, explanation, "has it" if chosen else "best")
        yield _terms(verdict, explanation)
    fitting = [verdict for verdict in verdicts if verdict.rank and verdict not in shown]
    if fitting:
        yield "\nothers that can:"
        yield _fitting(fitting[:_OTHERS_SHOWN], explanation.weights.currency)
    unfit = [verdict for verdict in verdicts if not verdict.rank]
    if unfit:
        yield "\nmachines that cannot:"
        yield _unfit(unfit[:_OTHERS_SHOWN])
    yield from _rest(explanation, len(fitting), len(unfit))


def _has(verdict: Verdict, job: JobLine) -> bool:
    return any(
        (parse_peer(attempt.owner).hex(), attempt.machine) == (verdict.owner, verdict.machine)
        for attempt in job.attempts
        if attempt.outcome in ("open", "made")
    )


def _heading(verdict: Verdict, explanation: Explanation, mark: str) -> "RenderableType":
    from rich.text import Text

    price = money(verdict.milliminor / 1000, text(explanation.weights.currency))
    line = Text(f"{text(verdict.workshop)}, {text(verdict.machine)}  {price}", style="bold")
    return line.append(f"  <- {mark}: {text(verdict.note)}", style="green")


def _terms(verdict: Verdict, explanation: Explanation) -> "RenderableType":
    total = sum(max(0, term.milliminor) for term in verdict.terms) or 1
    columns = [
        Column(title="term"),
        Column(title=text(explanation.weights.currency), is_right=True),
        Column(title="share", drop=1),
        Column(title="because", wraps=True),
    ]
    rows = [
        [
            term.name,
            f"{term.milliminor / 100_000:.2f}",
            bar(term.milliminor / total, _BAR_WIDTH),
            text(term.words),
        ]
        for term in verdict.terms
        if term.milliminor
    ]
    return table(columns, rows, width())


def _fitting(verdicts: list[Verdict], currency: str) -> "RenderableType":
    columns = [
        Column(title="rank", is_right=True),
        Column(title="workshop"),
        Column(title="machine"),
        Column(title=text(currency), is_right=True),
        Column(title="km", is_right=True, drop=1),
        Column(title="time", is_right=True, drop=2),
        Column(title="because it", wraps=True),
    ]
    rows = [
        [
            str(verdict.rank),
            text(verdict.workshop),
            text(verdict.machine),
            f"{verdict.milliminor / 100_000:.2f}",
            "?" if verdict.distance_m is None else f"{verdict.distance_m / 1000:.0f}",
            duration(verdict.seconds * 1000),
            _with_unknown(verdict),
        ]
        for verdict in verdicts
    ]
    return table(columns, rows, width())


def _unfit(verdicts: list[Verdict]) -> "RenderableType":
    columns = [
        Column(title="workshop"),
        Column(title="machine"),
        Column(title="because it", wraps=True),
        Column(title="to make it fit", wraps=True, drop=1),
    ]
    rows = [
        [
            text(verdict.workshop),
            text(verdict.machine),
            text(verdict.note),
            listed([_words(change) for change in verdict.changes]),
        ]
        for verdict in verdicts
    ]
    return table(columns, rows, width())


def _with_unknown(verdict: Verdict) -> str:
    return "; it ".join(text(words) for words in (verdict.note, *verdict.unknown))


def _words(change: Change) -> str:
    """Return what to do; a time as a clock shows it, rounded up to the minute."""
    if change.constraint == "deadline":
        return f"let it come by {moment(change.numbers[0] + 59_999, clock.now())}"
    return text(change.sentence)


def _rest(explanation: Explanation, fitting: int, unfit: int) -> Iterator[str]:
    silent = explanation.left_out + sum(max(0, told - _OTHERS_SHOWN) for told in (fitting, unfit))
    if silent:
        counts = ", ".join(f"{name} {n}" for name, n in explanation.obstacles.items() if n)
        yield f"\n{count(silent, 'more machine')}; ruled out of all, by: {counts or 'nothing'}"
