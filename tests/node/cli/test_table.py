"""Tables: which columns go first, that none is wider than the terminal, and that no text is lost
without a sign.
"""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from commonfab.node.cli.table import Column, fit, table

COLUMNS = [
    Column(title="id"),
    Column(title="name", longest=12),
    Column(title="price", is_right=True, drop=1),
    Column(title="made of", drop=2),
    Column(title="why", wraps=True, drop=3),
]
ROW = ["3f2a91bc", "Wall hook", "9.70 EUR", "PLA", "costs least, all things counted together"]


def drawn(rows: list[list[str]], width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(table(COLUMNS, rows, width))
    file = console.file
    assert isinstance(file, StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def kept(width: int) -> list[str]:
    return [COLUMNS[index].title for index in fit(COLUMNS, [ROW], width)]


def test_the_column_that_matters_least_goes_first() -> None:
    assert kept(80) == ["id", "name", "price", "made of", "why"]
    assert kept(50) == ["id", "name", "price", "made of"]
    assert kept(36) == ["id", "name", "price"]
    assert kept(20) == ["id", "name"]
    assert kept(5) == ["id", "name"]


def test_a_column_with_nothing_in_it_is_left_out() -> None:
    rows = [["1", "", "", "PLA", ""]]

    assert [COLUMNS[index].title for index in fit(COLUMNS, rows, 80)] == ["id", "name", "made of"]


def test_numbers_stand_at_the_right_and_sentences_wrap() -> None:
    short = ["1", "Nut", "0.10 EUR", "PLA", ""]

    assert drawn([ROW, short], 63) == [
        "id        name          price  made of  why",
        "─" * 63,
        "3f2a91bc  Wall hook  9.70 EUR  PLA      costs least, all things",
        "                                        counted together",
        "1         Nut        0.10 EUR  PLA",
    ]


def test_a_long_name_is_cut_off_with_a_sign() -> None:
    lines = drawn([["1", "A very long name", "", "", ""]], 80)

    assert lines[2] == "1   A very long…"


words = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


@given(st.lists(st.lists(words, min_size=5, max_size=5), max_size=4), st.integers(30, 120))
def test_no_line_is_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    assert all(len(line) <= width for line in drawn(rows, width))


@given(st.lists(st.lists(words, min_size=5, max_size=5), min_size=1, max_size=4))
def test_what_reads_as_markup_is_shown_as_it_is(rows: list[list[str]]) -> None:
    rows[0][0] = "[red]x[/]"

    assert any("[red]x[/]" in line for line in drawn(rows, 200))
