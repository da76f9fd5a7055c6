"""Measures and draws mesh files in a process of its own, which may be killed at any time.

    python -m commonfab.node.meshes.worker

Reads questions, one line of JSON each: {"path", "ending", "task", "sizes"}. Answers each with
one line of JSON, {"facts": {…}, …}, {"text": …} or {"refused": [what, way out]}, and where
this says so in "bytes", with so many bytes after it. Parsers of foreign files can be made to
run for minutes or to fill the memory, so this process gives up its own rights first: memory,
processor time for each file, files to write, core dumps. The caller (`workers.py`) watches
the clock. It ends when its input does, or when nobody asked for a while.
"""

import os
import resource
import select
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from . import three_mf
from .formats import (
    DRAWINGS,
    EXPORT_AGAIN,
    FORMATS,
    REDUCE,
    Bounds,
    MeshRefused,
    check_outside,
    count_triangles,
)

if TYPE_CHECKING:
    from commonfab.scheduler.geometry import MeshFacts

    from .load import Mesh

MEMORY_BYTES_MAX = 3 * 1024 * 1024 * 1024
"""Address space. A million triangles peak at 1.6 GB, and the libraries map 0.5 GB."""
PROCESSOR_SECONDS_MAX = 60
"""For one file: two to three times what a 3MF of a million triangles takes."""
IDLE_SECONDS_MAX = 60.0
EXTENT_MM_MIN = 0.5
EXTENT_MM_MAX = 2000.0
BODIES_MAX = 1000


class Question(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    ending: str
    task: str
    """"facts", "form", "size", "drawing", "mesh", "png", "text" or "colours"."""
    sizes: list[int] = []
    """Width and height of a picture, or columns of text."""


Answer = dict[str, object]


def main() -> None:
    """Limit this process, and answer questions until there are no more."""
    limit_this_process()
    # Libraries print; what they print must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    questions = os.fdopen(0, "rb", buffering=0)
    while select.select([questions], [], [], IDLE_SECONDS_MAX)[0]:
        line = _read_line(questions)
        if not line:
            break
        allow_more_time()
        said, data = _answer_safely(msgspec.json.decode(line, type=Question))
        answers.write(msgspec.json.encode({**said, "bytes": len(data)}) + b"\n" + data)
        answers.flush()


def _read_line(questions: BinaryIO) -> bytes:
    """Return a line, of which nothing stays in a buffer that `select` does not know of."""
    line = b""
    while not line.endswith(b"\n"):
        part = questions.read(1 << 16)
        if not part:
            return b""
        line += part
    return line


def limit_this_process() -> None:
    """Give up the rights to more memory and files than a mesh is worth. For good."""
    for which, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))
    allow_more_time()


def allow_more_time() -> None:
    """Allow so much processor time from now on, and then an end without a word."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + PROCESSOR_SECONDS_MAX
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def _answer_safely(asked: Question) -> tuple[Answer, bytes]:
    try:
        return answer(Path(asked.path), asked.ending, asked.task, asked.sizes)
    except MeshRefused as refusal:
        return {"refused": [refusal.what, refusal.way_out]}, b""
    except MemoryError:
        what = f"needs more than {MEMORY_BYTES_MAX >> 30} GiB of memory to read"
        return {"refused": [what, REDUCE]}, b""


def answer(path: Path, ending: str, task: str, sizes: list[int]) -> tuple[Answer, bytes]:
    """Return what to say, and bytes to go with it.

    Raises `MeshRefused`; and only the limits stop the rest.
    """
    if check_outside(path, DRAWINGS if ending in DRAWINGS else FORMATS) != ending:
        raise MeshRefused(str(path), f"does not end in .{ending}", "name it as what it is")
    if ending in DRAWINGS:
        assert task == "drawing"
        from .drawings.drawing import measure_drawing

        return {"drawing": measure_drawing(path, ending)}, b""
    if task == "size":
        from .load import scan

        return {"size": scan(path)}, b""
    mesh = _load(path, ending)
    if task == "mesh":
        data = mesh.vertices.tobytes() + mesh.faces.tobytes()
        return {"mesh": (len(mesh.vertices), len(mesh.faces))}, data
    if task in ("facts", "form"):
        return _study(path, mesh, is_deep=task == "form"), b""
    return _draw(mesh, task, sizes)


def _load(path: Path, ending: str) -> "Mesh":
    is_3mf = ending == "3mf"
    bounds = three_mf.count_triangles(path) if is_3mf else count_triangles(path, ending)
    # Imported only now: it takes a second, and most bad files are refused above.
    from .load import load, scan

    size = scan(path) if ending == "stl" else None
    if size is not None:
        _check_size(str(path), size.bbox_um)
    mesh = load(path, ending)
    _check_triangles(str(path), len(mesh.faces), bounds)
    return mesh


def _study(path: Path, mesh: "Mesh", *, is_deep: bool) -> Answer:
    from commonfab.scheduler.form.form import study
    from commonfab.scheduler.form.likeness import fingerprint
    from commonfab.scheduler.form.surface import Surface
    from commonfab.scheduler.geometry import measure

    facts = measure(mesh.vertices, mesh.faces)
    _check_facts(str(path), facts)
    if is_deep:
        return {"facts": facts, "form": study(mesh.vertices, mesh.faces, facts)}
    return {
        "facts": facts,
        "fingerprint": fingerprint(Surface.of(mesh.vertices, mesh.faces)),
    }


def _draw(mesh: "Mesh", task: str, sizes: list[int]) -> tuple[Answer, bytes]:
    from . import picture

    if task == "png":
        width, height = sizes
        return {}, picture.render(mesh.vertices, mesh.faces, (width, height))
    assert task in ("text", "colours")
    colour = task == "colours"
    return {"text": picture.to_text(mesh.vertices, mesh.faces, sizes[0], colour=colour)}, b""


def _check_triangles(name: str, triangles: int, bounds: Bounds) -> None:
    least, most = bounds
    if triangles == 0:
        raise MeshRefused(name, "holds no triangles", EXPORT_AGAIN)
    if triangles < least:
        what = f"says that it holds {least} faces, but {triangles} could be read"
        raise MeshRefused(name, what, f"it is cut short: {EXPORT_AGAIN}")
    if triangles > most:
        raise MeshRefused(name, f"holds {triangles} triangles; at most {most} are taken", REDUCE)


def _check_size(name: str, bbox_um: tuple[int, int, int]) -> None:
    size = " x ".join(f"{extent / 1000:g}" for extent in bbox_um) + " mm"
    if not EXTENT_MM_MIN * 1000 <= max(bbox_um) <= EXTENT_MM_MAX * 1000:
        taken = f"{EXTENT_MM_MIN} to {EXTENT_MM_MAX:.0f} mm"
        raise MeshRefused(name, f"measures {size}; {taken} are taken", "export in millimetres")
    if min(bbox_um) == 0:
        raise MeshRefused(name, f"is flat: {size}", "export a solid")


def _check_facts(name: str, facts: "MeshFacts") -> None:
    _check_size(name, facts.bbox_um)
    if facts.bodies > BODIES_MAX:
        what = f"falls into {facts.bodies} pieces; at most {BODIES_MAX} are taken"
        raise MeshRefused(name, what, "join its surfaces, or export the parts one by one")


if __name__ == "__main__":
    main()
