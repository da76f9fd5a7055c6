"""One real node under attack: what an honest peer meets meanwhile, and what it costs the node.

a node, by `commonfab run`          in a process of its own
the attackers                       in another
an honest peer, here                asks again and again, on its link and as a newcomer
"""

import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from commonfab.node.home import founding
from commonfab.node.home.config import Settings, Workshop
from commonfab.node.home.folder import Home
from commonfab.node.network.libp2p_transport import PING, Libp2pTransport
from commonfab.node.network.transport import opened
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.limits import MIB
from tests.node.network.libp2p_peers import ALICE_SEED
from tests.node.running import running_node

MEMORY_BYTES_MAX = 64 * MIB
"""How much an attack may make a node grow (issue: what hostile peers cannot do)."""
ROUND_TRIP_S_MAX = 1.0
_ASK_EVERY_S = 0.1
_PATIENCE_S = 10.0
_WARM_UP_S = 1.0


@dataclass
class Figures:
    """What was seen of one siege."""

    memory_before: int = 0
    memory_peak: int = 0
    round_trips: list[float] = field(default_factory=list[float])
    failures: int = 0

    @property
    def growth_bytes(self) -> int:
        return self.memory_peak - self.memory_before

    @property
    def slowest_s(self) -> float:
        return max(self.round_trips, default=_PATIENCE_S)

    def __str__(self) -> str:
        times = sorted(self.round_trips) or [_PATIENCE_S]
        median = times[len(times) // 2] * 1000
        return (
            f"{len(self.round_trips):5} round trips, median {median:6.1f} ms, "
            f"slowest {self.slowest_s * 1000:7.1f} ms, {self.failures} failed; "
            f"memory +{max(0, self.growth_bytes) / MIB:5.1f} MiB"
        )


@contextmanager
def a_real_node(folder: Path) -> Generator[tuple[int, str]]:
    """Run a node for a block; return its process and its address."""
    home = Home(folder / "node")
    founding.found(home, Settings(workshop=Workshop(name="Besieged", lat=48.1, lon=11.6)))
    with running_node(home.path) as node:
        yield node.process.pid, node("status", "--json").json["addresses"][0]


@asynccontextmanager
async def attackers(
    address: str, seed: int, names: Sequence[str], each: int
) -> AsyncGenerator[None]:
    """Run the attackers for a block, in a process of their own."""
    words = ["-m", "tests.attacks.attackers", address, str(seed), str(each), *names]
    process = await trio.lowlevel.open_process([sys.executable, *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with trio.fail_after(6 * _PATIENCE_S):
            assert await process.stdout.receive_some(), "the attackers did not begin"
        yield
        assert process.poll() is None, "the attackers gave up"
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


async def besiege(
    pid: int, address: str, names: Sequence[str], *, seed: int, seconds: float, each: int = 2
) -> Figures:
    """Attack a node for so long, and tell what came of it."""
    honest = Libp2pTransport(ALICE_SEED, ["/ip4/127.0.0.1/tcp/0"], mdns=False)
    figures = Figures()
    async with trio.open_nursery() as nursery:
        await nursery.start(honest.run)
        try:
            await honest.connect(address)
        except ResourceError:  # What the siege before left behind is still at work.
            figures.failures += 1
        await trio.sleep(_WARM_UP_S)
        figures.memory_before = memory_of(pid)
        async with attackers(address, seed, names, each):
            with trio.move_on_after(seconds):
                while True:
                    await _ask(honest, address, figures)
                    figures.memory_peak = max(figures.memory_peak, memory_of(pid))
                    await trio.sleep(_ASK_EVERY_S)
        nursery.cancel_scope.cancel()
    return figures


async def _ask(honest: Libp2pTransport, address: str, figures: Figures) -> None:
    """Time one question in a new stream of an honest peer's link, or that it got no answer."""
    began_at = trio.current_time()
    try:
        with trio.fail_after(_PATIENCE_S):
            peer = await honest.connect(address)
            async with opened(honest, peer, PING) as stream:
                await stream.write(bytes(32))
                assert await stream.read(32)
    except (Exception, trio.TooSlowError):
        figures.failures += 1
    else:
        figures.round_trips.append(trio.current_time() - began_at)


def memory_of(pid: int) -> int:
    """Return the bytes of a process that are in memory now."""
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = text.partition(":")
        if name == "VmRSS":
            return int(value.split()[0]) * 1024
    raise AssertionError("no VmRSS")
