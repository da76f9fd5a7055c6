"""Manifests that are written: OKH 2.4, and nothing lost."""

import tomllib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.manifests.findings import Tree
from commonfab.node.manifests.okh import from_okh
from commonfab.node.manifests.writing import to_toml, tree_to_toml

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.times().map(lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000))
    | st.datetimes(timezones=st.none() | st.just(UTC)),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3),
    max_leaves=8,
)


def read(text: str) -> Tree:
    return cast("Tree", tomllib.loads(text, parse_float=Decimal))


@pytest.mark.rule("MANIFEST-1")
@given(st.dictionaries(texts, values, max_size=5))
def test_whatever_a_manifest_may_say_is_read_again_as_it_was(tree: Tree) -> None:
    assert read(tree_to_toml(tree)) == tree


@pytest.mark.parametrize(
    "line",
    [
        "x = 1.10",
        "x = 1e400",
        "x = -0.0",
        "x = inf",
        "x = -inf",
        "x = 1979-05-27T07:32:00.5-07:00",
        "x = 07:32:00",
        "x = [1, [2.50, {a = '\\'}]]",
        "x = {}",
        "x = []",
        "x.y.z = [{a = 1}, {b.c = 2}]",
        "[[x]]\n[[x]]\na = 1",
        "[x.y]\nz = 1",
        '"ʎǝʞ \\u0000" = "\\u202e"',
    ],
)
def test_what_toml_can_say_is_written_so_that_it_says_the_same(line: str) -> None:
    assert read(tree_to_toml(read(line))) == read(line)


def test_what_is_no_number_stays_that() -> None:
    assert tree_to_toml(read("x = nan")) == "x = nan\n"


def test_a_date_stays_a_date() -> None:
    tree: Tree = {"a": date(2026, 11, 21), "b": time(9), "c": datetime(2026, 11, 21, 9, tzinfo=UTC)}

    assert read(tree_to_toml(tree)) == tree


@pytest.mark.rule("MANIFEST-2")
def test_a_manifest_is_written_as_2_4_with_what_was_assumed_named_at_its_top() -> None:
    manifest = from_okh(
        {
            "documentationLanguage": "EN-UK",
            "x-mine": Decimal("1.10"),
            "okhv": "OKH-LOSHv1.0",
            "name": "Clip\n",
            "version": 3,
            "license": "LicenseRef-CC BY-SA-4.0",
            "licensor": "A. Maker",
            "function": "Holds\na visor.",
            "part": [{"name": "clip", "export": "clip.stl"}],
        }
    )

    assert (
        to_toml(manifest)
        == """\
# Assumed, as nobody said it:
#   part.clip.tsdc: fff-printing
#   part.clip.material: PLA

okhv = "2.4"
name = "Clip"
version = "3"
license = "CC-BY-SA-4.0"
licensor = "A. Maker"
function = \"\"\"
Holds
a visor.\"\"\"
documentation-language = "en-GB"
x-mine = 1.10

[[part]]
name = "clip"
export = "clip.stl"
tsdc = "3DP"
printing-process = "FDM"
material = "PLA"
"""
    )
