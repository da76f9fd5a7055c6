"""How the ways to have something made look."""

import pytest
from msgspec import structs

from commonfab.node.cli.plan import print_ways
from commonfab.scheduler.plans.ways import Journey, Making, Way, Ways

LEFT = Making(
    part="left \x1b[2J",
    pieces=4,
    owner="bb" * 32,
    workshop="Bob's",
    machine="mk3",
    start_ms=1_900_000_000_000,
    ready_ms=1_900_003_600_000,
    arrival_ms=1_900_010_800_000,
    price_minor=650,
    transport_minor=230,
    distance_m=12_300,
    mass_mg=120_000,
    co2e_mg=90_000,
)
WHOLE = structs.replace(LEFT, part="whole", pieces=1, workshop="Carol's", machine="bench")
TO_CAROL = Journey(
    workshop="Bob's",
    owner="bb" * 32,
    goods=("4 x left", "4 x right"),
    deliveries=2,
    distance_m=12_300,
    mass_mg=240_000,
    arrival_ms=1_900_010_800_000,
)
HOME = structs.replace(
    TO_CAROL, workshop="Carol's", goods=("1 x whole",), deliveries=1, distance_m=None
)
CHEAP = Way(
    profiles=("cheap", "cheap+near"),
    currency="EUR",
    price_minor=1760,
    there_ms=1_900_010_800_000,
    co2e_mg=180_000,
    makings=(LEFT, WHOLE),
    journeys=(TO_CAROL, HOME),
    joined_by="Carol's",
    late_ms=0,
)
FAST = structs.replace(
    CHEAP, profiles=("fast",), price_minor=4200, makings=(LEFT,), journeys=(HOME,), joined_by=""
)


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")


def test_each_way_is_a_line_and_says_who_makes_what_and_what_travels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_ways(Ways(0, (CHEAP, FAST)), "4 x shelf")

    shown = printed(capsys)
    assert shown.startswith("2 ways to have 4 x shelf made, none of which is cheaper, sooner and")
    assert "cheap    17.60 EUR" in shown
    assert "180 g" in shown
    assert "cheap+near" in shown
    assert "cheap; put together by Carol's" in shown
    assert "left [2J" in shown
    assert "Bob's to Carol's: 4 x left and 4 x right, 240 g, 12 km 2 times, there" in shown
    assert "Carol's to you: 1 x whole, 240 g, nobody knows how far, there" in shown
    assert "too late by" not in shown


def test_a_way_that_is_too_late_says_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    print_ways(Ways(0, (structs.replace(CHEAP, late_ms=3_600_000),)), "4 x shelf")

    shown = printed(capsys)
    assert "1 way to have 4 x shelf made\n" in shown
    assert "too late by" in shown
    assert "1 h 00 min" in shown
