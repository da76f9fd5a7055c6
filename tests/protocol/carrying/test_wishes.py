"""Which designs a wish is for, and which of them are kept."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.carrying.wishes import (
    Area,
    Choice,
    Wanted,
    Wish,
    choose,
    fits,
    is_within,
    rooms,
    wanted_of,
)
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Place, Record
from tests.builders import LISBON, a_design, a_part
from tests.protocol.signers import ALICE, BOB

PUMP = a_design(
    ALICE,
    name="Hand pump",
    function="Lifts water.",
    tags=("Water", "Médical"),
    licence="CC-BY-4.0",
    parts=(a_part(name="piston"),),
)
NEAR_LISBON = Area(lat_udeg=38_700_000, lon_udeg=-9_100_000, radius_m=10_000)
MANY = 10**12


@pytest.mark.parametrize(
    ("wish", "is_so"),
    [
        (Wish(author=ALICE.node), True),
        (Wish(author=BOB.node), False),
        (Wish(tag="water"), True),
        (Wish(tag="MÉDICAL"), True),
        (Wish(tag="wat"), False),
        (Wish(licence="cc-by-4.0"), True),
        (Wish(licence="CC-BY-SA-4.0"), False),
        (Wish(process="FFF-printing"), True),
        (Wish(process="FFF"), True),
        (Wish(process="ff"), False),
        (Wish(words="hand pump"), True),
        (Wish(words="PISTON water"), True),
        (Wish(words="hand wheel"), False),
        (Wish(area=NEAR_LISBON), True),
        (Wish(tag="water", licence="CC0-1.0"), False),
        (Wish(tag="water", licence="CC-BY-4.0", area=NEAR_LISBON), True),
    ],
)
def test_a_wish_is_for_designs_for_which_all_of_it_is_so(wish: Wish, is_so: bool) -> None:
    assert fits(wish, PUMP, LISBON) == is_so


def test_a_design_whose_author_says_no_place_is_in_no_area() -> None:
    assert not fits(Wish(area=NEAR_LISBON), PUMP, None)


@pytest.mark.parametrize(
    ("lat", "lon", "accuracy_m", "is_so"),
    [
        (0.0, 179.95, 0, True),
        (0.0, -179.95, 0, True),
        (0.0, 179.8, 0, False),
        (0.0, 179.8, 15_000, True),
        (1.0, 180.0, 0, False),
    ],
)
def test_an_area_goes_across_the_date_line_and_allows_for_rough_places(
    lat: float,
    lon: float,
    accuracy_m: int,
    is_so: bool,
) -> None:
    area = Area(lat_udeg=0, lon_udeg=180_000_000, radius_m=10_000)
    place = Place(lat_udeg=round(lat * 1e6), lon_udeg=round(lon * 1e6), accuracy_m=accuracy_m)

    assert is_within(area, place) == is_so


def test_a_wish_that_names_nothing_is_empty() -> None:
    assert Wish().is_empty()
    assert Wish(budget_bytes=5).is_empty()
    assert not Wish(tag="x").is_empty()


def _wanted(number: int, **changes: Any) -> Wanted:
    fields: dict[str, Any] = {
        "id": RecordId(bytes([number]) * 32),
        "author": ALICE.node,
        "stream": f"design/{number}",
        "seq": 1,
        "at": number,
        "root": bytes([number]) * 4,
        "size_bytes": 100,
        "is_here": False,
    }
    return Wanted(**fields | changes)


def _kept(choices: list[Choice]) -> list[int]:
    return [each.wanted.id[0] for each in choices if each.is_kept]


def test_within_a_budget_what_is_here_stays_then_come_the_rare_then_the_new() -> None:
    wanted = [
        _wanted(1, copies=2),
        _wanted(2, copies=0),
        _wanted(3, copies=2),
        _wanted(4, copies=9, is_here=True),
        _wanted(5, copies=7),
        _wanted(6, copies=8),
    ]

    choices = choose([Wish(tag="x", budget_bytes=500)], [(0, each) for each in wanted], MANY)

    assert _kept(choices) == [4, 2, 3, 1, 6]
    assert [(each.wanted.id[0], each.why) for each in choices if not each.is_kept] == [
        (5, "over its wish's budget")
    ]


def test_a_smaller_design_still_goes_where_a_larger_one_did_not() -> None:
    wanted = [_wanted(1, size_bytes=50), _wanted(2, size_bytes=900), _wanted(3, size_bytes=150)]

    choices = choose([Wish(tag="x", budget_bytes=200)], [(0, each) for each in wanted], MANY)

    assert _kept(choices) == [3, 1]


def test_the_room_for_all_wishes_together_is_not_passed() -> None:
    wanted = [(wish, _wanted(number)) for wish, number in ((0, 1), (1, 2), (1, 3))]

    choices = choose([Wish(tag="x"), Wish(tag="y")], wanted, 200)

    assert _kept(choices) == [1, 3]
    assert choices[-1].why == "over the storage quota"


def test_a_design_that_one_wish_has_no_room_for_is_kept_for_the_next() -> None:
    each = _wanted(1)

    choices = choose([Wish(tag="x", budget_bytes=10), Wish(tag="y")], [(0, each), (1, each)], MANY)

    assert [(choice.is_kept, choice.wish) for choice in choices] == [(True, 1)]


def test_only_the_newest_version_of_a_design_is_kept() -> None:
    versions = [_wanted(number, stream="design/pump", seq=number) for number in (1, 3, 2)]

    choices = choose([Wish(tag="x")], [(0, each) for each in versions], MANY)

    assert [each.wanted.id[0] for each in choices] == [3]


def test_the_same_files_under_two_records_are_counted_once() -> None:
    one = _wanted(1)
    twins = [one, replace(_wanted(2), root=one.root), _wanted(3)]

    choices = choose([Wish(tag="x", budget_bytes=200)], [(0, each) for each in twins], MANY)

    assert sorted(_kept(choices)) == [1, 2, 3]


def test_what_is_left_of_a_budget_counts_what_is_here() -> None:
    wishes = [Wish(tag="x", budget_bytes=500), Wish(tag="y")]
    wanted = [(0, _wanted(1, is_here=True)), (0, _wanted(2)), (1, _wanted(3, is_here=True))]

    assert rooms(wishes, choose(wishes, wanted, MANY)) == [400, None]


@given(
    sizes=st.lists(st.tuples(st.integers(0, 100), st.booleans(), st.integers(0, 2)), max_size=20),
    budgets=st.lists(st.none() | st.integers(0, 200), min_size=3, max_size=3),
    room=st.integers(0, 300),
)
def test_no_budget_is_ever_passed_whatever_is_wished(
    sizes: list[tuple[int, bool, int]], budgets: list[int | None], room: int
) -> None:
    wishes = [Wish(tag="x", budget_bytes=budget) for budget in budgets]
    wanted = [
        (wish, _wanted(number, size_bytes=size, is_here=is_here))
        for number, (size, is_here, wish) in enumerate(sizes)
    ]

    choices = choose(wishes, wanted, room)

    kept = [choice for choice in choices if choice.is_kept]
    assert sum(each.wanted.size_bytes for each in kept) <= room
    for place, budget in enumerate(budgets):
        mine = sum(each.wanted.size_bytes for each in kept if each.wish == place)
        assert budget is None or mine <= budget
    assert len({choice.wanted.id for choice in choices}) == len(choices) == len(sizes)
    assert choose(wishes, list(reversed(wanted)), room) == choices


def test_what_is_known_of_a_design_comes_from_its_record() -> None:
    record: Record = PUMP

    wanted = wanted_of(record, is_here=True, copies=2)

    assert (wanted.id, wanted.author, wanted.size_bytes) == (record.id, NodeId(ALICE.node), 1000)
    assert (wanted.is_here, wanted.copies, wanted.stream) == (True, 2, "design/bracket")
