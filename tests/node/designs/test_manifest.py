"""Folders as designs: what is read, and in which words what cannot be is refused."""

import collections
from pathlib import Path

import pytest

from commonfab.node.designs.manifest import (
    FILES_MAX,
    MANIFEST_BYTES_MAX,
    DesignRefused,
    ManifestRefused,
    find_manifest,
    read_design,
    read_manifest,
)
from commonfab.protocol.errors import UsageError
from tests.node.designs.okh_data import real_manifests
from tests.node.meshes.mesh_files import CUBE, binary_stl

HEAD = """\
okhv = "2.4"
name = "Clip"
version = 1.10
license = "CERN-OHL-S-2.0"
licensor = "A. Maker"
function = "Holds a visor."
image = "/pictures/./clip.png"
"""
PART = """
[[part]]
name = "clip"
tsdc = "3DP"
export = ["clip.stl"]
material = "PETG"
"""
V1 = """\
%Open Know-How Manifest 1.0
# The template's comment.
---
title: Clip
description: |   # required
  Holds a visor.
license:
  hardware: CERN-OHL-S-2.0
licensor: {name: A. Maker}
version: 1.10
date-created: 2020-05-10
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A design in order: a manifest, one part, one picture."""
    (tmp_path / "okh.toml").write_text(HEAD + PART)
    (tmp_path / "clip.stl").write_bytes(binary_stl(CUBE))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "clip.png").write_bytes(b"png")
    return tmp_path


def manifest_in(folder: Path, content: str | bytes, name: str = "okh.toml") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def refused(path: Path) -> str:
    with pytest.raises((ManifestRefused, DesignRefused)) as caught:
        read_design(path)
    assert isinstance(caught.value, UsageError)
    assert "; " in str(caught.value)
    return str(caught.value)


def test_a_design_is_its_manifest_and_the_files_of_its_parts(folder: Path) -> None:
    manifest, files = read_design(folder)

    assert (manifest.form, manifest.name, manifest.version) == ("okh", "Clip", "1.10")
    assert manifest.image == "pictures/clip.png"
    assert files == [folder / "clip.stl"]


def test_okh_v1_is_read_with_its_own_first_line_and_texts_as_written(tmp_path: Path) -> None:
    manifest = read_manifest(manifest_in(tmp_path, V1, "okh-clip.yml"))

    assert (manifest.form, manifest.name, manifest.version) == ("okh-v1", "Clip", "1.10")
    assert manifest.rest == {"date-created": "2020-05-10"}


def test_dates_are_kept_as_texts(tmp_path: Path) -> None:
    assert read_manifest(manifest_in(tmp_path, HEAD + "x = 2020-05-10")).rest["x"] == "2020-05-10"


def test_real_manifests_are_read_or_refused_in_words_but_never_break_the_reader() -> None:
    outcome: collections.Counter[str] = collections.Counter()
    refusals: list[str] = []
    for file in real_manifests():
        try:
            manifest = read_manifest(file)
        except ManifestRefused as refusal:
            outcome["refused"] += 1
            refusals.append(str(refusal))
        else:
            outcome[manifest.form] += 1
            assert manifest.name
            assert manifest.licence
            assert manifest.licensor
    print(f"{dict(outcome)}", *refusals, sep="\n")
    assert outcome["okh"] + outcome["okh-v1"] > 0.99 * outcome.total()


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
        ("", "okh.toml", "lacks name, version, license, licensor, function"),
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


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path).endswith(
        "holds neither a manifest nor a mesh; add an okh.toml, or a mesh"
    )


def test_nothing_at_the_path_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none")


def test_a_file_that_is_no_mesh_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")

    assert "is neither a folder nor a mesh" in refused(tmp_path / "a.txt")


def test_a_single_mesh_is_a_design_of_one_part_that_says_it_was_inferred(folder: Path) -> None:
    manifest, files = read_design(folder / "clip.stl")

    assert (manifest.form, manifest.name, manifest.licence) == ("inferred", "clip", "NOASSERTION")
    assert [(part.name, part.process) for part in manifest.parts] == [("clip", "fff-printing")]
    assert files == [folder / "clip.stl"]
    assert "inferred from the files" in manifest.remarks[0]


def test_a_folder_of_meshes_is_a_design_of_all_of_them(folder: Path) -> None:
    (folder / "okh.toml").unlink()
    (folder / "b").mkdir()
    (folder / "b" / "clip.3mf").write_bytes(b"3mf")
    (folder / ".git").mkdir()
    (folder / ".git" / "old.stl").write_bytes(b"stl")

    manifest, files = read_design(folder)

    assert manifest.form == "inferred"
    assert [part.name for part in manifest.parts] == ["b/clip", "clip"]
    assert files == [folder / "b" / "clip.3mf", folder / "clip.stl"]


def test_a_manifest_without_parts_takes_the_meshes_beside_it(folder: Path) -> None:
    manifest_in(folder, HEAD)

    manifest, files = read_design(folder)

    assert files == [folder / "clip.stl"]
    assert "the manifest names no part: the meshes beside it are taken" in manifest.remarks


def test_a_manifest_without_parts_or_meshes_is_refused(folder: Path) -> None:
    manifest_in(folder, HEAD)
    (folder / "clip.stl").unlink()

    assert "names no part, and no mesh lies beside it; add a [[part]]" in refused(folder)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (PART.replace("clip.stl", "clop.stl"), "names 'clop.stl', which cannot be read: No such"),
        (PART.replace("clip.stl", "../clip.stl"), "names '../clip.stl', which leads out of it"),
        (PART.replace("clip.stl", "a/../../clip.stl"), "which leads out of it"),
        (PART.replace("clip.stl", "/"), "which leads out of it"),
        (PART.replace("clip.stl", "pictures"), "names 'pictures', which is not a file"),
        (PART.replace("clip.stl", "https://example.org/clip.stl"), "put a copy into the folder"),
        (PART + 'source = "clip.scad"', "names 'clip.scad', which cannot be read"),
        (PART + PART, "several parts are called 'clip'"),
        (PART.replace("3DP", "???").replace(".stl", ".step"), "does not say how it is made"),
        (
            PART.replace("3DP", "CNC").replace('material = "PETG"', ""),
            "does not say what it is made of; add material",
        ),
    ],
)
def test_a_part_that_cannot_be_made_is_refused(folder: Path, part: str, expected: str) -> None:
    manifest_in(folder, HEAD + part)

    assert expected in refused(folder)


def test_a_picture_that_is_not_there_is_refused(folder: Path) -> None:
    (folder / "pictures" / "clip.png").unlink()

    assert "names '/pictures/./clip.png', which cannot be read" in refused(folder)


def test_symbolic_links_are_not_followed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (folder / "clip.stl").rename(outside / "clip.stl")
    (folder / "clip.stl").symlink_to(outside / "clip.stl")
    assert "'clip.stl' is a symbolic link; put the file itself there" in refused(folder)

    (folder / "linked").symlink_to(outside)
    manifest_in(folder, HEAD + PART.replace("clip.stl", "linked/clip.stl"))
    assert "'linked' is a symbolic link" in refused(folder)

    (folder / "okh.toml").unlink()
    assert "'clip.stl' is a symbolic link" in refused(folder)


def test_two_old_manifests_in_a_folder_are_refused(tmp_path: Path) -> None:
    manifest_in(tmp_path, V1, "okh-a.yml")
    assert find_manifest(tmp_path) == tmp_path / "okh-a.yml"

    manifest_in(tmp_path, V1, "okh-b.yaml")
    assert "holds several manifests: okh-a.yml, okh-b.yaml; leave one" in refused(tmp_path)


def test_a_folder_of_too_many_meshes_or_files_is_refused(tmp_path: Path) -> None:
    for number in range(201):
        (tmp_path / f"{number}.stl").touch()
    assert "holds 201 meshes; at most 200" in refused(tmp_path)

    for number in range(FILES_MAX):
        (tmp_path / f"{number}.txt").touch()
    assert "holds more than 10000 files" in refused(tmp_path)


def test_the_longest_manifest_that_is_taken_is_taken(tmp_path: Path) -> None:
    filler = "#" * (MANIFEST_BYTES_MAX - len(HEAD))

    assert read_manifest(manifest_in(tmp_path, HEAD + filler)).name == "Clip"
