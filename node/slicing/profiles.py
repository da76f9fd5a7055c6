"""What a slicer's flat settings mean for an estimate from the mesh alone."""

import re

from commonfab.scheduler.tracks import Profile

_LINE = re.compile(r"^([a-z_]+)\s*=\s*(.*)$", re.MULTILINE)


def profile_of(flat: str, *, supports: bool) -> Profile:
    """Return the profile in PrusaSlicer's settings; what they do not say is as usual."""
    told = dict(_LINE.findall(flat))
    usual = Profile()
    layer = _number(told, "layer_height", usual.layer_mm)
    top = _number(told, "top_solid_layers", round(usual.top_mm / layer))
    bottom = _number(told, "bottom_solid_layers", round(usual.bottom_mm / layer))
    line = _number(told, "extrusion_width", usual.line_mm)
    return Profile(
        layer_mm=layer,
        line_mm=line,
        outer_mm=_number(told, "external_perimeter_extrusion_width", line),
        walls=max(1, round(_number(told, "perimeters", usual.walls))),
        top_mm=round(top * layer, 6),
        bottom_mm=round(bottom * layer, 6),
        infill=min(1.0, _number(told, "fill_density", usual.infill * 100) / 100),
        supports=supports,
    )


def _number(told: dict[str, str], key: str, usual: float) -> float:
    """Return a positive number; a width of 0, or in percent of another, is left to the usual."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(%?)", told.get(key, "").strip())
    if found is None or (found[2] and key != "fill_density"):
        return usual
    value = float(found[1])
    return value if value > 0 or not key.endswith(("height", "width")) else usual
