"""What a maker should know before a part is made: each with its place and the way out."""

from dataclasses import dataclass
from typing import Literal

from ..geometry import MeshFacts
from .form import Form
from .poses import Pose, best
from .walls import Place

NOZZLE_UM = 400
"""That a wall is compared with, if nobody says another: by far the commonest."""
DESKTOP_UM = (220_000, 220_000, 250_000)
"""What most desktop machines hold, which parts are compared with."""
_SMALL_UM = 5_000
_LARGE_UM = 1_000_000
"""A part below or beyond is likely to be in another unit."""
_OVERHANG_SHARE = 0.01
_OVERHANG_MM2_MIN = 20
_BED_SHARE = 0.02
_SAVING = 0.7
"""A pose is named if it leaves no more than this of the supports."""

Kind = Literal[
    "open", "turned", "inside-out", "thin", "unsupported", "small-bed", "big", "floats", "units"
]
Level = Literal["wrong", "doubt"]


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    what: str
    remedy: str
    place_um: Place | None
    """In the axes of the file; None: it is all of the part."""
    level: Level
    """`wrong`: it cannot be made so. `doubt`: it may be meant so."""


def find(facts: MeshFacts, form: Form, *, nozzle_um: int = NOZZLE_UM) -> list[Finding]:
    """Return what there is to say of a part, what is wrong first."""
    found = [
        *_skin(form),
        *_walls(form, nozzle_um),
        *_standing(facts, form),
        *_size(facts),
    ]
    return sorted(found, key=lambda finding: finding.level != "wrong")


def _skin(form: Form) -> list[Finding]:
    found: list[Finding] = []
    seams = form.seams
    if seams.open_edges:
        what = f"has {seams.open_edges} open edges, so it is not watertight"
        remedy = "close its holes: make it manifold, or repair it in a slicer"
        found.append(Finding("open", what, remedy, seams.open_at, "wrong"))
    if seams.turned_edges:
        what = f"has {seams.turned_edges} edges whose faces do not agree on what is outside"
        remedy = "let all faces look outwards: recalculate its normals"
        found.append(Finding("turned", what, remedy, seams.turned_at, "wrong"))
    if form.is_inside_out:
        remedy = "turn all faces round: flip its normals"
        found.append(Finding("inside-out", "is inside out", remedy, None, "doubt"))
    if form.floating:
        pieces = "a piece" if form.floating == 1 else f"{form.floating} pieces"
        remedy = "join it to the rest, or put it on the bed"
        what = f"has {pieces} in the air"
        found.append(Finding("floats", what, remedy, form.floating_at, "wrong"))
    return found


def _walls(form: Form, nozzle_um: int) -> list[Finding]:
    if form.wall is None or form.wall.um >= 2 * nozzle_um:
        return []
    wall = f"has a wall of {form.wall.um / 1000:.2f} mm"
    nozzle = f"a nozzle of {nozzle_um / 1000:g} mm"
    if form.wall.um < nozzle_um:
        remedy = f"thicken it to {2 * nozzle_um / 1000:g} mm, or say a finer nozzle"
        what = f"{wall}, too thin for {nozzle}"
        return [Finding("thin", what, remedy, form.wall.place, "wrong")]
    remedy = f"thicken it to {2 * nozzle_um / 1000:g} mm if it must hold"
    return [Finding("thin", f"{wall}, one line of {nozzle}", remedy, form.wall.place, "doubt")]


def _standing(facts: MeshFacts, form: Form) -> list[Finding]:
    found: list[Finding] = []
    least = max(_OVERHANG_MM2_MIN, _OVERHANG_SHARE * facts.area_mm2)
    if facts.overhang_mm2 > least:
        remedy = "allow supports"
        better = best(list(form.poses), "supports") if form.poses else None
        if better is not None and better.overhang_mm3 < _SAVING * facts.overhang_mm3:
            kept = round(100 * better.overhang_mm3 / max(facts.overhang_mm3, 1))
            remedy += f", or put {side(better)} down, which needs {kept} % of them"
        what = f"hangs over by {facts.overhang_mm2} mm2"
        found.append(Finding("unsupported", what, remedy, form.overhang_at, "doubt"))
    footprint = facts.bbox_um[0] * facts.bbox_um[1] / 1e6
    if facts.bed_mm2 < _BED_SHARE * footprint:
        remedy = "allow a brim"
        better = best(list(form.poses), "bed") if form.poses else None
        if better is not None and better.bed_mm2 > 2 * facts.bed_mm2:
            remedy += f", or put {side(better)} down, on {better.bed_mm2} mm2"
        what = f"stands on {facts.bed_mm2} mm2"
        found.append(Finding("small-bed", what, remedy, None, "doubt"))
    return found


def _size(facts: MeshFacts) -> list[Finding]:
    longest = max(facts.bbox_um)
    if longest < _SMALL_UM:
        what = f"is {longest / 1000:g} mm long; in inches it would be {longest * 25.4 / 1000:g} mm"
        return [Finding("units", what, "export it in millimetres", None, "doubt")]
    if longest > _LARGE_UM:
        what = f"is {longest / 1e6:g} m long"
        return [Finding("units", what, "export it in millimetres", None, "doubt")]
    fits = all(
        own <= room for own, room in zip(sorted(facts.bbox_um), sorted(DESKTOP_UM), strict=True)
    )
    if fits:
        return []
    what = "is larger than most desktop machines"
    return [Finding("big", what, "cut it into parts, or find a large machine", None, "doubt")]


def side(pose: Pose) -> str:
    """Return which side of the part is down, in words or as a direction."""
    words = {
        (0, 0, -1000): "its underside",
        (0, 0, 1000): "its top",
        (-1000, 0, 0): "its left (-x)",
        (1000, 0, 0): "its right (+x)",
        (0, -1000, 0): "its front (-y)",
        (0, 1000, 0): "its back (+y)",
    }
    x, y, z = (each / 1000 for each in pose.down)
    return words.get(pose.down, f"the side towards ({x:g}, {y:g}, {z:g})")
