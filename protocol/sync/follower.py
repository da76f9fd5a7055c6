"""The side that answers in a sync session. See sync.py."""

from collections.abc import Sequence

from ..errors import Malformed, PeerError
from ..limits import SYNC_IDS_MAX, SYNC_RANGES_MAX, SYNC_RECORDS_MAX
from . import reconcile
from .index import END, Index, id_of
from .reconcile import EMPTY, LISTED_KEYS_MAX, LISTED_TO_EMPTY_MAX
from .sync import TOLD_BYTES_MAX, Batch, Get, Judge, check_order
from .sync_wire import (
    PRINT_BYTES,
    SALT_BYTES,
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
    unpack_bounds,
    unpack_places,
)

_Asked = tuple[bytes, bytes, bytes]
"""A range and the leader's fingerprint of it."""


class Follower:
    """One session. `salt` is random and of this session only.

    It remembers the salts, and which records the last `told` listed; nothing else.
    """

    def __init__(self, index: Index, get: Get, salt: bytes) -> None:
        """`index` has what is in the subset that the session's `Hello` names."""
        assert len(salt) == SALT_BYTES
        self._index = index
        self._get = get
        self._my_salt = salt
        self._promise: bytes | None = None
        self._salt = b""
        self._listed: list[bytes] = []
        self._swap: Swap | None = None

    def hear(self, message: Message) -> Message | Judge:
        """Return what to answer, or records to judge first.

        Raises `PeerError` for a message that does not fit; the session is over then.
        """
        match message:
            case Hello() if self._promise is None:
                self._promise = message.promise
                same = message.digest == reconcile.digest(self._index.before(END))
                return Same() if same else Differs(self._my_salt)
            case Ask() if self._promise is not None:
                self._agree(message.salt)
                return self._tell(_ranges(message.splits))
            case Swap() if self._salt:
                if not message.sealed:
                    return self._swapped(message, [])
                self._swap = message
                return Judge(message.sealed)
            case _:
                raise PeerError(f"{type(message).__name__} in a sync session where it was not due")

    def judged(self, believed: Sequence[bool]) -> Message:
        """Return what to answer after `Judge`: for each of its records, whether it is kept here."""
        assert self._swap is not None
        swap, self._swap = self._swap, None
        return self._swapped(swap, [at for at, is_kept in enumerate(believed) if not is_kept])

    def _agree(self, salt: bytes) -> None:
        """Take the leader's salt, which the first question has, and no other."""
        if bool(self._salt) == bool(salt):
            raise PeerError("a leader's salt that came twice, or not at all")
        if salt:
            if reconcile.promise(salt) != self._promise:
                raise PeerError("a leader's salt that is not the promised one")
            self._salt = salt + self._my_salt

    def _tell(self, asked: Sequence[_Asked]) -> Told:
        answers: list[Parts | bytes | None] = []
        self._listed = []
        size = 0
        for low, high, theirs in asked:
            if size > TOLD_BYTES_MAX or len(self._listed) > SYNC_IDS_MAX - LISTED_TO_EMPTY_MAX:
                break
            answer = self._answer(low, high, theirs)
            answers.append(answer)
            match answer:
                case None:
                    size += 1
                case Parts(bounds, prints):
                    size += len(prints) + sum(map(len, bounds)) + 2 * len(bounds)
                case _:
                    size += len(answer) + 3
        return Told(answers)

    def _answer(self, low: bytes, high: bytes, theirs: bytes) -> Parts | bytes | None:
        total = self._index.between(low, high)
        if reconcile.fingerprint(self._salt, total) == theirs:
            return None
        count = total[0]
        if count <= (LISTED_TO_EMPTY_MAX if theirs == EMPTY else LISTED_KEYS_MAX):
            return self._list(low, high)
        parts = reconcile.parts_to_list(count) if theirs == EMPTY else reconcile.parts_of(count)
        cuts = self._index.cut(low, high, parts)
        prints = reconcile.fingerprints(self._salt, self._index, [low, *cuts, high])
        return Parts(pack_bounds(cuts, low), b"".join(prints))

    def _list(self, low: bytes, high: bytes) -> bytes:
        keys = self._index.keys(low, high)
        self._listed += keys
        return b"".join(reconcile.short_ids(self._salt, map(id_of, keys)))

    def _swapped(self, swap: Swap, refused: list[int]) -> Swapped:
        places = unpack_places(swap.want)
        if len(places) > SYNC_RECORDS_MAX or (places and places[-1] >= len(self._listed)):
            raise Malformed("a swap that asks for too much, or for what was not told")
        batch = Batch()
        done = 0
        for place in places:
            data = self._get(id_of(self._listed[place]))
            if data is not None and not batch.takes(data):
                break
            done += 1
        return Swapped(done, batch.sealed, refused)


def _ranges(splits: Sequence[Split]) -> list[_Asked]:
    """Return the ranges of a question, in rising order, or raise `Malformed`."""
    asked: list[_Asked] = []
    previous = b""
    for split in splits:
        bounds = unpack_bounds(split.bounds, previous)
        check_order(bounds)
        prints = cut_up(split.prints, PRINT_BYTES)
        if bounds[0] < previous or bounds[-1] > END or len(prints) != len(bounds) - 1:
            raise Malformed("ranges that overlap, or without a fingerprint each")
        asked += zip(bounds, bounds[1:], prints, strict=False)
        previous = bounds[-1]
        if len(asked) > SYNC_RANGES_MAX:
            raise Malformed(f"a question about more than {SYNC_RANGES_MAX} ranges")
    return asked
