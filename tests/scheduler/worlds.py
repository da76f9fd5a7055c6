"""Parts, machines and whole towns to place jobs in: valid by default, random by seed."""

from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import Any

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.records import Capacity, Machine, Part, Place, Stock, Workshop
from commonfab.scheduler.problem import Want
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import CapacityView

NOON = Timestamp(1_700_000_000_000)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PLA, PETG, PLYWOOD = "PLA", "PETG", "plywood"
PRINTING, LASER = "fff-printing", "laser-cutting"
LICENCE = "CERN-OHL-S-2.0"
ALWAYS = ((0, 7 * 24 * 60),)
"""Hours of a machine: all week."""
OFFICE_HOURS = tuple((day * 1440 + 9 * 60, day * 1440 + 18 * 60) for day in range(5))
BERLIN = Place(lat_udeg=52_520_000, lon_udeg=13_405_000)
HAMBURG = Place(lat_udeg=53_551_000, lon_udeg=9_993_000)


def node(name: str) -> NodeId:
    return NodeId(sha256(name.encode()).digest())


def a_part(**changes: Any) -> Part:
    """Any: the fields of `Part`, which checks them."""
    fields: dict[str, Any] = {
        "name": "bracket",
        "file": "bracket.stl",
        "process": PRINTING,
        "material": PLA,
        "bbox_um": (120_000, 80_000, 60_000),
        "volume_mm3": 40_000,
        "area_mm2": 20_000,
        "watertight": True,
        "seconds": 3_600,
        "mass_mg": 50_000,
        "licence": LICENCE,
    }
    return Part(**fields | changes)


def a_machine(**changes: Any) -> Machine:
    """Any: the fields of `Machine`."""
    fields: dict[str, Any] = {
        "id": "mk3",
        "process": PRINTING,
        "volume_um": (250_000, 210_000, 210_000),
        "stock": (Stock(material=PLA, mass_mg=1_000_000, price_minor_per_kg=2_000),),
        "price_minor_per_hour": 150,
        "power_w": 100,
        "free_at": 0,
        "hours": ALWAYS,
        "attended": ALWAYS,
        "licences": (LICENCE,),
        "makes_for": "everyone",
    }
    return Machine(**fields | changes)


def a_capacity(*machines: Machine, **changes: Any) -> Capacity:
    """Any: the fields of `Capacity`."""
    fields: dict[str, Any] = {
        "stream": "capacity",
        "seq": 1,
        "at": NOON,
        "until": NOON + 300_000,
        "currency": "EUR",
        "grid_g_per_kwh": 380,
        "machines": machines,
    }
    return Capacity(**fields | changes)


def a_workshop(place: Place = BERLIN, **changes: Any) -> Workshop:
    """Any: the fields of `Workshop`."""
    fields: dict[str, Any] = {
        "stream": "workshop",
        "seq": 1,
        "at": NOON,
        "name": "Motion Lab",
        "place": place,
    }
    return Workshop(**fields | changes)


def a_view(workshops: Sequence[Known]) -> CapacityView:
    standing = {known.author: known.standing for known in workshops}
    tier = {known.author: known.tier for known in workshops}
    view = CapacityView(lambda author: standing[author], lambda author: tier[author])
    for known in workshops:
        if known.workshop:
            view.update_workshop(known.author, known.workshop)
        view.update_capacity(known.author, known.capacity)
    return view


def a_town(workshops: int, seed: int, machines_each: int = 4) -> list[Known]:
    """Return workshops in Europe with machines of several kinds, never two alike."""
    random = Random(seed)
    return [_known(random, index, machines_each) for index in range(workshops)]


def wants_of(count: int, seed: int, *, dated: float = 0.2) -> list[Want]:
    """Return jobs all over Europe; a share of them has a date."""
    random = Random(seed)
    return [_want(random, dated) for _ in range(count)]


def _place(random: Random) -> Place:
    return Place(
        lat_udeg=random.randint(40_000_000, 60_000_000),
        lon_udeg=random.randint(-5_000_000, 25_000_000),
    )


def _known(random: Random, index: int, machines: int) -> Known:
    return Known(
        author=node(f"workshop {index}"),
        capacity=a_capacity(
            *(_machine(random, str(number)) for number in range(machines)),
            grid_g_per_kwh=random.randint(20, 700),
        ),
        workshop=a_workshop(_place(random)),
        standing=random.random(),
    )


def _machine(random: Random, name: str) -> Machine:
    process = random.choice([PRINTING, PRINTING, PRINTING, LASER])
    materials = [PLYWOOD, "PMMA"] if process == LASER else [PLA, PETG, "ABS", "TPU"]
    return a_machine(
        id=name,
        process=process,
        volume_um=tuple(random.randint(100_000, 420_000) for _ in range(3)),
        stock=tuple(
            Stock(
                material=material,
                mass_mg=random.randint(0, 3_000_000),
                price_minor_per_kg=random.randint(1_500, 6_000),
            )
            for material in random.sample(materials, random.randint(1, 2))
        ),
        speed_permille=random.randint(400, 3_000),
        setup_seconds=random.randint(60, 1_200),
        price_minor_per_hour=random.randint(50, 800),
        power_w=random.randint(60, 1_500),
        free_at=NOON + random.randint(-DAY_MS, 5 * DAY_MS),
        takes_jobs=random.random() < 0.9,
    )


def _want(random: Random, dated: float) -> Want:
    process = random.choice([PRINTING, PRINTING, PRINTING, LASER])
    seconds = int(min(30 * 3_600, random.lognormvariate(8.5, 1.0)))
    part = a_part(
        process=process,
        material=random.choice(
            [PLYWOOD, "PMMA"] if process == LASER else [PLA, PETG, "ABS", "TPU"]
        ),
        bbox_um=tuple(int(min(400_000, random.lognormvariate(11.3, 0.6))) for _ in range(3)),
        seconds=seconds,
        mass_mg=random.randint(5_000, 200_000),
    )
    by = NOON + random.randint(HOUR_MS, 10 * DAY_MS) if random.random() < dated else 0
    return Want(part, random.randint(1, 5), _place(random), by)
