"""Publishing 1 GiB, beside Kubo's `ipfs add`, SHA-256 alone and a plain copy, in one run.

    python -m tests.benchmarks.bench_publish

Each is a process of its own, timed from its start to its end, but for one that is timed from
where Python has loaded, as a daemon has. The file is in memory already, and all stores are on
the disk of the temporary folder (TMPDIR): that must be a real disk, or nothing waits for it.
They take turns, and the best of the times counts: others on the machine only make it longer.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.unixfs.unixfs import add_tree
from tests.peers import PEERS

FILE_BYTES = 1 << 30
PIECE_BYTES = 1 << 20
ROUNDS = 5
KUBO = PEERS / "kubo" / "ipfs"
KUBO_ADD = "add --quieter --cid-version=1 --raw-leaves --chunker=size-1048576 --max-file-links=1024"
"""What makes Kubo give the same CID as our default profile."""

OURS, HASH, COPY = "commonfab, with fsync", "SHA-256 alone, one core", "plain copy, with fsync"
RUNNING = "the same, in a node that runs"
KUBO_DEFAULT, KUBO_SYNC = "ipfs add, its default store", "ipfs add, its store with fsync"


@dataclass(slots=True)
class Runs:
    """What came of the same command several times."""

    seconds: list[float] = field(default_factory=list[float])
    processor_s: list[float] = field(default_factory=list[float])
    peak_bytes: int = 0
    said: set[str] = field(default_factory=set[str])


def run() -> list[tuple[str, str, str, str, str]]:
    """Return rows of (what, seconds, processor seconds, memory at most, beside ours)."""
    with tempfile.TemporaryDirectory(prefix="commonfab-bench-") as name:
        folder = Path(name)
        file = make_file(folder / "file")
        runs = {what: Runs() for what in contenders(file, folder)}
        for _ in range(ROUNDS):
            for what, begin in contenders(file, folder).items():
                # What earlier rounds left to be written is no cost of this one.
                warm(file)
                os.sync()
                measure(begin(), runs[what], is_loaded_first=what == RUNNING)
                shutil.rmtree(folder / "store")
    cids = {
        cid
        for what in (OURS, RUNNING, KUBO_DEFAULT, KUBO_SYNC)
        if what in runs
        for cid in runs[what].said
    }
    assert len(cids) == 1, f"one file, several CIDs: {cids}"
    ours = min(runs[OURS].seconds)
    rows = [row(what, each, ours) for what, each in runs.items()]
    if KUBO_DEFAULT not in runs:
        rows.append(("ipfs add", "skipped: Kubo is not here, see make peers", "", "", ""))
    return rows


def row(what: str, each: Runs, ours: float) -> tuple[str, str, str, str, str]:
    best = min(each.seconds)
    return (
        what,
        f"{best:.2f} s (at worst {max(each.seconds):.2f})",
        f"{min(each.processor_s):.2f} s",
        f"{each.peak_bytes / 2**20:.0f} MiB",
        f"{best / ours:.2f}",
    )


def contenders(file: Path, folder: Path) -> dict[str, Callable[[], list[str]]]:
    """Return, by name, what makes all ready and gives the command that is timed."""
    store = folder / "store"
    me = [sys.executable, "-m", "tests.benchmarks.bench_publish"]
    found: dict[str, Callable[[], list[str]]] = {
        HASH: lambda: [*me, "hash", str(file), str(store)],
        COPY: lambda: [*me, "copy", str(file), str(store)],
        OURS: lambda: [*me, "publish", str(file), str(store)],
        RUNNING: lambda: [*me, "publish", str(file), str(store)],
    }
    if KUBO.exists():
        found[KUBO_DEFAULT] = lambda: kubo(file, store, sync=False)
        found[KUBO_SYNC] = lambda: kubo(file, store, sync=True)
    return found


def kubo(file: Path, store: Path, *, sync: bool) -> list[str]:
    """Make a repository as `ipfs init` does, and return the command that adds the file."""
    command = [str(KUBO), f"--repo-dir={store}", "--offline"]
    subprocess.run([*command, "init", "--empty-repo"], check=True, capture_output=True)
    config = json.loads((store / "config").read_text())
    config["Bootstrap"] = []
    if sync:
        for mount in config["Datastore"]["Spec"]["mounts"]:
            if mount["type"] == "flatfs":
                mount["sync"] = True
    (store / "config").write_text(json.dumps(config))
    return [*command, *KUBO_ADD.split(), str(file)]


def measure(command: list[str], runs: Runs, *, is_loaded_first: bool) -> None:
    began = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        if is_loaded_first:
            process.stdout.readline()
            began = perf_counter()
        runs.said.add(process.stdout.read().decode().strip())
        _, status, used = os.wait4(process.pid, 0)
        runs.seconds.append(perf_counter() - began)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    runs.processor_s.append(used.ru_utime + used.ru_stime)
    runs.peak_bytes = max(runs.peak_bytes, used.ru_maxrss * 1024)


def make_file(path: Path) -> Path:
    with path.open("wb") as file:
        for at in range(FILE_BYTES // PIECE_BYTES):
            file.write(hashlib.shake_128(at.to_bytes(4, "big")).digest(PIECE_BYTES))
    return path


def warm(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(PIECE_BYTES):
            pass


def publish(path: Path, store: Path) -> None:
    print(flush=True)
    with path.open("rb", buffering=0) as file:
        print(add_tree(DiskBlockStore(store), file).cid)


def hash_alone(path: Path, store: Path) -> None:
    store.mkdir()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            hashlib.sha256(piece).digest()


def copy(path: Path, store: Path) -> None:
    store.mkdir()
    target_path = store / "copy"
    with path.open("rb", buffering=0) as source, target_path.open("wb", buffering=0) as target:
        while piece := source.read(PIECE_BYTES):
            target.write(piece)
        os.fsync(target.fileno())


def main() -> None:
    if len(sys.argv) > 1:
        what, path, store = sys.argv[1:]
        {"publish": publish, "hash": hash_alone, "copy": copy}[what](Path(path), Path(store))
        return
    before = os.getloadavg()[0]
    print(
        f"{'1 GiB from a warm cache':32} {'time             ':24} processor  memory   beside ours"
    )
    for what, taken, used, peak, beside in run():
        print(f"{what:32} {taken:24} {used:>9}  {peak:>8} {beside:>8}")
    print(f"load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after, all told")


if __name__ == "__main__":
    main()
