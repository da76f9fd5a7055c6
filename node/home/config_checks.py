"""What one setting alone cannot be held to: addresses, names, and what settings say together."""

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from commonfab.protocol.errors import UsageError
from commonfab.protocol.hours import HOURS_PER_DAY
from commonfab.scheduler.profiles import Profiles

from ..energy.settings import Energy
from ..machines import week
from ..machines.settings import Machine
from ..slicing.settings import check as check_slicer
from . import config_text
from .config_text import Raw
from .forms import Amount, ProfileName

if TYPE_CHECKING:
    from .config import Settings

_LISTEN = re.compile(r"/(ip4|ip6)/[0-9a-fA-F.:]+/tcp/[0-9]{1,5}")
_HOURS_A_YEAR = 8_766


def check_raw_profiles(raw: Raw, text: str, name: str) -> None:
    """Look at each weight by itself: of what is in a table by name, an error has no place."""
    for own, weights in config_text.tables(raw.get("profile")):
        table = f"profile.{own}"
        with _told_of((table,), text, name), config_text.in_our_words():
            msgspec.convert(own, ProfileName)
        for weight, value in weights.items():
            with _told_of((table, weight), text, name), config_text.in_our_words():
                msgspec.convert(value, Amount)


def check(settings: "Settings", text: str, name: str) -> None:
    """Raise `UsageError` with the place of the first setting that cannot be."""
    network = settings.network
    for setting, addresses in (("listen", network.listen), ("announce", network.announce)):
        for address in addresses:
            if not _LISTEN.fullmatch(address):
                where = config_text.at(("network", setting), text, name)
                raise UsageError(
                    f"{where}: {address} is not an address; one looks like /ip4/0.0.0.0/tcp/4411"
                )
    beginnings = (("peers", network.peers), ("dht_peers", network.dht_peers))
    for setting, addresses in (*beginnings, ("bootstrap", network.bootstrap)):
        for address in addresses:
            _check_peer(address, ("network", setting), text, name)
    for router in settings.ipfs.routers:
        _check_router(router, text, name)
    with _told_of(("queue", "members"), text, name):
        settings.queue.rule()
    _check_energy(settings, text, name)
    _check_profiles(settings, text, name)
    _check_machines(settings.machines, text, name)
    _check_hours(settings.machines, text, name)
    _check_slicers(settings.machines, text, name)
    ids = [machine.id for machine in settings.machines]
    for index, machine_id in enumerate(ids):
        if machine_id in ids[:index]:
            where = config_text.at(("machine", index, "id"), text, name)
            raise UsageError(f"{where}: two machines are called {machine_id}; rename one")


def _check_energy(settings: "Settings", text: str, name: str) -> None:
    energy = settings.energy
    with _told_of(("energy", "grid_w"), text, name):
        if not energy.grid_w and not energy.panel_w:
            raise UsageError("no grid, and no panels in panel_w: no machine here could run")
    with _told_of(("energy", "grid_g_by_hour"), text, name):
        hours = len(energy.grid_g_by_hour)
        if hours not in (0, HOURS_PER_DAY):
            raise UsageError(f"{hours} numbers; a day has {HOURS_PER_DAY} hours")
    _check_panels(energy, text, name)
    most_there_w = energy.grid_w + (energy.inverter_w or energy.panel_w)
    for index, machine in enumerate(settings.machines):
        setting = "peak_w" if machine.peak_w else "power_w"
        with _told_of(("machine", index, setting), text, name):
            if 0 < machine.peak_w < machine.power_w:
                raise UsageError(f"{machine.id} peaks at less than it draws on average")
            most_w = max(machine.power_w, machine.peak_w)
            if most_w > most_there_w:
                raise UsageError(
                    f"{machine.id} draws {most_w} W, and [energy] never gives more than"
                    f" {most_there_w} W"
                )


def _check_panels(energy: Energy, text: str, name: str) -> None:
    for setting in ("battery_wh", "inverter_w", "panel_kwh_a_year"):
        with _told_of(("energy", setting), text, name):
            if getattr(energy, setting) and not energy.panel_w:
                raise UsageError("it is that of panels, and there are none in panel_w")
    with _told_of(("energy", "panel_kwh_a_year"), text, name):
        most_kwh = energy.panel_w * _HOURS_A_YEAR // 1000
        if energy.panel_kwh_a_year > most_kwh:
            raise UsageError(
                f"panels of {energy.panel_w} W could not give more than {most_kwh} if it was never"
                " night"
            )


def _check_machines(machines: Iterable[Machine], text: str, name: str) -> None:
    """Refuse what is so little that others would be told it is nothing."""
    for index, machine in enumerate(machines):
        told = {
            "nozzle_mm": (machine.nozzle_mm, machine.nozzle_um, 0.001),
            "tolerance_mm": (machine.tolerance_mm, machine.tolerance_um, 0.001),
            "price_per_hour": (machine.price_per_hour, machine.price_minor_per_hour, 0.01),
        }
        for setting, (said, whole, least) in told.items():
            with _told_of(("machine", index, setting), text, name):
                if said and not whole:
                    raise UsageError(f"{said:g} is less than can be told; 0, or {least} and more")


def _check_profiles(settings: "Settings", text: str, name: str) -> None:
    profiles = settings.profiles()
    for own, weights in settings.own_profiles.items():
        for weight, value in weights.items():
            try:
                Profiles(own={own: {weight: value}}).weights(own)
            except UsageError as error:
                where = config_text.at((f"profile.{own}", weight), text, name)
                raise UsageError(f"{where}: {str(error).removeprefix(f'{weight}: ')}") from error
    with _told_of(("trade", "profile"), text, name):
        profiles.weights("")


def _check_slicers(machines: Iterable[Machine], text: str, name: str) -> None:
    for index, machine in enumerate(machines):
        with _told_of(("machine", index, "slicer"), text, name):
            if machine.slicer is not None:
                check_slicer(machine.slicer)


def _check_hours(machines: Iterable[Machine], text: str, name: str) -> None:
    for index, machine in enumerate(machines):
        for setting, openings in (("hours", machine.hours), ("attended", machine.attended)):
            with _told_of(("machine", index, setting), text, name):
                week.windows(openings, 0)
        with _told_of(("machine", index, "attended"), text, name):
            week.check_that_a_job_can_begin(machine.hours, machine.attended)


def _check_peer(address: str, path: config_text.Path, text: str, name: str) -> None:
    from ..network.transport import split_address

    with _told_of(path, text, name):
        split_address(address)


def _check_router(endpoint: str, text: str, name: str) -> None:
    from ..finding.delegated_routing import check_endpoint

    with _told_of(("ipfs", "routers"), text, name):
        check_endpoint(endpoint)


@contextmanager
def _told_of(path: config_text.Path, text: str, name: str) -> Generator[None]:
    """Say of a `UsageError` which setting it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{config_text.at(path, text, name)}: {error}") from error
