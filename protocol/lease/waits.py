"""How long a buyer waits, and for what."""

from dataclasses import dataclass

from ..ids import Timestamp

RETRY_MS_MAX = 5 * 60_000
CHECK_SHARE = 4
"""A lease is asked after when a quarter of the time is over that it may yet take."""
RESEND_SHARE = 16
"""Of a patient order's time for an answer: between two times that an acceptance is sent."""


@dataclass(frozen=True, slots=True)
class Timing:
    """All in milliseconds. `patience_ms` is an order's own."""

    ask_ms: int = 3_000
    """For the offers of those who were asked."""
    resend_ms: int = 1_000
    retry_ms: int = 2_000
    """Before a job that found no machine is tried again; doubles each time."""
    avoid_ms: int = 10 * 60_000
    """How long an owner that let an order down is not asked first."""
    check_ms: int = 5 * 60_000
    """Without a word about a lease, before its owner is asked whether it still holds."""
    show_ms: int = 15 * 60_000
    """Between two words to the guardians of an order."""
    look_ms: int = 15 * 60_000
    """Between two times that owners are asked for a job because a better machine was found."""

    def ask_until(self, patience_ms: int, now: Timestamp) -> Timestamp:
        """Return until when offers are waited for."""
        return Timestamp(now + max(self.ask_ms, patience_ms))

    def resend_at(self, patience_ms: int, now: Timestamp) -> Timestamp:
        """Return when an acceptance is said again."""
        return Timestamp(now + max(self.resend_ms, patience_ms // RESEND_SHARE))

    def check_at(self, until: int, now: Timestamp) -> Timestamp:
        """Return when to ask after a lease: the more seldom the longer it may yet take."""
        return Timestamp(now + max(self.check_ms, (until - now) // CHECK_SHARE))

    def retry_after_ms(self, failures: int) -> int:
        """Return how long a job waits that has failed so often before."""
        return min(self.retry_ms << min(failures, 20), RETRY_MS_MAX)
