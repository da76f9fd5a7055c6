"""Weekly hours as a person writes them, and as a record has them.

A person writes days and times of the place ("Mon-Fri 09:00-18:00"); a record has minutes
of the week in UTC. Where summer time begins or ends, the record changes with it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from commonfab.protocol.errors import UsageError
from commonfab.protocol.hours import Windows, timetable
from commonfab.protocol.limits import WINDOWS_PER_WEEK_MAX

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_DAY_OF = "|".join(_DAYS)
PATTERN = rf"^({_DAY_OF})(-({_DAY_OF}))? ([0-9]{{1,2}}):([0-9]{{2}})-([0-9]{{1,2}}):([0-9]{{2}})$"
"""Of one setting. Days go on over Sunday, and times over midnight."""


def windows(hours: Iterable[str], utc_offset_minutes: int) -> Windows:
    """Return hours of the place as minutes of the week in UTC, where it is so far east.

    Raises `UsageError` for what is no time of day, and for more than a record can hold.
    """
    local = [span for text in hours for span in _spans(text)]
    moved = [((begin - utc_offset_minutes) % _WEEK, length) for begin, length in local]
    joined = _joined(moved)
    if len(joined) > WINDOWS_PER_WEEK_MAX:
        raise UsageError(
            f"{len(joined)} openings in a week; others can be told {WINDOWS_PER_WEEK_MAX}"
        )
    return tuple(joined)


def check_that_a_job_can_begin(hours: Iterable[str], attended: Iterable[str]) -> None:
    """Raise `UsageError` if nobody is ever there while the machine may run."""
    if not timetable(windows(hours, 0), windows(attended, 0)).starts:
        raise UsageError("nobody is there in any of its hours, so no job could ever begin")


def in_words(windows: Windows, utc_offset_minutes: int) -> str:
    """Return minutes of the week in UTC as days and times of the place; nothing if unknown."""
    if (0, _WEEK) in windows:
        return "always"
    local = sorted(
        ((begin + utc_offset_minutes) % _WEEK, (end - begin - 1) % _WEEK + 1)
        for begin, end in windows
    )
    days: dict[str, list[int]] = {}
    for begin, length in local:
        times = f"{_time(begin)}-{_time(begin + length)}"
        days.setdefault(times, []).append(begin // _DAY)
    return ", ".join(f"{_runs(on)} {times}" for times, on in days.items())


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield begin and length, in minutes, of each day's opening."""
    found = re.match(PATTERN, text)
    if found is None:
        raise UsageError(f'{text!r} are no hours; write for example "Mon-Fri 09:00-18:00"')
    first, last = _DAYS.index(found[1]), _DAYS.index(found[3] or found[1])
    begin, end = _minutes(found[4], found[5], text), _minutes(found[6], found[7], text)
    for day in range(first, first + (last - first) % len(_DAYS) + 1):
        yield day * _DAY + begin, end - begin if end > begin else end - begin + _DAY


def _minutes(hour: str, minute: str, text: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) >= 60 or minutes > _DAY:
        raise UsageError(f"{text!r}: a day has times from 00:00 to 24:00")
    return minutes


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return begin and end of each span within the week, as few as there can be."""
    joined: list[tuple[int, int]] = []
    for begin, length in sorted(spans):
        end = begin + length
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    if len(joined) > 1 and joined[-1][1] >= joined[0][0] + _WEEK:
        over = joined.pop()
        joined[0] = over[0], max(over[1], joined[0][1] + _WEEK)
    if joined and joined[0][1] - joined[0][0] >= _WEEK:
        return [(0, _WEEK)]
    return [(begin, end if end <= _WEEK else end - _WEEK) for begin, end in joined]


def _time(minute: int) -> str:
    of_day = minute % _DAY
    return f"{of_day // 60:02}:{of_day % 60:02}"


def _runs(days: Sequence[int]) -> str:
    """Return days as "Mon-Wed" and the like."""
    said: list[str] = []
    for day in days:
        if day - 1 in days:
            continue
        last = day
        while last + 1 in days:
            last += 1
        said.append(_DAYS[day] if last == day else f"{_DAYS[day]}-{_DAYS[last]}")
    return " ".join(said)
