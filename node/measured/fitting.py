"""At the workshop: makes the mesh of one buyer's part, for as long as a machine works from it.

Why it cannot goes into a receipt, which is kept: no reason here holds a measure (MEASURES-5).
"""

import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from commonfab.protocol.errors import CommonfabError, UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Acceptance, Design, Lease, Record, Request
from commonfab.scheduler.geometry import MeshFacts
from commonfab.storage.cid import CID

from .. import sandbox
from ..designs.shelf import Shelf
from ..library import Library
from ..meshes import measuring
from . import generating
from .choosing import parameters_of
from .parameters import ParametersRefused, of_texts
from .secrets import Secrets, job_name

PROGRAMS = ("bwrap", "openscad")
"""What a workshop needs to generate parts."""
MORE_PERMILLE_MAX = 1400
"""Of the volume that an offer was made for: what a buyer's measures may come to."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A part as one buyer measured it, or why there is none."""

    fault: str = ""
    mesh: Path | None = None
    """Gone when the work is over. None: the part is as in the design's own file."""


class Fitting:
    """One for each node."""

    def __init__(
        self,
        library: Library,
        shelf: Shelf,
        secrets: Secrets,
        volume_um: Callable[[str], tuple[int, int, int]],
    ) -> None:
        """`volume_um`: the largest box that fits into one of this workshop's machines."""
        self._library = library
        self._shelf = shelf
        self._secrets = secrets
        self._volume_um = volume_um

    def key_for(self, request: Request, buyer: NodeId) -> bytes | str:
        """Return a one-time key for an offer, or in a sentence why no part is generated here."""
        why = why_not_here()
        if why:
            return f"This workshop makes nothing to measure: {why}."
        key = self._secrets.key_for(job_name(buyer, request.order, request.job, request.epoch))
        return key or "This workshop has too many offers open for parts that are made to measure."

    @asynccontextmanager
    async def fitted(self, lease: Record, request: Record) -> AsyncGenerator[Fitted]:
        """Yield a leased part, generated to measure where it is such a one. What was generated
        tells of a person as the measures do: it goes when this is left."""
        assert isinstance(request.body, Request)
        if not request.body.part.scad:
            yield Fitted()
            return
        with tempfile.TemporaryDirectory(prefix="commonfab-") as folder:
            mesh = Path(folder) / "part.stl"
            try:
                await self._generate(lease, request.body, Path(folder) / "design", mesh)
                fitted = Fitted(mesh=mesh)
            except CommonfabError as error:
                fitted = Fitted(f"cannot be made to measure: {error}")
            yield fitted

    async def _generate(self, lease: Record, request: Request, folder: Path, mesh: Path) -> None:
        assert isinstance(lease.body, Lease)
        record = self._library.designs.get(RecordId(request.design))
        taken = self._library.record(RecordId(lease.body.acceptance))
        if record is None or taken is None:
            raise UsageError("its design or its acceptance is not here any more")
        assert isinstance(record.body, Design)
        assert isinstance(taken.body, Acceptance)
        if taken.body.measures is None:
            raise UsageError("the buyer did not say its measures")
        name = job_name(taken.author, request.order, request.job, request.epoch)
        values = of_texts(self._secrets.open(name, taken.body.measures))
        await self._shelf.export(CID.from_bytes(record.body.root), folder)
        parameters = await parameters_of(self._shelf, record.body, ())
        try:
            chosen = parameters.check(values)
        except ParametersRefused as error:
            raise UsageError("the measures break the design's own limits") from error
        try:
            await generating.generate(folder, request.part.scad, chosen, mesh)
        except generating.NotGenerated as error:
            raise UsageError("the design's source refuses these measures") from error
        facts = await measuring.measure_mesh(mesh)
        check_facts(facts, request.part.volume_mm3, self._volume_um(lease.body.machine))


def check_facts(facts: MeshFacts, example_mm3: int, room_um: tuple[int, int, int]) -> None:
    """Raise `UsageError` for a generated mesh that is no solid, or more than was promised."""
    if not facts.watertight:
        raise UsageError("what was generated is not watertight")
    if facts.volume_mm3 * 1000 > example_mm3 * MORE_PERMILLE_MAX:
        raise UsageError("these measures take much more material than the offer was made for")
    if any(need > has for need, has in zip(sorted(facts.bbox_um), sorted(room_um), strict=True)):
        raise UsageError("with these measures it does not fit the machine")


def why_not_here() -> str:
    """Return why this computer can generate no parts, or nothing if it can."""
    try:
        for program in PROGRAMS:
            sandbox.find_program(program)
    except sandbox.NoProgram as error:
        return str(error)
    return ""
