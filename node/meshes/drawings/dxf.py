"""Reads a DXF as a laser does: lines and curves are cut, hatches are engraved."""

from pathlib import Path
from typing import Any

import ezdxf
import numpy as np
from ezdxf import disassemble
from ezdxf import path as paths
from ezdxf.lldxf.const import DXFError

from commonfab.scheduler.geometry import Floats

from ..formats import EXPORT_AGAIN, MeshRefused
from .facts import Lines, area

_ERROR_MM = 0.02
"""Of a chord against its curve."""
_LINES_MAX = 100_000
_DEPTH_MAX = 16
_UNITS = {1: ("in", 25.4), 2: ("ft", 304.8), 4: ("mm", 1.0), 5: ("cm", 10.0), 6: ("m", 1000.0)}
"""By the codes of $INSUNITS, of which 0 is none; with millimetres."""

_untyped: Any = disassemble  # Its annotations are partial.
_paths: Any = paths


def read(path: Path) -> tuple[Lines, str]:
    """Return what is in the file, and its unit. Raises `MeshRefused`."""
    name = str(path)
    try:
        document: Any = ezdxf.readfile(path)  # type: ignore[attr-defined]  # re-exported late
        _Blocks(name, document).count(document.modelspace())
        unit, scale = _UNITS.get(int(document.units), ("", 1.0))
        return _lines(name, document, scale), unit
    except (DXFError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        what = f"cannot be read as DXF: {type(error).__name__}: {error}"
        raise MeshRefused(name, what[:300], EXPORT_AGAIN) from error


class _Blocks:
    """How many entities blocks come to that hold one another."""

    def __init__(self, name: str, document: Any) -> None:
        self._name = name
        self._document = document
        self._known: dict[str, int] = {}

    def count(self, layout: Any, depth: int = 0) -> int:
        if depth > _DEPTH_MAX:
            what = f"has blocks nested more than {_DEPTH_MAX} deep, or in themselves"
            raise MeshRefused(self._name, what, "explode the blocks")
        total = 0
        for entity in layout:
            total += 1
            if entity.dxftype() == "INSERT":
                total += max(1, int(entity.mcount)) * self._of_block(entity.dxf.name, depth)
        if total > _LINES_MAX:
            what = f"comes to more than {_LINES_MAX} lines"
            raise MeshRefused(self._name, what, "simplify the drawing")
        return total

    def _of_block(self, name: str, depth: int) -> int:
        if name not in self._known:
            block = self._document.blocks.get(name)
            self._known[name] = self.count(block, depth + 1) if block is not None else 0
        return self._known[name]


def _lines(name: str, document: Any, scale: float) -> Lines:
    found = Lines()
    for entity in _untyped.recursive_decompose(document.modelspace()):
        match entity.dxftype():
            case "TEXT" | "MTEXT" | "ATTRIB" | "ATTDEF":
                found.texts += 1
            case "HATCH" | "MPOLYGON":
                chains = [_points(each, scale) for each in _paths.from_hatch(entity)]
                found.engraved += chains
                found.engraved_mm2 += _hatched(chains)
            case _:
                try:
                    outline = _paths.make_path(entity)
                except TypeError:  # Not a line: a dimension, a picture, a point.
                    continue
                chains = [_points(each, scale) for each in outline.sub_paths()]
                found.cut += [chain for chain in chains if len(chain) > 1]
        if len(found.cut) + len(found.engraved) > _LINES_MAX:
            what = f"comes to more than {_LINES_MAX} lines"
            raise MeshRefused(name, what, "simplify the drawing")
    return found


def _points(outline: Any, scale: float) -> Floats:
    points = [(each.x, each.y) for each in outline.flattening(_ERROR_MM / scale)]
    return np.array(points, dtype=np.float64).reshape(-1, 2) * scale


def _hatched(chains: list[Floats]) -> float:
    """Return the area of the largest loop without those in it."""
    areas = sorted(abs(area(chain)) for chain in chains if len(chain) > 2)
    return max(0.0, areas[-1] - sum(areas[:-1])) if areas else 0.0
