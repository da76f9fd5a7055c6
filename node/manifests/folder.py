"""Reads a folder of files as a design: its OKH manifest, and the files that it names.

A design is a folder with an `okh.toml` or an `okh*.yml`, a folder of meshes, or one mesh.
A folder may also hold a manifest for each part, `okh-*.toml`, as OKH 2.0 had it.
All of it blocks on the disk: call it in a thread.
"""

import dataclasses
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import cast

from commonfab.protocol.errors import UsageError
from commonfab.protocol.limits import PARTS_PER_DESIGN_MAX

from . import okh, reading
from .findings import Finding, Tree
from .okh import Manifest, ManifestPart
from .reading import ManifestRefused, Opened

FILES_MAX = 10_000
"""In a folder that is searched for meshes."""
MANIFEST = "okh.toml"

_ADD_MANIFEST = f"add an {MANIFEST}, or a mesh"
_CORRECT = "correct the manifest, or put the file there"


class DesignRefused(UsageError):
    """A folder, or a file that its manifest names, cannot be used as a design."""

    def __init__(self, path: Path, what: str, way_out: str) -> None:
        super().__init__(f"{path}: {what}; {way_out}")
        self.path = path
        self.what = what
        self.way_out = way_out


def read_design(path: Path) -> tuple[Manifest, list[Path]]:
    """Return a design's manifest and the file of each of its parts, in the same order.

    Every file that the manifest names as an image or for a part is there, is a plain file,
    and lies in the folder; the image's path is relative to the folder. For a single mesh,
    nothing else in its folder belongs to the design.
    Raises `ManifestRefused` or `DesignRefused`.
    """
    manifest = describe(path)
    if not path.is_dir():
        return manifest, find_files(path.parent, manifest)
    file = find_manifest(path)
    if file is not None:
        _check_makeable(manifest, file)
    files = find_files(path, manifest)
    if manifest.image is not None:
        image = find_file(path, manifest.image).relative_to(path).as_posix()
        manifest = dataclasses.replace(manifest, image=image)
    return manifest, files


def describe(path: Path) -> Manifest:
    """Return what a folder or a mesh says of itself, whether or not it can be made so.

    Raises `ManifestRefused` or `DesignRefused`.
    """
    if not path.exists():
        raise DesignRefused(path, "does not exist", "name a folder or a mesh")
    if not path.is_dir():
        if not okh.is_mesh(path.name):
            raise DesignRefused(path, "is neither a folder nor a mesh", "name one of these")
        return infer(path.stem, [path.name])
    file = find_manifest(path)
    if file is None:
        meshes = _files_below(path, okh.is_mesh)
        if not meshes:
            raise DesignRefused(path, "holds neither a manifest nor a mesh", _ADD_MANIFEST)
        return infer(path.resolve().name, meshes)
    return _complete(path, Opened(file))


def find_manifest(folder: Path) -> Path | None:
    """Return the folder's own manifest. Raises `DesignRefused` if there are several."""
    if (folder / MANIFEST).exists():
        return folder / MANIFEST
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise DesignRefused(folder, what, "check its permissions") from error
    older = [
        entry
        for entry in entries
        if entry.suffix in (".yml", ".yaml") and "okh" in entry.name.lower()
    ]
    if len(older) > 1:
        names = ", ".join(entry.name for entry in older)
        raise DesignRefused(folder, f"holds several manifests: {names}", "leave one")
    return next(iter(older), None)


def _complete(folder: Path, opened: Opened) -> Manifest:
    """Return what a manifest says with the manifests of its parts; of a design that names no
    part, with those that lie beside it."""
    parts, findings = _parts_apart(folder, opened)
    manifest = opened.manifest(parts, findings)
    if manifest.parts:
        return manifest
    found = _files_below(folder, okh.tells_its_process)
    if not found:
        return manifest
    said = "the manifest names no part: the meshes beside it are taken"
    findings.append(Finding(level="inferred", key="part", found=said, made=f"{len(found)} parts"))
    return opened.manifest([okh.table_of_file(path) for path in found], findings)


def _parts_apart(folder: Path, opened: Opened) -> tuple[list[Tree], list[Finding]]:
    """Return the tables of the parts that have manifests of their own, and what was found."""
    named = opened.tree.get("part")
    tables = cast("list[object]", named) if isinstance(named, list) else []
    if tables and opened.raw.get("okhv") != "2.0":
        return [], []
    taken = {cast("Tree", each).get("name") for each in tables if isinstance(each, dict)}
    parts: list[Tree] = []
    findings: list[Finding] = []
    for path in _files_below(folder, _is_of_part):
        part, found = reading.read_part(folder / path)
        if part.get("name") not in taken:
            taken.add(part.get("name"))
            parts.append({key: _rebase(key, value, path) for key, value in part.items()})
            findings += [dataclasses.replace(each, file=path) for each in found]
    return parts, findings


def _is_of_part(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return name.startswith("okh-") and name.endswith(".toml")


def _rebase(key: str, value: object, manifest: str) -> object:
    """Return paths of a part's manifest as seen from the design's."""
    if key not in ("source", "export", "auxiliary", "image"):
        return value
    if isinstance(value, list):
        return [_rebase(key, each, manifest) for each in cast("list[object]", value)]
    if not isinstance(value, str) or not okh.is_local(value) or value.startswith("/"):
        return value
    return posixpath.normpath(posixpath.join(posixpath.dirname(manifest), value))


def infer(
    name: str, meshes: list[str], known: Tree | None = None, found: list[Finding] | None = None
) -> Manifest:
    """Return what is assumed of meshes without a manifest. `known` is said of them elsewhere, and
    `found` says where."""
    tree: Tree = {
        "name": name,
        "version": "0",
        "license": "NOASSERTION",
        "licensor": "unknown",
        "function": "",
        "part": [okh.table_of_file(mesh) for mesh in meshes],
    }
    said = Finding(
        level="inferred",
        key="",
        found="the files, as there is no manifest",
        made="name, parts and process",
    )
    asked = Finding(
        level="doubt",
        key="license",
        found="nobody said under which licence it is",
        remedy="say so in a manifest before others rely on it",
    )
    tree |= known or {}
    findings = [said, *(found or []), *([asked] if tree["license"] == "NOASSERTION" else [])]
    return okh.of_tree(tree, findings, form="inferred")


def _check_makeable(manifest: Manifest, file: Path) -> None:
    if not manifest.parts:
        way_out = "add a [[part]] with name, tsdc and export"
        raise ManifestRefused(file, None, "names no part, and no mesh lies beside it", way_out)
    names = [part.name for part in manifest.parts]
    for part in manifest.parts:
        if names.count(part.name) > 1:
            what = f"several parts are called {part.name!r}"
            raise ManifestRefused(file, None, what, "give each a name of its own")
        if not part.process:
            what = f"part {part.name!r} does not say how it is made"
            raise ManifestRefused(file, None, what, 'add tsdc, for example tsdc = "3DP"')
        if not part.material:
            what = f"part {part.name!r} does not say what it is made of"
            raise ManifestRefused(file, None, what, "add material")


def _files_below(folder: Path, is_taken: Callable[[str], bool]) -> list[str]:
    """Return the paths of some files in the folder and below, sorted; hidden folders are not."""
    found = sorted(path for path in walk(folder) if is_taken(path))
    if len(found) > PARTS_PER_DESIGN_MAX:
        what = f"holds {len(found)} files of parts; at most {PARTS_PER_DESIGN_MAX} are taken"
        raise DesignRefused(folder, what, f"name the parts in an {MANIFEST}")
    return found


def walk(folder: Path) -> Iterator[str]:
    """Yield the paths of all files in the folder and below, but for hidden folders.

    Raises `DesignRefused` where they are too many.
    """
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen += len(files)
        if seen > FILES_MAX:
            what = f"holds more than {FILES_MAX} files"
            raise DesignRefused(folder, what, "name the folder of one design")
        below = Path(place).relative_to(folder)
        yield from ((below / name).as_posix() for name in files)


def find_files(root: Path, manifest: Manifest) -> list[Path]:
    """Return the file of each part. Raises `DesignRefused` for one that cannot be used."""
    return [_find_part(root, part) for part in manifest.parts]


def _find_part(root: Path, part: ManifestPart) -> Path:
    for path in (*part.exports, *part.sources):
        if okh.is_local(path):
            find_file(root, path)
    if part.file is None:
        what = f"has no file of part {part.name!r}, only addresses elsewhere"
        raise DesignRefused(root, what, "put a copy into the folder and name that")
    return find_file(root, part.file)


def find_file(root: Path, given: str) -> Path:
    """Return a file that a manifest names; a leading slash means the design's own root."""
    steps = [step for step in PurePosixPath(given.lstrip("/")).parts if step != "."]
    if ".." in steps or not steps or "\0" in given:
        raise DesignRefused(root, f"names {given!r}, which leads out of it", _CORRECT)
    path = root
    for step in steps:
        path = path / step
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            what = f"names {given!r}, which cannot be read: {error.strerror}"
            raise DesignRefused(root, what, _CORRECT) from error
        if stat.S_ISLNK(mode):
            what = f"names {given!r}, but {step!r} is a symbolic link"
            raise DesignRefused(root, what, "put the file itself there")
    if not path.is_file():
        raise DesignRefused(root, f"names {given!r}, which is not a file", _CORRECT)
    return path
