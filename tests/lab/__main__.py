"""The laboratory: real nodes in network namespaces on a bad link. `python -m tests.lab`.

Twenty nodes through cuts and loss; then twenty among eighty Sybils. Prints a table, and exits
with 0 only if all in it was as it has to be, or if this machine allows no laboratory at all.
"""

import argparse
import signal
import sys
import time
from functools import partial

from .machine import why_not
from .story import Lab

HONEST = 20
SYBILS = 80


def end(_number: int, _frame: object) -> None:
    """Leave, and stop the nodes on the way."""
    sys.exit(1)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--honest", type=int, default=HONEST)
    parser.add_argument("--sybils", type=int, default=SYBILS, help="of the second town")
    parser.add_argument("--only", choices=["cuts", "sybils"])
    options = parser.parse_args(arguments)
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        return 0
    signal.signal(signal.SIGTERM, end)
    tell = partial(print, flush=True)
    labs = [
        Lab(options.seed, options.honest, sybils, tell)
        for name, sybils in (("cuts", 0), ("sybils", options.sybils))
        if options.only in (None, name)
    ]
    begin = time.monotonic()
    good: list[bool] = []
    for lab in labs:
        print(f"{lab.honest} honest nodes and {lab.sybils} Sybils, seed {lab.seed}", flush=True)
        good.append(lab.run())
    print(f"\n{'what':44} {'':4} figures")
    for lab in labs:
        for row in lab.rows:
            print(f"{row.what:44} {'ok' if row.is_so else 'NOT':4} {row.figures}")
    print(f"{time.monotonic() - begin:.0f} s")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
