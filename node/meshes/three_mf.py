"""Looks through a 3MF before anything builds a mesh from it.

A 3MF is a zip of XML files. A zip may unpack to a thousand times its size, XML may name
other files and multiply itself, and 3MF's own objects may hold one another until a kilobyte
stands for a billion triangles. Here it is read once, as a stream that keeps nothing but
counts, with nothing but the standard library. It takes time in proportion to what the
archive unpacks to: run it where that does no harm (`worker.py`).
"""

import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from .formats import EXPORT_AGAIN, MIB, REDUCE, Bounds, MeshRefused, bound

ENTRIES_MAX = 500
BYTES_MAX = 256 * MIB
"""Unpacked. A million triangles take about 120 MiB of XML."""
RATIO_MAX = 200
"""Unpacked over packed. Mesh XML reaches 20; a bomb 1,000."""
DEPTH_MAX = 32
"""Objects in objects."""

_MAIN = "3d/3dmodel.model"
_CHUNK_BYTES = 256 * 1024

_Key = tuple[str, str]
"""An object: the file that it is in, and its id there."""


def count_triangles(path: Path) -> Bounds:
    """Return how many triangles the 3MF builds, each object as often as it is used.

    Raises `MeshRefused` for what is no 3MF, would grow too large, or names a DTD.
    """
    name = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(name, entries, path.stat().st_size)
            main = next((e.filename for e in entries if _MAIN in e.filename.lower()), None)
            if main is None:
                raise MeshRefused(name, "holds no 3D/3dmodel.model, so it is no 3MF", EXPORT_AGAIN)
            contents = _Contents(name)
            for entry in entries:
                if entry.filename.lower().endswith((".model", ".rels", ".xml")):
                    _read(contents, archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        raise MeshRefused(name, f"is no readable 3MF: {error}", EXPORT_AGAIN) from error
    count = sum(contents.triangles_of(item) for item in contents.items if item[0] == main)
    return bound(path, count, count)


def _check_entries(name: str, entries: list[zipfile.ZipInfo], size: int) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > ENTRIES_MAX:
        what = f"holds {len(entries)} files; at most {ENTRIES_MAX} are taken"
        raise MeshRefused(name, what, "remove what is not the mesh")
    if unpacked > BYTES_MAX or unpacked > RATIO_MAX * size:
        what = f"unpacks from {size} to {unpacked} bytes"
        raise MeshRefused(name, what, f"{REDUCE}, or export it as binary STL")
    if len({entry.filename for entry in entries}) < len(entries):
        raise MeshRefused(name, "holds two files of one name", EXPORT_AGAIN)
    for entry in entries:
        if entry.flag_bits & 1:
            raise MeshRefused(name, f"{entry.filename!r} in it is encrypted", EXPORT_AGAIN)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise MeshRefused(name, f"{entry.filename!r} in it is packed oddly", EXPORT_AGAIN)
        if entry.filename.startswith("/") or ".." in re.split(r"[/\\]", entry.filename):
            raise MeshRefused(name, f"{entry.filename!r} leads out of it", EXPORT_AGAIN)


def _read(contents: "_Contents", archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    reader = _Reader(contents, entry.filename)
    try:
        with archive.open(entry) as file:
            while chunk := file.read(_CHUNK_BYTES):
                reader.parser.Parse(chunk, False)
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        what = f"{entry.filename!r} in it is not XML: {error}"
        raise MeshRefused(contents.name, what, EXPORT_AGAIN) from error


@dataclass(slots=True)
class _Contents:
    """What the archive's models hold, in numbers."""

    name: str
    own: dict[_Key, int] = field(default_factory=dict[_Key, int])
    """Triangles of each object's own mesh."""
    inner: dict[_Key, list[_Key]] = field(default_factory=dict[_Key, list[_Key]])
    """The objects that an object is composed of, once for each use."""
    items: list[_Key] = field(default_factory=list[_Key])
    """What is built."""
    _known: dict[_Key, int] = field(default_factory=dict[_Key, int])

    def triangles_of(self, key: _Key, depth: int = 0) -> int:
        if depth > DEPTH_MAX:
            what = f"has objects nested more than {DEPTH_MAX} deep, or in themselves"
            raise MeshRefused(self.name, what, EXPORT_AGAIN)
        if key not in self._known:
            inner = sum(self.triangles_of(below, depth + 1) for below in self.inner.get(key, []))
            self._known[key] = self.own.get(key, 0) + inner
        return self._known[key]


class _Reader:
    """Notes what one file of the archive adds to the contents."""

    def __init__(self, contents: _Contents, file: str) -> None:
        self._contents = contents
        self._file = file
        self._object: _Key | None = None
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        match tag.rpartition(" ")[2]:
            case "triangle":
                if self._object is not None:
                    self._contents.own[self._object] += 1
            case "object":
                self._object = (self._file, attributes.get("id", ""))
                self._contents.own[self._object] = 0
                self._contents.inner[self._object] = []
            case "component":
                if self._object is not None:
                    self._contents.inner[self._object].append(self._named(attributes))
            case "item":
                self._contents.items.append(self._named(attributes))
            case _:
                pass

    def _named(self, attributes: dict[str, str]) -> _Key:
        """Return the object that is meant; the production extension may name its file."""
        paths = [value for key, value in attributes.items() if key.endswith("path")]
        file = paths[0].strip("/") if paths else self._file
        return (file, attributes.get("objectid", ""))

    def _refuse(self, *_: object) -> NoReturn:
        what = f"{self._file!r} in it declares a document type"
        raise MeshRefused(self._contents.name, what, "a 3MF has none: export it again")
