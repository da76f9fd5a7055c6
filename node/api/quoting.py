"""What the command line can ask about prices: what making a design would take, and where.

For this node's own machines the numbers are those of its offers: sliced, or as the design
says, by the tariff, corrected by finished jobs; where a machine has a slicer but has not
sliced the part yet, estimated from the mesh under its profile. For others they are what
their capacity records say; their own offers may differ.
"""

import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from msgspec import structs

from commonfab.protocol.author import Head
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.slots import Quote
from commonfab.protocol.limits import GRACE_MS_MIN
from commonfab.protocol.records import Capacity, Design, Machine, Part, Record, Request
from commonfab.scheduler import residuals
from commonfab.scheduler.batches.plates import most_on
from commonfab.scheduler.estimate import FFF_PRINTING, NoEstimate, estimate
from commonfab.scheduler.geometry import MeshFacts
from commonfab.scheduler.paces import nearest
from commonfab.scheduler.quote import Quoter
from commonfab.scheduler.terms import PLAIN, Tariff, Terms
from commonfab.scheduler.tracks import Profile
from commonfab.storage.cid import CID

from .. import clock
from ..answers.quotes import PartQuote, Quoted, QuoteWanted
from ..control.server import Progress
from ..machines.settings import Machine as Configured
from ..manifests.okh import is_mesh
from ..meshes import measuring
from ..node import Node
from ..ordering import check_order
from ..slicing.profiles import profile_of
from ..slicing.slicing import profile_for
from .bundles import find_peer

SLICED_WITHIN = (0.9, 1.15)
"""Of a sliced time, before a machine has finished jobs: order of magnitude."""
_BED_MM2_MIN = 50
_OVERHANG_MM2_MAX = 100
_PLAIN_PACE = nearest(Profile().layer_mm)

Fetch = Callable[[Record, Progress], Awaitable[None]]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What a job is expected to take, and how surely."""

    seconds: Fraction
    """For all pieces, on this machine."""
    mass_mg: int
    basis: str
    seconds_within: Range
    mass_within: Range
    plates: int = 0
    tariff: Tariff = PLAIN
    risks: tuple[str, ...] = ()


class QuotingApi:
    """Answers for one node."""

    def __init__(
        self, node: Node, find_design: Callable[[str], Awaitable[Record]], fetch: Fetch
    ) -> None:
        self._node = node
        self._find_design = find_design
        self._fetch = fetch

    async def quote(self, params: QuoteWanted, progress: Progress) -> Quoted:
        """Return a line for each part on each machine that is asked about."""
        now = clock.now()
        check_order(params.quantity, 0, now)
        record = await self._find_design(params.design)
        self._node.denying.check(record)
        assert isinstance(record.body, Design)
        machines = self._machines(params)
        is_own = any(owner == self._node.me for owner, _ in machines)
        if is_own:
            await self._fetch(record, progress)
        lines: list[PartQuote] = []
        for part in record.body.parts:
            await progress({"step": "quoting", "part": part.name})
            facts = await self._facts(record, part) if is_own else None
            request = self._request(record, part, part.pieces * params.quantity, now)
            for owner, capacity in machines:
                lines.append(await self._line(owner, capacity, request, facts, params))
        return Quoted(design=record.body.name, quantity=params.quantity, quotes=tuple(lines))

    def _machines(self, params: QuoteWanted) -> list[tuple[NodeId, Capacity]]:
        """Return capacity records with one machine each. Raises `UsageError` if there is none."""
        node, now = self._node, clock.now()
        own = node.fleet.capacity(Head(stream="capacity", seq=1, at=now))
        me = (node.me, own)
        if params.workshop:
            there = find_peer(node, params.workshop)
            chosen = list(self._known([there]))
        elif params.machine or (own.machines and not params.everywhere):
            chosen = [me]
        else:
            chosen = [me, *self._known(node.library.workshops)]
        singles = [
            (owner, structs.replace(capacity, machines=(machine,)))
            for owner, capacity in chosen
            for machine in capacity.machines
            if params.machine in ("", machine.id)
        ]
        if not singles and params.machine:
            there_are = ", ".join(machine.id for machine in own.machines) or "none"
            raise UsageError(f"{params.machine}: no such machine here; there are: {there_are}")
        if not singles:
            raise UsageError("no machine is known here; add one, or meet others: commonfab pair")
        return singles

    def _known(self, owners: Iterable[NodeId]) -> Iterator[tuple[NodeId, Capacity]]:
        for owner in owners:
            record = self._node.library.newest(owner, "capacity")
            if owner != self._node.me and record is not None:
                assert isinstance(record.body, Capacity)
                yield owner, record.body

    def _request(self, record: Record, part: Part, pieces: int, now: Timestamp) -> Request:
        return Request(
            stream="request",
            seq=1,
            at=now,
            to=self._node.me,
            order=bytes(16),
            job=0,
            epoch=1,
            design=record.id,
            part=part,
            pieces=pieces,
            grace_ms=GRACE_MS_MIN,
        )

    async def _facts(self, record: Record, part: Part) -> MeshFacts | None:
        """Return what is measured on a part whose file is here; None of any other."""
        assert isinstance(record.body, Design)
        root = CID.from_bytes(record.body.root)
        if not is_mesh(part.file) or not self._node.shelf.is_whole(root):
            return None
        with tempfile.TemporaryDirectory(prefix="commonfab-") as folder:
            target = Path(folder, "part" + Path(part.file).suffix)
            await self._node.shelf.export_file(root, part.file, target)
            return await measuring.measure_mesh(target)

    async def _line(
        self,
        owner: NodeId,
        capacity: Capacity,
        request: Request,
        facts: MeshFacts | None,
        params: QuoteWanted,
    ) -> PartQuote:
        node, machine = self._node, capacity.machines[0]
        configured = node.fleet.machine(machine.id) if owner == node.me else None
        if configured is None:
            base = _told(machine, request)
        else:
            base = await self._own(configured, request, facts, params)
        quotes = [_quote(capacity, request, base, scale) for scale in (None, 0, 1)]
        line = PartQuote(
            part=request.part.name,
            pieces=request.pieces,
            workshop=node.library.name_of(owner),
            machine=machine.id,
        )
        best, low, high = quotes
        if isinstance(best, str) or isinstance(low, str) or isinstance(high, str):
            said = next(quote for quote in quotes if isinstance(quote, str))
            return structs.replace(line, why_not=said.removeprefix(f"{machine.id} "))
        return structs.replace(
            line,
            plates=base.plates,
            seconds=best.machine_seconds,
            seconds_range=(low.machine_seconds, high.machine_seconds),
            mass_mg=best.mass_mg,
            mass_range=(low.mass_mg, high.mass_mg),
            energy_mwh=best.energy_mwh,
            co2e_mg=best.co2e_mg,
            price_minor=best.price_minor,
            price_range=(low.price_minor, high.price_minor),
            currency=best.currency,
            basis=base.basis,
            risks=base.risks,
        )

    async def _own(
        self,
        machine: Configured,
        request: Request,
        facts: MeshFacts | None,
        params: QuoteWanted,
    ) -> _Base:
        experience, part, pieces = self._node.fleet.experience, request.part, request.pieces
        sliced = experience.known(machine, request.design, part, pieces)
        if params.slice and machine.slicer is not None and not sliced:
            sliced = await experience.slice(machine, request.design, part, pieces)
        ratios = experience.ratios(machine.id, part.material)
        seconds, mass_mg = experience.expected(machine, part, pieces, sliced)
        basis, within = "the design says", (_PLAIN_PACE.seconds_within, _PLAIN_PACE.mass_within)
        if sliced:
            basis, within = "sliced", (SLICED_WITHIN, (1.0, 1.0))
        guess = None if sliced else _estimate(machine, part, facts)
        if guess is not None:
            basis = "mesh"
            seconds, mass_mg, within = guess
            seconds *= pieces
            seconds *= Fraction(residuals.factor(ratios.seconds)).limit_denominator(1000)
            mass_mg = round(mass_mg * pieces * residuals.factor(ratios.mass))
        if ratios.seconds:
            count = len(ratios.seconds)
            basis += f", corrected by {count} job{'s' if count > 1 else ''}"
        on_one = most_on(part.bbox_um[:2], machine.volume_um[:2])
        return _Base(
            seconds=seconds,
            mass_mg=mass_mg,
            basis=basis,
            seconds_within=_around(ratios.seconds, within[0]),
            mass_within=_around(ratios.mass, within[1]),
            plates=sum(count for _, count in sliced) or -(-pieces // max(1, on_one)),
            tariff=machine.tariff.terms(),
            risks=_risks(machine, facts),
        )


def _around(ratios: list[float], before: Range) -> Range:
    """Return the parts of the corrected value between which eight of ten jobs lie."""
    low, high = residuals.within(ratios, before)
    moved = residuals.factor(ratios)
    return low / moved, high / moved


def _estimate(
    machine: Configured, part: Part, facts: MeshFacts | None
) -> tuple[Fraction, int, tuple[Range, Range]] | None:
    """Return time and mass of one piece under the machine's own profile, if it has one."""
    if facts is None or machine.slicer is None or machine.process != FFF_PRINTING:
        return None
    flat = profile_for(machine.slicer, part.material).decode(errors="replace")
    if not flat:
        return None
    profile = profile_of(flat, supports=machine.slicer.supports)
    try:
        guess = estimate(facts, process=part.process, material=part.material, profile=profile)
    except NoEstimate:
        return None
    within = (
        (guess.seconds_range[0] / guess.seconds, guess.seconds_range[1] / guess.seconds),
        (guess.mass_range[0] / guess.mass_mg, guess.mass_range[1] / guess.mass_mg),
    )
    return Fraction(guess.seconds * 1000, machine.speed_permille), guess.mass_mg, within


def _told(machine: Machine, request: Request) -> _Base:
    """Return what a job takes on another's machine, as its record and the part's say."""
    part, pieces = request.part, request.pieces
    return _Base(
        seconds=Fraction(pieces * part.seconds * 1000, machine.speed_permille),
        mass_mg=pieces * part.mass_mg,
        basis="the design says",
        seconds_within=_PLAIN_PACE.seconds_within,
        mass_within=_PLAIN_PACE.mass_within,
    )


def _quote(capacity: Capacity, request: Request, base: _Base, end: int | None) -> Quote | str:
    """Return the quote at one end of the ranges, or with None between them."""
    seconds, mass_mg = base.seconds, base.mass_mg
    if end is not None:
        seconds *= Fraction(base.seconds_within[end]).limit_denominator(1000)
        mass_mg = round(mass_mg * base.mass_within[end])
    terms = Terms(tariff=base.tariff, seconds=seconds, mass_mg=mass_mg)
    quotes = Quoter(capacity, None, lambda _machine, _request: terms).quote(
        request, Timestamp(request.at), NodeId(request.to)
    )
    return quotes if isinstance(quotes, str) else quotes[0]


def _risks(machine: Configured, facts: MeshFacts | None) -> tuple[str, ...]:
    """Return in words what may go wrong with a part as it stands."""
    if facts is None or machine.process != FFF_PRINTING:
        return ()
    said: list[str] = []
    if facts.bed_mm2 < _BED_MM2_MIN:
        said.append(f"it stands on {facts.bed_mm2} mm2 only, and may come loose")
    supported = machine.slicer is not None and machine.slicer.supports
    if facts.overhang_mm2 > _OVERHANG_MM2_MAX and not supported:
        said.append(f"it hangs over on {facts.overhang_mm2} mm2, and gets no supports")
    if not facts.watertight:
        said.append("its mesh is not watertight")
    return tuple(said)
