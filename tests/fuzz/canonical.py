"""Compares the two readers of the canonical form: they must agree on any bytes."""

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
