"""What passing records on costs: ten processes that all tell each other, by our broadcast tree
and by the GossipSub of py-libp2p; a simulated network; a small and a large world; fifty nodes.
"""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulation.broadcast_world import Air, BroadcastWorld, a_record
from tests.simulation.wide_world import hour_in_a_world

ROOT = Path(__file__).parents[2]
PROCESSES = 10
RATES_PER_S = (10, 100)
"""Records of all together."""
FOR_S = 10.0
THEN_S = 5.0
"""What comes later is lost."""


class Program:
    """A `gossip_process` that runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, **said: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the program ended with {self._process.wait()}"
        return json.loads(line)["said"]


@contextmanager
def programs(carrier: str) -> Generator[list[Program]]:
    """Start as many as there are to be, each linked with each."""
    command = [sys.executable, "-m", "tests.benchmarks.gossip_process", carrier]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            for _ in range(PROCESSES)
        ]
        try:
            running = [Program(process) for process in processes]
            addresses: list[str] = []
            for program in running:
                program.tell(do="identify")
                address = program.answer()
                program.tell(do="connect", addresses=addresses)
                program.answer()
                addresses.append(address)
            yield running
        finally:
            for process in processes:
                process.terminate()


@dataclass(frozen=True)
class Figures:
    """What one carrier did at one rate."""

    loss: float
    cpu_ms: float
    """Of a core, for one delivery."""
    median_ms: float
    p99_ms: float


def measure(running: list[Program], rate_per_s: float) -> Figures:
    for program in running:
        program.tell(do="publish", per_s=rate_per_s / PROCESSES, for_s=FOR_S, then_s=THEN_S)
    said = [program.answer() for program in running]
    delays = sorted(delay for each in said for delay in each["delays_ms"])
    due = sum(each["published"] for each in said) * (PROCESSES - 1)
    return Figures(
        loss=1 - len(delays) / due,
        cpu_ms=1000 * sum(each["cpu_s"] for each in said) / len(delays),
        median_ms=delays[len(delays) // 2],
        p99_ms=delays[len(delays) * 99 // 100],
    )


def run() -> list[tuple[str, str, str]]:
    """Return (what, how much, what is compared with) for each figure."""
    figures: dict[tuple[str, float], Figures] = {}
    for carrier in ("gossipsub", "tree"):
        with programs(carrier) as running:
            measure(running, 1)  # The tree, or the mesh, is made by the first records.
            for rate in RATES_PER_S:
                figures[carrier, rate] = measure(running, rate)
    rows: list[tuple[str, str, str]] = []
    for rate in RATES_PER_S:
        ours, other = figures["tree", rate], figures["gossipsub", rate]
        for what, mine, theirs in (
            ("CPU a delivery", f"{ours.cpu_ms:.2f} ms", f"{other.cpu_ms:.2f} ms"),
            ("median delay", f"{ours.median_ms:.0f} ms", f"{other.median_ms:.0f} ms"),
            ("p99 delay", f"{ours.p99_ms:.0f} ms", f"{other.p99_ms:.0f} ms"),
            ("lost", f"{ours.loss:.1%}", f"{other.loss:.1%}"),
        ):
            rows.append((f"{rate} records/s, {what}", mine, f"GossipSub: {theirs}"))
    return rows + simulated_rows() + town_rows()


def town_rows() -> list[tuple[str, str, str]]:
    """Return what `gossip_town` measures."""
    command = [sys.executable, "-m", "tests.benchmarks.gossip_town"]
    ended = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    said = json.loads(ended.stdout)
    return [
        ("50 nodes know a design, median", f"{said['median_s']:.2f} s", "one process for all"),
        ("50 nodes know a design, the last", f"{said['last_s']:.2f} s", ""),
        (
            "an idle node among 50, streams",
            f"{said['idle_bytes_s']:.0f} B/s",
            f"{said['idle_bytes_s_most']:.0f} B/s the busiest; {said['links']:.0f} links",
        ),
        ("an idle node among 50, processor", f"{said['idle_core']:.2%} of a core", ""),
    ]


def simulated_rows() -> list[tuple[str, str, str]]:
    delays, lost = simulate(seed=1, nodes=200, loss=0.2)
    near, far = (hour_in_a_world(size, near=20) for size in (1_000, 100_000))
    return [
        (
            "200 simulated nodes, a fifth lost",
            f"p99 {delays[len(delays) * 99 // 100] / 1000:.1f} s",
            f"{lost} of {len(delays)} not heard",
        ),
        (
            "a node in a world of 100,000",
            f"{far / 3600:.0f} B/s",
            f"{far / near:.2f} x a world of 1,000",
        ),
    ]


def simulate(seed: int, nodes: int, loss: float) -> tuple[list[int], int]:
    """Return the delays of the records that were heard, and how many were not."""
    air = Air(loss=loss, copies=0.05, delay_ms=(20, 200), is_repaired=False)
    world = BroadcastWorld(seed, nodes, air)
    world.mesh(8)
    world.run(2000)
    published: list[tuple[Any, int]] = []
    for number in range(60):
        record = a_record(number)
        published.append((record, world.now))
        world.publish(world.random.randrange(nodes), record)
        world.run(500)
    world.run(20_000)
    delays = [
        party.heard[record.id] - at
        for record, at in published
        for party in world.parties
        if record.id in party.heard
    ]
    return sorted(delays), len(published) * nodes - len(delays)


if __name__ == "__main__":
    for what, how_much, compared in run():
        print(f"{what:36} {how_much:14} {compared}")
