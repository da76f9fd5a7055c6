"""The exchange of what is missing: after one session both sides know the same public records.

Gossip is a hint; this is the truth. The side that opens the session leads:

    leader                                   follower
    Hello: count and digest of my ids   -->
                                        <--  Same, and it ends; or Differs
    Page: all my ids up to some id      -->
                                        <--  Missing: which of these I want, which of mine you lack
    Get: ids                            -->
                                        <--  Batch: those records
    Batch: the records that you want    -->
                                        <--  Taken
    ... until the last page

The follower keeps no state between messages, and every page stands alone, so a session
that was cut loses nothing but the page under way. Rules: specs/sync.md.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterable
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from .errors import Malformed, PeerError
from .ids import RecordId
from .limits import ENVELOPE_BYTES_MAX, FRAME_BYTES_MAX, SYNC_PAGE_IDS_MAX

PROTOCOL = "/commonfab/sync/1"
BATCH_BYTES_MAX = FRAME_BYTES_MAX // 4
PAGES_MAX = 4096
"""Pages of one session: four million records. What is left then is for the next session."""

Id = Annotated[bytes, Meta(min_length=32, max_length=32)]
Ids = Annotated[list[Id], Meta(max_length=SYNC_PAGE_IDS_MAX)]
Sealed = Annotated[bytes, Meta(max_length=ENVELOPE_BYTES_MAX)]


class _Message(Struct, frozen=True, tag=str.lower, forbid_unknown_fields=True):
    pass


class Hello(_Message, frozen=True):
    count: Annotated[int, Meta(ge=0)]
    digest: Id


class Same(_Message, frozen=True):
    pass


class Differs(_Message, frozen=True):
    pass


class Page(_Message, frozen=True):
    """All of the leader's ids that are over `after` and not over `through`."""

    after: Annotated[bytes, Meta(max_length=32)]
    through: Id
    ids: Ids


class Missing(_Message, frozen=True):
    want: Ids
    have: Ids
    """What the leader lacks, in order. Where it is full, the leader asks for the rest."""


class Get(_Message, frozen=True):
    ids: Ids


class Batch(_Message, frozen=True):
    sealed: Annotated[list[Sealed], Meta(max_length=SYNC_PAGE_IDS_MAX)]


class Taken(_Message, frozen=True):
    count: Annotated[int, Meta(ge=0)]


Message = Hello | Same | Differs | Page | Missing | Get | Batch | Taken

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """Return the message, or raise `Malformed`."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a message of the sync protocol: {error}") from error


class Library(Protocol):
    """The records that a node holds."""

    def ids(self) -> list[RecordId]:
        """Return the ids of all that are public, sorted."""
        ...

    def get(self, identifier: RecordId) -> bytes | None: ...


LAST_ID = b"\xff" * 32


def digest(ids: Iterable[RecordId]) -> bytes:
    """Return a digest of a set of ids. SHA-256 over them in order: no set can be chosen to
    collide with another."""
    return hashlib.sha256(b"".join(sorted(ids))).digest()


def answer(message: Message, library: Library, take: Callable[[bytes], bool]) -> Message:
    """Return the follower's reply. `take` judges and stores one record, and says if it was new.

    Raises `PeerError` for a message that only a follower sends.
    """
    match message:
        case Hello(count, known):
            ids = library.ids()
            same = count == len(ids) and known == digest(ids)
            return Same() if same else Differs()
        case Page(after, through, theirs):
            ids = library.ids()
            mine = ids[bisect_right(ids, after) : bisect_right(ids, through)]
            theirs_set, mine_set = set(theirs), set(mine)
            want = [i for i in theirs if i not in mine_set]
            have = [bytes(i) for i in mine if i not in theirs_set]
            return Missing(want, have[:SYNC_PAGE_IDS_MAX])
        case Get(ids):
            return _batch(_public(ids, library), library)
        case Batch(sealed):
            return Taken(sum(take(data) for data in sealed))
        case Same() | Differs() | Missing() | Taken():
            raise PeerError(f"{type(message).__name__} is a follower's word")


def _public(wanted: Iterable[bytes], library: Library) -> list[bytes]:
    """Return those that are passed on: a store may hold letters too, which are nobody else's."""
    ids = library.ids()
    places = ((i, bisect_left(ids, i)) for i in wanted)
    return [i for i, place in places if place < len(ids) and ids[place] == i]


def lead(library: Library, take: Callable[[bytes], bool]) -> Generator[Message, Message, int]:
    """Lead a session: yields each message to send, is sent each reply, returns how many
    records were new here. Raises `PeerError` for a reply that does not fit."""
    ids = library.ids()
    reply = yield Hello(len(ids), digest(ids))
    if isinstance(reply, Same):
        return 0
    _expect(reply, Differs)
    new = 0
    pages_left = PAGES_MAX
    for first in _pages(ids):
        page: Page | None = first
        while page is not None and pages_left:
            pages_left -= 1
            missing = _expect((yield page), Missing)
            have = _in_range(missing.have, page)
            got = yield from _fetch(have, take)
            yield from _give(set(missing.want) & set(page.ids), library)
            new += got
            is_full = len(have) == SYNC_PAGE_IDS_MAX
            page = _rest(page, have[-1]) if is_full and got else None
    return new


def _pages(ids: list[RecordId]) -> list[Page]:
    pages: list[Page] = []
    after = b""
    for start in range(0, max(len(ids), 1), SYNC_PAGE_IDS_MAX):
        chunk = [bytes(i) for i in ids[start : start + SYNC_PAGE_IDS_MAX]]
        is_last = start + SYNC_PAGE_IDS_MAX >= len(ids)
        through = LAST_ID if is_last else chunk[-1]
        pages.append(Page(after, through, chunk))
        after = through
    return pages


def _in_range(have: list[bytes], page: Page) -> list[bytes]:
    """Return `have`, or raise `PeerError` if it is no answer to the page: so each goes further."""
    last = page.after
    known = set(page.ids)
    for identifier in have:
        if not last < identifier <= page.through or identifier in known:
            raise PeerError("Missing names an id that was not asked for")
        last = identifier
    return have


def _rest(page: Page, after: bytes) -> Page:
    """Return the part of a page whose other part was too full to be answered."""
    return Page(after, page.through, [i for i in page.ids if i > after])


def _fetch(wanted: list[bytes], take: Callable[[bytes], bool]) -> Generator[Message, Message, int]:
    new = 0
    while wanted:
        reply = yield Get(wanted)
        batch = _expect(reply, Batch)
        if len(batch.sealed) > len(wanted):
            raise PeerError(f"{len(batch.sealed)} records where {len(wanted)} were asked for")
        if not batch.sealed:
            break  # What they had a moment ago has expired since.
        new += sum(take(data) for data in batch.sealed)
        wanted = wanted[len(batch.sealed) :]
    return new


def _give(wanted: set[bytes], library: Library) -> Generator[Message, Message, None]:
    left = sorted(wanted)
    while left:
        batch = _batch(left, library)
        if not batch.sealed:
            return
        _expect((yield batch), Taken)
        left = left[len(batch.sealed) :]


def _batch(ids: Iterable[bytes], library: Library) -> Batch:
    """Return the records of these ids in order, as many as fit; the first in any case."""
    sealed: list[bytes] = []
    size = 0
    for identifier in ids:
        data = library.get(RecordId(identifier))
        if data is None:
            continue
        size += len(data)
        if sealed and size > BATCH_BYTES_MAX:
            break
        sealed.append(data)
    return Batch(sealed)


M = TypeVar("M", bound=_Message)


def _expect(reply: Message, kind: type[M]) -> M:
    if not isinstance(reply, kind):
        raise PeerError(f"{type(reply).__name__} where {kind.__name__} was due")
    return reply
