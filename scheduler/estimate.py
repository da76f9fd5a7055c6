"""A first estimate of machine time and material for one piece, from its mesh facts alone.

Good enough to place a job and to quote a range, in a millisecond and without a slicer.

Sections and columns of the part (`shape.py`) say how much of it is walls, closed layers,
infill and supports under a profile (`tracks.py`); how long those take, and how much of each
is extruded, is fitted to slices (`paces.py`). With the lengths of its tracks, a layer takes

    wall + skin + infill + corners + turns + loops + room + supports,

or what it needs to cool, if that is more; all layers, the first one's extra, what rests on
supports, and the start make up the time. specs/benchmarks.md says how far off that is, on
parts that were not used for the fit.

Heating and clearing are the machine's `setup_seconds`, not counted here.
"""

from dataclasses import dataclass

import numpy as np

from commonfab.protocol.errors import UsageError

from .geometry import MeshFacts
from .paces import Pace, nearest
from .shape import Shape
from .tracks import Floats, Profile, Tracks, tracks
from .vocabulary import materials

__all__ = ["FFF_PRINTING", "Estimate", "NoEstimate", "Profile", "estimate"]

FFF_PRINTING = "fff-printing"
SUPPORT_TRACK_MM = 0.5
"""Of a support's section in mm2: length of its tracks, for how long a layer may cool."""

Range = tuple[int, int]


class NoEstimate(UsageError):
    """These facts do not suffice; somebody must give the time and mass."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """For one piece, at the speed of an ordinary machine."""

    seconds: int
    mass_mg: int
    seconds_range: Range
    """Eight of ten slices lie in it, as in `mass_range`."""
    mass_range: Range


def estimate(facts: MeshFacts, *, process: str, material: str, profile: Profile) -> Estimate:
    """Return machine time and material for one piece.

    Raises `NoEstimate` for a process or material that there is no model of, and for a
    mesh that is not watertight, because its volume is not known.
    """
    if process != FFF_PRINTING:
        raise NoEstimate(f"no estimate for {process} yet: give seconds in the manifest")
    known = materials.find(material)
    if known is None or not known.nozzle_c[1]:
        raise NoEstimate(
            f"{material!r} is no filament that is known here: name one, such as PLA or PETG, "
            "or give seconds and mass in the manifest"
        )
    if facts.shape is None:
        raise NoEstimate(
            "the mesh is not watertight, so its volume is unknown: repair it, "
            "or give seconds and mass in the manifest"
        )
    return _estimate_fff(facts.shape, known.density, profile)


def _estimate_fff(shape: Shape, density: float, profile: Profile) -> Estimate:
    assert 0.0 <= profile.infill <= 1.0
    pace = nearest(profile.layer_mm)
    made = tracks(shape, profile)
    seconds = seconds_of(made, shape, profile, pace)
    mass_mg = extruded_mm3(made, pace) * density
    within = (pace.seconds_within, pace.mass_within)
    if profile.supports and made.supported_mm2:
        within = (pace.supported_seconds_within, pace.supported_mass_within)
    return Estimate(
        seconds=round(seconds),
        mass_mg=round(mass_mg),
        seconds_range=_range(seconds, within[0]),
        mass_range=_range(mass_mg, within[1]),
    )


def _range(value: float, within: tuple[float, float]) -> Range:
    return int(value * within[0]), round(value * within[1])


def extruded_mm3(made: Tracks, pace: Pace) -> float:
    """Return the material that is laid, the skirt's too."""
    return float(
        pace.wall_share * made.walls.sum()
        + pace.skin_share * made.skins.sum()
        + pace.infill_share * made.infill.sum()
        + pace.support_share * made.supports.sum()
        + pace.supported_mm * made.supported_mm2
        + pace.skirt_mm3
    )


def seconds_of(made: Tracks, shape: Shape, profile: Profile, pace: Pace) -> float:
    """Return the machine time of a part."""
    wall, skin, infill = lengths_mm(made, profile)
    support_mm2 = made.supports / shape.slab_mm
    layer_s = (
        pace.wall_s_per_mm * wall
        + pace.skin_s_per_mm * skin
        + pace.infill_s_per_mm * infill
        + pace.corner_s * np.array(shape.corners)
        + pace.turn_s * np.array(shape.turns_rad)
        + pace.loop_s * np.array(shape.loops)
        + pace.room_s_per_mm * np.sqrt(made.room)
        + pace.support_s_per_mm2 * support_mm2
    )
    length = wall + skin + infill + SUPPORT_TRACK_MM * support_mm2
    slowest = pace.slowest_s_per_mm * length + pace.slowest_start_s
    cooled = np.where(length > 0.0, np.minimum(slowest, pace.cool_s), 0.0)
    layers = made.layers * len(layer_s)
    return float(
        np.maximum(layer_s, cooled).sum() * made.layers
        + pace.bed_s_per_mm2 * made.bed_mm2
        + pace.supported_s_per_mm2 * made.supported_mm2
        + pace.layer_s * layers
        + pace.start_s
    )


def lengths_mm(made: Tracks, profile: Profile) -> tuple[Floats, Floats, Floats]:
    """Return the tracks of one layer in each slab: walls, skins, infill."""
    track_mm2 = profile.layer_mm * profile.line_mm * made.layers
    return made.walls / track_mm2, made.skins / track_mm2, made.infill / track_mm2
