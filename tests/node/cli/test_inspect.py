"""`commonfab inspect`: what a file is, without a node."""

import json
from pathlib import Path

from click.testing import CliRunner

from commonfab.node.cli.main import cli
from tests.node.meshes.drawings.drawing_files import PLATE
from tests.node.meshes.mesh_files import binary_stl
from tests.scheduler.solids import box


def inspected(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["inspect", *arguments], env={"COLUMNS": "160"})
    return done.exit_code, done.output


def test_a_mesh_is_measured_drawn_and_judged(tmp_path: Path) -> None:
    path = tmp_path / "shelf.stl"
    path.write_bytes(binary_stl(box(60, 40, 0.3)))

    code, said = inspected(str(path))

    assert code == 0
    assert "█" in said
    assert "60 x 40 x 0.3 mm" in said
    assert "thinnest wall   0.30 mm at" in said
    assert "wrong" in said
    assert "too thin for a nozzle of 0.4 mm" in said


def test_json_tells_all_of_it_and_a_finer_nozzle_is_judged_by(tmp_path: Path) -> None:
    path = tmp_path / "shelf.stl"
    path.write_bytes(binary_stl(box(60, 40, 0.3)))

    code, said = inspected(str(path), "--json", "--nozzle", "0.15")

    told = json.loads(said)
    assert code == 0
    assert told["facts"]["bbox_um"] == [60_000, 40_000, 300]
    assert told["form"]["wall"]["um"] == 300
    assert told["best"]["height"]["down"] == [0, 0, -1000]
    assert told["findings"] == []


def test_a_drawing_is_told_as_what_a_laser_does(tmp_path: Path) -> None:
    path = tmp_path / "plate.svg"
    path.write_text(PLATE)

    code, said = inspected(str(path))

    assert code == 0
    assert "sheet       100 x 60 mm" in said
    assert "383 mm in 2 cuts" in said
    assert json.loads(inspected(str(path), "--json")[1])["drawing"]["engraved_mm2"] == 50


def test_a_file_that_is_refused_says_why(tmp_path: Path) -> None:
    (tmp_path / "bad.stl").write_text("hello")

    code, said = inspected(str(tmp_path / "bad.stl"))

    assert code == 1
    assert "it is cut short or no STL: export the mesh again" in said
