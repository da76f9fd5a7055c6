"""Whatever a manifest says, it is read, or refused in words; nothing else happens."""

import tempfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.node.manifests import licence, okh_v1, repairs
from commonfab.node.manifests.findings import KeyRefused, Tree
from commonfab.node.manifests.okh import from_okh
from commonfab.node.manifests.reading import ManifestRefused, Opened
from commonfab.node.manifests.writing import to_toml

licence.repair("MIT")
"""Loads the library of licences, so that no example has to wait for it."""

TYPICAL = [
    "30 %", "Ideation", "English-UK", "LicenseRef-CERN", "3DP", "a.stl", "../a.stl", "[value]",
    "cube([1,2,3])", "", " ", "1e999", "GPL-3.0 OR (MIT", "\u202e", "x" * 5000,
]  # fmt: skip
plain = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**30)
    | st.decimals()
    | st.sampled_from(TYPICAL)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
KEYS = [*sorted(repairs.KEYS | repairs.PART_KEYS), "width", "path", "hardware", "openSCAD"]
keys = st.sampled_from(KEYS).map(str) | st.text(max_size=10)
values = st.recursive(
    plain,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=4),
    max_leaves=6,
)
PIECES = [b"a: ", b"- ", b"[", b"{", b'"', b"= ", b"\n", b"&a ", b"!!", b"x"]
V1_KEYS = ["title", "description", "license", "licensor", "contact", "manufacturing-files", "made"]


@settings(max_examples=40)
@given(st.dictionaries(keys, values, max_size=6))
def test_any_tree_is_read_or_refused_by_its_key(tree: Tree) -> None:
    head: Tree = {"name": "a", "version": "1", "license": "MIT", "licensor": "a", "function": "b"}
    try:
        manifest = from_okh(head | tree)
    except KeyRefused:
        return
    assert manifest.name
    assert all(str(finding) for finding in manifest.findings)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(V1_KEYS) | keys, values, max_size=6))
def test_any_tree_of_version_1_is_read_or_refused_by_its_key(tree: Tree) -> None:
    head: Tree = {"title": "a", "description": "b", "license": "MIT", "licensor": "c"}
    with suppress(KeyRefused):
        assert okh_v1.from_okh_v1(head | tree).licence


@settings(max_examples=40)
@given(st.dictionaries(keys, values, max_size=5))
def test_what_was_repaired_once_needs_no_repair(tree: Tree) -> None:
    once, _ = repairs.repair(tree)
    twice, findings = repairs.repair(once)

    assert repr(twice) == repr(once)
    assert all(each.level == "doubt" for each in findings)


@pytest.mark.parametrize("ending", [".toml", ".yml"])
@settings(max_examples=40)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_any_bytes_are_read_or_refused_in_words(ending: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / f"okh{ending}"
        file.write_bytes(data)
        with suppress(ManifestRefused):
            assert to_toml(Opened(file).manifest())


def test_a_number_beyond_all_measure_is_no_length() -> None:
    tree: Tree = {"name": "a", "version": Decimal("1e999999"), "license": "MIT", "licensor": "a"}

    assert from_okh(tree).version == "1E+999999"
