"""The owner's numbers are the kernel's, rounded as the spec says."""

from math import ceil

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from commonfab.protocol.hours import timetable
from commonfab.protocol.lease.slots import Quote
from commonfab.protocol.limits import LEASE_TERM_MS_MAX
from commonfab.protocol.records import Machine, Part, Request, Stock
from commonfab.scheduler.formulas import fits
from commonfab.scheduler.kernel import evaluate
from commonfab.scheduler.problem import Want, problem_of
from commonfab.scheduler.quote import REASON_CHARS_MAX, Quoter
from commonfab.scheduler.reference import Known
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import (
    ALWAYS,
    BERLIN,
    LASER,
    LICENCE,
    NOON,
    OFFICE_HOURS,
    PLA,
    a_capacity,
    a_machine,
    a_part,
    a_view,
    a_workshop,
    node,
)

ALICE, BOB = node("alice"), node("bob")


def a_request(part: Part | None = None, pieces: int = 1, by: int = 0) -> Request:
    return Request(
        stream="request",
        seq=1,
        at=NOON,
        to=BOB,
        order=bytes(16),
        job=0,
        epoch=1,
        design=bytes(32),
        part=part or a_part(),
        pieces=pieces,
        by=by,
        grace_ms=60_000,
    )


def test_a_quote_is_worked_out_by_hand() -> None:
    machine = a_machine(setup_seconds=100, speed_permille=3_000, power_w=120)

    quotes = Quoter(a_capacity(machine, grid_g_per_kwh=400)).quote(a_request(pieces=2), NOON, ALICE)

    assert quotes == [
        Quote(
            machine="mk3",
            duration_ms=2_751_000,  # 2,500 s and a tenth and a second
            price_minor=305,  # 2,500 s at 150 an hour: 104.17; 100 g at 2,000 a kg: 200
            currency="EUR",
            machine_seconds=2_500,
            mass_mg=100_000,
            energy_mwh=83_333,
            co2e_mg=33_333,
        )
    ]


@pytest.mark.rule("SCHED-10")
@settings(deadline=None)
@given(
    seconds=st.integers(0, 100_000),
    pieces=st.integers(1, 50),
    mass_mg=st.integers(0, 300_000),
    setup_seconds=st.integers(0, 5_000),
    speed=st.integers(100, 1_000_000),
    price=st.integers(0, 10_000),
    power=st.integers(0, 5_000),
    grid=st.integers(0, 1_000),
)
def test_a_quote_is_what_the_kernel_says_rounded_as_in_the_spec(
    seconds: int,
    pieces: int,
    mass_mg: int,
    setup_seconds: int,
    speed: int,
    price: int,
    power: int,
    grid: int,
) -> None:
    spool = Stock(material=PLA, mass_mg=2**40, price_minor_per_kg=2_345)
    machine = a_machine(
        setup_seconds=setup_seconds,
        speed_permille=speed,
        price_minor_per_hour=price,
        power_w=power,
        stock=(spool,),
    )
    capacity = a_capacity(machine, grid_g_per_kwh=grid)
    part = a_part(seconds=seconds, mass_mg=mass_mg)
    view = a_view([Known(BOB, capacity, a_workshop(), 0.5)]).snapshot()
    result = evaluate(view, problem_of([Want(part, pieces, BERLIN)], NOON), Weights())
    facts, terms = result.facts, result.terms
    assume(facts.ready_ms[0, 0] - NOON < LEASE_TERM_MS_MAX)

    quotes = Quoter(capacity).quote(a_request(part, pieces), NOON, ALICE)

    assert isinstance(quotes, list)
    [quote] = quotes
    # The kernel's floats may lie a billionth beside the exact fraction that is rounded up.
    assert _is_ceil(quote.duration_ms, facts.ready_ms[0, 0] - NOON)
    assert _is_ceil(quote.machine_seconds, facts.seconds[0, 0])
    assert _is_ceil(quote.price_minor, terms.machine[0, 0] + terms.material[0, 0])
    assert quote.energy_mwh == pytest.approx(facts.energy_kwh[0, 0] * 1e6, abs=0.51)
    assert quote.co2e_mg == pytest.approx(facts.energy_kwh[0, 0] * grid * 1e3, abs=0.51)
    assert quote.mass_mg == pieces * mass_mg


hours = st.sampled_from([(), ALWAYS, OFFICE_HOURS, ((1_440, 2_774),)])


@pytest.mark.rule("SCHED-19")
@pytest.mark.rule("SCHED-20")
@pytest.mark.rule("SCHED-21")
@settings(deadline=None)
@given(
    machine=st.builds(
        a_machine,
        nozzle_um=st.sampled_from([0, 400, 401]),
        tolerance_um=st.sampled_from([0, 100, 101]),
        temperature_c=st.sampled_from([0, 239, 240]),
        hours=hours,
        attended=hours,
        licences=st.sampled_from([(), (LICENCE,), ("MIT",)]),
    ),
    part=st.builds(
        a_part,
        nozzle_um=st.sampled_from([0, 0, 400]),
        tolerance_um=st.sampled_from([0, 0, 100]),
        temperature_c=st.sampled_from([0, 0, 240]),
        licence=st.sampled_from(["", LICENCE, f"MIT AND {LICENCE}"]),
        seconds=st.sampled_from([1, 3_600, 29_454, 29_455, 400_000]),
    ),
)
def test_owner_and_buyer_agree_who_can_make_it_and_when(machine: Machine, part: Part) -> None:
    capacity = a_capacity(machine)
    view = a_view([Known(BOB, capacity, a_workshop(), 0.5)]).snapshot()
    result = evaluate(view, problem_of([Want(part, 1, BERLIN)], NOON), Weights())

    quotes = Quoter(capacity).quote(a_request(part), NOON, ALICE)

    assert isinstance(quotes, list) == bool(fits(result.verdicts)[0, 0])
    if isinstance(quotes, list):
        window = timetable(machine.hours, machine.attended).window(NOON, quotes[0].duration_ms)
        assert window is not None
        assert window[0] == result.facts.start_ms[0, 0]
        assert _is_ceil(window[1], result.facts.ready_ms[0, 0])


def _is_ceil(whole: int, value: float) -> bool:
    return ceil(value - 1e-3) <= whole <= ceil(value + 1e-3)


@pytest.mark.parametrize(
    ("machine", "request_", "reason"),
    [
        (a_machine(process=LASER), a_request(), "mk3 does laser-cutting, not fff-printing."),
        (
            a_machine(volume_um=(1_000, 2_000, 3_000)),
            a_request(),
            "mk3 needs 120 x 80 x 60 mm, has 3 x 2 x 1 mm.",
        ),
        (a_machine(stock=()), a_request(), "mk3 has no material, needs PLA."),
        (a_machine(), a_request(pieces=21), "mk3 has 1000 g of PLA, needs 1050 g."),
        (a_machine(takes_jobs=False), a_request(), "mk3 takes no jobs now."),
        (
            a_machine(speed_permille=1),
            a_request(),
            "mk3 would be done in 45 d 20 h; nobody promises more than 31 d 0 h ahead.",
        ),
        (
            a_machine(nozzle_um=600),
            a_request(a_part(nozzle_um=400)),
            "mk3 has a nozzle or tool of 0.6 mm, needs 0.4 mm or finer.",
        ),
        (
            a_machine(tolerance_um=200),
            a_request(a_part(tolerance_um=150)),
            "mk3 is exact to 0.2 mm, needs 0.15 mm.",
        ),
        (
            a_machine(temperature_c=240),
            a_request(a_part(temperature_c=260)),
            "mk3 heats to 240 \N{DEGREE SIGN}C, needs 260 \N{DEGREE SIGN}C.",
        ),
        (
            a_machine(hours=OFFICE_HOURS),
            a_request(pieces=9),
            "mk3 is open for at most 9 h 00 min at a time, needs 9 h 54 min.",
        ),
        (
            a_machine(licences=("MIT", "CC0-1.0")),
            a_request(),
            "mk3 makes designs under MIT and CC0-1.0, not under CERN-OHL-S-2.0.",
        ),
        (
            a_machine(price_minor_per_hour=2**53),
            a_request(pieces=2),
            "mk3 would need numbers too large for an offer.",
        ),
    ],
)
def test_a_machine_that_does_not_fit_is_refused_with_the_numbers(
    machine: Machine, request_: Request, reason: str
) -> None:
    assert Quoter(a_capacity(machine)).quote(request_, NOON, ALICE) == reason


def test_a_stock_that_is_just_enough_is_enough() -> None:
    assert isinstance(
        Quoter(a_capacity(a_machine())).quote(a_request(pieces=20), NOON, ALICE), list
    )


def test_machines_that_fit_are_quoted_and_the_others_left_out() -> None:
    machines = [a_machine(id="a"), a_machine(id="b", process=LASER), a_machine(id="c")]

    quotes = Quoter(a_capacity(*machines)).quote(a_request(), NOON, ALICE)

    assert isinstance(quotes, list)
    assert [quote.machine for quote in quotes] == ["a", "c"]


def test_a_workshop_without_machines_says_so() -> None:
    assert Quoter(a_capacity()).quote(a_request(), NOON, ALICE) == "This workshop has no machines."


def test_a_refusal_for_many_machines_fits_its_record() -> None:
    machines = (a_machine(id=f"laser {n}", process=LASER) for n in range(200))

    reason = Quoter(a_capacity(*machines)).quote(a_request(), NOON, ALICE)

    assert isinstance(reason, str)
    assert len(reason) <= REASON_CHARS_MAX
    assert reason.endswith("...")


@pytest.mark.rule("SCHED-2")
def test_what_nobody_has_told_refuses_nobody() -> None:
    silent = Machine(
        id="mk3",
        process="fff-printing",
        volume_um=(250_000, 250_000, 250_000),
        stock=(Stock(material=PLA, mass_mg=10**6, price_minor_per_kg=0),),
        price_minor_per_hour=0,
        power_w=0,
        free_at=0,
    )
    exacting = a_part(nozzle_um=100, tolerance_um=10, temperature_c=400)

    assert isinstance(Quoter(a_capacity(silent)).quote(a_request(exacting), NOON, ALICE), list)
    assert isinstance(
        Quoter(a_capacity(a_machine())).quote(a_request(a_part(licence="")), NOON, ALICE), list
    )


def test_a_machine_for_known_nodes_takes_no_job_of_a_stranger() -> None:
    quoter = Quoter(a_capacity(a_machine(makes_for="known")), lambda buyer: buyer == ALICE)

    assert isinstance(quoter.quote(a_request(), NOON, ALICE), list)
    assert quoter.quote(a_request(), NOON, node("eve")) == (
        "mk3 makes only for those whom its owner knows."
    )


def test_a_date_is_weighed_by_the_buyer_and_refuses_nothing() -> None:
    assert isinstance(
        Quoter(a_capacity(a_machine())).quote(a_request(by=NOON + 1), NOON, ALICE), list
    )


def test_a_queue_is_the_business_of_the_owners_slots() -> None:
    quoter = Quoter(a_capacity(a_machine(free_at=NOON + 10**9)))

    assert isinstance(quoter.quote(a_request(by=NOON + 10**8), NOON, ALICE), list)
