"""What lint finds in a design, and the manifest that it writes."""

from pathlib import Path

import pytest

from commonfab.node.manifests import lint as linting
from commonfab.node.manifests.folder import DesignRefused, read_design
from commonfab.node.manifests.lint import fix, lint, look_at_meshes, meshes_of
from tests.node.manifests.folders import HEAD, PART, V1, manifest_in
from tests.node.meshes.mesh_files import CUBE, binary_stl
from tests.scheduler.solids import Solid


@pytest.fixture
def design(tmp_path: Path) -> Path:
    manifest_in(tmp_path, HEAD.replace("1.10", '"1.10"') + PART + 'printing-process = "FDM"\n')
    (tmp_path / "clip.stl").write_bytes(binary_stl(CUBE))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "clip.png").touch()
    return tmp_path


def said(path: Path) -> list[str]:
    return [f"{each.level}: {each}" for each in lint(path).findings]


def test_there_is_nothing_to_say_of_a_design_in_order(design: Path) -> None:
    assert (lint(design).name, said(design)) == ("Clip", [])


def test_a_manifest_that_cannot_be_used_is_a_finding_with_its_line(design: Path) -> None:
    manifest_in(design, HEAD + "x = = 1")

    assert lint(design).name == ""
    assert said(design)[0].startswith("wrong: okh.toml: line 8: is not TOML")


def test_everything_that_keeps_a_design_from_being_published_is_said_at_once(
    design: Path,
) -> None:
    (design / "pictures" / "clip.png").unlink()
    manifest_in(design, HEAD + PART + PART.replace('material = "PETG"', "").replace("3DP", "CNC"))
    (design / "clip.stl").unlink()

    wrong = [each.key for each in lint(design).findings if each.level == "wrong"]
    assert wrong == [
        "part.clip", "part.clip", "part.clip", "part.clip", "part.clip", "image",
    ]  # fmt: skip
    with pytest.raises(Exception, match="several parts are called 'clip'"):
        read_design(design)


def test_a_manual_that_is_not_there_is_only_doubtful(design: Path) -> None:
    manifest_in(design, HEAD.replace("1.10", '"1"') + 'bom = "bom.csv"\nreadme = "a.md#b"\n' + PART)

    assert [each.key for each in lint(design).findings if each.level == "doubt"] == ["bom"]


def test_a_manifest_alone_and_a_mesh_alone_are_looked_at_too(design: Path) -> None:
    assert said(design / "okh.toml") == []
    assert any("license: nobody said" in each for each in said(design / "clip.stl"))
    with pytest.raises(DesignRefused, match="does not exist"):
        lint(design / "none")


def test_fix_writes_what_was_understood_and_keeps_the_old_manifest(design: Path) -> None:
    old = HEAD.replace("2.4", "OKH-LOSHv1.0") + "documentationLanguage = 'EN-UK'\n" + PART
    manifest_in(design, old)
    assert any("is read as 'en-GB'" in each for each in said(design))

    assert fix(design) == design / "okh.toml"

    assert said(design) == []
    assert (design / "okh.toml.orig").read_text() == old
    assert read_design(design)[0].name == "Clip"


def test_fix_leaves_a_manifest_in_order_as_it_is(design: Path) -> None:
    fix(design)
    before = (design / "okh.toml").stat().st_ino

    assert fix(design).stat().st_ino == before


def test_fix_writes_a_manifest_beside_one_of_version_1(tmp_path: Path) -> None:
    manifest_in(tmp_path, V1, "okh-clip.yml")
    (tmp_path / "clip.stl").write_bytes(binary_stl(CUBE))

    assert fix(tmp_path) == tmp_path / "okh.toml"
    assert read_design(tmp_path)[0].form == "okh"
    assert (tmp_path / "okh-clip.yml").read_text() == V1


def test_fix_writes_a_manifest_for_a_folder_of_meshes_with_its_licence_left_to_say(
    tmp_path: Path,
) -> None:
    (tmp_path / "clip.stl").write_bytes(binary_stl(CUBE))

    fix(tmp_path)

    assert 'license = "NOASSERTION"' in (tmp_path / "okh.toml").read_text()
    assert any("license" in each for each in said(tmp_path))


def test_fix_overwrites_no_manifest_that_stands_beside_a_mesh(design: Path) -> None:
    with pytest.raises(Exception, match="there is one already"):
        fix(design / "clip.stl")


async def test_the_shapes_of_the_parts_are_looked_at(design: Path) -> None:
    assert meshes_of(design) == [design / "clip.stl"]
    assert await look_at_meshes(design) == []

    (design / "clip.stl").write_bytes(binary_stl(Solid(CUBE.vertices, CUBE.faces[:-1])))
    found = await look_at_meshes(design)
    assert [(each.level, each.file) for each in found] == [("wrong", "clip.stl")]
    assert "watertight" in str(found[0])


def test_meshes_of_what_cannot_be_read_are_none(design: Path) -> None:
    manifest_in(design, "x = = 1")

    assert linting.meshes_of(design) == []
