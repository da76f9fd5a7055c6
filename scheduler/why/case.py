"""One job on one machine: the numbers that what is said of it is made of."""

from dataclasses import dataclass

from commonfab.protocol.hours import timetable
from commonfab.protocol.ids import Timestamp

from ..problem import Want
from ..view import Snapshot
from ..weights import Weights


@dataclass(frozen=True, slots=True)
class Case:
    view: Snapshot
    row: int
    """The machine's, in the view."""
    want: Want
    now: Timestamp
    weights: Weights
    facts: dict[str, float]
    """Those of `formulas.Facts`, by name."""
    held_mg: int
    """What the machine has of the part's material."""

    def column(self, name: str) -> float:
        """Return what one of the machine's columns says."""
        return float(getattr(self.view.machines, name)[self.row])

    def does(self) -> str:
        """Return the machine's process."""
        return self.view.processes.name(int(self.view.machines.process[self.row]))

    def currency(self) -> str:
        return self.view.currencies.name(int(self.view.machines.currency[self.row]))

    def sides_um(self) -> tuple[int, int, int]:
        """Return the sides of the build volume by size."""
        return int(self.column("small")), int(self.column("middle")), int(self.column("large"))

    def needed_mg(self) -> int:
        return self.want.pieces * self.want.part.mass_mg

    def licences(self) -> tuple[str, ...]:
        """Return those whose designs its owner makes, where that is said."""
        return tuple(self.view.licences.name(int(self.column("licences"))).split("\n"))

    def longest_ms(self) -> float:
        """Return the longest window that finds an opening."""
        code, timetables = int(self.column("timetable")), self.view.timetables
        return timetable(timetables.hours(code), timetables.attended(code)).longest_ms()

    def power_in_words(self) -> str:
        """Return what a kilowatt-hour costs the climate there, and what that rests on."""
        return self.view.owners[self.view.authors[self.row]].power
