"""What a node tells of its workshop."""

from pathlib import Path

from msgspec import structs

from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.node import Node
from commonfab.protocol.records import Capacity
from tests.builders import body_of
from tests.node.village import a_home, a_machine, eventually, living


async def test_machines_beyond_what_a_record_holds_are_a_warning_with_the_way_out(
    tmp_path: Path,
) -> None:
    machines = [a_machine(f"mk{i}", model="x" * 2000) for i in range(34)]

    async with living(a_home(tmp_path, "alice", *machines), MemoryNetwork()) as alice:
        (warning,) = [w for w in alice.journal.warnings() if "one record" in w]

    assert "run a second node" in warning


async def test_capacity_is_told_again_as_soon_as_it_changed_enough(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice", a_machine()), MemoryNetwork()) as alice:
        settings = structs.replace(alice.settings, machines=(a_machine(power_w=250),))
        alice.fleet.configure(settings)
        alice.announcing.capacity_changed()

        await eventually(lambda: _told(alice).machines[0].power_w == 250)


async def test_capacity_that_did_not_change_is_not_told_before_its_time(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice", a_machine()), MemoryNetwork()) as alice:
        first = _told(alice)
        await alice.announcing.renew_capacity(every_s=300)
        in_time = _told(alice)
        await alice.announcing.renew_capacity(every_s=0)

        assert in_time == first
        assert _told(alice).seq > first.seq


class Unreachable(MemoryTransport):
    """Listens nowhere."""

    def addresses(self) -> list[str]:
        return []


async def test_a_workshop_that_listens_nowhere_dials_and_tells_of_itself(tmp_path: Path) -> None:
    network = MemoryNetwork()
    async with (
        living(a_home(tmp_path, "alice"), network, Unreachable) as alice,
        living(a_home(tmp_path, "bob"), network) as bob,
    ):
        await alice.transport.connect(bob.transport.addresses()[0])

        await eventually(lambda: alice.me in bob.library.workshops)
        assert bob.library.workshops[alice.me].addresses == ()


def _told(node: Node) -> Capacity:
    *_, record = node.library.find("capacity", node.me)
    return body_of(record, Capacity)
