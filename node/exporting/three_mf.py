"""Writes a design's meshes as one 3MF, with who made it, under which licence, and where it is.

The core specification of 3MF alone: a model in millimetres, one object for each part, all of
them built. `fab:designCID` is a metadata of our own, which programs are asked to preserve.
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from commonfab.scheduler.geometry import Faces, Vertices

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
OURS = "urn:commonfab:3mf"
CID_KEY = "fab:designCID"
_ROWS = 10_000
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model"'
    ' ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/3D/3dmodel.model" Id="rel0"'
    ' Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part's mesh, in millimetres."""

    name: str
    vertices: "Vertices"
    faces: "Faces"


def write(path: Path, metadata: Mapping[str, str], pieces: Sequence[Piece]) -> None:
    """Write a new file. `metadata`: texts by 3MF's names, or `CID_KEY`; empty ones are left out."""
    # A fixed time, so that the same design makes the same file.
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("[Content_Types].xml", _TYPES), ("_rels/.rels", _RELATIONS)):
            archive.writestr(_entry(name), text)
        with archive.open(_entry("3D/3dmodel.model"), "w", force_zip64=True) as file:
            for text in _model(metadata, pieces):
                file.write(text.encode())


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _model(metadata: Mapping[str, str], pieces: Sequence[Piece]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<model unit="millimeter" xml:lang="en-US" xmlns="{CORE}" xmlns:fab="{OURS}">\n'
    for key, text in metadata.items():
        if text:
            kept = ' preserve="1"' if key == CID_KEY else ""
            yield f"<metadata name={quoteattr(key)}{kept}>{escape(_plain(text))}</metadata>\n"
    yield "<resources>\n"
    for number, piece in enumerate(pieces, start=1):
        name = quoteattr(_plain(piece.name))
        yield f'<object id="{number}" type="model" name={name}><mesh><vertices>\n'
        yield from _rows('<vertex x="{:.6g}" y="{:.6g}" z="{:.6g}"/>\n', piece.vertices)
        yield "</vertices><triangles>\n"
        yield from _rows('<triangle v1="{}" v2="{}" v3="{}"/>\n', piece.faces)
        yield "</triangles></mesh></object>\n"
    yield "</resources>\n<build>\n"
    yield from (f'<item objectid="{number + 1}"/>\n' for number in range(len(pieces)))
    yield "</build>\n</model>\n"


def _rows(form: str, rows: "Vertices | Faces") -> Iterator[str]:
    for begin in range(0, len(rows), _ROWS):
        some = rows[begin : begin + _ROWS].tolist()
        yield "".join(form.format(*row) for row in some)


def _plain(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
