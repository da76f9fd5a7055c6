"""The tables of the spec are those of the code."""

import re
from dataclasses import fields
from pathlib import Path

from commonfab.scheduler import factors
from commonfab.scheduler.factors import Factor
from commonfab.scheduler.weights import Weights

SPEC = Path(__file__).parents[2] / "specs" / "scheduling.md"


def rows(head: str) -> dict[str, list[str]]:
    """Return the rows of the table that begins so, by name."""
    table = re.search(rf"^\| {head} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", SPEC.read_text(), re.MULTILINE)
    assert table
    cells = [line.strip("| ").split(" | ") for line in table[1].splitlines()]
    return {row[0].strip("`"): [cell.strip() for cell in row[1:]] for row in cells}


def test_each_factor_stands_in_the_spec_with_unit_and_source() -> None:
    known = {name: f for name, f in vars(factors).items() if isinstance(f, Factor)}

    assert rows("Factor") == {
        name: [f"{factor.value:.10g}", factor.unit, factor.source] for name, factor in known.items()
    }


def test_each_weight_stands_in_the_spec_with_its_default() -> None:
    defaults = {field.name: field.default for field in fields(Weights)}

    assert {name: row[0] for name, row in rows("Weight").items()} == {
        name: value if isinstance(value, str) else f"{value:.10g}"
        for name, value in defaults.items()
    }
