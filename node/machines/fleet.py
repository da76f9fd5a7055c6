"""This workshop's machines: as configured, as drivers, and as what others learn of them."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec
from msgspec import structs

from commonfab.protocol import records
from commonfab.protocol.author import Head
from commonfab.protocol.hours import Timetable, timetable
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.slots import Quote, Reported
from commonfab.protocol.lease.starts import Load, Placed, Room, Turn, Window
from commonfab.protocol.lease.turns import at_any_hour
from commonfab.protocol.limits import CAPACITY_TERM_MS_MAX
from commonfab.protocol.records import Capacity, Request
from commonfab.scheduler.energy import curve
from commonfab.scheduler.quote import Quoter
from commonfab.scheduler.terms import NO_TERMS, Terms

from .. import clock
from ..energy.energy import Energy
from ..home import config
from ..library import Library
from ..licences.duties import why_not_paid
from . import week
from .experience import Experience
from .port import MachineDriver
from .settings import Machine
from .virtual import VirtualPrinter, VirtualSettings

_LAPSE_MARGIN_MS = 4000
"""In each window, for what a time lapse does not shorten: fetching and checking the part."""

SealKey = Callable[[Request, NodeId], bytes | str]
"""Returns a key to seal a buyer's measures to, or in a sentence why there is none."""
_GENERATING_MS = 30_000
"""In the window of a part that is made to measure, for its mesh, on a small or busy computer."""


class Used(msgspec.Struct):
    """What has gone of one material since its grams were last configured."""

    configured_mg: int
    used_mg: int = 0


class Fleet:
    """One for each node. Also the `Quoter` and the `Starts` of its owner's side."""

    def __init__(self, settings: config.Settings, library: Library) -> None:
        self._library = library
        self._settings = settings
        self.energy = Energy(settings)
        self.drivers: dict[str, MachineDriver] = {}
        self.owner: Owner | None = None
        """Whose slots say when a machine is free; set once, when it is made."""
        self.experience = Experience(library)
        self.seal_key: SealKey | None = None
        """Set once too. None: nothing is made to measure here."""
        self.configure(settings)

    @property
    def configured(self) -> tuple[Machine, ...]:
        return self._settings.machines

    def configure(self, settings: config.Settings) -> None:
        """Take over new settings. A machine that is as it was keeps its driver."""
        known = {machine.id: machine for machine in self._settings.machines}
        drivers: dict[str, MachineDriver] = {}
        for machine in settings.machines:
            driver = self.drivers.get(machine.id)
            if driver is None or known.get(machine.id) != machine:
                driver = _make_driver(machine)
            drivers[machine.id] = driver
        self.drivers = drivers
        self._settings = settings
        self.energy.configure(settings)

    def volume_um(self, machine: str) -> tuple[int, int, int]:
        """Return the largest box that fits into a machine; none into one that is gone."""
        return next((m.volume_um for m in self.configured if m.id == machine), (0, 0, 0))

    def takes_jobs(self, machine: str) -> bool:
        driver = self.drivers.get(machine)
        return (
            self._settings.trade.accept
            and driver is not None
            and driver.condition().state not in ("failed", "offline")
        )

    def power_w(self, machine: str) -> int:
        return next((m.power_w for m in self.configured if m.id == machine), 0)

    def capacity(self, head: Head) -> Capacity:
        """Return what others learn now."""
        now = Timestamp(head["at"])
        grams, basis = self.energy.curve(now)
        return Capacity(
            **head,
            until=now + CAPACITY_TERM_MS_MAX,
            currency=self._settings.workshop.currency,
            grid_g_per_kwh=curve.mean(grams),
            intensity=grams if len(set(grams)) > 1 else (),
            basis=basis,
            machines=self.describe(now),
        )

    def describe(self, now: Timestamp) -> tuple[records.Machine, ...]:
        return tuple(self._describe(machine, now) for machine in self.configured)

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        """Return a quote for each machine that can do it, or one sentence: why none can."""
        seen = self.capacity(Head(stream="capacity", seq=1, at=now))
        quotes = Quoter(seen, self._knows, self._terms).quote(request, now, buyer)
        if isinstance(quotes, str):
            return quotes
        unpaid = self._why_unpaid(request, buyer)
        if unpaid:
            quotes = [quote for quote in quotes if quote.price_minor == 0]
        if not quotes:
            return unpaid
        if request.part.scad:
            key = self.seal_key(request, buyer) if self.seal_key else "Nothing to measure here."
            if isinstance(key, str):
                return key
            quotes = [dataclasses.replace(quote, seal_key=key) for quote in quotes]
        generating_ms = _GENERATING_MS if request.part.scad else 0
        return [self._in_time_lapse(quote, generating_ms) for quote in quotes]

    def window(self, machine: str, at: int, length_ms: int) -> Window | None:
        """Return when a job may begin by the machine's hours, and when it is cleared away."""
        configured = next((m for m in self.configured if m.id == machine), None)
        if configured is None:
            return at_any_hour(at, length_ms)
        offset = clock.utc_offset_minutes(clock.now())
        return _timetable(configured.hours, configured.attended, offset).window(at, length_ms)

    def place(
        self, quote: Quote, request: Request, room: Room, loads: Sequence[Load], now: Timestamp
    ) -> Placed | None:
        """Return the window to promise, by the workshop's power."""
        return self.energy.place(quote, request, room, loads, now)

    def begin(self, turns: Sequence[Turn], loads: Sequence[Load], now: Timestamp) -> list[int]:
        """Return when each lease may begin whose turn has come, by the workshop's power."""
        return self.energy.begin(turns, loads, now)

    async def use(self, machine: str, material: str, mass_mg: int) -> None:
        """Count what a job took of a machine's stock, durably."""
        configured = next((m for m in self.configured if m.id == machine), None)
        held = (
            next((s for s in configured.stock() if s.material == material), None)
            if configured
            else None
        )
        if held is None:
            return
        used = self._used(machine, held)
        used.used_mg += mass_mg
        await self._library.keep_notes({_note_key(machine, material): msgspec.msgpack.encode(used)})

    def machine(self, name: str) -> Machine | None:
        """Return a machine as configured; None if it is gone."""
        return next((machine for machine in self.configured if machine.id == name), None)

    def _terms(self, machine: records.Machine, request: Request) -> Terms:
        configured = self.machine(machine.id)
        return self.experience.terms(configured, request) if configured else NO_TERMS

    def _knows(self, node: NodeId) -> bool:
        standing = self._library.standing_of(node)
        return standing.rank == 0 or standing.tier == "own"

    def _why_unpaid(self, request: Request, buyer: NodeId) -> str:
        """Return why nobody may be paid for this job, or nothing. It is the operator's to list a
        licence that it takes all the same; what this node makes for itself, nobody sells."""
        if self._settings.trade.licences or self._library.standing_of(buyer).tier == "own":
            return ""
        why = why_not_paid(request.part.licence)
        return why and (
            f"{why}, and this workshop is paid for its work; its operator may list the licence."
        )

    def _describe(self, machine: Machine, now: Timestamp) -> records.Machine:
        owner, offset = self.owner, clock.utc_offset_minutes(now)
        return records.Machine(
            id=machine.id,
            process=machine.process,
            model=machine.model,
            volume_um=machine.volume_um,
            stock=tuple(self._stock(machine.id, stock) for stock in machine.stock()),
            speed_permille=machine.speed_permille,
            setup_seconds=machine.setup_s,
            price_minor_per_hour=machine.price_minor_per_hour,
            power_w=machine.power_w,
            free_at=owner.free_at(machine.id, now) if owner else now,
            takes_jobs=self.takes_jobs(machine.id),
            nozzle_um=machine.nozzle_um,
            tolerance_um=machine.tolerance_um,
            temperature_c=machine.temperature_c,
            hours=week.windows(machine.hours, offset),
            attended=week.windows(machine.attended, offset),
            licences=self._settings.trade.licences,
            makes_for=self._settings.trade.makes_for,
        )

    def _stock(self, machine: str, held: records.Stock) -> records.Stock:
        """Return what is left: neither used, nor promised to a job under way."""
        left_mg = held.mass_mg - self._used(machine, held).used_mg
        for slot in self.owner.slots() if self.owner else ():
            is_open = slot.offered.machine == machine and not isinstance(slot.state, Reported)
            if is_open and slot.asked.part.material == held.material:
                left_mg -= slot.offered.mass_mg
        return structs.replace(held, mass_mg=max(0, left_mg))

    def _used(self, machine: str, held: records.Stock) -> Used:
        data = self._library.note(_note_key(machine, held.material))
        used = msgspec.msgpack.decode(data, type=Used) if data else Used(held.mass_mg)
        # Other grams in the settings than before: the operator has weighed or filled up.
        return used if used.configured_mg == held.mass_mg else Used(held.mass_mg)

    def _in_time_lapse(self, quote: Quote, generating_ms: int) -> Quote:
        lapse = next(m.time_lapse for m in self.configured if m.id == quote.machine)
        duration_ms = quote.duration_ms
        if lapse != 1.0:
            duration_ms = round(duration_ms / lapse) + _LAPSE_MARGIN_MS
        duration_ms += generating_ms
        return dataclasses.replace(quote, duration_ms=duration_ms)


@lru_cache(maxsize=256)
def _timetable(hours: tuple[str, ...], attended: tuple[str, ...], offset: int) -> Timetable:
    return timetable(week.windows(hours, offset), week.windows(attended, offset))


def _note_key(machine: str, material: str) -> str:
    return f"used/{machine}/{material}"


def _make_driver(machine: Machine) -> MachineDriver:
    return VirtualPrinter(VirtualSettings(machine.time_lapse, machine.fails_every))
