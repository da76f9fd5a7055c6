"""The ways that a buyer may choose from, and the profiles that find them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import UsageError
from commonfab.scheduler.plans.blending import all_names, weights_of
from commonfab.scheduler.plans.choosing import choose, preferable
from commonfab.scheduler.plans.planning import Errand
from commonfab.scheduler.plans.ways import Way
from commonfab.scheduler.profiles import Profiles
from commonfab.scheduler.reference import Known
from tests.scheduler.plans.test_planning import a_shop, of
from tests.scheduler.worlds import BERLIN, HAMBURG, HOUR_MS, NOON, a_machine, a_part, a_view

PROFILES = Profiles()


def a_way(price_minor: int, there_ms: int, co2e_mg: int) -> Way:
    return Way(("x",), "EUR", price_minor, there_ms, co2e_mg, (), (), "", 0)


counts = st.tuples(*(st.integers(0, 4) for _ in range(3)))


@pytest.mark.rule("SCHED-26")
@given(st.lists(counts, max_size=12, unique=True))
def test_those_stay_to_which_no_other_is_preferable(all_counts: list[tuple[int, int, int]]) -> None:
    ways = [a_way(*each) for each in all_counts]

    kept = preferable(ways)

    for way in ways:
        better = [
            other
            for other in ways
            if other != way
            and other.price_minor <= way.price_minor
            and other.there_ms <= way.there_ms
            and other.co2e_mg <= way.co2e_mg
        ]
        assert (way in kept) == (not better)
        assert way in kept or any(other in kept for other in better)


def a_town_with_a_choice() -> list[Known]:
    cheap = a_machine(price_minor_per_hour=10, power_w=2_000, free_at=NOON + 40 * HOUR_MS)
    fast = a_machine(price_minor_per_hour=900, power_w=2_000, speed_permille=3_000)
    green = a_machine(price_minor_per_hour=200, power_w=2, free_at=NOON + 4 * HOUR_MS)
    return [a_shop("cheap", cheap), a_shop("fast", fast), a_shop("green", green)]


@pytest.mark.rule("SCHED-26")
def test_a_buyer_may_choose_between_cheap_fast_and_green() -> None:
    view = a_view(a_town_with_a_choice()).snapshot()
    errand = Errand(of(a_part()), 1, BERLIN)

    found = choose(errand, view, NOON, PROFILES)

    where = {name: way.makings[0].workshop for way in found.ways for name in way.profiles}
    assert (where["cheap"], where["fast"], where["green"]) == ("cheap", "fast", "green")
    assert [way.price_minor for way in found.ways] == sorted(w.price_minor for w in found.ways)
    assert preferable(found.ways) == list(found.ways)


def test_where_one_way_is_best_in_all_there_is_no_choice() -> None:
    town = [a_shop("here", a_machine()), a_shop("there", a_machine(power_w=500), place=HAMBURG)]

    found = choose(Errand(of(a_part()), 1, BERLIN), a_view(town).snapshot(), NOON, PROFILES)

    assert [way.profiles for way in found.ways] == [tuple(all_names(PROFILES))]


def test_what_nobody_can_make_has_no_ways() -> None:
    found = choose(Errand(of(a_part()), 1, BERLIN), a_view([]).snapshot(), NOON, PROFILES)

    assert found.ways == ()


def test_more_pieces_than_an_order_holds_are_refused() -> None:
    town = a_view([a_shop("bob", a_machine())]).snapshot()

    with pytest.raises(UsageError, match="1000000 pieces of bracket are more than the 100000"):
        choose(Errand(of(a_part(pieces=10)), 100_000, BERLIN), town, NOON, PROFILES)


def test_a_blend_lies_between_two_profiles() -> None:
    cheap, fast = PROFILES.weights("cheap"), PROFILES.weights("fast")

    blend = weights_of("cheap+fast", PROFILES)

    assert blend.waiting_minor_per_hour == pytest.approx(
        (cheap.waiting_minor_per_hour * fast.waiting_minor_per_hour) ** 0.5
    )
    assert blend.carbon_minor_per_kg == fast.carbon_minor_per_kg / 2
    assert weights_of("fast", PROFILES) == fast
    assert weights_of("", PROFILES) == PROFILES.weights("")


def test_a_blend_keeps_the_stricter_bounds() -> None:
    own = {"ours": {"trust_floor": 0.3, "distance_max_km": 50.0}, "far": {"distance_max_km": 90.0}}
    profiles = Profiles(own=own)

    assert weights_of("ours+far", profiles).distance_max_km == 50.0
    assert weights_of("cheap+far", profiles).distance_max_km == 90.0
    assert weights_of("far+ours", profiles).trust_floor == 0.3


@pytest.mark.parametrize("name", ["slow", "cheap+slow"])
def test_a_name_that_stands_for_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="slow: no such profile; there are cheap"):
        weights_of(name, PROFILES)


@pytest.mark.parametrize("name", ["cheap+fast+green", "+cheap", "cheap+", "+"])
def test_a_blend_is_named_by_two_profiles_and_no_other_number(name: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(name)}: what lies between two profiles"):
        weights_of(name, PROFILES)
