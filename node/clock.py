"""The one file that reads the clock."""

import time

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import SECOND_MS


def now() -> Timestamp:
    """Return the wall clock's time. Durations are measured with trio's own clock."""
    return Timestamp(now_ns() // 1_000_000)


def utc_offset_minutes(at: Timestamp) -> int:
    """Return how far ahead of UTC the clocks of this place are then, summer time included."""
    return time.localtime(at / SECOND_MS).tm_gmtoff // 60


def now_ns() -> int:
    return time.time_ns()
