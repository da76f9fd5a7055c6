"""Words for numbers, and what can be typed for them; nothing of others steers a terminal."""

from datetime import UTC, datetime

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node import clock
from commonfab.node.cli.options import Box, BoxType, Place, PlaceType, Stock, StockType, WhenType
from commonfab.node.cli.progress import words
from commonfab.node.cli.words import bar, box, count, energy, mass, moment, size, text, who

HOUR_MS = 3_600_000


@given(st.text())
def test_what_others_wrote_is_printable_and_on_one_line(foreign: str) -> None:
    shown = text(foreign)

    assert len(shown.splitlines()) <= 1
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)


def test_escapes_and_text_that_runs_backwards_are_taken_out() -> None:
    assert text("a\x1b[2Jb\x9bc\u202ed\ne") == "a[2Jbcd e"
    assert len(text("x" * 10_000)) == 401


def test_a_node_without_a_name_is_told_by_the_end_of_its_id() -> None:
    node = "12D3KooWLssHUMcbner3jRoN8TQee5CcSHHDZTxah9oF9kA8S4EJ"

    assert who("Bob's", node) == "Bob's"
    assert who("", node) == who("\x1b", node) == "…9kA8S4EJ"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(1000), "1.0 kB"),
        (size(999_949), "999.9 kB"),
        (size(999_950), "1.0 MB"),
        (size(5 * 10**15), "5000.0 TB"),
        (mass(0), "0 g"),
        (mass(12_600), "13 g"),
        (mass(999_600), "1.00 kg"),
        (energy(419_000), "419 Wh"),
        (energy(1_580_000), "1.58 kWh"),
        (box((250_000, 210_000, 9_500)), "250 x 210 x 9.5"),
        (count(1, "piece"), "1 piece"),
        (count(0, "piece"), "0 pieces"),
        (bar(0.0, 4), ""),
        (bar(0.5, 4), "██"),
        (bar(0.53, 4), "██▏"),
        (bar(7.0, 4), "████"),
    ],
)
def test_a_number_in_words(said: str, shown: str) -> None:
    assert said == shown


def test_a_moment_has_its_day_only_where_it_is_another() -> None:
    noon = datetime(2030, 5, 31, 12, 0, tzinfo=UTC).astimezone()
    now = round(noon.timestamp() * 1000)

    assert moment(now, now) == f"{noon:%H:%M}"
    assert moment(now + 72 * HOUR_MS, now).startswith("03 Jun ")
    assert moment(now - 200 * 24 * HOUR_MS, now).startswith("2029-11-1")
    assert moment(0, now) == "-"


def test_what_can_be_typed_for_a_place_a_box_and_a_material() -> None:
    assert PlaceType().convert("-33.9, 18.4", None, None) == Place(-33.9, 18.4)
    assert BoxType().convert("250x210x9.5", None, None) == Box(250, 210, 9.5)
    assert StockType().convert("PLA,1000,25", None, None) == Stock("PLA", 1000, 25)
    assert StockType().convert("PLA,1000", None, None) == Stock("PLA", 1000, 0)


@pytest.mark.parametrize(
    ("type_", "typed"),
    [
        *((PlaceType(), typed) for typed in ("", "1", "1,2,3", "a,b", "nan,0", "inf,0", "0,181")),
        *((BoxType(), typed) for typed in ("1,2", "0,1,1", "-1,1,1", "1e3,1,1", "1,,1")),
        *((StockType(), typed) for typed in ("", "PLA", ",1,2", "PLA,x", "PLA,-1", "PLA,1,2,3")),
        *((WhenType(), typed) for typed in ("", "3", "3 fortnights", "2030-13-01", "-3d", "0d 1")),
    ],
)
def test_what_is_no_place_box_material_or_time_is_refused(
    type_: click.ParamType[object], typed: str
) -> None:
    with pytest.raises(click.BadParameter, match=r"one looks like|degrees"):
        type_.convert(typed, None, None)


def _when(typed: str) -> int:
    return WhenType().convert(typed, None, None)


def test_a_span_is_counted_from_now() -> None:
    before = clock.now()
    whens = [_when(typed) - before for typed in ("90min", "5h", "3d", "2w")]

    for when, hours in zip(whens, (1.5, 5, 72, 336), strict=True):
        assert 0 <= when - hours * HOUR_MS < 60_000


def test_a_date_is_the_end_of_that_day_here() -> None:
    end = datetime(2030, 5, 31, 23, 59, 59).astimezone()  # here, as a person means it

    assert _when("2030-05-31") == round(end.timestamp() * 1000)


def test_a_time_is_here_unless_it_says_where() -> None:
    here = datetime(2030, 5, 31, 16, 0).astimezone()  # as above

    assert _when("2030-05-31T16:00") == round(here.timestamp() * 1000)
    assert _when("2030-05-31T16:00+02:00") == _when("2030-05-31T14:00Z")


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (
            {"blocks": 1, "blocks_known": 4, "bytes": 1_200_000},
            "fetching [######..................] 1/4 blocks, 1.2 MB",
        ),
        (
            {"step": "measuring", "file": "a\x1b.stl", "done": 1, "of": 2},
            "measuring [############............] 1/2 a.stl",
        ),
        ({"step": "storing", "file": "a.stl", "bytes": 10}, "storing a.stl, 10 B"),
        ({"step": "waiting"}, "waiting"),
        ({"blocks": 0, "blocks_known": 0, "bytes": 0}, f"fetching [{'.' * 24}] 0/0 blocks, 0 B"),
        ({"of a newer node": 1}, "working"),
    ],
)
def test_progress_is_one_line(progress: dict[str, object], line: str) -> None:
    assert words(progress) == line
