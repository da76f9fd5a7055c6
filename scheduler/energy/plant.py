"""A workshop's power and what draws on it: whether there is enough for one job more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from commonfab.protocol.fields import Basis
from commonfab.protocol.limits import DAY_MS, MINUTE_MS

from ..factors import HEATING_MS, WINDOW_MARGIN_MS, WINDOW_MS_PER_S
from .curve import Curve
from .supply import Draw, Supply, lack, next_change

STEP_MS = 15 * MINUTE_MS
"""Starts are tried at whole quarter hours, besides the earliest."""


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a machine draws."""

    power_w: int
    """On average while it runs."""
    peak_w: int = 0
    """At most, while it heats up; less than the average: it never does."""

    @property
    def most_w(self) -> int:
        return max(self.power_w, self.peak_w)


@dataclass(frozen=True, slots=True)
class Plant:
    """What a workshop has and what its machines draw, until either changes."""

    supply: Supply
    machines: Mapping[str, Consumption]
    curve: Curve
    """What others are told of the CO2e of its power."""
    basis: Basis = ""
    wait_ms: int = 0
    """How long a job may be put off for cleaner power."""
    is_limited: bool = field(init=False)
    """Whether all machines heating up at once need more than the grid gives."""

    def __post_init__(self) -> None:
        most = sum(machine.most_w for machine in self.machines.values())
        # The class is frozen, and this follows from what it was made of.
        object.__setattr__(self, "is_limited", most > self.supply.grid_w)

    def draws(self, machine: str, start: int, end: int, machine_seconds: int) -> Iterator[Draw]:
        """Yield what a job draws: most at first, then the average, until its end."""
        known = self.machines.get(machine)
        if known is not None:
            done = min(end, start + running_ms(machine_seconds))
            heated = min(done, start + round(HEATING_MS.value))
            yield Draw(start, heated, known.most_w)
            yield Draw(heated, done, known.power_w)

    def overrun(self, machine: str, now: int) -> Iterator[Draw]:
        """Yield what a machine draws that takes longer than it was thought to."""
        known = self.machines.get(machine)
        if known is not None:
            yield Draw(now, next_quarter(now), known.power_w)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A plant with the jobs that run, or have a promise, at one moment."""

    plant: Plant
    draws: Sequence[Draw]
    now: int
    charge: int
    """Watt-milliseconds in the battery now."""

    def with_job(self, draws: Sequence[Draw]) -> "Drawn":
        return Drawn(self.plant, [*self.draws, *draws], self.now, self.charge)

    def not_before(self, draws: Sequence[Draw]) -> int | None:
        """Return before when there is no power for a job that draws this, or None: there is.

        Without a battery no start in between has power. With one, the next quarter hour may.
        """
        if not self.plant.is_limited or not draws:
            return None
        start, end = draws[0].start, draws[-1].end
        if not self.plant.supply.battery_wh:
            near = [draw for draw in self.draws if draw.start < end and start < draw.end]
            short = lack(self.plant.supply, [*near, *draws], start, end)
            return self._changes_after(short.since) if short.missing else None
        last = max(chain([end], (draw.end for draw in self.draws)))
        before = lack(self.plant.supply, self.draws, self.now, last, self.charge)
        after = lack(self.plant.supply, [*self.draws, *draws], self.now, last, self.charge)
        if after.missing <= before.missing:
            return None
        if after.is_hard and start <= after.since < end:
            return self._changes_after(after.since)
        return next_quarter(start)

    def _changes_after(self, at: int) -> int:
        return next_change(self.plant.supply, self.draws, at)


def running_ms(machine_seconds: int) -> int:
    """Return for how long a job may draw power: its window, without the wait for a person."""
    return machine_seconds * round(WINDOW_MS_PER_S.value) + round(WINDOW_MARGIN_MS.value)


def next_quarter(at: int) -> int:
    """Return the first whole quarter hour after a time."""
    return at - at % STEP_MS + STEP_MS


assert DAY_MS % STEP_MS == 0
