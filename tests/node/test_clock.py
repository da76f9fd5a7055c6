"""The clocks of the place, with their summer time."""

import time
from collections.abc import Generator
from datetime import UTC, datetime

import pytest

from commonfab.node import clock
from commonfab.protocol.ids import Timestamp


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Generator[None]:
    """Have the computer in a time zone, written as POSIX does, for one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def moment(month: int) -> Timestamp:
    return Timestamp(int(datetime(2026, month, 15, 12, tzinfo=UTC).timestamp()) * 1000)


@pytest.mark.parametrize("zone", ["CET-1CEST,M3.5.0,M10.5.0/3"], indirect=True)
@pytest.mark.usefixtures("zone")
def test_summer_time_is_an_hour_more() -> None:
    assert clock.utc_offset_minutes(moment(1)) == 60
    assert clock.utc_offset_minutes(moment(7)) == 120


@pytest.mark.parametrize("zone", ["NST3:30"], indirect=True)
@pytest.mark.usefixtures("zone")
def test_a_place_in_the_west_is_behind_by_half_hours_too() -> None:
    assert clock.utc_offset_minutes(moment(1)) == -210
