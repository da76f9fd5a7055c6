"""Machines as physical things: they make one job at a time, and go on while their node is down."""

from dataclasses import dataclass, field
from random import Random

from commonfab.protocol.ids import RecordId


@dataclass
class Work:
    """One job on a machine, in the world's own time."""

    lease: RecordId
    started_ms: int
    ends_ms: int
    pieces: int
    """Good pieces at its end."""
    made: bool
    reason: str = ""


@dataclass
class Workbench:
    """One machine."""

    id: str
    outlasts_node: bool
    """If not, the job fails when the node dies."""
    job: Work | None = None
    ended: dict[RecordId, Work] = field(default_factory=dict[RecordId, Work])

    def begin(self, work: Work) -> None:
        assert self.job is None, f"{self.id} is to make two jobs at once"
        assert work.lease not in self.ended, f"{self.id} is to make one lease twice"
        self.job = work

    def end(self) -> Work:
        assert self.job is not None
        work, self.job = self.job, None
        self.ended[work.lease] = work
        return work

    def break_off(self, now_ms: int, reason: str, random: Random) -> None:
        """Let the job under way end now, with the pieces that are good so far."""
        if self.job is not None:
            self.job.ends_ms = now_ms
            self.job.pieces = random.randint(0, max(0, self.job.pieces - 1))
            self.job.made = False
            self.job.reason = reason
