"""`commonfab publish` and `show`, against a node that runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.running import RunningNode, running_node
from tests.node.village import MANIFEST, a_home, write_block

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("designs")


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[RunningNode]:
    with running_node(a_home(folder, "alice").path) as running:
        assert running("publish", str(write_block(folder / "block"))).code == 0
        yield running


def test_pictures_of_the_parts_are_written_into_a_folder_that_is_made(
    node: RunningNode, tmp_path: Path
) -> None:
    shown = node("show", "block", "--pictures", str(tmp_path / "a" / "b"))

    (picture,) = (tmp_path / "a" / "b").iterdir()
    assert shown.code == 0, shown.err
    assert shown.out.rstrip().endswith(str(picture))
    assert picture.name.startswith("001-")
    assert picture.read_bytes().startswith(PNG)


def test_a_picture_is_drawn_in_the_terminal(node: RunningNode) -> None:
    plain, drawn = node("show", "block"), node("show", "block", "--picture")

    assert (plain.code, drawn.code) == (0, 0)
    assert len(drawn.out.splitlines()) > len(plain.out.splitlines()) + 5


def test_a_folder_that_cannot_be_made_is_named(node: RunningNode, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    shown = node("show", "block", "--pictures", str(tmp_path / "file" / "below"))

    assert shown.code == 1
    assert f"{tmp_path / 'file'}" in shown.err
    assert "name another DIR" in shown.err


def test_pictures_in_json_are_refused(node: RunningNode, tmp_path: Path) -> None:
    shown = node("show", "block", "--json", "--pictures", str(tmp_path / "out"))

    assert shown.code == 2
    assert "without it" in shown.err


def test_a_fork_tells_what_it_was_made_of_and_the_original_what_became_of_it(
    node: RunningNode, folder: Path
) -> None:
    changed = MANIFEST.replace('name = "Block"', 'name = "Taller block"', 1)
    fork = write_block(folder / "taller", side_mm=30.0, manifest=changed)

    published = node("publish", str(fork), "--fork-of", "block")

    assert published.code == 0, published.err
    original = node("show", "block", "--json").json
    (told,) = [line for line in node("show", "taller block").out.splitlines() if "fork" in line]
    assert told.startswith("from")
    assert original["id"][:8] in told
    (told,) = [line for line in node("show", original["id"]).out.splitlines() if "fork" in line]
    assert told.startswith("into")
    assert "Taller block" in told


def test_a_fork_of_what_is_not_known_is_refused_and_nothing_is_published(
    node: RunningNode, folder: Path
) -> None:
    other = MANIFEST.replace('name = "Block"', 'name = "Orphan"', 1)
    fork = write_block(folder / "orphan", side_mm=31.0, manifest=other)

    published = node("publish", str(fork), "--fork-of", "nothing like this")

    assert published.code == 1
    assert "nothing like this" in published.err
    assert node("show", "orphan").code == 1


def test_a_design_is_kept_without_a_promise_or_with_one(node: RunningNode) -> None:
    plain = node("keep", "block", "--json").json
    promised = node("keep", "block", "--promise", "30d", "--json").json

    assert plain["reasons"][:2] == ["mine", "wished"]
    assert plain["until"] == 0 < promised["until"]
