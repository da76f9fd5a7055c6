"""What must hold for a machine to make a job: one bit for each, kept for every pair.

A verdict is the bits of all constraints that do not hold, and of all facts that a job
asks for and nobody has told: so one without `BLOCKING` bits is a machine that fits.
A fact that is missing is unknown, never "no": the bits from `PLACE` on block nothing.
"""

from enum import IntFlag


class Constraint(IntFlag):
    PROCESS = 1 << 0
    """The machine does the part's process."""
    VOLUME = 1 << 1
    """The part's box fits in the machine's, turned by right angles as needed."""
    MATERIAL = 1 << 2
    """The machine has some of the part's material."""
    STOCK = 1 << 3
    """It has enough of it for all pieces; only asked where it has some."""
    TAKES_JOBS = 1 << 4
    """Its operator lets it take jobs."""
    CAPACITY = 1 << 5
    """What its workshop said of it still holds."""
    CURRENCY = 1 << 6
    """Its prices are in the buyer's currency."""
    HORIZON = 1 << 7
    """The window ends within the time that an owner can promise."""
    DEADLINE = 1 << 8
    """Queue, set-up, machine time and transit end by the date."""
    NOZZLE = 1 << 9
    """Its nozzle, or other tool, is fine enough for the part's details."""
    TOLERANCE = 1 << 10
    """What it makes is as exact as the part asks for."""
    TEMPERATURE = 1 << 11
    """It heats the material as far as needed."""
    HOURS = 1 << 12
    """One of its openings is long enough for the window."""
    LICENCE = 1 << 13
    """Its owner makes designs of this licence."""
    MAKES_FOR = 1 << 14
    """Its owner makes for strangers, or is none to the buyer."""
    TRUST = 1 << 15
    """Its workshop's standing is what the buyer asks for."""
    DISTANCE = 1 << 16
    """It is no further away than the buyer allows."""
    PLACE = 1 << 20
    """Unknown: its workshop has not said where it is."""
    NOZZLE_UNKNOWN = 1 << 21
    TOLERANCE_UNKNOWN = 1 << 22
    TEMPERATURE_UNKNOWN = 1 << 23
    HOURS_UNKNOWN = 1 << 24
    ATTENDED_UNKNOWN = 1 << 25
    LICENCE_UNKNOWN = 1 << 26
    """It has not said what it makes, or the part not what it is under."""
    MAKES_FOR_UNKNOWN = 1 << 27


BLOCKING = Constraint((1 << 17) - 1)
"""All that make a machine unfit; iterate over it for their list."""
UNKNOWN = Constraint((1 << 28) - (1 << 20))
"""All that nobody has told."""

assert Constraint.PLACE not in BLOCKING
assert int(max(Constraint)) < 1 << 32, "a verdict is a uint32"
