"""Why an order's machines were chosen: kept when they are sought, with the records it rests on.

Capacity records live for minutes. Those of the machines that are told one by one are kept
beside the explanation, so that anybody who is given both can make it anew much later
(scheduler/why/grounds.py).
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct, structs

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, OrderId
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.records import Design, Order, Record
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.why.explanation import Explanation
from commonfab.scheduler.why.grounds import Grounds, basis, names

from . import clock
from .answers.node import Explained
from .library import Library

KEPT_BYTES_MAX = 8 << 20
"""Of one order's records; beyond it, only what the newest explanations rest on is kept."""


class _Kept(Struct):
    """What the explanations of an order's jobs rest on."""

    jobs: dict[int, list[bytes]] = {}
    """By job, the ids of records."""
    records: dict[bytes, bytes] = {}

    def replace(
        self, jobs: Mapping[int, list[bytes]], records: Mapping[bytes, bytes], bytes_max: int
    ) -> "_Kept":
        """Return what is kept when these jobs rest on other records."""
        resting = {**self.jobs, **jobs}
        everything = {**self.records, **records}
        named = {name for ids in resting.values() for name in ids}
        kept = {name: data for name, data in everything.items() if name in named}
        if sum(map(len, kept.values())) > bytes_max:
            return _Kept(dict(jobs), dict(records))
        return _Kept(resting, kept)


class Explaining:
    """One for each node."""

    def __init__(
        self,
        library: Library,
        planner: Planner,
        buyer: Buyer,
        kept_bytes_max: int = KEPT_BYTES_MAX,
    ) -> None:
        self._library = library
        self._planner = planner
        self._buyer = buyer
        self._kept_bytes_max = kept_bytes_max

    async def keep(self, order: Order, design: Design, jobs: Sequence[tuple[int, int]]) -> None:
        """Keep why the machines rank as they do for these (job, pieces), in place of what was
        kept of the same jobs before. Raises `ResourceError` if it cannot be kept."""
        signed = self._buyer.order(OrderId(order.order)).record
        view = self._library.view_for(order.patience_ms).snapshot()
        resting: dict[int, list[bytes]] = {}
        records: dict[bytes, bytes] = {}
        notes: dict[str, bytes] = {}

        def newest(author: NodeId, kind: str) -> Record | None:
            record = self._library.newest(author, kind)
            if record is not None:
                records[record.id] = record.data
            return record

        for told in self._planner.explain(order, design, jobs, clock.now()):
            found = basis(told, signed, view, newest)
            resting[told.job] = [bytes(name) for name in names(found)]
            whole = structs.replace(told, basis=found)
            notes[_note_key(order.order, told.job)] = msgspec.msgpack.encode(whole)
        kept = self._kept(order.order).replace(resting, records, self._kept_bytes_max)
        notes[_kept_key(order.order)] = msgspec.msgpack.encode(kept)
        await self._library.keep_notes(notes)

    def explained(self, order: Order) -> Explained:
        """Return why the machines ranked as they did when they were last sought for each job."""
        return Explained(order=order.order.hex(), jobs=self.told(order))

    def grounds(self, order: Order) -> Grounds:
        """Return the same with the records that it rests on. Raises `UsageError` if they are
        kept no more."""
        told = self.told(order)
        kept = self._kept(order.order)
        wanted = dict.fromkeys(name for each in told if each.basis for name in names(each.basis))
        records = [kept.records.get(name) or self._library.get(name) for name in wanted]
        missing = records.count(None)
        if missing:
            raise UsageError(
                f"order {order.order.hex()[:8]}: {missing} of the records that its explanation"
                " rests on are kept no more; what was asked last is told by: commonfab explain"
            )
        return Grounds(tuple(told), tuple(filter(None, records)))

    def told(self, order: Order) -> list[Explanation]:
        """Return the explanations of its jobs, as they were last made."""
        notes = (self._library.note(_note_key(order.order, job)) for job in range(len(order.jobs)))
        return [msgspec.msgpack.decode(note, type=Explanation) for note in notes if note]

    def _kept(self, order: bytes) -> _Kept:
        note = self._library.note(_kept_key(order))
        return msgspec.msgpack.decode(note, type=_Kept) if note else _Kept()


def _note_key(order: bytes, job: int) -> str:
    return f"explained/{order.hex()}/{job}"


def _kept_key(order: bytes) -> str:
    return f"explained/{order.hex()}/records"
