"""What meshes cost: size and facts beside plain trimesh, and finding a part by its form.

    python -m tests.benchmarks.bench_geometry

Processor time of one thread, the best of three, all in one run: others on the machine make
ratios noisy too, but less. Peak memory is that of a process that measured nothing else.
Forms: the models of installed packages, and made ones, 1,000 in all; a hundred of them are
turned, moved, scaled and meshed anew, finer or coarser, and looked for.
"""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import trimesh

from commonfab.node.meshes.load import load, scan
from commonfab.scheduler.form.form import study
from commonfab.scheduler.form.likeness import FINGERPRINT_BYTES, fingerprint, rank
from commonfab.scheduler.form.surface import Surface
from commonfab.scheduler.geometry import Floats, Integers, measure, weld
from tests.node.meshes.mesh_files import binary_stl
from tests.scheduler.solids import Solid, box, moved, revolved, together

_untyped: Any = trimesh  # Its annotations are partial.
ROUNDS = 3
FORMS, COPIES = 1000, 100
MODELS = (Path("/usr/share/PrusaSlicer/shapes"), Path("/usr/share/openscad/examples"))


def wavy_ring(triangles: int) -> Solid:
    """Return a closed ring with waves of about so many triangles."""
    across = round((triangles / 6) ** 0.5)
    around = 3 * across
    grid: Any = np.indices((around, across))
    i: Integers = grid[0].ravel()
    j: Integers = grid[1].ravel()
    turn, tilt = i / around * 2 * np.pi, j / across * 2 * np.pi
    radius = 8 + 1.5 * np.sin(9 * turn) * np.cos(5 * tilt)
    out = 30 + radius * np.cos(tilt)
    points = [out * np.cos(turn), out * np.sin(turn), radius * np.sin(tilt)]

    def corner(i: Integers, j: Integers) -> Integers:
        return np.asarray(i % around * across + j % across)

    a, b = corner(i, j), corner(i + 1, j)
    c, d = corner(i + 1, j + 1), corner(i, j + 1)
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return Solid(np.stack(points, axis=1), faces)


def ours(path: Path) -> None:
    mesh = load(path, "stl")
    study(mesh.vertices, mesh.faces, measure(mesh.vertices, mesh.faces))


def plain(path: Path) -> None:
    """What trimesh has of it: no walls, overhangs, columns, sections or fingerprint."""
    mesh = _untyped.load_mesh(path)
    for fact in ("is_watertight", "is_winding_consistent", "volume", "area", "bounds"):
        getattr(mesh, fact)
    for fact in ("body_count", "center_mass", "convex_hull"):
        getattr(mesh, fact)


def plain_size(path: Path) -> None:
    mesh = _untyped.load_mesh(path)
    for fact in ("bounds", "volume"):
        getattr(mesh, fact)


def milliseconds(what: Callable[[Path], object], path: Path) -> float:
    def once() -> float:
        start = process_time()
        what(path)
        return process_time() - start

    return min(once() for _ in range(ROUNDS)) * 1000


def _peak(path: Path, answer: Any) -> None:
    ours(path)
    answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def peak_mib(path: Path) -> int:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_peak, args=(path, answer))
    process.start()
    found: int = answer.get()
    process.join()
    return found


def meshes(folder: Path) -> None:
    ours(_write(folder, 1000))
    for count in (10_000, 100_000, 1_000_000):
        path = _write(folder, count)
        rows = [("size", scan, plain_size), ("facts", ours, plain)]
        for name, own, other in rows:
            mine, theirs = milliseconds(own, path), milliseconds(other, path)
            print(
                f"{count:9,} triangles  {name:5}  {mine:7.0f} ms"
                f"   trimesh {theirs:7.0f} ms   {mine / theirs:.2f}"
            )
    print(f"1,000,000 triangles  peak   {peak_mib(path):7} MiB")


def _write(folder: Path, count: int) -> Path:
    path = folder / f"{count}.stl"
    path.write_bytes(binary_stl(wavy_ring(count)))
    return path


def made(random: np.random.Generator) -> Solid:
    """Return up to five boxes, prisms and turned parts that may run into each other."""

    def one() -> Solid:
        sides = random.uniform(4, 40, 3)
        if random.random() < 0.4:
            return box(*sides)
        profile = np.sort(random.uniform(0, sides[2], random.integers(2, 6)))
        radii = random.uniform(0.2, 1.0, len(profile)) * sides[0] / 2
        rings = list(zip(radii.tolist(), profile.tolist(), strict=True))
        return revolved(rings, int(random.integers(3, 60)))

    parts = [one() for _ in range(random.integers(1, 6))]
    places = random.uniform(-20, 20, (len(parts), 3)).tolist()
    return together(*(moved(p, (x, y, z)) for p, (x, y, z) in zip(parts, places, strict=True)))


def installed() -> list[Solid]:
    found_at = find_spec("devjoni.stllib")
    assert found_at is not None
    folders = [*map(Path, found_at.submodule_search_locations or ()), *MODELS]
    found: list[Solid] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.stl")):
        mesh = load(path, "stl")
        found.append(Solid(mesh.vertices, mesh.faces))
    return found


def meshed_anew(solid: Solid, random: np.random.Generator) -> Solid:
    """Return a copy, finer or coarser, turned, moved and scaled."""
    size = float(np.ptp(solid.vertices, axis=0).max())
    finer: Any = _untyped.remesh.subdivide_to_size(
        solid.vertices, solid.faces, size / random.uniform(15, 40), max_iter=20
    )
    vertices = np.asarray(finer[0], dtype=np.float64)
    faces = np.asarray(finer[1], dtype=np.int64)
    if random.random() < 0.5:  # Corners go to a grid; faces that vanish are left out.
        step = size / random.uniform(60, 120)
        vertices, faces = weld(np.round(vertices / step) * step, faces)
        a, b, c = faces.T
        faces = faces[(a != b) & (b != c) & (c != a)]
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    there: Floats = vertices @ turn.T * random.uniform(0.2, 5) + random.uniform(-99, 99, 3)
    return Solid(there, faces)


def forms() -> None:
    random = np.random.default_rng(6)
    models = installed()
    solids = models + [made(random) for _ in range(FORMS - len(models))]
    data = b"".join(fingerprint(Surface.of(*solid)) for solid in solids)
    known = np.frombuffer(data, dtype=np.int8).reshape(-1, FINGERPRINT_BYTES)
    chosen = [*range(len(models)), *range(len(models), FORMS, FORMS // (COPIES - len(models)))]
    chosen = chosen[:COPIES]
    first, longest = 0, 0.0
    for which in chosen:
        wanted = fingerprint(Surface.of(*meshed_anew(solids[which], random)))
        start = process_time()
        order = np.argsort(rank(wanted, known), kind="stable")
        longest = max(longest, process_time() - start)
        first += int(order[0]) == which
    print(
        f"{len(chosen)} copies among {len(solids)} forms, {len(models)} of them installed models:"
        f" {first} found first, {longest * 1000:.1f} ms a query at most"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="commonfab-bench-") as name:
        meshes(Path(name))
    forms()
    sys.exit(0)
