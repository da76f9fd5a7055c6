"""`commonfab designs`: what is asked, and how what was found is told."""

import pytest
from click.testing import CliRunner

from commonfab.node.answers.node import DesignLine, FacetValue, FoundDesigns, PartLine
from commonfab.node.cli import designs
from commonfab.node.cli.main import cli


def a_line(**changes: object) -> DesignLine:
    part = PartLine(
        name="valve", file="valve.stl", process="fff-printing", material="PETG", pieces=2,
        bbox_um=(60_000, 40_000, 20_000), volume_mm3=1, watertight=True, seconds=1, mass_mg=30_000,
    )  # fmt: skip
    fields: dict[str, object] = {
        "id": "ab" * 32, "name": "Hand pump", "version": "1", "licence": "MIT", "licensor": "A",
        "function": "Lifts water.", "author": "12D3KooWabcdefgh", "author_name": "Forge",
        "root": "bafy", "at": 0, "size_bytes": 5000, "parts": [part],
    }  # fmt: skip
    return DesignLine(**(fields | changes))  # type: ignore[arg-type]  # msgspec checks nothing here, the test does


def told(capsys: pytest.CaptureFixture[str], found: FoundDesigns) -> tuple[str, str]:
    designs.print_found(found)
    said = capsys.readouterr()
    return said.out, said.err


def found(*designs: DesignLine, **changes: object) -> FoundDesigns:
    fields: dict[str, object] = {
        "designs": list(designs), "total": len(designs), "is_more": False, "facets": {},
        "known": max(len(designs), 1), "missing": 0,
    }  # fmt: skip
    return FoundDesigns(**(fields | changes))  # type: ignore[arg-type]  # as above


def test_what_was_found_is_a_table_with_what_it_could_be_narrowed_by(
    capsys: pytest.CaptureFixture[str],
) -> None:
    materials = [FacetValue(value="PETG", designs=3), FacetValue(value="PLA", designs=1)]
    out, err = told(
        capsys,
        found(a_line(made=4), facets={"material": materials, "licence": materials[:1]}),
    )

    assert all(word in out for word in ("abababab", "Hand pump 1", "Forge", "60 g", "Lifts water."))
    assert "\nmaterial  PETG 3, PLA 1\n" in out
    assert "licence   " not in out
    assert err == ""


def test_names_with_control_and_direction_characters_are_made_harmless(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = "pump\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}gnp\n\x07"
    values = [FacetValue(value=bad, designs=1), FacetValue(value="x", designs=1)]
    out, _ = told(
        capsys,
        found(
            a_line(name=bad, function=bad, licence=bad, author_name=bad),
            facets={"licence": values},
        ),
    )

    assert not set(out) & {"\x1b", "\x07", "\N{RIGHT-TO-LEFT OVERRIDE}"}


def test_what_is_left_out_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    _, some = told(capsys, found(a_line(), total=3))
    _, many = told(capsys, found(a_line(), total=1000, is_more=True))
    _, none = told(capsys, found(known=7))
    _, empty = told(capsys, found(known=0))
    _, filling = told(capsys, found(a_line(), known=9, missing=4))

    assert "1 of 3; narrow the search" in some
    assert "1 of more than 1000" in many
    assert "None of 7 designs fits." in none
    assert "None known here yet." in empty
    assert "4 of 9 designs are not in the catalogue yet." in filling


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fits", "180x180"], "'180x180' is not a box"),
        (["--max-mass", "heavy"], "'heavy' is not a mass; one looks like 500g or 1.2kg"),
        (["--max-mass", "-5g"], "is not a mass"),
        (["--sort", "luck"], "'luck' is not one of"),
        (["--limit", "5000"], "5000 is not in the range"),
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(words: list[str], says: str) -> None:
    ended = CliRunner().invoke(cli, ["designs", *words])

    assert ended.exit_code == 2
    assert says in ended.stderr


@pytest.mark.parametrize(
    ("typed", "milligrams"), [("500g", 500_000), ("1.2kg", 1_200_000), ("3 mg", 3)]
)
def test_a_mass_is_read_in_its_unit(typed: str, milligrams: int) -> None:
    assert designs.MassType().convert(typed, None, None) == milligrams
