"""What a node tells of its workshop."""

from pathlib import Path

from commonfab.node.network.memory_transport import MemoryNetwork
from tests.node.village import a_home, a_machine, living


async def test_machines_beyond_what_a_record_holds_are_a_warning_with_the_way_out(
    tmp_path: Path,
) -> None:
    machines = [a_machine(f"mk{i}", model="x" * 2000) for i in range(34)]

    async with living(a_home(tmp_path, "alice", *machines), MemoryNetwork()) as alice:
        (warning,) = [w for w in alice.journal.warnings() if "one record" in w]

    assert "run a second node" in warning
