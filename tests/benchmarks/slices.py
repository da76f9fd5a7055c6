"""Parts that a slicer has sliced under four profiles: what estimates are fitted to and held to."""

import importlib.metadata
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trio

from commonfab.node.slicing.bundle import Presets, load
from commonfab.node.slicing.profiles import profile_of
from commonfab.node.slicing.settings import Slicer
from commonfab.node.slicing.slicing import Wish, slice_file
from commonfab.protocol.errors import UsageError
from commonfab.scheduler.geometry import MeshFacts, measure, weld
from commonfab.scheduler.tracks import Profile
from commonfab.storage.cid import CID

BUNDLE = Path("/usr/share/PrusaSlicer/profiles/PrusaResearch.ini")
PRINTER = "Original Prusa i3 MK3S & MK3S+"
FILAMENT = "Generic PLA"
_ROOT = CID.parse("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")
DEVJONI = ("devj-musa-", "devj-palloframe-L10-", "devj-simpleled-")
"""Families of its models that no fit has seen."""
SIDE_MM_MAX = 160.0
SIDE_MM_MIN = 7.0


@dataclass(frozen=True)
class Way:
    """One of the four profiles."""

    name: str
    preset: str
    infill: str
    supports: bool = False

    def flat(self) -> str:
        presets = Presets(PRINTER, self.preset, FILAMENT)
        lines = load(BUNDLE).flatten(presets).splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("fill_density")]
        return "".join([*kept, f"fill_density = {self.infill}\n"])

    def profile(self) -> Profile:
        return profile_of(self.flat(), supports=self.supports)


WAYS = (
    Way("0.15 mm, 40 %", "0.15mm QUALITY @MK3", "40%"),
    Way("0.20 mm, 15 %", "0.20mm QUALITY @MK3", "15%"),
    Way("0.30 mm, 10 %", "0.30mm DRAFT @MK3", "10%"),
    Way("0.20 mm, supports", "0.20mm QUALITY @MK3", "15%", supports=True),
)


@dataclass(frozen=True)
class Sliced:
    """A part and what the slicer said of it."""

    name: str
    facts: MeshFacts
    seconds: int
    mass_mg: int


def held_out() -> Iterator[Path]:
    """Return installed models of which none was used for a fit, each family once in each size."""
    files = importlib.metadata.files("devjoni-stllib") or []
    models = sorted(Path(str(file.locate())) for file in files if file.suffix == ".stl")
    yield from (model for model in models if model.name.startswith(DEVJONI))
    yield from sorted(Path("/usr/share/PrusaSlicer/shapes").glob("*.stl"))
    yield from sorted(Path("/usr/share/openscad/examples").glob("*/*.stl"))


def read(path: Path) -> tuple[Any, MeshFacts] | None:
    """Return a part in a size that the printer holds; None of what is no printable solid: open,
    lower than 1 mm, or lighter than half a gram of PLA."""
    mesh = _trimesh().load_mesh(path)
    if not mesh.is_watertight or mesh.volume <= 0:
        return None
    longest = float(max(mesh.extents))
    if longest < SIDE_MM_MIN:
        _scale(mesh, 10.0)
    elif longest > SIDE_MM_MAX:
        _scale(mesh, SIDE_MM_MAX / longest)
    mesh.apply_translation(-mesh.bounds[0])
    facts = measure(*weld(np.array(mesh.vertices), np.array(mesh.faces)))
    is_tiny = facts.bbox_um[2] < 1000 or facts.volume_mm3 < 500 / 1.24
    return None if is_tiny else (mesh, facts)


def _trimesh() -> Any:
    import trimesh

    return trimesh  # Its annotations are partial.


def _scale(mesh: Any, by: float) -> None:
    mesh.apply_transform(np.diag([by, by, by, 1.0]))


async def sliced(paths: list[Path], way: Way, cache: Path) -> list[Sliced]:
    """Slice parts, or read what came of it before. Those that the slicer refuses are left out."""
    await trio.Path(cache).mkdir(parents=True, exist_ok=True)
    found: list[Sliced] = []
    for path in paths:
        part = read(path)
        if part is None:
            continue
        known = trio.Path(cache / f"{path.stem}.{WAYS.index(way)}.json")
        if not await known.exists():
            await known.write_text(json.dumps(await _slice(part[0], way)))
        seconds, mass_mg = json.loads(await known.read_text())
        if seconds:
            found.append(Sliced(path.stem, part[1], seconds, mass_mg))
    return found


async def _slice(mesh: Any, way: Way) -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "part.stl")
        mesh.export(model)
        wish = Wish(root=_ROOT, file="part.stl", material="PLA", supports=way.supports)
        slicer = Slicer(profile=str(BUNDLE))
        try:
            facts = await slice_file(
                slicer, model, way.flat().encode(), wish, Path(folder, "job.gcode")
            )
        except UsageError:
            return 0, 0
    return facts.seconds, facts.mass_mg
