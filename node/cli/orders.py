"""How orders look in a terminal: a line each, or one with all its jobs, live or at rest."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from commonfab.scheduler.reasons import duration, money

from .. import clock
from ..answers.node import AttemptLine, JobLine, OrderLine
from ..control.client import Client
from ..home.folder import Home
from .progress import shown
from .table import Column, say, table, width, write
from .words import bar, count, energy, identifier, mass, moment, place, text, who

if TYPE_CHECKING:
    from rich.console import RenderableType

_POLL_S = 0.5
_UNDER_WAY = ("leased", "granted")
_HOPE = ("open", "made", "failed")
"""Outcomes of attempts that took a machine's time; the others show why they did not."""


def print_orders(orders: list[OrderLine]) -> None:
    now = clock.now()
    columns = [
        Column(title="id"),
        Column(title="design"),
        Column(title="made", is_right=True),
        Column(title="state"),
        Column(title="placed", is_right=True, drop=2),
        Column(title="by", is_right=True, drop=1),
        Column(title="to", drop=4),
        Column(title="price", is_right=True, drop=3),
    ]
    rows = [
        [
            identifier(order.id),
            f"{order.quantity} x {text(order.design_name)}",
            f"{order.pieces_made}/{order.pieces_wanted}",
            order.state,
            moment(order.at, now),
            moment(order.by, now) if order.by else "",
            place(order.lat, order.lon),
            _price(list(_attempts(order))),
        ]
        for order in sorted(orders, key=lambda order: -order.at)
    ]
    write(table(columns, rows, width()))


def print_order(order: OrderLine) -> None:
    now = clock.now()
    by = f", by {moment(order.by, now)}" if order.by else ""
    profile = f", {text(order.profile)}" if order.profile else ""
    surplus = f", {order.pieces_surplus} more than needed" if order.pieces_surplus else ""
    head = [
        f"order {identifier(order.id)}: {order.quantity} x {text(order.design_name)}"
        f" to {place(order.lat, order.lon)}{by}{profile}",
        f"{order.state}: {order.pieces_made} of {count(order.pieces_wanted, 'piece')}"
        f" made{surplus}",
    ]
    write("\n".join(head), "", _jobs_table(order, now), *_totals(order))


def _jobs_table(order: OrderLine, now: int) -> "RenderableType":
    columns = [
        Column(title="job", is_right=True),
        Column(title="part", drop=2),
        Column(title="pieces", is_right=True),
        Column(title="workshop"),
        Column(title="machine", drop=1),
        Column(title="outcome"),
        Column(title="price", is_right=True, drop=3),
        Column(title="km", is_right=True, drop=4),
        Column(title="time", is_right=True, drop=5),
        Column(title="end", is_right=True, drop=6),
        Column(title="energy", is_right=True, drop=7),
        Column(title="CO2e", is_right=True, drop=8),
        Column(title="why", wraps=True, drop=9),
    ]
    return table(columns, list(_rows(order, now)), width())


def _rows(order: OrderLine, now: int) -> Iterator[list[str]]:
    for job in order.jobs:
        for attempt in job.attempts:
            yield _attempt_row(job, attempt, now)
        if job.state not in (*_UNDER_WAY, "done"):
            yield [
                str(job.index + 1),
                text(job.part),
                str(job.pieces_left),
                *("", ""),
                job.state,
                *("",) * 6,
                text(job.reason),
            ]


def _attempt_row(job: JobLine, attempt: AttemptLine, now: int) -> list[str]:
    return [
        str(job.index + 1),
        text(job.part),
        str(attempt.pieces),
        who(attempt.owner_name, attempt.owner),
        text(attempt.machine),
        outcome(job, attempt),
        money(attempt.price_minor, text(attempt.currency)),
        f"{attempt.km:.0f}",
        duration(attempt.machine_seconds * 1000),
        moment(attempt.end, now),
        energy(attempt.energy_mwh),
        mass(attempt.co2e_mg),
        text(attempt.reason),
    ]


def outcome(job: JobLine, attempt: AttemptLine) -> str:
    """Return how an attempt ended, or how far it is."""
    if attempt.outcome == "open":
        return (
            f"{job.permille // 10:3} % {bar(job.permille / 1000, 6)}" if job.permille else job.state
        )
    if attempt.outcome in ("failed", "surplus") and attempt.made:
        return f"{attempt.outcome}, {attempt.made} good"
    return attempt.outcome


def _totals(order: OrderLine) -> list[str]:
    taken = [attempt for attempt in _attempts(order) if attempt.outcome in _HOPE]
    if not taken:
        return []
    sums = [
        _price(taken),
        duration(sum(attempt.machine_seconds for attempt in taken) * 1000),
        energy(sum(attempt.energy_mwh for attempt in taken)),
        f"{mass(sum(attempt.co2e_mg for attempt in taken))} CO2e{_bases(taken)}",
    ]
    return ["", f"in all: {', '.join(filter(None, sums))}"]


def _bases(attempts: list[AttemptLine]) -> str:
    """Return what the CO2e rests on, in brackets; nothing where nobody has said it."""
    known = sorted({attempt.basis for attempt in attempts if attempt.basis})
    return f" ({', '.join(known)})" if known else ""


def _attempts(order: OrderLine) -> Iterator[AttemptLine]:
    for job in order.jobs:
        yield from job.attempts


def _price(attempts: list[AttemptLine]) -> str:
    """Return what is to be paid, in each currency."""
    due: dict[str, int] = {}
    for attempt in attempts:
        if attempt.outcome in ("open", "made", "failed", "surplus"):
            due[attempt.currency] = due.get(attempt.currency, 0) + attempt.price_minor
    return " + ".join(money(minor, text(currency)) for currency, minor in sorted(due.items()))


class Watch:
    """Follows one order until all of it is made or it is called off."""

    def __init__(self, home: Home) -> None:
        self._client = Client(home)
        self._told: set[str] = set()

    def until_over(self, order: OrderLine) -> OrderLine:
        """Return the order as it ended. Talks on stderr meanwhile."""
        with shown() as line:
            while True:
                for news in self.news(order):
                    line.wipe()
                    say(news)
                if order.state != "open":
                    return order
                line.show(_progress(order))
                time.sleep(_POLL_S)
                order = self._client.ask("orders", {"order": order.id}, list[OrderLine])[0]

    def news(self, order: OrderLine) -> Iterator[str]:
        for job in order.jobs:
            for attempt in job.attempts:
                yield from self._once(_attempt_news(job, attempt))
            if job.reason and not job.attempts:
                yield from self._once(f"job {job.index + 1} waits: {text(job.reason)}")

    def _once(self, news: str) -> Iterator[str]:
        if news not in self._told:
            self._told.add(news)
            yield news


def _attempt_news(job: JobLine, attempt: AttemptLine) -> str:
    where = f"{who(attempt.owner_name, attempt.owner)}, {text(attempt.machine)}"
    said = "leased" if attempt.outcome == "open" else attempt.outcome
    again = f" (attempt {attempt.epoch})" if attempt.epoch > 1 else ""
    why = f": {text(attempt.reason)}" if attempt.reason else ""
    return f"{said}: {attempt.pieces} x {text(job.part)} at {where}{again}{why}"


def _progress(order: OrderLine) -> str:
    jobs = (f"{text(job.part)} {job.permille // 10} %" for job in order.jobs if job.permille)
    return f"{order.pieces_made}/{order.pieces_wanted} made  {'  '.join(jobs)}"
