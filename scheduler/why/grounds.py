"""An explanation that anybody can check: with the signed records that it rests on, made anew.

What it takes from nobody's signature is the buyer's own: the weights, and how far each
workshop was trusted. Those are said in it, and used as they are said. Of a town of which
not all machines were told one by one, those that were are made anew, and the counts of
the others are not.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import TypeVar

import msgspec
from msgspec import Struct

from commonfab.protocol import envelope, records
from commonfab.protocol.body import Body
from commonfab.protocol.errors import Malformed, PeerError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.records import Capacity, Design, Order, Part, Record, Workshop

from ..last_words import lasting
from ..problem import Want
from ..view import CapacityView, Snapshot
from ..weights import Weights
from .explain import explain
from .explanation import Basis, Explanation, Source, Verdict

B = TypeVar("B", bound=Body)

WEIGHT_MAX = 1e15
"""More than anybody means: so no product of what is in a file leaves the range of a float."""
GROUNDS_BYTES_MAX = 64 << 20
"""The largest file that is looked at: an order of hundreds of jobs, each with its own town."""


class Grounds(Struct, frozen=True):
    """The explanations of an order's jobs, and all that they rest on."""

    jobs: tuple[Explanation, ...]
    records: tuple[bytes, ...]
    """As sealed by their authors; JSON has them as base64."""


class Finding(Struct, frozen=True):
    """What came of making one explanation anew."""

    job: int
    machines: int
    """How many were made anew."""
    counted: int
    """Those that were only counted, and so were not."""
    fault: str
    """What is wrong with it; empty: every word and number is the same."""


def basis(
    told: Explanation,
    order: Record,
    view: Snapshot,
    newest: Callable[[NodeId, str], Record | None],
) -> Basis:
    """Return what an explanation rests on. `view` is that in which it was made, and `newest`
    finds an author's newest record of a kind."""
    assert isinstance(order.body, Order)
    owners = dict.fromkeys(NodeId(bytes.fromhex(each.owner)) for each in _told(told))
    return Basis(
        order=order.id.hex(),
        design=order.body.design.hex(),
        sources=tuple(_source(owner, view, newest) for owner in owners),
    )


def names(basis: Basis) -> list[RecordId]:
    """Return the ids of all its records."""
    sources = (name for each in basis.sources for name in (each.capacity, each.workshop))
    return [RecordId(bytes.fromhex(n)) for n in (basis.order, basis.design, *sources) if n]


def check(grounds: Grounds) -> list[Finding]:
    """Make each explanation anew from its records, and return what came of it."""
    try:
        known = _opened(grounds.records)
    except PeerError as error:
        fault = f"a record in it is not to be believed: {error}"
        return [Finding(each.job, 0, each.left_out, fault) for each in grounds.jobs]
    return [_finding(told, known) for told in grounds.jobs]


def again(told: Explanation, known: Mapping[RecordId, Record]) -> Explanation:
    """Return the explanation as it follows from its records. Raises `Malformed` if they do not
    have what it speaks of."""
    found = told.basis
    if found is None:
        raise Malformed("it does not say what it rests on")
    if any(value > WEIGHT_MAX for value in _numbers(told.weights)):
        raise Malformed(f"a weight in it is above {WEIGHT_MAX:.0e}")
    want = _want(told, found, known)
    made = explain(_view(found, known).snapshot(), want, Timestamp(told.at), told.weights)
    return msgspec.structs.replace(made, job=told.job, basis=found)


def _finding(told: Explanation, known: Mapping[RecordId, Record]) -> Finding:
    try:
        made = again(told, known)
    except Malformed as error:
        return Finding(told.job, 0, told.left_out, str(error))
    if told.left_out:
        made = _counted_as(made, told)
    return Finding(told.job, len(_told(made)), told.left_out, _difference(told, made))


def _counted_as(made: Explanation, told: Explanation) -> Explanation:
    """Take over the counts of a town of which only a part is made anew."""
    return msgspec.structs.replace(
        made,
        machines=told.machines,
        fitting=told.fitting,
        left_out=told.left_out,
        obstacles=told.obstacles,
    )


def _difference(told: Explanation, made: Explanation) -> str:
    """Say where two explanations differ first; empty: they do not."""
    if told == made:
        return ""
    for said, found in zip(_told(told), _told(made), strict=False):
        if said != found:
            return f"{said.machine} at {said.workshop}: {_fields(said, found)}"
    return _fields(told, made)


def _fields(told: Struct, made: Struct) -> str:
    names = (name for name in told.__struct_fields__ if getattr(told, name) != getattr(made, name))
    return f"{', '.join(names)}: not what follows from its records"


def _told(told: Explanation) -> tuple[Verdict, ...]:
    return (*told.best, *told.others)


def _source(
    owner: NodeId, view: Snapshot, newest: Callable[[NodeId, str], Record | None]
) -> Source:
    capacity, workshop = newest(owner, "capacity"), newest(owner, "workshop")
    known = view.owners[owner]
    assert capacity is not None, "a machine in the view has a record"
    is_placed = known.place is not None and workshop is not None
    return Source(
        owner=owner.hex(),
        capacity=capacity.id.hex(),
        workshop=workshop.id.hex() if is_placed and workshop else "",
        standing=known.standing,
        tier=known.tier,
    )


def _opened(sealed: Iterable[bytes]) -> dict[RecordId, Record]:
    """Return what was signed, by id. Raises `PeerError` if it was not."""
    known: dict[RecordId, Record] = {}
    for data in sealed:
        opened = envelope.parse(data)
        opened.verify()
        known[opened.id] = records.read(opened)
    return known


def _find(known: Mapping[RecordId, Record], name: str, kind: type[B]) -> tuple[NodeId, B]:
    """Return who signed a record, and what it says."""
    try:
        record = known.get(RecordId(bytes.fromhex(name)))
    except ValueError:
        record = None
    if record is None or not isinstance(record.body, kind):
        raise Malformed(f"it rests on the {kind.__name__.lower()} {name[:8]}, which is not in it")
    return record.author, record.body


def _want(told: Explanation, found: Basis, known: Mapping[RecordId, Record]) -> Want:
    _, order = _find(known, found.order, Order)
    _, design = _find(known, found.design, Design)
    if order.design.hex() != found.design:
        raise Malformed("the order is for another design")
    job = order.jobs[told.job] if told.job < len(order.jobs) else None
    if job is None or job.part != told.part or job.pieces < told.pieces:
        raise Malformed(f"the order has no job {told.job + 1} for {told.pieces} x {told.part}")
    return Want(_part(design, told.part), told.pieces, order.place, order.by)


def _numbers(weights: Weights) -> list[float]:
    values = (getattr(weights, field.name) for field in fields(weights))
    return [value for value in values if isinstance(value, float | int)]


def _part(design: Design, name: str) -> Part:
    part = next((part for part in design.parts if part.name == name), None)
    if part is None:
        raise Malformed(f"the design has no part {name}")
    return part


def _view(found: Basis, known: Mapping[RecordId, Record]) -> CapacityView:
    view = CapacityView()
    _, order = _find(known, found.order, Order)
    for source in found.sources:
        author, capacity = _find(known, source.capacity, Capacity)
        if author.hex() != source.owner:
            raise Malformed(f"the capacity {source.capacity[:8]} is another workshop's")
        if source.workshop:
            placed, workshop = _find(known, source.workshop, Workshop)
            if placed != author:
                raise Malformed(f"the workshop {source.workshop[:8]} is another one")
            view.update_workshop(author, workshop)
        view.update_capacity(author, lasting(capacity) if order.patience_ms else capacity)
        view.set_standing(author, source.standing, source.tier)
    return view
