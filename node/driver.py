"""Feeds the pure core with what happens, and carries out what it asks for. Decides nothing.

Everything passes through one inbox, one thing after the other, so that what is kept for
one event is on the disk before the next is looked at, and before anything is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

import trio

from commonfab.protocol import effects, envelope, events
from commonfab.protocol.admission import Accept, Reject, Verdict
from commonfab.protocol.effects import Effect
from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.peer import Peer
from commonfab.protocol.records import KINDS, PUBLIC, Design, Order, Record
from commonfab.protocol.standing import proofs

from . import clock
from .journal import Journal
from .library import Library

_INBOX_MAX = 2048
"""What may wait to be looked at. A stream's sender waits; gossip beyond it is dropped."""
_KEPT_AT_ONCE = 256
"""Records that wait and need only be kept go to the disk in one commit: one by one they would take
a turn of the whole node each, and a flood of them would hold up all that comes after."""

_STOPPED = "this node is stopping; ask again when it runs"


class Hands(Protocol):
    """Those who act on the core's other effects: the post and the machines."""

    def send(self, to: NodeId, record: Record) -> None: ...

    def prepare(self, request: Record) -> None: ...

    def run_job(self, machine: str, lease: Record, request: Record) -> None: ...

    def resume_job(self, machine: str, lease: Record) -> None: ...

    def stop_job(self, machine: str, reason: str) -> None: ...

    async def planned(
        self, order: Order, design: Design, jobs: Sequence[tuple[int, int]]
    ) -> None: ...

    def capacity_changed(self) -> None: ...

    def kept(self, record: Record) -> None:
        """Hear of a record that is on the disk now."""
        ...


@dataclass(slots=True)
class _Item:
    """One thing in the inbox: an event, sealed records, or effects that are due already."""

    event: events.Event | None = None
    sealed: Sequence[bytes] = ()
    sender: NodeId | None = None
    only_public: bool = False
    due: Sequence[Effect] = ()
    accepted: int = 0
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    error: ResourceError | None = None
    done: trio.Event = field(default_factory=trio.Event)

    def is_judged(self) -> bool:
        """Tell whether all that is left to do is to keep records."""
        only_due = self.event is None and not self.sealed
        return only_due and all(isinstance(effect, effects.Keep) for effect in self.due)


class Driver:
    """One for each node."""

    def __init__(self, peer: Peer, library: Library, hands: Hands, journal: Journal) -> None:
        self._peer = peer
        self._library = library
        self._hands = hands
        self._journal = journal
        self._tell, self._inbox = trio.open_memory_channel[_Item](_INBOX_MAX)
        self._ahead: _Item | None = None
        """What was taken from the inbox and is not to be kept together with what was before it."""
        self._wake_at: float = float("inf")
        self._unkept: list[Record] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        task_status.started()
        items: list[_Item] = []
        try:
            while True:
                items = self._with_like(await self._next())
                due = [effect for item in items for effect in self._due(item)]
                with trio.CancelScope(shield=True):  # Half an answer is worse than a late stop.
                    error = await self._carry_out(due)
                    for item in items:
                        item.error = error
                        item.done.set()
        finally:
            self._leave(items)

    def _leave(self, items: list[_Item]) -> None:
        """Serve nobody any more: who waits for an answer, even shielded, must not wait for ever."""
        waiting = [*items, *filter(None, [self._ahead])]
        while self._inbox.statistics().current_buffer_used:
            waiting.append(self._inbox.receive_nowait())
        self._inbox.close()
        for item in waiting:
            if not item.done.is_set():
                item.error = ResourceError(_STOPPED)
                item.done.set()

    def judge_public(self, data: bytes) -> Verdict:
        """Judge a gossiped record at once, and keep it later, if it is accepted."""
        verdict, due = self._judge(data, only_public=True)
        if due:
            try:
                self._tell.send_nowait(_Item(due=due))
            except (trio.WouldBlock, trio.BrokenResourceError):
                if isinstance(verdict, Accept):
                    self._peer.admission.forget(verdict.record)
        return verdict

    async def receive(self, sender: NodeId, sealed: Sequence[bytes]) -> int:
        """Take letters that came by a stream, and return how many were new and accepted,
        once they are on the disk. Raises `ResourceError` if they cannot be kept."""
        return (await self._do(_Item(sealed=sealed, sender=sender))).accepted

    async def admit(
        self, sealed: Sequence[bytes], sender: NodeId | None = None, *, only_public: bool = True
    ) -> list[Verdict]:
        """Take records that a person brought or a peer sent, and return the verdict on each, once
        those accepted are on the disk. Raises `ResourceError` if they cannot be kept."""
        item = _Item(sealed=sealed, sender=sender, only_public=only_public)
        return (await self._do(item)).verdicts

    async def handle(self, event: events.Event) -> None:
        """Feed an event, and return when what it asked for is done."""
        await self._do(_Item(event))

    def hint(self, event: events.Event) -> None:
        """Feed an event about which nobody waits; it is lost if the inbox is full."""
        self._try(_Item(event))

    def receive_later(self, data: bytes) -> None:
        """Take a letter of this node to itself; like any letter, it may get lost."""
        self._try(_Item(sealed=[data]))

    async def keep(self, record: Record) -> None:
        """Keep a record of this node's own; it is on the disk when this returns."""
        self._peer.admission.note(record)
        try:
            await self._do(_Item(due=[effects.Keep(record)]))
        except ResourceError:
            self._peer.admission.forget(record)
            raise

    def _judge(self, data: bytes, *, only_public: bool) -> tuple[Verdict, list[Effect]]:
        if only_public and _is_letter(data):
            return Reject("a letter has no place among public records"), []
        return self._peer.receive(data, clock.now())

    def _try(self, item: _Item) -> None:
        try:
            self._tell.send_nowait(item)
        except trio.WouldBlock:
            self._journal.tell("inbox_full")
        except trio.BrokenResourceError:
            return  # Nobody serves any more.

    async def _do(self, item: _Item) -> _Item:
        try:
            await self._tell.send(item)
        except trio.BrokenResourceError as error:
            raise ResourceError(_STOPPED) from error
        await item.done.wait()
        if item.error is not None:
            raise item.error
        return item

    def _due(self, item: _Item) -> Sequence[Effect]:
        if item.event is not None:
            return self._peer.handle(item.event, clock.now())
        due = list(item.due)
        for data in item.sealed:
            verdict, more = self._judge(data, only_public=item.only_public)
            due.extend(more)
            item.accepted += isinstance(verdict, Accept)
            item.verdicts.append(verdict)
            if isinstance(verdict, Reject) and item.sender is not None:
                self._journal.offend(item.sender, verdict.reason)
        return due

    def _with_like(self, first: _Item) -> list[_Item]:
        """Return an item, and if it is only to be kept, those that wait behind it and are too."""
        items = [first]
        while items[-1].is_judged() and len(items) < _KEPT_AT_ONCE:
            try:
                item = self._inbox.receive_nowait()
            except trio.WouldBlock:
                break
            if not item.is_judged():
                self._ahead = item
                break
            items.append(item)
        return items

    async def _next(self) -> _Item:
        if self._ahead is not None:
            item, self._ahead = self._ahead, None
            return item
        # receive() keeps the item if it is cancelled, so nothing is lost to the alarm.
        with trio.move_on_at(self._wake_at):
            return await self._inbox.receive()
        self._wake_at = float("inf")
        return _Item(events.Tick())

    async def _carry_out(self, due: Sequence[Effect]) -> ResourceError | None:
        error: ResourceError | None = None
        keep: list[Record] = []
        for effect in due:
            if isinstance(effect, effects.Keep):
                keep.append(effect.record)
                continue
            error = await self._keep(keep) or error
            keep = []
            await self._act(effect)
        return await self._keep(keep) or error

    async def _keep(self, kept: list[Record]) -> ResourceError | None:
        """Put records on the disk, with those that failed to get there before."""
        wanted = [*self._unkept, *kept]
        if not wanted:
            return None
        try:
            await self._library.keep(wanted)
        except ResourceError as error:
            for record in kept:
                if record.kind in PUBLIC:
                    self._peer.admission.forget(record)
            self._unkept = [record for record in wanted if record.kind not in PUBLIC]
            self._journal.warn("disk", str(error))
            return error
        self._unkept = []
        self._journal.clear("disk")
        for record in wanted:
            self._hands.kept(record)
        return None

    async def _act(self, effect: Effect) -> None:
        match effect:
            case effects.Send(to, record):
                # Nothing is said while something that it may rest on is not on the disk.
                # What was not said is said again: all letters are, until they are answered.
                if not self._unkept:
                    self._hands.send(to, record)
            case effects.Prepare(request):
                self._hands.prepare(request)
            case effects.Run(machine, lease, request):
                if not self._unkept:
                    self._hands.run_job(machine, lease, request)
            case effects.Resume(machine, lease):
                self._hands.resume_job(machine, lease)
            case effects.Stop(machine, _, reason):
                self._hands.stop_job(machine, reason)
            case effects.Planned(order, design, jobs):
                await self._hands.planned(order, design, jobs)
            case effects.CapacityChanged():
                self._hands.capacity_changed()
            case effects.KeepProof(author, kept, other):
                self._journal.tell("conflict", author=author.hex(), stream=other.body.stream)
                await self._keep_proof(kept, other)
            case effects.WakeAt(at):
                self._wake_at = trio.current_time() + max(0, at - clock.now()) / 1000
            case effects.Keep():
                raise AssertionError("kept before")
            case _:
                assert_never(effect)

    async def _keep_proof(self, kept: RecordId, other: Record) -> None:
        """Make a proof for everybody of two public records, and keep two letters for oneself."""
        if other.kind in PUBLIC:
            first = self._library.get(kept)
            if first is not None:
                proof = proofs.prove(first, other.data)
                await self._carry_out(self._peer.receive(proof.data, clock.now())[1])
            return
        try:
            await self._library.keep_proof(kept, other)
        except ResourceError as error:
            self._journal.warn("disk", str(error))


def _is_letter(sealed: bytes) -> bool:
    try:
        return envelope.parse(sealed).kind in KINDS.keys() - PUBLIC
    except Malformed:
        return False
