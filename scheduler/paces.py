"""How fast a desktop machine lays tracks of each kind: what estimates are fitted to.

A layer takes what its tracks take, but no less than what lets it cool: the slicer slows a
short layer down to `cool_s`, though never below `slowest_s_per_mm`. The numbers are least
squares fits of the logarithm (with a weak pull to what the profile's speeds say) to slices
by PrusaSlicer 2.5.0 for an Original Prusa i3 MK3S with PLA and a 0.4 mm nozzle: its profiles
"0.15 mm QUALITY" at 40 % infill, "0.20 mm QUALITY" at 15 % and "0.30 mm DRAFT" at 10 %; for
supports, the second with them. The parts were 58 generated ones of 28 families (brackets,
boxes, gears, vases, plates, clips) and 11 real ones of devjoni-stllib; what they are tried on
is others (specs/benchmarks.md). `python -m tests.benchmarks.fit_estimates` fits them to a
folder of parts, for a machine of one's own too.
"""

from dataclasses import dataclass
from math import log


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One fitted profile. Seconds, unless said otherwise."""

    layer_mm: float
    wall_s_per_mm: float
    skin_s_per_mm: float
    infill_s_per_mm: float
    corner_s: float
    turn_s: float
    """For each radian that the outline turns."""
    loop_s: float
    """To begin and end a closed line, with the way to it."""
    room_s_per_mm: float
    """For each layer, by the root of the area that is filled: where infill turns round."""
    support_s_per_mm2: float
    """Of a support's section, for each layer."""
    bed_s_per_mm2: float
    """Of the first layer, which is slow."""
    start_s: float
    supported_s_per_mm2: float
    layer_s: float
    cool_s: float
    slowest_s_per_mm: float
    slowest_start_s: float
    wall_share: float
    """Extruded over counted, as the next four."""
    skin_share: float
    infill_share: float
    support_share: float
    supported_mm: float
    """Closed layers between supports and part."""
    skirt_mm3: float
    seconds_within: tuple[float, float]
    """Eight of ten slices lie between these parts of the estimate, as for mass."""
    mass_within: tuple[float, float]
    supported_seconds_within: tuple[float, float]
    supported_mass_within: tuple[float, float]


def nearest(layer_mm: float) -> Pace:
    """Return what was fitted for the layer height that is nearest by ratio."""
    return min(PACES, key=lambda pace: abs(log(pace.layer_mm / layer_mm)))


PACES = (
    Pace(
        layer_mm=0.15,
        wall_s_per_mm=0.03968,
        skin_s_per_mm=0.02223,
        infill_s_per_mm=0.04369,
        corner_s=0.02432,
        turn_s=0.04111,
        loop_s=0.8237,
        room_s_per_mm=0.04561,
        support_s_per_mm2=0.01285,
        bed_s_per_mm2=0.0604,
        start_s=31.66,
        supported_s_per_mm2=0.5863,
        layer_s=0.2766,
        cool_s=16.25,
        slowest_s_per_mm=0.08813,
        slowest_start_s=0.8491,
        wall_share=1.09,
        skin_share=1.003,
        infill_share=0.9674,
        support_share=0.1787,
        supported_mm=0.7909,
        skirt_mm3=39.04,
        seconds_within=(0.805, 1.137),
        mass_within=(0.944, 1.058),
        supported_seconds_within=(0.826, 1.127),
        supported_mass_within=(0.926, 1.072),
    ),
    Pace(
        layer_mm=0.2,
        wall_s_per_mm=0.03989,
        skin_s_per_mm=0.0248,
        infill_s_per_mm=0.03204,
        corner_s=0.02299,
        turn_s=0.02699,
        loop_s=0.8928,
        room_s_per_mm=0.05781,
        support_s_per_mm2=0.01285,
        bed_s_per_mm2=0.05107,
        start_s=55.35,
        supported_s_per_mm2=0.5863,
        layer_s=0.347,
        cool_s=15.87,
        slowest_s_per_mm=0.07207,
        slowest_start_s=1.688,
        wall_share=1.098,
        skin_share=0.9748,
        infill_share=0.9792,
        support_share=0.1787,
        supported_mm=0.7909,
        skirt_mm3=53.93,
        seconds_within=(0.844, 1.104),
        mass_within=(0.91, 1.051),
        supported_seconds_within=(0.826, 1.127),
        supported_mass_within=(0.926, 1.072),
    ),
    Pace(
        layer_mm=0.3,
        wall_s_per_mm=0.02691,
        skin_s_per_mm=0.02875,
        infill_s_per_mm=0.00938,
        corner_s=0.03439,
        turn_s=0.04034,
        loop_s=0.926,
        room_s_per_mm=0.1203,
        support_s_per_mm2=0.01285,
        bed_s_per_mm2=0.06702,
        start_s=56.04,
        supported_s_per_mm2=0.5863,
        layer_s=0.7793,
        cool_s=15.22,
        slowest_s_per_mm=0.06152,
        slowest_start_s=1.355,
        wall_share=1.024,
        skin_share=0.9403,
        infill_share=1.089,
        support_share=0.1787,
        supported_mm=0.7909,
        skirt_mm3=104.1,
        seconds_within=(0.859, 1.104),
        mass_within=(0.89, 1.075),
        supported_seconds_within=(0.826, 1.127),
        supported_mass_within=(0.926, 1.072),
    ),
)
