"""What bundles cost: made and opened by a node, beside SHA-256 alone and Kubo on the same file.

python -m tests.benchmarks.bench_bundle
"""

import hashlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import trio

from commonfab.node.bundles import making, opening
from commonfab.node.designs import publishing
from commonfab.node.home.folder import Home
from commonfab.node.network.memory_transport import MemoryNetwork
from tests.node.village import a_home, living, write_block
from tests.peers import PEERS
from tests.peers.kubo_daemon import KuboDaemon

FILE_BYTES = 200_000_000
_READ_BYTES = 256 * 1024
_KUBO = PEERS / "kubo" / "ipfs"


def run() -> list[tuple[str, str]]:
    """Return rows of (what, how fast)."""
    with tempfile.TemporaryDirectory() as folder:
        return _rows(Path(folder))


def _rows(folder: Path) -> list[tuple[str, str]]:
    path = folder / "stick.car"
    making = trio.run(_make, folder, path)
    plain = _seconds(partial(_hash, path))
    opening = trio.run(_open, folder, path)
    again = trio.run(_open, folder, path)
    rows = [
        ("SHA-256 alone, 256 KiB of the file at a time", _speed(path, plain)),
        ("bundle made, each block verified, synced", _share(path, making, plain)),
        ("bundle opened, each block verified and synced", _share(path, opening, plain)),
        ("the same bundle opened again", _share(path, again, plain)),
    ]
    if not _KUBO.exists():
        return [*rows, ("Kubo, the same file", "not here; make peers")]
    kubo = KuboDaemon(_KUBO.resolve(), folder / "kubo")
    taking = _seconds(partial(kubo.run, "dag", "import", str(path)))
    return [
        *rows,
        ("ipfs dag import, the same file", _share(path, taking, plain)),
        ("bundle opened, against ipfs dag import", f"{taking / opening:.2f} times as fast"),
    ]


async def _make(folder: Path, path: Path) -> float:
    design = write_block(folder / "design")
    noise = hashlib.shake_128(b"commonfab").digest(FILE_BYTES)
    await trio.Path(design / "film.bin").write_bytes(noise)
    async with living(a_home(folder, "alice"), MemoryNetwork()) as alice:
        record = (await publishing.publish(alice, design, _say)).record
        start = perf_counter()
        await making.make(alice, [record], path, _say)
        return perf_counter() - start


async def _open(folder: Path, path: Path) -> float:
    """Open it on the node "bob", which has what it opened before."""
    is_known = await trio.Path(folder / "bob").exists()
    home = Home(folder / "bob") if is_known else a_home(folder, "bob")
    async with living(home, MemoryNetwork()) as bob:
        start = perf_counter()
        opened = await opening.open_bundle(bob, path, _say)
        seconds = perf_counter() - start
    assert [each.missing for each in opened.designs] == [0]
    return seconds


async def _say(_said: object) -> None:
    await trio.lowlevel.checkpoint()


def _hash(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while data := file.read(_READ_BYTES):
            hashlib.sha256(data).digest()


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _speed(path: Path, seconds: float) -> str:
    return f"{path.stat().st_size / seconds / 1e6:.0f} MB/s"


def _share(path: Path, seconds: float, plain: float) -> str:
    return f"{_speed(path, seconds)}, {100 * plain / seconds:.0f} % of SHA-256"


if __name__ == "__main__":
    for what, how_fast in run():
        print(f"{what:50} {how_fast}")
