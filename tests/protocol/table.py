"""Alice, two workshops and Eve at one table: letters lie on it until somebody passes them on."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

from commonfab.protocol import effects, events
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.lease.attempts import Done, Dropped, Granted, JobState, Leased
from commonfab.protocol.lease.restore import restore_orders, restore_slots
from commonfab.protocol.lease.slots import Ended, Ready, Slot
from commonfab.protocol.lease.windows import overlap, public_half
from commonfab.protocol.records import Grant, Lease, Letter, Record
from tests.builders import GRACE_MS, a_design, an_order, changed
from tests.protocol.desk import BuyerDesk, Desk, FixedPlanner, FixedQuoter, OwnerDesk, ended
from tests.protocol.signers import ALICE, BOB, CAROL, EVE

PIECES = (4, 2)


@dataclass
class Running:
    """What a machine is at."""

    owner: OwnerDesk
    lease: Record
    pieces: int


@dataclass
class Table:
    """One order of two jobs, and all that may happen to it."""

    alice: BuyerDesk = field(default_factory=lambda: BuyerDesk(FixedPlanner(owners=(BOB, CAROL))))
    bob: OwnerDesk = field(default_factory=lambda: OwnerDesk(FixedQuoter(("mk3", "mk4"))))
    carol: OwnerDesk = field(default_factory=lambda: OwnerDesk(FixedQuoter(("xl",)), CAROL))
    letters: list[Record] = field(default_factory=list[Record])
    seen: list[Record] = field(default_factory=list[Record])
    """All that was ever on the table."""
    machines: list[Running] = field(default_factory=list[Running])
    made: dict[RecordId, int] = field(default_factory=dict[RecordId, int])
    """By lease: the good pieces that a machine really made."""

    def __post_init__(self) -> None:
        self._desks: dict[NodeId, Desk] = {
            ALICE.node: self.alice,
            BOB.node: self.bob,
            CAROL.node: self.carol,
        }
        design = a_design(seq=1)
        self._put(self.alice.place(an_order(design, jobs=PIECES, seq=1), design))

    @property
    def owners(self) -> list[OwnerDesk]:
        return [self.bob, self.carol]

    @property
    def desks(self) -> list[Desk]:
        return [self.alice, *self.owners]

    # What may happen.

    def deliver(self, which: int, *, copy: bool = False) -> None:
        """Give a letter to whom it is for; a copy of it stays on the table."""
        if self.letters:
            place = which % len(self.letters)
            letter = self.letters[place] if copy else self.letters.pop(place)
            self._give(letter)

    def lose(self, which: int) -> None:
        if self.letters:
            del self.letters[which % len(self.letters)]

    def replay(self, which: int) -> None:
        """Give somebody a letter of long ago again."""
        self._give(self.seen[which % len(self.seen)])

    def forge(self, which: int) -> None:
        """Let Eve say in her own name what somebody else has said."""
        letter = changed(self.seen[which % len(self.seen)], EVE)
        self._give(letter)

    def wait(self, ms: int) -> None:
        for desk in self._desks.values():
            self._put(desk.wait(ms))
            self._begin(desk)

    def end_job(self, which: int, *, made: bool) -> None:
        if self.machines:
            work = self.machines.pop(which % len(self.machines))
            pieces = work.pieces if made else work.pieces // 2
            self.made[work.lease.id] = pieces
            self._put(work.owner.happen(ended(work.lease, made=made, pieces=pieces)))
            self._begin(work.owner)

    def restart(self, which: int) -> None:
        """Let a node die, with nothing lost that it had kept, and its machines go on."""
        desk = self.desks[which % 3]
        desk.restart()
        self._put(desk.happen(events.Restarted()))
        self._begin(desk)

    def set_clock_back(self, which: int, ms: int) -> None:
        desk = self.desks[which % 3]
        self._put(desk.wait(-ms))

    def settle(self) -> None:
        """Let all go well from here on, until nothing happens any more."""
        for _ in range(2000):
            while self.letters:
                self.deliver(0)
            while self.machines:
                self.end_job(0, made=True)
            if not self.letters and self.alice.order().is_over() and not self._open_slots():
                return
            self.wait(5_000)
        raise AssertionError("it does not come to an end")

    # What must hold.

    def check(self) -> None:
        for owner in self.owners:
            _check_slots(owner.slots())
        grants = Counter(
            (grant.job, grant.epoch)
            for record in self.alice.kept(Grant)
            if isinstance(grant := record.body, Grant)
        )
        assert all(count == 1 for count in grants.values()), "two grants in one epoch"
        for job in self.alice.order().jobs:
            for attempt in job.attempts:
                told = attempt.receipt.pieces if attempt.receipt else 0
                assert attempt.made == told
                assert told == (self.made[attempt.lease] if attempt.receipt else 0)

    def check_restored(self) -> None:
        """What is on the disks gives back what is in the heads, as far as it matters."""
        for owner in self.owners:
            stored = restore_slots(owner.disk, owner.who.node)
            assert _slots(stored) == _slots(owner.slots())
            _check_papers(owner.disk)
        (order,) = restore_orders(self.alice.disk, ALICE.node, self.alice.now)
        live = self.alice.order()
        assert order.is_cancelled == live.is_cancelled
        for restored, job in zip(order.jobs, live.jobs, strict=True):
            assert _job(restored, self.alice.now) == _job(job, self.alice.now)

    def check_ended(self) -> None:
        order = self.alice.order()
        assert order.pieces_made() + order.surplus() == sum(self.made.values())
        if not order.is_cancelled:
            assert order.pieces_made() == sum(PIECES)

    # How it happens.

    def _give(self, letter: Record) -> None:
        assert isinstance(letter.body, Letter)
        desk = self._desks.get(NodeId(letter.body.to))
        if desk is not None:
            self._put(desk.take(letter))
            self._begin(desk)

    def _put(self, letters: list[Record]) -> None:
        self.letters += letters
        self.seen += letters

    def _begin(self, desk: Desk) -> None:
        if not isinstance(desk, OwnerDesk):
            return
        for run in desk.of(effects.Run):
            busy = [
                w for w in self.machines if w.owner is desk and _machine(w.lease) == run.machine
            ]
            assert not busy, "one machine, two jobs"
            slot = next(slot for slot in desk.slots() if slot.lease == run.lease)
            self.machines.append(Running(desk, run.lease, slot.asked.pieces))
        for resume in desk.of(effects.Resume):
            if all(work.lease != resume.lease for work in self.machines):
                pieces = self.made.setdefault(resume.lease.id, 0)
                self._put(desk.happen(ended(resume.lease, made=False, pieces=pieces)))
        for stop in desk.of(effects.Stop):
            for place, work in enumerate(self.machines):
                if work.lease == stop.lease:
                    self.end_job(place, made=False)
                    break

    def _open_slots(self) -> list[Slot]:
        return [slot for owner in self.owners for slot in owner.slots()]


def _machine(lease: Record) -> str:
    assert isinstance(lease.body, Lease)
    return lease.body.machine


def _check_slots(slots: list[Slot]) -> None:
    alive = [slot.offered for slot in slots if slot.is_alive()]
    for one, other in combinations(alive, 2):
        assert one.machine != other.machine or not overlap(one, other), "two slots overlap"


def _slots(slots: list[Slot]) -> dict[RecordId, tuple[str, RecordId | None]]:
    """Return what matters of slots. That the grant was asked for does not: it will be again."""
    return {
        slot.request.id: (
            "Leased" if isinstance(slot.state, Ready) else type(slot.state).__name__,
            slot.lease.id if slot.lease else None,
        )
        for slot in slots
        if not isinstance(slot.state, Ended)
    }


def _check_papers(disk: list[Record]) -> None:
    """What each lease rests on, and what everybody hears of it, is on the disk with it."""
    kept = {record.id for record in disk}
    for record in disk:
        if isinstance(record.body, Lease):
            assert record.body.acceptance in kept, "a lease without its acceptance"
            assert public_half(record).id in kept, "a lease without its window"


def _job(job: JobState, now: Timestamp) -> tuple[object, ...]:
    """Return what matters of a job. Whether somebody was asked, or an offer accepted, does not:
    that may be done again. Nor does a grant whose time is over: the next tick ends it."""
    match job.state:
        case Granted(grant=grant) if grant.body.until <= now:
            state: tuple[object, ...] = ()
        case Leased(lease=held) | Granted(lease=held):
            state = (type(job.state), held.id)
        case Done() | Dropped():
            state = (type(job.state),)
        case _:
            state = ()
    attempts = [
        (a.epoch, a.lease, a.made, a.is_granted, a.receipt, a.confirmation, a.release)
        for a in job.attempts
    ]
    return job.epoch, job.pieces, state, attempts


def play(table: Table, random: Random) -> None:
    """Do one thing that may happen."""
    which = random.randrange(1000)
    match random.randrange(20):
        case 0:
            table.lose(which)
        case 1:
            table.deliver(which, copy=True)
        case 2:
            table.replay(which)
        case 3:
            table.forge(which)
        case 4 | 5:
            table.end_job(which, made=random.random() < 0.7)
        case 6:
            table.wait(random.choice((500, 3_000, 11_000, GRACE_MS, 10 * 60_000)))
        case 7:
            table.restart(which)
        case 8:
            table.set_clock_back(which, random.choice((1_000, 120_000)))
        case 9:
            table.wait(1_000)
        case _:
            table.deliver(which)
