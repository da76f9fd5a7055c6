"""Feeds mutated records and frames to all that reads the bytes of strangers.

    python -m tests.fuzz --records 10000000 --frames 1000000 --seed 7

Prints a table. Exits with 1 if anything but a typed refusal came out, or if the two readers of
the canonical form disagreed; what it prints then shows it again.
"""

import argparse
import os
import sys
import time
from itertools import groupby

from .fuzzing import TARGETS, Outcome, jobs, run_all

RECORDS = "records"


def row(outcomes: list[Outcome]) -> str:
    frames = sum(outcome.frames for outcome in outcomes)
    refused = sum(outcome.refused for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    return (
        f"{outcomes[0].target:24} {frames:>12,} {refused / max(1, frames):>8.1%} "
        f"{seconds / max(1, frames) * 1e6:>8.1f}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--frames", type=int, default=10_000, help="of each other target")
    parser.add_argument("--only", help="one target, by its name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    work = [
        job
        for target in TARGETS
        if options.only in (None, target.name)
        for job in jobs(
            target.name,
            options.records if target.name == RECORDS else options.frames,
            options.seed,
        )
    ]
    begin = time.monotonic()
    escaped: list[str] = []
    frames = 0
    print(f"{'target':24} {'frames':>12} {'refused':>8} {'us':>8}")
    for _, group in groupby(run_all(work, options.workers), lambda outcome: outcome.target):
        outcomes = list(group)
        escaped += [outcome.escaped for outcome in outcomes if outcome.escaped]
        frames += sum(outcome.frames for outcome in outcomes)
        print(row(outcomes), flush=True)
    seconds = time.monotonic() - begin
    print(
        f"{frames:,} frames in {seconds:.0f} s, {frames / seconds:,.0f}/s; {len(escaped)} escaped"
    )
    print(*escaped, sep="\n")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
