"""What an offer costs its buyer, all counted, and which of several to take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import structs

from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease.windows import length_of, overlap, planned_end
from commonfab.protocol.records import Offer, Order, Place

from .assignment import assign
from .columns import Floats
from .factors import HANDLING_MS, ROAD_G_PER_TKM, ROAD_MS_PER_KM, WINDOW_MS_PER_S
from .formulas import MG_PER_KG, MS_PER_HOUR, road_km
from .places import NOWHERE, distance_m, unit_vector
from .view import STANDING, Snapshot
from .weights import Weights

MWH_PER_KWH = 1_000_000.0
GAIN_SHARE = 0.1
"""Of what a job costs: for less it does not leave the machine that it has."""

Offered = tuple[NodeId, RecordId, Offer]


@dataclass(frozen=True, slots=True)
class Choice:
    """One offer for one job."""

    job: int
    owner: NodeId
    id: RecordId
    offer: Offer
    minor: float

    def rank(self) -> tuple[float, int, RecordId]:
        """Order by cost, then by the earlier end, then by the lower id (SCHED-11)."""
        return self.minor, self.offer.end, self.id


def choices(
    view: Snapshot,
    job: int,
    mass_mg: int,
    place: Place,
    by: int,
    offers: Sequence[Offered],
    now: Timestamp,
    weights: Weights,
) -> list[Choice]:
    """Return the offers for a job that can be taken now, with what each costs."""
    valid = [
        offered
        for offered in offers
        if offered[2].currency == weights.currency
        and offered[2].held_until > now
        and offered[2].end > offered[2].start
    ]
    minor = _cost(view, mass_mg, place, by, valid, now, weights)
    return [
        Choice(job, owner, identifier, offer, cost)
        for (owner, identifier, offer), cost in zip(valid, minor.tolist(), strict=True)
    ]


def better(
    view: Snapshot,
    mass_mg: int,
    order: Order,
    has: Offered,
    offers: Sequence[Offered],
    now: Timestamp,
    weights: Weights,
) -> RecordId | None:
    """Return the offer that is worth leaving for what a job has: it costs less by `GAIN_SHARE`
    of that, all counted. Of several the cheapest; None: there is none (SCHED-30)."""
    open_until = structs.replace(has[2], held_until=now + 1)
    asked = 0, mass_mg, order.place, order.by
    present = choices(view, *asked, [(has[0], has[1], open_until)], now, weights)
    found = min(choices(view, *asked, offers, now, weights), key=Choice.rank, default=None)
    if found is None or not present:
        return None
    return found.id if found.minor <= present[0].minor * (1.0 - GAIN_SHARE) else None


def likely_end(offer: Offer) -> int:
    """Return when the job of an offer will probably be made, in ms since 1970: as it is planned,
    without the margin of its length (SCHED-31)."""
    length_ms = length_of(offer)
    return planned_end(offer) - length_ms + round(length_ms * 1000.0 / WINDOW_MS_PER_S.value)


def pick(choices: Sequence[Choice]) -> dict[int, RecordId]:
    """Return the cheapest way to give as many jobs as possible an offer each (SCHED-11).

    Offers for windows that overlap on one machine (LEASE-1) exclude each other, whatever
    their owner says; an honest owner makes no such offers.
    """
    choices = sorted(choices, key=Choice.rank)
    window = _windows(choices)
    best: dict[int, Choice] = {}
    for choice in choices:
        best.setdefault(choice.job, choice)
    if len({window[choice.id] for choice in best.values()}) < len(best):
        best = _assigned(choices, window)
    return {job: best[job].id for job in sorted(best)}


def _assigned(choices: Sequence[Choice], window: dict[RecordId, int]) -> dict[int, Choice]:
    """Return the same where the best offers exclude each other. The choices are ranked."""
    row = {job: at for at, job in enumerate(sorted({choice.job for choice in choices}))}
    cost = np.full((len(row), len(set(window.values()))), np.inf)
    best: dict[tuple[int, int], Choice] = {}
    for rank, choice in enumerate(choices):
        at = row[choice.job], window[choice.id]
        if at not in best:
            best[at] = choice
            # Ranks settle ties; all of them together are a ten-thousandth of a minor unit.
            cost[at] = choice.minor + rank * 1e-4 / (len(choices) * len(row))
    taken = assign(cost)
    return {job: best[at, int(taken[at])] for job, at in row.items() if taken[at] >= 0}


def _windows(choices: Sequence[Choice]) -> dict[RecordId, int]:
    """Return for each offer the number of its window; offers that exclude each other share one."""
    windows: dict[RecordId, int] = {}
    machine, earlier = (b"", ""), list[Choice]()
    for choice in sorted(choices, key=lambda c: (c.owner, c.offer.machine, c.offer.start, c.id)):
        if (choice.owner, choice.offer.machine) != machine:
            machine, earlier = (choice.owner, choice.offer.machine), []
        # One that is over before this one starts is over before all that follow.
        earlier = [other for other in earlier if other.offer.end > choice.offer.start]
        shared = {windows[o.id] for o in earlier if overlap(o.offer, choice.offer)}
        number = min(shared, default=len(windows))
        if len(shared) > 1:
            windows = {id_: number if w in shared else w for id_, w in windows.items()}
        windows[choice.id] = number
        earlier.append(choice)
    numbers = {window: number for number, window in enumerate(dict.fromkeys(windows.values()))}
    return {identifier: numbers[window] for identifier, window in windows.items()}


def _cost(
    view: Snapshot,
    mass_mg: int,
    place: Place,
    by: int,
    offers: Sequence[Offered],
    now: Timestamp,
    weights: Weights,
) -> Floats:
    owners = [view.owners.get(owner) for owner, _, _ in offers]
    places = [owner.place if owner else None for owner in owners]
    placed = np.array([at is not None for at in places], np.bool_)
    x, y, z = np.array([at or NOWHERE for at in places]).reshape(-1, 3).T
    to = [np.full(len(offers), part) for part in unit_vector(place)]
    measured = distance_m((x, y, z), (to[0], to[1], to[2]))
    km = road_km(np.where(placed, measured, weights.unknown_place_km * 1000.0))
    end = np.array([likely_end(offer) for _, _, offer in offers], np.float64)
    price = np.array([offer.price_minor for _, _, offer in offers], np.float64)
    energy_kwh = np.array([o.energy_mwh for _, _, o in offers], np.float64) / MWH_PER_KWH
    machine_g = np.array([offer.co2e_mg for _, _, offer in offers], np.float64) / 1000.0
    standing = np.array([owner.standing if owner else STANDING for owner in owners], np.float64)

    kilograms = mass_mg / MG_PER_KG
    per_km = weights.transport_minor_per_km + weights.transport_minor_per_kg_km * kilograms
    co2e_g = machine_g + kilograms / 1000.0 * km * ROAD_G_PER_TKM.value
    arrival = end + (HANDLING_MS.value + km * ROAD_MS_PER_KM.value)
    earliest = np.where(placed, arrival, end + HANDLING_MS.value)
    late = np.maximum(earliest - by, 0.0) if by else np.zeros(len(offers))
    return (
        price
        + (weights.transport_minor + km * per_km)
        + energy_kwh * weights.energy_minor_per_kwh
        + co2e_g * (weights.carbon_minor_per_kg / 1000.0)
        + np.maximum(arrival - now, 0.0) / MS_PER_HOUR * weights.waiting_minor_per_hour
        + late / MS_PER_HOUR * weights.lateness_minor_per_hour
        + (1.0 - standing) * (weights.trust_minor + weights.trust_share * price)
    )
