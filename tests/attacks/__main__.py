"""Attacks a real node, kind by kind and then all at once: `python -m tests.attacks --seconds N`.

Prints for each what an honest peer met meanwhile and what it cost, and fails where a round trip
took a second or the node grew by 64 MB.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import trio

from commonfab.protocol.limits import MIB

from .hostile import Gang
from .siege import MEMORY_BYTES_MAX, ROUND_TRIP_S_MAX, Figures, a_real_node, besiege


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="for all of it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="one kind of attack")
    options = parser.parse_args(arguments)
    kinds = [options.only] if options.only else list(Gang("", Random(0)).attacks())
    begin = time.monotonic()
    rounds = [(kind, [kind]) for kind in kinds] + ([("all", kinds)] if not options.only else [])
    with (
        tempfile.TemporaryDirectory(prefix="commonfab-attacks-") as folder,
        a_real_node(Path(folder)) as (pid, address),
    ):
        held = [_withstands(pid, address, name, names, options) for name, names in rounds]
    print(
        f"{len(held)} sieges in {time.monotonic() - begin:.0f} s, {held.count(False)} failed: a"
        f" round trip of {ROUND_TRIP_S_MAX:.0f} s or none, or {MEMORY_BYTES_MAX // MIB} MiB more"
    )
    return 0 if all(held) else 1


def _withstands(
    pid: int, address: str, name: str, names: list[str], options: argparse.Namespace
) -> bool:
    """Run one round and print its figures: half of the time is for all kinds at once."""
    share = options.seconds / (2 if name == "all" else 2 * len(Gang("", Random(0)).attacks()))
    seconds = options.seconds if options.only else share

    async def siege() -> Figures:
        return await besiege(pid, address, names, seed=options.seed, seconds=seconds)

    figures = trio.run(siege)
    is_held = (
        not figures.failures
        and figures.slowest_s < ROUND_TRIP_S_MAX
        and figures.growth_bytes < MEMORY_BYTES_MAX
    )
    print(f"{name:20} {figures}{'' if is_held else '   FAILED'}", flush=True)
    return is_held


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
