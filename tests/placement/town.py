"""A town to place jobs in: workshops where real fab labs are, their machines, and three days of
orders. The same seed gives the same town.

The places are those of fab labs in Europe, where the data is at hand; else they are drawn.
"""

import json
from dataclasses import dataclass
from math import log
from random import Random

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.protocol.records import Machine, Part, Place, Stock
from commonfab.scheduler.columns import Floats
from tests.real_data import real_data

REAL = real_data("okw") / "fablabs_2036.geojson"
BEGIN = Timestamp(1_795_000_000_000)
"""When the first order may come."""
PRINT_H_MEDIAN, PRINT_H_P99 = 2.0, 30.0
"""Of one piece."""
MORE_PIECES = 0.6
"""How often one more piece is wanted, and one more after it: two and a half on average."""
JOB_H_MAX = 72.0
MULTI_PART = 0.05
"""Orders of two to `PARTS_MAX` different parts; all others are for one."""
PARTS_MAX = 9
NOISE = 0.15
"""Standard deviation of how long a job really takes, as a share of its estimate."""
FAILURES = 0.04
ATTEMPTS_MAX = 32
"""Attempts whose fate is drawn; further ones share it with earlier ones."""
EUROPE = (-11.0, 35.0, 32.0, 62.0)
"""West, south, east, north; in degrees."""
PRINTING = "fff-printing"
MATERIALS = {"PLA": 0.55, "PETG": 0.25, "ABS": 0.1, "TPU": 0.1}
"""What is asked for, with its share."""

_NORMAL_P99 = 2.326
_STOCKED = {"PLA": 0.95, "PETG": 0.6, "ABS": 0.35, "TPU": 0.3}
"""The share of machines that have it."""
_VOLUMES_MM = ((180, 180, 180), (200, 200, 200), (234, 220, 250), (250, 210, 210), (300, 300, 320))
"""Of desktop printers: the quartiles of 300 models, and two between."""
_PLENTY_MG = 10**9


@dataclass(frozen=True, slots=True)
class Shop:
    """One workshop, as it is before its first job."""

    name: str
    place: Place
    grid_g_per_kwh: int
    machines: tuple[Machine, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """One order before it is signed: one design, a job for each of its parts."""

    buyer: int
    """The shop whose node orders."""
    at: Timestamp
    place: Place
    by: int
    parts: tuple[Part, ...]
    first_job: int
    """The number of its first part's job; the others follow."""


@dataclass(frozen=True, slots=True)
class Town:
    shops: list[Shop]
    wishes: list[Wish]
    """By time."""
    jobs: int
    load: float
    noise: Floats
    """(jobs, attempts): the real machine time as a share of the estimate."""
    fails_at: Floats
    """(jobs, attempts): after which share of it the job fails; above 1: it does not."""

    def machines(self) -> list[tuple[int, Machine]]:
        """Return all machines, each with the number of its shop."""
        return [(number, m) for number, shop in enumerate(self.shops) for m in shop.machines]

    def wanted(self) -> list[tuple[Wish, Part]]:
        """Return the jobs by their number."""
        return [(wish, part) for wish in self.wishes for part in wish.parts]

    def taken_share(self, job: int, attempt: int) -> tuple[float, bool]:
        """Return how much of its estimate a job takes in an attempt (from 0), and if it is good."""
        column = attempt % ATTEMPTS_MAX
        noise, fails_at = float(self.noise[job, column]), float(self.fails_at[job, column])
        return noise * min(1.0, fails_at), fails_at >= 1.0


def a_town(
    seed: int, *, load: float, shops: int = 500, machines_each: float = 4.0, days: float = 3.0
) -> Town:
    """Return a town whose orders keep all its machines busy for `load` of the days."""
    random = Random(seed)
    places = real_places() or drawn_places(random, 2 * shops)
    chosen = random.sample(places, shops) if len(places) >= shops else drawn_places(random, shops)
    counts = _counts(random, shops, round(shops * machines_each))
    built = [
        Shop(f"workshop {n}", place, random.randint(30, 700), _machines(random, count))
        for n, (place, count) in enumerate(zip(chosen, counts, strict=True))
    ]
    span_ms = int(days * DAY_MS)
    power = sum(m.speed_permille / 1000 for shop in built for m in shop.machines)
    wishes, jobs = _wishes(random, built, load * power * span_ms / HOUR_MS, span_ms)
    draw = np.random.default_rng(seed)
    noise = np.clip(1.0 + NOISE * draw.standard_normal((jobs, ATTEMPTS_MAX)), 0.5, 2.0)
    fails = draw.random((jobs, ATTEMPTS_MAX)) < FAILURES
    fails_at = np.where(fails, draw.uniform(0.05, 0.95, (jobs, ATTEMPTS_MAX)), 2.0)
    return Town(built, wishes, jobs, load, noise, fails_at)


def real_places() -> list[Place]:
    """Return where the fab labs of Europe are; nothing where the data is not at hand."""
    if not REAL.exists():
        return []
    west, south, east, north = EUROPE
    features = json.loads(REAL.read_text())["features"]
    points = [feature["geometry"]["coordinates"] for feature in features]
    return [
        Place(lat_udeg=round(lat * 1e6), lon_udeg=round(lon * 1e6))
        for lon, lat in points
        if west <= lon <= east and south <= lat <= north
    ]


def drawn_places(random: Random, count: int) -> list[Place]:
    """Return places around a few towns."""
    west, south, east, north = EUROPE
    towns = [(random.uniform(south, north), random.uniform(west, east)) for _ in range(12)]
    return [_near(random, *random.choice(towns), degrees=1.5) for _ in range(count)]


def _near(random: Random, lat: float, lon: float, degrees: float) -> Place:
    return Place(
        lat_udeg=round(1e6 * max(-89.0, min(89.0, random.gauss(lat, degrees)))),
        lon_udeg=round(1e6 * max(-179.0, min(179.0, random.gauss(lon, degrees)))),
    )


def _counts(random: Random, shops: int, machines: int) -> list[int]:
    """Return how many machines each shop has: one at least, and few have many."""
    counts = [1] * shops
    weights = [random.paretovariate(1.5) for _ in range(shops)]
    for shop in random.choices(range(shops), weights, k=machines - shops):
        counts[shop] += 1
    return counts


def _machines(random: Random, count: int) -> tuple[Machine, ...]:
    return tuple(_machine(random, f"m{number}") for number in range(count))


def _machine(random: Random, name: str) -> Machine:
    """Return a printer. One in twenty is large and has every material."""
    has_all = random.random() < 0.05
    stock = tuple(
        Stock(
            material=material, mass_mg=_PLENTY_MG, price_minor_per_kg=random.randint(1_800, 4_000)
        )
        for material, share in _STOCKED.items()
        if random.random() < share or has_all
    )
    width, depth, height = _VOLUMES_MM[-1] if has_all else random.choice(_VOLUMES_MM)
    return Machine(
        id=name,
        process=PRINTING,
        volume_um=(width * 1000, depth * 1000, height * 1000),
        stock=stock,
        speed_permille=round(1000 * min(2.5, max(0.5, random.lognormvariate(0.0, 0.25)))),
        setup_seconds=random.randint(300, 1_500),
        price_minor_per_hour=round(min(800, random.lognormvariate(log(200), 0.5))),
        power_w=random.randint(60, 350),
        free_at=0,
    )


def _wishes(
    random: Random, shops: list[Shop], hours: float, span_ms: int
) -> tuple[list[Wish], int]:
    """Return orders for so many hours of ordinary machine time, and their number of jobs."""
    drawn: list[tuple[int, tuple[Part, ...]]] = []
    while hours > 0:
        several = random.random() < MULTI_PART
        count = random.randint(2, PARTS_MAX) if several else 1
        parts = tuple(_part(random, f"part {number}") for number in range(count))
        hours -= sum(part.pieces * part.seconds for part in parts) / 3_600
        drawn.append((random.randrange(span_ms), parts))
    wishes: list[Wish] = []
    jobs = 0
    for after_ms, parts in sorted(drawn, key=lambda each: each[0]):
        buyer = random.randrange(len(shops))
        home = shops[buyer].place
        at = Timestamp(BEGIN + after_ms)
        longest_ms = max(part.pieces * part.seconds for part in parts) * 1000
        by = at + 2 * longest_ms + DAY_MS + random.randrange(6 * DAY_MS)
        place = _near(random, home.lat_udeg / 1e6, home.lon_udeg / 1e6, degrees=0.3)
        wishes.append(Wish(buyer, at, place, by, parts, jobs))
        jobs += len(parts)
    return wishes, jobs


def _part(random: Random, name: str) -> Part:
    sigma = log(PRINT_H_P99 / PRINT_H_MEDIAN) / _NORMAL_P99
    hours = min(JOB_H_MAX, random.lognormvariate(log(PRINT_H_MEDIAN), sigma))
    pieces = 1
    while random.random() < MORE_PIECES and (pieces + 1) * hours <= JOB_H_MAX:
        pieces += 1
    mass_g = 12.0 * hours * random.lognormvariate(0.0, 0.3)
    side = 40.0 * (mass_g / 20.0) ** (1 / 3)
    box = [min(290.0, side * random.lognormvariate(0.0, 0.35)) for _ in range(3)]
    return Part(
        name=name,
        file=f"{name}.stl",
        process=PRINTING,
        material=random.choices(list(MATERIALS), list(MATERIALS.values()))[0],
        pieces=pieces,
        bbox_um=(round(1000 * box[0]), round(1000 * box[1]), round(1000 * box[2])),
        volume_mm3=round(mass_g * 800),
        area_mm2=round(mass_g * 400),
        watertight=True,
        seconds=max(300, round(hours * 3_600)),
        mass_mg=round(1000 * mass_g),
    )
