"""From what people have to a folder that can be published, or a sentence that says why not."""

import zipfile
from pathlib import Path

import pytest

from commonfab.node.importing.fetching import Fetcher
from commonfab.node.importing.importing import Imported, Importer, look_at_meshes
from commonfab.node.manifests.folder import FILES_MAX, read_design
from tests.node.importing.test_three_mf import HEAD as MODEL_HEAD
from tests.node.manifests.folders import HEAD, PART, V1, manifest_in
from tests.node.manifests.okh_data import real_manifests
from tests.node.meshes.mesh_files import CUBE, binary_stl


@pytest.fixture
def design(tmp_path: Path) -> Path:
    folder = tmp_path / "design"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "clip.png").write_bytes(b"png")
    manifest_in(folder, HEAD + PART)
    (folder / "clip.stl").write_bytes(binary_stl(CUBE))
    return folder


async def take(source: Path | str, into: Path, fetcher: Fetcher | None = None) -> list[Imported]:
    importer = Importer(into, fetcher or Fetcher())
    return [each async for each in importer.take(str(source))]


async def test_a_folder_gets_its_manifest_anew_and_keeps_its_files(design: Path) -> None:
    into = design.parent / "in"
    (design / ".git").mkdir()
    (design / ".git" / "config").touch()
    (design / "notes.md").write_text("notes")

    (done,) = await take(design, into)

    assert (done.name, done.parts, done.why_not) == ("Clip", 1, "")
    assert done.folder == str(into / "clip")
    manifest, files = read_design(into / "clip")
    assert manifest.document["version"] == "1.10"
    assert files == [into / "clip" / "clip.stl"]
    kept = {path.name for path in (into / "clip").rglob("*")}
    assert kept == {"okh.toml", "okh.toml.orig", "clip.stl", "pictures", "clip.png", "notes.md"}
    assert (design / "okh.toml").read_text() == HEAD + PART


async def test_a_design_that_is_there_already_is_not_touched(design: Path) -> None:
    into = design.parent / "in"
    await take(design, into)

    (again,) = await take(design, into)

    assert again.folder == ""
    assert "clip: there is one already; remove it, or name another --to" in again.why_not
    assert [path.name for path in into.iterdir()] == ["clip"]


async def test_links_are_left_out_and_said(design: Path) -> None:
    (design / "secret").symlink_to("/etc/hostname")

    (done,) = await take(design, design.parent / "in")

    assert "secret: is a link, or no file, and is left out" in [str(e) for e in done.findings]
    assert not (design.parent / "in" / "clip" / "secret").exists()


@pytest.fixture
def zipped(design: Path) -> Path:
    """The design in one folder of a zip, as code hosts pack it."""
    path = design.parent / "clip-main.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for file in design.rglob("*.*"):
            opened.write(file, Path("clip-main") / file.relative_to(design))
    return path


async def test_a_zip_of_one_folder_is_that_folder(zipped: Path) -> None:
    (done,) = await take(zipped, zipped.parent / "in")

    assert (done.name, done.why_not) == ("Clip", "")


async def test_a_zip_of_meshes_is_called_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "hook.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("a.stl", binary_stl(CUBE))

    (done,) = await take(path, tmp_path / "in")

    assert (done.name, done.licence, done.parts) == ("hook", "NOASSERTION", 1)
    assert any("license: nobody said" in str(each) for each in done.findings)


async def test_a_bad_zip_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")

    (done,) = await take(tmp_path / "a.zip", tmp_path / "in")

    assert (done.folder, "is no zip" in done.why_not) == ("", True)
    assert not (tmp_path / "in").exists()


async def test_a_mesh_alone_is_a_design_of_one_part(design: Path) -> None:
    (done,) = await take(design / "clip.stl", design.parent / "in")

    folder = design.parent / "in" / "clip"
    assert sorted(path.name for path in folder.iterdir()) == ["clip.stl", "okh.toml"]
    assert done.why_not == ""


async def test_a_3mf_brings_its_title_designer_and_licence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.3mf", "w") as opened:
        opened.writestr("3D/3dmodel.model", MODEL_HEAD)

    (done,) = await take(tmp_path / "x.3mf", tmp_path / "in")

    assert (done.name, done.licence, done.folder) == (
        "Clip & ring", "CC-BY-SA-4.0", str(tmp_path / "in" / "clip-ring"),
    )  # fmt: skip


async def test_a_manifest_brings_the_files_that_it_names(design: Path) -> None:
    (design / "other.stl").touch()

    (done,) = await take(design / "okh.toml", design.parent / "in")

    names = {path.name for path in (design.parent / "in" / "clip").rglob("*.*")}
    assert names == {"okh.toml", "clip.stl", "clip.png"}
    assert done.why_not == ""


async def test_a_manifest_that_leads_out_of_its_folder_brings_nothing(design: Path) -> None:
    manifest_in(design, HEAD + PART.replace("clip.stl", "../../etc/passwd"))

    (done,) = await take(design / "okh.toml", design.parent / "in")

    assert "'../../etc/passwd': leads out of the design" in done.why_not
    assert done.folder == ""
    assert not (design.parent / "in").exists()


async def test_what_cannot_be_published_yet_is_still_made_and_says_why(tmp_path: Path) -> None:
    manifest_in(tmp_path, V1, "okh.yml")

    (done,) = await take(tmp_path / "okh.yml", tmp_path / "in")

    assert done.folder == str(tmp_path / "in" / "clip")
    assert "names no part, and no mesh lies beside it" in done.why_not
    assert 'okhv = "2.4"' in (tmp_path / "in" / "clip" / "okh.toml").read_text()


async def test_a_folder_of_nothing_but_manifests_is_as_many_designs(tmp_path: Path) -> None:
    folder = tmp_path / "list"
    folder.mkdir()
    manifest_in(folder, HEAD, "a__okh-1.toml")
    manifest_in(folder, HEAD.replace('"Clip"', '"Clop"'), "okh-2.toml")
    manifest_in(folder, "x = = 1", "okh-3.toml")

    done = await take(folder, tmp_path / "in")

    assert [(each.name, bool(each.folder)) for each in done] == [
        ("Clip", True), ("Clop", True), ("", False),
    ]  # fmt: skip


async def test_a_list_is_fetched_line_by_line_and_each_line_has_its_answer(
    tmp_path: Path,
) -> None:
    (tmp_path / "list.txt").write_text("# mine\n\nnothing\nhttp://files.example/a.stl\n")

    done = await take(tmp_path / "list.txt", tmp_path / "in")

    assert [each.source for each in done] == ["nothing", "http://files.example/a.stl"]
    assert all("is no https address" in each.why_not for each in done)


async def test_a_mesh_that_nobody_can_make_is_named_before_it_is_published(design: Path) -> None:
    (design / "clip.stl").write_bytes(binary_stl(CUBE, declared=4_000_000_000))

    (done,) = await take(design, design.parent / "in")
    assert done.why_not == ""
    done = await look_at_meshes(done)

    assert done.folder == str(design.parent / "in" / "clip")
    assert done.why_not.startswith("clip.stl: its head says 4000000000 triangles")


async def test_a_folder_without_end_is_a_result(tmp_path: Path) -> None:
    for number in range(FILES_MAX + 1):
        (tmp_path / f"{number}.stl").touch()

    (done,) = await take(tmp_path, tmp_path / "in")

    assert "holds more than 10000 files" in done.why_not


async def test_links_that_lead_round_and_out_are_not_followed(design: Path) -> None:
    (design / "round").symlink_to(".")
    (design / "out").symlink_to("/etc")

    (done,) = await take(design, design.parent / "in")

    assert done.why_not == ""
    assert not {"round", "out"} & {path.name for path in (design.parent / "in" / "clip").iterdir()}


async def test_nothing_at_the_path_is_a_result_too(tmp_path: Path) -> None:
    (done,) = await take(tmp_path / "none", tmp_path / "in")

    assert "does not exist; name a folder or a mesh" in done.why_not


@pytest.fixture
def some_real_manifests() -> list[Path]:
    return real_manifests()[::200]


async def test_real_manifests_all_come_in_or_say_why_not(
    some_real_manifests: list[Path], tmp_path: Path
) -> None:
    for file in some_real_manifests:
        for each in await take(file, tmp_path / file.stem):
            assert each.folder or each.why_not
