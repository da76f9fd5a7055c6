"""Weekly hours: when a job may begin, and when its machine is cleared."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.hours import Windows, timetable

HOUR, DAY = 60, 24 * 60
"""In minutes, as are the windows of a record."""
WEEK = 7 * DAY
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
WEEKDAYS_9_TO_18 = tuple((day * DAY + 9 * HOUR, day * DAY + 18 * HOUR) for day in range(5))
ALL_WEEK = ((0, WEEK),)


def at(text: str) -> int:
    """Return a time of the first week of June 2026, which began on a Monday: "Tue 09:30"."""
    day = DAYS.index(text[:3]) + 1
    hour, minute = (int(part) for part in text[4:].split(":"))
    return int(datetime(2026, 6, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


def window(
    hours: Windows, attended: Windows, earliest: str, minutes: int
) -> tuple[int, int] | None:
    return timetable(hours, attended).window(at(earliest), minutes * MINUTE_MS)


@pytest.mark.rule("SCHED-19")
@pytest.mark.parametrize("always", [(), ALL_WEEK, ((9, 9),), ((0, 5_000), (5_000, WEEK))])
def test_where_nothing_is_said_or_it_is_the_whole_week_a_job_begins_at_once(
    always: Windows,
) -> None:
    assert timetable(always, always).is_always()
    assert window(always, always, "Sun 23:59", 10_000) == (
        at("Sun 23:59"),
        at("Sun 23:59") + 10_000 * MINUTE_MS,
    )


@pytest.mark.rule("SCHED-19")
@pytest.mark.parametrize(
    ("earliest", "minutes", "begin", "end"),
    [
        ("Mon 10:00", 60, "Mon 10:00", "Mon 11:00"),
        ("Mon 17:00", 60, "Mon 17:00", "Mon 18:00"),
        ("Mon 17:01", 60, "Tue 09:00", "Tue 10:00"),
        ("Mon 08:00", 540, "Mon 09:00", "Mon 18:00"),
        ("Tue 20:00", 1, "Wed 09:00", "Wed 09:01"),
    ],
)
def test_a_machine_with_hours_runs_a_job_whole_in_one_of_them(
    earliest: str, minutes: int, begin: str, end: str
) -> None:
    assert window(WEEKDAYS_9_TO_18, (), earliest, minutes) == (at(begin), at(end))


def test_after_friday_comes_monday() -> None:
    found = window(WEEKDAYS_9_TO_18, (), "Fri 17:30", 60)

    assert found == (at("Mon 09:00") + WEEK * MINUTE_MS, at("Mon 10:00") + WEEK * MINUTE_MS)


def test_a_job_that_is_longer_than_every_opening_finds_none() -> None:
    assert window(WEEKDAYS_9_TO_18, (), "Mon 09:00", 541) is None
    assert timetable(WEEKDAYS_9_TO_18, ()).longest_ms() == 540 * MINUTE_MS


@pytest.mark.rule("SCHED-20")
@pytest.mark.parametrize(
    ("earliest", "minutes", "begin", "end"),
    [
        ("Mon 10:00", 60, "Mon 10:00", "Mon 11:00"),
        ("Mon 17:59", 600, "Mon 17:59", "Tue 09:00"),
        ("Mon 18:00", 60, "Tue 09:00", "Tue 10:00"),
        ("Mon 16:00", 120, "Mon 16:00", "Tue 09:00"),
        ("Mon 16:00", 119, "Mon 16:00", "Mon 17:59"),
    ],
)
def test_a_job_begins_and_is_cleared_when_someone_is_there_and_runs_on_without_them(
    earliest: str, minutes: int, begin: str, end: str
) -> None:
    assert window((), WEEKDAYS_9_TO_18, earliest, minutes) == (at(begin), at(end))


def test_a_job_must_begin_when_someone_is_there_and_still_be_over_by_closing() -> None:
    mornings = ((9 * HOUR, 10 * HOUR), (DAY + 9 * HOUR, DAY + 10 * HOUR))

    assert window(WEEKDAYS_9_TO_18, mornings, "Mon 11:00", 59) == (at("Tue 09:00"), at("Tue 09:59"))


def test_a_window_that_ends_before_it_begins_goes_on_over_sunday_night() -> None:
    night = ((6 * DAY + 20 * HOUR, 6 * HOUR),)

    assert window(night, (), "Sun 23:00", 7 * HOUR) == (
        at("Sun 23:00"),
        at("Mon 06:00") + WEEK * MINUTE_MS,
    )
    assert window(night, (), "Mon 02:00", 4 * HOUR) == (at("Mon 02:00"), at("Mon 06:00"))


def test_windows_that_touch_or_overlap_are_one() -> None:
    split = ((9 * HOUR, 12 * HOUR), (12 * HOUR, 15 * HOUR), (14 * HOUR, 18 * HOUR))

    assert window(split, (), "Mon 00:00", 9 * HOUR) == (at("Mon 09:00"), at("Mon 18:00"))


def test_hours_in_which_there_is_no_time_let_nothing_begin() -> None:
    none = ((WEEK, 0),)

    assert window(none, (), "Mon 00:00", 1) is None
    assert window((), none, "Mon 00:00", 1) is None
    assert timetable(none, ()).longest_ms() == 0
    mornings = ((9 * HOUR, 10 * HOUR), *none)
    assert window((), mornings, "Mon 09:00", 61) == (
        at("Mon 09:00"),
        at("Mon 09:00") + WEEK * MINUTE_MS,
    )


hours_of_week = st.integers(0, 7 * 24).map(lambda hour: hour * HOUR)
hours = st.lists(st.tuples(hours_of_week, hours_of_week), max_size=4).map(tuple)


@pytest.mark.rule("SCHED-19")
@pytest.mark.rule("SCHED-20")
@given(
    hours,
    hours,
    st.integers(0, 3 * WEEK * MINUTE_MS),
    st.sampled_from([1, 59, 60, 61, 500, 3_000, 20_000]).map(lambda minutes: minutes * MINUTE_MS)
    | st.integers(1, 2 * DAY * MINUTE_MS),
)
def test_the_window_is_the_first_that_a_search_by_the_hour_finds(
    hours: Windows, attended: Windows, earliest: int, duration: int
) -> None:
    assert timetable(hours, attended).window(earliest, duration) == searched(
        hours_in(hours), hours_in(attended), earliest, duration
    )


def searched(
    running: set[int], there: set[int], earliest: int, duration: int
) -> tuple[int, int] | None:
    """Return the same by trying each full hour of two weeks."""
    for begin in (earliest, *((earliest // HOUR_MS + n) * HOUR_MS for n in range(1, 14 * 24))):
        last = min((begin + duration - 1) // HOUR_MS, begin // HOUR_MS + 7 * 24)
        spent = range(begin // HOUR_MS, last + 1)
        if of_week(begin // HOUR_MS) in there and all(of_week(n) in running for n in spent):
            end = begin + duration
            while of_week(end // HOUR_MS) not in there:
                end = (end // HOUR_MS + 1) * HOUR_MS
            return begin, end
    return None


def of_week(hour: int) -> int:
    """Return the hour of the week; 1970 began on a Thursday."""
    return (hour + 3 * 24) % (7 * 24)


def hours_in(windows: Windows) -> set[int]:
    return {
        hour % (7 * 24)
        for begin, end in windows or ALL_WEEK
        for hour in range(begin // HOUR, (end if end > begin else end + WEEK) // HOUR)
    }
