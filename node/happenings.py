"""Which kept records a person may want to hear of, and in which words."""

from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import (
    Design,
    Grant,
    Lease,
    Order,
    Receipt,
    Record,
    Release,
    Request,
    Workshop,
)

from .journal import Journal
from .library import Library


def tell_kept(record: Record, me: NodeId, library: Library, journal: Journal) -> None:
    """Tell the journal of a record that is on the disk now."""
    mine = record.author == me
    who = library.name_of(record.author) or peer_text(record.author)[-8:]
    match record.body:
        case Design() as design:
            journal.tell("design_new", name=design.name, version=design.version, author=who)
        case Workshop() as workshop if not mine:
            journal.tell("workshop_new", name=workshop.name)
        case Order() as order:
            what = "order_cancelled" if order.cancelled else "order_placed"
            journal.tell(what, order=order.order.hex(), jobs=len(order.jobs))
        case Request() as request if mine:
            to = library.name_of(NodeId(request.to))
            journal.tell("asked", job=request.job, epoch=request.epoch, owner=to)
        case Lease() as lease:
            journal.tell(
                "lease_given" if mine else "lease",
                machine=lease.machine,
                job=lease.job,
                epoch=lease.epoch,
                owner=who,
            )
        case Grant() as grant if mine:
            to = library.name_of(NodeId(grant.to))
            journal.tell("grant", job=grant.job, epoch=grant.epoch, owner=to)
        case Release() as release:
            journal.tell("released", by=who, reason=release.reason)
        case Receipt(statement="made" | "failed") as receipt if not mine:
            journal.tell(
                "receipt",
                owner=who,
                statement=receipt.statement,
                pieces=receipt.pieces,
                reason=receipt.reason,
            )
        case _:
            pass
