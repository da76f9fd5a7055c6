"""Whole nodes in one process: a network in memory, real stores, real meshes, time lapse."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import trio

from commonfab.node import daemon
from commonfab.node.home import config, founding, keys
from commonfab.node.home.config import Network, Settings, Trade, Workshop
from commonfab.node.home.folder import Home
from commonfab.node.machines.settings import Machine, Material
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.node import Node
from commonfab.protocol.ids import NodeId

WAIT_S = 30.0


def a_machine(name: str = "mk", **changes: object) -> Machine:
    """Return a fast virtual printer with enough PLA."""
    fields: dict[str, object] = {
        "id": name,
        "process": "fff-printing",
        "volume_mm": (200.0, 200.0, 200.0),
        "materials": (Material(material="PLA", grams=1000, price_per_kg=20),),
        "price_per_hour": 1.0,
        "power_w": 100,
        "time_lapse": 10_000.0,
    }
    return Machine(**(fields | changes))  # type: ignore[arg-type]  # msgspec checks on reading


def a_home(folder: Path, name: str, *machines: Machine) -> Home:
    """Found a node and return its home."""
    home = Home(folder / name)
    settings = Settings(
        workshop=Workshop(name=name, lat=45.7, lon=4.8),
        machines=machines,
        network=Network(),
        trade=Trade(grace_s=2, sync_s=1),
    )
    founding.found(home, settings)
    return home


@asynccontextmanager
async def living(
    home: Home,
    network: MemoryNetwork,
    make: Callable[[NodeId, MemoryNetwork], MemoryTransport] = MemoryTransport,
) -> AsyncGenerator[Node]:
    """Run the node of a home for a block, and stop it as a signal would."""
    key = keys.load(home.key)
    transport = make(key.node, network)
    node = Node(home, config.load(home.config, {}), {}, key, transport)
    try:
        async with trio.open_nursery() as nursery:
            await daemon.start(node, nursery)
            yield node
            nursery.cancel_scope.cancel()
    finally:
        node.library.close()


async def eventually(is_so: Callable[[], object]) -> None:
    """Return once it is so; fail if it is not in a long while."""
    with trio.fail_after(WAIT_S):
        while not is_so():  # noqa: ASYNC110  # It may depend on several nodes at once.
            await trio.sleep(0.01)


def write_block(folder: Path, *, side_mm: float = 20.0, manifest: str = "") -> Path:
    """Write a design of one box, as a folder with a binary STL."""
    folder.mkdir(parents=True, exist_ok=True)
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float) * side_mm
    faces = [
        (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
        (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
    ]  # fmt: skip
    rows = np.zeros(len(faces), np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")]))
    rows["v"] = corners[np.array(faces)]
    (folder / "block.stl").write_bytes(
        b"\0" * 80 + len(faces).to_bytes(4, "little") + rows.tobytes()
    )
    (folder / "okh.toml").write_text(manifest or MANIFEST)
    return folder


MANIFEST = """\
okhv = "2.4"
name = "Block"
repo = "https://example.org/block"
version = "1"
license = "CC0-1.0"
licensor = "Alice"
function = "Holds a door open."

[[part]]
name = "block"
tsdc = "3DP"
export = ["block.stl"]
material = "PLA"
printing-process = "FDM"
"""
