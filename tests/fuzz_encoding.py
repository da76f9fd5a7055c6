"""Compares the two readers of the canonical form on mutated bodies, for as long as you like.

    python -m tests.fuzz_encoding --runs 1000000 --seed 1

Prints what it saw, and for a disagreement the bytes. The same seed gives the same bodies.
"""

import argparse
import sys
from collections import Counter
from random import Random

from commonfab.protocol import encoding
from commonfab.protocol.errors import Malformed
from tests.protocol import mutations, scanner


class Dispute(Exception):
    """The two readers disagree on some bytes."""


def judge(data: bytes) -> str:
    """Return "accepted" or the rule that `data` breaks, or raise `Dispute`."""
    verdict = "accepted"
    expected: object = None
    try:
        expected = scanner.scan(data)
    except scanner.Refused as refusal:
        verdict = str(refusal)
    try:
        value = encoding.decode(data)
    except Malformed as error:
        if verdict == "accepted":
            raise Dispute(f"only encoding.py refuses {data.hex()}: {error}") from error
        return verdict
    if verdict != "accepted":
        raise Dispute(f"only the scanner refuses {data.hex()}: {verdict}")
    if value != expected or encoding.encode(value) != data:
        raise Dispute(f"two values for {data.hex()}")
    return verdict


def compare(runs: int, seed: int) -> Counter[str]:
    """Judge `runs` bodies, three mutants of each fresh one; return how often each rule fell."""
    random = Random(seed)
    seen = Counter[str]()
    data = b""
    for run in range(runs):
        if run % 4 == 0:
            data = mutations.body(random)
        seen[judge(data if run % 4 == 0 else mutations.mutated(data, random))] += 1
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seen = compare(arguments.runs, arguments.seed)
    for rule, count in sorted(seen.items()):
        print(f"{rule:12} {count:>10,}", file=sys.stdout)


if __name__ == "__main__":
    main()
