"""What this node thinks of records that peers push: admission's verdict, where the record is
news, and whether its author says too much.
"""

from collections.abc import Callable

from commonfab.protocol.admission import Accept, Reject
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.gossip.allowance import Allowances
from commonfab.protocol.gossip.areas import WORLD, Topic, area_of
from commonfab.protocol.gossip.broadcast_events import Judged
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.limits import MINUTE_MS
from commonfab.protocol.records import PUBLIC, Record, Workshop

from .. import clock
from ..driver import Driver
from ..library import Library

RECORDS_PER_S = 1.0
RECORDS_BURST = 120
"""Of one author. An honest one says something every few seconds at most, but for the day on which
it publishes all its designs; what is beyond comes by sync."""
STRANGERS_PER_S = 0.25
STRANGERS_BURST = 30
"""Of all strangers that are linked here together: what is beyond comes by sync, so that a crowd
of them spends little of this node's time, and none of its peers'."""
ALONE_FACTOR = 8
"""They are heard so many times as much where nobody else speaks: in a town in which nobody has
met anybody, the news of some hundred workshops."""
_ALONE_MS = 10 * MINUTE_MS
"""Nobody else speaks if no peer that is known here has pushed anything for so long."""
_AUTHORS_MAX = 10_000
_FRESH_MS = 2 * MINUTE_MS
"""A record of another that came by sync is passed on if it is no older: the others of an area
that was cut off hear of it at once, and old records are not told again."""


class Judging:
    """One for each node."""

    def __init__(
        self, me: NodeId, driver: Driver, library: Library, is_known: Callable[[NodeId], bool]
    ) -> None:
        self._me = me
        self._is_known = is_known
        self._driver = driver
        self._library = library
        self._said = Allowances[NodeId](
            per_s=RECORDS_PER_S, burst=RECORDS_BURST, users_max=_AUTHORS_MAX
        )
        self._told_by_strangers = Allowances[None](
            per_s=STRANGERS_PER_S, burst=STRANGERS_BURST, users_max=1
        )
        self._known_spoke_at = -_ALONE_MS

    def judge(self, peer: NodeId, area: Topic, sealed: Envelope) -> Judged:
        """Judge a record at once; if it is accepted, it is kept soon."""
        now = clock.now()
        if not self._said.may(sealed.author, 1, now):
            if peer == sealed.author:
                return Judged("reject", area, "more records than one author may gossip")
            return Judged("ignore", area)
        if not self._is_heard(peer, now):
            return Judged("ignore", area)
        verdict = self._driver.judge_public(sealed.data)
        if not isinstance(verdict, Reject):  # What others forge is not counted as an author's word.
            self._said.take(sealed.author, 1, now)
        match verdict:
            case Accept(record):
                return Judged("accept", self._area(record, area))
            case Reject(reason):
                return Judged("reject", area, reason)
            case _:
                return Judged("ignore", area)

    def _is_heard(self, peer: NodeId, now: Timestamp) -> bool:
        if self._is_known(peer):
            self._known_spoke_at = now
            return True
        is_alone = now >= self._known_spoke_at + _ALONE_MS
        return self._told_by_strangers.take(None, 1 / ALONE_FACTOR if is_alone else 1, now)

    def is_news(self, record: Record, now: Timestamp) -> bool:
        """Tell whether others should hear of a record that has just been kept."""
        is_recent = record.author == self._me or record.body.at > now - _FRESH_MS
        if record.kind == "proof":  # However old its halves are, that there are two is news.
            return True
        return record.kind in PUBLIC and is_recent

    def area_of(self, record: Record) -> Topic:
        """Return the area of a record's author; of one without a known place, the world."""
        return self._area(record, WORLD)

    def _area(self, record: Record, said: Topic) -> Topic:
        """Return where a record is news: by its author's place, if that is known here."""
        if isinstance(record.body, Workshop):
            return area_of(record.body.place)
        workshop = self._library.workshops.get(record.author)
        return area_of(workshop.place) if workshop else said
