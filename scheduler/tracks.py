"""What a slicer would make of a shape: walls, closed layers, infill and supports, per section.

With the material's outline P and area A in a section, walls of width w take what lies
within w of the outline. For a sheet that is A min(1, x) with x = P w / A, for a disc
A (1 - (1 - x/2)^2); between the two, by how round the outline is,

    inner = A max(0, 1 - x/n)^n,    n = 1 + 4 pi A / P^2.

Closed layers lie below each upper face and above each lower one, as thick as the profile
says. Under a slope they lie below the walls, which reach as deep as their width times its
tangent; and where the slope is so steep that they would be narrower than `NARROW_MM`, there
are none. Columns tell where, and where a part is too thin for both. What is left inside is
filled in part.
Where the part goes on beside a face, its closed layer reaches `MARGIN_MM` on into it.
Supports stand below faces that slope less than `SUPPORTED_SLOPE`, down to what is there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .shape import Shape

Floats = NDArray[np.float64]

SUPPORTED_SLOPE = 1.43
"""Tangent of 55 degrees: flatter lower faces get supports."""
NARROW_MM = 0.47
"""A track and a twentieth."""
MARGIN_MM = 3.0
"""What PrusaSlicer adds around closed layers, to hold them."""
SUPPORT_GAP_MM = 0.2
"""Between a support and the part above it."""
ON_BED_MM = 0.3
"""What ends so low lies on the bed."""
_ROUND_CORNER = 0.215
"""1 - pi/4: by this share of the layer's height, tracks lie closer than they are wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How an `fff-printing` machine is told to make a part."""

    layer_mm: float = 0.2
    line_mm: float = 0.45
    """Width of one track of material."""
    outer_mm: float = 0.45
    """Width of the outermost track."""
    walls: int = 2
    top_mm: float = 1.2
    bottom_mm: float = 0.8
    """Thickness of closed layers above and below the infill."""
    infill: float = 0.15
    """Fraction of the inside that is filled, 0 to 1."""
    supports: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Volumes in mm3: of each section's slab, and where one number, of the whole part."""

    layers: float
    """In one slab."""
    walls: Floats
    skins: Floats
    infill: Floats
    """What is filled, not the room for it."""
    room: Floats
    """What the infill has, in mm2."""
    supports: Floats
    supported_mm2: float
    """Faces that rest on supports."""
    bed_mm2: float
    """What lies on the bed."""


def tracks(shape: Shape, profile: Profile) -> Tracks:
    """Return what a part is made of under a profile."""
    slab_mm = shape.slab_mm
    areas = np.maximum(np.array(shape.areas_mm2), 1e-6)
    inner = _inner(areas, np.array(shape.outlines_mm), _walls_mm(profile))
    room = inner * slab_mm
    columns = _Columns(shape)
    level, sloping = columns.skins(profile)
    skins = np.minimum(level * inner / areas + sloping, room)
    nothing = np.zeros(len(areas))
    supports, supported_mm2 = columns.supports() if profile.supports else (nothing, 0.0)
    return Tracks(
        layers=slab_mm / profile.layer_mm,
        walls=areas * slab_mm - room,
        skins=skins,
        infill=(room - skins) * profile.infill,
        room=(room - skins) / slab_mm,
        supports=supports,
        supported_mm2=supported_mm2,
        bed_mm2=columns.bed_mm2(),
    )


def _walls_mm(profile: Profile) -> float:
    spacing = profile.line_mm - profile.layer_mm * _ROUND_CORNER
    return profile.outer_mm + (profile.walls - 1) * spacing


def _inner(areas: Floats, outlines: Floats, walls_mm: float) -> Floats:
    roundness = np.minimum(4.0 * np.pi * areas / np.maximum(outlines, 1e-6) ** 2, 1.0)
    power = 1.0 + roundness
    inner: Floats = areas * np.maximum(0.0, 1.0 - outlines * walls_mm / areas / power) ** power
    return inner


class _Columns:
    """A shape's columns, and sums of parts of them over the slabs."""

    def __init__(self, shape: Shape) -> None:
        rows = np.array(shape.solids, dtype=np.float64).reshape(-1, 7)
        self._below, self._bottom, self._top, self._lower_slope, self._upper_slope = rows.T[:5]
        margin = MARGIN_MM / max(shape.column_mm2**0.5, MARGIN_MM / 4)
        self._lower_margin, self._upper_margin = rows.T[5:] * margin
        self._edges = np.arange(len(shape.areas_mm2) + 1) * shape.slab_mm
        self._each_mm2 = shape.column_mm2

    def skins(self, profile: Profile) -> tuple[Floats, Floats]:
        """Return the closed layers of level faces, the part's walls not taken off, and those of
        sloping faces, which lie inside the walls. A face is some of both."""
        walls_mm = _walls_mm(profile)
        upper = _thickness(profile.top_mm, self._upper_slope)
        lower = _thickness(profile.bottom_mm, self._lower_slope)
        height = self._top - self._bottom
        share = np.minimum(1.0, height / np.maximum(upper + lower, 1e-9))
        end = np.maximum(self._top - walls_mm * self._upper_slope, self._bottom)
        start = np.minimum(self._bottom + walls_mm * self._lower_slope, self._top)
        spans = (
            (np.maximum(end - upper * share, self._bottom), end),
            (start, np.minimum(start + lower * share, self._top)),
        )
        faces = ((self._upper_slope, self._upper_margin), (self._lower_slope, self._lower_margin))
        level, sloping = np.zeros(len(self._edges) - 1), np.zeros(len(self._edges) - 1)
        for (low, high), (slope, margin) in zip(spans, faces, strict=True):
            share_sloping = np.minimum(slope, 1.0)
            level += self._over_slabs(low, high, (1.0 - share_sloping) * (1.0 + margin))
            sloping += self._over_slabs(low, high, share_sloping)
        return level, sloping

    def supports(self) -> tuple[Floats, float]:
        """Return the room of the supports, and the area that rests on them in mm2."""
        hangs = (self._bottom > ON_BED_MM) & (self._lower_slope < SUPPORTED_SLOPE)
        end = self._bottom[hangs] - SUPPORT_GAP_MM
        start = np.minimum(np.maximum(self._below[hangs], 0.0), end)
        return self._over_slabs(start, end, np.ones(len(end))), float(
            (end > start).sum()
        ) * self._each_mm2

    def bed_mm2(self) -> float:
        return float((self._bottom < ON_BED_MM).sum()) * self._each_mm2

    def _over_slabs(self, start: Floats, end: Floats, share: Floats) -> Floats:
        """Return in mm3 how much of what goes from start to end lies in each slab."""
        below: Floats = (np.clip(self._edges[:, None], start, end) - start) @ share
        return np.diff(below) * self._each_mm2


def _thickness(flat_mm: float, slope: Floats) -> Floats:
    return np.where(slope * NARROW_MM < flat_mm, flat_mm, 0.0)
