"""3MF files that we write: what our own reader, and trimesh, find in them."""

from pathlib import Path

import numpy as np
import pytest

from commonfab.node.exporting.three_mf import CID_KEY, Piece, write
from commonfab.node.importing.three_mf import read_metadata
from commonfab.node.meshes import load, three_mf
from commonfab.scheduler.geometry import measure
from tests.node.meshes.mesh_files import CUBE

CUBES = [Piece("a <b> & \x07", CUBE.vertices, CUBE.faces), Piece("c", CUBE.vertices, CUBE.faces)]
METADATA = {
    "Title": 'Clip & "ring" <1>',
    "Designer": "",
    "LicenseTerms": "CERN-OHL-S-2.0",
    CID_KEY: "bafy",
}


def test_the_meshes_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.3mf"
    write(path, METADATA, CUBES[:1])

    mesh = load.load(path, "3mf")

    assert np.array_equal(np.sort(mesh.vertices, axis=0), np.sort(CUBE.vertices, axis=0))
    assert measure(mesh.vertices, mesh.faces) == measure(CUBE.vertices, CUBE.faces)


def test_all_pieces_are_built(tmp_path: Path) -> None:
    write(tmp_path / "a.3mf", METADATA, CUBES)

    assert three_mf.count_triangles(tmp_path / "a.3mf") == (24, 24)


def test_who_made_it_under_which_licence_and_where_it_is_can_be_read(tmp_path: Path) -> None:
    write(tmp_path / "a.3mf", METADATA, CUBES)

    read = read_metadata(tmp_path / "a.3mf")

    assert read == {key: text for key, text in METADATA.items() if text}


def test_the_same_design_makes_the_same_file(tmp_path: Path) -> None:
    write(tmp_path / "a.3mf", METADATA, CUBES)
    write(tmp_path / "b.3mf", METADATA, CUBES)

    assert (tmp_path / "a.3mf").read_bytes() == (tmp_path / "b.3mf").read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.3mf").write_text("mine")

    with pytest.raises(FileExistsError):
        write(tmp_path / "a.3mf", METADATA, CUBES)
