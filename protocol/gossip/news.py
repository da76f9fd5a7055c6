"""When a workshop's capacity has changed enough that others should hear of it.

Others place work by this record and then ask for a firm offer, so what only shifts by a little
may wait until the record is renewed before it expires. Rules: specs/gossip.md.
"""

from ..records import Capacity, Machine, Stock

FREE_MOVED_MS = 60_000
"""A queue that ends so much earlier or later is news, if it is also a tenth of its length."""
FREE_MOVED_PART = 10
STOCK_MOVED_PART = 10
"""Stock that is more or less by a tenth is news; so is stock that has run out."""


def is_news(said: Capacity, now_is: Capacity) -> bool:
    """Tell whether `now_is`, of later, says what those who know `said` should hear at once."""
    if (said.currency, said.grid_g_per_kwh) != (now_is.currency, now_is.grid_g_per_kwh):
        return True
    before = {machine.id: machine for machine in said.machines}
    after = {machine.id: machine for machine in now_is.machines}
    return before.keys() != after.keys() or any(
        _has_changed(before[machine], after[machine], now_is.at) for machine in after
    )


def _has_changed(before: Machine, after: Machine, now: int) -> bool:
    return (
        _description(before) != _description(after)
        or _has_moved(before.free_at, after.free_at, now)
        or _stock_has_changed(before.stock, after.stock)
    )


def _description(machine: Machine) -> tuple[object, ...]:
    """Return what changes only because somebody changes it."""
    return (
        machine.process,
        machine.model,
        machine.volume_um,
        machine.speed_permille,
        machine.setup_seconds,
        machine.price_minor_per_hour,
        machine.power_w,
        machine.takes_jobs,
    )


def _has_moved(before: int, after: int, now: int) -> bool:
    """Compare when a queue ends; a machine that is free is free now."""
    before, after = max(before, now), max(after, now)
    moved_ms = abs(after - before)
    return moved_ms > FREE_MOVED_MS and moved_ms * FREE_MOVED_PART > max(before, after) - now


def _stock_has_changed(before: tuple[Stock, ...], after: tuple[Stock, ...]) -> bool:
    old = {stock.material: stock for stock in before}
    new = {stock.material: stock for stock in after}
    if old.keys() != new.keys():
        return True
    return any(
        old[name].price_minor_per_kg != stock.price_minor_per_kg
        or bool(old[name].mass_mg) != bool(stock.mass_mg)
        or abs(old[name].mass_mg - stock.mass_mg) * STOCK_MOVED_PART > old[name].mass_mg
        for name, stock in new.items()
    )
