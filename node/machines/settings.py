"""What the operator says of a machine: a `[[machine]]` in `commonfab.toml`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from commonfab.protocol import records
from commonfab.protocol.limits import MATERIALS_PER_MACHINE_MAX, WINDOWS_PER_WEEK_MAX
from commonfab.scheduler import terms
from commonfab.scheduler.vocabulary import materials, processes

from ..energy.settings import Watts
from ..home.forms import Amount, Lot, MachineId, Name, Text, Word
from ..slicing.settings import Slicer

Millimetres = Annotated[float, Meta(ge=0.001, le=100_000)]


class Material(Struct, frozen=True, kw_only=True):
    """Some material at a machine; grams, money for a kilogram, and where it comes from."""

    material: Name
    grams: Amount
    price_per_kg: Amount = 0.0
    lot: Lot = ""
    recycled_percent: Annotated[float, Meta(ge=0, le=100)] = 0.0

    def __post_init__(self) -> None:
        # A known material has one name, however its owner calls it.
        structs.force_setattr(self, "material", materials.id_of(self.material))


class Step(Struct, frozen=True, kw_only=True):
    """From so many pieces on, so many percent off time and material."""

    pieces: Annotated[int, Meta(ge=2, le=1_000_000)]
    percent_off: Annotated[int, Meta(ge=0, le=100)]


class Tariff(Struct, frozen=True, kw_only=True):
    """What an offer asks besides the prices of time and material."""

    setup: Annotated[Amount, Meta(description="For each job.")] = 0.0
    minimum: Annotated[Amount, Meta(description="No job costs less.")] = 0.0
    steps: Annotated[
        tuple[Step, ...],
        Meta(max_length=16, description="[{pieces = 10, percent_off = 15}]: off what is larger."),
    ] = ()
    gift: Annotated[bool, Meta(description="Whether it asks for nothing.")] = False

    def terms(self) -> terms.Tariff:
        return terms.Tariff(
            setup_minor=round(self.setup * 100),
            minimum_minor=round(self.minimum * 100),
            steps=tuple(terms.Step(step.pieces, step.percent_off) for step in self.steps),
            gift=self.gift,
        )


class Machine(Struct, frozen=True, kw_only=True):
    id: Annotated[MachineId, Meta(description="Its name in this workshop.")]
    driver: Annotated[
        Literal["virtual"], Meta(description="How this node speaks to it; virtual is a simulation.")
    ] = "virtual"
    process: Annotated[Word, Meta(description="Such as fff-printing, laser-cutting, cnc-milling.")]
    model: Annotated[Text, Meta(description="Maker and type, for people.")] = ""
    volume_mm: Annotated[
        tuple[Millimetres, Millimetres, Millimetres],
        Meta(description="The largest box that fits: x, y, z in millimetres."),
    ]
    materials: Annotated[
        tuple[Material, ...],
        Meta(
            min_length=1,
            max_length=MATERIALS_PER_MACHINE_MAX,
            description="What is loaded, or on the shelf beside it.",
        ),
    ]
    speed: Annotated[
        float, Meta(ge=0.001, le=100, description="2.0 makes a part in half the ordinary time.")
    ] = 1.0
    setup_s: Annotated[
        int, Meta(ge=0, le=86_400, description="Seconds between two jobs: clearing, loading.")
    ] = 0
    price_per_hour: Annotated[Amount, Meta(description="For an hour of its time.")] = 0.0
    power_w: Annotated[Watts, Meta(description="Watts while it runs, on average.")] = 0
    peak_w: Annotated[Watts, Meta(description="Watts while it heats up; 0: as on average.")] = 0
    nozzle_mm: Annotated[
        float, Meta(ge=0, le=50, description="Width of its nozzle or tool; 0: not told.")
    ] = 0.0
    tolerance_mm: Annotated[
        float, Meta(ge=0, le=50, description="How far a length may be off; 0: not told.")
    ] = 0.0
    temperature_c: Annotated[
        int, Meta(ge=0, le=5000, description="How hot it makes a material; 0: not told.")
    ] = 0
    hours: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=WINDOWS_PER_WEEK_MAX,
            description='When it may run, local time: ["Mon-Fri 09:00-18:00"]. A job begins and\n'
            "ends in one opening. []: not told, and always.",
        ),
    ] = ()
    attended: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=WINDOWS_PER_WEEK_MAX,
            description="When someone is there to begin a job and to clear it away, likewise.",
        ),
    ] = ()
    tariff: Annotated[Tariff, Meta(description="What offers of it ask besides.")] = Tariff()
    slicer: Annotated[
        Slicer | None, Meta(description="How its programs are made: a [machine.slicer].")
    ] = None
    time_lapse: Annotated[
        float,
        Meta(ge=0.001, le=10_000, description="How much faster than real a virtual one runs."),
    ] = 1.0
    fails_every: Annotated[
        int, Meta(ge=0, description="A virtual one fails each so many jobs; 0: never.")
    ] = 0

    def __post_init__(self) -> None:
        # A known process has one name, however its owner calls it.
        structs.force_setattr(self, "process", processes.id_of(self.process))

    @property
    def volume_um(self) -> tuple[int, int, int]:
        x, y, z = (round(side * 1000) for side in self.volume_mm)
        return x, y, z

    @property
    def nozzle_um(self) -> int:
        return round(self.nozzle_mm * 1000)

    @property
    def tolerance_um(self) -> int:
        return round(self.tolerance_mm * 1000)

    @property
    def price_minor_per_hour(self) -> int:
        return round(self.price_per_hour * 100)

    @property
    def speed_permille(self) -> int:
        """Return the speed that others are told. A time lapse shortens windows, not work."""
        return round(self.speed * 1000)

    def stock(self) -> tuple[records.Stock, ...]:
        return tuple(
            records.Stock(
                material=held.material,
                mass_mg=round(held.grams * 1000),
                price_minor_per_kg=round(held.price_per_kg * 100),
                lot=held.lot,
                recycled_permille=round(held.recycled_percent * 10),
            )
            for held in self.materials
        )
