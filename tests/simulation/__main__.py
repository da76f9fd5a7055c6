"""Runs the simulation: `python -m tests.simulation --seed N`, or `--seeds A-B`.

With one seed it tells what happens. With a range it uses all cores, and tells what went
wrong and what it all came to. A line that it prints for a failure is all that is needed to
see it again.
"""

import argparse
import os
import sys
import time

from .seeds import figures, outcomes, run, sort_out
from .world import NODES


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="one run, with its story")
    which.add_argument("--seeds", metavar="A-B", help="all seeds from A to B")
    parser.add_argument("--nodes", type=int, default=NODES, help="one in five is a rogue")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    if options.seed is not None:
        print(run(options.seed, options.nodes, tells=True))
        return 0
    first, last = (int(text) for text in options.seeds.split("-"))
    begin = time.monotonic()
    failed, results = sort_out(outcomes(range(first, last + 1), options.nodes, options.workers))
    print(*failed, sep="\n")
    print(figures(results, options.nodes))
    seconds = time.monotonic() - begin
    print(
        f"{last - first + 1} seeds of {options.nodes} nodes, {len(failed)} failed, "
        f"{seconds:.0f} s, {(last - first + 1) / seconds:.1f} seeds/s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
