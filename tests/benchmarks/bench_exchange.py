"""What fetching a design of 200 MB costs, over loopback, from one process's disk to another's.

Ours from ours beside Kubo from Kubo; ours from Kubo and from Helia beside Helia from Kubo. Each
figure is the best of a few with a new getter each time, and they take turns, since the machine
may be busy with other things for a while. Only ours makes what it has got durable.
"""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from commonfab.storage.cid import CID
from tests.peers.designs import make_design
from tests.peers.helia import Helia, running_helia
from tests.peers.kubo_daemon import running_daemon
from tests.peers.strangers import KuboStranger, Stranger
from tests.peers.told import Told, told

DESIGN_BYTES = 200_000_000
BEST_OF = 3
ROOT = Path(__file__).parents[2]


class Giver(Protocol):
    """Whatever has a design and an address."""

    @property
    def address(self) -> str: ...

    def add(self, path: Path) -> CID: ...


class Ours:
    """A node of ours in a process of its own, with its blocks on disk."""

    def __init__(self, program: Told) -> None:
        self._program = program
        self.address: str = program.ask(do="identify")

    def add(self, path: Path) -> CID:
        return CID.parse(self._program.ask(do="add", path=str(path)))

    def connect(self, address: str) -> None:
        self._program.ask(do="connect", address=address)

    def fetch(self, cid: CID) -> None:
        self._program.ask(do="fetch", cid=str(cid))


Start = Callable[[ExitStack, Path], tuple[Giver, Callable[[str], None], Callable[[CID], None]]]
"""Starts a program in a folder; returns it, how it connects, and how it fetches."""


def ours(
    stack: ExitStack, folder: Path
) -> tuple[Giver, Callable[[str], None], Callable[[CID], None]]:
    command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.exchange_process", folder]
    node = Ours(stack.enter_context(told(command, folder.with_suffix(".log"), within=ROOT)))
    return node, node.connect, node.fetch


def kubo(
    stack: ExitStack, folder: Path
) -> tuple[Giver, Callable[[str], None], Callable[[CID], None]]:
    daemon = stack.enter_context(running_daemon(folder))
    node: Stranger = KuboStranger(daemon)
    return node, node.connect, lambda cid: void(daemon.run("pin", "add", str(cid)))


def helia(
    stack: ExitStack, folder: Path
) -> tuple[Giver, Callable[[str], None], Callable[[CID], None]]:
    node: Helia = stack.enter_context(running_helia(folder))
    return node, node.connect, node.pin


def void(_: object) -> None:
    pass


PAIRS: list[tuple[str, Start, Start]] = [
    ("ours from ours", ours, ours),
    ("Kubo from Kubo", kubo, kubo),
    ("ours from Kubo", ours, kubo),
    ("ours from Helia", ours, helia),
    ("Helia from Kubo", helia, kubo),
]
BESIDE = {
    "ours from ours": "Kubo from Kubo",
    "ours from Kubo": "Helia from Kubo",
    "ours from Helia": "Helia from Kubo",
}


def run() -> list[tuple[str, str, str]]:
    """Return (what, how much, what is compared with) for each figure."""
    rates: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as folder:
        design = make_design(Path(folder, "design"), DESIGN_BYTES)
        # Kubo never gives the empty block, so another Kubo would wait for it for ever.
        next(design.rglob("part 0.stl")).unlink()
        for turn in range(BEST_OF):
            for name, getter, giver in PAIRS:
                place = Path(folder, f"{name} {turn}")
                place.mkdir()
                rates[name] = max(rates[name], fetch_rate(place, design, getter, giver))
    rows: list[tuple[str, str, str]] = []
    for name, rate in rates.items():
        other = BESIDE.get(name)
        beside = f"{rate / rates[other]:.2f} x {other}" if other else ""
        rows.append((name, f"{rate / 1e6:.0f} MB/s", beside))
    return rows


def fetch_rate(folder: Path, design: Path, start_getter: Start, start_giver: Start) -> float:
    """Return the bytes a second at which one program gets the design from another."""
    with ExitStack() as stack:
        giver, _, _ = start_giver(stack, folder / "giver")
        root = giver.add(design)
        _, connect, fetch = start_getter(stack, folder / "getter")
        connect(giver.address)
        begin = time.perf_counter()
        fetch(root)
        return DESIGN_BYTES / (time.perf_counter() - begin)


if __name__ == "__main__":
    for what, how_much, compared in run():
        print(f"{what:30} {how_much:20} {compared}")
