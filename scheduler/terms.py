"""What an owner knows of a job on its own machine, and does not tell in its capacity record.

The tariff: on the price of time and material that all know come a price for setting up and
one under which nothing is made; from some number of pieces on, something off; or all is a
gift. And the machine time and material of this very job, where they are known better than
from the part's record: sliced, or corrected by jobs that this machine has finished.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil


@dataclass(frozen=True, slots=True)
class Step:
    """From so many pieces on, so many percent off time and material."""

    pieces: int
    percent_off: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    setup_minor: int = 0
    """For each job, whatever its size."""
    minimum_minor: int = 0
    steps: tuple[Step, ...] = ()
    gift: bool = False

    def price_minor(self, minor: Fraction, pieces: int) -> int:
        """Return the price of a job whose time and material cost `minor`, rounded up."""
        if self.gift:
            return 0
        off = max((step.percent_off for step in self.steps if step.pieces <= pieces), default=0)
        return max(self.minimum_minor, ceil(self.setup_minor + minor * (100 - off) / 100))


PLAIN = Tariff()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For one job on one machine. None: as the part's record says."""

    tariff: Tariff = PLAIN
    seconds: Fraction | None = None
    """For all pieces on this machine, at its own speed; setting up is not counted."""
    mass_mg: int | None = None
    """For all pieces."""


NO_TERMS = Terms()
