"""What a workshop's own machines would take for a request: the numbers of an offer.

The formulas are those of the kernel, in integers and fractions, because an offer is
signed and two nodes must read the same in it. Whatever is paid or waited for is rounded
up, energy and CO2e to the nearest unit (SCHED-10).
"""

from collections.abc import Callable
from fractions import Fraction
from math import ceil

from commonfab.protocol.hours import timetable
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.slots import Quote
from commonfab.protocol.limits import LEASE_TERM_MS_MAX
from commonfab.protocol.records import Capacity, Machine, Part, Request

from . import reasons
from .factors import WINDOW_MARGIN_MS, WINDOW_MS_PER_S
from .licences import allows
from .stock import stock_of
from .terms import NO_TERMS, Terms

REASON_CHARS_MAX = 1_000
"""Half of what a refusal may hold."""

_SAYABLE = 2**53
"""The largest number in a record."""


class Quoter:
    """Knows the machines of this node's own workshop, as its newest capacity record says."""

    def __init__(
        self,
        capacity: Capacity,
        knows: Callable[[NodeId], bool] | None = None,
        terms: Callable[[Machine, Request], Terms] | None = None,
    ) -> None:
        """`knows` tells whose jobs are taken where a machine makes for known nodes only; without
        it, all are known. `terms` tells what the owner alone knows of a job."""
        self._capacity = capacity
        self._knows = knows
        self._terms = terms

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        """Return a quote for each machine that fits, or one sentence: why none does.

        When there is time for it is not asked here: the owner's queue says that, and whether
        it is in time, the buyer.
        """
        machines = self._capacity.machines
        answers = [(machine, self._quote(machine, request, buyer)) for machine in machines]
        quotes = [answer for _, answer in answers if isinstance(answer, Quote)]
        if quotes:
            return quotes
        if not answers:
            return "This workshop has no machines."
        said = "; ".join(f"{machine.id} {answer}" for machine, answer in answers) + "."
        if len(said) > REASON_CHARS_MAX:
            said = said[: REASON_CHARS_MAX - 3] + "..."
        return said

    def _quote(self, machine: Machine, request: Request, buyer: NodeId) -> Quote | str:
        part, pieces = request.part, request.pieces
        refusal = _unable(machine, part, pieces) or self._unwilling(machine, part, buyer)
        if refusal:
            return refusal
        terms = self._terms(machine, request) if self._terms else NO_TERMS
        ordinary = Fraction(pieces * part.seconds * 1000, machine.speed_permille)
        made_in = ordinary if terms.seconds is None else terms.seconds
        seconds = machine.setup_seconds + made_in
        duration_ms = ceil(seconds * round(WINDOW_MS_PER_S.value) + round(WINDOW_MARGIN_MS.value))
        # The queue may have a gap, or be shorter than this record says, so only a machine
        # that could not even if it were free is ruled out.
        if duration_ms > LEASE_TERM_MS_MAX:
            return reasons.horizon(duration_ms, LEASE_TERM_MS_MAX)
        longest_ms = timetable(machine.hours, machine.attended).longest_ms()
        if duration_ms > longest_ms:
            return reasons.hours(longest_ms, duration_ms)

        mass_mg = pieces * part.mass_mg if terms.mass_mg is None else terms.mass_mg
        _, price_per_kg = stock_of(machine)[part.material]
        energy_wh = machine.power_w * seconds / 3600
        quote = Quote(
            machine=machine.id,
            duration_ms=duration_ms,
            price_minor=terms.tariff.price_minor(
                seconds * machine.price_minor_per_hour / 3600
                + Fraction(mass_mg * price_per_kg, 1_000_000),
                pieces,
            ),
            currency=self._capacity.currency,
            machine_seconds=ceil(seconds),
            mass_mg=mass_mg,
            energy_mwh=_nearest(energy_wh * 1000),
            co2e_mg=_nearest(energy_wh * self._capacity.grid_g_per_kwh),
        )
        largest = max(quote.price_minor, quote.mass_mg, quote.energy_mwh, quote.co2e_mg)
        return quote if largest <= _SAYABLE else "would need numbers too large for an offer"

    def _unwilling(self, machine: Machine, part: Part, buyer: NodeId) -> str:
        """Return by which house rule a job is not taken, if any."""
        if not machine.takes_jobs:
            return reasons.takes_jobs()
        if not allows(machine.licences, part.licence):
            return reasons.licence(machine.licences, part.licence)
        if machine.makes_for == "known" and not (self._knows is None or self._knows(buyer)):
            return reasons.makes_for()
        return ""


def _unable(machine: Machine, part: Part, pieces: int) -> str:
    """Return why a machine cannot make these pieces, whoever asks; nothing if it can."""
    stock, mass_mg = stock_of(machine), pieces * part.mass_mg
    if machine.process != part.process:
        return reasons.process(machine.process, part.process)
    if _is_too_big(part.bbox_um, machine.volume_um):
        return reasons.volume(part.bbox_um, machine.volume_um)
    if part.material not in stock:
        return reasons.material(sorted(stock), part.material)
    held_mg, _ = stock[part.material]
    if held_mg < mass_mg:
        return reasons.stock(part.material, held_mg, mass_mg)
    if part.nozzle_um and machine.nozzle_um > part.nozzle_um:
        return reasons.nozzle(machine.nozzle_um, part.nozzle_um)
    if part.tolerance_um and machine.tolerance_um > part.tolerance_um:
        return reasons.tolerance(machine.tolerance_um, part.tolerance_um)
    if 0 < machine.temperature_c < part.temperature_c:
        return reasons.temperature(machine.temperature_c, part.temperature_c)
    return ""


def _is_too_big(needed_um: tuple[int, int, int], given_um: tuple[int, int, int]) -> bool:
    return any(n > g for n, g in zip(sorted(needed_um), sorted(given_um), strict=True))


def _nearest(amount: Fraction) -> int:
    """Return the nearest integer, of two the upper."""
    return (amount + Fraction(1, 2)).__floor__()
