"""How an order and its explanation look, and what is told while one is watched."""

import pytest
from msgspec import structs

from commonfab.node.answers.node import AttemptLine, Explained, JobLine, OrderLine
from commonfab.node.cli import explain, orders
from commonfab.node.cli.orders import Watch
from commonfab.node.home.folder import Home
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.scheduler.weights import Weights
from commonfab.scheduler.why.explanation import Change, Explanation, Obstacle, Term, Verdict

BOB, CAROL = NodeId(b"b" * 32), NodeId(b"c" * 32)

TRY = AttemptLine(
    epoch=1,
    pieces=4,
    owner=peer_text(BOB),
    owner_name="Bob's",
    machine="mk3",
    start=1_000,
    end=2_000,
    outcome="made",
    made=4,
    km=23.5,
    price_minor=970,
    currency="EUR",
    machine_seconds=12_540,
    mass_mg=52_000,
    energy_mwh=419_000,
    co2e_mg=105_000,
)
JOB = JobLine(
    index=0, part="hook", pieces_left=0, state="done", permille=0, reason="", attempts=[TRY]
)
ORDER = OrderLine(
    id="3f2a91bc" * 4,
    design="ab" * 32,
    design_name="Wall hook",
    quantity=4,
    lat=48.15,
    lon=11.5,
    by=0,
    at=1_000,
    state="done",
    pieces_wanted=4,
    pieces_made=4,
    pieces_surplus=0,
    jobs=[JOB],
)
FAILED = structs.replace(TRY, outcome="failed", made=1, reason="came loose\x1b[2J from the bed")
AGAIN = structs.replace(
    TRY, epoch=2, pieces=3, outcome="open", owner=peer_text(CAROL), owner_name="", made=0
)
UNDER_WAY = structs.replace(
    ORDER,
    state="open",
    pieces_made=1,
    jobs=[structs.replace(JOB, state="granted", permille=500, attempts=[FAILED, AGAIN])],
)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("COLUMNS", "80")
    return monkeypatch


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    out = capsys.readouterr().out
    return "\n".join(line.rstrip() for line in out.splitlines())


def test_an_order_that_is_done_says_who_made_what_and_the_sum(
    capsys: pytest.CaptureFixture[str],
) -> None:
    orders.print_order(ORDER)

    shown = printed(capsys)
    assert shown.startswith("order 3f2a91bc: 4 x Wall hook to 48.1500,11.5000\ndone: 4 of 4 pieces")
    assert "  1  hook       4  Bob's     mk3      made     9.70 EUR  24  3 h 29 min" in shown
    assert shown.endswith("in all: 9.70 EUR, 3 h 29 min, 419 Wh, 105 g CO2e")


def test_an_order_by_a_profile_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    orders.print_order(structs.replace(ORDER, profile="cheap+green"))

    assert printed(capsys).splitlines()[0].endswith("to 48.1500,11.5000, cheap+green")


def test_an_attempt_that_failed_stays_in_sight_with_its_reason(
    capsys: pytest.CaptureFixture[str], terminal: pytest.MonkeyPatch
) -> None:
    terminal.setenv("COLUMNS", "160")

    orders.print_order(UNDER_WAY)

    shown = printed(capsys)
    assert "failed, 1 good" in shown
    assert "came loose[2J from the bed" in shown
    assert " 50 % ███" in shown
    assert f"…{peer_text(CAROL)[-8:]}" in shown
    assert "in all: 19.40 EUR" in shown


def test_a_job_that_waits_says_why(
    capsys: pytest.CaptureFixture[str], terminal: pytest.MonkeyPatch
) -> None:
    terminal.setenv("COLUMNS", "120")
    waiting = structs.replace(JOB, state="waiting", reason="no machine fits", attempts=[])

    orders.print_order(structs.replace(ORDER, state="open", jobs=[waiting]))

    shown = printed(capsys)
    assert "waiting" in shown
    assert "no machine fits" in shown
    assert "in all" not in shown


def test_orders_are_listed_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    newer = structs.replace(ORDER, id="77" * 16, at=2_000)

    orders.print_orders([ORDER, newer])

    shown = printed(capsys)
    assert shown.index("77777777") < shown.index("3f2a91bc")
    assert "4 x Wall hook" in shown


def test_what_happens_to_an_order_is_told_once() -> None:
    watch = Watch(Home.__new__(Home))

    first = list(watch.news(UNDER_WAY))

    assert first == [
        "failed: 4 x hook at Bob's, mk3: came loose[2J from the bed",
        f"leased: 3 x hook at …{peer_text(CAROL)[-8:]}, mk3 (attempt 2)",
    ]
    assert list(watch.news(UNDER_WAY)) == []
    assert list(watch.news(ORDER)) == ["made: 4 x hook at Bob's, mk3"]


CHOSEN = Verdict(
    owner=BOB.hex(),
    workshop="Bob's",
    machine="mk3",
    rank=1,
    milliminor=1_218_000,
    terms=(
        Term("machine", 872_000, "3 h 29 min at 2.50 EUR/h"),
        Term("transport", 346_000, "23.5 km"),
        Term("lateness", 0, "not late"),
    ),
    obstacles=(),
    changes=(),
    unknown=(),
    note="costs least, all counted",
    distance_m=23_500,
    seconds=12_540,
    ready_ms=0,
    arrival_ms=0,
    energy_mwh=419_000,
    co2e_mg=105_000,
)
SECOND = structs.replace(
    CHOSEN, machine="mk4", rank=2, milliminor=1_300_000, note="costs 0.82 EUR more"
)
UNFIT = structs.replace(
    CHOSEN,
    owner=CAROL.hex(),
    workshop="Carol's \x1b[31m",
    machine="laser",
    rank=0,
    obstacles=(Obstacle("process", "does laser-cutting, not fff-printing"),),
    note="does laser-cutting, not fff-printing",
)
EXPLANATION = Explanation(
    job=0,
    at=ORDER.at,
    part="hook",
    pieces=4,
    weights=Weights(),
    machines=3,
    fitting=2,
    best=(CHOSEN, SECOND),
    others=(UNFIT,),
    left_out=0,
    obstacles={"process": 1, "volume": 0},
)


def test_the_machine_that_has_a_job_comes_with_the_terms_of_its_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explain.print_explained(Explained(order=ORDER.id, jobs=[EXPLANATION]), ORDER)

    shown = printed(capsys)
    assert "job 1: 4 x hook; 3 machines compared" in shown
    assert "Bob's, mk3  12.18 EUR  <- has it: costs least, all counted" in shown
    assert "machine    8.72  ████████▋  3 h 29 min at 2.50 EUR/h" in shown
    assert "lateness" not in shown


def test_each_other_machine_comes_with_its_reason_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explain.print_explained(Explained(order=ORDER.id, jobs=[EXPLANATION]), ORDER)

    others, _, unfit = printed(capsys).partition("machines that cannot:")
    assert "   2  Bob's     mk4      13.00  24  3 h 29 min  costs 0.82 EUR more" in others
    assert "Carol's [31m  laser    does laser-cutting, not fff-printing" in unfit


def test_before_anybody_has_the_job_the_best_machine_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting = structs.replace(ORDER, jobs=[structs.replace(JOB, attempts=[])])

    explain.print_explained(Explained(order=ORDER.id, jobs=[EXPLANATION]), waiting)

    assert "Bob's, mk3  12.18 EUR  <- best: costs least" in printed(capsys)


def test_a_machine_that_has_failed_at_the_job_does_not_have_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = structs.replace(ORDER, jobs=[structs.replace(JOB, attempts=[FAILED])])

    explain.print_explained(Explained(order=ORDER.id, jobs=[EXPLANATION]), failed)

    assert "has it" not in printed(capsys)


def test_machines_beyond_what_fits_a_screen_are_counted_by_what_ruled_them_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = structs.replace(EXPLANATION, machines=275, others=(UNFIT,) * 30, left_out=243)

    explain.print_explained(Explained(order=ORDER.id, jobs=[many]), ORDER)

    shown = printed(capsys)
    assert shown.count("does laser-cutting") == 20
    assert "253 more machines; ruled out of all, by: process 1" in shown


def test_what_would_make_a_machine_fit_is_said_beside_what_rules_it_out(
    capsys: pytest.CaptureFixture[str], terminal: pytest.MonkeyPatch
) -> None:
    terminal.setenv("COLUMNS", "120")
    empty = structs.replace(
        UNFIT,
        obstacles=(Obstacle("material", "has no material, needs PETG"),),
        changes=(Change("material", "load 12 g of PETG", (12_000,), "PETG"),),
        note="has no material, needs PETG",
    )
    late = structs.replace(
        empty, changes=(Change("deadline", "give it 2 h 06 min more", (1_900_000_000_001,)),)
    )
    town = structs.replace(EXPLANATION, others=(empty, late))

    explain.print_explained(Explained(order=ORDER.id, jobs=[town]), ORDER)

    unfit = printed(capsys).partition("machines that cannot:")[2]
    assert "has no material, needs PETG  load 12 g of PETG" in unfit
    assert "let it come by 2030-03-17" in unfit


def test_what_is_not_known_of_a_machine_that_can_is_said(
    capsys: pytest.CaptureFixture[str], terminal: pytest.MonkeyPatch
) -> None:
    terminal.setenv("COLUMNS", "120")
    vague = structs.replace(SECOND, unknown=("has not said where it is; 500 km are assumed",))

    explain.print_explained(
        Explained(order=ORDER.id, jobs=[structs.replace(EXPLANATION, best=(CHOSEN, vague))]), ORDER
    )

    assert "it has not said where it is; 500 km are" in " ".join(printed(capsys).split())
