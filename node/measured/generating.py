"""Generates a part's mesh from its OpenSCAD source and what was chosen, in a cage.

The values reach the program as a file in memory, never on a command line, where others on
this computer could read them, and never on a disk.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from commonfab.protocol.errors import UsageError

from .. import sandbox
from .parameters import Value

LIMITS = sandbox.Limits(
    memory_bytes=2 << 30, processor_seconds=120, wall_seconds=240.0, made_bytes=64 << 20
)
"""Of OpenSCAD on one part: a frame of 100 x 50 mm with round edges takes 5 s."""
_SOURCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*\.scad")
_ASSERTION = re.compile(r"ERROR: Assertion .* failed: \"(.*)\"")
_CHOSEN = "chosen.scad"


class NotGenerated(UsageError):
    """A part cannot be generated from its source with these values."""


def check_source(source: str) -> None:
    """Raise `NotGenerated` for a name of a source that cannot be handed to OpenSCAD."""
    if not _SOURCE.fullmatch(source):
        raise NotGenerated(f"{source}: name a .scad file with plain letters and no spaces")


async def generate(folder: Path, source: str, values: Mapping[str, Value], mesh: Path) -> None:
    """Write the mesh of `source`, a file in a design's folder, as a new STL.

    What the source assigns at its top under a parameter's name is replaced. Raises
    `NotGenerated` with the design's own reason where it has one (`assert`), and `NoCage` or
    `NoProgram` where this computer cannot do it.
    """
    check_source(source)
    text = f"include </in/design/{source}>\n"
    text += "".join(f"{name} = {_literal(value)};\n" for name, value in values.items())
    try:
        await sandbox.run(
            ("openscad", "-o", f"/out/{mesh.name}", f"/in/{_CHOSEN}"),
            reads={_CHOSEN: text.encode(), "design": folder},
            makes=mesh,
            limits=LIMITS,
        )
    except sandbox.ProgramFailed as failure:
        said = _ASSERTION.search(failure.err.decode(errors="replace"))
        why = said[1][:300] if said else failure.what
        raise NotGenerated(f"{source}: {why}") from failure


def _literal(value: Value) -> str:
    """Return a value as OpenSCAD writes it; for numbers, texts and truth values JSON does."""
    return json.dumps(value, ensure_ascii=False)
