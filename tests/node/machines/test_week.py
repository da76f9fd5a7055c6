"""Hours as a person writes them are the record's, wherever the place is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.machines.week import in_words, windows
from commonfab.protocol.errors import UsageError
from commonfab.protocol.hours import timetable

DAY, HOUR = 1440, 60


def test_days_and_times_become_minutes_of_the_week() -> None:
    assert windows(["Mon-Wed 09:00-18:00", "Sat 10:00-12:30"], 0) == (
        (9 * HOUR, 18 * HOUR),
        (DAY + 9 * HOUR, DAY + 18 * HOUR),
        (2 * DAY + 9 * HOUR, 2 * DAY + 18 * HOUR),
        (5 * DAY + 10 * HOUR, 5 * DAY + 12 * HOUR + 30),
    )


def test_a_place_in_the_east_opens_earlier_and_its_monday_may_begin_on_sunday() -> None:
    assert windows(["Mon 01:00-03:00"], 60) == ((0, 2 * HOUR),)
    assert windows(["Mon 01:00-03:00"], 90) == ((7 * DAY - 30, 90),)
    assert windows(["Sun 20:00-22:00"], -5 * HOUR) == ((HOUR, 3 * HOUR),)


def test_times_go_on_over_midnight_and_days_over_sunday() -> None:
    assert windows(["Fri 22:00-02:00"], 0) == ((4 * DAY + 22 * HOUR, 5 * DAY + 2 * HOUR),)
    assert windows(["Sun-Mon 08:00-09:00"], 0) == (
        (8 * HOUR, 9 * HOUR),
        (6 * DAY + 8 * HOUR, 6 * DAY + 9 * HOUR),
    )


@pytest.mark.parametrize("offset", [0, 90, -300])
def test_a_week_without_a_gap_is_the_whole_week(offset: int) -> None:
    assert windows(["Mon-Sun 00:00-24:00"], offset) == ((0, 7 * DAY),)
    assert windows(["Mon-Sun 07:00-07:00"], offset) == ((0, 7 * DAY),)
    assert windows(["Mon-Sat 00:00-24:00", "Sun 00:00-20:00", "Sun 19:00-00:00"], offset) == (
        (0, 7 * DAY),
    )


def test_hours_that_touch_over_sunday_night_are_one_opening() -> None:
    assert windows(["Sun 20:00-24:00", "Mon 00:00-06:00"], 0) == ((6 * DAY + 20 * HOUR, 6 * HOUR),)


def test_nothing_said_is_nothing_known() -> None:
    assert windows([], 60) == ()
    assert in_words((), 60) == ""


@pytest.mark.parametrize(
    ("hours", "why"),
    [
        ("Mon 9-18", r"'Mon 9-18' are no hours; write for example \"Mon-Fri 09:00-18:00\""),
        ("Mo 09:00-18:00", "are no hours"),
        ("Mon 09:00-24:01", "times from 00:00 to 24:00"),
        ("Mon 09:60-18:00", "times from 00:00 to 24:00"),
    ],
)
def test_what_are_no_hours_is_refused_with_an_example(hours: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        windows([hours], 0)


def test_more_openings_than_a_record_holds_are_refused() -> None:
    with pytest.raises(UsageError, match="22 openings in a week; others can be told 21"):
        windows([f"Mon-Sun 0{n}:00-0{n}:30" for n in range(3)] + ["Wed 10:00-11:00"], 0)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (["Mon-Fri 09:00-18:00"], "Mon-Fri 09:00-18:00"),
        (["Mon 09:00-18:00", "Wed-Thu 09:00-18:00"], "Mon Wed-Thu 09:00-18:00"),
        (["Mon 9:00-10:00", "Fri 22:00-02:00"], "Mon 09:00-10:00, Fri 22:00-02:00"),
        (["Mon-Sun 00:00-24:00"], "always"),
    ],
)
def test_hours_are_told_in_the_time_of_the_place(hours: list[str], words: str) -> None:
    assert in_words(windows(hours, 120), 120) == words


hours = st.builds(
    "{} {:02}:{:02}-{:02}:{:02}".format,
    st.sampled_from(["Mon", "Tue-Thu", "Sat-Mon", "Sun"]),
    st.integers(0, 23),
    st.sampled_from([0, 30]),
    st.integers(0, 23),
    st.sampled_from([0, 30]),
)


@given(st.lists(hours, min_size=1, max_size=3), st.integers(-12 * 60, 14 * 60))
def test_joining_openings_changes_no_minute_of_them(hours: list[str], offset: int) -> None:
    joined = windows(hours, offset)
    apart = tuple(one for each in hours for one in windows([each], offset))

    assert timetable(joined, ()) == timetable(apart, ())
    assert all(0 <= begin < 7 * DAY and 0 < end <= 7 * DAY for begin, end in joined)
