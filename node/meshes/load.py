"""Reads a mesh file into arrays: the one file that imports trimesh.

It trusts its caller to have refused hostile files (`formats.py`, `three_mf.py`) and
to run it where a runaway parser does no harm (`worker.py`).
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from commonfab.scheduler.geometry import Faces, Vertices, weld

from .formats import EXPORT_AGAIN, MeshRefused, is_binary_stl

_UNIT_MM = {
    "micron": 0.001,
    "millimeter": 1.0,
    "centimeter": 10.0,
    "inch": 25.4,
    "foot": 304.8,
    "meter": 1000.0,
}
"""The units of 3MF's core specification. The other formats have none: millimetres."""
_COORDINATE_MM_MAX = 1e5
"""Beyond it, the welding of corners and the sums would lose digits."""
_STL_HEAD_BYTES = 84
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles in millimetres; corners that coincide are one vertex."""

    vertices: Vertices
    faces: Faces


def load(path: Path, ending: str) -> Mesh:
    """Return the mesh in a file of one of `mesh_formats.FORMATS`, or raise `MeshRefused`."""
    name = str(path)
    data = path.read_bytes()
    if ending == "stl" and is_binary_stl(data, len(data)):
        mesh = _read_binary_stl(data)
    else:
        mesh = _read_other(name, data, ending)
    vertices, faces = mesh.vertices, mesh.faces
    if not np.isfinite(vertices).all() or np.abs(vertices).max(initial=0.0) > _COORDINATE_MM_MAX:
        what = f"has corners that are no numbers, or beyond {_COORDINATE_MM_MAX / 1000:.0f} m"
        raise MeshRefused(name, what, "repair the mesh and export it in millimetres")
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise MeshRefused(name, "has faces with missing corners", EXPORT_AGAIN)
    return Mesh(*weld(vertices, faces))


def _read_binary_stl(data: bytes) -> Mesh:
    triangles = np.frombuffer(data, dtype=_STL_TRIANGLE, offset=_STL_HEAD_BYTES)
    vertices = triangles["corners"].reshape(-1, 3).astype(np.float64)
    return Mesh(vertices, np.arange(len(vertices), dtype=np.int64).reshape(-1, 3))


def _read_other(name: str, data: bytes, ending: str) -> Mesh:
    # Imported only here: it takes a second or two, and the commonest format needs none of it.
    import trimesh

    untyped: Any = trimesh  # Its annotations are partial.
    try:
        # Bytes, not the file: given a file's name, trimesh would look for others beside it.
        scene = untyped.load_scene(BytesIO(data), file_type=ending, process=False)
        mesh = scene.to_mesh()
        unit_mm = _UNIT_MM[str(scene.units)] if ending == "3mf" and len(mesh.faces) else 1.0
        return Mesh(
            np.asarray(mesh.vertices, dtype=np.float64).reshape(-1, 3) * unit_mm,
            np.asarray(mesh.faces, dtype=np.int64).reshape(-1, 3),
        )
    except MemoryError:
        raise
    except Exception as error:
        what = f"cannot be read as {ending.upper()}: {type(error).__name__}: {error}"
        raise MeshRefused(name, what[:300], EXPORT_AGAIN) from error
