"""Reads a folder of files as a design: its OKH manifest, and the files that it names.

A design is a folder with an `okh.toml` or an `okh*.yml`, a folder of meshes, or one mesh.
All of it blocks on the disk: call it in a thread.
"""

import dataclasses
import os
import re
import stat
import tomllib
from collections.abc import Iterable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import cast

import yaml

from commonfab.protocol.errors import UsageError
from commonfab.protocol.limits import PARTS_PER_DESIGN_MAX

from . import okh
from .okh import KeyRefused, Manifest, ManifestPart, Tree

MANIFEST_BYTES_MAX = 256 * 1024
"""The longest of 1,600 real manifests has 10 KiB."""
FILES_MAX = 10_000
"""In a folder that is searched for meshes."""

YAML_DEPTH_MAX = 32
"""The parser's time grows with the square of the depth. Real manifests reach 4."""
TOML_DOTS_MAX = 300
"""In a line: a key of many parts takes the parser's time with the square of their number.
The longest text in a real manifest has 29."""

_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_MANIFEST = "okh.toml"
_ADD_MANIFEST = f"add an {_MANIFEST}, or a mesh"
_CORRECT = "correct the manifest, or put the file there"


class ManifestRefused(UsageError):
    """A manifest cannot be used: which file and line, what is wrong, and the way out."""

    def __init__(self, file: Path, line: int | None, what: str, way_out: str) -> None:
        where = str(file) if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {what}; {way_out}")
        self.file = file
        self.line = line
        self.what = what
        self.way_out = way_out


class DesignRefused(UsageError):
    """A folder, or a file that its manifest names, cannot be used as a design."""

    def __init__(self, path: Path, what: str, way_out: str) -> None:
        super().__init__(f"{path}: {what}; {way_out}")
        self.path = path
        self.what = what
        self.way_out = way_out


def read_manifest(file: Path) -> Manifest:
    """Read one manifest: OKH 1.0-LOSH to 2.4 from .toml, OKH v1 from .yml or .yaml.

    Raises `ManifestRefused`. Does not look for the files that it names.
    """
    text = _read_text(file)
    try:
        if file.suffix == ".toml":
            return okh.from_okh(_parse_toml(file, text))
        return okh.from_okh_v1(_parse_yaml(file, text))
    except KeyRefused as refusal:
        line = _line_of(refusal.key, text)
        raise ManifestRefused(file, line, refusal.what, refusal.way_out) from refusal
    except RecursionError as error:
        raise ManifestRefused(file, None, "is nested too deeply", "flatten it") from error


def read_design(path: Path) -> tuple[Manifest, list[Path]]:
    """Return a design's manifest and the file of each of its parts, in the same order.

    Every file that the manifest names as an image or for a part is there, is a plain file,
    and lies in the folder; the image's path is relative to the folder. For a single mesh,
    nothing else in its folder belongs to the design.
    Raises `ManifestRefused` or `DesignRefused`.
    """
    if not path.exists():
        raise DesignRefused(path, "does not exist", "name a folder or a mesh")
    if not path.is_dir():
        if not okh.is_mesh(path.name):
            raise DesignRefused(path, "is neither a folder nor a mesh", "name one of these")
        manifest = _infer(path.stem, [path.name])
        return manifest, _find_files(path.parent, manifest)
    file = find_manifest(path)
    if file is None:
        meshes = _meshes_below(path)
        if not meshes:
            raise DesignRefused(path, "holds neither a manifest nor a mesh", _ADD_MANIFEST)
        manifest = _infer(path.resolve().name, meshes)
    else:
        manifest = read_manifest(file)
        if not manifest.parts:
            manifest = _add_parts(manifest, _meshes_below(path), file)
        _check_makeable(manifest, file)
    files = _find_files(path, manifest)
    if manifest.image is not None:
        image = _find(path, manifest.image).relative_to(path).as_posix()
        manifest = dataclasses.replace(manifest, image=image)
    return manifest, files


def find_manifest(folder: Path) -> Path | None:
    """Return the folder's own manifest. Raises `DesignRefused` if there are several."""
    if (folder / _MANIFEST).exists():
        return folder / _MANIFEST
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


def _infer(name: str, meshes: list[str]) -> Manifest:
    remarks = ["no manifest: name, parts and process are inferred from the files"]
    return Manifest(
        form="inferred",
        name=name,
        version="0",
        licence="NOASSERTION",
        licensor="unknown",
        function="",
        parts=tuple(okh.part_of_mesh(mesh, remarks) for mesh in meshes),
        remarks=tuple(remarks),
    )


def _add_parts(manifest: Manifest, meshes: list[str], file: Path) -> Manifest:
    if not meshes:
        way_out = "add a [[part]] with name, tsdc and export"
        raise ManifestRefused(file, None, "names no part, and no mesh lies beside it", way_out)
    remarks = [*manifest.remarks, "the manifest names no part: the meshes beside it are taken"]
    parts = tuple(okh.part_of_mesh(mesh, remarks) for mesh in meshes)
    return dataclasses.replace(manifest, parts=parts, remarks=tuple(remarks))


def _check_makeable(manifest: Manifest, file: Path) -> None:
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


def _meshes_below(folder: Path) -> list[str]:
    """Return the paths of all meshes in the folder and below, sorted; hidden folders are not."""
    meshes: list[str] = []
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen += len(files)
        if seen > FILES_MAX:
            what = f"holds more than {FILES_MAX} files"
            raise DesignRefused(folder, what, "name the folder of one design")
        below = Path(place).relative_to(folder)
        meshes += [(below / name).as_posix() for name in files if okh.is_mesh(name)]
    if len(meshes) > PARTS_PER_DESIGN_MAX:
        what = f"holds {len(meshes)} meshes; at most {PARTS_PER_DESIGN_MAX} are taken"
        raise DesignRefused(folder, what, f"name the parts in an {_MANIFEST}")
    return sorted(meshes)


def _find_files(root: Path, manifest: Manifest) -> list[Path]:
    return [_find_part(root, part) for part in manifest.parts]


def _find_part(root: Path, part: ManifestPart) -> Path:
    for path in (*part.exports, *part.sources):
        if okh.is_local(path):
            _find(root, path)
    if part.file is None:
        what = f"has no file of part {part.name!r}, only addresses elsewhere"
        raise DesignRefused(root, what, "put a copy into the folder and name that")
    return _find(root, part.file)


def _find(root: Path, given: str) -> Path:
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


def _read_text(file: Path) -> str:
    try:
        if not file.is_file():
            raise ManifestRefused(file, None, "is not a file", "name a manifest")
        with file.open("rb") as opened:
            data = opened.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise ManifestRefused(file, None, f"{error.strerror}", "check the path") from error
    if len(data) > MANIFEST_BYTES_MAX:
        what = f"is longer than {MANIFEST_BYTES_MAX // 1024} KiB"
        raise ManifestRefused(file, None, what, "move long texts to files of their own")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestRefused(file, line, "is not UTF-8", "save it as UTF-8") from error


def _parse_toml(file: Path, text: str) -> Tree:
    for number, content in enumerate(text.splitlines(), start=1):
        if content.count(".") > TOML_DOTS_MAX:
            way_out = "break it, or move it to a file of its own"
            raise ManifestRefused(file, number, f"more than {TOML_DOTS_MAX} dots", way_out)
    # Decimals keep what was written: version = 1.10 is not 1.1.
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, InvalidOperation) as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else None
        if "at end of document" in str(error):
            line = text.count("\n") + 1
        raise ManifestRefused(file, line, f"is not TOML: {error}", "correct this line") from error
    return cast("Tree", _plain(tree))


def _parse_yaml(file: Path, text: str) -> Tree:
    """Read every value as text, as it was written: 1.10 and no and 2020-01-01."""
    if text.startswith("%Open Know-How"):
        text = "#" + text
    try:
        _scan_yaml(file, text)
        tree: object = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts only.
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if isinstance(mark, yaml.Mark) else None
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ManifestRefused(file, line, f"is not YAML: {what}", "correct this line") from error
    if not isinstance(tree, dict):
        way_out = "fill it in: title, description, license"
        raise ManifestRefused(file, None, "holds no keys", way_out)
    return cast("Tree", tree)


def _scan_yaml(file: Path, text: str) -> None:
    """Refuse what would cost the parser more than the text is long."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.BaseLoader):
        line = token.start_mark.line + 1
        if isinstance(token, yaml.AliasToken):
            # A few lines of aliases to aliases would stand for more than any memory holds.
            raise ManifestRefused(file, line, "has an alias (*name)", "write it out")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > YAML_DEPTH_MAX:
            raise ManifestRefused(file, line, "is nested too deeply", "flatten it")


def _plain(value: object) -> object:
    """Return the value with its dates and times as text."""
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in cast("Tree", value).items()}
    if isinstance(value, list):
        return [_plain(below) for below in cast("Iterable[object]", value)]
    return value.isoformat() if isinstance(value, date | time) else value


def _line_of(key: str, text: str) -> int | None:
    """Return the first line that sets the key, in whatever spelling, or opens its table."""
    if not key:
        return None
    loose = re.escape(key).replace(r"\-", "[-_]?")
    found = re.search(rf"^[\s\[\"'-]*{loose}[\s\]\"']*[=:\]]?", text, re.MULTILINE | re.IGNORECASE)
    if found is None:
        return None
    return text.count("\n", 0, found.end()) + 1
