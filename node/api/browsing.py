"""Looking for designs: a search as a person asked it, one design with its kin, its pictures."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol.encoding import plain_text
from commonfab.protocol.errors import CommonfabError, ResourceError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Record
from commonfab.scheduler.vocabulary import materials, processes
from commonfab.storage.catalogue.query import FACETS, Box, Found, Query, Sort, fold
from commonfab.storage.cid import CID

from ..answers.node import (
    DesignLine,
    FacetValue,
    FoundDesigns,
    KinLine,
    Picture,
    ShownDesign,
    VersionLine,
)
from ..manifests.okh import is_mesh
from ..meshes import measuring
from ..node import Node
from . import views

LIMIT_MAX = 1000
VERSIONS_SHOWN_MAX = 50
PICTURE_SIZE = (640, 480)
_PICTURES_BYTES_MAX = 256 << 20
"""Of pictures in the home; then those that were looked at longest ago go first."""


class Search(Struct, forbid_unknown_fields=True):
    """What `designs` asks. Of each list, any value will do; an empty one does not matter."""

    query: str = ""
    process: list[str] = []
    material: list[str] = []
    licence: list[str] = []
    language: list[str] = []
    by: str = ""
    """A workshop's name or a part of it, or the end of a peer id."""
    fits_um: Box | None = None
    mass_mg_max: int | None = None
    made_min: int = 0
    watertight: bool = False
    here: bool = False
    all_versions: bool = False
    sort: Sort | None = None
    limit: Annotated[int, Meta(ge=0, le=LIMIT_MAX)] = 50


async def search(node: Node, asked: Search) -> FoundDesigns:
    query = Query(
        words=asked.query,
        process=tuple(each for word in asked.process for each in processes.with_kinds(word)),
        material=tuple(map(materials.id_of, asked.material)),
        licence=tuple(asked.licence),
        language=tuple(asked.language),
        authors=_authors(node, asked.by) if asked.by else None,
        fits_um=asked.fits_um,
        mass_mg_max=asked.mass_mg_max,
        made_min=asked.made_min,
        watertight=asked.watertight,
        all_versions=asked.all_versions,
        is_here=(lambda root: node.blocks.has(CID.from_bytes(root))) if asked.here else None,
        sort=asked.sort,
    )
    designs = node.library.designs
    found, hits = await designs.search(query, asked.limit)
    shown = [record for record in hits if not node.library.denials.of_record(record)]
    return FoundDesigns(
        designs=[await line(node, record) for record in shown],
        total=found.total - (len(hits) - len(shown)),
        is_more=found.is_more,
        facets={facet: _values(node, facet, found) for facet in FACETS},
        known=len(designs),
        missing=designs.missing,
    )


async def line(node: Node, record: Record) -> DesignLine:
    is_here = await node.shelf.look(CID.from_bytes(_design(record).root))
    return views.design_line(record, node.library, is_here=is_here)


async def show(node: Node, record: Record) -> ShownDesign:
    """Return a design with its versions, what it was made from, and what was made from it.

    Where the catalogue cannot be used, what it would tell is left out.
    """
    versions: list[tuple[RecordId, bool, bool]] = []
    derived: list[tuple[RecordId, str, RecordId]] = []
    try:
        versions = await node.library.designs.versions(record)
        versions = versions[:VERSIONS_SHOWN_MAX]
        derived = await node.library.designs.derived([each for each, _, _ in versions])
    except ResourceError as error:
        node.journal.warn("catalogue", str(error))
    design = _design(record)
    shown = await line(node, record)
    return ShownDesign(
        **{name: getattr(shown, name) for name in DesignLine.__struct_fields__},
        versions=[
            VersionLine(
                id=each.hex(),
                version=_design(version).version,
                at=version.body.at,
                is_honest=is_honest,
                is_newest=is_newest,
            )
            for each, is_honest, is_newest in versions
            if (version := node.library.designs.get(each)) is not None
        ],
        derived_from=[_kin(node, RecordId(o.design), o.relation) for o in design.derived_from],
        derived=[_kin(node, each, relation) for each, relation, _ in derived],
    )


async def pictures(node: Node, record: Record) -> list[Picture]:
    """Return a PNG of each part that is a mesh, drawn now or when it was first asked for.

    The design's files are here. A part that cannot be drawn says why.
    """
    design = _design(record)
    folder = node.home.pictures
    folder.mkdir(mode=0o700, exist_ok=True)
    drawn = [
        await _picture(node, CID.from_bytes(design.root), part.name, part.file, folder)
        for part in design.parts
        if is_mesh(part.file)
    ]
    _make_room(folder, {Path(picture.path) for picture in drawn})
    return drawn


async def _picture(node: Node, root: CID, name: str, file: str, folder: Path) -> Picture:
    key = hashlib.sha256(f"{root.as_v1()}/{file}".encode()).hexdigest()
    target = folder / f"{key}.png"
    if target.exists():
        os.utime(target)
        return Picture(part=name, file=file, path=str(target))
    try:
        with tempfile.TemporaryDirectory(prefix="commonfab-") as temporary:
            mesh = Path(temporary) / ("part" + Path(file).suffix)
            await node.shelf.export_file(root, file, mesh)
            data = await measuring.draw_mesh(mesh, PICTURE_SIZE)
            made = folder / f"{key}.part"
            made.write_bytes(data)
            made.replace(target)
    except (CommonfabError, OSError) as error:
        return Picture(part=name, file=file, path="", why=str(error))
    return Picture(part=name, file=file, path=str(target))


def _make_room(folder: Path, keep: set[Path]) -> None:
    found = sorted((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*.png"))
    total = sum(size for _, size, _ in found)
    for _, size, path in found:
        if total <= _PICTURES_BYTES_MAX:
            return
        if path not in keep:
            path.unlink(missing_ok=True)
            total -= size


def _authors(node: Node, name: str) -> tuple[NodeId, ...]:
    """Return the workshops of this name, or else those with it in their name or peer id."""
    wanted = fold(plain_text(name))
    names = {author: fold(plain_text(w.name)) for author, w in node.library.workshops.items()}
    exact = tuple(author for author, known in names.items() if known == wanted)
    within = tuple(author for author, known in names.items() if wanted in known)
    ending = name.removeprefix("…")
    by_id = (a for a in node.library.authors() if len(ending) > 3 and peer_text(a).endswith(ending))
    return exact or within or tuple(by_id)


def _values(node: Node, facet: str, found: Found) -> list[FacetValue]:
    values = found.facets[facet]
    if facet != "author":
        return [FacetValue(value=value, designs=count) for value, count in values]
    authors = [(NodeId(bytes.fromhex(value)), count) for value, count in values]
    return [
        FacetValue(value=peer_text(author), designs=count, name=node.library.name_of(author))
        for author, count in authors
    ]


def _kin(node: Node, identifier: RecordId, relation: str) -> KinLine:
    record = node.library.designs.get(identifier)
    if record is None:
        return KinLine(id=identifier.hex(), relation=relation, is_known=False)
    design = _design(record)
    return KinLine(
        id=identifier.hex(),
        relation=relation,
        is_known=True,
        name=design.name,
        version=design.version,
        author=peer_text(record.author),
        author_name=node.library.name_of(record.author),
    )


def _design(record: Record) -> Design:
    assert isinstance(record.body, Design)
    return record.body
