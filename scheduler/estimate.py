"""A first estimate of machine time and material for one piece, from its mesh facts alone.

Good enough to place a job and to quote a range, in microseconds and without a slicer.
The owner of a machine slices before committing to a window.

The model for `fff-printing` is a shell around an infill. With t the thickness of the
walls, the surface needs

    wall = side * t,    skin = up * top + down * bottom

of material. Thin parts have no room for all of it, so the shell is capped by the
volume V as V (1 - exp(-(wall + skin) / V)); what is left holds `infill` times its
volume. Columns below overhangs are filled with support. A track of material has the
cross-section layer * line, so each volume is also a length to travel.

The weights are least-squares fits (non-negative, of relative error) to 307 slices of
79 watertight parts of 0.1 to 930 cm3 by PrusaSlicer 2.5.0, for a desktop machine with a
0.4 mm nozzle (its profiles "0.15 mm QUALITY" at 40 % infill, "0.20 mm QUALITY" at 15 %
without and with supports, and "0.30 mm DRAFT" at 10 %, for PLA). Errors found by 5-fold
cross-validation over the parts, median and 90th percentile:

    layer, infill         mass          time
    0.15 mm, 40 %         4 %, 10 %     10 %, 28 %
    0.20 mm, 15 %         5 %, 14 %      9 %, 23 %
    0.30 mm, 10 %         8 %, 20 %     12 %, 29 %
    0.20 mm, supports     7 %, 28 %     12 %, 35 %

Heating and clearing are the machine's `setup_seconds`, not counted here.
"""

from dataclasses import dataclass
from math import exp

from commonfab.protocol.errors import UsageError

from .geometry import MeshFacts

FFF_PRINTING = "fff-printing"

DENSITY_MG_PER_MM3 = {
    "ABS": 1.04,
    "ASA": 1.07,
    "HIPS": 1.04,
    "PC": 1.22,
    "PETG": 1.27,
    "PLA": 1.24,
    "PVB": 1.09,
    "TPU": 1.22,
}
"""Equal to g/cm3. As given by the generic filament profiles of PrusaSlicer 2.5.0, and by
Prusament's where it has no generic one (ASA, PC, PVB); TPU is its "Generic FLEX"."""

# Extruded volume over the model's volume.
_WALL_SHARE = 1.144
_SKIN_SHARE = 1.314
_INFILL_SHARE = 0.844
_SUPPORT_SHARE = 0.183
# Seconds for a millimetre of track, turns and travel between tracks included.
_WALL_S_PER_MM = 0.0677
_SKIN_S_PER_MM = 0.0417
_INFILL_S_PER_MM = 0.0208
_SUPPORT_S_PER_MM = 0.0035
_SUPPORT_FACE_S_PER_MM = 0.0996
"""For the closed faces of the supports: a millimetre of track in one millimetre's depth."""
_LAYER_S = 2.05
_START_S = 35.6

TIME_ERROR_P90 = 0.3
"""Nine of ten times lie within this fraction of the estimate: quote the range."""


class NoEstimate(UsageError):
    """These facts do not suffice; somebody must give the time and mass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How an `fff-printing` machine is told to make a part."""

    layer_mm: float = 0.2
    line_mm: float = 0.45
    """Width of one track of material."""
    walls: int = 2
    top_mm: float = 1.2
    bottom_mm: float = 0.8
    """Thickness of closed layers above and below the infill."""
    infill: float = 0.15
    """Fraction of the inside that is filled, 0 to 1."""
    supports: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """For one piece, at the speed of an ordinary machine."""

    seconds: int
    mass_mg: int


def estimate(facts: MeshFacts, *, process: str, material: str, profile: Profile) -> Estimate:
    """Return machine time and material for one piece.

    Raises `NoEstimate` for a process or material that there is no model of, and for a
    mesh that is not watertight, because its volume is not known.
    """
    if process != FFF_PRINTING:
        raise NoEstimate(f"no estimate for {process} yet: give seconds in the manifest")
    if material not in DENSITY_MG_PER_MM3:
        known = ", ".join(DENSITY_MG_PER_MM3)
        raise NoEstimate(
            f"no density known for material {material!r}: name one of {known}, "
            "or give seconds and mass in the manifest"
        )
    if not facts.watertight:
        raise NoEstimate(
            "the mesh is not watertight, so its volume is unknown: repair it, "
            "or give seconds and mass in the manifest"
        )
    return _estimate_fff(facts, DENSITY_MG_PER_MM3[material], profile)


def _estimate_fff(facts: MeshFacts, density: float, profile: Profile) -> Estimate:
    assert 0.0 <= profile.infill <= 1.0
    wall, skin, infill = _split(facts, profile)
    support_mm3 = facts.overhang_mm3 if profile.supports else 0
    support_faces_mm3 = facts.overhang_mm2 if profile.supports else 0
    extruded_mm3 = (
        _WALL_SHARE * wall
        + _SKIN_SHARE * skin
        + _INFILL_SHARE * infill
        + _SUPPORT_SHARE * support_mm3
    )
    track_mm2 = profile.layer_mm * profile.line_mm
    layers = facts.bbox_um[2] / 1000.0 / profile.layer_mm
    seconds = (
        _WALL_S_PER_MM * wall
        + _SKIN_S_PER_MM * skin
        + _INFILL_S_PER_MM * infill
        + _SUPPORT_S_PER_MM * support_mm3
        + _SUPPORT_FACE_S_PER_MM * support_faces_mm3
    ) / track_mm2
    return Estimate(
        seconds=round(seconds + _LAYER_S * layers + _START_S),
        mass_mg=round(extruded_mm3 * density),
    )


def _split(facts: MeshFacts, profile: Profile) -> tuple[float, float, float]:
    """Return the volumes of walls, skins and infill in mm3."""
    volume = float(max(facts.volume_mm3, 1))
    wall = facts.side_mm2 * profile.walls * profile.line_mm
    skin = facts.up_mm2 * profile.top_mm + facts.down_mm2 * profile.bottom_mm
    wanted = max(wall + skin, 1.0)
    shell = volume * (1.0 - exp(-wanted / volume))
    return wall * shell / wanted, skin * shell / wanted, (volume - shell) * profile.infill
