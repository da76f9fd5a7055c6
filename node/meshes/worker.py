"""Measures or draws one mesh file in a process of its own, which may be killed at any time.

    python -m commonfab.node.meshes.worker FILE EXT facts
    python -m commonfab.node.meshes.worker FILE EXT png WIDTH HEIGHT
    python -m commonfab.node.meshes.worker FILE EXT text|colours COLUMNS

Prints one line of JSON, {"facts": {…}}, {"png": base64}, {"text": …} or {"refused":
[what, way out]}. Parsers of foreign files can be made to run for minutes or to fill the
memory, so this process gives up its own rights first: memory, processor time, files to
write, core dumps. The caller (`meshes.py`) watches the clock.
"""

import base64
import dataclasses
import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import three_mf
from .formats import EXPORT_AGAIN, REDUCE, Bounds, MeshRefused, check_outside, count_triangles

if TYPE_CHECKING:
    from commonfab.scheduler.geometry import MeshFacts

MEMORY_BYTES_MAX = 3 * 1024 * 1024 * 1024
"""Address space. A million triangles peak at 1.6 GB, and the libraries map 0.5 GB."""
PROCESSOR_SECONDS_MAX = 60
"""Two to three times what a 3MF of a million triangles takes."""
EXTENT_MM_MIN = 0.5
EXTENT_MM_MAX = 2000.0
BODIES_MAX = 1000


def main(arguments: list[str]) -> None:
    """Limit this process, do what is asked with the file, print what came of it."""
    limit_this_process()
    file, ending, task, *sizes = arguments
    try:
        said = answer(Path(file), ending, task, [int(size) for size in sizes])
    except MeshRefused as refusal:
        said = {"refused": [refusal.what, refusal.way_out]}
    except MemoryError:
        what = f"needs more than {MEMORY_BYTES_MAX >> 30} GiB of memory to read"
        said = {"refused": [what, REDUCE]}
    print(json.dumps(said))


def limit_this_process() -> None:
    """Give up the rights to more memory, time and files than a mesh is worth. For good."""
    for which, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_CPU, PROCESSOR_SECONDS_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


def answer(path: Path, ending: str, task: str, sizes: list[int]) -> dict[str, object]:
    """Return what to print. Raises `MeshRefused`; and only the limits stop the rest."""
    name = str(path)
    if check_outside(path) != ending:
        raise MeshRefused(name, f"does not end in .{ending}", "name it as what it is")
    is_3mf = ending == "3mf"
    bounds = three_mf.count_triangles(path) if is_3mf else count_triangles(path, ending)
    # Imported only now: it takes a second, and most bad files are refused above.
    from commonfab.scheduler.geometry import measure

    from . import picture
    from .load import load

    mesh = load(path, ending)
    _check_triangles(name, len(mesh.faces), bounds)
    if task == "png":
        width, height = sizes
        image = picture.render(mesh.vertices, mesh.faces, (width, height))
        return {"png": base64.b64encode(image).decode()}
    if task in ("text", "colours"):
        colour = task == "colours"
        return {"text": picture.to_text(mesh.vertices, mesh.faces, sizes[0], colour=colour)}
    assert task == "facts"
    facts = measure(mesh.vertices, mesh.faces)
    _check_facts(name, facts)
    return {"facts": dataclasses.asdict(facts)}


def _check_triangles(name: str, triangles: int, bounds: Bounds) -> None:
    least, most = bounds
    if triangles == 0:
        raise MeshRefused(name, "holds no triangles", EXPORT_AGAIN)
    if triangles < least:
        what = f"says that it holds {least} faces, but {triangles} could be read"
        raise MeshRefused(name, what, f"it is cut short: {EXPORT_AGAIN}")
    if triangles > most:
        raise MeshRefused(name, f"holds {triangles} triangles; at most {most} are taken", REDUCE)


def _check_facts(name: str, facts: "MeshFacts") -> None:
    size = " x ".join(f"{extent / 1000:g}" for extent in facts.bbox_um) + " mm"
    if not EXTENT_MM_MIN * 1000 <= max(facts.bbox_um) <= EXTENT_MM_MAX * 1000:
        taken = f"{EXTENT_MM_MIN} to {EXTENT_MM_MAX:.0f} mm"
        raise MeshRefused(name, f"measures {size}; {taken} are taken", "export in millimetres")
    if min(facts.bbox_um) == 0:
        raise MeshRefused(name, f"is flat: {size}", "export a solid")
    if facts.bodies > BODIES_MAX:
        what = f"falls into {facts.bodies} pieces; at most {BODIES_MAX} are taken"
        raise MeshRefused(name, what, "join its surfaces, or export the parts one by one")


if __name__ == "__main__":
    main(sys.argv[1:])
