"""This workshop's power: what others are told of it, and what the scheduler may count on.

The operator's settings say what there is (settings.py), and a child process once a day what
the sun gives (sky.py). Until the child has answered, the panels count for nothing.
"""

import math
import subprocess
import sys
from collections.abc import Callable, Sequence

import msgspec
import trio

from commonfab.protocol.errors import ResourceError
from commonfab.protocol.fields import Basis
from commonfab.protocol.hours import HOURS_PER_DAY
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.lease.slots import Quote
from commonfab.protocol.lease.starts import Load, Placed, Room, Turn
from commonfab.protocol.limits import DAY_MS, HOUR_MS, SECOND_MS
from commonfab.protocol.records import Request
from commonfab.scheduler.energy import curve
from commonfab.scheduler.energy.curve import Curve
from commonfab.scheduler.energy.plant import Consumption, Plant
from commonfab.scheduler.energy.starts import PoweredStarts, draws_of
from commonfab.scheduler.energy.supply import Supply, charge_after, mixed

from .. import clock
from ..home import config
from ..journal import Journal
from . import settings as power

_CHILD_S_MAX = 300.0
"""For one calculation: a second on a server, some twenty on a small computer."""
_AGAIN_S = 3_600.0
"""After one that failed."""


class Sky(msgspec.Struct, frozen=True):
    """What a kilowatt of panels gives, as `sky.py` prints it."""

    watts: tuple[int, ...]
    """By the hour of the day (UTC)."""
    kwh_a_year: int


class Energy:
    """One for each node."""

    def __init__(self, settings: config.Settings) -> None:
        self._sky: Sky | None = None
        self._changed = trio.Event()
        self._charge = 0
        """Watt-milliseconds in the battery, as reckoned since this node started."""
        self._reckoned_at = 0
        self._loads: Sequence[Load] = ()
        self.configure(settings)

    def configure(self, settings: config.Settings) -> None:
        """Take over new settings."""
        self._settings = settings
        self._changed.set()

    def take(self, sky: Sky | None) -> None:
        """Take over what the sun gives; None: it is not known."""
        self._sky = sky

    def in_words(self, now: Timestamp) -> str:
        """Return where the power comes from, for the operator; nothing if they said nothing."""
        told, (grams, basis) = self._settings.energy, self.curve(now)
        if told == power.Energy():
            return ""
        said = [curve.in_words(curve.mean(grams), grams, basis)]
        if told.panel_w and self._sky is None:
            said.append("what the panels give is not known yet")
        if told.battery_wh:
            said.append(f"{self._charge // HOUR_MS} of {told.battery_wh} Wh in the battery")
        if told.grid_w < power.NO_LIMIT_W:
            said.append(f"at most {told.grid_w} W from the grid")
        return "; ".join(said)

    def curve(self, now: Timestamp) -> tuple[Curve, Basis]:
        """Return grams of CO2e for a kilowatt-hour in each hour (UTC), and what they rest on."""
        told = self._settings.energy
        by_hour = told.grid_g_by_hour
        grid = (
            by_local_hour(by_hour, clock.utc_offset_minutes(now))
            if by_hour
            else curve.flat(self._settings.workshop.grid_g_per_kwh)
        )
        supply = self._supply()
        if supply.panel_w:
            watts = sum(machine.power_w for machine in self._settings.machines)
            return mixed(supply, grid, watts), "clear-sky"
        return grid, "hourly" if by_hour else "mean"

    def place(
        self, quote: Quote, request: Request, room: Room, loads: Sequence[Load], now: Timestamp
    ) -> Placed | None:
        """As `Starts` says."""
        return self._starts(loads, now).place(quote, request, room, loads, now)

    def begin(self, turns: Sequence[Turn], loads: Sequence[Load], now: Timestamp) -> list[int]:
        """As `Starts` says."""
        return self._starts(loads, now).begin(turns, loads, now)

    async def run(self, journal: Journal, changed: Callable[[], None]) -> None:
        """Keep up with the sun until cancelled; `changed` is told of each new day's."""
        while True:
            self._changed = trio.Event()
            wait_s = math.inf
            if self._settings.energy.panel_w:
                wait_s = await self._look_up(journal)
                changed()
            else:
                self.take(None)
            with trio.move_on_after(wait_s):
                await self._changed.wait()

    async def _look_up(self, journal: Journal) -> float:
        """Ask for the present day's sun, and return for how many seconds it holds."""
        now = clock.now()
        place, told = self._settings.workshop, self._settings.energy
        try:
            day = now // DAY_MS
            self.take(await ask(place.lat, place.lon, told.panel_tilt, told.panel_azimuth, day))
        except ResourceError as error:
            journal.warn("energy", str(error))
            return _AGAIN_S
        journal.clear("energy")
        return (DAY_MS - now % DAY_MS) / SECOND_MS

    def _supply(self) -> Supply:
        told = self._settings.energy
        return supply_of(told, self._sky if told.panel_w else None)

    def _starts(self, loads: Sequence[Load], now: Timestamp) -> PoweredStarts:
        grams, basis = self.curve(now)
        plant = Plant(
            self._supply(),
            {
                machine.id: Consumption(machine.power_w, machine.peak_w)
                for machine in self._settings.machines
            },
            grams,
            basis,
            self._settings.energy.wait_h * HOUR_MS,
        )
        self._reckon(plant, loads, now)
        return PoweredStarts(plant, self._charge)

    def _reckon(self, plant: Plant, loads: Sequence[Load], now: Timestamp) -> None:
        """Bring the battery's charge up to now, by what was known to run."""
        since = self._reckoned_at or now
        if since < now and plant.supply.battery_wh:
            draws = [draw for load in self._loads for draw in draws_of(plant, load)]
            self._charge = charge_after(plant.supply, draws, since, now, self._charge)
        self._reckoned_at, self._loads = max(since, now), loads


def supply_of(told: power.Energy, sky: Sky | None) -> Supply:
    """Return what there is, with the sun scaled to what the panels really give in a year."""
    inverter_w = told.inverter_w or told.panel_w
    if sky is None:
        return Supply(told.grid_w, (), told.battery_wh, inverter_w)
    clear_kwh = sky.kwh_a_year * told.panel_w / 1_000
    share = min(1.0, told.panel_kwh_a_year / clear_kwh) if told.panel_kwh_a_year else 1.0
    panel_w = tuple(int(watts * share * told.panel_w / 1_000) for watts in sky.watts)
    return Supply(told.grid_w, panel_w, told.battery_wh, inverter_w)


def by_local_hour(local: Sequence[int], offset_minutes: int) -> Curve:
    """Return a curve by the hour of UTC from one by local hours; the middle of an hour counts."""
    hours = ((hour * 60 + 30 + offset_minutes) // 60 for hour in range(HOURS_PER_DAY))
    return tuple(local[hour % HOURS_PER_DAY] for hour in hours)


async def ask(latitude: float, longitude: float, tilt: float, azimuth: float, day: int) -> Sky:
    """Return the sun of a day by a child process, or raise `ResourceError`."""
    asked = [str(each) for each in (latitude, longitude, tilt, azimuth, day)]
    command = [sys.executable, "-I", "-m", "commonfab.node.energy.sky", *asked]
    with trio.move_on_after(_CHILD_S_MAX):
        ended = await trio.run_process(
            command, check=False, capture_stdout=True, stderr=subprocess.DEVNULL
        )
        try:
            return msgspec.json.decode(ended.stdout, type=Sky)
        except msgspec.DecodeError as error:
            code = ended.returncode
            raise ResourceError(
                f"what the panels give could not be calculated (pvlib ended with {code}), so they "
                "count for nothing; is pvlib installed?"
            ) from error
    raise ResourceError(
        f"calculating what the panels give took longer than {_CHILD_S_MAX:.0f} s, so they count "
        "for nothing for now"
    )
