"""Says all that is wrong or doubtful in a design before it is published, and mends the manifest.

What a manifest says is looked at here; what its meshes are, by `meshes/findings.py`.
Blocks on the disk: call it in a thread, but for `lint_meshes`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import trio

from commonfab.protocol.errors import UsageError
from commonfab.scheduler.form.findings import NOZZLE_UM

from ..home import durable_file
from ..meshes import findings
from ..meshes.formats import MeshRefused
from . import folder, okh, reading
from .findings import Finding
from .folder import MANIFEST, DesignRefused
from .okh import Manifest
from .reading import ENDINGS, ManifestRefused
from .writing import to_toml

OLD_ENDING = ".orig"
_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Linted:
    """What is said of one design."""

    path: str
    name: str
    """Empty if its manifest cannot be used."""
    findings: tuple[Finding, ...]
    fixed: str = ""
    """The manifest that was written anew."""


def lint(path: Path) -> Linted:
    """Return what there is to say of a folder, a manifest or a mesh, but for the meshes' shapes.

    Raises `DesignRefused` only where there is nothing of this kind at the path.
    """
    try:
        manifest = describe(path)
    except (ManifestRefused, DesignRefused) as refusal:
        if not path.exists():
            raise
        where = refusal.file if isinstance(refusal, ManifestRefused) else refusal.path
        refused = Finding(
            level="wrong",
            key=f"line {refusal.line}"
            if isinstance(refusal, ManifestRefused) and refusal.line
            else "",
            found=refusal.what,
            remedy=refusal.way_out,
            file=where.name,
        )
        return Linted(str(path), "", (refused,))
    root = path if path.is_dir() else path.parent
    wrong = tuple(_wrong(root, manifest))
    return Linted(str(path), manifest.name, (*manifest.findings, *wrong))


def describe(path: Path) -> Manifest:
    """Return what a folder, a manifest or a mesh says. Raises as `folder.describe` does."""
    if path.suffix in ENDINGS and path.is_file():
        return reading.read_manifest(path)
    return folder.describe(path)


def meshes_of(path: Path) -> list[Path]:
    """Return the meshes of a design's parts that are there."""
    manifest = _manifest(path)
    if manifest is None:
        return []
    root = path if path.is_dir() else path.parent
    found: list[Path] = []
    for part in manifest.parts:
        if part.file is not None and okh.is_mesh(part.file):
            try:
                found.append(folder.find_file(root, part.file))
            except DesignRefused:
                continue
    return found


async def look_at_meshes(path: Path) -> list[Finding]:
    """Return what there is to say of the shapes of a design's parts."""
    found: list[Finding] = []
    manifest = await trio.to_thread.run_sync(_manifest, path)
    nozzles = _nozzles(manifest)
    for mesh in await trio.to_thread.run_sync(meshes_of, path):
        nozzle_um = nozzles.get(mesh.name) or NOZZLE_UM
        try:
            said = await findings.findings(mesh, nozzle_um=nozzle_um)
        except MeshRefused as refusal:
            wrong = Finding(
                level="wrong", key="", found=refusal.what, remedy=refusal.way_out, file=mesh.name
            )
            found.append(wrong)
            continue
        for each in said:
            where = f"at {each.place} mm" if each.place else ""
            found.append(
                Finding(
                    level=each.level,
                    key=where,
                    found=each.what,
                    remedy=each.remedy,
                    file=mesh.name,
                )
            )
    return found


def _manifest(path: Path) -> Manifest | None:
    try:
        return describe(path)
    except UsageError:
        return None


def _nozzles(manifest: Manifest | None) -> dict[str, int]:
    """Return the widest nozzle that each part's file is made for, as far as it is said."""
    parts = manifest.parts if manifest is not None else ()
    return {Path(part.file).name: part.nozzle_um for part in parts if part.file is not None}


def fix(path: Path) -> Path:
    """Write the manifest anew as OKH 2.4, and return it. The old one is kept beside it.

    Raises `ManifestRefused` or `DesignRefused` where it cannot be read, and `ResourceError`
    where the disk refuses.
    """
    manifest = describe(path)
    if path.is_dir():
        old, new = folder.find_manifest(path), path / MANIFEST
    elif path.suffix in ENDINGS:
        old, new = path, path.with_suffix(".toml")
    else:
        old, new = None, path.parent / MANIFEST
    text = to_toml(manifest).encode()
    if old is not None and old == new:
        if old.read_bytes() == text:
            return new
        os.replace(old, old.with_name(old.name + OLD_ENDING))
    durable_file.write_new(new, text, mode=_MODE)
    return new


def _wrong(root: Path, manifest: Manifest) -> list[Finding]:
    """Return what keeps a design from being published."""
    wrong: list[Finding] = []
    if not manifest.parts:
        said, remedy = "names nothing that can be made", "add a [[part]] with name, tsdc, export"
        wrong.append(Finding(level="wrong", key="part", found=said, remedy=remedy))
    names = [part.name for part in manifest.parts]
    for part in manifest.parts:
        key = f"part.{part.name}"
        if names.count(part.name) > 1:
            said, remedy = "several parts are called so", "give each a name of its own"
            wrong.append(Finding(level="wrong", key=key, found=said, remedy=remedy))
        if part.process and not part.material:
            said, remedy = "does not say what it is made of", "add material"
            wrong.append(Finding(level="wrong", key=key, found=said, remedy=remedy))
        wrong += _missing(root, key, [*part.exports, *part.sources])
        if part.file is None:
            said = "has no file here, only addresses elsewhere"
            remedy = "put a copy into the folder and name that"
            wrong.append(Finding(level="wrong", key=key, found=said, remedy=remedy))
    wrong += _missing(root, "image", [manifest.image] if manifest.image else [])
    for key in ("readme", "bom", "manufacturing-instructions", "user-manual"):
        wrong += _doubted(_missing(root, key, _texts(manifest.document.get(key))))
    return wrong


def _missing(root: Path, key: str, paths: list[str]) -> list[Finding]:
    wrong: list[Finding] = []
    for path in filter(okh.is_local, paths):
        try:
            folder.find_file(root, path)
        except DesignRefused as refusal:
            said, remedy = refusal.what, refusal.way_out
            wrong.append(Finding(level="wrong", key=key, found=said, remedy=remedy))
    return wrong


def _doubted(wrong: list[Finding]) -> list[Finding]:
    """Return findings of files that nothing is made from."""
    return [
        Finding(level="doubt", key=each.key, found=each.found, remedy=each.remedy) for each in wrong
    ]


def _texts(value: object) -> list[str]:
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    # A manual may be a section of a page, or a folder.
    return [
        entry
        for entry in entries
        if isinstance(entry, str) and entry and not entry.endswith("/") and "#" not in entry
    ]
