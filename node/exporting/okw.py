"""A workshop in the words of Open Know-Where, as JSON that Open Hardware Manager reads.

What a machine can do now, which OKW has no words for, stands in one object of our own on each
facility and each piece of equipment, `x_capacity`: others pass over it.
"""

import uuid
from datetime import UTC, datetime

from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Capacity, Machine, Record, Stock, Workshop
from commonfab.scheduler.vocabulary import materials, processes

from ..manifests.findings import Tree

CAPACITY_KEY = "x_capacity"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "commonfab:workshop")
_PER_UNIT = 100
"""Hundredths, in which money is counted, to one."""


def facility(author: NodeId, workshop: Workshop, capacity: Record | None) -> Tree:
    """Return one workshop with its machines. `capacity`: its newest word on them, if it holds."""
    node = peer_text(author)
    place = workshop.place
    lat, lon = place.lat_udeg / 1e6, place.lon_udeg / 1e6
    tree: Tree = {
        "id": str(uuid.uuid5(_NAMESPACE, node)),
        "name": workshop.name,
        "facility_status": "Active",
        "description": workshop.about,
        "owner": {"name": workshop.name},
        "location": {
            "gps_coordinates": f"{lat}, {lon}",
            "coordinates": {"lat": lat, "lon": lon},
        },
        "record_data": {"last_updated": _moment(workshop.at)},
        CAPACITY_KEY: {"node": node, "place_accuracy_m": place.accuracy_m},
    }
    if capacity is None:
        return {**tree, "equipment": []}
    said = capacity.body
    assert isinstance(said, Capacity)
    known = dict.fromkeys(machine.process for machine in said.machines)
    used = dict.fromkeys(held.material for machine in said.machines for held in machine.stock)
    return {
        **tree,
        "manufacturing_processes": [processes.okw_of(process) for process in known],
        "typical_materials": [{"material_type": materials.okw_of(name)} for name in used],
        "equipment": [_equipment(machine, said) for machine in said.machines],
        CAPACITY_KEY: {
            "node": node,
            "place_accuracy_m": place.accuracy_m,
            "ad": capacity.id.hex(),
            "valid_until": _moment(said.until),
            "currency": said.currency,
            "grid_g_per_kwh": said.grid_g_per_kwh,
        },
    }


def _equipment(machine: Machine, said: Capacity) -> Tree:
    x, y, z = (side / 1000 for side in machine.volume_um)
    tree: Tree = {
        "equipment_type": processes.okw_of(machine.process),
        "manufacturing_process": processes.okw_of(machine.process),
        "model": machine.model or machine.id,
        "quantity": 1,
        "x_travel": x,
        "y_travel": y,
        "z_travel": z,
        "build_volume": x * y * z,
        "materials_worked": [
            {"material_type": materials.okw_of(held.material)} for held in machine.stock
        ],
        CAPACITY_KEY: {
            "id": machine.id,
            "process": machine.process,
            "takes_jobs": machine.takes_jobs,
            "free_at": _moment(machine.free_at),
            "speed": machine.speed_permille / 1000,
            "setup_s": machine.setup_seconds,
            "loaded": [_loaded(held) for held in machine.stock],
            "tariff": {
                "hour": machine.price_minor_per_hour / _PER_UNIT,
                "currency": said.currency,
            },
        },
    }
    for key, fact in (
        ("nozzle_size", machine.nozzle_um / 1000),
        ("power_rating", machine.power_w),
    ):
        if fact:
            tree[key] = fact
    return tree


def _loaded(held: Stock) -> Tree:
    return {
        "material": held.material,
        "grams": held.mass_mg / 1000,
        "price_per_kg": held.price_minor_per_kg / _PER_UNIT,
        **({"lot": held.lot} if held.lot else {}),
        **({"recycled": held.recycled_permille / 1000} if held.recycled_permille else {}),
    }


def _moment(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp / 1000, UTC).isoformat().replace("+00:00", "Z")
