"""How near estimates from the mesh alone come to PrusaSlicer, on parts not used for the fit.

    python -m tests.benchmarks.bench_estimates

Slices are kept in build/slices; the first run takes some minutes.
"""

import sys
import time
from pathlib import Path

import numpy as np
import trio

from commonfab.scheduler.estimate import FFF_PRINTING, Estimate, estimate
from tests.benchmarks.slices import WAYS, Sliced, Way, held_out, sliced

CACHE = Path("build/slices")


def main() -> None:
    if sys.argv[1:]:
        raise SystemExit(__doc__)
    paths = list(held_out())
    print(f"{'':20}parts   time: median   p90   in range   mass: median   p90   in range      ms")
    for way in WAYS:
        parts = trio.run(sliced, paths, way, CACHE)
        began = time.process_time()
        guesses = [_guess(part, way) for part in parts]
        each_ms = (time.process_time() - began) / len(parts) * 1000
        print(f"{way.name:20}{len(parts):5}{_told(parts, guesses)}{each_ms:8.1f}")


def _guess(part: Sliced, way: Way) -> Estimate:
    return estimate(part.facts, process=FFF_PRINTING, material="PLA", profile=way.profile())


def _told(parts: list[Sliced], guesses: list[Estimate]) -> str:
    pairs = list(zip(parts, guesses, strict=True))
    time_off = [abs(guess.seconds / part.seconds - 1) for part, guess in pairs]
    mass_off = [abs(guess.mass_mg / part.mass_mg - 1) for part, guess in pairs]
    time_in = [g.seconds_range[0] <= p.seconds <= g.seconds_range[1] for p, g in pairs]
    mass_in = [g.mass_range[0] <= p.mass_mg <= g.mass_range[1] for p, g in pairs]
    return _columns(time_off, time_in) + _columns(mass_off, mass_in)


def _columns(off: list[float], inside: list[bool]) -> str:
    return f"{np.median(off):15.1%}{np.quantile(off, 0.9):6.0%}{np.mean(inside):11.0%}"


if __name__ == "__main__":
    main()
