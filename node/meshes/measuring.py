"""Facts and pictures of a mesh file or a drawing, by a child process that can do no harm."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commonfab.scheduler.form.form import Form
from commonfab.scheduler.geometry import MeshFacts

from . import workers
from .drawings.facts import DrawingFacts
from .formats import DRAWINGS, FORMATS, check_outside
from .load import Mesh, Size


class _Facts(workers.Head):
    facts: MeshFacts | None = None
    fingerprint: bytes = b""
    form: Form | None = None


class _Size(workers.Head):
    size: Size | None = None


class _Drawing(workers.Head):
    drawing: DrawingFacts | None = None


class _Text(workers.Head):
    text: str = ""


class _Mesh(workers.Head):
    mesh: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Measured:
    facts: MeshFacts
    fingerprint: bytes
    """Of its form (`scheduler/form/likeness.py`)."""


async def measure_mesh(path: Path) -> MeshFacts:
    """Return the facts of a mesh file, in milliseconds from a warm child, else in a second.

    Raises `MeshRefused` for whatever cannot be read, is not what its name says, or takes
    too much. A mesh that is not watertight is measured; its facts say so.
    One child may take `worker.MEMORY_BYTES_MAX`, so further calls wait their turn.
    """
    return (await measure_part(path)).facts


async def measure_part(path: Path) -> Measured:
    """Return the facts and the fingerprint. Raises as `measure_mesh` does."""
    said, _ = await workers.ask(path, check_outside(path), "facts", [], _Facts)
    assert said.facts is not None
    return Measured(said.facts, said.fingerprint)


async def study_mesh(path: Path) -> tuple[MeshFacts, Form]:
    """Return all that is found out about a mesh. Raises as `measure_mesh` does."""
    said, _ = await workers.ask(path, check_outside(path), "form", [], _Facts)
    assert said.facts is not None
    assert said.form is not None
    return said.facts, said.form


async def scan_stl(path: Path) -> Size | None:
    """Return the size of a binary STL without holding it in memory; None: it is none."""
    ending = check_outside(path)
    if ending != "stl":
        return None
    return (await workers.ask(path, ending, "size", [], _Size))[0].size


async def measure_drawing(path: Path) -> DrawingFacts:
    """Return the facts of a DXF or SVG for a laser. Raises `MeshRefused`."""
    said, _ = await workers.ask(path, check_outside(path, DRAWINGS), "drawing", [], _Drawing)
    assert said.drawing is not None
    return said.drawing


async def draw_mesh(path: Path, size: tuple[int, int]) -> bytes:
    """Return a PNG of `size` (width, height) pixels. Raises as `measure_mesh` does."""
    return (await workers.ask(path, check_outside(path), "png", list(size), workers.Head))[1]


async def write_mesh(path: Path, columns: int, *, colour: bool) -> str:
    """Return a picture made of characters, for a terminal. Raises as `measure_mesh` does."""
    task = "colours" if colour else "text"
    return (await workers.ask(path, check_outside(path), task, [columns], _Text))[0].text


async def read_mesh(path: Path) -> Mesh:
    """Return the triangles of a mesh file, welded. Raises as `measure_mesh` does."""
    said, data = await workers.ask(path, check_outside(path, FORMATS), "mesh", [], _Mesh)
    vertices, faces = said.mesh
    middle = vertices * 3 * 8
    return Mesh(
        np.frombuffer(data[:middle], dtype=np.float64).reshape(vertices, 3),
        np.frombuffer(data[middle:], dtype=np.int64).reshape(faces, 3),
    )
