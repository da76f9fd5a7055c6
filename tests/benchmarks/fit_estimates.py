"""Fits `scheduler/paces.py` to slices of the parts in a folder, and prints the numbers.

    python -m tests.benchmarks.fit_estimates FOLDER

For time, least squares of the logarithm, drawn weakly to what the profile's speeds say and
blind to outliers (soft L1 beyond 10 %); for mass, non-negative least squares of the relative
error. Ranges are from parts that a fit has not seen: the folder in six, one left out in turn.
A dozen parts do for a printer of one's own; the more kinds, the better.
"""

import sys
from collections.abc import Mapping
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import trio
from scipy import optimize  # type: ignore[import-untyped]  # scipy ships no types

from commonfab.scheduler.estimate import extruded_mm3, seconds_of
from commonfab.scheduler.paces import Pace, nearest
from commonfab.scheduler.tracks import Floats, tracks
from tests.benchmarks.slices import WAYS, Sliced, Way, sliced

CACHE = Path("build/slices-to-fit")
PULL = 0.04
FOLDS = 6
INSIDE = (0.07, 0.93)
"""Quantiles over parts left out: 8 of 10, and a margin for so few."""
_SUPPORTS = ("support_s_per_mm2", "supported_s_per_mm2")
_SHARES = (
    *("wall_share", "skin_share", "infill_share", "support_share", "supported_mm"),
    "skirt_mm3",
)
_TIMES = tuple(
    field.name
    for field in fields(Pace)
    if field.type in (float, "float") and field.name not in {"layer_mm", *_SHARES}
)


def _with(pace: Pace, numbers: Mapping[str, float]) -> Pace:
    changes: dict[str, Any] = dict(numbers)  # The fields that are pairs are not among them.
    return replace(pace, **changes)


def fit_time(parts: list[Sliced], way: Way, start: Pace) -> Pace:
    """Return a pace whose times are near those of the parts; of the one with supports, only
    theirs are fitted."""
    names = _SUPPORTS if way.supports else tuple(name for name in _TIMES if name not in _SUPPORTS)
    profile = way.profile()
    made = [(tracks(part.facts.shape, profile), part) for part in parts if part.facts.shape]
    first = np.log([getattr(start, name) for name in names])

    def pace_of(logs: Floats) -> Pace:
        return _with(start, dict(zip(names, np.exp(logs).tolist(), strict=True)))

    def errors(logs: Floats) -> Floats:
        pace = pace_of(logs)
        off = [
            np.log(seconds_of(each, part.facts.shape, profile, pace) / part.seconds)
            for each, part in made
            if part.facts.shape
        ]
        return np.concatenate([off, (logs - first) * PULL])

    untyped: Any = optimize
    found = untyped.least_squares(errors, first, loss="soft_l1", f_scale=0.1, max_nfev=30)
    return pace_of(found.x)


def fit_mass(parts: list[Sliced], way: Way, start: Pace, density: float = 1.24) -> Pace:
    """Return a pace whose masses are near those of the parts."""
    profile = way.profile()
    units = [_with(start, {name: float(name == only) for name in _SHARES}) for only in _SHARES]
    rows = [
        [extruded_mm3(made, unit) * density / part.mass_mg for unit in units]
        for part in parts
        if part.facts.shape
        for made in [tracks(part.facts.shape, profile)]
    ]
    untyped: Any = optimize
    shares, _ = untyped.nnls(np.array(rows), np.ones(len(rows)))
    return _with(start, dict(zip(_SHARES, shares.tolist(), strict=True)))


def ranges(parts: list[Sliced], way: Way, start: Pace) -> tuple[Floats, Floats]:
    """Return quantiles of said over estimated, for time and mass, of parts left out."""
    time_off: list[float] = []
    mass_off: list[float] = []
    for fold in range(FOLDS):
        kept = [part for at, part in enumerate(parts) if at % FOLDS != fold]
        pace = fit_mass(kept, way, fit_time(kept, way, start))
        for part in parts[fold::FOLDS]:
            assert part.facts.shape is not None
            made = tracks(part.facts.shape, way.profile())
            seconds = seconds_of(made, part.facts.shape, way.profile(), pace)
            time_off.append(part.seconds / seconds)
            mass_off.append(part.mass_mg / (extruded_mm3(made, pace) * 1.24))
    return np.quantile(time_off, INSIDE), np.quantile(mass_off, INSIDE)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    paths = sorted(Path(sys.argv[1]).glob("*.stl"))
    for way in WAYS:
        parts = trio.run(sliced, paths, way, CACHE)
        start = nearest(way.profile().layer_mm)
        pace = fit_mass(parts, way, fit_time(parts, way, start))
        print(f"{way.name}, {len(parts)} parts")
        for field, value in zip(fields(Pace), astuple(pace), strict=True):
            if isinstance(value, float):
                print(f"    {field.name}={value:.4g},")
        for name, within in zip(("seconds", "mass"), ranges(parts, way, start), strict=True):
            print(f"    {name}: within {within.round(3).tolist()}")


if __name__ == "__main__":
    main()
