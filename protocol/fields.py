"""The forms of single fields of records, each with its bounds."""

from typing import Annotated, Literal

from msgspec import Meta

from .limits import (
    GRAMS_PER_KWH_MAX,
    GUARDIANS_MAX,
    HALF_BYTES_MAX,
    LENGTH_UM_MAX,
    MASS_MG_MAX,
    MEASURES_BYTES_MAX,
    PART_SECONDS_MAX,
    PATIENCE_MS_MAX,
    POWER_W_MAX,
    PRICE_MINOR_MAX,
    QUANTITY_MAX,
    SPEED_PERMILLE_MAX,
    WINDOWS_PER_WEEK_MAX,
)

Name = Annotated[str, Meta(min_length=1, max_length=120)]
Text = Annotated[str, Meta(max_length=2000)]
Path = Annotated[str, Meta(min_length=1, max_length=400)]
Tag = Annotated[str, Meta(min_length=1, max_length=40)]
Currency = Annotated[str, Meta(min_length=1, max_length=12)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Pieces = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
Epoch = Annotated[int, Meta(ge=1, le=10_000)]
Node = Annotated[bytes, Meta(min_length=32, max_length=32)]
Id = Annotated[bytes, Meta(min_length=32, max_length=32)]
Order16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Cid = Annotated[bytes, Meta(min_length=4, max_length=80)]
Sealed = Annotated[bytes, Meta(min_length=1, max_length=HALF_BYTES_MAX)]
Measures = Annotated[bytes, Meta(min_length=1, max_length=MEASURES_BYTES_MAX)]
Length = Annotated[int, Meta(ge=0, le=LENGTH_UM_MAX)]
Size = tuple[Length, Length, Length]
Seconds = Annotated[int, Meta(ge=0, le=PART_SECONDS_MAX)]
Mass = Annotated[int, Meta(ge=0, le=MASS_MG_MAX)]
Price = Annotated[int, Meta(ge=0, le=PRICE_MINOR_MAX)]
Power = Annotated[int, Meta(ge=0, le=POWER_W_MAX)]
Speed = Annotated[int, Meta(ge=1, le=SPEED_PERMILLE_MAX)]
Guardians = Annotated[tuple[Node, ...], Meta(max_length=GUARDIANS_MAX)]
Patience = Annotated[int, Meta(ge=0, le=PATIENCE_MS_MAX)]
Grams = Annotated[int, Meta(ge=0, le=GRAMS_PER_KWH_MAX)]
Basis = Literal["", "mean", "hourly", "clear-sky"]
"""Of CO2e: one average, an average for each hour of the day, or panels under a clear sky."""
Fine = Annotated[int, Meta(ge=0, le=50_000)]
"""Micrometres, of what is small; 0: not said."""
Celsius = Annotated[int, Meta(ge=0, le=5_000)]
"""0: not said."""
Minute = Annotated[int, Meta(ge=0, le=10_080)]
"""Of the week, from Monday 00:00 UTC on."""
Hours = Annotated[tuple[tuple[Minute, Minute], ...], Meta(max_length=WINDOWS_PER_WEEK_MAX)]
"""Weekly windows, from and to; one whose end is not after its start goes on over Sunday night.
Empty: not said."""
