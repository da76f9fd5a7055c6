"""What a drawing says of the cut that it stands for, from lines as chains of points."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from commonfab.scheduler.geometry import Floats

_JOIN_MM = 0.01
"""Ends that round to one multiple of this are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingFacts:
    """In whole units, so that all nodes agree on them."""

    size_um: tuple[int, int]
    """The sheet that it takes: extents along x and y of all that is cut or engraved."""
    cut_mm: int
    """Length of all lines that are cut."""
    pierces: int
    """How often a cut begins anew: lines that join end to end are cut in one."""
    open_ends: int
    """Ends of lines where nothing goes on; a part falls out of its sheet without any."""
    engraved_mm2: int
    """Area that is filled and not cut."""
    texts: int
    """Texts, which depend on fonts and are not counted."""
    unit: str
    """As the file says it: "mm", "in" and so on; "px" for 1/96 inch; empty: it does not, and
    millimetres are taken."""


@dataclass(slots=True)
class Lines:
    """What has been found in a drawing; points (n, 2) in mm."""

    cut: list[Floats] = field(default_factory=list[Floats])
    engraved: list[Floats] = field(default_factory=list[Floats])
    engraved_mm2: float = 0.0
    texts: int = 0

    def facts(self, unit: str) -> DrawingFacts:
        """Return the facts of a drawing in which something was found."""
        every = np.concatenate(self.cut + self.engraved)
        width, height = (round(float(each) * 1000.0) for each in np.ptp(every, axis=0))
        pierces, open_ends = _chains(self.cut)
        return DrawingFacts(
            size_um=(width, height),
            cut_mm=round(sum(map(length, self.cut))),
            pierces=pierces,
            open_ends=open_ends,
            engraved_mm2=round(self.engraved_mm2),
            texts=self.texts,
            unit=unit,
        )


def length(points: Floats) -> float:
    """Return the length of a chain of points (n, 2)."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def area(points: Floats) -> float:
    """Return the signed area within a chain of points (n, 2) that is taken to close."""
    x, y = points[:, 0] - points[0, 0], points[:, 1] - points[0, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2.0


def _chains(lines: list[Floats]) -> tuple[int, int]:
    """Return how many cuts follow all lines once, and how many ends are loose.

    Lines that meet can be followed in one cut, and need a further one for each two more of
    the places where an odd number of them meets (Euler).
    """
    group: dict[tuple[int, int], tuple[int, int]] = {}

    def root(end: tuple[int, int]) -> tuple[int, int]:
        while group.setdefault(end, end) != end:
            group[end] = group[group[end]]
            end = group[end]
        return end

    meets: Counter[tuple[int, int]] = Counter()
    for points in lines:
        first, last = _end(points[0]), _end(points[-1])
        meets.update((first, last))
        group[root(first)] = root(last)
    odd = Counter(root(end) for end, count in meets.items() if count % 2)
    cuts = sum(max(1, odd[each] // 2) for each in {root(end) for end in meets})
    return cuts, sum(1 for count in meets.values() if count == 1)


def _end(point: Floats) -> tuple[int, int]:
    x, y = np.rint(point / _JOIN_MM).astype(np.int64).tolist()
    return x, y
