"""Jobs on machines, told as a way to have an order made."""

from collections.abc import Sequence
from math import ceil

from ..formulas import MG_PER_KG, road_km
from ..view import Snapshot
from ..weights import Weights
from .town import Put
from .ways import Journey, Making, Way


def tell(
    made: Sequence[Put],
    joining: Sequence[Put],
    view: Snapshot,
    by: int,
    profile: str,
    usual: Weights,
) -> Way:
    """Return what the buyer hears of it. `joining` has the jobs that come after the others.

    A profile may count a kilometre for ten, and is still told what it costs: by `usual`.
    """
    makings = [_making(put, view, usual) for put in (*made, *joining)]
    there_ms = max(_arrival_ms(put) for put in joining or made)
    return Way(
        profiles=(profile,),
        currency=usual.currency,
        price_minor=sum(each.price_minor + each.transport_minor for each in makings),
        there_ms=there_ms,
        co2e_mg=sum(each.co2e_mg for each in makings),
        makings=tuple(makings),
        journeys=(*_journeys(made, view), *_journeys(joining, view)),
        joined_by=view.workshop(joining[-1].row) if joining else "",
        late_ms=max(0, there_ms - by) if by else 0,
    )


def _making(put: Put, view: Snapshot, usual: Weights) -> Making:
    return Making(
        part=put.want.part.name,
        pieces=put.want.pieces,
        owner=view.authors[put.row].hex(),
        workshop=view.workshop(put.row),
        machine=view.ids[put.row],
        start_ms=round(put.fact("start_ms")),
        ready_ms=ceil(put.fact("ready_ms")),
        arrival_ms=_arrival_ms(put),
        price_minor=ceil(_price(put, usual)),
        transport_minor=ceil(_transport(put, usual)),
        distance_m=_distance_m(put, view),
        mass_mg=_mass_mg(put),
        co2e_mg=round(put.fact("co2e_g") * 1000),
    )


def _price(put: Put, usual: Weights) -> float:
    energy = put.fact("energy_kwh") * usual.energy_minor_per_kwh
    return put.term("machine") + put.term("material") + energy


def _transport(put: Put, usual: Weights) -> float:
    kilograms = _mass_mg(put) / MG_PER_KG
    per_km = usual.transport_minor_per_km + usual.transport_minor_per_kg_km * kilograms
    return usual.transport_minor + road_km(put.fact("distance_m")) * per_km


def _journeys(puts: Sequence[Put], view: Snapshot) -> list[Journey]:
    """Return what leaves each workshop for one place."""
    by_owner: dict[bytes, list[Put]] = {}
    for put in puts:
        by_owner.setdefault(view.authors[put.row], []).append(put)
    return [_journey(each, view) for each in by_owner.values()]


def _journey(puts: Sequence[Put], view: Snapshot) -> Journey:
    goods: dict[str, int] = {}
    for put in puts:
        goods[put.want.part.name] = goods.get(put.want.part.name, 0) + put.want.pieces
    return Journey(
        workshop=view.workshop(puts[0].row),
        owner=view.authors[puts[0].row].hex(),
        goods=tuple(f"{pieces} x {name}" for name, pieces in goods.items()),
        deliveries=len(puts),
        distance_m=_distance_m(puts[0], view),
        mass_mg=sum(map(_mass_mg, puts)),
        arrival_ms=max(map(_arrival_ms, puts)),
    )


def _arrival_ms(put: Put) -> int:
    return ceil(put.fact("arrival_ms"))


def _mass_mg(put: Put) -> int:
    return put.want.pieces * put.want.part.mass_mg


def _distance_m(put: Put, view: Snapshot) -> int | None:
    return round(put.fact("distance_m")) if view.machines.placed[put.row] else None
