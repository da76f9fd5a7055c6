"""What a mesh file must look like before anything parses it.

A file that lies about itself is refused from its name, its size and its first bytes, with
nothing but the standard library, at the same cost for any file. (3MF, an archive, takes
more: `three_mf.py`.)
"""

import os
import re
import stat
from pathlib import Path

from commonfab.protocol.errors import UsageError

from . import glb

MIB = 1024 * 1024

FORMATS = ("stl", "3mf", "obj", "ply", "off", "glb", "step", "stp")
DRAWINGS = ("dxf", "svg")
FILE_BYTES_MAX = 64 * MIB
"""A binary STL of 1.3 million triangles."""
TRIANGLES_MAX = 1_000_000
"""What measuring holds in `worker.MEMORY_BYTES_MAX`."""
_STL_HEAD_BYTES = 84
_STL_TRIANGLE_BYTES = 50
_STL_TRIANGLES_AT = 80
_PEEK_BYTES = 4096
EXPORT_AGAIN = "export the mesh again"
REDUCE = "reduce the mesh"

Bounds = tuple[int, int]
"""How many triangles a file says that it holds: at least, and at most."""


class MeshRefused(UsageError):
    """A mesh file is not taken: which one, what is wrong with it, and the way out."""

    def __init__(self, file: str, what: str, way_out: str) -> None:
        super().__init__(f"{file}: {what}; {way_out}")
        self.file = file
        self.what = what
        self.way_out = way_out


def check_outside(path: Path, formats: tuple[str, ...] = FORMATS) -> str:
    """Return the file's format, one of those given, or raise `MeshRefused`.

    Looks at the name, the kind of file, its size and, of an STL, its head.
    """
    name = str(path)
    ending = path.suffix.lower().removeprefix(".")
    if ending not in formats:
        what = "drawings" if formats == DRAWINGS else "meshes"
        taken = ", ".join(formats)
        raise MeshRefused(name, f"{what} are not taken as .{ending}", f"export one of: {taken}")
    try:
        status = os.lstat(path)
    except OSError as error:
        raise _unreadable(name, error) from error
    if stat.S_ISLNK(status.st_mode):
        raise MeshRefused(name, "is a symbolic link", "put the file itself there")
    if not stat.S_ISREG(status.st_mode):
        raise MeshRefused(name, "is not a file", "name a mesh file")
    if status.st_size == 0:
        raise MeshRefused(name, "is empty", EXPORT_AGAIN)
    if status.st_size > FILE_BYTES_MAX:
        what = f"is {status.st_size / MIB:.1f} MiB; at most {FILE_BYTES_MAX // MIB} are taken"
        raise MeshRefused(name, what, f"{REDUCE}, or export it as binary STL")
    try:
        path.open("rb").close()
    except OSError as error:
        raise _unreadable(name, error) from error
    if ending == "stl":
        _check_stl(path, status.st_size)
    return ending


def _unreadable(name: str, error: OSError) -> MeshRefused:
    return MeshRefused(name, f"cannot be read: {error.strerror}", "check the path")


def count_triangles(path: Path, ending: str) -> Bounds:
    """Return how many triangles a file says that it holds; of a 3MF, see `three_mf.py`.

    Reads no more than its head and its end, and of a GLB its contents. Raises `MeshRefused`
    if these say too much, or more than the file has room for.
    """
    match ending:
        case "stl":
            return _check_stl(path, path.stat().st_size)
        case "ply":
            return _count_ply(path)
        case "off":
            return _count_off(path)
        case "glb":
            return _count_glb(path)
        case "step" | "stp":
            return _check_step(path)
        case _:
            return (1, TRIANGLES_MAX)


def bound(path: Path, least: int, most: int) -> Bounds:
    """Return the bounds if there is something to read and not too much of it."""
    if most == 0:
        raise MeshRefused(str(path), "holds no triangles", EXPORT_AGAIN)
    if least > TRIANGLES_MAX:
        what = f"holds {least} triangles; at most {TRIANGLES_MAX} are taken"
        raise MeshRefused(str(path), what, REDUCE)
    return (max(least, 1), most)


def is_binary_stl(head: bytes, size: int) -> bool:
    """Return whether the head's count of triangles fits the file's size exactly."""
    return size >= _STL_HEAD_BYTES and size == _STL_HEAD_BYTES + _STL_TRIANGLE_BYTES * _declared(
        head
    )


def _declared(head: bytes) -> int:
    return int.from_bytes(head[_STL_TRIANGLES_AT:_STL_HEAD_BYTES], "little")


def _check_stl(path: Path, size: int) -> Bounds:
    with path.open("rb") as file:
        head = file.read(_PEEK_BYTES)
        file.seek(max(0, size - _PEEK_BYTES))
        tail = file.read()
    declared = _declared(head)
    if is_binary_stl(head, size):
        return bound(path, declared, declared)
    if head.lstrip()[:5].lower() != b"solid" or b"\0" in head:
        held = max(0, size - _STL_HEAD_BYTES) // _STL_TRIANGLE_BYTES
        what = f"its head says {declared} triangles, but it has room for {held}"
        raise MeshRefused(str(path), what, f"it is cut short or no STL: {EXPORT_AGAIN}")
    if b"facet" not in head.lower():
        raise MeshRefused(str(path), "says solid, but holds no facets", EXPORT_AGAIN)
    if b"endsolid" not in tail.lower():
        raise MeshRefused(str(path), "ends before endsolid: it is cut short", EXPORT_AGAIN)
    return (1, TRIANGLES_MAX)


def _count_ply(path: Path) -> Bounds:
    head = _peek(path)
    counts = [int(count) for count in re.findall(rb"element\s+\w+\s+(\d{1,18})", head)]
    faces = re.search(rb"element\s+face\s+(\d{1,18})", head)
    if not head.startswith(b"ply") or faces is None:
        raise MeshRefused(str(path), "its head names no faces, so it is no PLY", EXPORT_AGAIN)
    return _bound_polygons(path, int(faces[1]), counts)


def _count_off(path: Path) -> Bounds:
    lines = (line.split(b"#")[0].strip() for line in _peek(path).splitlines())
    text = b" ".join(line for line in lines if line)
    counts = re.match(rb"C?OFF\s+(\d{1,18})\s+(\d{1,18})\b", text)
    if counts is None:
        raise MeshRefused(str(path), "its head has no counts, so it is no OFF", EXPORT_AGAIN)
    return _bound_polygons(path, int(counts[2]), [int(counts[1]), int(counts[2])])


def _count_glb(path: Path) -> Bounds:
    with path.open("rb") as file:
        try:
            count = glb.count_triangles(file)
        except glb.NotTaken as error:
            raise MeshRefused(str(path), str(error), error.way_out) from error
    return bound(path, count, count)


def _check_step(path: Path) -> Bounds:
    """STEP holds surfaces, which become triangles only when it is read."""
    with path.open("rb") as file:
        head = file.read(_PEEK_BYTES)
        file.seek(max(0, path.stat().st_size - _PEEK_BYTES))
        tail = file.read()
    if b"ISO-10303-21;" not in head:
        raise MeshRefused(str(path), "does not begin as STEP does", EXPORT_AGAIN)
    if b"END-ISO-10303-21;" not in tail:
        raise MeshRefused(str(path), "ends before END-ISO-10303-21: it is cut short", EXPORT_AGAIN)
    return (1, TRIANGLES_MAX)


def _bound_polygons(path: Path, faces: int, elements: list[int]) -> Bounds:
    # An element takes at least two bytes: a digit and a space, or two of a binary number.
    room = path.stat().st_size // 2
    if max(elements) > room:
        what = f"its head says {max(elements)} elements, but it has room for {room}"
        raise MeshRefused(str(path), what, f"it is cut short: {EXPORT_AGAIN}")
    return bound(path, faces, TRIANGLES_MAX if faces else 0)


def _peek(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_PEEK_BYTES)
