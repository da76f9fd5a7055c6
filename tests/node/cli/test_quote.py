"""How a quote looks."""

import pytest
from msgspec import structs

from commonfab.node.answers.quotes import PartQuote, Quoted
from commonfab.node.cli.quote import print_quoted

LINE = PartQuote(
    part="hook \x1b[2J",
    pieces=10,
    workshop="Bob's",
    machine="mk3",
    plates=2,
    seconds=7200,
    seconds_range=(6480, 8280),
    mass_mg=50_000,
    mass_range=(50_000, 50_000),
    energy_mwh=240_000,
    co2e_mg=60_000,
    price_minor=1234,
    price_range=(1100, 1400),
    currency="EUR",
    basis="sliced, corrected by 7 jobs",
    risks=("it stands on 12 mm2 only, and may come loose",),
)
REFUSED = PartQuote(
    part="plate", pieces=1, workshop="Bob's", machine="laser", why_not="makes by laser-cutting"
)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def printed(capsys: pytest.CaptureFixture[str], *lines: PartQuote) -> str:
    print_quoted(Quoted(design="hook", quantity=10, quotes=lines))
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())


def test_a_quote_is_a_line_with_its_ranges_and_what_they_rest_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = printed(capsys, LINE, REFUSED)

    assert "10 times hook, eight of ten within the ranges:" in said
    row = next(line for line in said.splitlines() if "mk3" in line and "1 h 48" in line)
    for cell in (
        "10",
        "2",
        "1 h 48 min - 2 h 18 min",
        "50 g",
        "240 Wh",
        "60 g",
        "11.00 - 14.00 EUR",
    ):
        assert cell in row
    assert "sliced, corrected by 7 jobs" in row
    assert "mk3: it stands on 12 mm2 only" in said
    assert "plate on Bob's, laser: makes by laser-cutting" in said
    assert "\x1b[2J" not in said


def test_where_no_machine_can_make_it_only_the_reasons_are_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = printed(capsys, REFUSED)

    assert said.splitlines() == [
        "10 times hook: no machine that was asked about can make it",
        "plate on Bob's, laser: makes by laser-cutting",
    ]


def test_a_price_that_is_sure_is_one_number(capsys: pytest.CaptureFixture[str]) -> None:
    gift = structs.replace(LINE, price_minor=0, price_range=(0, 0))

    assert "0.00 -" not in printed(capsys, gift)


def test_what_a_machine_of_unknown_power_takes_is_not_said_to_be_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = printed(capsys, structs.replace(LINE, energy_mwh=0, co2e_mg=0))

    assert "Wh" not in said
    assert "?" in said
