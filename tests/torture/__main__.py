"""Kills nodes and fills their disks, many times, and looks for what they lost.

    python -m tests.torture --kills 1000 --full 200 --seed 7

A kill is SIGKILL: what the kernel was given outlasts it. What a power cut takes is tried in
tests/storage/test_durability.py. A full disk is one in memory, mounted in a namespace of its
own; where none can be mounted, that part is left out, and says so.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from .cycle import Life

LIFE_CYCLES = 25
"""Before two new nodes are founded: looking at all of a large store takes too long."""
DISK_MIB = 24
OWN_NAMESPACE = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
MOUNT = f'mount -t tmpfs -o size={DISK_MIB}m none "$0"'


def torture(cycles: int, seed: int, disk: Path | None, what: str) -> Counter[str]:
    """Run so many cycles; return what was counted. Raises at the first promise broken."""
    counts: Counter[str] = Counter()
    for first in range(0, cycles, LIFE_CYCLES):
        with tempfile.TemporaryDirectory(prefix="commonfab-torture-") as beside:
            folder = (disk or Path(beside)) / f"life-{first}"
            life = Life(folder, Path(beside), seed + first)
            run: Callable[[], None] = life.kill_cycle if what == "kills" else life.full_cycle
            for number in range(first, min(first + LIFE_CYCLES, cycles)):
                try:
                    run()
                except BaseException:
                    print(f"failed in cycle {number} of {what}, seed {seed}", file=sys.stderr)
                    raise
            life.last_cycle()
            counts += life.counts
            shutil.rmtree(folder)
    counts[what] = cycles
    del counts["acknowledged here"]
    return counts


def fill_disks(cycles: int, seed: int) -> str:
    """Run the cycles of full disks on a small disk of their own; return what they said."""
    with tempfile.TemporaryDirectory(prefix="commonfab-torture-disk-") as disk:
        if not shutil.which("unshare") or subprocess.call([*OWN_NAMESPACE, MOUNT, disk]):
            return "full disks: left out, this machine allows no mount in a namespace"
        again = [sys.executable, "-m", "tests.torture", "--full", str(cycles), "--seed", str(seed)]
        command = [*OWN_NAMESPACE, f'{MOUNT} && exec "$@"', disk, *again, "--disk", disk]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def told(counts: Counter[str], seconds: float) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) + f"; {seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=0, help="cycles that end with SIGKILL")
    parser.add_argument("--full", type=int, default=0, help="cycles on a disk that is full")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and of the files")
    parser.add_argument("--disk", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    began = monotonic()
    if options.kills:
        counts = torture(options.kills, options.seed, options.disk, "kills")
        print(told(counts, monotonic() - began), flush=True)
    if options.full and options.disk is None:
        print(fill_disks(options.full, options.seed))
    elif options.full:
        counts = torture(options.full, options.seed, options.disk, "full disks")
        print(told(counts, monotonic() - began))


if __name__ == "__main__":
    main()
