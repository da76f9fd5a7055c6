"""When a workshop's jobs start: where there is power for them, and clean power if they may wait.

This is the owner's `Starts` (protocol/lease/starts.py) for a workshop whose power is limited,
or cleaner at some hours than at others. Rules: specs/energy.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.slots import Quote
from commonfab.protocol.lease.starts import Load, Placed, Room, Turn, Window
from commonfab.protocol.limits import DAY_MS, LEASE_TERM_MS_MAX
from commonfab.protocol.records import Request

from .curve import co2e_mg, integral
from .plant import STEP_MS, Drawn, Plant, next_quarter, running_ms
from .supply import Draw

TRIES_MAX = 2 * DAY_MS // STEP_MS
"""Starts that are tried: two days of quarter hours, for the third day has the same sun."""
TRIED_TOGETHER_MAX = 1_000
"""Starts that are tried when several jobs wait for their turn. For a few jobs these are all
that could be best; for many, the best that was found."""

_ENDLESS = 2**100
"""Longer than all jobs together may wait."""

Price = tuple[int, int, int]
"""Of a start: how long beyond what it may wait, the CO2e, and when. The first counts most."""


class PoweredStarts:
    """`Starts` of a plant."""

    def __init__(self, plant: Plant, charge: int = 0) -> None:
        """`charge`: watt-milliseconds in the battery now."""
        self._plant = plant
        self._charge = charge

    def place(
        self, quote: Quote, request: Request, room: Room, loads: Sequence[Load], now: Timestamp
    ) -> Placed | None:
        """Return the window that costs the climate least, of those a job may wait for.

        These are the earliest one with power, and the first ones at or after each whole quarter
        hour that begin soon enough after it, and end in time if it does (ENERGY-5).
        """
        drawn = self._drawn(loads, now)
        first = self._earliest(quote, room, drawn, now)
        if first is None:
            return None
        best = self._placed(quote, first)
        last = first[0] + self._plant.wait_ms
        by = max(request.by, first[1]) if request.by else now + LEASE_TERM_MS_MAX
        at = next_quarter(first[0])
        while at <= last:
            window = self._earliest(quote, room, drawn, at)
            if window is None or window[0] > last or window[1] > by:
                break
            best = min(best, self._placed(quote, window), key=lambda p: (p.co2e_mg, p.start))
            at = next_quarter(window[0])
        return best

    def begin(self, turns: Sequence[Turn], loads: Sequence[Load], now: Timestamp) -> list[int]:
        """Return when each of these jobs should start (ENERGY-6)."""
        if not self._plant.is_limited and not self._plant.wait_ms:
            return [turn.earliest for turn in turns]
        return _Together(self._drawn(loads, now), turns).starts()

    def _drawn(self, loads: Sequence[Load], now: int) -> Drawn:
        draws = [draw for load in loads for draw in draws_of(self._plant, load)]
        first = {load.machine: load for load in sorted(loads, key=lambda load: -load.start)}
        for load in first.values():
            if load.start + running_ms(load.machine_seconds) <= now < load.end:
                draws += self._plant.overrun(load.machine, now)
        return Drawn(self._plant, draws, now, self._charge)

    def _placed(self, quote: Quote, window: Window) -> Placed:
        grams = co2e_mg(self._plant.curve, quote.energy_mwh, window[0], quote.machine_seconds)
        return Placed(*window, grams, self._plant.basis)

    def _earliest(self, quote: Quote, room: Room, drawn: Drawn, at: int) -> Window | None:
        """Return the earliest window at or after `at` for which there is room and power."""
        for _ in range(TRIES_MAX):
            window = room(at)
            if window is None or window[1] > drawn.now + LEASE_TERM_MS_MAX:
                return None
            mine = list(self._plant.draws(quote.machine, *window, quote.machine_seconds))
            later = drawn.not_before(mine)
            if later is None:
                return window
            at = later
        return None


def draws_of(plant: Plant, load: Load) -> Iterator[Draw]:
    return plant.draws(load.machine, load.start, load.end, load.machine_seconds)


@dataclass(slots=True)
class _Choice:
    """A start that one job may have."""

    price: Price
    start: int
    draws: list[Draw]


class _Together:
    """Finds starts for several jobs, each on a machine of its own, that add up to the least.

    A search in depth: job by job, each one's cheapest start first, and nothing that cannot
    become cheaper than the best found so far.
    """

    def __init__(self, drawn: Drawn, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._order = sorted(range(len(turns)), key=lambda i: (turns[i].promised, turns[i].machine))
        self._choices = [self._choices_of(drawn.plant, turns[i], drawn.now) for i in self._order]
        self._drawn = drawn
        self._tries = 0
        self._best: tuple[Price, list[int]] = ((_ENDLESS, 0, 0), [])

    def starts(self) -> list[int]:
        """Return a start for each turn, in their order."""
        self._search(self._drawn, (0, 0, 0), [])
        starts = dict(zip(self._order, self._best[1], strict=True))
        return [starts[index] for index in range(len(self._turns))]

    def _search(self, drawn: Drawn, price: Price, starts: list[int]) -> None:
        depth = len(starts)
        if depth == len(self._choices):
            self._best = price, starts
            return
        rest = [choices[0].price for choices in self._choices[depth + 1 :]]
        for choice in self._choices[depth]:
            so_far = _add(price, choice.price)
            is_over = self._best[1] and self._tries >= TRIED_TOGETHER_MAX
            if is_over or _add(so_far, *rest) >= self._best[0]:
                return
            self._tries += 1
            if drawn.not_before(choice.draws) is None:
                self._search(drawn.with_job(choice.draws), so_far, [*starts, choice.start])

    @staticmethod
    def _choices_of(plant: Plant, turn: Turn, now: int) -> list[_Choice]:
        late = max(turn.promised, next_quarter(now))
        without = _Choice((LEASE_TERM_MS_MAX, 0, late), late, [])
        choices = [_choice(plant, turn, start) for start in _starts(turn)]
        return [*sorted(choices, key=lambda choice: choice.price), without]


def _starts(turn: Turn) -> Iterator[int]:
    """Yield the starts that a job may have."""
    yield turn.earliest
    if turn.promised > turn.earliest:
        yield turn.promised
    at = next_quarter(turn.earliest)
    for _ in range(TRIES_MAX):
        yield at
        at += STEP_MS


def _choice(plant: Plant, turn: Turn, start: int) -> _Choice:
    end = start + running_ms(turn.machine_seconds)
    made = start + 1000 * turn.machine_seconds
    known = plant.machines.get(turn.machine)
    grams = integral(plant.curve, start, made) * known.power_w if known and plant.wait_ms else 0
    allowed = min(turn.earliest + plant.wait_ms, max(turn.earliest, turn.promised))
    too_long = max(0, start - allowed)
    draws = list(plant.draws(turn.machine, start, end, turn.machine_seconds))
    return _Choice((too_long, grams, start), start, draws)


def _add(*prices: Price) -> Price:
    return sum(p[0] for p in prices), sum(p[1] for p in prices), sum(p[2] for p in prices)
