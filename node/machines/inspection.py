"""Before a machine runs: is the part that was fetched the one that was asked for?"""

import tempfile
from pathlib import Path

from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Design, Part
from commonfab.scheduler.geometry import MeshFacts
from commonfab.storage.cid import CID

from ..designs.shelf import Shelf
from ..manifests.okh import is_mesh
from ..meshes import measuring

_TOLERANCE = 0.005
"""Of a length or volume: two versions of the measuring may differ so much."""


async def inspect(shelf: Shelf, design: Design, part: Part, peers: list[NodeId]) -> None:
    """Fetch the design, measure the part, and return if it is what `part` says.

    Raises `UsageError` if it is not, `ResourceError` if it cannot be fetched now.
    """
    known = next((p for p in design.parts if p.name == part.name), None)
    if known is None:
        raise UsageError(f"{design.name} has no part {part.name!r}")
    if part.licence != known.licence:
        raise UsageError(
            f"{part.name} of {design.name} is under {known.licence or 'no licence that it says'},"
            f" not under {part.licence or 'none'}"
        )
    root = CID.from_bytes(design.root)
    await shelf.fetch(root, peers)
    if not is_mesh(known.file):
        return
    with tempfile.TemporaryDirectory(prefix="commonfab-") as folder:
        target = Path(folder) / ("part" + Path(known.file).suffix)
        await shelf.export_file(root, known.file, target)
        facts = await measuring.measure_mesh(target)
    fault = mismatch(part, facts)
    if fault is not None:
        raise UsageError(f"{known.file} is not what was asked for: {fault}")


def mismatch(part: Part, facts: MeshFacts) -> str | None:
    """Return in what way a mesh differs from what a record says of it, or None."""
    for axis, said, is_now in zip("xyz", part.bbox_um, facts.bbox_um, strict=True):
        if not _is_near(said, is_now):
            return f"{said / 1000:g} mm along {axis} were said, {is_now / 1000:g} mm measured"
    if not _is_near(part.volume_mm3, facts.volume_mm3):
        return f"{part.volume_mm3} mm3 were said, {facts.volume_mm3} mm3 measured"
    if part.watertight and not facts.watertight:
        return "it was said to be watertight"
    return None


def _is_near(said: int, measured: int) -> bool:
    return abs(said - measured) <= _TOLERANCE * max(said, measured) + 10


async def fault_of(shelf: Shelf, design: Design, part: Part, peers: list[NodeId]) -> str:
    """Return why the part cannot be made, or nothing if it can."""
    try:
        await inspect(shelf, design, part, peers)
    except (UsageError, ResourceError) as error:
        return str(error)
    except CommonfabError as error:
        return f"the design is damaged: {error}"
    return ""
