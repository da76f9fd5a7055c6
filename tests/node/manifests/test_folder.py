"""Folders as designs: what is read, and in which words what cannot be is refused."""

from pathlib import Path

import pytest

from commonfab.node.manifests.folder import (
    FILES_MAX,
    DesignRefused,
    describe,
    find_manifest,
    read_design,
)
from commonfab.node.manifests.reading import ManifestRefused
from commonfab.protocol.errors import UsageError
from tests.node.manifests.folders import HEAD, PART, V1, manifest_in
from tests.node.meshes.mesh_files import CUBE, binary_stl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A design in order: a manifest, one part, one picture."""
    (tmp_path / "okh.toml").write_text(HEAD + PART)
    (tmp_path / "clip.stl").write_bytes(binary_stl(CUBE))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "clip.png").write_bytes(b"png")
    return tmp_path


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
    said = [str(each) for each in manifest.findings]
    assert said[0] == "name, parts and process is assumed, from the files, as there is no manifest"
    assert said[1].startswith("license: nobody said under which licence it is; say so")
    assert "part.clip.material: PLA is assumed, from its fff-printing" in said


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
    assert "the manifest names no part" in " ".join(map(str, manifest.findings))


def test_a_manifest_without_parts_or_meshes_is_refused(folder: Path) -> None:
    manifest_in(folder, HEAD)
    (folder / "clip.stl").unlink()

    assert "names no part, and no mesh lies beside it; add a [[part]]" in refused(folder)


@pytest.mark.rule("MANIFEST-4")
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
        (PART.replace("3DP", "???").replace(".stl", ".pdf"), "does not say how it is made"),
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


@pytest.mark.rule("MANIFEST-4")
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
    assert "holds 201 files of parts; at most 200" in refused(tmp_path)

    for number in range(FILES_MAX):
        (tmp_path / f"{number}.txt").touch()
    assert "holds more than 10000 files" in refused(tmp_path)


OLD_PART = """\
okhv = "2.0"
name = "Clamp Ring"
image = "../pictures/clip.png"
tsdc = "3DP"
material = "PLA"
source = "/ring.scad"
export = ["ring.stl"]
mass = "5 g"
"""


@pytest.fixture
def old(folder: Path) -> Path:
    """A design of OKH 2.0: its part has a manifest of its own."""
    manifest_in(folder, HEAD.replace("2.4", "2.0"))
    (folder / "clip.stl").unlink()
    (folder / "ring").mkdir()
    (folder / "ring" / "okh-Ring.toml").write_text(OLD_PART)
    (folder / "ring" / "ring.stl").write_bytes(binary_stl(CUBE))
    (folder / "ring.scad").touch()
    return folder


def test_the_parts_of_okh_2_0_come_from_manifests_of_their_own(old: Path) -> None:
    manifest, files = read_design(old)

    assert [(part.name, part.mass_mg) for part in manifest.parts] == [("Clamp Ring", 5000)]
    assert files == [old / "ring" / "ring.stl"]
    parts = manifest.document["part"]
    assert isinstance(parts, list)
    assert (parts[0]["image"], parts[0]["source"]) == ("pictures/clip.png", "/ring.scad")
    assert "ring/okh-Ring.toml" in {each.file for each in manifest.findings}


def test_a_part_that_the_design_names_itself_is_not_taken_twice(old: Path) -> None:
    own = PART.replace('"clip"', '"Clamp Ring"').replace("clip.stl", "ring/ring.stl")
    manifest_in(old, HEAD.replace("2.4", "2.0") + own)

    manifest, _ = read_design(old)

    assert [part.material for part in manifest.parts] == ["PETG"]


def test_newer_manifests_are_alone_in_their_folder(old: Path) -> None:
    own = PART.replace("clip.stl", "ring/ring.stl")
    manifest_in(old, HEAD + own)

    assert [part.name for part in read_design(old)[0].parts] == ["clip"]


def test_the_manifest_of_a_part_that_leads_out_of_the_design_is_refused(old: Path) -> None:
    (old / "ring" / "okh-Ring.toml").write_text(OLD_PART.replace('"ring.stl"', '"../../a.stl"'))

    assert "names '../a.stl', which leads out of it" in refused(old)


def test_what_cannot_be_made_can_still_be_described(folder: Path) -> None:
    manifest_in(folder, HEAD)
    (folder / "clip.stl").unlink()

    assert describe(folder).parts == ()
