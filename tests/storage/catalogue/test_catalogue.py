"""The catalogue: what is found, by words and facets; versions and heads."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import RecordId
from commonfab.protocol.limits import MASS_MG_MAX, QUANTITY_MAX
from commonfab.storage.catalogue.catalogue import Catalogue
from commonfab.storage.catalogue.entry import Entry
from commonfab.storage.catalogue.query import COUNTED_MAX, WORDS_MAX, Query, match_text
from tests.builders import NOON, a_design, a_fork_of, a_part
from tests.protocol.signers import ALICE, BOB
from tests.storage.catalogue_entries import an_entry, entered


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    catalogue = Catalogue(tmp_path / "catalogue.db")
    yield catalogue
    catalogue.close()


def find(catalogue: Catalogue, words: str = "", **asked: Any) -> list[RecordId]:
    return catalogue.search(Query(words=words, **asked), limit=100).ids


@pytest.mark.parametrize(
    "words",
    ["hand pump", "PUMP hand", "pum", "hän", "valve", "lifts", "PETG", "alice", "sola", "fff"],
)
def test_a_design_is_found_by_the_beginnings_of_words_in_whatever_is_said_of_it(
    catalogue: Catalogue, words: str
) -> None:
    pump = an_entry(
        function="Lifts water.", maker="Sóla's", part_name="valve seat", part_material="PETG"
    )
    catalogue.add(
        [pump, an_entry("Chair", part_name="leg", licensor="Bob", part_process="milling")]
    )

    assert find(catalogue, words) == [pump.id]


@pytest.mark.parametrize("words", ["hand chair", "ump", "pumps", "water pump"])
def test_a_design_without_one_of_the_words_is_not_found(catalogue: Catalogue, words: str) -> None:
    catalogue.add([an_entry()])

    assert find(catalogue, words) == []


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("Pompe à eau", "a eau"),
        ("Wasserpumpe für Gärten", "garten"),
        ("Przełącznik", "przełącznik"),
        ("Αντλία", "ΑΝΤΛΊΑ"),
        ("手動ポンプ", "手動"),
        ("हाथ पंप", "हाथ"),
        ("Café", "cafe\u0301"),
        ("hand-pump M3x20", "hand-pump m3x"),
    ],
)
def test_accents_case_and_scripts_are_folded(catalogue: Catalogue, said: str, typed: str) -> None:
    entry = an_entry(said, stream="design/x")
    catalogue.add([entry])

    assert find(catalogue, typed) == [entry.id]


def test_what_has_the_words_in_its_name_comes_first(catalogue: Catalogue) -> None:
    named = an_entry("Hand pump", at=NOON)
    told = an_entry("Bucket", function="for a hand pump", at=NOON + 1)
    catalogue.add([named, told])

    assert find(catalogue, "hand pump") == [named.id, told.id]


def test_without_words_the_newest_comes_first(catalogue: Catalogue) -> None:
    entries = [an_entry(f"Thing {i}", at=NOON + i) for i in range(3)]
    catalogue.add(entries)

    assert find(catalogue) == [entry.id for entry in reversed(entries)]


@pytest.mark.parametrize(
    "typed",
    [
        '"', '""', '"pump', "pump*", "*", "NEAR(a b)", "name : pump", "-pump", "a AND", "OR", "NOT",
        "^pump", "(", ")", "a + b", "{a b} : c", "\0", "pump\0", "\ud800", "'; DROP TABLE design;",
        "...", "😀", "?", "%", "_", "pump'", "\N{RIGHT-TO-LEFT OVERRIDE}pump", "\x1b[31m",
    ],
)  # fmt: skip
def test_nothing_that_can_be_typed_is_an_error(catalogue: Catalogue, typed: str) -> None:
    catalogue.add([an_entry()])

    assert catalogue.search(Query(words=typed), limit=10).total <= 1


@given(st.text(st.characters(), max_size=60))
def test_no_text_is_a_syntax_error(typed: str) -> None:
    catalogue = Catalogue(None)
    catalogue.add([an_entry()])

    assert catalogue.search(Query(words=typed), limit=1).total <= 1
    catalogue.close()


def test_the_operators_of_the_full_text_language_are_words(catalogue: Catalogue) -> None:
    either = an_entry("this or that")
    catalogue.add([either, an_entry("this"), an_entry("that")])

    assert find(catalogue, "this OR that") == [either.id]


def test_ten_thousand_words_are_too_many_and_ten_thousand_times_one_is_one() -> None:
    with pytest.raises(UsageError, match=f"10000 words: a search takes up to {WORDS_MAX}"):
        match_text(" ".join(f"w{i}" for i in range(10_000)))

    assert match_text("pump " * 10_000) == '"pump" *'
    assert len(match_text("p" * 100_000)) < 100


FACETS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"process": ("fff-printing",)}, {}, {"part_process": "laser-cutting"}),
    ({"material": ("petg",)}, {"part_material": "PETG"}, {}),
    ({"material": ("ABS", "PETG")}, {"part_material": "PETG"}, {}),
    ({"licence": ("cc-by-sa-4.0",)}, {"licence": "CC-BY-SA-4.0"}, {}),
    ({"language": ("pt-br",)}, {"language": "pt-BR"}, {"language": "pt"}),
    ({"watertight": True}, {}, {"part_watertight": False}),
    ({"mass_mg_max": 50_000}, {"part_mass_mg": 25_000, "part_pieces": 2}, {"part_mass_mg": 50_001}),
    ({"made_min": 2}, {"made": 2}, {"made": 1}),
    ({"authors": (ALICE.node,)}, {}, {"by": BOB}),
    ({"fits_um": (60_000, 20_000, 40_000)}, {}, {"part_bbox_um": (60_000, 40_000, 20_001)}),
    ({"fits_um": (10**9, 10**9, 10**9)}, {}, {"part_bbox_um": (0, 0, 0)}),
]


@pytest.mark.parametrize(("asked", "fits", "differs"), FACETS, ids=lambda value: str(value)[:40])
def test_a_facet_keeps_what_fits_and_leaves_out_what_does_not(
    catalogue: Catalogue, asked: dict[str, Any], fits: dict[str, Any], differs: dict[str, Any]
) -> None:
    wanted, other = an_entry("One pump", **fits), an_entry("Other pump", **differs)
    catalogue.add([wanted, other])

    assert find(catalogue, **asked) == [wanted.id]
    assert find(catalogue, "pump", **asked) == [wanted.id]


def test_two_facets_both_hold(catalogue: Catalogue) -> None:
    both = an_entry("A", part_material="PETG", part_process="milling")
    catalogue.add(
        [both, an_entry("B", part_material="PETG"), an_entry("C", part_process="milling")]
    )

    assert find(catalogue, material=("PETG",), process=("milling",)) == [both.id]


@given(
    st.lists(st.tuples(*[st.integers(1, 5)] * 3), min_size=1, max_size=4),
    st.tuples(*[st.integers(1, 5)] * 3),
)
def test_a_design_fits_a_box_if_each_part_does_in_some_rotation(
    parts: list[tuple[int, int, int]], box: tuple[int, int, int]
) -> None:
    fits = all(
        any(all(a <= b for a, b in zip(turned, box, strict=True)) for turned in permutations(part))
        for part in parts
    )
    made = tuple(a_part(name=f"p{i}", bbox_um=size) for i, size in enumerate(parts))
    catalogue = Catalogue(None)
    catalogue.add([an_entry(parts=made)])

    assert bool(find(catalogue, fits_um=box)) == fits
    catalogue.close()


def test_only_what_is_here_is_found_if_that_is_asked(catalogue: Catalogue) -> None:
    here, away = an_entry("A", root=b"\x01\x55\x12\x20" + b"\1" * 32), an_entry("B")
    catalogue.add([here, away])

    assert find(catalogue, is_here=here.root.__eq__) == [here.id]
    assert len(find(catalogue)) == 2


def test_the_facets_of_what_was_found_are_counted(catalogue: Catalogue) -> None:
    catalogue.add(
        an_entry(f"Pump {i}", part_material=material, language="en")
        for i, material in enumerate(["PLA", "PETG", "petg"])
    )
    catalogue.add([an_entry("Chair", part_material="wood")])

    found = catalogue.search(Query(words="pump"), limit=1)

    assert (len(found.ids), found.total, found.is_more) == (1, 3, False)
    assert found.facets["material"] == [("PETG", 2), ("PLA", 1)]
    assert found.facets["language"] == [("en", 3)]
    assert found.facets["author"] == [(ALICE.node.hex(), 3)]


def test_what_cannot_be_counted_in_time_is_said_to_be_more(catalogue: Catalogue) -> None:
    one = an_entry("Pump")
    catalogue.add(_renumbered(one, COUNTED_MAX + 5))

    for words in ("", "pump"):
        found = catalogue.search(Query(words=words), limit=3)
        assert (len(found.ids), found.total, found.is_more) == (3, COUNTED_MAX, True)
        assert found.facets["process"] == [("fff-printing", COUNTED_MAX)]


def _renumbered(entry: Entry, count: int) -> Iterator[Entry]:
    for i in range(count):
        yield replace(entry, id=RecordId(i.to_bytes(32, "big")), stream=f"design/{i}")


@pytest.mark.parametrize("facets", [{}, {"material": ("PETG",)}, {"language": ("nn",)}])
def test_a_rare_and_a_common_value_find_the_same_as_looking_at_all(
    catalogue: Catalogue, facets: dict[str, Any]
) -> None:
    entries = [
        an_entry(f"T{i}", part_material=m, language=lang, at=NOON + i)
        for i, (m, lang) in enumerate(product(["PLA", "PETG"] * 20, ["en", "de", "nn"]))
    ]
    catalogue.add(entries)
    by_hand = [
        e.id
        for e in reversed(entries)
        if all(
            any((facet, value) in e.tags for value in wanted) for facet, wanted in facets.items()
        )
    ]

    assert catalogue.search(Query(**facets), limit=1000).ids == by_hand


# Versions.


def test_only_the_newest_version_is_found_unless_all_are_asked_for(catalogue: Catalogue) -> None:
    old, new = an_entry(version="1"), an_entry(version="2")
    others = an_entry(by=BOB)
    catalogue.add([new, others])
    catalogue.add([old])

    assert set(find(catalogue)) == {new.id, others.id}
    assert set(find(catalogue, all_versions=True)) == {old.id, new.id, others.id}
    assert catalogue.versions(new.author, new.stream) == [
        (new.id, True, True),
        (old.id, True, False),
    ]


def test_the_newest_honest_version_is_below_the_place_from_which_its_author_is_frozen(
    catalogue: Catalogue,
) -> None:
    old, new = an_entry(version="1"), an_entry(version="2")
    catalogue.add([old, new])

    catalogue.freeze(new.author, new.seq)

    assert find(catalogue) == [old.id]
    assert catalogue.versions(new.author, new.stream) == [
        (new.id, False, False),
        (old.id, True, True),
    ]


def test_what_was_signed_after_a_revocation_is_no_head(catalogue: Catalogue) -> None:
    old, new = an_entry(at=NOON), an_entry(at=NOON + 2)
    stolen = an_entry("Other", at=NOON + 1)
    catalogue.add([old, new, stolen])

    catalogue.revoke(ALICE.node, NOON + 1)

    assert find(catalogue) == [old.id]
    assert len(find(catalogue, all_versions=True)) == 3


def test_when_the_head_is_removed_the_one_before_it_is_the_head_again(catalogue: Catalogue) -> None:
    old, new = an_entry(version="1"), an_entry(version="2")
    catalogue.add([old, new])

    catalogue.remove([new.id])

    assert find(catalogue, "pump") == [old.id]
    assert catalogue.ids() == {old.id}


def test_forks_and_remixes_are_found_from_what_they_were_made_from(catalogue: Catalogue) -> None:
    first = a_design()
    fork = a_design(BOB, derived_from=(a_fork_of(first),))
    catalogue.add([entered(fork)])
    catalogue.add([entered(first)])

    assert catalogue.derived([first.id]) == [(fork.id, "fork", first.id)]
    assert catalogue.derived([fork.id]) == []
    catalogue.remove([fork.id])
    assert catalogue.derived([first.id]) == []


def test_entering_a_design_again_replaces_what_was_entered(catalogue: Catalogue) -> None:
    record = a_design(name="Pump")
    catalogue.add([entered(record, maker="Old shop")])
    catalogue.add([entered(record, maker="New shop")])

    assert find(catalogue, "old") == []
    assert find(catalogue, "new") == [record.id]
    assert catalogue.makers() == {ALICE.node: "New shop"}


def test_a_name_leads_to_the_newest_honest_design_that_has_it(catalogue: Catalogue) -> None:
    mine, theirs = an_entry(at=NOON), an_entry(by=BOB, at=NOON + 1)
    twice = an_entry(by=BOB, at=NOON + 2, is_honest=False)
    catalogue.add([mine, theirs, twice])

    assert catalogue.named("HAND PUMP") == [theirs.id]
    assert catalogue.named("hand-pump") == [theirs.id]
    assert catalogue.named("hand") == []
    assert set(catalogue.with_in_name("nd pu")) == {mine.id, theirs.id}


def test_the_pieces_made_are_those_last_told(catalogue: Catalogue) -> None:
    one, two = an_entry("One", made=7), an_entry("Two")
    catalogue.add([one, two])

    catalogue.set_made({two.id: 3})

    assert find(catalogue, made_min=1) == [two.id]
    assert find(catalogue, sort="made") == [two.id, one.id]


def test_the_versions_of_the_same_files_are_found(catalogue: Catalogue) -> None:
    entry = an_entry()
    catalogue.add([entry])

    assert catalogue.of_root(entry.author, entry.stream, entry.root) == [entry.id]
    assert catalogue.of_root(BOB.node, entry.stream, entry.root) == []


def test_a_mass_beyond_what_the_file_holds_is_entered_as_the_most_it_holds(
    catalogue: Catalogue,
) -> None:
    parts = [a_part(name=str(n), mass_mg=MASS_MG_MAX, pieces=QUANTITY_MAX) for n in range(100)]
    heavy = an_entry(parts=tuple(parts))
    catalogue.add([heavy])

    assert find(catalogue, "pump") == [heavy.id]
    assert find(catalogue, mass_mg_max=2**62) == []


def test_the_forms_of_the_newest_versions_are_told_and_those_of_another_length_are_not(
    catalogue: Catalogue,
) -> None:
    old = an_entry("Hand pump", part_fingerprint=b"1" * 70, seq=1)
    new = an_entry("Hand pump", part_fingerprint=b"2" * 70, seq=2)
    other = an_entry("Bucket", part_fingerprint=b"3" * 60)
    unknown = an_entry("Rope")
    catalogue.add([old, new, other, unknown])

    assert catalogue.forms(70) == [(new.id, 0, b"2" * 70)]

    catalogue.remove([new.id])

    assert catalogue.forms(70) == [(old.id, 0, b"1" * 70)]
