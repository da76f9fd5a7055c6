"""The numbers from outside that the cost of a placement rests on, each with its source.

What a community or a buyer may wish to change (tariffs, prices of time and of carbon)
is in `weights.py`; here is what is measured. specs/scheduling.md shows the same table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Factor:
    value: float
    unit: str
    source: str


EARTH_RADIUS_M = Factor(
    6_371_008.8, "m", "mean radius R1 of the GRS 80 ellipsoid (IUGG; Moritz, 2000)"
)
ROAD_PER_CROW = Factor(
    1.4,
    "road km per great-circle km",
    "detour index 1.417 of 66,000 trips to hospitals in the USA (Boscoe, Henry, Zdeb, 2012)",
)
ROAD_MS_PER_KM = Factor(
    60_000.0,
    "ms per road km",
    "60 km/h from door to door: order of magnitude, to be replaced by measured values",
)
HANDLING_MS = Factor(
    7_200_000.0,
    "ms per delivery",
    "2 h to pack and hand over: order of magnitude, to be replaced by measured values",
)
ROAD_G_PER_TKM = Factor(
    137.0,
    "g CO2e per tonne and road km",
    "average of heavy goods vehicles in the EU, 2018 (European Environment Agency, 2021)",
)
WINDOW_MS_PER_S = Factor(
    1_100.0,
    "ms of window per second of machine time",
    "10 % for estimates that are short: order of magnitude, to be replaced by measured values",
)
WINDOW_MARGIN_MS = Factor(1_000.0, "ms per window", "time to start and stop; a convention of ours")
SOLAR_G_PER_KWH = Factor(
    41.0,
    "g CO2e per kWh",
    "median over the life of panels on roofs (IPCC, AR5 WG III, annex III, 2014)",
)
BATTERY_PERMILLE = Factor(
    850.0,
    "thousandths of what goes in",
    "lithium-ion storage, there and back (NREL, Annual Technology Baseline, 2024)",
)
HEATING_MS = Factor(
    900_000.0,
    "ms from the start",
    "15 min in which a machine that heats up draws most: order of magnitude",
)
LOADED_SETUP_SHARE = Factor(
    0.5,
    "share of a set-up",
    "clearing and heating, which remain where the material stays loaded: order of magnitude",
)
PLATE_GAP_UM = Factor(
    5_000.0, "um between boxes on a plate", "brims and nozzles need room: order of magnitude"
)
