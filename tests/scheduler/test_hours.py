"""Many machines' hours at once: the same as one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.hours import timetable
from commonfab.scheduler.columns import NO_CODE
from commonfab.scheduler.hours import Timetables
from tests.scheduler.worlds import ALWAYS, DAY_MS, NOON

OFFICE = tuple((day * 1440 + 540, day * 1440 + 1080) for day in range(5))
NIGHT = ((6 * 1440 + 1200, 360),)

windows = st.sampled_from([(), ALWAYS, OFFICE, NIGHT, ((0, 5), (5_000, 5_001)), ((10_080, 0),)])
MONDAY = NOON // (7 * DAY_MS) * 7 * DAY_MS + 4 * DAY_MS
edges = st.sampled_from([540, 1080, 1200, 360, 5_000, 5_001, 0]).map(lambda n: MONDAY + n * 60_000)
times = st.integers(NOON - 10**9, NOON + 10**9) | edges
durations = st.integers(1, 10**9) | st.sampled_from([540, 1, 10_080]).map(lambda n: n * 60_000)


@given(
    st.lists(st.tuples(windows, windows, times), min_size=1, max_size=8),
    st.lists(durations, min_size=1, max_size=3),
)
def test_windows_are_those_of_each_machine_alone(
    machines: list[tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], int]],
    durations: list[int],
) -> None:
    timetables = Timetables()
    codes = np.array([timetables.take(hours, there) for hours, there, _ in machines], np.int32)
    earliest = np.array([float(begin) for _, _, begin in machines])
    window = np.array([[float(duration)] * len(machines) for duration in durations])

    placed = timetables.place(codes, earliest, window)

    for job, duration in enumerate(durations):
        for at, (hours, there, begin) in enumerate(machines):
            alone = timetable(hours, there).window(begin, duration)
            assert placed.found[job, at] == (alone is not None)
            expected = alone or (begin, begin + duration)
            assert (placed.start[job, at], placed.ready[job, at]) == expected
    soonest, longest = timetables.soonest(codes, earliest), timetables.longest_ms(codes)
    assert np.all(
        placed.start[placed.found] >= np.broadcast_to(soonest, window.shape)[placed.found]
    )
    assert longest.tolist() == [timetable(*each[:2]).longest_ms() for each in machines]
    assert not np.any(placed.found & (window > longest))


def test_hours_that_two_machines_have_are_kept_until_both_are_gone() -> None:
    timetables = Timetables()
    first, second = timetables.take(OFFICE, ()), timetables.take(OFFICE, ())
    assert first == second

    timetables.give_back(first)
    assert timetables.hours(second) == OFFICE
    timetables.give_back(second)

    assert len(timetables) == 0
    assert timetables.take(NIGHT, ()) == first
    assert (timetables.hours(first), timetables.attended(first)) == (NIGHT, ())
    morning = float(MONDAY + 9 * 3_600_000)
    placed = timetables.place(np.array([first], np.int32), np.array([morning]), np.array([1.0]))
    assert placed.start[0] == MONDAY + 6 * DAY_MS + 20 * 3_600_000


def test_hours_that_nobody_told_have_no_code_and_are_unknown() -> None:
    timetables = Timetables()
    codes = np.array([timetables.take((), ()), timetables.take(OFFICE, ())], np.int32)

    assert codes[0] == NO_CODE
    hours, attended = timetables.known(codes)
    assert hours.tolist() == [False, True]
    assert attended.tolist() == [False, False]


def test_a_copy_does_not_change_with_what_it_was_copied_from() -> None:
    timetables = Timetables()
    code = timetables.take(OFFICE, ())
    twin = timetables.copy()

    timetables.give_back(code)
    timetables.take(NIGHT, NIGHT)

    placed = twin.place(np.array([code], np.int32), np.array([float(NOON)]), np.array([1.0]))
    assert twin.hours(code) == OFFICE
    assert (placed.start[0], placed.ready[0]) == timetable(OFFICE, ()).window(NOON, 1)


def test_more_hours_than_were_ever_expected_are_kept_apart() -> None:
    timetables = Timetables()
    spans = [((minute, minute + 60),) for minute in range(100)]

    codes = [timetables.take(span, ()) for span in spans]

    assert [timetables.hours(code) for code in codes] == spans
