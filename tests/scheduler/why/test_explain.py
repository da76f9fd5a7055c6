"""Why and why not: every machine that does not fit hears every reason."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.limits import (
    LEASE_TERM_MS_MAX,
    MASS_MG_MAX,
    PART_SECONDS_MAX,
    POWER_W_MAX,
    PRICE_MINOR_MAX,
    QUANTITY_MAX,
)
from commonfab.protocol.records import Machine, Stock
from commonfab.scheduler import reference
from commonfab.scheduler.constraints import BLOCKING, Constraint
from commonfab.scheduler.problem import Want
from commonfab.scheduler.reference import Known
from commonfab.scheduler.view import CapacityView
from commonfab.scheduler.weights import Weights
from commonfab.scheduler.why.explain import BEST, OTHERS_MAX, explain
from commonfab.scheduler.why.explanation import Explanation, Verdict
from tests.scheduler.worlds import (
    BERLIN,
    HAMBURG,
    HOUR_MS,
    LASER,
    NOON,
    PLA,
    PLYWOOD,
    a_capacity,
    a_machine,
    a_part,
    a_town,
    a_view,
    a_workshop,
    node,
    wants_of,
)

BOB, EVE = node("bob"), node("eve")
WEIGHTS = Weights()
ONE = Want(a_part(), 1, BERLIN)


def told_of(machine: Machine, want: Want = ONE, view: CapacityView | None = None) -> Verdict:
    view = view or CapacityView()
    view.update_workshop(BOB, a_workshop())
    view.update_capacity(BOB, a_capacity(machine))
    said = explain(view.snapshot(), want, NOON, WEIGHTS)
    return (said.best + said.others)[0]


@pytest.mark.rule("SCHED-12")
@pytest.mark.parametrize(
    ("machine", "want", "sentence"),
    [
        (a_machine(process=LASER), ONE, "does laser-cutting, not fff-printing"),
        (
            a_machine(volume_um=(100_000, 100_000, 100_000)),
            ONE,
            "needs 120 x 80 x 60 mm, has 100 x 100 x 100 mm",
        ),
        (
            a_machine(stock=(Stock(material=PLYWOOD, mass_mg=1, price_minor_per_kg=1),)),
            ONE,
            "has plywood, not PLA",
        ),
        (a_machine(), Want(a_part(), 21, BERLIN), "has 1000 g of PLA, needs 1050 g"),
        (a_machine(takes_jobs=False), ONE, "takes no jobs now"),
        (
            a_machine(free_at=NOON + LEASE_TERM_MS_MAX),
            ONE,
            "would be done in 31 d 1 h; nobody promises more than 31 d 0 h ahead",
        ),
        (
            a_machine(),
            Want(a_part(), 1, BERLIN, NOON + HOUR_MS),
            "would bring it in 3 h 06 min, 2 h 06 min too late",
        ),
    ],
)
def test_a_machine_that_does_not_fit_hears_why(machine: Machine, want: Want, sentence: str) -> None:
    said = told_of(machine, want)

    assert said.rank == 0
    assert [obstacle.sentence for obstacle in said.obstacles] == [sentence]
    assert said.note == sentence


@pytest.mark.rule("SCHED-12")
def test_words_that_ran_out_and_foreign_prices_are_told() -> None:
    view = CapacityView()
    view.update_capacity(EVE, a_capacity(a_machine(), until=NOON - 60_000, currency="CHF"))

    said = explain(view.snapshot(), ONE, NOON, WEIGHTS).others[0]

    assert [obstacle.sentence for obstacle in said.obstacles] == [
        "its word ran out 1 min 00 s ago",
        "is paid in CHF, not in EUR",
    ]
    assert said.unknown == ("has not said where it is; 500 km are assumed",)
    assert said.distance_m is None


def test_the_terms_are_told_in_numbers_and_words() -> None:
    view = CapacityView()
    view.update_workshop(EVE, a_workshop(HAMBURG, name="Fabulous"))
    view.update_capacity(EVE, a_capacity(a_machine(), grid_g_per_kwh=400))

    said = explain(view.snapshot(), ONE, NOON, WEIGHTS).best[0]

    assert (said.owner, said.workshop, said.machine) == (EVE.hex(), "Fabulous", "mk3")
    assert said.rank == 1
    assert said.note == "costs least, all counted"
    assert {term.name: term.words for term in said.terms} == {
        "machine": "1 h 00 min at 1.50 EUR/h",
        "material": "50 g of PLA",
        "transport": "255.3 km, 50 g",
        "energy": "0.100 kWh",
        "co2e": (
            "42 g CO2e; at the machine 400 g/kWh on average of the day; it does not say what "
            "that rests on"
        ),
        "waiting": "there in 9 h 03 min",
        "lateness": "not late",
        "trust": "standing 0.50 of 1",
    }
    assert abs(said.milliminor - sum(term.milliminor for term in said.terms)) <= 4
    assert (said.seconds, said.energy_mwh) == (3_600, 100_000)
    assert said.arrival_ms > said.ready_ms == NOON + 3_600 * 1_100 + 1_000


def test_a_machine_that_fits_hears_what_makes_it_dearer_than_the_best() -> None:
    view = CapacityView()
    for author, place in ((BOB, BERLIN), (EVE, HAMBURG)):
        view.update_workshop(author, a_workshop(place))
        view.update_capacity(author, a_capacity(a_machine()))

    said = explain(view.snapshot(), ONE, NOON, WEIGHTS)

    assert [(verdict.owner, verdict.rank) for verdict in said.best] == [
        (BOB.hex(), 1),
        (EVE.hex(), 2),
    ]
    assert said.best[1].note == (
        "costs 7.78 EUR more than the best, all counted; most of it for transport"
    )


@pytest.mark.rule("SCHED-12")
@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_obstacles_and_ranks_are_those_of_the_reference(seed: int) -> None:
    town, want = a_town(12, seed), wants_of(1, seed, dated=0.8)[0]

    said = explain(a_view(town).snapshot(), want, NOON, WEIGHTS)

    told = {(v.owner, v.machine): v for v in said.best + said.others}
    pairs = reference.evaluate(town, want, NOON, WEIGHTS)
    ranked = reference.top(town, want, NOON, len(pairs), WEIGHTS)
    for pair in pairs:
        verdict = told[pair.author.hex(), pair.machine]
        expected = [each.name for each in Constraint(pair.verdict) & BLOCKING]
        assert [obstacle.constraint.upper() for obstacle in verdict.obstacles] == expected
        assert verdict.rank == (ranked.index(pair) + 1 if pair in ranked else 0)
    assert said.fitting == len(ranked)
    assert said.obstacles["volume"] == sum(bool(pair.verdict & Constraint.VOLUME) for pair in pairs)


def test_many_machines_are_counted_not_told() -> None:
    machines = (a_machine(id=str(n)) for n in range(OTHERS_MAX + 50))
    view = a_view([Known(BOB, a_capacity(*machines), a_workshop(), 0.5)])

    said = explain(view.snapshot(), ONE, NOON, WEIGHTS)

    assert (len(said.best), len(said.others), said.left_out) == (BEST, OTHERS_MAX, 45)


def test_an_explanation_goes_through_json_unchanged() -> None:
    said = explain(a_view(a_town(5, seed=1)).snapshot(), ONE, NOON, WEIGHTS)

    assert msgspec.json.decode(msgspec.json.encode(said), type=Explanation) == said


def test_a_machine_as_slow_and_dear_as_records_allow_is_told_in_numbers_that_can_be_sent() -> None:
    worst = a_machine(
        speed_permille=1,
        setup_seconds=PART_SECONDS_MAX,
        price_minor_per_hour=PRICE_MINOR_MAX,
        power_w=POWER_W_MAX,
        free_at=2**53,
        stock=(Stock(material=PLA, mass_mg=MASS_MG_MAX, price_minor_per_kg=PRICE_MINOR_MAX),),
    )
    want = Want(a_part(seconds=PART_SECONDS_MAX, mass_mg=MASS_MG_MAX), QUANTITY_MAX, BERLIN)
    told = told_of(worst, want)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=Verdict) == told
    assert told.energy_mwh == told.milliminor == 2**53


def test_an_empty_town_is_explained() -> None:
    said = explain(CapacityView().snapshot(), ONE, NOON, WEIGHTS)

    assert (said.machines, said.fitting, said.best, said.others) == (0, 0, (), ())


def test_what_a_machine_has_not_said_is_told_and_does_not_rule_it_out() -> None:
    silent = a_machine(
        nozzle_um=0,
        tolerance_um=0,
        temperature_c=0,
        hours=(),
        attended=(),
        licences=(),
        makes_for=None,
        power_w=0,
    )
    exact = Want(a_part(nozzle_um=400, tolerance_um=200, temperature_c=210), 1, BERLIN)

    said = told_of(silent, exact)

    assert said.rank == 1
    assert said.unknown == (
        "has not said what power it draws; none is counted",
        "has not said how fine its nozzle or tool is",
        "has not said how exact it is",
        "has not said how hot it gets",
        "has not said when it runs; any time is assumed",
        "has not said when someone is there; any time is assumed",
        "has not said which licences it makes, or the part not its own",
        "has not said for whom it makes",
    )
