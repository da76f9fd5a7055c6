"""The node looks out for better machines, and tells the core."""

from pathlib import Path

import pytest
import trio

from commonfab.node import clock
from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.watching import Watching
from commonfab.protocol import events
from commonfab.protocol.ids import OrderId
from commonfab.protocol.lease.attempts import Granted, Leased
from commonfab.protocol.records import Capacity, Place, Workshop
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.view import CapacityView
from tests.builders import NOON, ORDER, a_capacity, a_machine, a_progress, a_workshop, body_of
from tests.node.village import a_home, eventually, living, write_block
from tests.node.village import a_machine as a_printer
from tests.protocol.desk import BuyerDesk
from tests.protocol.signers import CAROL


class Alice:
    """Her orders, her view, and what the core is told."""

    def __init__(self) -> None:
        self.desk = BuyerDesk()
        self.view = CapacityView()
        self.told: list[events.Event] = []
        self.watching = Watching(self.view, Planner(self.view), self.desk.side, self.told.append)

    def looks(self) -> list[events.Event]:
        self.told.clear()
        self.watching.look(self.desk.now)
        return list(self.told)

    def hears_of_carol(self) -> None:
        capacity = a_capacity(CAROL, machines=(a_machine(price_minor_per_hour=1),))
        self.view.update_workshop(CAROL.node, body_of(a_workshop(CAROL), Workshop))
        self.view.update_capacity(CAROL.node, body_of(capacity, Capacity))


@pytest.fixture
def alice() -> Alice:
    """With a job that is leased at Bob's, who has a dear machine."""
    alice = Alice()
    alice.desk.leased()
    return alice


def test_a_better_machine_for_a_leased_job_is_told_once(alice: Alice) -> None:
    assert alice.looks() == []

    alice.hears_of_carol()

    assert alice.looks() == [events.MachineFound(OrderId(ORDER), 0)]
    assert alice.looks() == []


def test_a_job_that_is_granted_is_not_watched(alice: Alice) -> None:
    alice.looks()
    lease = alice.desk.job().attempts[0].lease
    stored = next(record for record in alice.desk.disk if record.id == lease)
    alice.desk.take(a_progress(stored, at=NOON))

    alice.hears_of_carol()

    assert alice.looks() == []


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


async def test_a_job_in_a_queue_moves_to_a_better_machine_that_comes(tmp_path: Path) -> None:
    """Of three, the first is under way, and the last stays: nobody behind it would gain."""
    network, here = MemoryNetwork(), Place(lat_udeg=45_700_000, lon_udeg=4_800_000)
    dear = a_printer("dear", price_per_hour=50.0, time_lapse=60.0)
    cheap = a_printer("cheap", price_per_hour=0.1)
    async with (
        living(a_home(tmp_path, "alice"), network) as alice,
        living(a_home(tmp_path, "bob", dear), network) as bob,
        living(a_home(tmp_path, "carol", cheap), network) as carol,
    ):
        await alice.transport.connect(bob.transport.addresses()[0])
        design = await publishing.publish(alice, write_block(tmp_path / "block"), say_nothing)
        await eventually(lambda: len(alice.library.view) == 1)
        for _ in range(3):
            await alice.ordering.place(design.record, 1, here, 0)
        jobs = [state.jobs[0] for state in alice.buyer.orders()]
        await eventually(lambda: all(isinstance(job.state, Leased | Granted) for job in jobs))
        alice.watching.look(clock.now())

        await alice.transport.connect(carol.transport.addresses()[0])
        await eventually(lambda: len(alice.library.view) == 2)
        alice.watching.look(clock.now())

        await eventually(lambda: any(len(job.attempts) == 2 for job in jobs))
        stories = [[(each.owner, each.release) for each in job.attempts] for job in jobs]
        assert sorted(map(len, stories)) == [1, 1, 2]
        assert [(bob.me, None), (carol.me, None)] in stories
