"""Runs the simulation: `python -m tests.simulation --seed N`, or `--seeds A-B`.

With one seed it tells what happens. With a range it tells only what went
wrong. A line that it prints for a failure is all that is needed to see it again.
"""

import argparse
import sys
import time

from .world import Result, World


def replay_line(seed: int) -> str:
    return f"python -m tests.simulation --seed {seed}"


def run(seed: int, *, tells: bool = False) -> Result:
    return World(seed, story=print if tells else None).run()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="one run, with its story")
    which.add_argument("--seeds", metavar="A-B", help="all seeds from A to B")
    parser.add_argument("--step", type=int, default=1, help="take every so many seeds")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        print(run(options.seed, tells=True))
        return 0
    first, last = (int(text) for text in options.seeds.split("-"))
    begin = time.monotonic()
    seeds = range(first, last + 1, options.step)
    failed = [line for line in map(failure, seeds) if line]
    print(*failed, sep="\n")
    print(f"{len(seeds)} seeds, {len(failed)} failed, {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


def failure(seed: int) -> str:
    """Return the line that replays a run and says how it failed; empty if it did not."""
    try:
        run(seed)
    except Exception as error:  # whatever it is, the other seeds are worth a run
        return f"{replay_line(seed)}    # {type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
