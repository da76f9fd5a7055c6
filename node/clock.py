"""The one file that reads the clock."""

import time

from commonfab.protocol.ids import Timestamp


def now() -> Timestamp:
    """Return the wall clock's time. Durations are measured with trio's own clock."""
    return Timestamp(now_ns() // 1_000_000)


def now_ns() -> int:
    return time.time_ns()
