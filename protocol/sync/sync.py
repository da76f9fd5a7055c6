"""The exchange of what is missing: after one session both sides know the same public records.

Gossip is a hint; this is the truth. Both sides have their records of a subset in order of
time and id, and compare ranges of that order. The side that opens the session leads:

    leader                                       follower
    Hello: promise of a salt, digest, subset -->
                                             <-- Same, and it ends; or Differs: its salt
    Ask: my salt; fingerprints of my ranges  -->
                                             <-- Told: of each: the same, or cut into parts with
                                                 their fingerprints, or the short ids of all in it
    ... until some ranges have been told in short ids
    Swap: which of these I want, records     -->
                                             <-- Swapped: those records, which of mine I refuse
    ... and on to the next ranges

Salts are made after both sets were there, and the leader's is promised before it sees the
follower's: neither can choose records against them, nor the salt against records. A range
stands alone, so what a session found is not lost when it is cut; the next one finds the rest.

`leader.py` and `follower.py` are the two sides, fed one message after the other; they
never wait. `index.py` has the order, `reconcile.py` compares. Rules: specs/sync.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import Malformed
from ..ids import RecordId
from ..limits import SYNC_RANGES_MAX, SYNC_RECORDS_MAX

PROTOCOL = "/commonfab/sync/1"
BATCH_BYTES_MAX = 1024 * 1024
"""Records in one message; a single one may be larger."""
TOLD_BYTES_MAX = 256 * 1024
"""About where a follower ends `told`; what is not answered is asked again."""
DEPTH_MAX = 24
"""How often a range is cut. A follower that goes on cutting is at fault."""
PENDING_MAX = 4 * SYNC_RANGES_MAX
"""Ranges about which a leader has yet to ask. An honest follower leaves it a quarter of them."""

Get = Callable[[RecordId], bytes | None]
"""Returns a record as sealed; None if it is there no more."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judge these records that came, keep the good ones, then call `judged`."""

    sealed: Sequence[bytes]


class Batch:
    """Records for one message."""

    def __init__(self) -> None:
        self.sealed: list[bytes] = []
        self._size = 0

    def takes(self, sealed: bytes) -> bool:
        """Put a record in if it fits. The first always does."""
        size = self._size + len(sealed)
        if self.sealed and (size > BATCH_BYTES_MAX or len(self.sealed) == SYNC_RECORDS_MAX):
            return False
        self.sealed.append(sealed)
        self._size = size
        return True


def check_order(bounds: Sequence[bytes]) -> None:
    """Raise `Malformed` unless each bound is above the one before it."""
    if any(low >= high for low, high in pairwise(bounds)):
        raise Malformed("bounds that do not rise")
