"""The side that opens a sync session, and decides what is asked next. See sync.py."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import PeerError
from ..ids import RecordId
from ..limits import SYNC_RANGES_MAX, SYNC_RECORDS_MAX
from . import reconcile
from .index import END, Index, id_of
from .reconcile import ASKED_KEYS_MAX
from .subset import ALL, Subset
from .sync import DEPTH_MAX, PENDING_MAX, Batch, Get, Judge, check_order
from .sync_wire import (
    PRINT_BYTES,
    SALT_BYTES,
    SHORT_BYTES,
    Ask,
    Differs,
    Hello,
    Message,
    Parts,
    Same,
    Split,
    Swap,
    Swapped,
    Told,
    cut_up,
    pack_bounds,
    pack_places,
    unpack_bounds,
)


@dataclass(frozen=True, slots=True)
class _Range:
    """Keys from `low` on and below `high`, and how often it was cut to get there."""

    low: bytes
    high: bytes
    depth: int = 0


class Leader:
    """One session. `salt` is random and of this session only."""

    def __init__(
        self,
        index: Index,
        get: Get,
        salt: bytes,
        subset: Subset = ALL,
        *,
        unwanted: Iterable[RecordId] = (),
        declined: Iterable[RecordId] = (),
    ) -> None:
        """`unwanted` are not asked for, as they would not be believed again; `declined` are not
        given, as the follower refused them before."""
        assert len(salt) == SALT_BYTES
        self.declined = set(declined)
        self.wanted = 0
        """Records that were asked for."""
        self.given = 0
        """Records that the follower took."""
        self._index = index
        self._get = get
        self._my_salt = salt
        self._salt = b""
        self._subset = subset
        self._unwanted = tuple(unwanted)
        self._unwanted_shorts: set[bytes] = set()
        self._pending = deque([_Range(b"", END)])
        self._asked: list[_Range] = []
        self._wants: list[int] = []
        """Places of short ids in the last `told`."""
        self._gives: deque[bytes] = deque()
        self._giving: list[RecordId] = []
        self._sent: Message | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether all ranges were compared, and all that was found was exchanged."""
        return not (self._pending or self._asked or self._wants or self._gives or self._giving)

    def begin(self) -> Message:
        digest = reconcile.digest(self._index.before(END))
        return self._say(Hello(reconcile.promise(self._my_salt), digest, self._subset))

    def hear(self, reply: Message) -> Message | Judge | None:
        """Return what to say next, or records to judge first; None: the session is over.

        Raises `PeerError` for a reply that does not fit.
        """
        match self._sent, reply:
            case Hello(), Same():
                self._pending.clear()
                return None
            case Hello(), Differs(salt):
                self._salt = self._my_salt + salt
                self._unwanted_shorts = set(reconcile.short_ids(self._salt, self._unwanted))
            case Ask(), Told(answers):
                self._learn(answers)
            case Swap(), Swapped() as swapped:
                self._settle(swapped)
                if swapped.sealed:
                    return Judge(swapped.sealed)
            case _:
                raise PeerError(f"{type(reply).__name__} in a sync session where it was not due")
        return self._next()

    def judged(self) -> Message | None:
        """Return what to say after `Judge`; None: the session is over."""
        return self._next()

    def _say(self, message: Message) -> Message:
        self._sent = message
        return message

    def _next(self) -> Message | None:
        if self._wants or self._gives:
            swap = self._swap()
            if swap.want or swap.sealed:
                return self._say(swap)
        return self._say(self._ask()) if self._pending else None

    # Comparing.

    def _ask(self) -> Ask:
        """Ask about as many of the pending ranges as fit."""
        splits: list[Split] = []
        room, previous = SYNC_RANGES_MAX, b""
        while self._pending and room:
            found = self._pending.popleft()
            cuts = self._cuts(found)[: room - 1]
            room -= len(cuts) + 1
            bounds = [found.low, *cuts, found.high]
            prints = reconcile.fingerprints(self._salt, self._index, bounds)
            splits.append(Split(pack_bounds(bounds, previous), b"".join(prints)))
            previous = found.high
            self._asked += _ranges(bounds, found.depth + bool(cuts))
        return Ask(splits, self._my_salt if isinstance(self._sent, Hello) else b"")

    def _cuts(self, found: _Range) -> list[bytes]:
        count = self._index.between(found.low, found.high)[0]
        if count <= ASKED_KEYS_MAX:
            return []
        return self._index.cut(found.low, found.high, reconcile.parts_of(count))

    def _learn(self, answers: Sequence[Parts | bytes | None]) -> None:
        if len(answers) > len(self._asked):
            raise PeerError(f"{len(answers)} answers about {len(self._asked)} ranges")
        parts = sum(len(answer.bounds) + 1 for answer in answers if isinstance(answer, Parts))
        if len(self._pending) + parts > PENDING_MAX:
            raise PeerError(f"a follower that leaves more than {PENDING_MAX} ranges open")
        fresh: list[_Range] = []
        listed = 0
        for asked, answer in zip(self._asked, answers, strict=False):
            match answer:
                case None:
                    continue
                case Parts():
                    fresh += self._differing(asked, answer)
                case _:
                    self._compare(asked, answer, listed)
                    listed += len(answer) // SHORT_BYTES
        self._pending.extendleft(reversed([*fresh, *self._asked[len(answers) :]]))
        self._asked = []

    def _differing(self, asked: _Range, answer: Parts) -> list[_Range]:
        """Return those parts of a range of which the follower has something else."""
        bounds = [asked.low, *unpack_bounds(answer.bounds, asked.low), asked.high]
        check_order(bounds)
        theirs = cut_up(answer.prints, PRINT_BYTES)
        if len(theirs) != len(bounds) - 1:
            raise PeerError(f"{len(theirs)} fingerprints of {len(bounds) - 1} ranges")
        if asked.depth >= DEPTH_MAX:
            raise PeerError(f"a follower that cuts a range more than {DEPTH_MAX} times")
        mine = reconcile.fingerprints(self._salt, self._index, bounds)
        parts = zip(_ranges(bounds, asked.depth + 1), mine, theirs, strict=True)
        return [part for part, here, there in parts if here != there]

    def _compare(self, asked: _Range, listed: bytes, before: int) -> None:
        """Find what is missing in a range; `before` short ids were told before its own."""
        theirs = cut_up(listed, SHORT_BYTES)
        mine = self._index.keys(asked.low, asked.high)
        wanted, lacking = reconcile.compare(self._salt, mine, theirs)
        unwanted = self._unwanted_shorts
        self._wants += [before + place for place in wanted if theirs[place] not in unwanted]
        self._gives += [key for key in lacking if id_of(key) not in self.declined]

    # Exchanging.

    def _swap(self) -> Swap:
        batch = Batch()
        self._giving = []
        while self._gives:
            identifier = id_of(self._gives[0])
            data = self._get(identifier)
            if data is not None:
                if not batch.takes(data):
                    break
                self._giving.append(identifier)
            self._gives.popleft()
        return Swap(pack_places(self._wants[:SYNC_RECORDS_MAX]), batch.sealed)

    def _settle(self, swapped: Swapped) -> None:
        """Take note of what the follower did with a swap."""
        asked = min(len(self._wants), SYNC_RECORDS_MAX)
        if swapped.done > asked or (asked and not swapped.done):
            raise PeerError(f"{swapped.done} records dealt with of {asked} that were asked for")
        if swapped.sealed and not asked:
            raise PeerError(f"{len(swapped.sealed)} records that nobody asked for")
        if swapped.refused and max(swapped.refused) >= len(self._giving):
            raise PeerError("a follower that refuses what it was not given")
        self.wanted += swapped.done
        self.declined.update(self._giving[place] for place in swapped.refused)
        self.given += len(self._giving) - len(set(swapped.refused))
        self._giving = []
        del self._wants[: swapped.done]


def _ranges(bounds: Sequence[bytes], depth: int) -> list[_Range]:
    return [_Range(low, high, depth) for low, high in pairwise(bounds)]
