"""Reads a mesh file into arrays: the one file that imports trimesh.

It trusts its caller to have refused hostile files (`formats.py`, `three_mf.py`) and
to run it where a runaway parser does no harm (`worker.py`).
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from commonfab.scheduler.geometry import Faces, Floats, Vertices, weld

from .formats import EXPORT_AGAIN, MeshRefused, is_binary_stl

_UNIT_MM = {
    "micron": 0.001,
    "millimeter": 1.0,
    "centimeter": 10.0,
    "inch": 25.4,
    "foot": 304.8,
    "meter": 1000.0,
}
"""The units of 3MF's core specification. GLB has metres; the other formats have none."""
_GLB_MM = 1000.0
_COORDINATE_MM_MAX = 1e5
"""Beyond it, the welding of corners and the sums would lose digits."""
_STL_HEAD_BYTES = 84
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])
_LOT = 1 << 13
"""Triangles of an STL that are looked at together."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles in millimetres; corners that coincide are one vertex."""

    vertices: Vertices
    faces: Faces


@dataclass(frozen=True, slots=True)
class Size:
    """What can be told of a binary STL in one reading, lot by lot, and without its topology."""

    bbox_um: tuple[int, int, int]
    volume_mm3: int
    """True only of a mesh that is watertight, which is not known here."""
    triangles: int


def load(path: Path, ending: str) -> Mesh:
    """Return the mesh in a file of one of `formats.FORMATS`, or raise `MeshRefused`."""
    name = str(path)
    data = path.read_bytes()
    if ending == "stl" and is_binary_stl(data, len(data)):
        mesh = _read_binary_stl(data)
    elif ending in ("step", "stp"):
        mesh = _read_other(name, _tessellate(name, data), "glb")
    else:
        mesh = _read_other(name, data, ending)
    vertices, faces = mesh.vertices, mesh.faces
    _check_corners(name, vertices)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise MeshRefused(name, "has faces with missing corners", EXPORT_AGAIN)
    if ending == "glb":  # Its y points up, and its z to the viewer.
        vertices = vertices[:, [0, 2, 1]] * np.array([1.0, -1.0, 1.0])
    return Mesh(*weld(vertices, faces))


def scan(path: Path) -> Size | None:
    """Return the size of a binary STL, holding only a lot of it at a time; None: it is none.

    Raises `MeshRefused` for corners that are no numbers or too far off.
    """
    size = path.stat().st_size
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    volume, count = 0.0, 0
    origin: Floats | None = None
    with path.open("rb") as file:
        if not is_binary_stl(file.read(_STL_HEAD_BYTES), size):
            return None
        while data := file.read(_LOT * _STL_TRIANGLE.itemsize):
            corners = _columns(data)
            low = np.minimum(low, corners.min(axis=(0, 2)))
            high = np.maximum(high, corners.max(axis=(0, 2)))
            origin = corners[0, :, :1].copy() if origin is None else origin
            with np.errstate(all="ignore"):  # What is no number is told by `low` and `high`.
                volume += _volume(corners - origin)
            count += corners.shape[2]
    if count:
        _check_corners(str(path), np.stack([low, high]))
    x, y, z = (round(float(extent) * 1000.0) for extent in high - low) if count else (0, 0, 0)
    return Size((x, y, z), round(abs(volume)), count)


def _columns(data: bytes) -> Floats:
    """Return (corner, axis, triangle) of a part of a binary STL."""
    triangles = np.frombuffer(data, dtype=_STL_TRIANGLE)
    corners = np.ascontiguousarray(triangles["corners"].reshape(-1, 9).T)
    return corners.astype(np.float64).reshape(3, 3, -1)


def _volume(corners: Floats) -> float:
    """Return the signed volume below triangles (corner, axis, triangle): sum a . (b x c) / 6."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners
    doubled = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    return float(doubled.sum()) / 6.0


def _check_corners(name: str, vertices: Vertices) -> None:
    if not np.isfinite(vertices).all() or np.abs(vertices).max(initial=0.0) > _COORDINATE_MM_MAX:
        what = f"has corners that are no numbers, or beyond {_COORDINATE_MM_MAX / 1000:.0f} m"
        raise MeshRefused(name, what, "repair the mesh and export it in millimetres")


def _read_binary_stl(data: bytes) -> Mesh:
    triangles = np.frombuffer(data, dtype=_STL_TRIANGLE, offset=_STL_HEAD_BYTES)
    vertices = triangles["corners"].reshape(-1, 3).astype(np.float64)
    return Mesh(vertices, np.arange(len(vertices), dtype=np.int64).reshape(-1, 3))


def _tessellate(name: str, data: bytes) -> bytes:
    """Return the solids of a STEP file as a GLB."""
    import cascadio

    untyped: Any = cascadio  # It ships no types.
    found = untyped.load(data, file_type="step", use_parallel=False)
    if not found:
        raise MeshRefused(name, "cannot be read as STEP, or holds no solids", EXPORT_AGAIN)
    return bytes(found)


def _read_other(name: str, data: bytes, ending: str) -> Mesh:
    # Imported only here: it takes a second or two, and the commonest format needs none of it.
    import trimesh

    untyped: Any = trimesh  # Its annotations are partial.
    # Pictures on a surface are nothing to make, and have bombs of their own.
    plain = {"skip_materials": True} if ending in ("glb", "obj") else {}
    try:
        # Bytes, not the file: given a file's name, trimesh would look for others beside it.
        scene = untyped.load_scene(BytesIO(data), file_type=ending, process=False, **plain)
        mesh = scene.to_mesh()
        unit_mm = _GLB_MM if ending == "glb" else 1.0
        if ending == "3mf" and len(mesh.faces):
            unit_mm = _UNIT_MM[str(scene.units)]
        return Mesh(
            np.asarray(mesh.vertices, dtype=np.float64).reshape(-1, 3) * unit_mm,
            np.asarray(mesh.faces, dtype=np.int64).reshape(-1, 3),
        )
    except MemoryError:
        raise
    except Exception as error:
        what = f"cannot be read as {ending.upper()}: {type(error).__name__}: {error}"
        raise MeshRefused(name, what[:300], EXPORT_AGAIN) from error
