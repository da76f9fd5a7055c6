"""From a folder on this computer to a signed design that others can find and fetch."""

import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import trio
from msgspec import structs

from commonfab.protocol.encoding import plain_text
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import RecordId
from commonfab.protocol.limits import TAGS_PER_DESIGN_MAX
from commonfab.protocol.records import Design, Origin, Part, Record
from commonfab.scheduler.estimate import NoEstimate, Profile, estimate
from commonfab.scheduler.geometry import MeshFacts
from commonfab.storage.cid import CID

from .. import clock
from ..licences.duties import conflicts
from ..manifests import folder as folders
from ..manifests.okh import Manifest, ManifestPart, is_mesh
from ..measured.generating import check_source
from ..measured.parameters import Parameters, ParametersRefused
from ..meshes import measuring
from ..node import Node

_TAG_MAX = 40

Said = Callable[[Mapping[str, object]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Publication:
    record: Record
    files: int
    is_new: bool
    """False: the same files were published before, and this is that record."""
    remarks: tuple[str, ...]
    """What was inferred or repaired on the way."""


async def publish(
    node: Node, path: Path, say: Said, origins: tuple[Origin, ...] = ()
) -> Publication:
    """Publish a folder or a single mesh. `origins`: the designs that it was made from.

    When this returns, the record and all files are on the disk, and those who are connected
    have been told. Raises `UsageError` that names what is wrong.
    """
    source = await trio.to_thread.run_sync(_read, path)
    _parameters(source)
    parts: list[Part] = []
    for part, file in zip(source.manifest.parts, source.files, strict=True):
        count, total = len(parts) + 1, len(source.files)
        await say({"step": "measuring", "file": file.name, "done": count, "of": total})
        parts.append(await _measure(part, file, source.base))
    with ExitStack() as stack:
        folder = source.base
        if source.is_alone:
            folder = await trio.to_thread.run_sync(_alone, source.files[0], stack)
        root, stored = await _store(node, folder, say)
    remarks = (*map(str, source.manifest.findings), *_doubts(node, source.manifest, origins))
    stream = f"design/{source.manifest.slug}"
    _check_origins(node, stream, origins)
    same = await node.library.designs.of_root(node.me, stream, bytes(root))
    known = next((record for record in same if _origins(record) == origins), None)
    if known is not None:
        return Publication(known, stored.files, is_new=False, remarks=remarks)
    design = _design(node, stream, source, parts, root, stored.size)
    record = node.author.sign(structs.replace(design, derived_from=origins))
    with trio.CancelScope(shield=True):
        await node.announcing.announce(record)
    return Publication(record, stored.files, is_new=True, remarks=remarks)


@dataclass(frozen=True, slots=True)
class _Source:
    """What lies at the path that was given."""

    manifest: Manifest
    files: list[Path]
    """Of the parts, in their order."""
    base: Path
    """The folder that they are in."""
    file: str | None
    """The manifest's name, where there is one."""
    is_alone: bool
    """A single mesh, to which nothing else in its folder belongs."""


def _read(path: Path) -> _Source:
    read, files = folders.read_design(path)
    if not path.is_dir():
        return _Source(read, files, path.parent, None, is_alone=True)
    file = folders.find_manifest(path)
    return _Source(read, files, path, file.name if file else None, is_alone=False)


def _alone(mesh: Path, stack: ExitStack) -> Path:
    """Return a folder with nothing but this mesh."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="commonfab-")))
    shutil.copyfile(mesh, folder / mesh.name)
    return folder


async def _measure(part: ManifestPart, file: Path, base: Path) -> Part:
    """Return a part with facts from its mesh; of another file, with what the manifest says."""
    below = file.relative_to(base).as_posix()
    if not is_mesh(file.name):
        if part.seconds is None:
            raise UsageError(
                f"{file}: no mesh, so no estimate; give seconds (and mass) of {part.name!r} "
                "in the manifest"
            )
        return _part(part, below, None, part.seconds, part.mass_mg or 0)
    measured = await measuring.measure_part(file)
    facts = measured.facts
    seconds, mass_mg = part.seconds, part.mass_mg
    if seconds is None or mass_mg is None:
        try:
            guess = estimate(
                facts, process=part.process, material=part.material, profile=_profile(part)
            )
        except NoEstimate as error:
            raise UsageError(f"{file}: {error}") from error
        seconds = guess.seconds if seconds is None else seconds
        mass_mg = guess.mass_mg if mass_mg is None else mass_mg
    known = _part(part, below, facts, seconds, mass_mg)
    return structs.replace(known, fingerprint=measured.fingerprint)


def _profile(part: ManifestPart) -> Profile:
    wanted = Profile()
    if part.infill_percent is not None:
        wanted = replace(wanted, infill=part.infill_percent / 100)
    if part.layer_mm is not None:
        wanted = replace(wanted, layer_mm=part.layer_mm)
    if part.shell_mm is not None:
        wanted = replace(wanted, walls=max(1, round(part.shell_mm / wanted.line_mm)))
    return replace(wanted, supports=part.supports)


def _part(
    part: ManifestPart, file: str, facts: MeshFacts | None, seconds: int, mass_mg: int
) -> Part:
    return Part(
        name=plain_text(part.name)[:120],
        file=file,
        process=part.process,
        material=part.material,
        pieces=part.quantity,
        bbox_um=facts.bbox_um if facts else (0, 0, 0),
        volume_mm3=facts.volume_mm3 if facts else 0,
        area_mm2=facts.area_mm2 if facts else 0,
        watertight=facts.watertight if facts else False,
        seconds=seconds,
        mass_mg=mass_mg,
        nozzle_um=part.nozzle_um,
        tolerance_um=part.tolerance_um,
        temperature_c=part.temperature_c,
        scad=source_of(part),
    )


def source_of(part: ManifestPart) -> str:
    """Return the source that a part is made from to each buyer's measure; nothing if it is not."""
    if not part.measured:
        return ""
    found = next((source for source in part.sources if source.endswith(".scad")), None)
    if found is None:
        raise UsageError(f"part {part.name!r} is measured, but none of its sources is a .scad file")
    check_source(found)
    return found


def _parameters(source: _Source) -> str | None:
    """Return the file with what a buyer may choose, if there is one. Raises `UsageError` unless
    it can be read."""
    named = source.manifest.parameters
    if named is None:
        measured = [part.name for part in source.manifest.parts if part.measured]
        if measured:
            what = f"{', '.join(measured)}: measured, but the manifest names no parameters"
            raise UsageError(f'{source.base}: {what}; add parameters = "parameters.json"')
        return None
    file = folders.find_file(source.base, named)
    try:
        Parameters(file.read_bytes())
    except ParametersRefused as error:
        raise UsageError(f"{file}: {error}") from error
    return file.relative_to(source.base).as_posix()


@dataclass(slots=True)
class _Stored:
    files: int = 0
    size: int = 0


async def _store(node: Node, folder: Path, say: Said) -> tuple[CID, _Stored]:
    """Add the files to the block store, and return the root."""
    stored = _Stored()

    def add(path: str, size: int) -> None:
        stored.files += 1
        stored.size += size
        trio.from_thread.run(say, {"step": "storing", "file": path, "bytes": stored.size})

    return await node.shelf.put_folder(folder, add), stored


def _design(
    node: Node, stream: str, source: _Source, parts: list[Part], root: CID, size: int
) -> Design:
    read = source.manifest
    licence = plain_text(read.licence)[:120]
    return Design(
        **node.author.head(stream, clock.now()),
        name=plain_text(read.name)[:120],
        version=plain_text(read.version)[:120],
        licence=licence,
        licensor=plain_text(read.licensor)[:120],
        function=plain_text(read.function)[:500],
        root=bytes(root),
        manifest=source.file,
        picture=read.image,
        parameters=_parameters(source),
        parts=tuple(structs.replace(part, licence=licence) for part in parts),
        size_bytes=size,
        language=_language(read),
        tags=_tags(read),
    )


def _tags(read: Manifest) -> tuple[str, ...]:
    plain = dict.fromkeys(plain_text(tag)[:_TAG_MAX] for tag in read.tags)
    return tuple(tag for tag in plain if tag)[:TAGS_PER_DESIGN_MAX]


def _language(read: Manifest) -> str:
    """Return the language of a manifest's texts, if it says one in the form of BCP 47."""
    said = read.document.get("documentation-language")
    if isinstance(said, list) and said:
        said = cast("list[object]", said)[0]  # A manifest may have anything there.
    language = said if isinstance(said, str) else ""
    return language if re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}", language) else ""


def _origins(record: Record) -> tuple[Origin, ...]:
    assert isinstance(record.body, Design)
    return record.body.derived_from


def _doubts(node: Node, read: Manifest, origins: tuple[Origin, ...]) -> list[str]:
    """Return what is to be said of a design's licence, beside those that it was made from."""
    find = node.library.designs.get
    found = [find(RecordId(origin.design)) for origin in origins]
    ancestors = [record.body for record in found if record and isinstance(record.body, Design)]
    return [
        f"made from {ancestor.name}: {why}; name another licence, or ask {ancestor.licensor}"
        for ancestor in ancestors
        for why in conflicts(read.licence, ancestor.licence)
    ]


def _check_origins(node: Node, stream: str, origins: tuple[Origin, ...]) -> None:
    """Raise `UsageError` for an origin that a version of the same design needs not name."""
    for origin in origins:
        record = node.library.designs.get(RecordId(origin.design))
        if record is not None and (record.author, record.body.stream) == (node.me, stream):
            raise UsageError(
                "that is an earlier version of this very design; publish without naming it, or"
                " give the new one another name"
            )
