"""What a node has granted of the orders that have guardians, its own and others'.

An order with three guardians has a job begin where two of them grant it. Each grants a job once
in an epoch, and none in the next before the last is over: any two majorities have a guardian
in common, so that no job runs twice, whoever of them asks. Pure. Rules: specs/lease.md.
"""

from dataclasses import dataclass

from ..ids import Timestamp
from ..records import Grant, Record

Key = tuple[bytes, int]
"""An order and one of its jobs."""


@dataclass(slots=True)
class Vote:
    """A grant that this node has signed."""

    grant: Record
    is_over: bool = False
    """The owner has said that nothing more will be made of it."""

    @property
    def body(self) -> Grant:
        assert isinstance(self.grant.body, Grant)
        return self.grant.body

    def may_be_at_work(self, now: Timestamp) -> bool:
        return not self.is_over and now < self.body.until


class Votes:
    """One for each node."""

    def __init__(self) -> None:
        self._of_job: dict[Key, list[Vote]] = {}
        self._of_lease: dict[bytes, Vote] = {}

    def enter(self, grant: Record) -> None:
        """Note a grant that is on the disk, or will be before it is said."""
        vote = Vote(grant)
        if vote.body.lease not in self._of_lease:
            self._of_lease[vote.body.lease] = vote
            self._of_job.setdefault((vote.body.order, vote.body.job), []).append(vote)

    def find(self, lease: bytes) -> Vote | None:
        """Return the vote for a lease."""
        return self._of_lease.get(lease)

    def may_grant(self, order: bytes, job: int, epoch: int, now: Timestamp) -> bool:
        """Tell whether this node may grant a lease that it has not granted (LEASE-28)."""
        return all(
            vote.body.epoch < epoch and not vote.may_be_at_work(now)
            for vote in self._of_job.get((order, job), ())
        )

    def end(self, lease: bytes) -> None:
        """Hear from its owner that nothing more will be made of a lease."""
        vote = self.find(lease)
        if vote is not None:
            vote.is_over = True
