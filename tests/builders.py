"""Records of every kind, signed and valid by default: a test names only what it is about.

Alice buys, Bob has the workshop. A letter that answers another takes what it needs from it.
The changes are the fields of the record's body, which checks them.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, Literal, TypeVar

from msgspec import structs

from commonfab.protocol.body import Body
from commonfab.protocol.envelope import Signer
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.windows import length_of, start_by
from commonfab.protocol.limits import (
    CAPACITY_TERM_MS_MAX,
    DAY_MS,
    REQUEST_TERM_MS,
    WINDOW_KNOWN_MS,
)
from commonfab.protocol.records import (
    Acceptance,
    Capacity,
    Design,
    Evidence,
    Grant,
    Job,
    Lease,
    Machine,
    Offer,
    Order,
    Origin,
    Part,
    Place,
    Progress,
    Receipt,
    Record,
    Refusal,
    Release,
    Request,
    Stock,
    Window,
    Workshop,
    sign,
)
from commonfab.protocol.statements import Denial, Denylist, Revocation, Vouch
from tests.protocol.signers import ALICE, BOB, CAROL

NOON = Timestamp(1_795_000_000_000)
SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
GRACE_MS = 30 * SECOND_MS
WINDOW_MS = 10 * MINUTE_MS
PRINTING, PLA = "fff-printing", "PLA"
LISBON = Place(lat_udeg=38_722_000, lon_udeg=-9_139_000)
ORDER = b"order number one"

_places = count(1)

T = TypeVar("T", bound=Body)


def later(ms: int) -> Timestamp:
    return Timestamp(NOON + ms)


def body_of(record: Record, kind: type[T]) -> T:
    assert isinstance(record.body, kind)
    return record.body


def changed(record: Record, by: Signer, **changes: Any) -> Record:
    """Return what `by` signs when the record says something else."""
    return sign(structs.replace(record.body, **changes), by)


def _head(stream: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what each body begins with; no two records of the tests share a place."""
    return {"stream": stream, "seq": next(_places), "at": NOON} | changes


# Public records.


def a_part(**changes: Any) -> Part:
    fields: dict[str, Any] = {
        "name": "bracket",
        "file": "bracket.stl",
        "process": PRINTING,
        "material": PLA,
        "bbox_um": (60_000, 40_000, 20_000),
        "volume_mm3": 20_000,
        "area_mm2": 9_000,
        "watertight": True,
        "seconds": 60,
        "mass_mg": 25_000,
    }
    return Part(**fields | changes)


def a_design(by: Signer = ALICE, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "name": "Bracket",
        "version": "1",
        "licence": "CERN-OHL-S-2.0",
        "licensor": "Alice",
        "function": "holds a shelf",
        "root": b"\x01\x55\x12\x20" + bytes(32),
        "manifest": "okh.toml",
        "parts": (a_part(),),
        "size_bytes": 1000,
    }
    return sign(Design(**_head("design/bracket", fields | changes)), by)


def a_fork_of(design: Record) -> Origin:
    return Origin(design=design.id, relation="fork")


def a_workshop(by: Signer = BOB, **changes: Any) -> Record:
    fields = {"name": "Bob's workshop", "place": LISBON}
    return sign(Workshop(**_head("workshop", fields | changes)), by)


def a_machine(**changes: Any) -> Machine:
    fields: dict[str, Any] = {
        "id": "mk3",
        "process": PRINTING,
        "volume_um": (250_000, 210_000, 210_000),
        "stock": (Stock(material=PLA, mass_mg=5_000_000, price_minor_per_kg=2_000),),
        "price_minor_per_hour": 150,
        "power_w": 100,
        "free_at": 0,
    }
    return Machine(**fields | changes)


def a_capacity(by: Signer = BOB, *, machines: tuple[Machine, ...] = (), **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "currency": "EUR",
        "grid_g_per_kwh": 300,
        "machines": machines or (a_machine(),),
    }
    head = _head("capacity", fields | changes)
    head.setdefault("until", head["at"] + CAPACITY_TERM_MS_MAX)
    return sign(Capacity(**head), by)


def a_revocation(by: Signer = BOB, **changes: Any) -> Record:
    fields = {"since": NOON, "reason": "the key was stolen"}
    return sign(Revocation(**_head("revocation", fields | changes)), by)


def a_vouch(by: Signer = ALICE, *, subject: NodeId = BOB.node, **changes: Any) -> Record:
    fields: dict[str, Any] = {"subject": subject, "weight_permille": 1000, "reason": "good work"}
    head = _head(f"vouch/{subject.hex()}", fields | changes)
    head.setdefault("until", head["at"] + DAY_MS)
    return sign(Vouch(**head), by)


def a_denial(what: Literal["author", "design", "root"], name: bytes, reason: str = "") -> Denial:
    return Denial(what=what, name=name, reason=reason)


def a_denylist(*entries: Denial, by: Signer = CAROL, **changes: Any) -> Record:
    return sign(Denylist(**_head("denylist", {"entries": entries} | changes)), by)


# An order, and a buyer's letters.


def an_order(
    design: Record, by: Signer = ALICE, *, jobs: tuple[int, ...] = (4,), **changes: Any
) -> Record:
    """`jobs`: the pieces of each, all of the design's first part."""
    part = body_of(design, Design).parts[0].name
    fields: dict[str, Any] = {
        "order": ORDER,
        "design": design.id,
        "quantity": max(1, sum(jobs)),
        "place": LISBON,
        "jobs": tuple(Job(part=part, pieces=pieces) for pieces in jobs),
        "grace_ms": GRACE_MS,
    }
    return sign(Order(**_head("order", fields | changes)), by)


def a_request(by: Signer = ALICE, *, to: NodeId = BOB.node, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "to": to,
        "order": ORDER,
        "job": 0,
        "epoch": 1,
        "design": bytes(32),
        "part": a_part(),
        "pieces": 4,
        "grace_ms": GRACE_MS,
    }
    head = _head("request", fields | changes)
    head.setdefault("until", head["at"] + REQUEST_TERM_MS)
    return sign(Request(**head), by)


def an_acceptance(offer: Record, /, by: Signer = ALICE, **changes: Any) -> Record:
    fields = {"to": offer.author, "offer": offer.id}
    return sign(Acceptance(**_head("acceptance", fields | changes)), by)


def a_grant(lease: Record, /, by: Signer = ALICE, **changes: Any) -> Record:
    body = body_of(lease, Lease)
    fields: dict[str, Any] = {
        "to": lease.author,
        "lease": lease.id,
        "use_by": body.start_by,
        "order": body.order,
        "job": body.job,
        "epoch": body.epoch,
    }
    return sign(Grant(**_head("grant", fields | changes)), by)


def a_confirmation(receipt: Record, /, by: Signer = ALICE, **changes: Any) -> Record:
    body = body_of(receipt, Receipt)
    fields: dict[str, Any] = {
        "to": receipt.author,
        "lease": body.lease,
        "statement": "confirmed",
        "about": receipt.id,
        "epoch": body.epoch,
        "pieces": body.pieces,
    }
    return sign(Receipt(**_head("receipt/confirmed", fields | changes)), by)


# An owner's letters.


def an_offer(
    request: Record, /, by: Signer = BOB, *, window_ms: int = WINDOW_MS, **changes: Any
) -> Record:
    at = changes.get("at", NOON)
    fields: dict[str, Any] = {
        "to": request.author,
        "request": request.id,
        "machine": "mk3",
        "start": at,
        "end": at + window_ms,
        "held_until": at + 10 * SECOND_MS,
        "price_minor": 250,
        "currency": "EUR",
        "machine_seconds": 600,
        "mass_mg": 100_000,
        "energy_mwh": 16_667,
        "co2e_mg": 5_000,
    }
    return sign(Offer(**_head("offer", fields | changes)), by)


def a_lease(
    request: Record, offer: Record, acceptance: Record, /, by: Signer = BOB, **changes: Any
) -> Record:
    asked, offered = body_of(request, Request), body_of(offer, Offer)
    place = {name: changes[name] for name in ("seq", "at") if name in changes}
    fields: dict[str, Any] = {
        "to": acceptance.author,
        "acceptance": acceptance.id,
        "request": request.id,
        "order": asked.order,
        "job": asked.job,
        "epoch": asked.epoch,
        "machine": offered.machine,
        "start": offered.start,
        "start_by": start_by(offered, asked.grace_ms, asked.patience_ms),
        "end": offered.end,
        "length_ms": offered.length_ms,
        "window": a_window(offer, acceptance, by, **place).data,
    }
    return sign(Lease(**_head(f"lease/{offered.machine}", fields | changes)), by)


def a_window(offer: Record, acceptance: Record, /, by: Signer = BOB, **changes: Any) -> Record:
    """Return the public half of a lease."""
    offered = body_of(offer, Offer)
    fields: dict[str, Any] = {
        "machine": offered.machine,
        "start": offered.start,
        "end": offered.end,
        "length_ms": length_of(offered),
        "acceptance": acceptance.id,
        "until": changes.get("end", offered.end) + WINDOW_KNOWN_MS,
    }
    return sign(Window(**_head(f"window/{offered.machine}", fields | changes)), by)


def a_progress(lease: Record, /, by: Signer = BOB, **changes: Any) -> Record:
    fields: dict[str, Any] = {"to": body_of(lease, Lease).to, "lease": lease.id, "state": "ready"}
    return sign(Progress(**_head("progress", fields | changes)), by)


def a_receipt(lease: Record, /, by: Signer = BOB, **changes: Any) -> Record:
    body = body_of(lease, Lease)
    fields: dict[str, Any] = {
        "to": body.to,
        "lease": lease.id,
        "statement": "made",
        "epoch": body.epoch,
        "pieces": 4,
    }
    return sign(Receipt(**_head(f"receipt/{body.machine}", fields | changes)), by)


def a_refusal(about: Record, /, by: Signer = BOB, **changes: Any) -> Record:
    fields: dict[str, Any] = {"to": about.author, "about": about.id, "reason": "no time"}
    return sign(Refusal(**_head("refusal", fields | changes)), by)


# From either.


def an_evidence(by: Signer, papers: Sequence[Record], **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "to": CAROL.node,
        "order": ORDER,
        "papers": tuple(paper.data for paper in papers),
    }
    return sign(Evidence(**_head("evidence", fields | changes)), by)


def a_release(
    about: Record, /, by: Signer = ALICE, *, to: NodeId | None = None, **changes: Any
) -> Record:
    fields: dict[str, Any] = {
        "to": about.author if to is None else to,
        "about": about.id,
        "reason": "not wanted",
    }
    return sign(Release(**_head("release", fields | changes)), by)
