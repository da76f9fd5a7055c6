"""What solar panels give under a clear sky, by pvlib, in a process of its own.

    python -m commonfab.node.energy.sky LATITUDE LONGITUDE TILT AZIMUTH DAY

DAY counts from 1970-01-01. Prints a line of JSON, {"watts": [24 numbers], "kwh_a_year":
number}, for panels of one kilowatt: what their inverter gives on average in each hour (UTC)
of that day, and in the 365 days from it on.

pvlib and pandas take seconds and 120 MB to load, for a calculation of a tenth of a second
once a day. So the node starts this process and forgets it; only this file imports them.

The models are pvlib's: for the sky Ineichen and Perez (2002), with the Linke turbidity of the
place and the month (Remund, 2003); for the tilted plane Hay and Davies (1980); for panels
at the temperature of their rating, their usual losses and the inverter PVWatts (NREL, 2014).
"""

import json
import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.hours import HOURS_PER_DAY

_DAY_S = 86_400
_STEP_S = 900
_DAYS = 365
_RATED_W = 1_000.0
_RATED_C = 25.0
_PER_KELVIN = -0.004
"""Of the power, with warmer panels: nothing, as they are taken to have `_RATED_C`."""

Floats = NDArray[np.float64]


def main(arguments: list[str]) -> None:
    latitude, longitude, tilt, azimuth, day = (float(argument) for argument in arguments)
    with warnings.catch_warnings():
        # pvlib divides by the height of the sun at night too, and asks pandas in old ways.
        warnings.simplefilter("ignore")
        watts = clear_sky_w(latitude, longitude, tilt, azimuth, int(day))
    by_hour = watts.reshape(_DAYS, HOURS_PER_DAY, -1).mean(axis=2)
    said = {
        "watts": [round(float(each)) for each in by_hour[0]],
        "kwh_a_year": round(float(by_hour.sum()) / 1_000),
    }
    print(json.dumps(said))


def clear_sky_w(latitude: float, longitude: float, tilt: float, azimuth: float, day: int) -> Floats:
    """Return the watts of a kilowatt of panels at each quarter hour of a year, (35040,)."""
    import pandas as pandas_untyped  # type: ignore[import-untyped]  # it ships no types
    import pvlib as pvlib_untyped  # type: ignore[import-untyped]  # it ships no types

    pandas: Any = pandas_untyped
    pvlib: Any = pvlib_untyped
    seconds = day * _DAY_S + np.arange(_STEP_S // 2, _DAYS * _DAY_S, _STEP_S)
    times = pandas.DatetimeIndex(seconds.astype("datetime64[s]"), tz="UTC")
    altitude_m = pvlib.location.lookup_altitude(latitude, longitude)
    place = pvlib.location.Location(latitude, longitude, altitude=altitude_m)
    sun = place.get_solarposition(times)
    sky = place.get_clearsky(times, solar_position=sun)
    light = pvlib.irradiance.get_total_irradiance(
        tilt,
        azimuth,
        sun["apparent_zenith"],
        sun["azimuth"],
        dni=sky["dni"],
        ghi=sky["ghi"],
        dhi=sky["dhi"],
        dni_extra=pvlib.irradiance.get_extra_radiation(times),
        model="haydavies",
    )["poa_global"]
    kept = 1.0 - pvlib.pvsystem.pvwatts_losses() / 100.0
    direct_w = pvlib.pvsystem.pvwatts_dc(light, _RATED_C, _RATED_W, _PER_KELVIN) * kept
    watts = np.asarray(pvlib.inverter.pvwatts(direct_w, _RATED_W), np.float64)
    return np.nan_to_num(watts)


if __name__ == "__main__":
    main(sys.argv[1:])
