"""An order that nobody can make is known before anybody is asked, and said in one sentence."""

import pytest

from commonfab.protocol.limits import MASS_MG_MAX
from commonfab.protocol.records import Design, Machine, Part, Stock
from commonfab.scheduler.problem import Want
from commonfab.scheduler.reference import Known
from commonfab.scheduler.weights import Weights
from commonfab.scheduler.why.explain import explain
from commonfab.scheduler.why.impossible import obstacle, sentence
from tests.builders import a_design, body_of
from tests.scheduler.worlds import (
    BERLIN,
    HOUR_MS,
    LASER,
    NOON,
    PLA,
    a_capacity,
    a_machine,
    a_part,
    a_view,
    a_workshop,
    node,
)

ONE = Want(a_part(), 1, BERLIN)


def said_of(*parts: Part, machines: tuple[Machine, ...], by: int = 0, quantity: int = 1) -> str:
    town = [Known(node("bob"), a_capacity(*machines), a_workshop(), 0.5)] if machines else []
    design = body_of(a_design(parts=parts), Design)
    return obstacle(a_view(town).snapshot(), design, quantity, BERLIN, by, NOON, Weights())


@pytest.mark.rule("SCHED-27")
@pytest.mark.parametrize(
    ("part", "machine", "by", "sentence"),
    [
        (
            a_part(bbox_um=(900_000, 1_000, 1_000)),
            a_machine(),
            0,
            "bracket: the only machine known here cannot make it; the nearest to it, mk3 at "
            "Motion Lab, needs 900 x 1 x 1 mm, has 250 x 210 x 210 mm; to make it fit: make it no "
            "larger than 250 x 1 x 1 mm",
        ),
        (
            a_part(material="PEEK"),
            a_machine(),
            0,
            "bracket: the only machine known here cannot make it; the nearest to it, mk3 at "
            "Motion Lab, has PLA, not PEEK; to make it fit: load 50 g of PEEK",
        ),
        (
            a_part(),
            a_machine(),
            NOON + HOUR_MS,
            "bracket: the only machine known here cannot make it; the nearest to it, mk3 at "
            "Motion Lab, would bring it in 3 h 06 min, 2 h 06 min too late; to make it fit: give "
            "it 2 h 07 min more",
        ),
        (
            a_part(),
            a_machine(process=LASER),
            0,
            "bracket: the only machine known here cannot make it; the nearest to it, mk3 at "
            "Motion Lab, does laser-cutting, not fff-printing",
        ),
    ],
    ids=["too big for all", "a material that nobody has", "too soon", "another process"],
)
def test_what_nobody_can_make_is_said_with_the_way_out(
    part: Part, machine: Machine, by: int, sentence: str
) -> None:
    assert said_of(part, machines=(machine,), by=by) == sentence


def test_of_many_machines_the_one_that_can_be_made_to_fit_is_named() -> None:
    machines = (a_machine(id="laser", process=LASER), a_machine(stock=()))

    said = said_of(a_part(), machines=machines)

    assert said.startswith("bracket: none of the 2 machines known here can make it; the nearest")
    assert said.endswith(
        "mk3 at Motion Lab, has no material, needs PLA; to make it fit: load 50 g of PLA"
    )


@pytest.mark.rule("SCHED-27")
def test_more_pieces_than_all_stocks_are_enough_for_are_refused_with_the_numbers() -> None:
    elsewhere = a_machine(id="laser", process=LASER)
    machines = [a_machine(id=f"mk{number}") for number in range(20)]

    said = [
        said_of(a_part(pieces=2), machines=(*machines, elsewhere), quantity=quantity)
        for quantity in (200, 201)
    ]

    assert said == [
        "",
        "bracket: 402 pieces need 20100 g of PLA; all machines known here that can make it have "
        "20000 g, enough for 400",
    ]


def test_what_weighs_nothing_is_not_refused_for_its_material() -> None:
    assert said_of(a_part(mass_mg=0), machines=(a_machine(),), quantity=100) == ""


@pytest.mark.rule("SCHED-27")
def test_more_pieces_than_fit_into_the_time_that_anybody_promises_are_refused() -> None:
    rich = Stock(material=PLA, mass_mg=MASS_MG_MAX, price_minor_per_kg=0)
    machines = (
        a_machine(id="a", stock=(rich,)),
        a_machine(id="b", stock=(rich,), speed_permille=500),
    )

    assert said_of(a_part(), machines=machines, quantity=1_010) == ""
    assert said_of(a_part(), machines=machines, quantity=1_015) == (
        "bracket: 1015 pieces are more than all machines known here can make in the 31 days for"
        " which anybody promises: 1014"
    )
    assert said_of(a_part(seconds=0), machines=machines, quantity=100_000) == ""


@pytest.mark.rule("SCHED-27")
def test_parts_that_share_a_spool_need_enough_of_it_together() -> None:
    parts = (a_part(), a_part(name="hinge", mass_mg=60_000))
    small = a_machine(id="small", volume_um=(50_000, 50_000, 50_000))

    assert said_of(*parts, machines=(a_machine(), small), quantity=9) == ""
    assert said_of(*parts, machines=(a_machine(), small), quantity=10) == (
        "bracket and hinge need 1100 g of PLA together; all machines known here that can make one"
        " of them have 1000 g"
    )


def test_parts_of_different_materials_do_not_share_a_spool() -> None:
    both = tuple(
        Stock(material=name, mass_mg=1_000_000, price_minor_per_kg=0) for name in (PLA, "PETG")
    )
    parts = (a_part(), a_part(name="hinge", material="PETG"))

    assert said_of(*parts, machines=(a_machine(stock=both),), quantity=20) == ""


def test_the_nearest_machine_is_the_one_that_is_easiest_to_make_fit() -> None:
    small = a_machine(id="small", volume_um=(50_000, 50_000, 50_000))
    busy = a_machine(id="busy", stock=(), takes_jobs=False)

    said = said_of(a_part(), machines=(small, busy))

    assert "the nearest to it, busy at Motion Lab" in said
    assert said.endswith("to make it fit: load 50 g of PLA and let it take jobs")


def test_each_part_has_to_fit_a_machine() -> None:
    said = said_of(a_part(), a_part(name="hinge", material="PEEK"), machines=(a_machine(),))

    assert said.startswith("hinge: ")


def test_nothing_is_impossible_where_no_machine_is_known() -> None:
    assert said_of(a_part(), machines=()) == ""


def test_a_job_that_somebody_can_do_needs_no_excuse() -> None:
    town = [Known(node("bob"), a_capacity(a_machine(), a_machine(id="s", stock=())), None, 0.5)]

    assert sentence(explain(a_view(town).snapshot(), ONE, NOON, Weights())) == ""
    assert sentence(explain(a_view([]).snapshot(), ONE, NOON, Weights())) == ""
