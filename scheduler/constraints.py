"""What must hold for a machine to make a job: one bit for each, kept for every pair.

A verdict is the bits of all constraints that do not hold, so 0 is a machine that fits.
A fact that is missing is unknown, never "no": `PLACE` marks it and blocks nothing.
"""

from enum import IntFlag


class Constraint(IntFlag):
    PROCESS = 1
    """The machine does the part's process."""
    VOLUME = 2
    """The part's box fits in the machine's, turned by right angles as needed."""
    MATERIAL = 4
    """The machine has some of the part's material."""
    STOCK = 8
    """It has enough of it for all pieces; only asked where it has some."""
    TAKES_JOBS = 16
    """Its operator lets it take jobs."""
    CAPACITY = 32
    """What its workshop said of it still holds."""
    CURRENCY = 64
    """Its prices are in the buyer's currency."""
    HORIZON = 128
    """The window ends within the time that an owner can promise."""
    DEADLINE = 256
    """Queue, set-up, machine time and transit end by the date."""
    PLACE = 512
    """Unknown: its workshop has not said where it is."""


BLOCKING = Constraint((1 << 9) - 1)
"""All that make a machine unfit. `PLACE` does not."""

assert Constraint.PLACE not in BLOCKING
assert int(max(Constraint)) < 1 << 16, "a verdict is a uint16"
