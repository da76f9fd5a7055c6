"""Processes by whatever name they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.scheduler.vocabulary import names, processes
from commonfab.scheduler.vocabulary.processes import PROCESSES


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("FDM", "fff-printing"),
        ("fff-printing", "fff-printing"),
        ("https://en.wikipedia.org/wiki/Fused_filament_fabrication", "fff-printing"),
        ("3d_printing_fdm", "fff-printing"),
        ("3DP", "3d-printing"),
        ("http://www.wikidata.org/entity/Q229367", "3d-printing"),
        ("Q174689", "cnc-machining"),
        ("  laser   CUTTING ", "laser-cutting"),
        ("https://en.wikipedia.org/wiki/PCBs", "pcb-fabrication"),
        ("MEC", "mechanical-assembly"),
    ],
)
def test_a_process_is_found_by_the_names_that_others_give_it(word: str, expected: str) -> None:
    found = processes.find(word)

    assert found is not None
    assert found.id == processes.id_of(word) == expected


@pytest.mark.parametrize("word", ["", "smoke signals", "https://example.org/FDM"])
def test_an_unknown_word_stays_the_word_that_it_is(word: str) -> None:
    assert processes.find(word) is None
    assert processes.id_of(f" {word} ") == word


def test_what_okw_is_told_is_understood_again() -> None:
    for process in PROCESSES:
        assert processes.id_of(processes.okw_of(process.id)) == process.id


def test_a_kind_holds_what_is_below_it_and_itself() -> None:
    assert processes.is_a("dlp-printing", "3d-printing")
    assert processes.is_a("welding", "welding")
    assert not processes.is_a("3d-printing", "fff-printing")
    assert not processes.is_a("smoke-signals", "3d-printing")


def test_who_asks_for_a_process_asks_for_its_kinds_too() -> None:
    assert set(processes.with_kinds("3DP")) > {"3d-printing", "fff-printing", "dlp-printing"}
    assert processes.with_kinds("FDM") == ("fff-printing",)
    assert processes.with_kinds("smoke-signals") == ("smoke-signals",)


def test_the_code_for_okh_is_that_of_the_nearest_kind() -> None:
    assert [processes.tsdc_of(id_) for id_ in ("dlp-printing", "cnc-milling", "soldering")] == [
        "3DP", "CNC", "CIR",
    ]  # fmt: skip
    assert processes.tsdc_of("sewing") == processes.tsdc_of("smoke-signals") == ""


@given(st.text(max_size=300))
def test_no_word_breaks_the_search(word: str) -> None:
    assert names.key(names.key(word)) == names.key(word)
    processes.find(word)
