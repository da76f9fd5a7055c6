"""What the operator says of the workshop's power: `[energy]` in `commonfab.toml`."""

from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol.hours import HOURS_PER_DAY
from commonfab.protocol.limits import GRAMS_PER_KWH_MAX

NO_LIMIT_W = 1_000_000

Watts = Annotated[int, Meta(ge=0, le=NO_LIMIT_W)]
Grams = Annotated[int, Meta(ge=0, le=GRAMS_PER_KWH_MAX)]


class Energy(Struct, frozen=True, kw_only=True):
    grid_w: Annotated[
        Watts,
        Meta(
            description="Watts that all machines together may draw from the grid, so that no fuse\n"
            "blows: jobs start one after the other where it would be more. 1000000: no\n"
            "limit; 0: there is no grid."
        ),
    ] = NO_LIMIT_W
    grid_g_by_hour: Annotated[
        tuple[Grams, ...],
        Meta(
            max_length=HOURS_PER_DAY,
            description="Grams of CO2e for a kilowatt-hour of the grid, for each hour of a day\n"
            "from midnight on, local time: 24 numbers. []: always grid_g_per_kwh.",
        ),
    ] = ()
    panel_w: Annotated[
        Watts, Meta(description="Rated watts of solar panels; 0: there are none.")
    ] = 0
    panel_tilt: Annotated[
        int, Meta(ge=0, le=90, description="Degrees that they are tilted; 0: flat.")
    ] = 30
    panel_azimuth: Annotated[
        int,
        Meta(
            ge=0, le=360, description="Degrees that they face, from north over east: 180 is south."
        ),
    ] = 180
    panel_kwh_a_year: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Kilowatt-hours that they give in a year, by their inverter. 0: unknown,\n"
            "and every day is taken as clear.",
        ),
    ] = 0
    battery_wh: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000_000,
            description="Watt-hours that a battery of the panels holds; 0: there is none.",
        ),
    ] = 0
    inverter_w: Annotated[
        Watts,
        Meta(
            description="Watts that panels and battery give together at most. 0: as much as the\n"
            "panels' rating."
        ),
    ] = 0
    wait_h: Annotated[
        int,
        Meta(ge=0, le=24, description="Hours that a job may be put off for cleaner power."),
    ] = 0
