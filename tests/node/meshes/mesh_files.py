"""Mesh files in every format that is taken, honest ones and others."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from tests.scheduler.solids import Solid, box

CUBE = box(20, 20, 20)

_HEAD_BYTES = 80
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])


def binary_stl(solid: Solid, *, declared: int | None = None) -> bytes:
    triangles = np.zeros(len(solid.faces), dtype=_TRIANGLE)
    triangles["corners"] = solid.vertices[solid.faces]
    count = len(solid.faces) if declared is None else declared
    return b"part".ljust(_HEAD_BYTES) + struct.pack("<I", count) + triangles.tobytes()


def ascii_stl(solid: Solid) -> bytes:
    lines = ["solid part"]
    for face in solid.faces:
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += ["vertex {} {} {}".format(*solid.vertices[corner]) for corner in face]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, "endsolid part", ""]).encode()


def obj(solid: Solid) -> bytes:
    lines = ["mtllib ../../../etc/passwd"]
    lines += ["v {} {} {}".format(*vertex) for vertex in solid.vertices]
    lines += ["f {} {} {}".format(*(face + 1)) for face in solid.faces]
    return "\n".join([*lines, ""]).encode()


def ply(solid: Solid, *, declared: int | None = None) -> bytes:
    count = len(solid.faces) if declared is None else declared
    head = f"""ply
format ascii 1.0
element vertex {len(solid.vertices)}
property float x
property float y
property float z
element face {count}
property list uchar int vertex_indices
end_header
"""
    vertices = "".join("{} {} {}\n".format(*vertex) for vertex in solid.vertices)
    return (
        head + vertices + "".join("3 {} {} {}\n".format(*face) for face in solid.faces)
    ).encode()


def off(solid: Solid, *, declared: int | None = None) -> bytes:
    count = len(solid.faces) if declared is None else declared
    head = f"OFF\n# a comment\n{len(solid.vertices)} {count} 0\n"
    vertices = "".join("{} {} {}\n".format(*vertex) for vertex in solid.vertices)
    return (
        head + vertices + "".join("3 {} {} {}\n".format(*face) for face in solid.faces)
    ).encode()


def glb(
    solid: Solid,
    *,
    version: int = 2,
    nodes: Sequence[Mapping[str, object]] = ({"mesh": 0},),
    uri: str = "",
    declared: int = 0,
    **contents: object,
) -> bytes:
    """Return a solid in metres; `declared`: so many corners of faces instead of its own."""
    points = (solid.vertices / 1000.0).astype("<f4").tobytes()
    corners = solid.faces.astype("<u4").tobytes()
    buffer: dict[str, object] = {"byteLength": len(points) + len(corners)}
    tree = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": list(nodes),
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{**buffer, "uri": uri} if uri else buffer],
        "bufferViews": [
            {"buffer": 0, "byteLength": len(points)},
            {"buffer": 0, "byteOffset": len(points), "byteLength": len(corners)},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": len(solid.vertices)},
            {
                "bufferView": 1,
                "componentType": 5125,
                "type": "SCALAR",
                "count": declared or solid.faces.size,
            },
        ],
        **contents,
    }
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    data = points + corners
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(data), b"BIN\0") + data
    return b"glTF" + struct.pack("<II", version, 12 + len(chunks)) + chunks


def model(solid: Solid, *, unit: str = "millimeter", extra: str = "", item: str = "1") -> str:
    """Return a 3MF's main file; `extra` objects follow the solid's, `item` is what is built."""
    vertices = "".join('<vertex x="{}" y="{}" z="{}"/>'.format(*v) for v in solid.vertices)
    faces = "".join('<triangle v1="{}" v2="{}" v3="{}"/>'.format(*f) for f in solid.faces)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><model unit="{unit}" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"><resources>'
        f'<object id="1" type="model"><mesh><vertices>{vertices}</vertices>'
        f"<triangles>{faces}</triangles></mesh></object>{extra}</resources>"
        f'<build><item objectid="{item}"/></build></model>'
    )


def zipped(entries: dict[str, str | bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return data.getvalue()


def three_mf(main: str | bytes, **entries: str | bytes) -> bytes:
    return zipped({"3D/3dmodel.model": main, **entries})


def self_multiplying(levels: int) -> str:
    """Return a 3MF model whose every object holds the one before it twice."""
    extra = "".join(
        f'<object id="{level}" type="model"><components><component objectid="{level - 1}"/>'
        f'<component objectid="{level - 1}"/></components></object>'
        for level in range(2, levels + 2)
    )
    return model(CUBE, extra=extra, item=str(levels + 1))
