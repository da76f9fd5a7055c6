"""The node's state as the answers that people read."""

from collections.abc import Mapping

from commonfab.protocol.ids import NodeId
from commonfab.protocol.lease import attempts, slots
from commonfab.protocol.lease.attempts import JobState, OrderState
from commonfab.protocol.lease.slots import Slot
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Machine, Order, Place, Record, Stock
from commonfab.scheduler.places import metres_between
from commonfab.storage.cid import CID

from ..answers.node import (
    AttemptLine,
    DesignLine,
    JobLine,
    MachineNow,
    OrderLine,
    PartLine,
    TrafficLine,
)
from ..library import Library
from ..machines import week
from ..machines.port import Condition
from ..network.metering import Moved

_JOB_STATES: dict[type, str] = {
    attempts.Waiting: "waiting",
    attempts.Asking: "asking",
    attempts.Accepting: "accepting",
    attempts.Leased: "leased",
    attempts.Granted: "granted",
    attempts.Done: "done",
    attempts.Dropped: "dropped",
}


def traffic_lines(moved: Mapping[str, Moved]) -> list[TrafficLine]:
    return [
        TrafficLine(kind=kind, bytes_in=each.bytes_in, bytes_out=each.bytes_out)
        for kind, each in moved.items()
    ]


def design_line(record: Record, library: Library, *, is_here: bool) -> DesignLine:
    design = record.body
    assert isinstance(design, Design)
    return DesignLine(
        id=record.id.hex(),
        name=design.name,
        version=design.version,
        licence=design.licence,
        licensor=design.licensor,
        function=design.function,
        author=peer_text(record.author),
        author_name=library.name_of(record.author),
        root=str(CID.from_bytes(design.root)),
        at=design.at,
        size_bytes=design.size_bytes,
        parts=[
            PartLine(
                name=part.name,
                file=part.file,
                process=part.process,
                material=part.material,
                pieces=part.pieces,
                bbox_um=part.bbox_um,
                volume_mm3=part.volume_mm3,
                watertight=part.watertight,
                seconds=part.seconds,
                mass_mg=part.mass_mg,
            )
            for part in design.parts
        ],
        picture=design.picture,
        is_here=is_here,
        denied=library.why_denied(record),
        language=design.language,
        made=library.designs.made(record.id),
    )


def machine_now(
    machine: Machine,
    driver: str,
    condition: Condition,
    held: list[Slot],
    utc_offset_minutes: int,
) -> MachineNow:
    """`held`: the slots that are alive on this machine, earliest first. The offset is that of
    the clocks of the place."""
    running = next((s for s in held if isinstance(s.state, slots.Running)), None)
    waiting = sum(isinstance(s.state, slots.Leased | slots.Ready) for s in held)
    job = ""
    if running is not None:
        asked = running.asked
        job = f"{asked.pieces} x {asked.part.name}, order {asked.order.hex()[:8]}"
    return MachineNow(
        id=machine.id,
        process=machine.process,
        model=machine.model,
        driver=driver,
        volume_um=machine.volume_um,
        materials=[_stock_text(stock) for stock in machine.stock],
        state=condition.state,
        job=job,
        permille=condition.permille if running else 0,
        free_at=machine.free_at,
        queue=waiting,
        takes_jobs=machine.takes_jobs,
        nozzle_um=machine.nozzle_um,
        tolerance_um=machine.tolerance_um,
        temperature_c=machine.temperature_c,
        hours=week.in_words(machine.hours, utc_offset_minutes),
        attended=week.in_words(machine.attended, utc_offset_minutes),
    )


def _stock_text(stock: Stock) -> str:
    lot = f", lot {stock.lot}" if stock.lot else ""
    recycled = f", {stock.recycled_permille / 10:g} % recycled" if stock.recycled_permille else ""
    return f"{stock.material} {stock.mass_mg // 1000} g{lot}{recycled}"


def order_line(state: OrderState, library: Library) -> OrderLine:
    order = state.order
    return OrderLine(
        id=order.order.hex(),
        design=order.design.hex(),
        design_name=state.design.name,
        quantity=order.quantity,
        lat=order.place.lat_udeg / 1e6,
        lon=order.place.lon_udeg / 1e6,
        by=order.by,
        at=order.at,
        state=_order_state(state),
        pieces_wanted=sum(job.pieces for job in order.jobs),
        pieces_made=state.pieces_made(),
        pieces_surplus=state.surplus(),
        jobs=[_job_line(job, order, library) for job in state.jobs],
        profile=order.profile,
    )


def _order_state(state: OrderState) -> str:
    if state.is_cancelled:
        return "cancelled"
    return "done" if state.is_over() else "open"


def _job_line(job: JobState, order: Order, library: Library) -> JobLine:
    state = job.state
    reason = state.reason if isinstance(state, attempts.Waiting) else ""
    return JobLine(
        index=job.index,
        part=job.part.name,
        pieces_left=job.pieces,
        state=_JOB_STATES[type(state)],
        permille=state.permille if isinstance(state, attempts.Granted) else 0,
        reason=reason,
        attempts=[_attempt_line(attempt, order.place, library) for attempt in job.attempts],
    )


def _attempt_line(attempt: attempts.Attempt, to: Place, library: Library) -> AttemptLine:
    """Say what was promised, or what was used where the owner has reported."""
    offer, receipt = attempt.offer, attempt.receipt
    said = receipt or offer
    return AttemptLine(
        epoch=attempt.epoch,
        pieces=attempt.pieces,
        owner=peer_text(attempt.owner),
        owner_name=library.name_of(attempt.owner),
        machine=offer.machine,
        start=offer.start,
        end=receipt.ended if receipt else offer.end,
        outcome=attempt.outcome,
        made=attempt.made,
        km=round(km_from(attempt.owner, to, library), 1),
        price_minor=said.price_minor,
        currency=said.currency,
        machine_seconds=said.machine_seconds,
        mass_mg=said.mass_mg,
        energy_mwh=said.energy_mwh,
        co2e_mg=said.co2e_mg,
        basis=offer.basis,
        reason=attempt.reason,
    )


def km_from(owner: NodeId, to: Place, library: Library) -> float:
    """Return the distance from a workshop as others know it; 0 where it is not known."""
    workshop = library.workshops.get(owner)
    return metres_between(workshop.place, to) / 1000 if workshop else 0.0
