"""An order is planned as a whole: every piece once, no machine in two places, all in time."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from commonfab.protocol.records import Design, Part, Stock
from commonfab.scheduler import reference
from commonfab.scheduler.plans.planning import Errand, Planning
from commonfab.scheduler.plans.ways import Way
from commonfab.scheduler.problem import Want
from commonfab.scheduler.reference import Known
from commonfab.scheduler.weights import Weights
from tests.builders import a_design, body_of
from tests.scheduler.worlds import (
    BERLIN,
    DAY_MS,
    HAMBURG,
    HOUR_MS,
    NOON,
    PLA,
    a_capacity,
    a_machine,
    a_part,
    a_town,
    a_view,
    a_workshop,
    node,
    wants_of,
)

ASSEMBLY = a_part(name="whole", process="assembly", material="screws", seconds=600, mass_mg=0)
SCREWS = (Stock(material="screws", mass_mg=1_000_000, price_minor_per_kg=0),)


def of(*parts: Part) -> Design:
    return body_of(a_design(parts=parts), Design)


def way(town: list[Known], errand: Errand, **weights: Any) -> Way | None:
    """Any: the fields of `Weights`."""
    return Planning(errand, a_view(town).snapshot(), NOON, Weights(**weights)).way(
        "mine", Weights()
    )


def a_shop(name: str, *machines: Any, place: Any = BERLIN) -> Known:
    """Any: machines, and a place."""
    workshop = a_workshop(place, name=name) if place else None
    return Known(node(name), a_capacity(*machines), workshop, 0.5)


@pytest.mark.rule("SCHED-24")
@given(st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_every_piece_is_made_once_and_no_machine_is_in_two_places(seed: int, quantity: int) -> None:
    wants = wants_of(3, seed)
    parts = [structs.replace(w.part, name=f"p{n}", pieces=n + 1) for n, w in enumerate(wants)]
    errand = Errand(of(*parts), quantity, wants[0].place)
    town = a_town(12, seed)

    found = way(town, errand)

    if found is None:
        return
    pieces = {part.name: part.pieces * quantity for part in parts}
    made = dict.fromkeys(pieces, 0)
    used: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for each in found.makings:
        made[each.part] += each.pieces
        used.setdefault((each.owner, each.machine), []).append((each.start_ms, each.ready_ms))
    assert made == pieces
    for windows in used.values():
        windows.sort()
        assert all(a[1] <= b[0] + 1 for a, b in pairwise(windows))
    assert found.there_ms == max(each.arrival_ms for each in found.makings)
    assert sum(each.deliveries for each in found.journeys) == len(found.makings)
    assert _stock_is_enough(town, found, {part.name: part for part in parts})


def _stock_is_enough(town: list[Known], found: Way, parts: dict[str, Part]) -> bool:
    left = {
        (known.author.hex(), machine.id, stock.material): stock.mass_mg
        for known in town
        for machine in known.capacity.machines
        for stock in machine.stock
    }
    for each in found.makings:
        part = parts[each.part]
        left[each.owner, each.machine, part.material] -= each.pieces * part.mass_mg
    return min(left.values()) >= 0


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_single_job_goes_to_the_machine_that_costs_least(seed: int) -> None:
    town, (want,) = a_town(10, seed), wants_of(1, seed)
    want = Want(want.part, 1, want.place)

    found = way(town, Errand(of(want.part), 1, want.place))

    best = reference.top(town, want, NOON, 1, Weights())
    made = [(each.owner, each.machine) for each in found.makings] if found else []
    assert made == [(pair.author.hex(), pair.machine) for pair in best]


def test_the_price_is_what_is_paid_for_machine_material_and_transport() -> None:
    found = way([a_shop("bob", a_machine())], Errand(of(a_part()), 1, HAMBURG))

    assert found is not None
    (making,) = found.makings
    # An hour at 1.50 EUR, 50 g at 20 EUR/kg; 2 EUR, and 357.4 road km at 2.01 cents.
    assert making.price_minor == 150 + 100
    assert making.transport_minor == 919
    assert found.price_minor == 250 + 919
    assert (found.currency, found.late_ms, found.joined_by) == ("EUR", 0, "")
    (journey,) = found.journeys
    assert (journey.goods, journey.mass_mg, journey.distance_m) == (
        ("1 x bracket",),
        50_000,
        255_288,
    )


def test_the_price_is_what_is_paid_whatever_a_profile_counts() -> None:
    town, errand = [a_shop("bob", a_machine())], Errand(of(a_part()), 1, HAMBURG)

    usual = way(town, errand)
    other = way(town, errand, transport_minor_per_km=50.0, energy_minor_per_kwh=90.0)

    assert usual == other


def test_parts_are_made_side_by_side_where_there_are_machines_enough() -> None:
    parts = of(a_part(name="left"), a_part(name="right"))

    one = way([a_shop("bob", a_machine())], Errand(parts, 1, BERLIN))
    two = way([a_shop("bob", a_machine(), a_machine(id="mk4"))], Errand(parts, 1, BERLIN))

    assert one is not None
    assert two is not None
    assert one.there_ms - two.there_ms == 3_600 * 1_100 + 1_000


@pytest.mark.rule("SCHED-25")
def test_parts_go_to_the_workshop_that_joins_them_and_from_there_to_the_buyer() -> None:
    town = [
        a_shop("printers", a_machine(), a_machine(id="mk4")),
        a_shop("joiners", a_machine(id="bench", process="assembly", stock=SCREWS), place=HAMBURG),
    ]
    errand = Errand(of(a_part(name="left"), a_part(name="right"), ASSEMBLY), 1, BERLIN)

    found = way(town, errand)

    assert found is not None
    assert found.joined_by == "joiners"
    *parts, whole = found.makings
    assert [each.workshop for each in parts] == ["printers", "printers"]
    assert (whole.workshop, whole.machine, whole.pieces) == ("joiners", "bench", 1)
    assert whole.start_ms >= max(each.arrival_ms for each in parts)
    assert found.there_ms == whole.arrival_ms
    assert [(j.workshop, j.goods) for j in found.journeys] == [
        ("printers", ("1 x left", "1 x right")),
        ("joiners", ("1 x whole",)),
    ]
    assert all(journey.distance_m == 255_288 for journey in found.journeys)


@pytest.mark.rule("SCHED-25")
def test_the_buyer_joins_the_parts_where_nobody_else_does() -> None:
    found = way([a_shop("bob", a_machine())], Errand(of(a_part(), ASSEMBLY), 1, BERLIN))

    assert found is not None
    assert found.joined_by == ""
    assert [each.part for each in found.makings] == ["bracket"]


def test_a_workshop_that_does_not_say_where_it_is_joins_nothing() -> None:
    bench = a_machine(id="bench", process="assembly", stock=SCREWS)
    town = [a_shop("bob", a_machine()), a_shop("nowhere", bench, place=None)]

    found = way(town, Errand(of(a_part(), ASSEMBLY), 1, BERLIN))

    assert found is not None
    assert found.joined_by == ""


def test_what_nobody_can_make_has_no_way() -> None:
    assert way([a_shop("bob", a_machine())], Errand(of(a_part(material="PEEK")), 1, BERLIN)) is None
    assert way([], Errand(of(a_part()), 1, BERLIN)) is None


def test_where_nobody_can_be_in_time_the_way_says_how_late_it_is() -> None:
    town = [a_shop("bob", a_machine())]

    late = way(town, Errand(of(a_part()), 1, BERLIN, by=NOON + HOUR_MS))
    in_time = way(town, Errand(of(a_part()), 1, BERLIN, by=NOON + DAY_MS))

    assert late is not None
    assert late.late_ms == late.there_ms - NOON - HOUR_MS > 0
    assert in_time is not None
    assert in_time.late_ms == 0


def test_a_workshop_that_joins_too_late_is_told_with_its_lateness() -> None:
    busy = a_machine(id="bench", process="assembly", stock=SCREWS, free_at=NOON + 2 * DAY_MS)
    town = [a_shop("bob", a_machine()), a_shop("joiners", busy)]

    found = way(town, Errand(of(a_part(), ASSEMBLY), 1, BERLIN, by=NOON + DAY_MS))

    assert found is not None
    assert found.joined_by == "joiners"
    assert found.late_ms > DAY_MS


@pytest.mark.parametrize("parts", [(1, 9), (9, 1)], ids=["short first", "long first"])
def test_jobs_are_put_in_the_better_of_two_orders(parts: tuple[int, int]) -> None:
    """One machine, two jobs: what waits costs, so the short one goes first."""
    hours = [a_part(name=f"{each} h", seconds=each * 3_600) for each in parts]

    found = way([a_shop("bob", a_machine())], Errand(of(*hours), 1, BERLIN))

    assert found is not None
    assert min(found.makings, key=lambda each: each.start_ms).part == "1 h"


def test_jobs_share_the_stock_of_a_machine() -> None:
    spool = (Stock(material=PLA, mass_mg=120_000, price_minor_per_kg=2_000),)
    parts = of(a_part(name="left", mass_mg=70_000), a_part(name="right", mass_mg=70_000))

    alone = way([a_shop("bob", a_machine(stock=spool))], Errand(parts, 1, BERLIN))
    two = [a_shop("bob", a_machine(stock=spool), a_machine(id="mk4", stock=spool))]
    both = way(two, Errand(parts, 1, BERLIN))

    assert alone is None
    assert both is not None
    assert {each.machine for each in both.makings} == {"mk3", "mk4"}


def test_planning_leaves_the_view_as_it_was() -> None:
    view = a_view([a_shop("bob", a_machine())]).snapshot()
    free_at, stock = view.machines.free_at.copy(), view.stocks.mass_mg.copy()

    assert Planning(Errand(of(a_part()), 3, BERLIN), view, NOON, Weights()).way("mine", Weights())

    assert (view.machines.free_at == free_at).all()
    assert (view.stocks.mass_mg == stock).all()


def test_the_cheap_stock_goes_to_whom_it_fits_best_whatever_their_order() -> None:
    """The longest first would leave 10 g of it, the shortest first 30 g."""
    grams = (70, 50, 50, 20)
    parts = [
        a_part(name=f"p{at}", seconds=60 * each, mass_mg=each * 1000)
        for at, each in enumerate(grams)
    ]
    cheap = (Stock(material=PLA, mass_mg=100_000, price_minor_per_kg=0),)
    dear = (Stock(material=PLA, mass_mg=1_000_000, price_minor_per_kg=90_000),)
    town = [a_shop("cheap", a_machine(stock=cheap)), a_shop("dear", a_machine(stock=dear))]

    found = way(town, Errand(of(*parts), 1, BERLIN), waiting_minor_per_hour=0.0)

    assert found is not None
    assert sum(each.mass_mg for each in found.makings if each.workshop == "cheap") == 100_000
