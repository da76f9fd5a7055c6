"""From a folder, a zip, a mesh, a manifest or an address to a folder that can be published.

Each design ends in a folder of its own, below the one that was named, with its files and an
`okh.toml` of OKH 2.4. A folder appears when it is complete, or not at all; what was there
before stays as it was.
"""

import dataclasses
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urljoin

import trio

from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError

from ..manifests import folder as folders
from ..manifests import lint, okh
from ..manifests.findings import Finding, Tree
from ..manifests.folder import MANIFEST
from ..manifests.okh import Manifest
from ..manifests.reading import ENDINGS, read_manifest
from ..manifests.writing import to_toml
from ..meshes import measuring
from ..meshes.formats import MeshRefused
from . import three_mf
from .archive import unpack
from .fetching import Fetcher, name_of

BYTES_MAX = 1 << 30
"""Of one design."""
FILES_FETCHED_MAX = 200
"""That one manifest on the web may name."""
LIST_LINES_MAX = 10_000
LIST_BYTES_MAX = 1 << 20
_LISTS = (".txt", ".list", ".csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of one source."""

    source: str
    name: str = ""
    licence: str = ""
    parts: int = 0
    findings: tuple[Finding, ...] = ()
    folder: str = ""
    """Where it lies now; empty: it could not be read at all."""
    why_not: str = ""
    """What keeps it from being read, or from being published; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Importer:
    """Takes sources into one folder, one after the other."""

    into: Path
    fetcher: Fetcher

    async def take(self, source: str) -> AsyncIterator[Imported]:
        """Yield what becomes of a source, or of each of the several that it holds."""
        try:
            spread = await trio.to_thread.run_sync(_spread, source)
        except CommonfabError as error:
            yield Imported(source=source, why_not=str(error))
            return
        for each in spread:
            if isinstance(each, Path):
                done = await trio.to_thread.run_sync(self._guarded, each, str(each))
            else:
                done = await self._fetch(each)
            yield done

    async def _fetch(self, url: str) -> Imported:
        with tempfile.TemporaryDirectory(prefix="commonfab-") as name:
            try:
                file = Path(name) / name_of(url)
                found = await self.fetcher.fetch(url, file)
                if file.suffix.lower() in ENDINGS:
                    await self._fetch_named(found, file)
            except CommonfabError as error:
                return Imported(source=url, why_not=str(error))
            return await trio.to_thread.run_sync(self._guarded, file, url)

    async def _fetch_named(self, url: str, file: Path) -> None:
        """Fetch the files of a manifest's parts that lie beside it."""
        manifest = await trio.to_thread.run_sync(read_manifest, file)
        left = BYTES_MAX
        for path in _named(manifest)[:FILES_FETCHED_MAX]:
            target = file.parent / _inside(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = urljoin(url, quote(_inside(path)))
            await self.fetcher.fetch(beside, target, left)
            left -= target.stat().st_size

    def _guarded(self, path: Path, source: str) -> Imported:
        """Import what lies at a path; whatever is wrong with it is a result."""
        try:
            return self._import(path, source)
        except CommonfabError as error:
            return Imported(source=source, why_not=str(error))
        except OSError as error:
            why = f"{error.filename}: {error.strerror}; look at the disk"
            return Imported(source=source, why_not=why)

    def _import(self, path: Path, source: str) -> Imported:
        if path.suffix.lower() != ".zip" or path.is_dir():
            return self._prepare(path, source)
        with tempfile.TemporaryDirectory(prefix="commonfab-") as name:
            unpack(path, Path(name))
            # What code hosts pack is one folder with everything in it.
            inner = Path(name)
            while (only := _only_folder(inner)) is not None:
                inner = only
            title = path.stem if inner == Path(name) else inner.name
            return self._prepare(inner, source, title)

    def _prepare(self, path: Path, source: str, title: str = "") -> Imported:
        manifest = _describe(path, title or path.stem)
        is_whole = path.is_dir()
        root = path if is_whole else path.parent
        files = list(folders.walk(root)) if is_whole else _named(manifest)
        names = [_inside(file) for file in files]
        target = self.into / manifest.slug
        if target.exists():
            raise UsageError(f"{target}: there is one already; remove it, or name another --to")
        aside = self.into / f".{target.name}.part"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            skipped = _copy(root, names, aside)
            _write_manifest(aside, manifest)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return Imported(
            source=source,
            name=manifest.name,
            licence=manifest.licence,
            parts=len(manifest.parts),
            findings=(*manifest.findings, *skipped),
            folder=str(target),
            why_not=_why_not(target),
        )


async def look_at_meshes(done: Imported) -> Imported:
    """Return what became of a source once the meshes of its parts have been read, too."""
    if not done.folder or done.why_not:
        return done
    for mesh in await trio.to_thread.run_sync(lint.meshes_of, Path(done.folder)):
        try:
            await measuring.measure_mesh(mesh)
        except MeshRefused as refusal:
            why = f"{mesh.name}: {refusal.what}; {refusal.way_out}"
            return dataclasses.replace(done, why_not=why)
    return done


def _spread(source: str) -> list[str] | list[Path]:
    """Return the addresses, or the paths, that a source stands for."""
    if "://" in source:
        return [source]
    path = Path(source)
    if path.suffix.lower() in _LISTS and path.is_file():
        return _lines(path)
    return _designs_at(path)


def _designs_at(path: Path) -> list[Path]:
    """Return the path; or the manifests below it, where it holds only these, as lists do."""
    if not path.is_dir() or (path / MANIFEST).exists():
        return [path]
    names = sorted(folders.walk(path))
    manifests = [name for name in names if "okh" in PurePosixPath(name).name.lower()]
    manifests = [name for name in manifests if name.endswith(ENDINGS)]
    if len(manifests) < 2 or any(okh.tells_its_process(name) for name in names):
        return [path]
    return [path / name for name in manifests]


def _describe(path: Path, title: str) -> Manifest:
    if not path.is_dir() and path.suffix.lower() in ENDINGS:
        return read_manifest(path)
    manifest = folders.describe(path)
    if manifest.form != "inferred":
        return manifest
    meshes = [part.file for part in manifest.parts if part.file is not None]
    root = path if path.is_dir() else path.parent
    known: Tree = {"name": title}
    found: list[Finding] = []
    if len(meshes) == 1 and meshes[0].lower().endswith(".3mf"):
        said, found = three_mf.describe(three_mf.read_metadata(root / meshes[0]))
        known |= said
    return folders.infer(title, meshes, known, found)


def _named(manifest: Manifest) -> list[str]:
    """Return the files that a manifest names for its parts and as its image."""
    paths = [path for part in manifest.parts for path in (*part.exports, *part.sources)]
    if manifest.image is not None:
        paths.append(manifest.image)
    return list(dict.fromkeys(path for path in paths if okh.is_local(path)))


def _inside(path: str) -> str:
    """Return a path below the folder. Raises `UsageError` for one that leads out of it."""
    steps = [step for step in PurePosixPath(path.lstrip("/")).parts if step != "."]
    if not steps or ".." in steps or "\0" in path:
        raise UsageError(f"{path!r}: leads out of the design; correct the manifest")
    return "/".join(steps)


def _copy(root: Path, files: Iterable[str], target: Path) -> list[Finding]:
    """Copy files, and return what was left out."""
    skipped: list[Finding] = []
    left = BYTES_MAX
    for name in files:
        source = root / name
        try:
            status = os.lstat(source)
        except OSError:
            continue  # What is not there is said when the design is looked at.
        if not stat.S_ISREG(status.st_mode):
            said = "is a link, or no file, and is left out"
            skipped.append(Finding(level="doubt", key="", found=said, file=name))
            continue
        left -= status.st_size
        if left < 0:
            raise ResourceError(f"{root}: has more than {BYTES_MAX >> 20} MiB; name fewer files")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / name, follow_symlinks=False)
    return skipped


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    file, text = folder / MANIFEST, to_toml(manifest)
    if file.exists() and file.read_text(encoding="utf-8-sig") != text:
        file.rename(file.with_name(MANIFEST + lint.OLD_ENDING))
    file.write_text(text, encoding="utf-8")


def _why_not(folder: Path) -> str:
    try:
        folders.read_design(folder)
    except CommonfabError as error:
        return str(error).removeprefix(f"{folder}/").removeprefix(f"{folder}: ")
    return ""


def _only_folder(folder: Path) -> Path | None:
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None


def _lines(path: Path) -> list[str]:
    """Return the lines of a list. Raises `UsageError`."""
    if path.stat().st_size > LIST_BYTES_MAX:
        raise UsageError(f"{path}: is longer than {LIST_BYTES_MAX >> 20} MiB; divide it")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    kept = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    if len(kept) > LIST_LINES_MAX:
        raise UsageError(f"{path}: has more than {LIST_LINES_MAX} lines; divide it")
    return kept
