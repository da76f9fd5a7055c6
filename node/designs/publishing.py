"""From a folder on this computer to a signed design that others can find and fetch."""

import hashlib
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
from ..meshes import measuring
from ..node import Node
from . import manifest
from .okh import Manifest, ManifestPart, is_mesh

_SLUG_MAX = 60
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
    remarks = source.manifest.remarks
    stream = f"design/{_slug(source.manifest.name)}"
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
    read, files = manifest.read_design(path)
    if not path.is_dir():
        return _Source(read, files, path.parent, None, is_alone=True)
    file = manifest.find_manifest(path)
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
    facts = await measuring.measure_mesh(file)
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
    return _part(part, below, facts, seconds, mass_mg)


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
    )


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
    said = read.rest.get("documentation-language")
    if isinstance(said, list) and said:
        said = cast("list[object]", said)[0]  # A manifest may have anything there.
    language = said if isinstance(said, str) else ""
    return language if re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}", language) else ""


def _origins(record: Record) -> tuple[Origin, ...]:
    assert isinstance(record.body, Design)
    return record.body.derived_from


def _check_origins(node: Node, stream: str, origins: tuple[Origin, ...]) -> None:
    """Raise `UsageError` for an origin that a version of the same design needs not name."""
    for origin in origins:
        record = node.library.designs.get(RecordId(origin.design))
        if record is not None and (record.author, record.body.stream) == (node.me, stream):
            raise UsageError(
                "that is an earlier version of this very design; publish without naming it, or"
                " give the new one another name"
            )


def _slug(name: str) -> str:
    """Return a name's letters and digits, for the design's stream."""
    words = re.findall(r"[a-z0-9]+", plain_text(name).casefold())
    return "-".join(words)[:_SLUG_MAX] or hashlib.sha256(name.encode()).hexdigest()[:16]
