"""Five workshops of one region, each a process of its own, with its own key, home and port.

The places are real; the machines are virtual and run in time lapse. What is left on
their spools is little, so that an order needs several of them.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from commonfab.protocol.errors import CommonfabError, ResourceError
from commonfab.protocol.peer_id import peer_text

from ..answers.node import Status
from ..control.client import Client
from ..home import founding
from ..home.config import Network, Settings, Trade, Workshop
from ..home.folder import Home
from ..machines.settings import Machine, Material

TIME_LAPSE = 2000.0
"""An hour of a machine passes in 1.8 s."""
GRACE_S = 3
_READY_S = 30.0
_POLL_S = 0.1

T = TypeVar("T")


def _printer(
    name: str,
    model: str,
    volume_mm: tuple[float, float, float],
    *materials: Material,
    price_per_hour: float,
    power_w: int,
    speed: float = 1.0,
) -> Machine:
    return Machine(
        id=name,
        process="fff-printing",
        model=model,
        volume_mm=volume_mm,
        materials=materials,
        speed=speed,
        setup_s=600,
        price_per_hour=price_per_hour,
        power_w=power_w,
        time_lapse=TIME_LAPSE,
    )


def _material(name: str, grams: float, price_per_kg: float) -> Material:
    return Material(material=name, grams=grams, price_per_kg=price_per_kg)


WORKSHOPS: tuple[tuple[Workshop, tuple[Machine, ...]], ...] = (
    (
        Workshop(name="Lyon", lat=45.7640, lon=4.8357, grid_g_per_kwh=56),
        (
            _printer(
                "lyon-a", "bed slinger 250", (250, 210, 210), _material("PLA", 70, 22),
                _material("PETG", 400, 25), price_per_hour=1.5, power_w=110,
            ),
            _printer(
                "lyon-b", "fast core-xy 256", (256, 256, 256), _material("PLA", 85, 24),
                price_per_hour=2.4, power_w=160, speed=1.6,
            ),
        ),
    ),
    (
        Workshop(name="Grenoble", lat=45.1885, lon=5.7245, grid_g_per_kwh=56),
        (
            _printer(
                "grenoble-a", "bed slinger 250", (250, 210, 210), _material("PLA", 110, 20),
                price_per_hour=1.2, power_w=110,
            ),
            Machine(
                id="grenoble-laser", process="laser-cutting", model="CO2, 60 W",
                volume_mm=(600, 400, 12), materials=(_material("plywood", 5000, 4),),
                price_per_hour=9, power_w=900,
            ),
        ),
    ),
    (
        Workshop(name="Valence", lat=44.9334, lon=4.8924, grid_g_per_kwh=56),
        (
            _printer(
                "valence-a", "small 120", (120, 120, 120), _material("PLA", 32, 23),
                price_per_hour=1.0, power_w=80, speed=0.8,
            ),
            Machine(
                id="valence-mill", process="cnc-milling", model="3-axis router",
                volume_mm=(800, 600, 100), materials=(_material("birch", 20000, 6),),
                price_per_hour=14, power_w=1500,
            ),
        ),
    ),
    (
        Workshop(name="Saint-Étienne", lat=45.4397, lon=4.3872, grid_g_per_kwh=56),
        (
            _printer(
                "etienne-a", "large 300", (300, 300, 400), _material("PLA", 60, 19),
                price_per_hour=1.1, power_w=180, speed=0.9,
            ),
        ),
    ),
    (
        Workshop(name="Chambéry", lat=45.5646, lon=5.9178, grid_g_per_kwh=56),
        (
            _printer(
                "chambery-tpu", "bed slinger 220", (220, 220, 250), _material("TPU", 800, 35),
                price_per_hour=1.3, power_w=110,
            ),
            _printer(
                "chambery-mini", "pocket 50", (50, 50, 50), _material("PLA", 500, 21),
                price_per_hour=0.8, power_w=40,
            ),
        ),
    ),
)  # fmt: skip


@dataclass(slots=True)
class Resident:
    """One workshop's process."""

    name: str
    home: Home
    process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Client:
        return Client(self.home, patience_s=30.0)

    def start(self) -> None:
        """Start its node; `wait_until_ready` says when it is there."""
        log = self.home.path / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603  # Our own program and arguments.
                [sys.executable, "-m", "commonfab.node", "run", "--home", str(self.home)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return once the node answers; raise `ResourceError` with the end of its log if not."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self._is_alive():
            try:
                self.client.ask("status", {}, Status)
            except CommonfabError:
                time.sleep(_POLL_S)
            else:
                return
        tail = (self.home.path / "log").read_text(errors="replace")[-600:]
        raise ResourceError(f"{self.name} did not start; its log ends so:\n{tail}")

    def kill(self) -> None:
        """End it as a power cut would, with no time for a last word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    def _is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass(slots=True)
class Town:
    """All five, in a folder."""

    folder: Path
    residents: list[Resident] = field(default_factory=list[Resident])

    def found(self) -> None:
        """Make the homes and start the nodes; all but the first know its address."""
        first = f"/ip4/127.0.0.1/tcp/{_free_port()}"
        peers: tuple[str, ...] = ()
        for workshop, machines in WORKSHOPS:
            home = Home(self.folder / machines[0].id.split("-")[0])
            listen = "/ip4/127.0.0.1/tcp/0" if peers else first
            settings = Settings(
                workshop=workshop,
                machines=machines,
                network=Network(listen=(listen,), peers=peers),
                trade=Trade(grace_s=GRACE_S, sync_s=5),
            )
            key = founding.found(home, settings)
            peers = peers or (f"{first}/p2p/{peer_text(key.node)}",)
            resident = Resident(workshop.name, home)
            self.residents.append(resident)
            resident.start()
        for resident in self.residents:
            resident.wait_until_ready()

    def stop(self) -> None:
        for resident in self.residents:
            resident.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(look: Callable[[], T | None], seconds: float) -> T | None:
    """Return what `look` finds, as soon as it finds something, or None after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(_POLL_S)
    return None
