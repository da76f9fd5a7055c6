"""Why this machine, and why not the others: values that read the same everywhere.

Made in `explain.py`; the command line and the page show them as they are. Nothing heavy is
imported here, so that a command reads them quickly. Times are milliseconds since 1970.
All numbers are integers, so that two nodes can compare them: money is in thousandths of a
minor unit, halves to the even one.
"""

from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol.limits import JOBS_PER_ORDER_MAX

from ..weights import Weights


class Term(Struct, frozen=True):
    """One term of a cost."""

    name: str
    milliminor: int
    words: str


class Obstacle(Struct, frozen=True):
    """One constraint that does not hold."""

    constraint: str
    sentence: str


class Change(Struct, frozen=True):
    """The smallest change of one fact that lifts an obstacle."""

    constraint: str
    """The obstacle's."""
    sentence: str
    """What to do, rounded to what is enough: "load 12 g more of PLA"."""
    numbers: tuple[int, ...] = ()
    """The same exactly: times, metres, milligrams, micrometres, millionths of a standing."""
    name: str = ""
    """A material, a currency or a licence."""


class Verdict(Struct, frozen=True):
    """One machine for one job."""

    owner: str
    """The node's key, hexadecimal."""
    workshop: str
    machine: str
    rank: int
    """1 is the best; 0 does not fit."""
    milliminor: int
    """The sum of the terms, also where it does not fit."""
    terms: tuple[Term, ...]
    obstacles: tuple[Obstacle, ...]
    changes: tuple[Change, ...]
    """All of them together make it fit, one for each obstacle; empty: it fits, or nothing
    would make it fit."""
    unknown: tuple[str, ...]
    """What is not known of it, as sentences."""
    note: str
    """What sets it apart from the best, or what rules it out, in one sentence."""
    distance_m: int | None
    seconds: int
    ready_ms: int
    arrival_ms: int
    energy_mwh: int
    co2e_mg: int


class Source(Struct, frozen=True):
    """What was known of one workshop: its own signed words, and what the buyer thinks of it."""

    owner: str
    """The node's key, hexadecimal."""
    capacity: str
    """The record's id, hexadecimal."""
    workshop: str
    """Likewise; empty: it had not said where it is."""
    standing: Annotated[float, Meta(ge=0, le=1)]
    tier: Annotated[int, Meta(ge=0, le=100)]


class Basis(Struct, frozen=True):
    """The records that an explanation rests on, by their ids in hexadecimal."""

    order: str
    design: str
    sources: tuple[Source, ...]
    """Of the machines that are told one by one."""


class Explanation(Struct, frozen=True):
    """One job."""

    job: Annotated[int, Meta(ge=0, lt=JOBS_PER_ORDER_MAX)]
    at: Annotated[int, Meta(ge=0, le=2**53)]
    """When these machines were compared."""
    part: str
    pieces: Annotated[int, Meta(ge=1)]
    weights: Weights
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
    basis: Basis | None = None
    """None: there is no order yet."""
