"""What a node costs: the command's start, the node's start, and a node with nothing to do.

Beside each figure stands what a Python process costs that does nothing but import libp2p.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from commonfab.node.answers.node import Status
from commonfab.node.control.client import Client
from commonfab.node.home.folder import Home
from commonfab.protocol.errors import CommonfabError

BEST_OF = 5
IDLE_S = 30.0
READY_S_MAX = 60.0
COMMAND = [sys.executable, "-m", "commonfab.node"]
PLAIN = "import libp2p, time; print('ready', flush=True); time.sleep(3600)"


def run() -> list[tuple[str, str, str]]:
    """Return (what, how much, what is compared with) for each figure."""
    bare = seconds(lambda: call([sys.executable, "-c", "pass"]))
    helped = seconds(lambda: call([*COMMAND, "--help"]))
    rows = [("commonfab --help", f"{helped:.2f} s", f"{helped / bare:.1f} x a bare python")]
    with tempfile.TemporaryDirectory() as folder:
        rows += node_rows(Home(Path(folder) / "home"))
    return rows


def node_rows(home: Home) -> list[tuple[str, str, str]]:
    call([*COMMAND, "init", "--home", str(home), "--name", "Bench", "--at", "45.7,4.8"])
    plain_s, plain_bytes = plain_libp2p()
    started = time.perf_counter()
    node = subprocess.Popen(
        [*COMMAND, "run", "--home", str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_ready(home)
        ready_s = time.perf_counter() - started
        process = psutil.Process(node.pid)
        before, began = process.cpu_times(), time.perf_counter()
        time.sleep(IDLE_S)
        after, ended = process.cpu_times(), time.perf_counter()
        used = after.user + after.system - before.user - before.system
        resident = process.memory_info().rss
    finally:
        node.terminate()
        node.wait()
    return [
        ("node ready", f"{ready_s:.2f} s", f"{ready_s / plain_s:.1f} x importing libp2p"),
        (
            "idle node, resident",
            f"{resident / 1e6:.0f} MB",
            f"{resident / plain_bytes:.2f} x libp2p imported",
        ),
        ("idle node, processor", f"{100 * used / (ended - began):.2f} % of a core", ""),
    ]


def plain_libp2p() -> tuple[float, int]:
    """Return the seconds and bytes of a process that only imports libp2p."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", PLAIN], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        return time.perf_counter() - started, psutil.Process(process.pid).memory_info().rss
    finally:
        process.kill()
        process.wait()


def wait_until_ready(home: Home) -> None:
    deadline = time.perf_counter() + READY_S_MAX
    while time.perf_counter() < deadline:
        try:
            Client(home, patience_s=READY_S_MAX).ask("status", {}, Status)
        except CommonfabError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("the node did not become ready")


def call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def seconds(task: Callable[[], object]) -> float:
    """Return the least time of a few calls."""
    times: list[float] = []
    for _ in range(BEST_OF):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    for what, how_much, compared in run():
        print(f"{what:30} {how_much:20} {compared}")
