"""The pieces that this workshop made and nobody took: its stock, by its own receipts and what
their buyers confirmed (LEASE-32).

A receipt that nobody has confirmed yet is not among them: its buyer may still take all.
"""

from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Lease, Receipt, Record, Request

from .answers.surplus import SurplusLine
from .library import Library


def surplus(library: Library, me: NodeId) -> list[SurplusLine]:
    """Return the jobs with pieces that were not taken, the oldest first."""
    told: dict[bytes, Record] = {}
    taken: dict[bytes, int] = {}
    for record in library.stored({"receipt"}):
        receipt = record.body
        assert isinstance(receipt, Receipt)
        if receipt.statement != "confirmed":
            told[record.id] = record
        elif receipt.to == me and receipt.about:
            taken[receipt.about] = max(receipt.pieces, taken.get(receipt.about, 0))
    lines = (_line(library, told[about], taken[about]) for about in taken if about in told)
    return sorted((line for line in lines if line is not None), key=lambda line: line.at)


def _line(library: Library, told: Record, taken: int) -> SurplusLine | None:
    receipt = told.body
    assert isinstance(receipt, Receipt)
    left = receipt.pieces - taken
    lease = library.record(RecordId(receipt.lease))
    if left <= 0 or lease is None or not isinstance(lease.body, Lease):
        return None
    request = library.record(RecordId(lease.body.request))
    if request is None or not isinstance(request.body, Request):
        return None
    part = request.body.part
    design = library.record(RecordId(request.body.design))
    buyer = NodeId(receipt.to)
    return SurplusLine(
        lease=lease.id.hex(),
        buyer=peer_text(buyer),
        buyer_name=library.name_of(buyer),
        machine=lease.body.machine,
        part=part.name,
        design=request.body.design.hex(),
        design_name=design.body.name if design and isinstance(design.body, Design) else "",
        material=part.material,
        pieces=left,
        mass_mg=receipt.mass_mg * left // receipt.pieces,
        at=receipt.at,
    )
