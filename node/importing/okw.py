"""Reads workshops and their machines from what others write for Open Know-Where.

Three shapes are known: Open Hardware Manager's JSON, one facility or a list; the list of fab
labs of the Internet of Production; and GeoJSON of points with names. Keys that are not known
are passed over, and values that make no sense are left out.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from commonfab.protocol.encoding import plain_text
from commonfab.protocol.errors import UsageError
from commonfab.scheduler.vocabulary import materials, processes

from ..machines.settings import Machine, Material
from ..manifests.findings import Tree

FILE_BYTES_MAX = 64 << 20
FACILITIES_MAX = 100_000
EQUIPMENT_MAX = 1000
_QUANTITY_MAX = 20
"""Of one kind of machine; OKW's lists count them, and here each is one."""
_NAME_CHARS_MAX = 120
_SIDES = ("x_travel", "y_travel", "z_travel")
_SIDE_MM_MAX = 100_000
_MATERIALS_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """Machines of one kind."""

    name: str
    process: str
    """An id of the vocabulary, or a word of its own; empty: not said."""
    quantity: int = 1
    volume_mm: tuple[float, float, float] | None = None
    nozzle_mm: float = 0.0
    power_w: int = 0
    materials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A workshop, as somebody else tells it."""

    name: str
    lat: float | None = None
    lon: float | None = None
    place: str = ""
    """Its town and country."""
    status: str = ""
    processes: tuple[str, ...] = ()
    equipment: tuple[Equipment, ...] = ()


def read(path: Path) -> list[Facility]:
    """Return the workshops in a file. Raises `UsageError` for what holds none."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UsageError(f"{path}: is longer than {FILE_BYTES_MAX >> 20} MiB; divide it")
        tree: object = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; check it") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is no JSON: {error}; export it again") from error
    found = [facility for each in _entries(tree) if (facility := _facility(each)) is not None]
    if not found:
        raise UsageError(f"{path}: names no workshop; give a list of OKW facilities, or one")
    if len(found) > FACILITIES_MAX:
        raise UsageError(f"{path}: names more than {FACILITIES_MAX} workshops; divide it")
    return found


def machines(facility: Facility) -> tuple[list[Machine], list[str]]:
    """Return the machines of a workshop as settings, and what could not become one.

    None of them has any material yet, so that none takes a job before its owner says what is
    there.
    """
    made: dict[str, Machine] = {}
    left: list[str] = []
    for each in facility.equipment:
        if not each.process or each.volume_mm is None:
            lacks = "process" if not each.process else "x_travel, y_travel and z_travel"
            left.append(f"{each.name}: does not say its {lacks}; add it with commonfab machine add")
            continue
        for _ in range(each.quantity):
            identifier = _free_id(each.name, made)
            held = each.materials or ("PLA",)
            made[identifier] = Machine(
                id=identifier,
                process=each.process,
                model=each.name,
                volume_mm=each.volume_mm,
                materials=tuple(Material(material=name, grams=0) for name in held),
                nozzle_mm=each.nozzle_mm,
                power_w=each.power_w,
            )
    return list(made.values()), left


def _free_id(name: str, taken: dict[str, Machine]) -> str:
    slug = "-".join(re.findall(r"[a-z0-9]+", name.casefold()))[:56] or "machine"
    if slug not in taken:
        return slug
    return next(each for n in range(2, len(taken) + 3) if (each := f"{slug}-{n}") not in taken)


def _entries(tree: object) -> Iterator[Tree]:
    if isinstance(tree, dict):
        top = cast("Tree", tree)
        for key in ("features", "facilities", "results", "items"):
            if isinstance(top.get(key), list):
                yield from _entries(top[key])
                return
        yield top
    elif isinstance(tree, list):
        for each in cast("list[object]", tree):
            if isinstance(each, dict):
                yield cast("Tree", each)


def _facility(entry: Tree) -> Facility | None:
    """Return one workshop; None if the entry names none."""
    if entry.get("type") == "Feature":
        return _of_feature(entry)
    if isinstance(entry.get("facility"), dict):
        return _of_list(entry)
    name = _name(entry.get("name"))
    if not name:
        return None
    location = _tree(entry.get("location"))
    lat, lon = _point(location)
    address = _tree(location.get("address"))
    town = _name(location.get("city") or address.get("city"))
    country = _name(location.get("country") or address.get("country"))
    given = entry.get("manufacturing_processes")
    return Facility(
        name=name,
        lat=lat,
        lon=lon,
        place=", ".join(filter(None, (town, country))),
        status=_name(entry.get("facility_status")),
        processes=tuple(dict.fromkeys(map(processes.id_of, _words(given)))),
        equipment=tuple(_all_equipment(entry.get("equipment"))),
    )


def _of_feature(entry: Tree) -> Facility | None:
    said = _tree(entry.get("properties"))
    point = _tree(entry.get("geometry")).get("coordinates")
    numbers = cast("list[object]", point) if isinstance(point, list) else []
    lon, lat = (*map(_float, numbers[:2]), None, None)[:2]
    return _plain(said, lat, lon, said)


def _of_list(entry: Tree) -> Facility | None:
    where = _tree(entry.get("geocoding"))
    region = _tree(entry.get("region"))
    named: Tree = {"city": region.get("city_town"), "country": region.get("country")}
    lat, lon = _float(where.get("latitude")), _float(where.get("longitude"))
    return _plain(_tree(entry["facility"]), lat, lon, named)


def _plain(said: Tree, lat: float | None, lon: float | None, where: Tree) -> Facility | None:
    name = _name(said.get("name"))
    if not name:
        return None
    lat, lon = _on_earth(lat, lon)
    place = ", ".join(filter(None, (_name(where.get("city")), _name(where.get("country")))))
    return Facility(name=name, lat=lat, lon=lon, place=place)


def _all_equipment(value: object) -> Iterator[Equipment]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    for entry in entries[:EQUIPMENT_MAX]:
        if isinstance(entry, dict):
            yield _equipment(cast("Tree", entry))


def _equipment(entry: Tree) -> Equipment:
    words = (entry.get("manufacturing_process"), entry.get("equipment_type"))
    ids = [processes.id_of(word) for word in words if isinstance(word, str) and word.strip()]
    # One may be more exact than the other, as a 3D printer that makes by fused filament.
    ids = [each for each in ids if not any(o != each and processes.is_a(o, each) for o in ids)]
    named = " ".join(filter(None, (_name(entry.get("make")), _name(entry.get("model")))))
    sides = [_float(entry.get(key)) for key in _SIDES]
    kept = [side for side in sides if side is not None and 0 < side <= _SIDE_MM_MAX]
    worked = entry.get("materials_worked")
    listed = cast("list[object]", worked) if isinstance(worked, list) else []
    types = [_tree(each).get("material_type", each) for each in listed]
    quantity = _float(entry.get("quantity")) or 1
    return Equipment(
        name=(named or (ids[0] if ids else "machine"))[:_NAME_CHARS_MAX],
        process=ids[0] if ids else "",
        quantity=min(_QUANTITY_MAX, max(1, int(quantity))),
        volume_mm=(kept[0], kept[1], kept[2]) if len(kept) == len(_SIDES) else None,
        nozzle_mm=_within(entry.get("nozzle_size"), 50),
        power_w=int(_within(entry.get("power_rating"), 100_000)),
        materials=tuple(dict.fromkeys(map(materials.id_of, _words(types))))[:_MATERIALS_MAX],
    )


def _point(location: Tree) -> tuple[float | None, float | None]:
    point = _tree(location.get("coordinates"))
    if point:
        lat, lon = point.get("lat", point.get("latitude")), point.get("lon", point.get("longitude"))
        return _on_earth(_float(lat), _float(lon))
    text = location.get("gps_coordinates")
    numbers = text.split(",") if isinstance(text, str) else []
    if len(numbers) != 2:
        return None, None
    return _on_earth(_float(numbers[0]), _float(numbers[1]))


def _on_earth(lat: float | None, lon: float | None) -> tuple[float | None, float | None]:
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return None, None
    return lat, lon


def _tree(value: object) -> Tree:
    return cast("Tree", value) if isinstance(value, dict) else {}


def _words(value: object) -> list[str]:
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    return [name for each in entries if (name := _name(each))]


def _name(value: object) -> str:
    return plain_text(value)[:_NAME_CHARS_MAX].strip() if isinstance(value, str) else ""


def _within(value: object, most: float) -> float:
    number = _float(value)
    return number if number is not None and 0 < number <= most else 0.0


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
