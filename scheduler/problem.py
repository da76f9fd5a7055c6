"""Jobs as columns, to be compared with the machines of a snapshot.

This is the one place where what a buyer wants made becomes arrays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Part, Place

from .columns import Codes, Flags, Floats, Rows, Table
from .hours import Timetables
from .licences import NOT_SAID, allows
from .places import unit_vector
from .view import Snapshot
from .weights import Weights


@dataclass(frozen=True, slots=True)
class Want:
    """Some pieces of a part, to be brought to a place."""

    part: Part
    pieces: int
    place: Place
    by: int = 0
    """When they should be there; 0: no date."""


@dataclass(slots=True)
class Jobs(Table):
    process: Codes
    """Into the problem's names, or into a snapshot's after `Problem.seen_in`."""
    material: Codes
    small: Floats
    """The sides of the part's box by size, micrometres."""
    middle: Floats
    large: Floats
    work_s: Floats
    """Machine time of all pieces at ordinary speed, without set-up."""
    mass_mg: Floats
    """Of all pieces."""
    x: Floats
    """The destination as a unit vector."""
    y: Floats
    z: Floats
    by: Floats
    """Milliseconds since 1970; infinity: no date."""
    nozzle: Floats
    """Micrometres at the most; infinity: any."""
    tolerance: Floats
    """Likewise."""
    temperature: Floats
    """Degrees Celsius at the least; 0: not said."""
    licence: Codes
    """Into the problem's names."""

    def column(self) -> Self:
        """Return each array as a column of a matrix, (n, 1)."""
        return self.map(lambda column: column[:, None])


@dataclass(frozen=True, slots=True)
class Asking:
    """What is alike for all pairs: the buyer's side, and what the machines' codes mean."""

    now: Timestamp
    weights: Weights
    currency: int
    """The code of the buyer's in the snapshot."""
    timetables: Timetables
    licensed: Flags
    """Whether a list of licences allows a job's; by the list's code, then by the job's. The
    last row is for `NO_CODE`."""
    licence_said: Flags
    """By the job's code."""


@dataclass(frozen=True, slots=True)
class Problem:
    now: Timestamp
    processes: tuple[str, ...]
    materials: tuple[str, ...]
    licences: tuple[str, ...]
    jobs: Jobs

    def __len__(self) -> int:
        return len(self.jobs.by)

    def take(self, rows: Rows) -> "Problem":
        return replace(self, jobs=self.jobs.take(rows))

    def seen_in(self, view: Snapshot) -> Jobs:
        """Return the jobs with the snapshot's own codes; a name that it lacks is `NO_CODE`."""
        processes = np.array([view.processes.find(name) for name in self.processes], np.int32)
        materials = np.array([view.materials.find(name) for name in self.materials], np.int32)
        return replace(
            self.jobs,
            process=processes[self.jobs.process],
            material=materials[self.jobs.material],
        )

    def asking(self, view: Snapshot, weights: Weights) -> Asking:
        """Return what the snapshot's machines are asked with."""
        lists = [tuple(filter(None, name.split("\n"))) for name in view.licences.names()]
        allowed = [[allows(listed, licence) for licence in self.licences] for listed in lists]
        return Asking(
            now=self.now,
            weights=weights,
            currency=view.currencies.find(weights.currency),
            timetables=view.timetables,
            licensed=np.array([*allowed, [True] * len(self.licences)], np.bool_),
            licence_said=np.array([name not in NOT_SAID for name in self.licences], np.bool_),
        )


def problem_of(wants: Sequence[Want], now: Timestamp) -> Problem:
    """Return the wants as arrays, in their order."""
    processes = {name: code for code, name in enumerate(_names(w.part.process for w in wants))}
    materials = {name: code for code, name in enumerate(_names(w.part.material for w in wants))}
    licences = {name: code for code, name in enumerate(_names(w.part.licence for w in wants))}
    sides = _floats([sorted(want.part.bbox_um) for want in wants]).reshape(len(wants), 3)
    places = _floats([unit_vector(want.place) for want in wants]).reshape(len(wants), 3)
    jobs = Jobs(
        process=np.array([processes[want.part.process] for want in wants], np.int32),
        material=np.array([materials[want.part.material] for want in wants], np.int32),
        small=sides[:, 0],
        middle=sides[:, 1],
        large=sides[:, 2],
        work_s=_floats([want.pieces * want.part.seconds for want in wants]),
        mass_mg=_floats([want.pieces * want.part.mass_mg for want in wants]),
        x=places[:, 0],
        y=places[:, 1],
        z=places[:, 2],
        by=_floats([want.by or np.inf for want in wants]),
        nozzle=_floats([want.part.nozzle_um or np.inf for want in wants]),
        tolerance=_floats([want.part.tolerance_um or np.inf for want in wants]),
        temperature=_floats([want.part.temperature_c for want in wants]),
        licence=np.array([licences[want.part.licence] for want in wants], np.int32),
    )
    assert all(want.pieces >= 1 for want in wants)
    return Problem(now, tuple(processes), tuple(materials), tuple(licences), jobs)


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _floats(values: object) -> Floats:
    column = np.asarray(values, np.float64)
    assert np.all(column > -np.inf), "no not-a-number"
    return column
