"""What this workshop knows of jobs on its own machines: slices, and how earlier ones went.

An offer rests on the best that is there: the part sliced for this machine, or what its
record says; both corrected by the jobs that this machine has finished in that material.
"""

from dataclasses import replace
from fractions import Fraction

import msgspec

from commonfab.protocol.ids import RecordId
from commonfab.protocol.records import Design, Offer, Part, Request
from commonfab.scheduler import residuals
from commonfab.scheduler.batches.plates import most_on
from commonfab.scheduler.terms import Terms
from commonfab.storage.cid import CID

from ..library import Library
from ..slicing.slicing import Sliced, Slicing, Wish, plates
from .port import Outcome
from .settings import Machine

Plates = tuple[tuple[Sliced, int], ...]
"""Programs of a job, and how many plates of each."""


class Ratios(msgspec.Struct):
    """What finished jobs took over what was quoted, the oldest first."""

    seconds: list[float] = []
    mass: list[float] = []


class Experience:
    """One for each node."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.slicing: Slicing | None = None
        """Set once, where this node has a shelf to slice from."""

    def ratios(self, machine: str, material: str) -> Ratios:
        data = self._library.note(_note_key(machine, material))
        return msgspec.msgpack.decode(data, type=Ratios) if data else Ratios()

    def terms(self, machine: Machine, request: Request) -> Terms:
        """Return what an offer of this machine rests on."""
        sliced = self.known(machine, request.design, request.part, request.pieces)
        seconds, mass_mg = self.expected(machine, request.part, request.pieces, sliced)
        return Terms(tariff=machine.tariff.terms(), seconds=seconds, mass_mg=mass_mg)

    def expected(
        self, machine: Machine, part: Part, pieces: int, sliced: Plates
    ) -> tuple[Fraction, int]:
        """Return machine time and material of a job, corrected by earlier ones."""
        if sliced:
            seconds = Fraction(sum(plate.seconds * count for plate, count in sliced))
            mass_mg = sum(plate.mass_mg * count for plate, count in sliced)
        else:
            seconds = Fraction(pieces * part.seconds * 1000, machine.speed_permille)
            mass_mg = pieces * part.mass_mg
        ratios = self.ratios(machine.id, part.material)
        return (
            seconds * _fraction(residuals.factor(ratios.seconds)),
            round(mass_mg * _fraction(residuals.factor(ratios.mass))),
        )

    def known(self, machine: Machine, design: bytes, part: Part, pieces: int) -> Plates:
        """Return the plates of a job, if all of them have been sliced before; else none."""
        if self.slicing is None:
            return ()
        wishes = self._wishes(machine, design, part, pieces)
        found = [(self.slicing.known(machine, wish), count) for wish, count in wishes]
        plates = tuple((sliced, count) for sliced, count in found if sliced is not None)
        return plates if len(plates) == len(wishes) else ()

    async def slice(self, machine: Machine, design: bytes, part: Part, pieces: int) -> Plates:
        """Return the plates of a job; none where this machine has no slicer. Raises as
        `Slicing.slice` does."""
        if self.slicing is None:
            return ()
        wishes = self._wishes(machine, design, part, pieces)
        made = [(await self.slicing.slice(machine, wish), count) for wish, count in wishes]
        return tuple(made)

    async def learn(self, machine: str, material: str, offered: Offer, outcome: Outcome) -> None:
        """Remember, durably, how a finished job compares with what was quoted for it."""
        if not outcome.made:
            return
        known = self.ratios(machine, material)
        for kept, took, quoted in (
            (known.seconds, outcome.machine_seconds, offered.machine_seconds),
            (known.mass, outcome.mass_mg, offered.mass_mg),
        ):
            # What was quoted had been corrected; what is kept compares with the quote before that.
            ratio = residuals.factor(kept) * took / quoted if quoted else 0.0
            if residuals.is_of_use(ratio):
                kept.append(ratio)
                del kept[: -residuals.KEPT_MAX]
        await self._library.keep_notes(
            {_note_key(machine, material): msgspec.msgpack.encode(known)}
        )

    def _wishes(
        self, machine: Machine, design: bytes, part: Part, pieces: int
    ) -> list[tuple[Wish, int]]:
        """Return what is to be sliced, and how many plates are alike."""
        record = self._library.designs.get(RecordId(design))
        if machine.slicer is None or record is None or part.scad:
            return []  # What is made to measure has no mesh in the design.
        assert isinstance(record.body, Design)
        on_one = most_on(part.bbox_um[:2], machine.volume_um[:2]) if machine.slicer.plates else 1
        whole = Wish(
            root=CID.from_bytes(record.body.root),
            file=part.file,
            material=part.material,
            supports=machine.slicer.supports,
        )
        return [
            (replace(whole, pieces=held), count) for held, count in plates(pieces, on_one).items()
        ]


def _fraction(factor: float) -> Fraction:
    """Return a factor to a thousandth, so that an offer's numbers have few digits."""
    return Fraction(round(factor * 1000), 1000)


def _note_key(machine: str, material: str) -> str:
    return f"residuals/{machine}/{material}"
