"""Mesh files from strangers: measured when honest, refused in words when not."""

import contextlib
import os
import random
import re
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trio

from commonfab.node.meshes import measuring, worker, workers
from commonfab.node.meshes.formats import (
    FILE_BYTES_MAX,
    Bounds,
    MeshRefused,
    check_outside,
    count_triangles,
)
from commonfab.node.meshes.load import scan
from commonfab.node.meshes.three_mf import count_triangles as count_3mf
from commonfab.protocol.errors import UsageError
from commonfab.scheduler.geometry import MeshFacts, measure
from tests.node.meshes.mesh_files import (
    CUBE,
    ascii_stl,
    binary_stl,
    glb,
    model,
    obj,
    off,
    ply,
    self_multiplying,
    three_mf,
    zipped,
)
from tests.node.meshes.step_files import step_box
from tests.scheduler.solids import Solid, box, moved, together

NOISE = random.Random(7).randbytes(5000)
MANY = [{"mesh": 0}] * 9999
MULTIPLYING: list[dict[str, object]] = [{"children": [1, 1]}, {"children": [2, 2]}, {"mesh": 0}]
DOCTYPE = '<?xml version="1.0"?><!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
EXPLODING = DOCTYPE.replace('SYSTEM "file:///etc/passwd"', '"&x;&x;&x;"')
BODY = model(CUBE).partition("?>")[2]
PADDING = "<!-- " + "x" * 5000 + " -->"

OUTSIDE = {
    "no file at all": ("part.stl", None, "No such file"),
    "an empty file": ("part.stl", b"", "is empty"),
    "another format": ("part.dae", b"<COLLADA/>", "not taken as .dae"),
    "no ending": ("part", b"solid", "export one of: stl, 3mf, obj, ply, off, glb, step, stp"),
    "an archive": ("part.zip", zipped({"a.stl": binary_stl(CUBE)}), "not taken as .zip"),
    "a picture called STL": ("part.stl", b"\x89PNG\r\n\x1a\n" + NOISE, "cut short or no STL"),
    "a head of four billion": ("part.stl", binary_stl(CUBE, declared=2**32 - 1), "4294967295"),
    "a head of none": ("part.stl", binary_stl(CUBE, declared=0), "its head says 0 triangles"),
    "a cut binary STL": ("part.stl", binary_stl(CUBE)[:-7], "room for 11"),
    "a head alone": ("part.stl", binary_stl(CUBE)[:84], "room for 0"),
    "nothing but a head": ("part.stl", binary_stl(Solid(CUBE.vertices, CUBE.faces[:0])), "no tri"),
    "noise": ("part.stl", NOISE, "cut short or no STL"),
    "a cut ASCII STL": ("part.stl", ascii_stl(CUBE)[:-60], "ends before endsolid"),
    "solid and no facets": ("part.stl", b"solid as a rock\nendsolid\n", "holds no facets"),
}

INSIDE = {
    "noise as 3MF": ("part.3mf", NOISE, "no readable 3MF: File is not a zip"),
    "a zip of something": ("part.3mf", zipped({"readme": "hello"}), "no 3D/3dmodel.model"),
    "a cut 3MF": ("part.3mf", three_mf(model(CUBE))[:-40], "no readable 3MF"),
    "a bomb": ("part.3mf", three_mf("<x/>", filler=bytes(40_000_000)), "unpacks from"),
    "many files": ("part.3mf", zipped({f"{i}": "" for i in range(600)}), "holds 600 files"),
    "a path out": ("part.3mf", zipped({"../../x.model": "", "3D/3dmodel.model": ""}), "leads out"),
    "an entity": ("part.3mf", three_mf(DOCTYPE + BODY), "document type"),
    "late entities": ("part.3mf", three_mf(PADDING + EXPLODING[21:] + BODY), "document type"),
    "hidden entities": ("part.3mf", three_mf((DOCTYPE + BODY).encode("utf-16")), "document type"),
    "entities beside": ("part.3mf", three_mf(model(CUBE), **{"a.rels": DOCTYPE}), "'a.rels'"),
    "broken XML": ("part.3mf", three_mf(model(CUBE)[:-9]), "is not XML"),
    "an empty model": ("part.3mf", three_mf(model(CUBE, item="9")), "holds no triangles"),
    "an object in itself": ("part.3mf", three_mf(self_multiplying(40)), "nested more than 32"),
    "a billion triangles": ("part.3mf", three_mf(self_multiplying(27)), "at most 1000000"),
    "a PLY of another kind": ("part.ply", binary_stl(CUBE), "so it is no PLY"),
    "a PLY that boasts": ("part.ply", ply(CUBE, declared=10**15), "its head says 10000000000"),
    "an OFF that boasts": ("part.off", off(CUBE, declared=10**15), "its head says 1000000000"),
    "an OFF of another kind": ("part.off", NOISE, "so it is no OFF"),
    "a GLB of another kind": ("part.glb", NOISE, "does not begin as a GLB"),
    "an old GLB": ("part.glb", glb(CUBE, version=1), "is glTF 1"),
    "a cut GLB": ("part.glb", glb(CUBE)[:-4], "says that it has"),
    "a GLB of nothing": ("part.glb", glb(CUBE, nodes=[]), "holds no triangles"),
    "a GLB whose nodes multiply": ("part.glb", glb(CUBE, nodes=MULTIPLYING), "hold each other"),
    "a GLB that boasts": ("part.glb", glb(CUBE, nodes=[{"mesh": 0}] * 9999 * 9), "89991 nodes"),
    "a GLB of many": ("part.glb", glb(CUBE, nodes=MANY, declared=3000), "holds 9999000"),
    "a GLB elsewhere": ("part.glb", glb(CUBE, uri="http://x/"), "in another place"),
    "a packed GLB": ("part.glb", glb(CUBE, extensionsRequired=["x_draco"]), "x_draco"),
    "a GLB without sense": ("part.glb", glb(CUBE, nodes=[{"mesh": "a"}]), "are not glTF"),
    "no STEP": ("part.step", NOISE, "does not begin as STEP"),
    "a cut STEP": ("part.stp", step_box(1, 2, 3)[:-40], "ends before END-ISO"),
}  # fmt: skip

LOADED = {
    "corners that are no numbers": (
        "part.stl",
        binary_stl(Solid(np.where(CUBE.vertices == 0, np.nan, CUBE.vertices), CUBE.faces)),
        "no numbers",
    ),
    "corners a light year off": ("part.stl", binary_stl(moved(CUBE, (1e30, 0, 0))), "beyond 100 m"),
    "a mesh of another kind": ("part.obj", NOISE, "holds no triangles|cannot be read as OBJ"),
    "a STEP of nothing": (
        "part.step",
        step_box(1, 2, 3).replace(b"BREP(", b"NONE("),
        "holds no triangles",
    ),
    "a GLB whose accessor lies": ("part.glb", glb(CUBE, declared=600), "cannot be read as GLB"),
    "a cut OFF": ("part.off", off(CUBE)[:-12], "holds 12 faces, but 10 could be read"),
    "a face of missing corners": (
        "part.ply",
        ply(Solid(CUBE.vertices, CUBE.faces + 5)),
        "missing corners|cannot be read as PLY",
    ),
}


def write(folder: Path, case: tuple[str, bytes | None, str]) -> tuple[Path, str]:
    name, content, expected = case
    path = folder / name
    if content is not None:
        path.write_bytes(content)
    return path, expected


def refused(path: Path, act: Callable[[Path], object]) -> str:
    with pytest.raises(MeshRefused) as caught:
        act(path)
    assert isinstance(caught.value, UsageError)
    assert str(caught.value) == f"{path}: {caught.value.what}; {caught.value.way_out}"
    return str(caught.value)


def look_through(path: Path) -> Bounds:
    ending = check_outside(path)
    return count_3mf(path) if ending == "3mf" else count_triangles(path, ending)


def measure_here(path: Path) -> MeshFacts:
    """Do what the child does, in this process and without its limits."""
    facts = worker.answer(path, check_outside(path), "facts", [])[0]["facts"]
    assert isinstance(facts, MeshFacts)
    return facts


@pytest.mark.parametrize("case", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_bad_file_is_refused_in_the_daemon_by_its_name_size_and_head(
    tmp_path: Path, case: tuple[str, bytes | None, str]
) -> None:
    path, expected = write(tmp_path, case)

    assert expected in refused(path, check_outside)


@pytest.mark.parametrize("case", INSIDE.values(), ids=INSIDE.keys())
def test_a_bad_file_is_refused_by_its_contents_before_anything_parses_it(
    tmp_path: Path, case: tuple[str, bytes, str]
) -> None:
    path, expected = write(tmp_path, case)

    check_outside(path)
    assert expected in refused(path, look_through)


@pytest.mark.parametrize("case", LOADED.values(), ids=LOADED.keys())
def test_a_bad_mesh_is_refused_once_it_is_loaded(
    tmp_path: Path, case: tuple[str, bytes, str]
) -> None:
    path, expected = write(tmp_path, case)

    assert re.search(expected, refused(path, measure_here))


@pytest.mark.parametrize("ending", ["stl", "ply", "obj"])
def test_a_mesh_that_cannot_be_opened_is_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"block.{ending}"
    path.write_text("solid block")
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))  # Refused to whoever runs this, root too.
    try:
        reason = refused(path, check_outside)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))

    assert "cannot be read: Too many open files; check the path" in reason


def test_a_directory_a_link_and_a_pipe_are_no_meshes(tmp_path: Path) -> None:
    (tmp_path / "folder.stl").mkdir()
    (tmp_path / "real.stl").write_bytes(binary_stl(CUBE))
    (tmp_path / "link.stl").symlink_to("real.stl")
    os.mkfifo(tmp_path / "pipe.stl")

    assert "is not a file" in refused(tmp_path / "folder.stl", check_outside)
    assert "symbolic link" in refused(tmp_path / "link.stl", check_outside)
    assert "is not a file" in refused(tmp_path / "pipe.stl", check_outside)


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    huge = tmp_path / "huge.stl"
    with huge.open("wb") as file:
        file.write(ascii_stl(CUBE))
        file.truncate(FILE_BYTES_MAX + 1)

    assert "at most 64 are taken; reduce the mesh" in refused(huge, check_outside)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("binary.stl", binary_stl(CUBE)),
        ("ascii.STL", ascii_stl(CUBE)),
        ("zipped.3mf", three_mf(model(CUBE))),
        ("lines.obj", obj(CUBE)),
        ("polygons.ply", ply(CUBE)),
        ("counts.off", off(CUBE)),
        ("metres.glb", glb(CUBE)),
        ("surfaces.step", step_box(20, 20, 20)),
        ("metres.stp", step_box(0.02, 0.02, 0.02, prefix="$")),
    ],
)
def test_all_formats_give_the_same_facts(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    facts, expected = measure_here(tmp_path / name), measure(CUBE.vertices, CUBE.faces)

    # The outlines are in fractions of a millimetre, of which a format in metres has others.
    assert replace(facts, shape=None) == replace(expected, shape=None)


def test_a_3mf_in_inches_is_measured_in_millimetres(tmp_path: Path) -> None:
    path = tmp_path / "part.3mf"
    path.write_bytes(three_mf(model(box(1, 2, 3), unit="inch")))

    assert measure_here(path).bbox_um == (25_400, 50_800, 76_200)


def test_a_glb_stands_on_its_y_and_a_step_on_its_z(tmp_path: Path) -> None:
    (tmp_path / "part.glb").write_bytes(glb(box(10, 20, 30)))
    (tmp_path / "part.step").write_bytes(step_box(10, 20, 30))

    assert measure_here(tmp_path / "part.glb").bbox_um == (10_000, 30_000, 20_000)
    assert measure_here(tmp_path / "part.step").bbox_um == (10_000, 20_000, 30_000)


def test_the_size_of_a_binary_stl_is_told_without_its_topology(tmp_path: Path) -> None:
    solid = together(*(moved(CUBE, (30.0 * i, 7.0, -5.0)) for i in range(1500)))
    (tmp_path / "many.stl").write_bytes(binary_stl(solid))
    (tmp_path / "text.stl").write_bytes(ascii_stl(CUBE))

    size = scan(tmp_path / "many.stl")

    assert size is not None
    assert (size.triangles, size.volume_mm3) == (18_000, 1500 * 8000)
    assert size.bbox_um == (1499 * 30_000 + 20_000, 20_000, 20_000)
    assert scan(tmp_path / "text.stl") is None


def test_a_3mf_whose_objects_hold_each_other_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "part.3mf"
    path.write_bytes(three_mf(self_multiplying(3)))
    assert measure_here(path).triangles == 8 * 12

    path.write_bytes(three_mf(self_multiplying(10)))
    assert "12288 faces, but" in refused(path, measure_here)


@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (box(3000, 10, 10), "measures 3000 x 10 x 10 mm; 0.5 to 2000 mm"),
        (box(0.1, 0.1, 0.2), "measures 0.1 x 0.1 x 0.2 mm"),
        (box(20, 20, 0), "is flat"),
        (together(*(moved(box(1, 1, 1), (1.5 * i, 0, 0)) for i in range(1001))), "1001 pieces"),
    ],
)
def test_what_no_machine_makes_is_refused(tmp_path: Path, solid: Solid, expected: str) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(binary_stl(solid))

    assert expected in refused(path, measure_here)


def test_an_open_mesh_is_measured_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "open.stl"
    path.write_bytes(binary_stl(Solid(CUBE.vertices, CUBE.faces[2:])))

    facts = measure_here(path)

    assert (facts.triangles, facts.watertight) == (10, False)


async def test_the_child_measures_and_draws(tmp_path: Path) -> None:
    path = tmp_path / "-part.stl"
    path.write_bytes(binary_stl(CUBE))

    async with trio.open_nursery() as nursery:
        await nursery.start(workers.keep_warm)
        facts, form = await measuring.study_mesh(path)
        measured = await measuring.measure_part(path)
        mesh = await measuring.read_mesh(path)
        size = await measuring.scan_stl(path)
        assert (await measuring.draw_mesh(path, (64, 48))).startswith(b"\x89PNG")
        assert "█" in await measuring.write_mesh(path, 40, colour=False)
        nursery.cancel_scope.cancel()

    assert facts == measured.facts == measure(CUBE.vertices, CUBE.faces)
    assert form.fingerprint == measured.fingerprint
    assert measure(mesh.vertices, mesh.faces) == facts
    assert size is not None
    assert size.bbox_um == facts.bbox_um


async def test_a_warm_child_reads_many_files_and_is_replaced_after_a_refusal(
    tmp_path: Path,
) -> None:
    good, bad = tmp_path / "good.stl", tmp_path / "bad.3mf"
    good.write_bytes(binary_stl(CUBE))
    bad.write_bytes(NOISE)

    async with trio.open_nursery() as nursery:
        await nursery.start(workers.keep_warm)
        await measuring.measure_mesh(good)
        first = children()
        await measuring.measure_mesh(good)
        second = children()
        with pytest.raises(MeshRefused, match="no readable 3MF"):
            await measuring.measure_mesh(bad)
        third = children()
        await measuring.measure_mesh(good)
        fourth = children()
        nursery.cancel_scope.cancel()

    assert len(first) == len(fourth) == 1
    assert first == second
    assert third == set()
    assert first != fourth
    assert children() == set()


async def test_children_stay_warm_until_the_last_of_several_nodes_stops(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(binary_stl(CUBE))

    async with trio.open_nursery() as last:
        await last.start(workers.keep_warm)
        async with trio.open_nursery() as first:
            await first.start(workers.keep_warm)
            await measuring.measure_mesh(path)
            first.cancel_scope.cancel()
        still = children()
        last.cancel_scope.cancel()

    assert len(still) == 1
    assert children() == set()


async def test_a_warm_child_that_went_away_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(binary_stl(CUBE))

    async with trio.open_nursery() as nursery:
        await nursery.start(workers.keep_warm)
        await measuring.measure_mesh(path)
        (gone,) = children()
        os.kill(gone, signal.SIGKILL)
        while gone in children():
            await trio.lowlevel.checkpoint()
        assert (await measuring.measure_mesh(path)).triangles == 12
        nursery.cancel_scope.cancel()


async def test_what_the_child_refuses_is_refused_here_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "part.3mf"
    path.write_bytes(three_mf(model(CUBE), **{"a.rels": DOCTYPE}))

    with pytest.raises(MeshRefused, match=r"part.3mf: 'a.rels' in it declares a document type"):
        await measuring.measure_mesh(path)


async def test_a_child_that_is_given_up_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    sheets = np.random.default_rng(1).uniform(0, 100, (60_000, 3))
    path.write_bytes(binary_stl(Solid(sheets, np.arange(60_000).reshape(-1, 3))))

    # To draw so many large triangles takes minutes.
    with trio.move_on_after(0.5) as scope:
        await measuring.draw_mesh(path, (1000, 1000))

    assert scope.cancelled_caught
    assert not children()


def children() -> set[int]:
    """Return the processes started from here that are still running."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if "State:\tZ" not in Path(f"/proc/{child}/status").read_text():
                    found.add(int(child))
    return found


TRIES = """
import resource, sys
from commonfab.node.meshes import worker
worker.limit_this_process()
try:
    bytearray(worker.MEMORY_BYTES_MAX)
except MemoryError:
    print("no memory")
try:
    with open(sys.argv[1], "w") as file:
        file.write("x")
        file.flush()
except OSError:
    print("no file")
print(resource.getrlimit(resource.RLIMIT_CPU)[0] <= 61, resource.getrlimit(resource.RLIMIT_CORE)[1])
"""


async def test_a_child_cannot_take_memory_time_or_disk(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRIES, str(tmp_path / "file")]

    output = (await trio.run_process(command, capture_stdout=True)).stdout

    assert output.splitlines() == [b"no memory", b"no file", b"True 0"]
