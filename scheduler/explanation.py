"""Why this machine, and why not the others: values that read the same everywhere.

Made in `explain.py`; the command line and the page show them as they are. Nothing heavy is
imported here, so that a command reads them quickly. Times are milliseconds since 1970.
Money is in minor units, with the fractions that a comparison needs.
"""

from msgspec import Struct


class Term(Struct, frozen=True):
    """One term of a cost."""

    name: str
    minor: float
    words: str


class Obstacle(Struct, frozen=True):
    """One constraint that does not hold."""

    constraint: str
    sentence: str


class Verdict(Struct, frozen=True):
    """One machine for one job."""

    owner: str
    """The node's key, hexadecimal."""
    workshop: str
    machine: str
    rank: int
    """1 is the best; 0 does not fit."""
    minor: float
    """The sum of the terms, also where it does not fit."""
    terms: tuple[Term, ...]
    obstacles: tuple[Obstacle, ...]
    unknown: tuple[str, ...]
    """What is not known of it, as sentences."""
    note: str
    """What sets it apart from the best, or what rules it out, in one sentence."""
    distance_m: int | None
    seconds: int
    ready_ms: int
    arrival_ms: int
    energy_wh: float
    co2e_g: float


class Explanation(Struct, frozen=True):
    """One job."""

    job: int
    at: int
    """When these machines were compared."""
    part: str
    pieces: int
    currency: str
    machines: int
    """All that were looked at."""
    fitting: int
    best: tuple[Verdict, ...]
    others: tuple[Verdict, ...]
    """First those that fit, by cost; then the others, the fewest obstacles first."""
    left_out: int
    """Others that are not told one by one."""
    obstacles: dict[str, int]
    """For each constraint, how many machines it rules out."""
