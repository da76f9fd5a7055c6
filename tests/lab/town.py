"""Nodes of the laboratory: each a process in a network namespace of its own, all on one link."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from commonfab.node.control.client import Client
from commonfab.node.home import founding
from commonfab.node.home.config import Network, Settings, Trade, Workshop
from commonfab.node.home.folder import Home
from commonfab.node.machines.settings import Machine, Material
from commonfab.protocol.errors import CommonfabError, UsageError
from commonfab.protocol.peer_id import peer_text

from .air import Air

ROOT = Path(__file__).parents[2]
PORT = 4411
READY_S = 180.0
STOP_S = 15.0
_POLL_S = 0.05
_ASK_S = 30.0
_KNOWN_EACH = 3
"""Others whose addresses are in a node's configuration."""
_STARTS_AT_ONCE = 4


class LabFailed(AssertionError):
    """Something that had to be so was not."""


def start_inside(
    air: Air, party: int, addresses: list[str], program: Sequence[str], log: Path
) -> "subprocess.Popen[bytes]":
    """Start a program in a namespace with these addresses, and connect it."""
    ours, theirs = socket.socketpair()
    with ours, theirs, log.open("ab") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.lab.inside", str(theirs.fileno()),
                ",".join(addresses), *program,
            ],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )  # fmt: skip
        theirs.close()
        _, devices, _, _ = socket.recv_fds(ours, 16, 1)
    if not devices:
        raise LabFailed(f"no namespace for {program[0]}: {log.read_text()[-600:]}")
    air.join(party, addresses, devices[0])
    return process


@dataclass(slots=True)
class Resident:
    """One honest node."""

    index: int
    home: Home
    address: str
    """Its multiaddr, with its peer id."""
    friends: tuple[int, ...]
    """Those that it was told of in its configuration."""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def ip(self) -> str:
        return f"10.{self.index + 1}.0.2"

    @property
    def log(self) -> Path:
        return self.home.path.parent / f"{self.home.path.name}.log"

    def ask(self, name: str, **params: object) -> Any:
        return json.loads(Client(self.home, patience_s=_ASK_S).call(name, params))

    def is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise LabFailed(f"node {self.index} ended: {self.log.read_text()[-600:]}")
        try:
            self.ask("status")
        except CommonfabError:
            return False
        return True

    def knows(self, design: str) -> bool:
        try:
            self.ask("show", design=design)
        except UsageError:  # A node that does not answer is another matter.
            return False
        return True

    def linked(self) -> set[str]:
        """Return the ids of the peers that it is connected with."""
        return {peer["node"] for peer in self.ask("peers") if peer["is_connected"]}

    def memory_mb(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    @property
    def id(self) -> str:
        return self.address.rpartition("/")[2]


@dataclass(slots=True)
class Town:
    """All honest nodes of a run."""

    folder: Path
    air: Air
    residents: list[Resident] = field(default_factory=list[Resident])

    def found(self, count: int, random: Random) -> None:
        for index in range(count):
            friends = sorted({index - 1, *random.sample(range(index), min(index, _KNOWN_EACH - 1))})
            friends = [friend for friend in friends if friend >= 0]
            self.residents.append(self._founded(index, tuple(friends)))

    def _founded(self, index: int, friends: tuple[int, ...]) -> Resident:
        home = Home(self.folder / f"n{index}")
        place = f"/ip4/10.{index + 1}.0.2/tcp/{PORT}"
        settings = Settings(
            workshop=Workshop(name=f"workshop {index}", lat=45.7 + index / 200, lon=4.8),
            machines=(a_printer(f"m{index}"),),
            network=Network(
                listen=(place,),
                peers=tuple(self.residents[friend].address for friend in friends),
                dht="off",
                relay="off",
            ),
            trade=Trade(sync_s=5, grace_s=5, capacity_s=60),
        )
        key = founding.found(home, settings)
        return Resident(index, home, f"{place}/p2p/{peer_text(key.node)}", friends)

    def start(self) -> None:
        """Start all, a few at a time, and wait until each answers."""
        for first in range(0, len(self.residents), _STARTS_AT_ONCE):
            some = self.residents[first : first + _STARTS_AT_ONCE]
            for resident in some:
                program = [
                    sys.executable, "-m", "commonfab.node", "run", "--home", str(resident.home),
                ]  # fmt: skip
                resident.process = start_inside(
                    self.air, resident.index, [resident.ip], program, resident.log
                )
            for resident in some:
                wait_for(f"node {resident.index} is ready", resident.is_ready, READY_S)

    def stop(self) -> None:
        running = [resident.process for resident in self.residents if resident.process]
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def seconds_until_known(
        self, design: str, who: Sequence[Resident], at_most_s: float
    ) -> list[float]:
        """Return for each node how long it took until it knew a design."""
        begin = time.monotonic()
        took: dict[int, float] = {}
        while len(took) < len(who):
            if time.monotonic() - begin > at_most_s:
                lacking = [each.index for each in who if each.index not in took]
                raise LabFailed(f"after {at_most_s:.0f} s {lacking} do not know the design")
            for resident in who:
                if resident.index not in took and resident.knows(design):
                    took[resident.index] = time.monotonic() - begin
            time.sleep(_POLL_S)
        return sorted(took.values())


def wait_for(what: str, is_so: Callable[[], object], at_most_s: float) -> float:
    """Return after how many seconds it was so; raise `LabFailed` if it was not in time."""
    begin = time.monotonic()
    while not is_so():
        if time.monotonic() - begin > at_most_s:
            raise LabFailed(f"not within {at_most_s:.0f} s: {what}")
        time.sleep(_POLL_S)
    return time.monotonic() - begin


def a_printer(name: str) -> Machine:
    return Machine(
        id=name,
        process="fff-printing",
        volume_mm=(250.0, 210.0, 210.0),
        materials=(Material(material="PLA", grams=1000, price_per_kg=20),),
        price_per_hour=1.0,
        power_w=100,
        time_lapse=5000.0,
    )
