"""Reads an SVG as a laser does: what has a stroke is cut, what only has a fill is engraved."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

import numpy as np
import svgelements  # type: ignore[import-untyped]  # it ships no types

from commonfab.scheduler.geometry import Floats

from ..formats import EXPORT_AGAIN, MeshRefused
from .facts import Lines, area

_PX_MM = 25.4 / 96.0
"""A pixel, as CSS has it."""
_CURVE_POINTS = 33
"""Of a curve or arc: the chord errs by less than a thousandth of its length."""
_LINES_MAX = 100_000
_DEPTH_MAX = 64
_UNITS = ("mm", "cm", "in", "pt", "pc")

_untyped: Any = svgelements


def read(path: Path) -> tuple[Lines, str]:
    """Return what is in the file, and its unit. Raises `MeshRefused`."""
    unit = _look_through(path)
    try:
        drawing = _untyped.SVG.parse(str(path), ppi=96.0)
        return _lines(str(path), drawing), unit
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, SyntaxError) as error:
        what = f"cannot be read as SVG: {type(error).__name__}: {error}"
        raise MeshRefused(str(path), what[:300], EXPORT_AGAIN) from error


def _lines(name: str, drawing: Any) -> Lines:
    found, count = Lines(), 0
    for element in drawing.elements():
        if isinstance(element, _untyped.Text):
            found.texts += 1
        if not isinstance(element, _untyped.Shape) or isinstance(element, _untyped.SVG):
            continue
        is_cut, is_filled = _has(element.stroke), _has(element.fill)
        if not is_cut and not is_filled:
            continue
        outline = abs(_untyped.Path(element))
        count += len(outline)
        if count > _LINES_MAX:
            what = f"holds more than {_LINES_MAX} lines"
            raise MeshRefused(name, what, "simplify the drawing")
        chains = [_points(_untyped.Path(part)) for part in outline.as_subpaths()]
        chains = [chain for chain in chains if len(chain) > 1]
        if is_cut:
            found.cut += chains
        else:
            found.engraved += chains
            # Holes are run round the other way than what is around them.
            found.engraved_mm2 += abs(sum(map(area, chains)))
    return found


def _has(colour: Any) -> bool:
    return colour is not None and colour.value is not None and colour.alpha != 0


def _points(outline: Any) -> Floats:
    """Return a subpath as a chain of points (n, 2) in mm."""
    chains: list[Floats] = []
    for segment in outline:
        if isinstance(segment, _untyped.Move):
            continue
        is_straight = isinstance(segment, _untyped.Line | _untyped.Close)
        if segment.start is None or segment.end is None:
            continue
        if is_straight:
            points = np.array([list(segment.start), list(segment.end)], dtype=np.float64)
        else:
            places = np.linspace(0.0, 1.0, _CURVE_POINTS)
            points = np.asarray([list(segment.point(each)) for each in places], dtype=np.float64)
        chains.append(points if not chains else points[1:])
    return np.concatenate(chains) * _PX_MM if chains else np.empty((0, 2))


@dataclass(slots=True)
class _Contents:
    """How often elements use one another."""

    name: str
    root: dict[str, str] = field(default_factory=dict[str, str])
    open_ids: list[str] = field(default_factory=list[str])
    size: Counter[str] = field(default_factory=Counter[str])
    """Elements in each element that has an id, and in all."""
    uses: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.root:
            if tag.rpartition(" ")[2] != "svg":
                self.refuse("holds no <svg>")
            self.root = {"": "", **attributes}
        self.open_ids.append(attributes.get("id", ""))
        if len(self.open_ids) > _DEPTH_MAX:
            self.refuse(f"is nested more than {_DEPTH_MAX} deep")
        around = {"", *self.open_ids}
        self.size.update(around)
        if tag.rpartition(" ")[2] == "use":
            used = next((v for k, v in attributes.items() if k.endswith("href")), "")
            for each in around:
                self.uses.setdefault(each, []).append(used.removeprefix("#"))

    def end(self, _: str) -> None:
        self.open_ids.pop()

    def refuse(self, *what: object) -> NoReturn:
        said = what[0] if len(what) == 1 else "declares a document type"
        raise MeshRefused(self.name, str(said), "export it as plain SVG")

    def count(self, element: str, depth: int = 0) -> int:
        if depth > _DEPTH_MAX // 4:
            self.refuse("has elements that use one another without end")
        total = self.size[element]
        for used in self.uses.get(element, []):
            total += self.count(used, depth + 1)
            if total > _LINES_MAX:
                self.refuse(f"comes to more than {_LINES_MAX} elements")
        return total


def _look_through(path: Path) -> str:
    """Return the unit of its width. Refuses what is no SVG, or would multiply itself."""
    contents = _Contents(str(path))
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = contents.start
    parser.EndElementHandler = contents.end
    parser.StartDoctypeDeclHandler = contents.refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise MeshRefused(str(path), f"is not XML: {error}", EXPORT_AGAIN) from error
    contents.count("")
    found = re.search(r"[a-z]+$", contents.root.get("width", "").strip())
    return found[0] if found and found[0] in _UNITS else "px"
