"""What goes wrong in a run, and how often: drawn from the seed.

Each kind of fault is absent in about a third of the runs, so that no kind hides another.
"""

from dataclasses import dataclass
from random import Random

from commonfab.protocol.limits import CLOCK_SKEW_MS_MAX

MINUTE_MS = 60_000


@dataclass(frozen=True)
class Faults:
    """Shares are of all letters, jobs or events; counts are for the whole run."""

    until_ms: int
    """When the bad times end."""
    loss: float
    copies: float
    late: float
    """Letters that are on their way for up to `late_ms_max`."""
    late_ms_max: int
    cuts: int
    """Times at which the network falls apart, in one shape or another."""
    crashes: int
    crash_within: float
    """Events whose effects are carried out only in part, because the node dies."""
    clock_ms_max: int
    """How wrong each node's clock is, either way; it also jumps within these bounds."""
    clock_jumps: int
    failures: float
    """Jobs that a machine gives up, with some good pieces."""
    overruns: float
    """Jobs that take up to three times as long."""
    silent: int
    """Workshops that go silent for ever."""
    retired: int
    """Machines that take no more jobs for a while."""
    sessions_cut: float
    cheats: float
    """Acts of all rogues together for each second."""
    equivocations: int
    floods: int
    finds: float
    """Times in each second that a buyer hears of a better machine, rightly or not."""


def draw(random: Random) -> Faults:
    def chance(most: float) -> float:
        return random.random() * most if random.random() < 0.65 else 0.0

    def times(most: int) -> int:
        return random.randint(1, most) if random.random() < 0.65 else 0

    return Faults(
        until_ms=random.randint(6, 10) * MINUTE_MS,
        loss=chance(0.25),
        copies=chance(0.2),
        late=chance(0.05),
        late_ms_max=random.randint(5_000, 4 * MINUTE_MS),
        cuts=times(3),
        crashes=times(12),
        crash_within=chance(0.01),
        clock_ms_max=CLOCK_SKEW_MS_MAX if random.random() < 0.8 else 0,
        clock_jumps=times(20),
        failures=chance(0.3),
        overruns=chance(0.3),
        silent=times(3),
        retired=times(6),
        sessions_cut=chance(0.3),
        cheats=chance(0.5),
        equivocations=times(3),
        floods=times(4),
        finds=chance(1.0),
    )
