"""When a machine may run, and when somebody is there: weekly hours as exact windows.

A job begins when someone is there to load the machine, its window lies whole in one of
the times in which the machine may run, and the machine is free again when someone is
there to clear it. What nobody has said rules nothing out. specs/scheduling.md, Hours.

Times are whole milliseconds: this is what an owner promises. scheduler/hours.py has the
same for many machines at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from .limits import DAY_MS, MINUTE_MS

HOURS_PER_DAY = 24
WEEK_MS = 7 * DAY_MS
MONDAY_MS = 3 * DAY_MS
"""From the Monday before 1970 to 1970."""

Windows = tuple[tuple[int, int], ...]
"""As in a record: minutes of the week, from and to; empty: not known."""
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Start:
    """A job may begin from `opens` on, before `leave`, if its window is over by `close`.
    Milliseconds of the week, also of the ones before and after."""

    opens: float
    leave: float
    close: float


@dataclass(frozen=True, slots=True)
class Timetable:
    """A machine's hours, made ready to be asked."""

    starts: tuple[Start, ...]
    attended: tuple[Span, ...]
    """When someone is there, from and to."""

    def window(self, earliest: int, duration: int) -> tuple[int, int] | None:
        """Return the first window of a job: when it begins, not before `earliest`, and when
        the machine is cleared; None if no opening is long enough."""
        since = of_week(earliest)
        begins = [
            at
            for start in self.starts
            if (at := max(start.opens, since)) < start.leave and at + duration <= start.close
        ]
        if not begins:
            return None
        begin = earliest + int(min(begins) - since)
        end = begin + duration
        since = of_week(end)
        cleared = min(max(come, since) for come, leave in self.attended if since < leave)
        return begin, end + int(cleared - since)

    def is_always(self) -> bool:
        return self.longest_ms() == inf and self.attended[0][0] == -inf

    def longest_ms(self) -> float:
        """Return the longest window that ever finds an opening."""
        return max((start.close - start.opens for start in self.starts), default=0.0)


@lru_cache(maxsize=256)
def timetable(hours: Windows, attended: Windows) -> Timetable:
    """Return the hours of a record. Windows that overlap or touch are one."""
    there = _spans(attended)
    return Timetable(tuple(_starts(_spans(hours), there)), there)


def of_week(time: int) -> int:
    """Return the milliseconds since Monday 00:00 UTC."""
    return (time + MONDAY_MS) % WEEK_MS


def _starts(running: tuple[Span, ...], there: tuple[Span, ...]) -> Iterator[Start]:
    """Yield what two rows of spans, each in order, have in common."""
    left, right = 0, 0
    while left < len(running) and right < len(there):
        (opens, close), (come, leave) = running[left], there[right]
        if max(opens, come) < min(leave, close):
            yield Start(max(opens, come), min(leave, close), close)
        left, right = (left + 1, right) if close < leave else (left, right + 1)


def _spans(windows: Windows) -> tuple[Span, ...]:
    """Return the windows of this week and the next, in milliseconds, joined where they touch."""
    if not windows:
        return ((-inf, inf),)
    joined: list[list[int]] = []
    for begin, end in sorted(_repeated(windows)):
        if joined and begin <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    if len(joined) == 1:
        return ((-inf, inf),)
    return tuple((begin, end) for begin, end in joined if begin < 2 * WEEK_MS and end > 0)


def _repeated(windows: Windows) -> Iterator[tuple[int, int]]:
    for begin, end in windows:
        length = end - begin if end > begin else end - begin + WEEK_MS // MINUTE_MS
        for week in range(-2, 4) if length else ():
            at = begin * MINUTE_MS + week * WEEK_MS
            yield at, at + length * MINUTE_MS
