"""Measures a DXF or SVG, in the child process that reads what strangers send."""

from pathlib import Path

import numpy as np

from ..formats import MIB, MeshRefused
from .facts import DrawingFacts, Lines

FILE_BYTES_MAX = 16 * MIB
LINES_MAX = 100_000
"""Lines, arcs and curves, each as often as it is used."""
SIZE_MM_MAX = 5000.0
"""Of a sheet; beyond it, the unit is wrong."""
SIMPLIFY = "simplify the drawing"


def measure_drawing(path: Path, ending: str) -> DrawingFacts:
    """Return the facts, or raise `MeshRefused`."""
    if path.stat().st_size > FILE_BYTES_MAX:
        what = f"is larger than {FILE_BYTES_MAX // MIB} MiB"
        raise MeshRefused(str(path), what, SIMPLIFY)
    # Each is imported only where it is needed: their libraries take a while to load.
    if ending == "svg":
        from . import svg

        lines, unit = svg.read(path)
    else:
        from . import dxf

        lines, unit = dxf.read(path)
    _check(str(path), lines)
    return lines.facts(unit)


def _check(name: str, lines: Lines) -> None:
    every = lines.cut + lines.engraved
    if not every:
        raise MeshRefused(name, "holds no lines to cut or areas to engrave", "draw some")
    extents = np.ptp(np.concatenate(every), axis=0)
    if not np.isfinite(extents).all() or extents.max() > SIZE_MM_MAX:
        what = f"measures more than {SIZE_MM_MAX / 1000:.0f} m"
        raise MeshRefused(name, what, "export it in millimetres")
    if extents.max() <= 0.0:
        raise MeshRefused(name, "is a mere point", "draw some lines")
