"""What a GLB says that it holds: glTF 2.0 in one file, counted before anything builds a mesh.

Its contents are JSON. Nodes may hold nodes, and only a tree of them is taken, so that none
can multiply itself; meshes are counted as often as nodes show them. What it keeps elsewhere,
or packed by extensions that not every reader has, is refused.
"""

import json
import struct
from typing import Any, BinaryIO, cast

CONTENTS_BYTES_MAX = 8 << 20
NODES_MAX = 10_000
_MAGIC, _VERSION, _JSON = b"glTF", 2, b"JSON"
_TRIANGLES = 4
"""The mode of a primitive, and what it is if none is named."""

Tree = dict[str, Any]


class NotTaken(Exception):
    """Why not, and `way_out`."""

    def __init__(self, what: str, way_out: str = "export the mesh again") -> None:
        super().__init__(what)
        self.way_out = way_out


def count_triangles(file: BinaryIO) -> int:
    """Return how many triangles a GLB shows, or raise `NotTaken`."""
    contents = _read_contents(file)
    try:
        return _count(contents)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotTaken(f"its contents are not glTF: {error!r}"[:200]) from error


def _read_contents(file: BinaryIO) -> Tree:
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(20)
    if len(head) < 20 or not head.startswith(_MAGIC):
        raise NotTaken("does not begin as a GLB does")
    version, said, length = struct.unpack_from("<III", head, 4)
    if version != _VERSION or head[16:20] != _JSON:
        raise NotTaken(f"is glTF {version}, or not in order", "export it as glTF 2.0 binary")
    if said != size or length > size - 20:
        raise NotTaken(f"says that it has {said} bytes, but has {size}")
    if length > CONTENTS_BYTES_MAX:
        raise NotTaken(f"its contents take {length} bytes", "export it as binary STL")
    try:
        contents = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise NotTaken(f"its contents are no JSON: {error}"[:200]) from error
    if not isinstance(contents, dict):
        raise NotTaken("its contents are no glTF")
    return cast("Tree", contents)


def _count(contents: Tree) -> int:
    if contents.get("extensionsRequired"):
        needed = ", ".join(map(str, contents["extensionsRequired"]))[:100]
        raise NotTaken(f"needs extensions: {needed}", "export it without compression")
    if any("uri" in buffer for buffer in contents.get("buffers", [])):
        raise NotTaken("keeps its mesh in another place", "export it as one file")
    nodes: list[Tree] = contents.get("nodes", [])
    if len(nodes) > NODES_MAX:
        raise NotTaken(f"has {len(nodes)} nodes; at most {NODES_MAX} are taken")
    held: list[Any] = [child for node in nodes for child in node.get("children", [])]
    if len(set(held)) < len(held):
        raise NotTaken("has nodes that hold each other")
    meshes = [_count_mesh(contents, mesh) for mesh in contents.get("meshes", [])]
    shown: list[int] = [meshes[node["mesh"]] for node in nodes if "mesh" in node]
    return sum(shown)


def _count_mesh(contents: Tree, mesh: Tree) -> int:
    count = 0
    for primitive in mesh["primitives"]:
        if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
            raise NotTaken("holds lines, points or strips", "export it as triangles")
        corners = primitive.get("indices", primitive["attributes"]["POSITION"])
        number = contents["accessors"][corners]["count"]
        if not isinstance(number, int) or number < 0:
            raise NotTaken(f"says that it has {number!r} corners"[:100])
        count += number // 3
    return count
