"""What this node knows of what others have, for files that are carried to them.

A peer tells it in the summary of each bundle that it makes; the newest one counts and is kept
among the notes of the record store. After a sync, a peer has every public record that was here
when the session began: that is remembered until the node stops. What bundles bring of capacities
is kept there too, beyond its time: orders that can wait count with it.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from commonfab.protocol import envelope
from commonfab.protocol.admission import CLOCKS_APART_MS_MAX
from commonfab.protocol.carrying import notes
from commonfab.protocol.carrying.known import NOTHING, Known
from commonfab.protocol.carrying.notes import Summary
from commonfab.protocol.carrying.wishes import Wish
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.limits import PATIENCE_MS_MAX
from commonfab.protocol.records import KINDS, PUBLIC, TRANSIENT, Letter, Record, read

from .. import clock
from ..library import Library

LETTERS_MAX = 2000
"""Letters in one bundle, the newest."""
LETTER_KINDS = frozenset(kind for kind, body in KINDS.items() if issubclass(body, Letter))
_UNSTORED_MAX = 4096
"""Letters that are not kept on the disk, of which the last ones are remembered."""
ARRIVED_MAX = 65_536
"""Public records of which it is remembered when they came; the others came before these."""
LAST_WORDS_MAX = 256
"""Workshops whose last word is kept over a restart: those that spoke last."""
_LAST_WORDS_KEY = "carried/capacities"
_SESSION_MS = 120_000
"""A record that came while a sync session ran may have missed it."""


class _Kept(Struct, frozen=True):
    """A summary with its blocks, as it is kept."""

    note: bytes
    known: bytes


@dataclass(frozen=True, slots=True)
class PeerState:
    """What another node is known to have and to want."""

    at: Timestamp
    """When it said so; 0: never."""
    known: Known
    wishes: tuple[Wish, ...] | None
    """None: it never said."""
    synced: Timestamp
    """It has the public records that were here before; 0: never synced since the start."""
    declined: Collection[RecordId]
    """But for these, which it did not believe then."""


class Carrying:
    """One for each node."""

    def __init__(
        self,
        me: NodeId,
        library: Library,
        last_sync: Callable[[NodeId], tuple[Timestamp, Collection[RecordId]]],
    ) -> None:
        """`last_sync` returns when a sync with a peer last came to its end, 0 being never, and
        which records the peer did not take."""
        self._me = me
        self._library = library
        self._last_sync = last_sync
        self._arrived: OrderedDict[RecordId, Timestamp] = OrderedDict()
        """When each public record came, of the last ones."""
        self._arrived_before: Timestamp = Timestamp(0)
        """The others came then or earlier."""
        self._unstored: OrderedDict[RecordId, Record] = OrderedDict()
        for record in self._kept_last_words():
            library.take_last_word(record)

    def learn(self, record: Record) -> None:
        """Take note of a record that is on the disk now."""
        if record.kind in PUBLIC:
            self._arrived[record.id] = clock.now()
            if len(self._arrived) > ARRIVED_MAX:
                _, self._arrived_before = self._arrived.popitem(last=False)

    def note_sent(self, record: Record) -> None:
        """Take note of a letter that is sent; one that the disk does not have is kept here."""
        if record.kind in TRANSIENT:
            self._unstored[record.id] = record
            if len(self._unstored) > _UNSTORED_MAX:
                self._unstored.popitem(last=False)

    def state_of(self, peer: NodeId) -> PeerState:
        data = self._library.note(_key(peer))
        last, declined = self._last_sync(peer)
        synced = Timestamp(max(0, last - _SESSION_MS))
        if data is None:
            return PeerState(Timestamp(0), NOTHING, None, synced, declined)
        kept = msgspec.msgpack.decode(data, type=_Kept)
        summary = notes.read(kept.note).note
        assert isinstance(summary, Summary)
        known = Known(summary.salt, summary.count, kept.known)
        return PeerState(Timestamp(summary.at), known, summary.wishes, synced, declined)

    def has_by_sync(self, state: PeerState, record: RecordId) -> bool:
        """Return whether a peer has a public record because it synced with this node."""
        arrived = self._arrived.get(record, self._arrived_before)
        return arrived < state.synced and record not in state.declined

    async def note_summary(self, signed: notes.Signed, known: bytes) -> bool:
        """Keep what a peer says that it has; return False if it is not news.

        Raises `Malformed` if it says no set.
        """
        summary = signed.note
        assert isinstance(summary, Summary)
        Known(summary.salt, summary.count, known)
        now = clock.now()
        if not self.state_of(signed.author).at < summary.at <= now + CLOCKS_APART_MS_MAX:
            return False
        data = msgspec.msgpack.encode(_Kept(signed.data, known))
        await self._library.keep_notes({_key(signed.author): data})
        return True

    def last_words(self) -> list[Record]:
        """Return the capacity records that are over, and count for orders that can wait."""
        newest = (self._library.newest(each, "capacity") for each in self._library.speakers())
        now = clock.now()
        return [each for each in newest if each and each.body.until <= now < _forgotten_at(each)]

    async def remember(self, carried: Iterable[Record]) -> None:
        """Count with the capacity records that a bundle brought, and keep them."""
        for record in carried:
            self._library.take_last_word(record)
        authors = {each.author for each in (*carried, *self._kept_last_words())}
        newest = (self._library.newest(author, "capacity") for author in authors)
        now = clock.now()
        kept = [each for each in newest if each and now < _forgotten_at(each)]
        kept.sort(key=lambda each: (-each.body.at, each.id))
        data = msgspec.msgpack.encode([each.data for each in kept[:LAST_WORDS_MAX]])
        await self._library.keep_notes({_LAST_WORDS_KEY: data})

    def _kept_last_words(self) -> list[Record]:
        data = self._library.note(_LAST_WORDS_KEY)
        sealed = msgspec.msgpack.decode(data, type=list[bytes]) if data else []
        return [read(envelope.parse(each)) for each in sealed]

    def letters_to(self, peer: NodeId, known: Known) -> list[Record]:
        """Return this node's letters that a peer may still need, by time."""
        now = clock.now()
        stored = self._library.stored(LETTER_KINDS - TRANSIENT, self._me)
        letters = [
            record
            for record in (*stored, *self._unstored.values())
            if isinstance(record.body, Letter)
            and record.body.to == peer
            and record.id not in known
            and not (record.body.until and record.body.until + CLOCKS_APART_MS_MAX <= now)
        ]
        letters.sort(key=lambda record: (record.body.at, record.body.seq, record.id))
        return letters[-LETTERS_MAX:]

    def ids_here(self) -> Iterator[RecordId]:
        """Yield the ids of all records but those that nobody else ever sees."""
        yield from self._library.ids()
        yield from self._library.stored_ids(LETTER_KINDS - TRANSIENT)
        yield from (record.id for record in self.last_words())


def _forgotten_at(capacity: Record) -> int:
    """Return from when no order, however patient, counts with a capacity record."""
    return capacity.body.until + PATIENCE_MS_MAX


def _key(peer: NodeId) -> str:
    return f"carried/{peer.hex()}"
