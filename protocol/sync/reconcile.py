"""How two sets are compared range by range: fingerprints, short ids, and where to cut.

All depend on a salt that both sides of a session made together, so nobody can prepare records
that are taken for others. What is mistaken by chance in one session is found in the next.
"""

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise

from .index import MODULUS, SUM_BYTES, Index, Total, id_of
from .sync_wire import PARTS_MAX, PRINT_BYTES, SHORT_BYTES

EMPTY = bytes(PRINT_BYTES)
"""The fingerprint of a range without keys."""
LEAF_KEYS = 18
"""Keys in the smallest ranges that are compared: with more, a difference costs more short ids,
with fewer, more fingerprints."""
ASKED_KEYS_MAX = 27
"""A range that differs and has no more is not cut by the leader: it asks what is there."""
LISTED_KEYS_MAX = 64
"""A range that differs and has no more is listed by the follower."""
LISTED_TO_EMPTY_MAX = 1024
"""Likewise, where the leader has nothing."""


def digest(total: Total) -> bytes:
    """Return what stands for a whole set, with 32 bytes and without a salt."""
    return sha256(b"commonfab sync set" + _plain(total)).digest()


def promise(salt: bytes) -> bytes:
    return sha256(b"commonfab sync salt" + salt).digest()


def _plain(total: Total) -> bytes:
    count, numbers = total
    return count.to_bytes(8, "big") + numbers.to_bytes(SUM_BYTES, "big")


def fingerprint(salt: bytes, total: Total) -> bytes:
    return sha256(salt + _plain(total)).digest()[:PRINT_BYTES] if total[0] else EMPTY


def short_ids(salt: bytes, ids: Iterable[bytes]) -> list[bytes]:
    return [sha256(salt + identifier).digest()[:SHORT_BYTES] for identifier in ids]


def fingerprints(salt: bytes, index: Index, bounds: Iterable[bytes]) -> list[bytes]:
    """Return the fingerprint of each range between one bound and the next."""
    totals = [index.before(bound) for bound in bounds]
    return [
        fingerprint(salt, (high[0] - low[0], (high[1] - low[1]) % MODULUS))
        for low, high in pairwise(totals)
    ]


def parts_of(count: int) -> int:
    """Return into how many parts a range with so many keys is cut."""
    if count <= LEAF_KEYS * PARTS_MAX:
        return max(2, -(-count // LEAF_KEYS))
    return 16 if count <= LEAF_KEYS * PARTS_MAX * 16 else 32


def parts_to_list(count: int) -> int:
    """Likewise, of a range that is to be listed as a whole."""
    return min(PARTS_MAX, -(-count // LISTED_TO_EMPTY_MAX) + 1)


def compare(salt: bytes, mine: list[bytes], theirs: list[bytes]) -> tuple[list[int], list[bytes]]:
    """Compare a range with the short ids of another side's.

    Returns the places of the short ids that are missing here, and the keys that are missing
    there. Of a short id that one side has more often than the other, all count as missing.
    """
    shorts = short_ids(salt, map(id_of, mine))
    here, there = Counter(shorts), Counter(theirs)
    wanted = [place for place, short in enumerate(theirs) if there[short] > here[short]]
    lacking = [key for key, short in zip(mine, shorts, strict=True) if here[short] > there[short]]
    return wanted, lacking
