"""`commonfab import`, `lint` and `export`, as a person types them."""

import json
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonfab.node.importing.three_mf import read_metadata
from tests.node.importing.test_okw import HARBOUR
from tests.node.manifests.folders import HEAD, PART, manifest_in
from tests.node.meshes.mesh_files import CUBE, binary_stl
from tests.node.running import RunningNode, commonfab, running_node
from tests.node.village import a_home
from tests.scheduler.solids import Solid


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(a_home(tmp_path_factory.mktemp("nodes"), "alice").path) as running:
        yield running


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design in a zip, with a manifest in need of repair."""
    folder = tmp_path_factory.mktemp("designs")
    with zipfile.ZipFile(folder / "clip.zip", "w") as opened:
        opened.writestr("okh.toml", HEAD.replace("2.4", "1.0").split("image")[0] + PART)
        opened.writestr("clip.stl", binary_stl(CUBE))
    return folder / "clip.zip"


def test_a_zip_is_imported_and_published_and_exported_again(
    node: RunningNode, clip: Path, tmp_path: Path
) -> None:
    done = node("import", str(clip), "--to", str(tmp_path / "in"), "--publish", "--json").json

    (imported,) = done["imported"]
    (published,) = done["published"].values()
    assert (imported["name"], imported["why_not"]) == ("Clip", "")
    assert {"repaired", "inferred"} <= {each["level"] for each in imported["findings"]}

    manifest = node("export", published, "--okh").out
    assert tomllib.loads(manifest)["okhv"] == "2.4"

    target = tmp_path / "clip.3mf"
    assert node("export", "Clip", "--3mf", "--to", str(target), "--json").json["parts"] == 1
    metadata = read_metadata(target)
    assert metadata["LicenseTerms"] == "CERN-OHL-S-2.0"
    assert metadata["fab:designCID"].startswith("bafy")
    again = node("export", "Clip", "--3mf", "--to", str(target))
    assert (again.code, "there is one already" in again.err) == (1, True)


def test_what_the_node_refuses_is_in_the_table_with_the_others(
    node: RunningNode, tmp_path: Path
) -> None:
    (tmp_path / "open.stl").write_bytes(binary_stl(Solid(CUBE.vertices, CUBE.faces[:-1])))

    ended = node("import", str(tmp_path / "open.stl"), "--to", str(tmp_path / "in"), "--publish")

    assert "the mesh is not watertight" in " ".join(ended.out.split())
    assert "0 designs of 1 can be published" in ended.err


def test_machines_of_ones_own_come_from_okw_and_go_out_again(
    node: RunningNode, tmp_path: Path
) -> None:
    (tmp_path / "shop.json").write_text(json.dumps(HARBOUR))
    (tmp_path / "two.json").write_text(json.dumps([HARBOUR, HARBOUR]))

    added = node("import", str(tmp_path / "shop.json"), "--machines")
    two = node("import", str(tmp_path / "two.json"), "--machines")
    out = node("export", "--okw", "--to", str(tmp_path / "out.json"))

    assert added.out.splitlines()[0] == "prusa-mk4 is added: fff-printing, without material"
    assert (two.code, "2 workshops are named" in two.err) == (1, True)
    assert out.code == 0, out.err
    (shop,) = json.loads((tmp_path / "out.json").read_text())
    assert shop["x_capacity"]["node"].startswith("12D3")


def test_the_table_says_what_is_ready_and_why_the_rest_is_not(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK")
    words = (str(clip), str(tmp_path / "bad.zip"), "--to", str(tmp_path / "in"), "--findings")

    ended = commonfab("import", *words, columns=200)

    assert ended.code == 1
    assert f"ready in {tmp_path / 'in' / 'clip'}" in ended.out
    assert "is no zip, or is cut short" in ended.out
    assert "Clip: okhv: '1.0' is read as '2.4'" in ended.out
    assert "1 design of 2 can be published" in ended.err


def test_workshops_are_shown(tmp_path: Path) -> None:
    (tmp_path / "shop.json").write_text(json.dumps(HARBOUR))

    ended = commonfab("import", str(tmp_path / "shop.json"), columns=120)

    assert "Harbour Makerspace" in ended.out
    assert "laser-cutting, fff-printing" in ended.out
    assert "1 workshop, 1 with a place" in ended.err


def test_lint_tells_what_is_wrong_and_ends_with_1_and_fix_mends_the_rest(tmp_path: Path) -> None:
    manifest_in(tmp_path, HEAD.split("image")[0] + "documentationLanguage = 'English-UK'\n" + PART)

    wrong = commonfab("lint", str(tmp_path), "--no-meshes", columns=160)
    (tmp_path / "clip.stl").write_bytes(binary_stl(CUBE))
    fixed = commonfab("lint", str(tmp_path), "--fix", "--json", "--no-meshes")

    assert wrong.code == 1
    assert "names 'clip.stl', which cannot be read" in wrong.out
    assert "en-GB" in wrong.out
    assert fixed.json["fixed"] == str(tmp_path / "okh.toml")
    assert commonfab("lint", str(tmp_path), "--json").json["findings"] == []


def test_a_manifest_that_cannot_be_read_is_told_and_left_alone(tmp_path: Path) -> None:
    file = manifest_in(tmp_path, HEAD + "x = = 1")

    ended = commonfab("lint", str(file), "--fix")

    assert (ended.code, "line 8" in ended.out) == (1, True)
    assert file.read_text() == HEAD + "x = = 1"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["export", "clip"], "say in which form"),
        (["export", "--okh"], "name the DESIGN"),
        (["export", "clip", "--3mf"], "name a file for the 3MF"),
        (["import"], "Missing argument"),
        (["import", "a.zip", "--machines"], "--machines is for workshops"),
    ],
)
def test_what_is_misused_ends_with_2_and_says_how_it_is_used(
    words: list[str], says: str, tmp_path: Path
) -> None:
    ended = commonfab(*words, home=tmp_path)

    assert (ended.code, ended.out) == (2, "")
    assert says in " ".join(ended.err.split())


def test_a_local_design_is_exported_without_a_node(clip: Path, tmp_path: Path) -> None:
    commonfab("import", str(clip), "--to", str(tmp_path), home=tmp_path)

    ended = commonfab("export", str(tmp_path / "clip"), "--okh", home=tmp_path)

    assert (ended.code, tomllib.loads(ended.out)["name"]) == (0, "Clip")
