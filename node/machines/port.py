"""What a node needs of a machine, whatever it is."""

from dataclasses import dataclass
from typing import Literal, Protocol

from commonfab.protocol.ids import RecordId

State = Literal["idle", "preparing", "running", "paused", "failed", "offline"]


@dataclass(frozen=True, slots=True)
class Work:
    """What a machine is asked to make under one lease."""

    lease: RecordId
    fence: int
    """Counts the jobs that were told to start. A machine takes no work whose fence is not above
    the last one's: that job was given up before it could start. Not the lease's `seq`: a later
    lease may be made ahead of an earlier one."""
    part: str
    pieces: int
    machine_seconds: int
    mass_mg: int
    power_w: int
    programs: tuple[tuple[str, int], ...] = ()
    """CIDs of what it is to run, and how often; none where the workshop does not slice."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a machine stands now."""

    state: State
    permille: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one work. `pieces` are the good ones, also when it failed."""

    made: bool
    pieces: int
    machine_seconds: int
    mass_mg: int
    energy_mwh: int
    reason: str = ""


class MachineDriver(Protocol):
    """One machine. All methods return soon, but `make`."""

    def condition(self) -> Condition: ...

    async def make(self, work: Work) -> Outcome:
        """Make it, and return when it is over. A machine's failure is an outcome, not an error.

        Raises `UsageError` if the machine is busy, or if `work.fence` is not above that of
        the work before: then another lease has taken its place.
        """
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def cancel(self, reason: str) -> None:
        """End the present work as failed, with the pieces that are good so far."""
        ...
