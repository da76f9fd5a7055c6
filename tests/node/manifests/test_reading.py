"""Manifests' files: what is read, and in which words what cannot be is refused."""

import collections
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from commonfab.node.manifests import licence, repairs
from commonfab.node.manifests.reading import (
    MANIFEST_BYTES_MAX,
    ManifestRefused,
    Opened,
    read_manifest,
    read_part,
)
from commonfab.node.manifests.writing import to_toml
from tests.node.manifests.folders import HEAD, PART, V1, manifest_in
from tests.node.manifests.okh_data import real_manifests


def test_okh_v1_is_read_with_its_own_first_line_and_texts_as_written(tmp_path: Path) -> None:
    manifest = read_manifest(manifest_in(tmp_path, V1, "okh-clip.yml"))

    assert (manifest.form, manifest.name, manifest.version) == ("okh-v1", "Clip", "1.10")
    assert manifest.document["date-created"] == "2020-05-10"


def test_real_manifests_end_with_a_licence_and_lose_nothing_or_are_refused_in_words() -> None:
    outcome: collections.Counter[str] = collections.Counter()
    for file in real_manifests():
        try:
            opened = Opened(file)
            manifest = opened.manifest()
        except ManifestRefused as refusal:
            outcome["refused"] += 1
            print(refusal)
            continue
        outcome[manifest.form] += 1
        doubted = any((each.level, each.key) == ("doubt", "license") for each in manifest.findings)
        assert licence.is_spdx(manifest.licence) or doubted, file
        assert licence.is_spdx(manifest.licence) or manifest.licence == "NOASSERTION", file
        others = {key: value for key, value in opened.raw.items() if _is_of_others(key)}
        written = tomllib.loads(to_toml(manifest), parse_float=Decimal)
        assert written == manifest.document, file
        if not opened.is_v1:
            assert {key: written[key] for key in others} == others, file
    assert outcome["okh"] + outcome["okh-v1"] > 0.99 * outcome.total()


def _is_of_others(key: str) -> bool:
    name = repairs.spelt(key)
    return name not in repairs.KEYS and name not in repairs.SPELLINGS


def test_the_manifest_of_a_part_is_read_without_what_only_a_design_has(tmp_path: Path) -> None:
    file = manifest_in(tmp_path, 'okhv = "2.0"\nname = "Comb"\nmass = "5 g"', "okh-Comb.toml")

    part, findings = read_part(file)

    assert part == {"name": "Comb", "mass": 5}
    assert [each.file for each in findings] == ["okh-Comb.toml"]


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (HEAD + 'x = "open', "okh.toml", "okh.toml:8: is not TOML"),
        (HEAD + "x = = 1", "okh.toml", "okh.toml:8: is not TOML"),
        ("a." * 60_000 + "a = 1", "okh.toml", "okh.toml:1: more than 300 dots"),
        (b"name = 'a'\nfunction = '\xff'", "okh.toml", "okh.toml:2: is not UTF-8"),
        ("x = " + "[" * 5000, "okh.toml", "nested too deeply"),
        ("x = " + "9" * 5000, "okh.toml", "is not TOML"),
        ("x = 1979-99-99", "okh.toml", "is not TOML"),
        ("", "okh.toml", "lacks name, license, licensor"),
        (HEAD + PART + "quantity = 0", "okh.toml", "okh.toml:14: part 'clip' has quantity 0"),
        ("name = 'x'\n" * 30_000, "okh.toml", "longer than 256 KiB"),
        ("title: [a\nb: c", "okh.yml", "is not YAML"),
        ("# only a comment\n", "okh.yml", "holds no keys; fill it in"),
        ("- a\n- b\n", "okh.yml", "holds no keys"),
        ("a: &a [x]\nb: [*a, *a]\n", "okh.yml", "okh.yml:2: has an alias"),
        ("[" * 200_000, "okh.yml", "okh.yml:1: is nested too deeply"),
        ("- " * 100_000, "okh.yml", "okh.yml:1: is nested too deeply"),
        ("? [a]\n: b\n", "okh.yml", "is not YAML"),
        (V1.replace("title", "titel"), "okh.yml", "lacks title"),
        ("a: \x00", "okh.yml", "is not YAML"),
        (V1 + 'x: "\\uD800"', "okh.yml", "has half a letter"),
    ],
)
def test_an_unreadable_manifest_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, name: str, expected: str
) -> None:
    file = manifest_in(tmp_path, content, name)

    with pytest.raises(ManifestRefused) as caught:
        read_manifest(file)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(file))
    assert caught.value.way_out


def test_a_manifest_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestRefused, match=r"okh.toml: is not a file"):
        read_manifest(tmp_path / "okh.toml")


def test_the_longest_manifest_that_is_taken_is_taken(tmp_path: Path) -> None:
    filler = "#" * (MANIFEST_BYTES_MAX - len(HEAD))

    assert read_manifest(manifest_in(tmp_path, HEAD + filler)).name == "Clip"


REQUIRED = 'name = "a"\nversion = "1"\nlicense = "MIT"\nlicensor = "a"\nfunction = "b"\n'


@pytest.mark.parametrize(
    "more",
    [
        "".join(f"k{n} = 1\n" for n in range(20_000)),
        "tsdc = ["
        + '"zz", ' * 20_000
        + "]\n"
        + "".join(f'[[part]]\nname = "{n}"\nexport = "a.stl"\n' for n in range(200)),
        'outer-dimensions = "' + "[1," * 60_000 + '"',
        'documentation-language = "' + "en-" * 60_000 + '"',
        "aA" * 100_000 + " = 1",
    ],
    ids=["keys", "codes", "dimensions", "language", "case"],
)
def test_a_manifest_that_is_made_to_take_long_does_not(tmp_path: Path, more: str) -> None:
    opened = Opened(manifest_in(tmp_path, REQUIRED + more))

    assert len(opened.manifest().findings) <= 1000
