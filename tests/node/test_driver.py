"""The driver: what is kept comes before what is said, also when the disk is full."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from commonfab.node import clock
from commonfab.node.driver import Driver
from commonfab.node.journal import Journal
from commonfab.node.library import Library
from commonfab.protocol.admission import Accept, Admission
from commonfab.protocol.author import Author
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.slots import Quote
from commonfab.protocol.peer import Peer
from commonfab.protocol.records import Design, Offer, Order, Record, Request
from commonfab.scheduler.placement import Planner
from commonfab.storage.memory import MemoryRecordStore
from commonfab.storage.ports import StoredRecord, StoreFull
from tests.builders import a_design, a_request
from tests.protocol.signers import ALICE, BOB, CAROL, Person


class FillingStore(MemoryRecordStore):
    """A store on a disk that can be full."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.commits = 0

    def put_many(self, rows: Iterable[StoredRecord]) -> list[StoredRecord]:
        if self.is_full:
            raise StoreFull("records.sqlite")
        self.commits += 1
        return super().put_many(rows)


class OneMachine:
    """Quotes an hour for whatever is asked."""

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        return [Quote("mk", 3_600_000, 100, "EUR", 3000, 5000, 100_000, 30_000)]


@dataclass
class Hands:
    """Writes down what the driver asks to be done, and what was on the disk by then."""

    store: MemoryRecordStore
    sent: list[Record] = field(default_factory=list[Record])
    kept_first: list[bool] = field(default_factory=list[bool])
    kept_records: list[Record] = field(default_factory=list[Record])

    def send(self, to: NodeId, record: Record) -> None:
        self.sent.append(record)
        self.kept_first.append(self.store.has(record.id))

    def kept(self, record: Record) -> None:
        self.kept_records.append(record)

    def prepare(self, request: Record) -> None: ...

    def run_job(self, machine: str, lease: Record, request: Record) -> None: ...

    def resume_job(self, machine: str, lease: Record) -> None: ...

    def stop_job(self, machine: str, reason: str) -> None: ...

    async def planned(
        self, order: Order, design: Design, jobs: Sequence[tuple[int, int]]
    ) -> None: ...

    def capacity_changed(self) -> None: ...


@dataclass
class Bench:
    store: FillingStore
    hands: Hands
    journal: Journal
    library: Library
    driver: Driver

    def offers(self) -> list[Record]:
        return [record for record in self.hands.sent if isinstance(record.body, Offer)]


def a_new_request() -> Record:
    """Return a request that Alice has just sent to Bob."""
    now = clock.now()
    return a_request(to=BOB.node, at=now, seq=now, until=now + 60_000)


@asynccontextmanager
async def a_driver(quoter: OneMachine | None = None) -> AsyncGenerator[Bench]:
    """Run Bob's driver for a block."""
    store, journal = FillingStore(), Journal()
    library, hands = Library(store), Hands(store)
    author = Author(BOB)
    owner = Owner(author, quoter or OneMachine())
    peer = Peer(BOB.node, Admission(), owner, Buyer(author, Planner(library.view)))
    driver = Driver(peer, library, hands, journal)
    async with trio.open_nursery() as nursery:
        await nursery.start(driver.run)
        yield Bench(store, hands, journal, library, driver)
        nursery.cancel_scope.cancel()


async def test_an_offer_is_on_the_disk_before_it_is_sent() -> None:
    async with a_driver() as bob:
        await bob.driver.receive(ALICE.node, [a_new_request().data])

        assert len(bob.offers()) == 1
        assert all(bob.hands.kept_first)


async def test_nothing_is_said_while_the_disk_is_full() -> None:
    async with a_driver() as bob:
        bob.store.is_full = True

        with pytest.raises(StoreFull, match=r"records\.sqlite"):
            await bob.driver.receive(ALICE.node, [a_new_request().data])

        assert bob.hands.sent == []
        assert "records.sqlite" in bob.journal.warnings()[0]


async def test_when_there_is_room_again_what_was_not_kept_is_kept_and_said() -> None:
    request = a_new_request()
    async with a_driver() as bob:
        bob.store.is_full = True
        with pytest.raises(StoreFull):
            await bob.driver.receive(ALICE.node, [request.data])
        bob.store.is_full = False

        await bob.driver.receive(ALICE.node, [request.data])

        assert len(bob.offers()) == 1
        assert all(bob.hands.kept_first)
        assert bob.store.has(request.id)
        assert bob.journal.warnings() == []


async def test_a_public_record_that_could_not_be_kept_may_come_again() -> None:
    design = a_design(ALICE)
    async with a_driver() as bob:
        bob.store.is_full = True
        with pytest.raises(StoreFull):
            await bob.driver.receive(ALICE.node, [design.data])
        assert design.id not in bob.library.designs
        bob.store.is_full = False

        assert await bob.driver.receive(ALICE.node, [design.data]) == 1

        assert design.id in bob.library.designs


async def test_the_same_record_twice_is_new_once() -> None:
    design = a_design(ALICE)
    async with a_driver() as bob:
        assert await bob.driver.receive(ALICE.node, [design.data, design.data]) == 1
        assert await bob.driver.receive(ALICE.node, [design.data]) == 0


async def test_a_forged_record_is_counted_against_who_sent_it() -> None:
    design = a_design(ALICE)
    forged = design.data[:-1] + bytes([design.data[-1] ^ 1])
    async with a_driver() as bob:
        assert await bob.driver.receive(ALICE.node, [forged]) == 0

        assert bob.journal.rejected(ALICE.node) == 1
        assert len(bob.library) == 0


def gossip(bench: Bench, count: int, by: Person = ALICE) -> list[Record]:
    """Let so many records come by gossip, all before the first is kept."""
    told = [a_design(by, seq=seq, name=f"{seq}") for seq in range(1, count + 1)]
    for record in told:
        assert isinstance(bench.driver.judge_public(record.data), Accept)
    return told


async def test_a_flood_of_gossip_is_kept_together_and_holds_up_nobody() -> None:
    async with a_driver() as bench:
        told = gossip(bench, 100)
        own = a_design(BOB, seq=1)
        await bench.driver.keep(own)

        assert bench.hands.kept_records == [*told, own]
        assert bench.store.commits <= 2


async def test_what_waits_behind_gossip_comes_in_its_turn() -> None:
    async with a_driver() as bench:
        told, request = gossip(bench, 10), a_new_request()
        bench.driver.receive_later(request.data)
        later, own = gossip(bench, 10, by=CAROL), a_design(BOB, seq=1)
        await bench.driver.keep(own)

        kept = [record for record in bench.hands.kept_records if record.kind != "offer"]
        assert kept == [*told, request, *later, own]
        assert len(bench.offers()) == 1


async def test_when_the_disk_is_full_all_that_was_to_be_kept_together_may_come_again() -> None:
    async with a_driver() as bench:
        bench.store.is_full = True
        told = gossip(bench, 10)
        with pytest.raises(ResourceError):
            await bench.driver.keep(a_design(BOB, seq=1))
        bench.store.is_full = False

        assert await bench.driver.receive(ALICE.node, [r.data for r in told]) == len(told)


class Broken(OneMachine):
    """Has a bug that a request wakes."""

    def quote(self, request: Request, now: Timestamp, buyer: NodeId) -> list[Quote] | str:
        raise ZeroDivisionError


@pytest.mark.parametrize("quoter", [OneMachine(), Broken()])
async def test_nobody_waits_for_a_driver_that_has_stopped(quoter: OneMachine) -> None:
    asked: list[str] = []

    async def ask(driver: Driver) -> None:
        with trio.CancelScope(shield=True):
            try:
                await driver.receive(ALICE.node, [a_new_request().data])
            except ResourceError as error:
                asked.append(str(error))

    drivers: list[Driver] = []
    with suppress(BaseExceptionGroup):
        async with a_driver(quoter) as bob, trio.open_nursery() as nursery:
            drivers.append(bob.driver)
            nursery.start_soon(ask, bob.driver)
            if isinstance(quoter, Broken):
                await trio.sleep_forever()
            await trio.testing.wait_all_tasks_blocked()
    await ask(drivers[0])
    drivers[0].receive_later(a_new_request().data)

    assert asked == ["this node is stopping; ask again when it runs"] * (
        1 + (type(quoter) is Broken)
    )
